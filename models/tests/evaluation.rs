//! The whole way of an evaluation, on pictures whose scores can be worked out by hand.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::eval::{self, EvalError, EvalOptions, Progress, card};
use citybrain_types::{EventKind, Label};
use common::{fixtures, runtime};
use image::{Rgb, RgbImage};
use std::collections::BTreeMap;
use std::path::Path;

/// A picture of 64×64: black, with one bright quarter of a quarter.
struct Drawn {
    name: &'static str,
    level: u8,
    bright: Option<bool>,
    split: &'static str,
}

const PICTURES: [Drawn; 6] = [
    Drawn { name: "s/a.png", level: 230, bright: Some(true), split: "val" },
    Drawn { name: "s/b.png", level: 179, bright: Some(true), split: "val" },
    Drawn { name: "t/c.png", level: 204, bright: Some(false), split: "val" },
    Drawn { name: "t/d.png", level: 51, bright: Some(false), split: "val" },
    Drawn { name: "t/e.png", level: 255, bright: None, split: "val" },
    Drawn { name: "t/f.png", level: 255, bright: Some(false), split: "train" },
];

fn draw(root: &Path) {
    let mut images = Vec::new();
    for (id, drawn) in PICTURES.iter().enumerate() {
        let mut picture = RgbImage::new(64, 64);
        for (x, y) in (16..32).flat_map(|x| (32..48).map(move |y| (x, y))) {
            picture.put_pixel(x, y, Rgb([drawn.level; 3]));
        }
        let path = root.join(drawn.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
        let label = drawn.bright.map_or("null", |bright| if bright { "1" } else { "0" });
        images.push(format!(
            r#"{{"id": {id}, "file_name": "{}", "width": 64, "height": 64, "source": "{}", "group": "{}",
            "split": "{}", "labels": {{"bright": {label}}}}}"#,
            drawn.name,
            &drawn.name[..1],
            drawn.name,
            drawn.split
        ));
    }
    let text = format!(
        r#"{{"categories": [{{"id": 1, "name": "bright"}}], "images": [{}],
        "annotations": [{{"image_id": 0, "category_id": 1, "bbox": [16, 32, 16, 16]}},
                        {{"image_id": 1, "category_id": 1, "bbox": [0, 0, 8, 8]}}]}}"#,
        images.join(",")
    );
    std::fs::write(root.join("annotations.json"), text).unwrap();
}

fn options(root: &Path) -> EvalOptions {
    let kinds = BTreeMap::from([
        (EventKind::new("glare"), [Label::new("bright"), Label::new("dazzling")].into()),
        (EventKind::new("fire"), [Label::new("fire")].into()),
    ]);
    EvalOptions::new(root.to_owned(), fixtures().join("brightness_heatmap"), kinds)
}

#[test]
fn an_evaluation_says_what_can_be_worked_out_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    draw(folder.path());
    let scores = folder.path().join("scores.csv");
    let mut seen = Vec::new();
    let options = EvalOptions { scores: Some(scores.clone()), threads: 2, ..options(folder.path()) };
    let report = eval::run(&options, &runtime(), &mut |progress| seen.push(progress)).unwrap();

    assert_eq!(seen.last(), Some(&Progress { done: 5, total: 5 }));
    assert_eq!((report.pictures, report.pictures_in_split), (5, 5));
    let bright = &report.labels[0];
    assert_eq!((bright.all.present, bright.all.absent), (2, 2));
    // 230 and 179 against 204 and 51: three of four pairs are in order.
    assert_eq!(bright.auc.map(|auc| auc.value), Some(0.75));
    // At 0.5 of 255 only 51 is not found.
    let counts = |share: Option<eval::metrics::Share>| share.map(|share| (share.hits, share.total));
    assert_eq!(counts(bright.all.recall), Some((2, 2)));
    assert_eq!(counts(bright.all.precision), Some((2, 3)));
    assert_eq!(bright.all.false_alarms_per_1000_quiet, Some(500.0));
    // The surest box is right, the next (204, nothing there) and the third (a labelled box elsewhere) are wrong.
    let places = bright.places.unwrap();
    assert_eq!((places.boxes, places.ap50, counts(places.pointing)), (2, Some(0.5), Some((1, 2))));
    // No label of the model speaks for fire.
    assert_eq!(report.kinds.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(), ["glare"]);
    let csv = std::fs::read_to_string(scores).unwrap();
    let expected = "file_name,kind,score\ns/a.png,glare,0.90196\ns/b.png,glare,0.70196\nt/c.png,glare,0.80000\n\
                    t/d.png,glare,0.20000\nt/e.png,glare,1.00000\n";
    assert_eq!(csv, expected);
}

#[test]
fn the_same_pictures_give_the_same_report_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    draw(folder.path());
    let run = |threads| {
        let options = EvalOptions { threads, ..options(folder.path()) };
        eval::run(&options, &runtime(), &mut |_| {}).unwrap()
    };
    let (one, three) = (run(1), run(3));
    assert_eq!(one, three);
    let json: serde_json::Value = serde_json::from_str(&one.to_json().unwrap()).unwrap();
    assert_eq!(json["labels"][0]["auc"]["value"], 0.75);
    assert_eq!(json["model"], "brightness-heatmap-1.0.0");
    let markdown = one.to_markdown();
    let card = card::with_block("# A model\n", &markdown);
    assert!(card::block(&card).unwrap().contains(&one.weights_sha256), "{card}");
    assert!(markdown.contains("| source s | 2 | 0 | – | 0.7500 |"), "{markdown}");
    let html = one.to_html();
    assert!(html.contains("polyline") && !html.contains("http") && !html.contains("<img"), "{html}");
}

#[test]
fn a_picture_that_cannot_be_read_is_told_and_counts_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    draw(folder.path());
    std::fs::write(folder.path().join("s/a.png"), "<!doctype html>").unwrap();
    let report = eval::run(&options(folder.path()), &runtime(), &mut |_| {}).unwrap();
    assert_eq!(report.pictures, 4);
    assert_eq!(report.unanswered[0].file_name, "s/a.png");
    assert!(report.unanswered[0].reason.contains("is not a whole JPEG or PNG picture"), "{report:?}");
    assert_eq!(report.labels[0].all.present, 1);
}

#[test]
fn when_no_picture_can_be_read_nothing_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    draw(folder.path());
    for drawn in &PICTURES {
        std::fs::remove_file(folder.path().join(drawn.name)).unwrap();
    }
    let error = eval::run(&options(folder.path()), &runtime(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, EvalError::NoAnswers { total: 5, .. }), "{error}");
}

#[test]
fn a_limit_is_spread_over_the_split() {
    let folder = tempfile::tempdir().unwrap();
    draw(folder.path());
    let options = EvalOptions { limit: Some(2), split: "all".into(), ..options(folder.path()) };
    let report = eval::run(&options, &runtime(), &mut |_| {}).unwrap();
    let names: Vec<&str> = report.scores.iter().map(|row| row.file_name.as_str()).collect();
    assert_eq!((names, report.pictures_in_split), (vec!["s/a.png", "t/d.png"], 6));
}
