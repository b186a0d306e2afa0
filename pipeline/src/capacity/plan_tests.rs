//! Cities of a thousand cameras held against a machine whose costs are round numbers.

use super::super::measure::{Fingerprint, ModelCost, PictureCost};
use super::*;
use citybrain_ingest_config::resolved::Model;
use citybrain_types::{Label, ModelId};

const PICTURE: (u32, u32) = (1_280, 720);

/// Two cores; a look at 1280×720 takes 10 + 1 + 9 ms.
fn capacity() -> Capacity {
    let picture = |(width, height), decode_secs| PictureCost { width, height, decode_secs };
    Capacity {
        fingerprint: Fingerprint {
            format: 0,
            processor: "test".into(),
            cores: 2,
            version: "1".into(),
            models: vec![String::new()],
        },
        pictures: vec![
            picture((640, 360), 0.0025),
            picture((1_280, 720), 0.010),
            picture((1_920, 1_080), 0.0225),
        ],
        models: vec![ModelCost { model: "m-1".into(), scale_secs: 0.001, infer_secs: 0.009 }],
        receive_secs: 0.0,
        overhead: 1.0,
    }
}

/// So many cameras for each of these kinds.
fn city(cameras: &[(&str, usize)]) -> City {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("[pipeline]\nworkers = 2\n");
    for (kind, count) in cameras {
        for n in 0..*count {
            text += &format!(
                "[[cameras]]\nid = \"{kind}-{n}\"\nurl = \"rtsp://10.0.0.1/{n}\"\nkinds = [\"{kind}\"]\n"
            );
        }
    }
    let file = folder.path().join("citybrain.toml");
    std::fs::write(&file, text).unwrap();
    let mut city = citybrain_ingest_config::load(&file).unwrap().city;
    city.models = vec![Model::of("m".into())];
    city
}

fn plan(city: &City) -> Plan {
    let labels = city.kinds.values().flat_map(|kind| kind.labels.iter().cloned()).collect::<Vec<Label>>();
    let known = ModelLabels { id: ModelId::new("m-1").unwrap(), labels };
    Plan::with_labels(city, &[known], &capacity(), &Pictures::all(PICTURE))
}

#[test]
fn demand_is_cameras_times_looks_times_cost() {
    // 50 fire looks a second and 10 for water: 60 × 20 ms = 1.2 of the 1.8 cores that may be planned with.
    let plan = plan(&city(&[("fire", 100), ("waterlogging", 100)]));
    assert!((plan.demand.total() - 1.2).abs() < 1e-9, "{plan:?}");
    assert!((plan.demand.decode - 0.6).abs() < 1e-9 && (plan.demand.infer - 0.54).abs() < 1e-9);
    assert!((plan.headroom_percent - 100.0 / 3.0).abs() < 0.1);
    assert!(plan.fits() && plan.nodes == 1 && plan.remedies.is_empty(), "{plan}");
    assert!(plan.to_string().contains("none: the city fits"));
}

#[test]
fn a_city_that_does_not_fit_is_told_which_promise_breaks_and_what_would_help() {
    // Fire takes 1.0, water wants 2.0 of the 0.8 that are left.
    let plan = plan(&city(&[("fire", 100), ("waterlogging", 1_000)]));
    let Some(BrokenPromise::Interval { kind, interval_secs, managed_secs, stretch }) = &plan.first_broken
    else {
        panic!("{plan:?}")
    };
    assert_eq!((kind.as_str(), *interval_secs), ("waterlogging", 10.0));
    assert!((managed_secs - 25.0).abs() < 0.1 && (stretch - 2.5).abs() < 0.01, "{plan}");
    assert_eq!(plan.nodes, 2);
    assert!(plan.remedies.contains(&Remedy::Nodes { nodes: 2 }), "{plan:?}");
    assert!(plan.remedies.contains(&Remedy::Intervals { factor: 2.5 }), "{plan:?}");
    assert!(plan.remedies.contains(&Remedy::Cameras { cameras: 660 }), "{plan:?}");
    assert!(plan.kind(&EventKind::new("fire")).unwrap().managed_secs <= 2.0, "fire is not stretched");
}

