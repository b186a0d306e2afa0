//! The agenda under a clock that moves only when told to.

use super::super::plan::{CascadeLook, KindRule, ModelLook};
use super::*;
use crate::picture::{Codec, Keyframe};
use bytes::Bytes;
use citybrain_types::{EventKind, ModelId};
use std::collections::BTreeSet;

const LIMITS: Limits = Limits {
    stall_after: Duration::from_secs(10),
    connect_timeout: Duration::from_secs(5),
    urgent_share_percent: 80,
};
const LIVE: &dyn Fn(&CameraId) -> Sight = &|_| Sight::Live;

fn secs(seconds: f64) -> Timestamp {
    Timestamp::from_micros(1_000_000_000 + (seconds * 1e6) as i64)
}

fn id(camera: &str) -> CameraId {
    CameraId::new(camera).unwrap()
}

fn look(model: usize, kind: &str, interval_secs: f64) -> ModelLook {
    let urgent = kind == "fire";
    let rule = KindRule {
        kind: EventKind::new(kind),
        labels: BTreeSet::new(),
        log_floor: 0.1,
        hit_score: 0.5,
        urgent,
        interval: Duration::from_secs_f64(interval_secs),
        compares: false,
    };
    let interval = Duration::from_secs_f64(interval_secs);
    ModelLook {
        model,
        model_id: ModelId::new(format!("m{model}-1")).unwrap(),
        kinds: vec![rule],
        interval,
        urgent,
    }
}

fn plan(camera: &str, looks: Vec<ModelLook>) -> Arc<CameraPlan> {
    Arc::new(CameraPlan {
        camera: id(camera),
        generation: 0,
        looks,
        cascades: vec![],
        ignore: vec![],
        zones: vec![],
    })
}

fn agenda(plans: Vec<Arc<CameraPlan>>) -> Agenda {
    let mut agenda = Agenda::new(LIMITS, 100);
    agenda.replan(plans, LIMITS, secs(0.0));
    agenda
}

fn picture(camera: &str, at: Timestamp) -> Picture {
    let data = Bytes::from(at.as_micros().to_string());
    Picture::Keyframe(Keyframe {
        camera: id(camera),
        captured_at: at,
        received_at: at,
        codec: Codec::H264,
        data,
    })
}

fn put(agenda: &mut Agenda, camera: &str, at: f64) -> Put {
    let index = agenda.index(&id(camera));
    agenda.put(index, picture(camera, secs(at)), false, secs(at)).0
}

/// The next look, if there is one.
fn next(agenda: &mut Agenda, at: f64) -> Option<Look> {
    match agenda.next(secs(at), LIVE).0 {
        Some(Work::Look(look)) => Some(look),
        Some(Work::Silent(silences)) => panic!("silent: {silences:?}"),
        None => None,
    }
}

/// The camera that is looked at next; its look is ended at once.
fn look_at(agenda: &mut Agenda, at: f64) -> Option<String> {
    let look = next(agenda, at)?;
    agenda.done(&look.ticket, LookResult::Seen, secs(at));
    Some(look.ticket.plan.camera.to_string())
}

fn silences(agenda: &mut Agenda, at: f64, sight: Sight) -> Vec<NotSeen> {
    match agenda.next(secs(at), &|_| sight).0 {
        Some(Work::Silent(silences)) => silences.iter().map(|silence| silence.reason).collect(),
        Some(Work::Look(look)) => panic!("looked at {}", look.ticket.plan.camera),
        None => vec![],
    }
}

#[test]
fn fire_is_looked_at_before_everything_else_however_late_the_rest_is() {
    let litter = |n: usize| plan(&format!("litter-{n}"), vec![look(0, "litter", 1.0)]);
    let mut agenda = agenda((0..5).map(litter).chain([plan("fire", vec![look(0, "fire", 60.0)])]).collect());
    for n in 0..5 {
        put(&mut agenda, &format!("litter-{n}"), 4.0);
    }
    put(&mut agenda, "fire", 5.0);
    assert_eq!(look_at(&mut agenda, 5.0).as_deref(), Some("fire"));
    assert!(look_at(&mut agenda, 5.0).unwrap().starts_with("litter"));
}

