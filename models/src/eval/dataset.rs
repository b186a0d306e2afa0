//! Annotated pictures: `annotations.json` in COCO's form, with `source`, `group`, `split` and `labels` (1, 0 or null) of each
//! picture.
//!
//! A label that is null was judged by nobody. It counts neither as present nor as absent, anywhere. Where `labels.csv`
//! beside the annotations says something else than they do, nobody knows either: see [`super::labels_csv`].

use super::labels_csv::{self, Dispute};
use citybrain_types::{BoundingBox, Label};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Name of the annotations below the data's folder.
pub const FILE_NAME: &str = "annotations.json";

/// Largest annotations read.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Why annotated pictures cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The annotations cannot be read.
    #[error("{}: {source}; the folder is to hold {FILE_NAME}", .path.display())]
    Unreadable {
        /// The annotations.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// They are longer than any.
    #[error("{} is larger than {MAX_BYTES} bytes", .path.display())]
    TooLarge {
        /// The annotations.
        path: PathBuf,
    },
    /// They are not in COCO's form with the fields above.
    #[error("{}: {source}", .path.display())]
    Invalid {
        /// The annotations.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A picture's name leads out of the folder.
    #[error("{}: picture '{file_name}' lies outside the folder", .path.display())]
    Outside {
        /// The annotations.
        path: PathBuf,
        /// The name.
        file_name: String,
    },
    /// A picture is listed twice, so its scores could not be told apart.
    #[error("{}: picture '{file_name}' is listed more than once", .path.display())]
    Twice {
        /// The annotations.
        path: PathBuf,
        /// The name.
        file_name: String,
    },
    /// `labels.csv` cannot be read.
    #[error("{}: {reason}", .path.display())]
    LabelsCsv {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// There are no categories, so nothing can be measured.
    #[error("{} names no categories", .path.display())]
    NoCategories {
        /// The annotations.
        path: PathBuf,
    },
    /// No picture is of this split.
    #[error("no picture is of split '{asked}': there are {}", .known.join(", "))]
    UnknownSplit {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: Vec<String>,
    },
}

/// Pictures of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What the data judge, in the order of the annotations.
    pub categories: Vec<Label>,
    /// The pictures; never empty.
    pub pictures: Vec<AnnotatedPicture>,
    /// What annotations and `labels.csv` do not agree on; each counts as not judged.
    pub disputes: Vec<Dispute>,
}

/// A picture and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnotatedPicture {
    /// Path below the data's folder.
    pub file_name: String,
    /// Where it is from.
    pub source: String,
    /// The scene, video or camera it belongs to.
    pub group: String,
    /// Whether each label is present; `None` when nobody judged.
    pub labels: BTreeMap<Label, Option<bool>>,
    /// Labelled places.
    pub boxes: BTreeMap<Label, Vec<BoundingBox>>,
    /// Path below the data's folder of a picture of the same size that is white where there is [`MASK_LABEL`].
    pub mask: Option<String>,
}

/// What masks show.
pub const MASK_LABEL: &str = "waterlogging";

impl AnnotatedPicture {
    /// Whether a label is present; `None` when unknown.
    #[must_use]
    pub fn truth(&self, label: &Label) -> Option<bool> {
        self.labels.get(label).copied().flatten()
    }

    /// Labelled places of a label.
    #[must_use]
    pub fn places(&self, label: &Label) -> &[BoundingBox] {
        self.boxes.get(label).map_or(&[], Vec::as_slice)
    }
}

#[derive(Deserialize)]
struct Coco {
    categories: Vec<Category>,
    images: Vec<ImageEntry>,
    annotations: Vec<BoxEntry>,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

#[derive(Deserialize)]
struct ImageEntry {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
    source: String,
    group: String,
    split: String,
    labels: BTreeMap<String, Option<u8>>,
    mask: Option<String>,
}

#[derive(Deserialize)]
struct BoxEntry {
    image_id: u64,
    category_id: u64,
    /// Left, top, width and height in pixels.
    bbox: [f32; 4],
}

/// Reads the pictures of a split below `root`; `all` takes every split.
///
/// # Errors
/// [`DatasetError`] when the annotations cannot be read, or no picture is of that split.
pub fn read(root: &Path, split: &str) -> Result<Dataset, DatasetError> {
    let path = root.join(FILE_NAME);
    let unreadable = |source| DatasetError::Unreadable { path: path.clone(), source };
    let mut text = Vec::new();
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(DatasetError::TooLarge { path });
    }
    let coco: Coco = serde_json::from_slice(&text)
        .map_err(|source| DatasetError::Invalid { path: path.clone(), source })?;
    check(&coco, &path)?;
    let mut data = of_split(coco, split)?;
    data.disputes = labels_csv::compare(root, split, &mut data.pictures)?;
    Ok(data)
}