#[test]
fn each_remedy_that_is_named_makes_the_city_fit() {
    let too_many = plan(&city(&[("fire", 60), ("waterlogging", 700)]));
    assert!(!too_many.fits());
    let cameras = too_many.remedies.iter().find_map(|remedy| match remedy {
        Remedy::Cameras { cameras } => Some(*cameras),
        _ => None,
    });
    let part = cameras.unwrap() as f64 / 760.0;
    let fewer = plan(&city(&[("fire", (60.0 * part) as usize), ("waterlogging", (700.0 * part) as usize)]));
    assert!(fewer.fits(), "{fewer}");
    assert!(
        too_many.remedies.iter().any(|remedy| matches!(remedy, Remedy::SubStreams { .. })),
        "{too_many:?}"
    );
}

#[test]
fn fire_that_asks_for_more_than_there_is_breaks_first() {
    let plan = plan(&city(&[("fire", 400), ("littering", 10)]));
    let Some(BrokenPromise::Urgent { kind, managed_secs, .. }) = &plan.first_broken else {
        panic!("{plan:?}")
    };
    assert_eq!(kind, "fire");
    assert!(*managed_secs > 2.0, "{plan}");
    assert!(plan.nodes >= 3, "{plan}");
}

#[test]
fn a_machine_that_receiving_alone_fills_is_told_so_without_absurd_numbers() {
    let city = city(&[("fire", 500), ("waterlogging", 500)]);
    let labels = city.kinds.values().flat_map(|kind| kind.labels.iter().cloned()).collect::<Vec<Label>>();
    let known = [ModelLabels { id: ModelId::new("m-1").unwrap(), labels }];
    // 1,000 cameras × 2 ms are 2.0 of 1.8 cores; the looks want 6.0 more, so a machine takes 225 of them.
    let dear = Capacity { receive_secs: 0.002, ..capacity() };
    let plan = Plan::with_labels(&city, &known, &dear, &Pictures::all(PICTURE));
    assert!(plan.to_string().contains("fire: looked at never instead of every 2 s"), "{plan}");
    assert_eq!(plan.nodes, 5, "{plan}");
    assert!(plan.remedies.contains(&Remedy::Nodes { nodes: 5 }), "{plan:?}");
    assert!(plan.remedies.contains(&Remedy::Cameras { cameras: 225 }), "{plan:?}");
    assert!(serde_json::to_string(&plan).unwrap().contains("\"managed_secs\":null"));
}

#[test]
fn slow_cameras_are_polled_and_their_sweep_is_stated() {
    let mut city = city(&[("illegal_construction", 2_000)]);
    let plan_of = plan(&city);
    assert_eq!(plan_of.polled, 2_000);
    assert!((plan_of.sweep_secs - 2_000.0 * 3.0 / 64.0).abs() < 1e-9 && plan_of.fits(), "{plan_of}");
    assert_eq!(plan_of.demand.receive, 0.0);
    city.pipeline.load.polled_connections = 5;
    let slow = plan(&city);
    assert!(matches!(slow.first_broken, Some(BrokenPromise::Sweep { .. })), "{slow}");
}

#[test]
fn decoding_costs_what_lies_between_the_measured_sizes() {
    let capacity = capacity();
    assert!((capacity.decode_secs((1_280, 720)) - 0.010).abs() < 1e-9);
    let between = capacity.decode_secs((960, 540));
    assert!(between > 0.0025 && between < 0.010, "{between}");
    assert!(capacity.decode_secs((3_840, 2_160)) > 0.06);
    assert!(capacity.decode_secs((320, 180)) > 0.0);
}

/// So many cameras that look for all of these kinds.
fn shared_city(kinds: &[&str], count: usize) -> City {
    let mut city = city(&[(kinds[0], count)]);
    for camera in city.cameras.values_mut() {
        camera.kinds = kinds.iter().map(|kind| EventKind::new(*kind)).collect();
    }
    city
}

