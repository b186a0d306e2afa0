//! What an evaluation makes of data and models that are not as they should be.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::eval::{self, EvalError, EvalOptions, Evaluation};
use common::pictures::{Drawn, model_with, write};
use common::{fixtures, runtime};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pictures = [
        Drawn::cell("s/a.png", 230, Some(true)),
        Drawn::cell("s/b.png", 179, Some(true)),
        Drawn::cell("t/c.png", 204, Some(false)),
        Drawn::cell("t/d.png", 51, Some(false)),
    ];
    write(folder.path(), &["bright"], &pictures);
    folder
}

fn options(root: &Path, model: PathBuf) -> EvalOptions {
    EvalOptions::new(root.to_owned(), vec![model], BTreeMap::new())
}

fn run(root: &Path) -> Result<Evaluation, EvalError> {
    eval::run(&options(root, fixtures().join("brightness_heatmap")), &runtime(), &mut |_| {})
}

#[test]
fn a_folder_without_annotations_is_refused_with_what_is_wanted() {
    let folder = folder();
    std::fs::remove_file(folder.path().join("annotations.json")).unwrap();
    let error = run(folder.path()).unwrap_err().to_string();
    assert!(error.contains("the folder is to hold annotations.json"), "{error}");
}

#[test]
fn an_unknown_split_is_refused_with_those_there_are() {
    let folder = folder();
    let options =
        EvalOptions { split: "test".into(), ..options(folder.path(), fixtures().join("brightness_heatmap")) };
    let error = eval::run(&options, &runtime(), &mut |_| {}).unwrap_err().to_string();
    assert_eq!(error, "no picture is of split 'test': there are val, all");
}

#[test]
fn pictures_that_are_missing_or_damaged_are_named_and_count_nowhere() {
    let folder = folder();
    std::fs::write(folder.path().join("s/a.png"), "<!doctype html>").unwrap();
    std::fs::remove_file(folder.path().join("t/c.png")).unwrap();
    let whole = std::fs::read(folder.path().join("t/d.png")).unwrap();
    std::fs::write(folder.path().join("t/d.png"), &whole[..whole.len() / 2]).unwrap();
    let evaluation = run(folder.path()).unwrap();
    let report = evaluation.report();
    let named: Vec<&str> = report.unanswered.iter().map(|u| u.file_name.as_str()).collect();
    assert_eq!((report.pictures, named), (1, vec!["s/a.png", "t/c.png", "t/d.png"]));
    assert!(report.unanswered[0].reason.contains("is not a whole JPEG or PNG picture"), "{report:?}");
    assert!(report.to_text().contains("3 pictures got no answer"), "{}", report.to_text());
    assert!(report.to_html().contains("3 pictures without an answer"));
    // Nothing is made up for them.
    assert_eq!(evaluation.scores_csv().unwrap().lines().count(), 2);
}

#[test]
fn when_no_picture_can_be_read_nothing_is_reported() {
    let folder = folder();
    for name in ["s", "t"] {
        std::fs::remove_dir_all(folder.path().join(name)).unwrap();
    }
    let error = run(folder.path()).unwrap_err();
    assert!(matches!(error, EvalError::NoAnswers { total: 4, .. }), "{error}");
}

#[test]
fn what_labels_csv_and_annotations_do_not_agree_on_counts_as_not_judged() {
    let folder = folder();
    let path = folder.path().join("labels.csv");
    let csv = std::fs::read_to_string(&path).unwrap();
    let csv =
        csv.replace("t/c.png,val,t/c.png,0", "t/c.png,val,t/c.png,1").replace("t/d.png,val,t/d.png,0\n", "");
    std::fs::write(&path, csv + "t/new.png,val,t/new.png,0\n").unwrap();
    let report = run(folder.path()).unwrap().report();
    let said: Vec<String> = report.disputes.iter().map(|d| format!("{} {}", d.file_name, d.what)).collect();
    assert_eq!(
        said,
        [
            "t/c.png bright is present in labels.csv and absent in the annotations",
            "t/d.png is in the annotations and not in labels.csv",
            "t/new.png is in labels.csv and not among the annotated pictures of this split",
        ]
    );
    assert_eq!((report.labels[0].all.present, report.labels[0].all.absent), (2, 1));
    assert!(report.to_text().contains("3 disputes"), "{}", report.to_text());
}