#[test]
fn among_the_rest_the_earliest_deadline_comes_first() {
    let mut agenda = agenda(vec![
        plan("slow", vec![look(0, "construction", 600.0)]),
        plan("quick", vec![look(0, "water", 10.0)]),
        plan("medium", vec![look(0, "litter", 30.0)]),
    ]);
    for camera in ["slow", "quick", "medium"] {
        put(&mut agenda, camera, 0.0);
    }
    let order: Vec<_> = std::iter::from_fn(|| look_at(&mut agenda, 0.1)).collect();
    assert_eq!(order, ["quick", "medium", "slow"]);
}

#[test]
fn under_overload_fire_keeps_its_interval_and_the_others_stretch_evenly() {
    // Five fire looks a second are wanted and ten others; the one worker manages ten in all.
    let camera = |kind: &str, n: usize| plan(&format!("{kind}-{n}"), vec![look(0, kind, 2.0)]);
    let mut plans: Vec<_> = (0..10).map(|n| camera("fire", n)).collect();
    plans.extend((0..20).map(|n| camera("litter", n)));
    let mut agenda = agenda(plans.clone());
    let mut looks = std::collections::BTreeMap::<String, u32>::new();
    for step in 0..600 {
        let at = f64::from(step) * 0.1;
        if step % 5 == 0 {
            for plan in &plans {
                put(&mut agenda, plan.camera.as_str(), at);
            }
        }
        if let Some(camera) = look_at(&mut agenda, at) {
            *looks.entry(camera).or_default() += 1;
        }
    }
    let of =
        |kind: &str| looks.iter().filter(|(c, _)| c.starts_with(kind)).map(|(_, n)| *n).collect::<Vec<_>>();
    assert!(of("fire").iter().all(|n| (29..=35).contains(n)), "{looks:?}");
    let (least, most) = (*of("litter").iter().min().unwrap(), *of("litter").iter().max().unwrap());
    assert_eq!(of("litter").len(), 20);
    assert!(least >= 10 && most - least <= 2, "{looks:?}");
}

#[test]
fn a_newer_picture_replaces_the_one_that_waits() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 2.0)])]);
    assert_eq!(put(&mut agenda, "gate", 0.0), Put::Kept);
    assert_eq!(put(&mut agenda, "gate", 0.5), Put::Replaced);
    let look = next(&mut agenda, 0.6).unwrap();
    assert_eq!(look.picture.captured_at(), secs(0.5));
    assert!(next(&mut agenda, 0.6).is_none());
}

#[test]
fn a_picture_waits_in_the_slot_until_its_camera_is_due() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "litter", 30.0)])]);
    put(&mut agenda, "gate", 0.0);
    assert!(look_at(&mut agenda, 0.0).is_some());
    for second in 1..26 {
        put(&mut agenda, "gate", f64::from(second));
        assert_eq!(look_at(&mut agenda, f64::from(second)), None);
    }
    put(&mut agenda, "gate", 26.0);
    assert_eq!(agenda.next_timer(), Some(secs(26.25)), "an eighth of the interval early");
    let look = next(&mut agenda, 26.3).unwrap();
    assert_eq!(look.picture.captured_at(), secs(26.0), "and then the newest is taken");
    assert_eq!(look.ages, [Some(Duration::from_millis(26_300))]);
}

#[test]
fn looks_fall_into_step_with_keyframes_that_come_a_little_early() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 2.0)])]);
    for n in 0..50 {
        let at = f64::from(n) * 1.98;
        put(&mut agenda, "gate", at);
        assert!(look_at(&mut agenda, at).is_some(), "keyframe {n} had to wait");
    }
}

