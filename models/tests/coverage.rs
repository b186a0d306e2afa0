//! Do loaded models and the catalogue speak of the same things?
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{ASKED_AT_MOST_EVERY, Cascade, Model, Turn};
use citybrain_models::coverage::{Gap, gaps, never_asked};
use citybrain_types::{EventKind, Label};

/// A camera that looks for every built-in kind.
fn city() -> City {
    let folder = tempfile::tempdir().unwrap();
    let mut city = City::for_cameras(&["rtsp://127.0.0.1/street".to_owned()], folder.path(), vec![]).unwrap();
    city.kinds.retain(|kind, _| ["fire", "waterlogging", "camera_fault"].contains(&kind.as_str()));
    city
}

fn messages(city: &City, labels: &[&str]) -> Vec<String> {
    let labels: Vec<Label> = labels.iter().map(Label::new).collect();
    gaps(city, &labels).iter().map(ToString::to_string).collect()
}

#[test]
fn a_kind_that_no_model_scores_is_told_with_the_labels_it_waits_for() {
    let found = messages(&city(), &["fire"]);
    let expected = "no model scores kind 'waterlogging' (labels waterlogging): add a model that does, or no camera will ever find it";
    assert_eq!(found, [expected]);
    assert_eq!(messages(&city(), &[]).len(), 2);
}

#[test]
fn a_label_that_no_kind_listens_to_is_told() {
    let found = messages(&city(), &["fire", "waterlogging", "cat"]);
    let expected =
        "no kind listens to label 'cat': add it to the labels of a kind, or it is computed for nothing";
    assert_eq!(found, [expected]);
}

#[test]
fn one_of_its_labels_is_enough_for_a_kind_and_a_camera_fault_needs_none() {
    assert_eq!(messages(&city(), &["smoke", "waterlogging"]), Vec::<String>::new());
}

#[test]
fn a_kind_that_no_camera_looks_for_is_no_gap() {
    let mut city = city();
    for camera in city.cameras.values_mut() {
        camera.kinds.remove(&EventKind::new("waterlogging"));
    }
    assert_eq!(gaps(&city, &[Label::new("fire")]), Vec::<Gap>::new());
}

#[test]
fn a_model_that_is_asked_by_one_it_shares_no_kind_with_is_told() {
    let mut city = city();
    let cascade = Cascade { after: 0, score: None, crop: None, at_most_every: ASKED_AT_MOST_EVERY };
    city.models.push(Model::of("models/street".into()));
    city.models.push(Model { turn: Turn::After(cascade), ..Model::of("models/second".into()) });
    let labels = |names: &[&str]| -> Vec<Label> { names.iter().map(Label::new).collect() };
    let never = |city: &City, street: &[&str], second: &[&str]| {
        let (street, second) = (labels(street), labels(second));
        never_asked(city, &[&street, &second]).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // Different labels of one kind are enough.
    assert_eq!(never(&city, &["smoke"], &["fire"]), Vec::<String>::new());
    let told = never(&city, &["waterlogging"], &["fire"]);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("model 'second' is asked after 'street', but no kind"), "{told:?}");
    city.models[0].kinds.insert(EventKind::new("waterlogging"));
    assert_eq!(
        never(&city, &["fire", "waterlogging"], &["fire"]).len(),
        1,
        "fire does not listen to the first"
    );
}
