//! What `models inspect` and `models check` tell.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::inspect::{self, CheckError};
use common::{fixtures, folders_with_answers, pattern, runtime};

#[test]
fn a_graph_is_described_with_names_types_and_shapes() {
    let file = fixtures().join("brightness_heatmap/model.onnx");
    let described = inspect::describe(&file, &runtime()).unwrap().to_string();
    let expected = "sha256  b8c6b98e1fd73e8fb40c20b15e7c151b1b70996657b7a01c1f544a0a2971b7b3\nbytes   655\n\
                    input   frame  uint8 [1,64,64,3]\noutput  heat  float32 [1,1,4,4]\noutput  image_score  float32 [1,1]\n";
    assert_eq!(described, expected);
}

#[test]
fn a_model_is_checked_on_grey_where_no_picture_is_given() {
    let checked = inspect::check(&fixtures().join("brightness_heatmap"), &runtime(), None).unwrap();
    assert_eq!(checked.found().len(), 1);
    let table = checked.to_string();
    assert!(table.contains("model    brightness-heatmap-1.0.0 (Apache-2.0)\n"), "{table}");
    // 114 of 255, below its threshold.
    assert!(table.contains("bright            0.4471     0.500  0.000 0.000 1.000 1.000\n"), "{table}");
}

#[test]
fn what_is_found_in_a_picture_is_outlined_in_a_copy_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, annotated) = (folder.path().join("in.png"), folder.path().join("out.png"));
    let bright = |x: u32, y: u32| (64..96).contains(&x) && (32..64).contains(&y);
    image::RgbImage::from_fn(128, 128, |x, y| if bright(x, y) { [255; 3] } else { [0; 3] }.into())
        .save(&picture)
        .unwrap();
    let checked = inspect::check(&fixtures().join("brightness_heatmap"), &runtime(), Some(&picture)).unwrap();
    assert!(checked.to_string().contains("0.500 0.250 0.750 0.500  found\n"), "{checked}");
    checked.write_annotated(&annotated).unwrap();
    let out = image::open(annotated).unwrap().into_rgb8();
    assert_eq!(out.get_pixel(64, 32).0, [230, 40, 30]);
    assert_eq!(out.get_pixel(95, 50).0, [230, 40, 30]);
    // Heat is a tint of its label's colour, half at most: 255 and 230, 40, 30 mixed.
    let tinted = out.get_pixel(80, 48).0;
    assert!(tinted.iter().zip([243_u8, 148, 143]).all(|(a, b)| a.abs_diff(b) < 5), "{tinted:?}");
    assert_eq!(out.get_pixel(63, 32).0, [0, 0, 0]);
    // The caption's plate stands above the box, with letters in it.
    assert_eq!(out.get_pixel(64, 23).0, [230, 40, 30]);
    let ink = (64..128).flat_map(|x| (23..32).map(move |y| (x, y)));
    assert!(ink.filter(|(x, y)| out.get_pixel(*x, *y).0 == [255; 3]).count() > 50);
}

#[test]
fn a_picture_that_is_none_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("picture.jpg");
    std::fs::write(&text, "no picture").unwrap();
    let error = inspect::check(&fixtures().join("brightness_heatmap"), &runtime(), Some(&text)).unwrap_err();
    assert!(matches!(error, CheckError::Picture(_)) && error.to_string().contains("picture.jpg"), "{error}");
}

#[test]
fn every_head_is_checked_on_a_picture_and_draws_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("in.png");
    image::RgbImage::from_raw(96, 64, pattern(96, 64)).unwrap().save(&picture).unwrap();
    for name in folders_with_answers() {
        let checked = inspect::check(&fixtures().join(&name), &runtime(), Some(&picture)).unwrap();
        let annotated = folder.path().join(format!("{name}.png"));
        checked.write_annotated(&annotated).unwrap();
        let (before, after) = (image::open(&picture).unwrap(), image::open(&annotated).unwrap());
        assert!(checked.to_string().contains("found"), "{name}: {checked}");
        assert_ne!(before.into_rgb8(), after.into_rgb8(), "{name}: nothing was drawn");
    }
}
