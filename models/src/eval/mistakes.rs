//! The worst mistakes, as pictures to be looked at: they say more of a model than a figure does.

use super::measure::{Answered, Subject};
use crate::picture;
use citybrain_types::{BoundingBox, Label};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, Resizer};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Most mistakes shown of one label and sort.
const MOST: usize = 8;
/// Most of them from one group, so that one video does not fill the page.
const MOST_OF_GROUP: usize = 2;
/// Most boxes drawn in a picture.
const MOST_BOXES: usize = 5;
/// Boxes that score less than this share of the surest are not drawn.
const FAINT: f32 = 0.25;
/// Longest side of a picture, in pixels.
const SIDE: u32 = 320;
/// JPEG quality: enough to see what it is.
const QUALITY: u8 = 72;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Found where it is not.
    FalseAlarm,
    /// Not found where it is.
    Miss,
}

/// A picture in which a label was found wrongly, or not found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mistake {
    /// The picture.
    pub file_name: String,
    /// Its group.
    pub group: String,
    /// What is wrong.
    pub sort: Sort,
    /// Score of the picture.
    pub score: f32,
    /// What was found, the surest first; at most five boxes.
    pub found: Vec<(BoundingBox, f32)>,
    /// Where it was labelled.
    pub labelled: Vec<BoundingBox>,
    /// The picture, small, as JPEG; empty where it could not be read again.
    #[serde(skip)]
    pub jpeg: Vec<u8>,
}

/// The surest false alarms and the least sure misses of a label, with their pictures.
pub(super) fn worst(root: &Path, subject: &Subject<Label>, answered: &[Answered<'_>]) -> Vec<Mistake> {
    let mut alarms = Vec::new();
    let mut misses = Vec::new();
    for answer in answered {
        match (subject.truth(answer.picture), answer.is_found(&subject.claims)) {
            (Some(false), true) => alarms.push(mistake(subject, answer, Sort::FalseAlarm)),
            (Some(true), false) => misses.push(mistake(subject, answer, Sort::Miss)),
            _ => {}
        }
    }
    alarms.sort_by(|a, b| b.score.total_cmp(&a.score));
    misses.sort_by(|a, b| a.score.total_cmp(&b.score));
    let mut chosen = spread(alarms);
    chosen.extend(spread(misses));
    for mistake in &mut chosen {
        // It was read before; should it have gone meanwhile, the rest of the report still stands.
        mistake.jpeg = thumbnail(&root.join(&mistake.file_name)).unwrap_or_default();
    }
    chosen
}

fn mistake(subject: &Subject<Label>, answer: &Answered<'_>, sort: Sort) -> Mistake {
    let score = answer.score(&subject.claims);
    let boxes = answer.boxes(&subject.claims).map(|(found, _)| (found.bbox, found.score.get()));
    let mut found: Vec<(BoundingBox, f32)> = boxes.filter(|(_, own)| *own >= score * FAINT).collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.truncate(MOST_BOXES);
    Mistake {
        file_name: answer.picture.file_name.clone(),
        group: answer.picture.group.clone(),
        sort,
        score,
        found,
        labelled: answer.picture.places(&subject.name).to_vec(),
        jpeg: Vec::new(),
    }
}

/// The first of them, a few of each group.
fn spread(sorted: Vec<Mistake>) -> Vec<Mistake> {
    let mut of_group: BTreeMap<String, usize> = BTreeMap::new();
    let mut chosen = sorted;
    chosen.retain(|mistake| {
        let count = of_group.entry(mistake.group.clone()).or_default();
        *count += 1;
        *count <= MOST_OF_GROUP
    });
    chosen.truncate(MOST);
    chosen
}

fn thumbnail(path: &Path) -> Option<Vec<u8>> {
    let picture = picture::read(path).ok()?;
    let small = shrunk(&picture)?;
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&small).ok()?;
    Some(jpeg)
}

fn shrunk(picture: &RgbImage) -> Option<RgbImage> {
    let (width, height) = picture.dimensions();
    let longest = width.max(height).max(1);
    let scaled = |side: u32| (side * SIDE.min(longest) / longest).max(1);
    let mut small = Image::new(scaled(width), scaled(height), PixelType::U8x3);
    let source = ImageRef::new(width, height, picture.as_raw(), PixelType::U8x3).ok()?;
    Resizer::new().resize(&source, &mut small, None).ok()?;
    RgbImage::from_raw(small.width(), small.height(), small.into_vec())
}
