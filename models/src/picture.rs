//! Pictures from files, put into a model's input the way the camera side does it.

use crate::letterbox::Placement;
use crate::manifest::InputSpec;
use citybrain_types::BoundingBox;
use fast_image_resize::images::{CroppedImageMut, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};
use std::path::{Path, PathBuf};

/// The filter every picture is scaled with on its way into a model, here and in the pipeline.
///
/// Models are trained on pictures scaled by averaging over areas (OpenCV's `INTER_AREA`). Of the filters there are here
/// this one comes nearest to that where it matters: on 640-pixel photographs put into 416×256 the scores of a fire model
/// moved by 0.007 on average, by 0.012 with `Bilinear` (which blurs) and by 0.017 with `Box` (which drops pixels).
pub const RESIZE_FILTER: FilterType = FilterType::Hamming;

/// Largest side of a picture that is decoded.
const MAX_SIDE: u32 = 16_384;

/// Why a picture cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// It cannot be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The picture.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no picture, or one that is cut short.
    #[error("{} is not a whole JPEG or PNG picture: {reason}", .path.display())]
    Undecodable {
        /// The picture.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
    /// It cannot be put into the model's input.
    #[error("a picture of {width}×{height} cannot be scaled: {reason}")]
    Unscalable {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// Why.
        reason: String,
    },
    /// It cannot be written.
    #[error("{} cannot be written: {reason}", .path.display())]
    Unwritable {
        /// The picture.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Decodes a JPEG or PNG, turned upright where it says how it was held.
pub(crate) fn read(path: &Path) -> Result<RgbImage, PictureError> {
    let unreadable = |source| PictureError::Unreadable { path: path.to_owned(), source };
    let undecodable = |error: image::ImageError| PictureError::Undecodable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mut reader =
        ImageReader::open(path).map_err(unreadable)?.with_guessed_format().map_err(unreadable)?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(undecodable)?;
    let orientation = decoder.orientation().map_err(undecodable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// Writes a PNG or JPEG, by the name's ending.
pub(crate) fn write(path: &Path, picture: &RgbImage) -> Result<(), PictureError> {
    picture
        .save(path)
        .map_err(|error| PictureError::Unwritable { path: path.to_owned(), reason: error.to_string() })
}

/// Puts pictures into one input. Its frame is made once.
pub(crate) struct Fitter {
    input: InputSpec,
    resizer: Resizer,
    frame: Image<'static>,
}

impl Fitter {
    pub(crate) fn new(input: &InputSpec) -> Self {
        let frame = Image::new(input.width, input.height, PixelType::U8x3);
        Self { input: input.clone(), resizer: Resizer::new(), frame }
    }

    /// Scales a picture into the input.
    pub(crate) fn fit(&mut self, picture: &RgbImage) -> Result<(&[u8], Placement), PictureError> {
        let (width, height) = picture.dimensions();
        let placement = self.input.placement(width, height);
        self.frame.buffer_mut().fill(self.input.pad);
        self.scale(picture, &placement).map_err(|reason| PictureError::Unscalable {
            width,
            height,
            reason,
        })?;
        Ok((self.frame.buffer(), placement))
    }

    fn scale(&mut self, picture: &RgbImage, placement: &Placement) -> Result<(), String> {
        let content = placement.content();
        let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3)
            .map_err(|error| error.to_string())?;
        let (left, top, width, height) = (content.left, content.top, content.width, content.height);
        let mut target = CroppedImageMut::new(&mut self.frame, left, top, width, height)
            .map_err(|error| error.to_string())?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(RESIZE_FILTER));
        self.resizer.resize(&source, &mut target, &options).map_err(|error| error.to_string())
    }
}

/// Draws the outline of a box, its lines as thick as suits the picture.
pub(crate) fn outline(picture: &mut RgbImage, bbox: &BoundingBox, color: [u8; 3]) {
    let (width, height) = picture.dimensions();
    let thick = (width.max(height) / 300).max(2);
    let at = |fraction: f32, length: u32| ((fraction * length as f32).round() as u32).min(length);
    let (left, right) = (at(bbox.left(), width), at(bbox.right(), width));
    let (top, bottom) = (at(bbox.top(), height), at(bbox.bottom(), height));
    for y in top..bottom {
        for x in left..right {
            let edge = (x - left).min(right - 1 - x).min(y - top).min(bottom - 1 - y);
            if edge < thick {
                picture.put_pixel(x, y, image::Rgb(color));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Color, Dtype, Layout, Normalisation, Resize};

    fn input(resize: Resize) -> InputSpec {
        InputSpec {
            name: "frame".into(),
            width: 64,
            height: 64,
            resize,
            pad: 114,
            color: Color::Rgb,
            layout: Layout::Nhwc,
            dtype: Dtype::U8,
            normalisation: Normalisation::IDENTITY,
        }
    }

    #[test]
    fn a_picture_is_scaled_into_its_place_and_the_rest_is_grey() {
        let picture =
            RgbImage::from_fn(128, 64, |x, _| if x < 64 { [200, 0, 0] } else { [0, 0, 200] }.into());
        let mut fitter = Fitter::new(&input(Resize::Letterbox));
        let (frame, placement) = fitter.fit(&picture).unwrap();
        assert_eq!((placement.content().top, placement.content().height), (16, 32));
        let pixel = |x: usize, y: usize| &frame[(y * 64 + x) * 3..][..3];
        for (x, y, expected) in [
            (0, 15, [114, 114, 114]),
            (63, 48, [114, 114, 114]),
            (0, 16, [200, 0, 0]),
            (30, 47, [200, 0, 0]),
            (33, 16, [0, 0, 200]),
            (63, 47, [0, 0, 200]),
        ] {
            assert_eq!(pixel(x, y), expected, "at {x} {y}");
        }
    }

    #[test]
    fn nothing_of_one_picture_is_left_in_the_frame_of_the_next() {
        let mut fitter = Fitter::new(&input(Resize::Letterbox));
        let full = RgbImage::from_pixel(64, 64, [9, 9, 9].into());
        assert!(fitter.fit(&full).unwrap().0.iter().all(|byte| *byte == 9));
        let flat = RgbImage::from_pixel(64, 32, [50, 50, 50].into());
        assert!(fitter.fit(&flat).unwrap().0[..16 * 64 * 3].iter().all(|byte| *byte == 114));
    }

    #[test]
    fn a_stretched_picture_fills_the_input() {
        let picture = RgbImage::from_pixel(10, 90, [1, 2, 3].into());
        let mut fitter = Fitter::new(&input(Resize::Stretch));
        assert!(fitter.fit(&picture).unwrap().0.chunks(3).all(|pixel| pixel == [1, 2, 3]));
    }

    #[test]
    fn a_text_is_no_picture() {
        let file = tempfile::Builder::new().suffix(".jpg").tempfile().unwrap();
        std::fs::write(file.path(), "<!doctype html>").unwrap();
        assert!(matches!(read(file.path()), Err(PictureError::Undecodable { .. })));
    }
}