fn check(coco: &Coco, path: &Path) -> Result<(), DatasetError> {
    let path = || path.to_owned();
    if coco.categories.is_empty() {
        return Err(DatasetError::NoCategories { path: path() });
    }
    let mut seen = BTreeSet::new();
    for image in &coco.images {
        for name in [Some(&image.file_name), image.mask.as_ref()].into_iter().flatten() {
            if leaves_folder(name) {
                return Err(DatasetError::Outside { path: path(), file_name: name.clone() });
            }
        }
        if !seen.insert(&image.file_name) {
            return Err(DatasetError::Twice { path: path(), file_name: image.file_name.clone() });
        }
    }
    Ok(())
}

/// Reads a table beside the annotations, of at most as many bytes as they may have.
pub(super) fn read_table(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut table = Vec::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut table)?;
    if table.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {MAX_BYTES} bytes")));
    }
    Ok(table)
}

/// Whether a path leads out of the folder it is to be looked for in.
pub(super) fn leaves_folder(file_name: &str) -> bool {
    file_name.is_empty()
        || !Path::new(file_name).components().all(|part| matches!(part, Component::Normal(_)))
}

fn of_split(coco: Coco, split: &str) -> Result<Dataset, DatasetError> {
    let categories: Vec<Label> = coco.categories.iter().map(|category| Label::new(&category.name)).collect();
    let ids = coco.categories.iter().map(|category| category.id);
    let names: BTreeMap<u64, Label> = ids.zip(categories.iter().cloned()).collect();
    let mut boxes: BTreeMap<u64, Vec<BoxEntry>> = BTreeMap::new();
    for entry in coco.annotations {
        boxes.entry(entry.image_id).or_default().push(entry);
    }
    let known: BTreeSet<String> = coco.images.iter().map(|image| image.split.clone()).collect();
    let wanted = |image: &ImageEntry| split == "all" || image.split == split;
    let pictures: Vec<AnnotatedPicture> = coco
        .images
        .into_iter()
        .filter(wanted)
        .map(|image| {
            let places = boxes.remove(&image.id).unwrap_or_default();
            picture(image, places, &names)
        })
        .collect();
    if pictures.is_empty() {
        let known = known.into_iter().chain(["all".to_owned()]).collect();
        return Err(DatasetError::UnknownSplit { asked: split.to_owned(), known });
    }
    Ok(Dataset { categories, pictures, disputes: Vec::new() })
}

fn picture(image: ImageEntry, places: Vec<BoxEntry>, names: &BTreeMap<u64, Label>) -> AnnotatedPicture {
    let (width, height) = (image.width.max(1) as f32, image.height.max(1) as f32);
    let mut boxes: BTreeMap<Label, Vec<BoundingBox>> = BTreeMap::new();
    for place in places {
        let [x, y, w, h] = place.bbox;
        let bbox = BoundingBox::clipped(x / width, y / height, (x + w) / width, (y + h) / height);
        if let (Some(label), Some(bbox)) = (names.get(&place.category_id), bbox) {
            boxes.entry(label.clone()).or_default().push(bbox);
        }
    }
    let labels = image.labels.into_iter().map(|(name, value)| (Label::new(name), value.map(|v| v != 0)));
    AnnotatedPicture {
        file_name: image.file_name,
        source: image.source,
        group: image.group,
        labels: labels.collect(),
        boxes,
        mask: image.mask,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(file_name: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"{{"info": {{}}, "categories": [{{"id": 1, "name": "fire"}}],
            "images": [{{"id": 7, "file_name": "{file_name}", "width": 200, "height": 100, "source": "s", "group": "g",
              "split": "val", "labels": {{"fire": 1, "smoke": null, "litter": 0}}, "mask": "m.png"}}],
            "annotations": [{{"id": 1, "image_id": 7, "category_id": 1, "bbox": [50.0, 25.0, 100.0, 90.0], "iscrowd": 0}}]}}"#
        );
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        folder
    }

    #[test]
    fn unknown_is_neither_present_nor_absent() {
        let folder = folder("images/a.jpg");
        let pictures = read(folder.path(), "val").unwrap().pictures;
        let truth = |name: &str| pictures[0].truth(&Label::new(name));
        assert_eq!((truth("fire"), truth("smoke"), truth("litter")), (Some(true), None, Some(false)));
        assert_eq!(truth("no such label"), None);
    }

    #[test]
    fn a_place_in_pixels_becomes_fractions_clipped_to_the_picture() {
        let folder = folder("images/a.jpg");
        let pictures = read(folder.path(), "all").unwrap().pictures;
        let expected = BoundingBox::new(0.25, 0.25, 0.75, 1.0).unwrap();
        assert_eq!(pictures[0].places(&Label::new("fire")), [expected]);
        assert!(pictures[0].places(&Label::new("smoke")).is_empty());
    }

    #[test]
    fn a_split_that_is_not_there_is_refused_with_those_that_are() {
        let error = read(folder("a.jpg").path(), "test").unwrap_err().to_string();
        assert_eq!(error, "no picture is of split 'test': there are val, all");
    }

    #[test]
    fn a_picture_outside_the_folder_is_refused() {
        for outside in ["../a.jpg", "/etc/passwd", "images/../../a.jpg"] {
            let error = read(folder(outside).path(), "val").unwrap_err();
            assert!(matches!(error, DatasetError::Outside { .. }), "{outside}: {error}");
        }
    }
}