#[test]
fn a_camera_is_in_the_hands_of_one_worker_at_a_time() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 1.0)])]);
    put(&mut agenda, "gate", 0.0);
    let first = next(&mut agenda, 0.0).unwrap();
    put(&mut agenda, "gate", 5.0);
    assert!(next(&mut agenda, 5.0).is_none());
    agenda.done(&first.ticket, LookResult::Seen, secs(5.0));
    assert!(next(&mut agenda, 5.0).unwrap().ticket.first_sequence > first.ticket.first_sequence);
}

#[test]
fn each_model_is_asked_at_its_own_interval_and_numbered_apart() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 2.0), look(1, "litter", 30.0)])]);
    put(&mut agenda, "gate", 0.0);
    let both = next(&mut agenda, 0.0).unwrap();
    assert_eq!((both.ticket.due.as_slice(), both.ticket.first_sequence), ([0, 1].as_slice(), 100));
    agenda.done(&both.ticket, LookResult::Seen, secs(0.1));
    put(&mut agenda, "gate", 2.0);
    let fire = next(&mut agenda, 2.0).unwrap();
    assert_eq!((fire.ticket.due.as_slice(), fire.ticket.first_sequence), ([0].as_slice(), 102));
}

#[test]
fn a_focus_request_shortens_the_interval_until_it_lapses() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 10.0)])]);
    let request = |kind: &str| FocusRequest {
        camera: id("gate"),
        kind: EventKind::new(kind),
        look_interval: Duration::from_secs(1),
        until: secs(20.0),
        verify: false,
    };
    put(&mut agenda, "gate", 0.0);
    look_at(&mut agenda, 0.0).unwrap();
    assert!(!agenda.focus(&request("litter"), secs(3.0)), "nobody looks for that here");
    assert!(agenda.focus(&request("fire"), secs(3.0)));
    let mut looks = 0;
    for step in 0..400 {
        let at = 3.0 + f64::from(step) * 0.1;
        put(&mut agenda, "gate", at);
        looks += u32::from(look_at(&mut agenda, at).is_some());
    }
    // 17 s at one second (an eighth early each), then 23 s at ten.
    assert!((18..=23).contains(&looks), "{looks}");
}

#[test]
fn a_picture_that_no_longer_shows_the_present_is_dropped_as_expired() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "construction", 600.0)])]);
    put(&mut agenda, "gate", 0.0);
    look_at(&mut agenda, 0.0).unwrap();
    put(&mut agenda, "gate", 1.0);
    let (work, expired) = agenda.next(secs(600.0), LIVE);
    assert!(work.is_none());
    assert_eq!(expired, 1);
}

#[test]
fn a_camera_that_is_not_connected_is_reported_once_an_interval() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "litter", 30.0)])]);
    assert_eq!(silences(&mut agenda, 4.9, Sight::Disconnected), [], "it may still be connecting");
    let mut reported = Vec::new();
    for step in 0..1_000 {
        let at = f64::from(step) * 0.1;
        reported.extend(silences(&mut agenda, at, Sight::Disconnected).iter().map(|_| at.round() as u32));
    }
    assert_eq!(reported, [5, 35, 65, 95]);
}

#[test]
fn a_fire_camera_that_is_not_connected_is_reported_at_most_every_two_seconds() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 0.5)])]);
    let reports =
        (0..600).map(|step| silences(&mut agenda, f64::from(step) * 0.1, Sight::Disconnected).len());
    let reports: usize = reports.sum();
    assert!((27..=29).contains(&reports), "{reports} in the 55 s after it had time to connect");
}

#[test]
fn a_live_camera_with_long_gaps_between_keyframes_is_not_called_silent() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 2.0)])]);
    for step in 0..600 {
        let at = f64::from(step) * 0.1;
        if step % 80 == 0 {
            put(&mut agenda, "gate", at);
            look_at(&mut agenda, at).unwrap();
        } else {
            assert_eq!(silences(&mut agenda, at, Sight::Live), [], "at {at}");
        }
    }
}