#[test]
fn a_labels_csv_that_makes_no_sense_is_refused_with_its_line() {
    let folder = folder();
    let path = folder.path().join("labels.csv");
    let csv =
        std::fs::read_to_string(&path).unwrap().replace("s/b.png,val,s/b.png,1", "s/b.png,val,s/b.png,maybe");
    std::fs::write(&path, csv).unwrap();
    let error = run(folder.path()).unwrap_err().to_string();
    assert!(error.contains("line 3: 'maybe' for bright is neither 1, 0 nor ?"), "{error}");
    std::fs::write(&path, "picture,bright\n").unwrap();
    let error = run(folder.path()).unwrap_err().to_string();
    assert!(error.contains("the columns file_name and split are wanted"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert!(run(folder.path()).unwrap().report().disputes.is_empty(), "it may be missing");
}

#[test]
fn data_that_judge_nothing_the_models_score_are_refused_with_both_lists() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &["pothole"], &[Drawn::cell("s/a.png", 230, Some(true))]);
    let error = run(folder.path()).unwrap_err().to_string();
    assert_eq!(error, "the data judge pothole, the models score bright: there is nothing to measure");
}

#[test]
fn categories_that_no_model_scores_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let both = |drawn: Drawn| Drawn { labels: vec![Some(true), drawn.labels[0]], ..drawn };
    let pictures =
        [both(Drawn::cell("s/a.png", 230, Some(true))), both(Drawn::cell("s/b.png", 9, Some(false)))];
    write(folder.path(), &["pothole", "bright"], &pictures);
    let evaluation = run(folder.path()).unwrap();
    let names: Vec<String> = evaluation.report().labels.iter().map(|label| label.name.to_string()).collect();
    assert_eq!(names, ["bright"]);
    assert!(!evaluation.scores_csv().unwrap().contains("pothole"));
}

#[test]
fn a_model_that_gives_nan_is_refused_before_a_picture_is_read() {
    let folder = folder();
    let options = options(folder.path(), fixtures().join("broken/nan-output"));
    let error = eval::run(&options, &runtime(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, EvalError::Load(_)), "{error}");
    assert!(error.to_string().contains("'image_score' holds NaN"), "{error}");
}

#[test]
fn a_picture_for_which_a_model_gives_no_probability_is_named_with_the_model() {
    let folder = folder();
    let model = folder.path().join("model");
    // Twice as bright as it is: the grey of the first run stays below 1, a white picture does not.
    let changes = [
        ("scale = 0.00392156862745098", "scale = 0.0078431372549"),
        ("\"red\"", "\"bright\""),
        ("red = ", "bright = "),
    ];
    model_with(&model, &fixtures().join("color_classifier_f32"), &changes);
    let white = Drawn { bright: [0, 0, 64, 64], ..Drawn::cell("t/white.png", 255, Some(true)) };
    write(folder.path(), &["bright"], &[Drawn::cell("s/a.png", 230, Some(true)), white]);
    let report = eval::run(&options(folder.path(), model), &runtime(), &mut |_| {}).unwrap().report();
    let [unanswered] = report.unanswered.as_slice() else { panic!("{:?}", report.unanswered) };
    assert_eq!((report.pictures, unanswered.file_name.as_str()), (1, "t/white.png"));
    let reason = &unanswered.reason;
    assert!(
        reason.contains("color-classifier-f32-1.0.0 gave no usable answer")
            && reason.contains("is no probability"),
        "{reason}"
    );
}

#[test]
fn a_picture_that_is_listed_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &["bright"],
        &[Drawn::cell("s/a.png", 230, Some(true)), Drawn::cell("s/a.png", 9, None)],
    );
    let error = run(folder.path()).unwrap_err().to_string();
    assert!(error.contains("picture 's/a.png' is listed more than once"), "{error}");
}

#[test]
fn a_mask_that_cannot_be_used_is_named_and_its_picture_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    let wet = |name| Drawn { mask: Some(32), ..Drawn::cell(name, 230, Some(true)) };
    write(folder.path(), &["bright"], &[wet("s/a.png"), wet("s/b.png")]);
    image::RgbImage::new(8, 8).save(folder.path().join("masks/s/a.png")).unwrap();
    let report = run(folder.path()).unwrap().report();
    let [unusable] = report.unusable_masks.as_slice() else { panic!("{:?}", report.unusable_masks) };
    let said = (unusable.file_name.as_str(), unusable.reason.as_str());
    assert_eq!(said, ("masks/s/a.png", "mask of 8×8 for a picture of 64×64"));
    assert_eq!((report.pictures, report.labels[0].all.present), (2, 2));
    assert!(report.to_text().contains("1 mask cannot be used"), "{}", report.to_text());
    std::fs::remove_dir_all(folder.path().join("masks")).unwrap();
    assert_eq!(run(folder.path()).unwrap().report().unusable_masks.len(), 2);
}
