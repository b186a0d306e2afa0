//! Where a picture lies in a model's input, and the way back from there to the picture.

use citybrain_types::BoundingBox;

/// The part of the input that the picture covers, in whole pixels of the input; the rest is padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    /// Columns of padding left of the picture.
    pub left: u32,
    /// Rows of padding above the picture.
    pub top: u32,
    /// Width of the scaled picture, at least one.
    pub width: u32,
    /// Height of the scaled picture, at least one.
    pub height: u32,
}

/// How a picture of some size was put into a model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Placement {
    input: (u32, u32),
    content: Content,
}

impl Placement {
    /// Scaled to fit with its aspect kept, centred; an odd row or column of padding goes to the bottom or right.
    ///
    /// Halves round to even, as Python's `round` does where the models were trained: another rounding moves a picture
    /// by a pixel against what the model has learnt. A size of zero counts as one.
    #[must_use]
    pub fn letterbox(source: (u32, u32), input: (u32, u32)) -> Self {
        let (width, height) = fitted(source, input, |length| length.round_ties_even());
        let content = Content { left: (input.0 - width) / 2, top: (input.1 - height) / 2, width, height };
        Self { input, content }
    }

    /// Scaled to fit with its aspect kept, in the top left corner; all padding is right or below.
    ///
    /// Sizes are cut off to whole pixels, as `int` does in YOLOX's `preproc`, which puts pictures like this.
    #[must_use]
    pub fn letterbox_top_left(source: (u32, u32), input: (u32, u32)) -> Self {
        // A whole length that the division missed by a rounding error is still that length.
        let (width, height) = fitted(source, input, |length| (length + 1e-6).trunc());
        Self { input, content: Content { left: 0, top: 0, width, height } }
    }

    /// Scaled to cover the whole input, aspect not kept.
    #[must_use]
    pub const fn stretch(input: (u32, u32)) -> Self {
        Self { input, content: Content { left: 0, top: 0, width: input.0, height: input.1 } }
    }

    /// Width and height of the input.
    #[must_use]
    pub const fn input(&self) -> (u32, u32) {
        self.input
    }

    /// The part of the input that shows the picture.
    #[must_use]
    pub const fn content(&self) -> Content {
        self.content
    }

    /// Maps a box in pixels of the input to fractions of the picture; `None` when it lies wholly in the padding.
    #[must_use]
    pub fn to_picture(&self, left: f32, top: f32, right: f32, bottom: f32) -> Option<BoundingBox> {
        let x = |edge: f32| (edge - self.content.left as f32) / self.content.width as f32;
        let y = |edge: f32| (edge - self.content.top as f32) / self.content.height as f32;
        BoundingBox::clipped(x(left), y(top), x(right), y(bottom))
    }

    /// Maps a box of the picture to pixels of the input: left, top, right, bottom.
    #[must_use]
    pub fn to_input(&self, bbox: &BoundingBox) -> [f32; 4] {
        let x = |edge: f32| edge * self.content.width as f32 + self.content.left as f32;
        let y = |edge: f32| edge * self.content.height as f32 + self.content.top as f32;
        [x(bbox.left()), y(bbox.top()), x(bbox.right()), y(bbox.bottom())]
    }
}

/// Width and height of `source` scaled to fit into `input`, made whole by `whole`, at least one.
fn fitted(source: (u32, u32), input: (u32, u32), whole: fn(f64) -> f64) -> (u32, u32) {
    let (source_width, source_height) = (f64::from(source.0.max(1)), f64::from(source.1.max(1)));
    let scale = (f64::from(input.0) / source_width).min(f64::from(input.1) / source_height);
    let side = |length: f64, limit: u32| (whole(length * scale) as u32).clamp(1, limit.max(1));
    (side(source_width, input.0), side(source_height, input.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(source: (u32, u32)) -> Content {
        Placement::letterbox(source, (416, 256)).content()
    }

    #[test]
    fn a_16_to_9_picture_is_padded_above_and_below() {
        assert_eq!(content((1920, 1080)), Content { left: 0, top: 11, width: 416, height: 234 });
    }

    #[test]
    fn a_tall_picture_is_padded_left_and_right_and_a_small_one_is_enlarged() {
        assert_eq!(content((480, 640)), Content { left: 112, top: 0, width: 192, height: 256 });
        assert_eq!(content((104, 64)), Content { left: 0, top: 0, width: 416, height: 256 });
    }

    #[test]
    fn an_extreme_picture_keeps_one_pixel() {
        assert_eq!(content((100_000, 1)), Content { left: 0, top: 127, width: 416, height: 1 });
        assert_eq!(content((0, 0)), Content { left: 80, top: 0, width: 256, height: 256 });
    }

    #[test]
    fn halves_round_to_even_as_in_training() {
        // 2 × 0.25 = 0.5 rounds to 0 and is raised to 1; 10 × 0.25 = 2.5 rounds to 2 and not to 3.
        assert_eq!(Placement::letterbox((256, 10), (64, 64)).content().height, 2);
        assert_eq!(Placement::letterbox((256, 14), (64, 64)).content().height, 4);
    }

    #[test]
    fn a_picture_in_the_corner_is_padded_right_or_below_only() {
        let content = |source| Placement::letterbox_top_left(source, (416, 416)).content();
        assert_eq!(content((1920, 1080)), Content { left: 0, top: 0, width: 416, height: 234 });
        assert_eq!(content((480, 640)), Content { left: 0, top: 0, width: 312, height: 416 });
        // 427 × 416 / 640 = 277.55, which is cut off and not rounded.
        assert_eq!(content((640, 427)), Content { left: 0, top: 0, width: 416, height: 277 });
        assert_eq!(content((100_000, 1)), Content { left: 0, top: 0, width: 416, height: 1 });
    }

    #[test]
    fn a_box_comes_back_from_the_input_to_where_it_was_in_the_picture() {
        let placement = Placement::letterbox((1920, 1080), (416, 256));
        let bbox = BoundingBox::new(0.125, 0.25, 0.5, 0.75).unwrap();
        let [left, top, right, bottom] = placement.to_input(&bbox);
        assert_eq!([left, top, right, bottom], [52.0, 69.5, 208.0, 186.5]);
        let back = placement.to_picture(left, top, right, bottom).unwrap();
        assert!(back.iou(&bbox) > 0.9999, "{back:?}");
    }

    #[test]
    fn a_box_in_the_padding_is_no_place_in_the_picture() {
        let placement = Placement::letterbox((1920, 1080), (416, 256));
        assert_eq!(placement.to_picture(0.0, 0.0, 416.0, 11.0), None);
        let clipped = placement.to_picture(0.0, 0.0, 416.0, 128.0).unwrap();
        assert_eq!((clipped.top(), clipped.bottom()), (0.0, 0.5));
    }
}
