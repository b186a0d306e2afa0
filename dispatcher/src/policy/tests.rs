use super::shadow::{Shadow, ShadowFeed};
use super::state::next;
use super::*;
use crate::evidence::Evidence;
use crate::incident::Incidents;
use crate::testing::city::{START, burning, city};
use citybrain_types::FrameDetections;
use std::path::Path;

fn record(state: PolicyState, policy: serde_json::Value) -> PolicyRecord {
    PolicyRecord {
        id: "policy-20250601-000000000000".to_owned(),
        version: 1,
        state,
        title: "More careful".to_owned(),
        authors: vec!["Li Wei".to_owned()],
        policy: serde_json::from_value(policy).unwrap(),
        created_at: START,
        updated_at: START,
        live_at: None,
        replaced: None,
    }
}

#[test]
fn nobody_approves_what_he_has_written_and_nothing_skips_a_step() {
    let shadow = record(PolicyState::Shadow, serde_json::json!({}));
    assert!(matches!(next(&shadow, PolicyAction::Approve, " li wei "), Err(Refusal::OwnWork(_))));
    assert_eq!(next(&shadow, PolicyAction::Approve, "Wang Fang"), Ok(PolicyState::Approved));
    let draft = record(PolicyState::Draft, serde_json::json!({}));
    for action in [PolicyAction::Approve, PolicyAction::GoLive, PolicyAction::RollBack] {
        let refused = next(&draft, action, "Wang Fang").unwrap_err().to_string();
        assert!(refused.contains("possible are: edit, shadow, discard"), "{refused}");
    }
    for over in [PolicyState::Superseded, PolicyState::RolledBack, PolicyState::Discarded] {
        for action in PolicyAction::ALL {
            assert!(next(&record(over, serde_json::json!({})), *action, "Wang Fang").is_err());
        }
    }
}

/// What a shadow under a policy tells of a story, and what remains of it.
fn differences(policy: serde_json::Value, story: &[FrameDetections]) -> Vec<Difference> {
    let city = Arc::new(city(Path::new("unused")));
    let mut shadow = Shadow::new(&record(PolicyState::Shadow, policy), &city, &[]);
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    let mut incidents = Incidents::new(&city, []);
    let mut remaining: Vec<Difference> = Vec::new();
    for frame in story {
        shadow.take(ShadowFeed::Frames(Arc::new(vec![frame.clone()])));
        for change in incidents.take(&evidence.judge(frame).look) {
            Opening::of(&change).into_iter().for_each(|opening| shadow.take(ShadowFeed::Live(opening)));
        }
        let (found, taken_back) = shadow.told();
        remaining.extend(found);
        remaining.retain(|difference| !taken_back.contains(&difference.id));
    }
    remaining
}

#[test]
fn a_shadow_tells_what_only_one_side_opens_and_takes_back_what_the_other_opens_later() {
    let story: Vec<_> = (0..6).map(|n| burning("gate-1", n)).collect();
    let needs = |hits: u32| serde_json::json!({ "rules": [{ "kind": "fire", "set": { "hits_needed": hits, "looks_counted": 8 } }] });
    // Two hits open under the policy in force, three a look later: no difference but for a moment.
    assert_eq!(differences(needs(3), &story), []);
    let never = differences(needs(8), &story);
    assert_eq!(never.len(), 1);
    assert_eq!((never[0].side, never[0].camera.as_str()), (Side::WouldNotOpen, "gate-1"));
    let one_look = differences(
        serde_json::json!({ "rules": [{ "kind": "fire", "set": { "hits_needed": 1, "open_at": 2.0 } }] }),
        &story[..1],
    );
    assert_eq!((one_look.len(), one_look[0].side), (1, Side::WouldOpen));
}

#[test]
fn what_stands_in_the_log_of_a_policy_is_all_of_it() {
    let live = InForce {
        id: "policy-1".to_owned(),
        version: 7,
        policy: Arc::new(
            record(PolicyState::Live, serde_json::json!({ "cases_per_camera_and_day": 3 })).policy,
        ),
    };
    let text = serde_json::to_string(&live).unwrap();
    assert_eq!(serde_json::from_str::<InForce>(&text).unwrap(), live);
    let city = Arc::new(city(Path::new("unused")));
    assert_eq!(live.laid_over(&city).dispatch.alerts.cases_per_camera_and_day, 3);
    assert!(Arc::ptr_eq(&InForce::default().laid_over(&city), &city));
}