#[test]
fn a_connected_camera_without_keyframes_is_reported_as_stalled() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 2.0)])]);
    put(&mut agenda, "gate", 0.0);
    look_at(&mut agenda, 0.0).unwrap();
    assert_eq!(silences(&mut agenda, 11.9, Sight::Live), []);
    assert_eq!(silences(&mut agenda, 13.0, Sight::Live), [NotSeen::Stalled], "though capture calls it live");
    assert_eq!(silences(&mut agenda, 15.1, Sight::Stalled), [NotSeen::Stalled]);
}

#[test]
fn a_file_that_has_ended_is_not_a_silent_camera() {
    let mut agenda = agenda(vec![plan("clip", vec![look(0, "fire", 2.0)])]);
    for second in 0..100 {
        assert_eq!(silences(&mut agenda, f64::from(second), Sight::Ended), []);
    }
}

#[test]
fn a_picture_that_waits_for_a_worker_is_not_silence() {
    let mut agenda =
        agenda(vec![plan("a", vec![look(0, "fire", 2.0)]), plan("b", vec![look(0, "fire", 2.0)])]);
    put(&mut agenda, "a", 8.0);
    put(&mut agenda, "b", 8.0);
    let busy = next(&mut agenda, 9.0).unwrap();
    let waiting = next(&mut agenda, 9.0).unwrap();
    assert_eq!(silences(&mut agenda, 30.0, Sight::Disconnected), []);
    agenda.done(&busy.ticket, LookResult::Seen, secs(30.0));
    agenda.done(&waiting.ticket, LookResult::Seen, secs(30.0));
}

#[test]
fn an_undecodable_keyframe_is_reported_and_the_next_one_tried_soon() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "litter", 30.0)])]);
    put(&mut agenda, "gate", 0.0);
    let first = next(&mut agenda, 0.0).unwrap();
    // Reports start when the camera has had time to connect; a picture shows that it has.
    agenda.done(&first.ticket, LookResult::Seen, secs(0.0));
    let mut reports = Vec::new();
    for step in 0..600 {
        let at = 30.0 + f64::from(step) * 0.1;
        put(&mut agenda, "gate", at);
        if let Some(look) = next(&mut agenda, at) {
            reports.extend(agenda.done(&look.ticket, LookResult::Undecodable, secs(at)));
        }
    }
    assert_eq!(reports.len(), 2, "one each interval");
    assert!(reports.iter().all(|report| report.reason == NotSeen::Undecodable));
    put(&mut agenda, "gate", 90.3);
    let good = next(&mut agenda, 90.3).expect("it is due at once");
    agenda.done(&good.ticket, LookResult::Seen, secs(90.3));
    put(&mut agenda, "gate", 91.0);
    assert!(next(&mut agenda, 91.0).is_none(), "and back to its interval");
}

#[test]
fn a_new_plan_keeps_the_due_times_of_cameras_that_stay() {
    let mut agenda = agenda(vec![
        plan("stays", vec![look(0, "litter", 30.0)]),
        plan("goes", vec![look(0, "litter", 30.0)]),
    ]);
    put(&mut agenda, "stays", 0.0);
    look_at(&mut agenda, 0.0).unwrap();
    put(&mut agenda, "stays", 5.0);
    put(&mut agenda, "goes", 5.0);
    let plans =
        vec![plan("stays", vec![look(0, "litter", 20.0)]), plan("new", vec![look(0, "litter", 30.0)])];
    assert_eq!(agenda.replan(plans, LIMITS, secs(6.0)), 1, "the picture of the camera that is gone");
    assert_eq!(put(&mut agenda, "goes", 7.0), Put::Dropped(DropReason::NotWanted));
    assert_eq!(put(&mut agenda, "new", 7.0), Put::Kept);
    assert_eq!(look_at(&mut agenda, 7.0).as_deref(), Some("new"));
    put(&mut agenda, "stays", 17.0);
    assert!(look_at(&mut agenda, 17.0).is_none(), "looked at 17 s ago");
    assert_eq!(look_at(&mut agenda, 18.0).as_deref(), Some("stays"));
}

