//! Models whose answers can be worked out by hand: a wrong order of channels or axes, or a wrong place, shows at once.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::{DetectError, Detector, LabelledBox};
use citybrain_types::{BoundingBox, Label, NoAnswer};
use common::{frame, load};

fn one(detector: &mut Detector, rgb: &[u8], source: (u32, u32)) -> LabelledBox {
    let placement = detector.input().placement(source.0, source.1);
    let found = detector.detect(rgb, &placement).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn near(bbox: BoundingBox, expected: [f32; 4]) {
    let edges: [f32; 4] = bbox.into();
    assert!(edges.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{edges:?} is not {expected:?}");
}

#[test]
fn a_bright_cell_is_found_where_it_is_with_the_brightness_it_has() {
    let mut detector = load("brightness_heatmap").unwrap();
    for (column, row) in [(0, 0), (3, 1), (2, 3)] {
        let inside = |x: u32, y: u32| x / 16 == column && y / 16 == row;
        let rgb = frame(64, 64, |x, y| if inside(x, y) { [200, 200, 200] } else { [20, 20, 20] });
        let found = one(&mut detector, &rgb, (64, 64));
        assert!((found.score.get() - 200.0 / 255.0).abs() < 1e-5, "{found:?}");
        let (left, top) = (column as f32 / 4.0, row as f32 / 4.0);
        near(found.bbox, [left, top, left + 0.25, top + 0.25]);
    }
}

#[test]
fn each_colour_counts_by_its_own_weight() {
    let mut detector = load("brightness_heatmap").unwrap();
    for (pixel, weight) in [([255, 0, 0], 0.299), ([0, 255, 0], 0.587), ([0, 0, 255], 0.114)] {
        let found = one(&mut detector, &frame(64, 64, |_, _| pixel), (64, 64));
        assert!((found.score.get() - weight).abs() < 1e-5, "{pixel:?} {found:?}");
    }
}

#[test]
fn a_box_comes_back_through_the_letterbox_to_its_place_in_the_picture() {
    let mut detector = load("brightness_heatmap").unwrap();
    // A picture of 128×64 lies in rows 16 to 48 of the input. Its right quarter is bright.
    let rgb = frame(64, 64, |x, y| match (x, y) {
        (_, 0..16 | 48..) => [114; 3],
        (48.., _) => [250; 3],
        _ => [10; 3],
    });
    let found = one(&mut detector, &rgb, (128, 64));
    assert!((found.score.get() - 250.0 / 255.0).abs() < 1e-5, "{found:?}");
    near(found.bbox, [0.75, 0.0, 1.0, 1.0]);
}

#[test]
fn padding_brighter_than_the_picture_is_no_place_in_it() {
    let mut detector = load("brightness_heatmap").unwrap();
    let rgb = frame(64, 64, |x, y| match (x, y) {
        (_, 0..16 | 48..) => [114; 3],
        (16..32, 16..32) => [60; 3],
        _ => [10; 3],
    });
    let found = one(&mut detector, &rgb, (128, 64));
    near(found.bbox, [0.25, 0.0, 0.5, 0.5]);
}

#[test]
fn two_bright_places_are_two_boxes_the_surest_first() {
    let mut detector = load("brightness_heatmap").unwrap();
    let rgb = frame(64, 64, |x, y| match (x / 16, y / 16) {
        (0, 0) => [153; 3],
        (3, 3) => [204; 3],
        _ => [0; 3],
    });
    let placement = detector.input().placement(640, 640);
    let found = detector.detect(&rgb, &placement).unwrap();
    let scores: Vec<f32> = found.iter().map(|f| (f.score.get() * 100.0).round() / 100.0).collect();
    assert_eq!(scores, [0.8, 0.6]);
    near(found[1].bbox, [0.0, 0.0, 0.25, 0.25]);
}

#[test]
fn a_dark_picture_holds_nothing_above_the_floor_unless_the_floor_is_lower() {
    let mut detector = load("brightness_heatmap").unwrap();
    let rgb = frame(64, 64, |_, _| [5, 5, 5]);
    let placement = detector.input().placement(64, 64);
    assert_eq!(detector.detect(&rgb, &placement).unwrap(), vec![]);
    detector.set_floor(0.0);
    assert_eq!(detector.detect(&rgb, &placement).unwrap()[0].bbox, BoundingBox::WHOLE);
}

#[test]
fn every_channel_reaches_the_label_of_its_name_in_both_layouts_and_orders() {
    for folder in ["color_classifier", "color_classifier_f32"] {
        let mut detector = load(folder).unwrap();
        // A gradient, so that a mix-up of rows and columns or of neighbouring pixels would show in the means.
        let rgb = frame(64, 64, |x, _| [x as u8, 100 + x as u8 / 2, 230]);
        let placement = detector.input().placement(1920, 1080);
        let found = detector.detect(&rgb, &placement).unwrap();
        let score =
            |name: &str| found.iter().find(|f| f.label == Label::new(name)).unwrap().score.get() * 255.0;
        assert!((score("red") - 31.5).abs() < 1e-2, "{folder} {found:?}");
        assert!((score("green") - 115.5).abs() < 1e-2, "{folder} {found:?}");
        assert!((score("blue") - 230.0).abs() < 1e-2, "{folder} {found:?}");
        assert!(found.iter().all(|f| f.bbox == BoundingBox::WHOLE));
    }
}

#[test]
fn an_answer_belongs_to_its_own_frame_however_many_came_before() {
    let mut detector = load("color_classifier").unwrap();
    detector.set_floor(0.0);
    let placement = detector.input().placement(64, 64);
    for level in 0..=255_u8 {
        let rgb = frame(64, 64, |_, _| [level, 255 - level, 7]);
        let found = detector.detect(&rgb, &placement).unwrap();
        assert!((found[0].score.get() * 255.0 - f32::from(level)).abs() < 1e-2, "{level} {found:?}");
        assert!((found[1].score.get() * 255.0 - f32::from(255 - level)).abs() < 1e-2, "{level} {found:?}");
    }
}

#[test]
fn a_frame_or_a_placement_of_another_size_is_refused_and_not_misread() {
    let mut detector = load("brightness_heatmap").unwrap();
    let placement = detector.input().placement(64, 64);
    let error = detector.detect(&[0; 64 * 64], &placement).unwrap_err();
    assert_eq!(error.to_string(), "a frame of 12288 bytes is wanted (64×64 RGB), got 4096");
    assert_eq!(error.no_answer(), NoAnswer::RuntimeError);
    let other = citybrain_models::Placement::letterbox((64, 64), (416, 256));
    let error = detector.detect(&[0; 64 * 64 * 3], &other).unwrap_err();
    assert_eq!(error, DetectError::PlacementSize { expected: (64, 64), found: (416, 256) });
}

#[test]
fn detectors_on_several_threads_do_not_disturb_each_other() {
    let threads: Vec<_> = (0..4_u8)
        .map(|number| {
            let work = move || {
                let mut detector = load("brightness_heatmap").unwrap();
                for step in 0..100_u8 {
                    let level = 50 + number * 40 + step % 10;
                    let found = one(&mut detector, &frame(64, 64, |_, _| [level; 3]), (64, 64));
                    assert!((found.score.get() * 255.0 - f32::from(level)).abs() < 1e-2, "{level} {found:?}");
                }
            };
            std::thread::Builder::new().name(format!("detector-{number}")).spawn(work).unwrap()
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
