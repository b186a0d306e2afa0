//! The whole way of an evaluation, on pictures whose scores can be worked out by hand.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::eval::clips::{self, ClipsReport, Decoding, Opened, Played, WatchedKind};
use citybrain_models::eval::metrics::Share;
use citybrain_models::eval::mistakes::Sort;
use citybrain_models::eval::{self, EvalOptions, EvalReport, Evaluation, Progress, card};
use citybrain_types::{EventKind, Label};
use common::pictures::{Drawn, model_with, write};
use common::{fixtures, runtime};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn pictures() -> Vec<Drawn> {
    let labelled = |drawn: Drawn, place| Drawn { boxes: vec![place], ..drawn };
    vec![
        labelled(Drawn::cell("s/a.png", 230, Some(true)), [16, 32, 16, 16]),
        labelled(Drawn::cell("s/b.png", 179, Some(true)), [0, 0, 8, 8]),
        Drawn::cell("t/c.png", 204, Some(false)),
        Drawn::cell("t/d.png", 51, Some(false)),
        Drawn::cell("t/e.png", 255, None),
        Drawn { split: "train", ..Drawn::cell("t/f.png", 255, Some(false)) },
    ]
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &["bright"], &pictures());
    folder
}

fn options(root: &Path, models: Vec<PathBuf>) -> EvalOptions {
    let kinds = BTreeMap::from([
        (EventKind::new("glare"), [Label::new("bright"), Label::new("dazzling")].into()),
        (EventKind::new("fire"), [Label::new("fire")].into()),
    ]);
    EvalOptions::new(root.to_owned(), models, kinds)
}

fn brightness(root: &Path) -> EvalOptions {
    options(root, vec![fixtures().join("brightness_heatmap")])
}

fn run(options: &EvalOptions) -> Evaluation {
    eval::run(options, &runtime(), &mut |_| {}).unwrap()
}

fn counts(share: Option<Share>) -> Option<(u64, u64)> {
    share.map(|share| (share.hits, share.total))
}

#[test]
fn an_evaluation_says_what_can_be_worked_out_by_hand() {
    let folder = folder();
    let mut seen = Vec::new();
    let options = EvalOptions { threads: 2, ..brightness(folder.path()) };
    let evaluation = eval::run(&options, &runtime(), &mut |progress| seen.push(progress)).unwrap();
    let report = evaluation.report();

    assert_eq!(seen.last(), Some(&Progress { done: 5, total: 5 }));
    assert_eq!((report.pictures, report.pictures_in_split), (5, 5));
    let bright = &report.labels[0].all;
    assert_eq!((bright.present, bright.absent), (2, 2));
    // 230 and 179 against 204 and 51: three of four pairs are in order.
    assert_eq!(bright.auc.map(|auc| auc.value), Some(0.75));
    // At 0.5 of 255 only 51 is not found.
    assert_eq!(counts(bright.recall), Some((2, 2)));
    assert_eq!(counts(bright.precision), Some((2, 3)));
    assert_eq!(bright.false_alarms_per_1000_quiet.map(|alarms| alarms.value), Some(500.0));
    // The surest box is right, the next (204, nothing there) and the third (a labelled box elsewhere) are wrong.
    let places = bright.places.unwrap();
    assert_eq!((places.boxes, places.ap50.map(|ap| ap.value)), (2, Some(0.5)));
    assert_eq!(counts(places.pointing), Some((1, 2)));
    // Each in a bin of its own: 230/255, 179/255 came true, 204/255 and 51/255 did not.
    let error = (25.0 + 76.0 + 204.0 + 51.0) / 255.0 / 4.0;
    assert!((bright.ece.unwrap() - error).abs() < 1e-6, "{:?}", bright.ece);
    // No label of the model speaks for fire.
    assert_eq!(report.kinds.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(), ["glare"]);
    let [mistake] = report.labels[0].mistakes.as_slice() else { panic!("{:?}", report.labels[0].mistakes) };
    assert_eq!((mistake.file_name.as_str(), mistake.sort), ("t/c.png", Sort::FalseAlarm));
    assert!((mistake.score - 0.8).abs() < 1e-5, "{}", mistake.score);
    let jpeg = image::load_from_memory(&mistake.jpeg).unwrap();
    assert_eq!((jpeg.width(), jpeg.height()), (64, 64));
}

