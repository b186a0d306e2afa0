//! Models looking at pictures, several threads at once.

use super::Progress;
use super::dataset::AnnotatedPicture;
use super::maps::{MaskAnswer, Painted};
use crate::detector::{DetectError, Detector, LabelledBox};
use crate::picture::{self, Fitter, PictureError};
use citybrain_types::ModelId;
use image::RgbImage;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// What the models say of one picture.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Each model's boxes, down to the lowest score, the surest of each label first.
    pub(super) found: Vec<Vec<LabelledBox>>,
    /// Each model's heat map against the mask, where there are both.
    pub(super) masks: Vec<Option<MaskAnswer>>,
    /// The maps together.
    pub(super) masks_together: Option<MaskAnswer>,
    /// Why there is nothing to hold the maps against, although a mask is named.
    pub(super) unusable_mask: Option<String>,
}

/// Why a picture got no answer.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error("{model} gave no usable answer: {source}")]
    Detect { model: ModelId, source: DetectError },
    #[error("mask of {}×{} for a picture of {}×{}", .mask.0, .mask.1, .picture.0, .picture.1)]
    MaskSize { mask: (u32, u32), picture: (u32, u32) },
}

pub(super) type Look = Result<Seen, String>;

/// Looks at every picture, each thread with models of its own; results in the order of the pictures.
pub(super) fn look_at_all(
    root: &Path,
    pictures: &[AnnotatedPicture],
    models: Vec<Vec<Detector>>,
    progress: &mut dyn FnMut(Progress),
) -> std::io::Result<Vec<Look>> {
    let total = pictures.len();
    let next = AtomicUsize::new(0);
    let mut looks: Vec<Look> = vec![Err("no thread looked at it".to_owned()); total];
    // Two results for each thread: the receiver only stores them, so more would never fill.
    let (sender, receiver) = sync_channel(models.len() * 2);
    std::thread::scope(|scope| {
        for (number, detectors) in models.into_iter().enumerate() {
            let (next, sender) = (&next, sender.clone());
            std::thread::Builder::new()
                .name(format!("eval-{number}"))
                .spawn_scoped(scope, move || look_at_next(root, pictures, detectors, next, &sender))?;
        }
        drop(sender);
        for (done, (index, look)) in receiver.iter().enumerate() {
            looks[index] = look;
            progress(Progress { done: done + 1, total });
        }
        Ok(looks)
    })
}

fn look_at_next(
    root: &Path,
    pictures: &[AnnotatedPicture],
    mut detectors: Vec<Detector>,
    next: &AtomicUsize,
    results: &SyncSender<(usize, Look)>,
) {
    // Curves need every score, down to zero.
    detectors.iter_mut().for_each(|detector| detector.set_floor(0.0));
    let mut fitters: Vec<Fitter> = detectors.iter().map(|detector| Fitter::new(detector.input())).collect();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(picture) = pictures.get(index) else { return };
        let look = look_at(root, picture, &mut detectors, &mut fitters);
        if results.send((index, look.map_err(|error| error.to_string()))).is_err() {
            return;
        }
    }
}

fn look_at(
    root: &Path,
    annotated: &AnnotatedPicture,
    detectors: &mut [Detector],
    fitters: &mut [Fitter],
) -> Result<Seen, LookError> {
    let picture = picture::read(&root.join(&annotated.file_name))?;
    let mask = annotated.mask.as_ref().map(|mask| read_mask(&root.join(mask), &picture)).transpose();
    let (mask, unusable_mask) = match mask {
        Ok(mask) => (mask, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let (mut found, mut painted) = (Vec::new(), Vec::new());
    for (detector, fitter) in detectors.iter_mut().zip(fitters) {
        let (frame, placement) = fitter.fit(&picture)?;
        let answer = match &mask {
            Some(_) => detector.detect_with_map(frame, &placement),
            None => detector.detect(frame, &placement).map(|boxes| (boxes, None)),
        };
        let model = || detector.model_id().clone();
        let (boxes, map) = answer.map_err(|source| LookError::Detect { model: model(), source })?;
        found.push(boxes);
        let both = map.as_ref().zip(mask.as_ref());
        painted.push(both.and_then(|(map, mask)| Painted::of(detector, map, mask)));
    }
    let against = |painted: &Painted| mask.as_ref().map(|mask| painted.against(mask));
    let masks = painted.iter().map(|painted| painted.as_ref().and_then(against)).collect();
    let together = painted.into_iter().flatten().reduce(|a, b| a.or(&b));
    Ok(Seen { found, masks, masks_together: together.as_ref().and_then(against), unusable_mask })
}

fn read_mask(path: &Path, picture: &RgbImage) -> Result<RgbImage, LookError> {
    let mask = picture::read(path)?;
    if mask.dimensions() == picture.dimensions() {
        Ok(mask)
    } else {
        Err(LookError::MaskSize { mask: mask.dimensions(), picture: picture.dimensions() })
    }
}
