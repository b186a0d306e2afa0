use super::*;
use crate::load_with;
use citybrain_types::{Score, Timestamp};

fn city() -> City {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("citybrain.toml");
    let text = r#"
        [[areas]]
        name = "harbour"
        level = "district"
        [[areas]]
        name = "quay"
        level = "street"
        within = "harbour"
        [[cameras]]
        id = "gate-1"
        url = "rtsp://127.0.0.1/1"
        area = "quay"
        kinds = ["fire", "littering"]
        [[cameras.zones]]
        name = "chimney"
        polygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]
        [[cameras]]
        id = "gate-2"
        url = "rtsp://127.0.0.1/2"
        kinds = ["fire"]
        [cameras.evidence.fire]
        hit_score = 0.7
    "#;
    std::fs::write(&file, text).unwrap();
    load_with(&file, &|_| None).unwrap().city
}

fn policy(json: serde_json::Value) -> Policy {
    serde_json::from_value(json).unwrap()
}

fn camera(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

fn hit_score(city: &City, id: &str) -> f32 {
    city.evidence_policy(&camera(id), &EventKind::new("fire")).unwrap().hit_score
}

#[test]
fn a_rule_of_a_kind_holds_in_every_camera_and_a_later_rule_has_the_last_word() {
    let city = city();
    let kind = serde_json::json!({ "kind": "fire", "set": { "hit_score": 0.4, "quiet_after_secs": 90 } });
    let laid = policy(serde_json::json!({ "rules": [kind] })).laid_over(&city).unwrap();
    assert_eq!((hit_score(&laid, "gate-1"), hit_score(&laid, "gate-2")), (0.4, 0.4));
    let quiet = laid.kinds[&EventKind::new("fire")].incident.quiet_after;
    assert_eq!(quiet, Some(Duration::from_secs(90)));
    // What it does not name stays as the camera has it.
    let looks = serde_json::json!({ "rules": [{ "kind": "fire", "set": { "looks_counted": 9 } }] });
    let laid = policy(looks).laid_over(&city).unwrap();
    assert_eq!((hit_score(&laid, "gate-1"), hit_score(&laid, "gate-2")), (0.5, 0.7));
    let area = serde_json::json!({ "kind": "fire", "areas": ["harbour"], "set": { "hit_score": 0.3 } });
    let both =
        serde_json::json!({ "kind": "fire", "cameras": ["gate-1", "gate-2"], "set": { "hit_score": 0.2 } });
    let laid = policy(serde_json::json!({ "rules": [both, area] })).laid_over(&city).unwrap();
    assert_eq!((hit_score(&laid, "gate-1"), hit_score(&laid, "gate-2")), (0.3, 0.2));
}

#[test]
fn a_policy_that_does_not_fit_is_refused_whole_with_every_mistake() {
    let wrong = serde_json::json!({
        "rules": [
            { "kind": "fir", "set": { "hit_score": 0.5 } },
            { "kind": "fire", "set": { "hit_score": 1.5, "half_life_secs": 0 } },
            { "kind": "fire", "cameras": ["gate-9"], "areas": ["moon"], "set": { "open_at": 3 } },
            { "kind": "littering", "cameras": ["gate-2"], "set": { "quiet_after_secs": 60 } },
            { "kind": "fire", "set": { "close_at": 9 } },
            { "kind": "fire", "set": {} },
        ],
        "cases_per_camera_and_day": 0,
        "calibration": { "fire": { "method": "platt", "knots": [[0.5, 0.6], [0.4, 0.2]], "fitted_at": "2026-01-01T00:00:00Z",
            "verdicts": 1, "ece_before": { "value": 0, "low": 0, "high": 0 }, "ece_after": { "value": 0, "low": 0, "high": 0 } } },
    });
    let city = city();
    let problems = policy(wrong).laid_over(&city).unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "rules[1].kind",
            "rules[2].set.hit_score",
            "rules[2].set.half_life_secs",
            "rules[3].cameras",
            "rules[3].areas",
            "rules[4].cameras",
            "rules[4].set.quiet_after_secs",
            "rules[5].set.close_at",
            "rules[6].set",
            "cases_per_camera_and_day",
            "calibration.fire",
        ],
        "{problems:#?}"
    );
    assert!(problems[0].message.contains("did you mean 'fire'?"), "{}", problems[0]);
    assert!(problems[7].message.contains("must be below 'open_at' 2.5"), "{}", problems[7]);
}

