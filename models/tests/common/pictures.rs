//! Folders of labelled pictures, drawn in the test.

use image::{Rgb, RgbImage};
use std::fmt::Write;
use std::path::Path;

/// A picture of 64×64: black, with a bright rectangle.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// Below the folder; its first letter is the source, the whole is the group.
    pub name: &'static str,
    pub split: &'static str,
    /// Brightness of the rectangle.
    pub level: u8,
    /// Left, top, right and bottom of the rectangle.
    pub bright: [u32; 4],
    /// What is said of each category, in their order.
    pub labels: Vec<Option<bool>>,
    /// Left, top, width and height of labelled places of the first category.
    pub boxes: Vec<[u32; 4]>,
    /// How many columns from the left its mask is white.
    pub mask: Option<u32>,
}

/// A quarter of a quarter: one cell of the model that measures brightness.
pub const CELL: [u32; 4] = [16, 32, 32, 48];

impl Drawn {
    pub fn cell(name: &'static str, level: u8, label: Option<bool>) -> Self {
        let labels = vec![label];
        Self { name, split: "val", level, bright: CELL, labels, boxes: Vec::new(), mask: None }
    }
}

/// Writes pictures, masks, `annotations.json` and `labels.csv`.
pub fn write(root: &Path, categories: &[&str], pictures: &[Drawn]) {
    let (mut images, mut places) = (Vec::new(), Vec::new());
    let mut csv = format!("file_name,split,group,{}\n", categories.join(","));
    for (id, drawn) in pictures.iter().enumerate() {
        draw(root, drawn);
        let said =
            |word: fn(Option<bool>) -> &'static str| drawn.labels.iter().map(move |label| word(*label));
        let json = |label| {
            if label == Some(true) {
                "1"
            } else if label == Some(false) {
                "0"
            } else {
                "null"
            }
        };
        let labels: Vec<String> =
            categories.iter().zip(said(json)).map(|(name, value)| format!("\"{name}\": {value}")).collect();
        let mask = drawn.mask.map_or_else(String::new, |_| format!(", \"mask\": \"masks/{}\"", drawn.name));
        images.push(format!(
            r#"{{"id": {id}, "file_name": "{}", "width": 64, "height": 64, "source": "{}", "group": "{}", "split": "{}",
            "labels": {{{}}}{mask}}}"#,
            drawn.name,
            &drawn.name[..1],
            drawn.name,
            drawn.split,
            labels.join(", ")
        ));
        places.extend(
            drawn
                .boxes
                .iter()
                .map(|place| format!(r#"{{"image_id": {id}, "category_id": 1, "bbox": {place:?}}}"#)),
        );
        let cells = |label| {
            if label == Some(true) {
                "1"
            } else if label == Some(false) {
                "0"
            } else {
                "?"
            }
        };
        let cells: Vec<&str> = said(cells).collect();
        writeln!(csv, "{},{},{},{}", drawn.name, drawn.split, drawn.name, cells.join(",")).unwrap();
    }
    let numbered = categories.iter().zip(1..);
    let categories: Vec<String> =
        numbered.map(|(name, id)| format!(r#"{{"id": {id}, "name": "{name}"}}"#)).collect();
    let json = format!(
        r#"{{"categories": [{}], "images": [{}], "annotations": [{}]}}"#,
        categories.join(", "),
        images.join(", "),
        places.join(", ")
    );
    std::fs::write(root.join("annotations.json"), json).unwrap();
    std::fs::write(root.join("labels.csv"), csv).unwrap();
}

fn draw(root: &Path, drawn: &Drawn) {
    let [left, top, right, bottom] = drawn.bright;
    let lit = |x, y| (left..right).contains(&x) && (top..bottom).contains(&y);
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([if lit(x, y) { drawn.level } else { 0 }; 3]));
    save(&picture, &root.join(drawn.name));
    if let Some(columns) = drawn.mask {
        let mask = RgbImage::from_fn(64, 64, |x, _| Rgb([if x < columns { 255 } else { 0 }; 3]));
        save(&mask, &root.join("masks").join(drawn.name));
    }
}

fn save(picture: &RgbImage, path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// A copy of a fixture whose manifest says something else.
pub fn model_with(folder: &Path, fixture: &Path, changes: &[(&str, &str)]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::copy(fixture.join("model.onnx"), folder.join("model.onnx")).unwrap();
    let mut manifest = std::fs::read_to_string(fixture.join("model.toml")).unwrap();
    for (from, to) in changes {
        assert!(manifest.contains(from), "{from} is not in {manifest}");
        manifest = manifest.replace(from, to);
    }
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
}