#[test]
fn a_picture_of_another_camera_is_refused() {
    let mut agenda =
        agenda(vec![plan("a", vec![look(0, "fire", 2.0)]), plan("b", vec![look(0, "fire", 2.0)])]);
    let a = agenda.index(&id("a"));
    let (put, _) = agenda.put(a, picture("b", secs(0.0)), false, secs(0.0));
    assert_eq!(put, Put::Dropped(DropReason::ForeignCamera));
}

#[test]
fn a_closed_agenda_takes_no_more_pictures() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 2.0)])]);
    put(&mut agenda, "gate", 0.0);
    assert_eq!(agenda.close(), 1);
    assert_eq!(put(&mut agenda, "gate", 1.0), Put::Dropped(DropReason::Closed));
}

fn with_cascade(camera: &str, generation: u64) -> Arc<CameraPlan> {
    let second =
        CascadeLook { look: look(1, "fire", 1.0), after: 0, score: None, crop: None, waits_for_alarm: false };
    let (looks, cascades) = (vec![look(0, "fire", 0.5)], vec![second]);
    Arc::new(CameraPlan { camera: id(camera), generation, looks, cascades, ignore: vec![], zones: vec![] })
}

#[test]
fn a_model_is_asked_about_a_camera_again_only_after_its_interval() {
    let mut agenda = agenda(vec![with_cascade("a", 0), with_cascade("b", 0)]);
    let mut ask = |camera: &str, at: f64| {
        put(&mut agenda, camera, at);
        let look = next(&mut agenda, at).unwrap();
        let may = agenda.ask(&look.ticket, 0, secs(at));
        agenda.done(&look.ticket, LookResult::Seen, secs(at));
        may
    };
    assert!(ask("a", 0.0));
    assert!(!ask("a", 0.5));
    assert!(ask("b", 0.6), "cameras do not wait for each other");
    assert!(ask("a", 1.0));
    assert!(!ask("a", 1.9));
}

#[test]
fn a_model_that_waits_for_an_alarm_is_asked_while_one_is_to_be_confirmed() {
    let mut plan = with_cascade("a", 0);
    Arc::make_mut(&mut plan).cascades[0].waits_for_alarm = true;
    let mut agenda = agenda(vec![plan]);
    let mut ask = |focus: Option<bool>, at: f64| {
        if let Some(verify) = focus {
            let request = FocusRequest {
                camera: id("a"),
                kind: EventKind::new("fire"),
                look_interval: Duration::from_secs(1),
                until: secs(at + 5.0),
                verify,
            };
            assert!(agenda.focus(&request, secs(at)));
        }
        put(&mut agenda, "a", at);
        let look = next(&mut agenda, at).unwrap();
        let may = agenda.ask(&look.ticket, 0, secs(at));
        agenda.done(&look.ticket, LookResult::Seen, secs(at));
        may
    };
    assert!(!ask(None, 0.0));
    assert!(!ask(Some(false), 2.0), "a suspect is no alarm");
    assert!(ask(Some(true), 4.0));
    assert!(ask(None, 8.0));
    assert!(!ask(None, 12.0), "the request has lapsed");
}

#[test]
fn a_clock_that_was_set_back_keeps_no_model_from_being_asked() {
    let mut agenda = agenda(vec![with_cascade("a", 0)]);
    put(&mut agenda, "a", 100.0);
    let look = next(&mut agenda, 100.0).unwrap();
    assert!(agenda.ask(&look.ticket, 0, secs(100.0)));
    assert!(agenda.ask(&look.ticket, 0, secs(10.0)));
    assert!(!agenda.ask(&look.ticket, 1, secs(10.0)), "there is no second cascade");
}

#[test]
fn a_look_of_a_plan_that_is_no_longer_in_force_asks_nobody() {
    let mut agenda = agenda(vec![with_cascade("a", 0)]);
    put(&mut agenda, "a", 0.0);
    let look = next(&mut agenda, 0.0).unwrap();
    agenda.replan(vec![with_cascade("a", 1)], LIMITS, secs(0.1));
    assert!(!agenda.ask(&look.ticket, 0, secs(0.2)));
}