#[test]
fn of_a_policy_that_no_longer_fits_what_fits_stays() {
    let both = serde_json::json!({ "rules": [
        { "kind": "fire", "cameras": ["gone"], "set": { "hit_score": 0.9 } },
        { "kind": "fire", "set": { "hit_score": 0.4 } },
    ] });
    let (laid, problems) = policy(both).lay(&city());
    assert_eq!((hit_score(&laid, "gate-1"), problems.len()), (0.4, 1));
}

#[test]
fn a_calibration_is_level_beyond_its_knots_and_straight_between_them() {
    let none = Ece { value: 0.0, low: 0.0, high: 0.0 };
    let calibration = Calibration {
        method: CalibrationMethod::Isotonic,
        knots: vec![[0.2, 0.1], [0.6, 0.5], [0.8, 0.5]],
        fitted_at: Timestamp::EPOCH,
        verdicts: 3,
        ece_before: none,
        ece_after: none,
    };
    let said = |score: f32| calibration.apply(Score::new(score).unwrap()).get();
    assert_eq!([said(0.0), said(0.2), said(0.7), said(0.8), said(1.0)], [0.1, 0.1, 0.5, 0.5, 0.5]);
    assert!((said(0.4) - 0.3).abs() < 1e-6);
}

#[test]
fn a_difference_is_told_once_for_a_kind_and_for_cameras_that_differ_from_it() {
    let city = city();
    let laid = policy(serde_json::json!({
        "rules": [
            { "kind": "fire", "set": { "hit_score": 0.4, "quiet_after_secs": 90 } },
            { "kind": "littering", "cameras": ["gate-1"], "set": { "hits_needed": 5 } },
        ],
        "cases_per_camera_and_day": 7,
    }));
    let laid = laid.laid_over(&city).unwrap();
    let told: Vec<_> = changes(&city, &laid)
        .iter()
        .map(|change| (change.key, change.before, change.after, change.cameras.len()))
        .collect();
    assert_eq!(
        told,
        [
            ("hit_score", Some(0.5), Some(0.4), 0),
            ("quiet_after_secs", None, Some(90.0), 0),
            // It had a score of its own.
            ("hit_score", Some(0.7), Some(0.4), 1),
            ("hits_needed", Some(4.0), Some(5.0), 1),
            ("cases_per_camera_and_day", Some(24.0), Some(7.0), 0),
        ]
    );
    assert_eq!(changes(&city, &city), []);
}

#[test]
fn in_a_zone_only_the_hit_score_is_other_and_the_zone_must_be_one_of_the_cameras_named() {
    let city = city();
    let rule = |cameras: &[&str], zone: &str, set: serde_json::Value| {
        let rule = serde_json::json!({ "kind": "fire", "cameras": cameras, "zones": [zone], "set": set });
        policy(serde_json::json!({ "rules": [rule] })).laid_over(&city)
    };
    let score = serde_json::json!({ "hit_score": 0.9 });
    let laid = rule(&["gate-1"], "chimney", score.clone()).unwrap();
    assert_eq!(hit_score(&laid, "gate-1"), 0.5);
    assert_eq!(laid.cameras[&camera("gate-1")].zones[0].hit_scores[&EventKind::new("fire")], 0.9);
    let told = changes(&city, &laid);
    assert_eq!((told.len(), told[0].zone.as_deref(), told[0].after), (1, Some("chimney"), Some(0.9)));
    for (cameras, zone, set, key, words) in [
        (&["gate-1"][..], "chimny", score.clone(), "rules[1].zones", "did you mean 'chimney'?"),
        (&["gate-1", "gate-2"], "chimney", score.clone(), "rules[1].zones", "in camera gate-2"),
        (&[], "chimney", score, "rules[1].zones", "name their cameras"),
        (&["gate-1"], "chimney", serde_json::json!({ "open_at": 3.0 }), "rules[1].set.open_at", "no other"),
    ] {
        let problems = rule(cameras, zone, set).unwrap_err();
        assert_eq!(problems[0].key, key, "{problems:?}");
        assert!(problems[0].message.contains(words), "{problems:?}");
    }
}