#[test]
fn kinds_that_share_a_model_are_each_held_against_their_own_interval() {
    let plan = plan(&shared_city(&["fire", "littering"], 100));
    let of = |kind: &str| plan.kind(&EventKind::new(kind)).unwrap().clone();
    assert_eq!((of("fire").interval_secs, of("littering").interval_secs), (2.0, 30.0));
    assert_eq!(of("littering").managed_secs, 2.0, "it is looked at along with fire");
    assert!(of("fire").urgent && !of("littering").urgent);
    assert!((plan.looks_per_sec - 50.0).abs() < 1e-9, "one answer speaks for both: {plan}");
}

#[test]
fn a_promise_that_is_kept_although_looks_are_stretched_is_not_called_broken() {
    // 1,500 cameras every 10 s are 150 looks a second, 3.0 of 1.8 cores: stretched 1.67 times.
    let plan = plan(&shared_city(&["waterlogging", "littering"], 1_500));
    let Some(BrokenPromise::Interval { kind, .. }) = &plan.first_broken else { panic!("{plan}") };
    assert_eq!(kind, "waterlogging");
    let litter = plan.kind(&EventKind::new("littering")).unwrap();
    assert!(litter.managed_secs < 17.0 && litter.interval_secs == 30.0, "{plan}");
}

#[test]
fn second_opinions_are_counted_for_one_in_fifty_cameras() {
    use citybrain_ingest_config::resolved::{Cascade, Turn};
    let mut city = city(&[("fire", 100)]);
    let at_most_every = std::time::Duration::from_secs(4);
    let cascade = Cascade { after: 0, score: None, crop: None, at_most_every };
    city.models.push(Model { turn: Turn::After(cascade), ..Model::of("v".into()) });
    let labels = city.kinds.values().flat_map(|kind| kind.labels.iter().cloned()).collect::<Vec<Label>>();
    let known =
        ["m-1", "v-1"].map(|id| ModelLabels { id: ModelId::new(id).unwrap(), labels: labels.clone() });
    let mut capacity = capacity();
    capacity.models.push(ModelCost { model: "v-1".into(), scale_secs: 0.001, infer_secs: 0.019 });
    let plan = Plan::with_labels(&city, &known, &capacity, &Pictures::all(PICTURE));
    // Two cameras, two parts of the picture every four seconds, 20 ms each.
    assert!((plan.demand.verify - 0.02).abs() < 1e-9, "{plan:?}");
    assert!(plan.demand.urgent > 1.0 + 0.019, "they belong to looks that go first: {plan:?}");
    assert!(plan.to_string().contains("second opinions"), "{plan}");
}

#[test]
fn each_camera_is_planned_with_the_size_that_was_seen_last() {
    let city = city(&[("fire", 2)]);
    let folder = tempfile::tempdir().unwrap();
    let mut city = city;
    city.site.data_dir = folder.path().to_owned();
    let address = city.cameras.values().next().unwrap().stream.address.to_string();
    let text = format!(
        "{{\"fire-0\": {{\"address\": \"{address}\", \"width\": 640, \"height\": 360}},
           \"fire-1\": {{\"address\": \"rtsp://elsewhere/\", \"width\": 640, \"height\": 360}}}}"
    );
    std::fs::write(folder.path().join(super::super::PICTURES_FILE), text).unwrap();
    let pictures = Pictures::last_seen(&city, PICTURE);
    assert_eq!(pictures.known(), 1, "another address is another camera");
    let labels = city.kinds.values().flat_map(|kind| kind.labels.iter().cloned()).collect::<Vec<Label>>();
    let known = [ModelLabels { id: ModelId::new("m-1").unwrap(), labels }];
    let plan = Plan::with_labels(&city, &known, &capacity(), &pictures);
    // Half a look a second each: 2.5 ms for the one, 10 ms for the other.
    assert!((plan.demand.decode - 0.5 * (0.0025 + 0.010)).abs() < 1e-9, "{plan:?}");
    assert!(plan.to_string().contains("1 cameras were never connected"), "{plan}");
}