#[test]
fn every_answer_that_may_be_asked_for_has_a_number_of_its_own() {
    let mut agenda = agenda(vec![with_cascade("a", 0)]);
    put(&mut agenda, "a", 0.0);
    let first = next(&mut agenda, 0.0).unwrap();
    agenda.done(&first.ticket, LookResult::Seen, secs(0.0));
    put(&mut agenda, "a", 1.0);
    let second = next(&mut agenda, 1.0).unwrap();
    assert_eq!(second.ticket.first_sequence - first.ticket.first_sequence, 1 + MAX_REGIONS as u64);
}

#[test]
fn a_kind_that_shares_a_model_with_a_quicker_one_is_judged_by_its_own_interval() {
    let mut shared = look(0, "fire", 2.0);
    shared.kinds.extend(look(0, "littering", 30.0).kinds);
    let mut agenda = agenda(vec![plan("gate", vec![shared])]);
    // Keyframes come every five seconds: too seldom for fire, often enough for litter.
    for at in [0.0, 5.0, 10.0, 15.0] {
        put(&mut agenda, "gate", at);
        assert!(look_at(&mut agenda, at).is_some());
    }
    let coverage = agenda.coverage(secs(15.0));
    let covered = |kind: &str| coverage.kinds[&EventKind::new(kind)];
    assert!((covered("fire").covered - 0.4).abs() < 1e-6, "{coverage:?}");
    assert!((covered("littering").covered - 1.0).abs() < 1e-6, "{coverage:?}");
    assert_eq!(coverage.cameras[&id("gate")][&EventKind::new("fire")], 40);
    assert_eq!((covered("fire").cameras, covered("littering").cameras), (1, 1));
}

#[test]
fn a_camera_in_which_two_models_look_for_a_kind_is_counted_once_by_the_one_that_is_behind() {
    let mut agenda = agenda(vec![plan("gate", vec![look(0, "fire", 2.0), look(1, "fire", 20.0)])]);
    for at in [0.0, 4.0, 8.0] {
        put(&mut agenda, "gate", at);
        assert!(look_at(&mut agenda, at).is_some());
    }
    let fire = agenda.coverage(secs(8.0)).kinds[&EventKind::new("fire")];
    assert_eq!(fire.cameras, 1);
    assert!((fire.covered - 0.5).abs() < 1e-6, "{fire:?}");
}

#[test]
fn what_was_found_is_looked_at_again_in_a_quarter_of_the_time_until_it_is_decided() {
    let mut agenda = agenda(vec![plan("site", vec![look(0, "construction", 600.0)])]);
    let mut taken = Vec::new();
    for at in (0..4_000).step_by(10).map(f64::from) {
        put(&mut agenda, "site", at);
        if let Some(look) = next(&mut agenda, at) {
            agenda.found(&look.ticket, 0);
            agenda.done(&look.ticket, LookResult::Seen, secs(at));
            taken.push(at);
        }
    }
    // Four looks in a row found it; the fifth comes in its time (seven eighths of it have passed), as do those after it.
    assert_eq!(taken[..6], [0.0, 150.0, 300.0, 450.0, 600.0, 1_130.0]);
}

#[test]
fn a_look_that_found_something_takes_nothing_from_cameras_that_are_due() {
    let mut agenda = agenda(vec![
        plan("found", vec![look(0, "litter", 30.0)]),
        plan("due", vec![look(0, "litter", 30.0)]),
    ]);
    put(&mut agenda, "found", 0.0);
    let look = next(&mut agenda, 0.0).unwrap();
    agenda.found(&look.ticket, 0);
    agenda.done(&look.ticket, LookResult::Seen, secs(0.0));
    put(&mut agenda, "found", 20.0);
    put(&mut agenda, "due", 20.0);
    assert_eq!(look_at(&mut agenda, 20.0).as_deref(), Some("due"));
    assert_eq!(look_at(&mut agenda, 20.0).as_deref(), Some("found"));
}