/// A label's AUC from the two files anybody has, pair by pair.
fn auc_from_files(scores: &str, labels: &Path, kind: &str) -> f64 {
    let labels = std::fs::read_to_string(labels).unwrap();
    let mut lines = labels.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = header.iter().position(|name| *name == kind).unwrap();
    let truth: BTreeMap<&str, &str> = lines.map(|row| (row[0], row[column])).collect();
    let rows: Vec<Vec<&str>> = scores.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let of = |said: &str| -> Vec<f32> {
        let rows = rows.iter().filter(|row| row[1] == kind && truth[row[0]] == said);
        rows.map(|row| row[2].parse().unwrap()).collect()
    };
    let (present, absent) = (of("1"), of("0"));
    let pair = |(p, a): (f32, f32)| {
        if p > a {
            1.0
        } else if p == a {
            0.5
        } else {
            0.0
        }
    };
    let pairs: Vec<f64> = present.iter().flat_map(|p| absent.iter().map(move |a| pair((*p, *a)))).collect();
    pairs.iter().sum::<f64>() / pairs.len() as f64
}

#[test]
fn anybody_can_compute_the_auc_again_from_the_scores_and_the_labels() {
    let folder = tempfile::tempdir().unwrap();
    let names =
        ["a/0.png", "a/1.png", "a/2.png", "a/3.png", "b/4.png", "b/5.png", "b/6.png", "b/7.png", "b/8.png"];
    let levels = [200, 10, 90, 90, 90, 33, 250, 120, 121];
    let labels = [
        Some(true),
        None,
        Some(true),
        Some(false),
        Some(true),
        Some(false),
        Some(false),
        Some(true),
        Some(false),
    ];
    let drawn: Vec<Drawn> = names
        .iter()
        .zip(levels)
        .zip(labels)
        .map(|((name, level), label)| Drawn::cell(name, level, label))
        .collect();
    write(folder.path(), &["bright"], &drawn);
    let evaluation = run(&brightness(folder.path()));
    let scores = evaluation.scores_csv().unwrap();
    let printed = evaluation.report().labels[0].all.auc.unwrap().value;
    let again = auc_from_files(&scores, &folder.path().join("labels.csv"), "bright");
    assert!((printed - again).abs() < 1e-12, "{printed} {again}");
    assert!(evaluation.report().to_text().contains(&format!("{printed:.3}")));
    // A row for each picture and category, known or not, and for the kind that is no category.
    assert_eq!(scores.lines().next(), Some("file_name,kind,score"));
    let rows_of = |kind: &str| scores.lines().filter(|line| line.split(',').nth(1) == Some(kind)).count();
    assert_eq!((rows_of("bright"), rows_of("glare"), scores.lines().count()), (9, 9, 19));
}

#[test]
fn several_models_answer_together_and_each_can_be_asked_alone() {
    let folder = folder();
    let colours = folder.path().join("colours");
    // The mean red of the whole picture: far darker than the brightest cell, and a lower threshold.
    let changes = [("\"red\"", "\"bright\""), ("red = 0.5", "bright = 0.05")];
    model_with(&colours, &fixtures().join("color_classifier"), &changes);
    let evaluation = run(&options(folder.path(), vec![fixtures().join("brightness_heatmap"), colours]));
    let together = evaluation.report();
    let ids: Vec<&str> = together.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["brightness-heatmap-1.0.0", "color-classifier-1.0.0"]);
    assert_eq!(together.labels[0].thresholds.len(), 2);
    let (first, second) = (evaluation.report_of(0).unwrap(), evaluation.report_of(1).unwrap());
    assert_eq!(together.labels[0].all.auc.map(|auc| auc.value), first.labels[0].all.auc.map(|auc| auc.value));
    assert_eq!((first.models.len(), second.models[0].id.as_str()), (1, "color-classifier-1.0.0"));
    // 230/16/255 = 0.056 reaches the second model's 0.05, 179/16/255 does not.
    assert_eq!(counts(second.labels[0].all.recall), Some((1, 2)));
    assert_eq!(evaluation.report_of(2), None);
    // One row for a picture, with the higher score.
    let scores = evaluation.scores_csv().unwrap();
    assert!(scores.contains("s/a.png,bright,0.90196"), "{scores}");
    // Green and blue are scored, and nobody judged them.
    let unjudged: Vec<&str> = together.unjudged_labels.iter().map(Label::as_str).collect();
    assert_eq!(unjudged, ["blue", "green"]);
}

#[test]
fn water_is_held_against_its_mask_pixel_by_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let half = |name, columns| Drawn {
        bright: [0, 0, 32, 64],
        mask: Some(columns),
        ..Drawn::cell(name, 255, Some(true))
    };
    let dry = Drawn::cell("d/dry.png", 0, Some(false));
    write(folder.path(), &["waterlogging"], &[half("a/right.png", 32), half("b/more.png", 64), dry]);
    let model = folder.path().join("model");
    model_with(
        &model,
        &fixtures().join("brightness_heatmap"),
        &[("bright\"]", "waterlogging\"]"), ("bright = 0.5", "waterlogging = 0.5")],
    );
    let report = run(&options(folder.path(), vec![model])).report();
    let area = report.labels[0].all.area.as_ref().unwrap();
    // The left half is found in both; in one it is all the water, in the other half of it.
    assert_eq!((area.masks, area.mean_iou.value), (2, 0.75));
    assert_eq!(area.pooled_iou.value, 4096.0 / 6144.0);
    assert!(area.pooled_iou.low.unwrap() <= area.pooled_iou.value);
    let sources: Vec<Option<f64>> =
        report.labels[0].sources.iter().map(|s| s.part.area.as_ref().map(|a| a.mean_iou.value)).collect();
    assert_eq!(sources, [Some(1.0), Some(0.5), None]);
    let best = area.pooled_iou_by_threshold.iter().map(|[_, iou]| *iou).fold(0.0, f64::max);
    assert!(best >= area.pooled_iou.value, "{:?}", area.pooled_iou_by_threshold);
}

fn every_form(report: &EvalReport) -> [String; 4] {
    [report.to_json().unwrap(), report.to_html(), report.to_markdown(), report.to_text()]
}

#[test]
fn the_same_pictures_give_the_same_report_in_every_form() {
    let folder = folder();
    let with = |threads| run(&EvalOptions { threads, ..brightness(folder.path()) }).report();
    let (one, three) = (with(1), with(3));
    assert_eq!(every_form(&one), every_form(&three));
    let [json, html, markdown, text] = every_form(&one);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["labels"][0]["all"]["auc"]["value"], 0.75);
    assert_eq!(json["models"][0]["id"], "brightness-heatmap-1.0.0");
    let card = card::with_block("# A model\n", &markdown);
    assert!(card::block(&card).unwrap().contains(&one.models[0].weights_sha256), "{card}");
    assert!(markdown.contains("| source s | 2 | 0 | – | 0.750 |"), "{markdown}");
    assert!(text.contains("bright"), "{text}");
    // Nothing is fetched and nothing runs; the one picture is inside.
    assert!(html.contains("polyline") && !html.contains("http") && !html.contains("<script"), "{html}");
    assert_eq!(html.matches("<img").count(), 1);
    assert_eq!(html.matches("src=").count(), html.matches("src=\"data:image/jpeg;base64,").count());
}

/// A clip with an event that was found, and one that could not be played.
fn watched_clip(root: &Path) -> ClipsReport {
    let list = "file,duration_s,kind,start_s,end_s\na.mp4,9,fire,0,9\nb.mp4,9,none,,\n";
    std::fs::write(root.join("clips.csv"), list).unwrap();
    let fire = EventKind::new("fire");
    let played = Played {
        duration_secs: 9.0,
        decoding: Decoding::EveryFrame,
        looks: 2,
        failed: 0,
        opened: vec![Opened { kind: fire.clone(), at_secs: 4.0, score: 0.9 }],
        scores: [(fire.clone(), vec![[0.0, 0.2], [4.0, 0.9]])].into(),
    };
    let results = [Ok(played), Err("no such file".to_owned())];
    let labels = [Label::new("fire")].into();
    let watched = WatchedKind { kind: fire, labels, deadline: std::time::Duration::from_secs(10) };
    ClipsReport::new(&[watched], clips::read(root).unwrap().into_iter().zip(results).collect())
}

#[test]
fn every_key_of_the_json_report_is_described_in_the_guide() {
    fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                keys(value, found);
            }),
            serde_json::Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let folder = folder();
    std::fs::write(folder.path().join("t/d.png"), "no picture").unwrap();
    let mut report = run(&brightness(folder.path())).report();
    report.clips = Some(watched_clip(folder.path()));
    let mut found = std::collections::BTreeSet::new();
    keys(&serde_json::from_str(&report.to_json().unwrap()).unwrap(), &mut found);
    assert!(found.len() > 40, "{found:?}");
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/measuring.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    found.retain(|key| !guide.contains(&format!("`{key}`")));
    assert!(found.is_empty(), "not in docs/guide/measuring.md: {found:?}");
}

#[test]
fn a_limit_is_spread_over_the_split() {
    let folder = folder();
    let evaluation = run(&EvalOptions { limit: Some(2), split: "all".into(), ..brightness(folder.path()) });
    let scores = evaluation.scores_csv().unwrap();
    let mut names: Vec<&str> = scores.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    names.dedup();
    assert_eq!((names, evaluation.report().pictures_in_split), (vec!["s/a.png", "t/d.png"], 6));
}
