//! Boxes and labels drawn into an RGB picture.

use super::font;
use citybrain_types::{BoundingBox, Detection};

const INK: [u8; 3] = [255, 255, 255];
/// Colours of boxes, by label; readable on asphalt, sky and fire alike.
const COLOURS: [[u8; 3]; 6] =
    [[226, 33, 52], [0, 110, 230], [150, 60, 200], [0, 140, 90], [200, 90, 0], [190, 20, 120]];

/// A box with its caption.
#[derive(Debug)]
pub(super) struct Mark<'a> {
    label: &'a str,
    percent: u32,
    bbox: BoundingBox,
}

impl<'a> Mark<'a> {
    pub(super) fn of(detection: &'a Detection) -> Self {
        let percent = (detection.score.get() * 100.0).round() as u32;
        Self { label: detection.label.as_str(), percent, bbox: detection.bbox }
    }

    fn colour(&self) -> [u8; 3] {
        let sum: usize = self.label.bytes().map(usize::from).sum();
        COLOURS[sum % COLOURS.len()]
    }
}

/// Draws the marks, the surest last so that it lies on top.
pub(super) fn draw(rgb: &mut [u8], width: u32, height: u32, marks: &[Mark<'_>]) {
    let mut canvas = Canvas { rgb, width: width as usize, height: height as usize };
    let mut order: Vec<&Mark<'_>> = marks.iter().collect();
    order.sort_by_key(|mark| mark.percent);
    order.into_iter().for_each(|mark| canvas.mark(mark));
}

struct Canvas<'a> {
    rgb: &'a mut [u8],
    width: usize,
    height: usize,
}

impl Canvas<'_> {
    fn mark(&mut self, mark: &Mark<'_>) {
        let line = (self.height / 240).max(1) + 1;
        let at = |fraction: f32, length: usize| (fraction * length as f32) as usize;
        let (left, right) = (at(mark.bbox.left(), self.width), at(mark.bbox.right(), self.width).max(1));
        let (top, bottom) = (at(mark.bbox.top(), self.height), at(mark.bbox.bottom(), self.height).max(1));
        let colour = mark.colour();
        self.fill(left, top, right, top + line, colour);
        self.fill(left, bottom.saturating_sub(line), right, bottom, colour);
        self.fill(left, top, left + line, bottom, colour);
        self.fill(right.saturating_sub(line), top, right, bottom, colour);
        self.caption(&format!("{} {}%", mark.label, mark.percent), left, top, colour);
    }

    /// Above the box where there is room, else inside.
    fn caption(&mut self, text: &str, left: usize, top: usize, colour: [u8; 3]) {
        let scale = (self.height / 270).max(1);
        let (cell, tall) = ((font::WIDTH + 1) * scale, (font::HEIGHT + 2) * scale);
        let wide = text.chars().count() * cell + scale;
        let y = top.checked_sub(tall).unwrap_or(top);
        let x = left.min(self.width.saturating_sub(wide));
        self.fill(x, y, x + wide, y + tall, colour);
        for (index, letter) in text.chars().enumerate() {
            self.glyph(font::glyph(letter), x + scale + index * cell, y + scale, scale);
        }
    }

    fn glyph(&mut self, rows: [u8; font::HEIGHT], x: usize, y: usize, scale: usize) {
        for (row, bits) in rows.into_iter().enumerate() {
            for column in (0..font::WIDTH).filter(|column| bits & (1 << (font::WIDTH - 1 - column)) != 0) {
                let (x, y) = (x + column * scale, y + row * scale);
                self.fill(x, y, x + scale, y + scale, INK);
            }
        }
    }

    /// Fills a rectangle, as far as it lies in the picture.
    fn fill(&mut self, left: usize, top: usize, right: usize, bottom: usize, colour: [u8; 3]) {
        let (right, bottom) = (right.min(self.width), bottom.min(self.height));
        if left >= right {
            return;
        }
        for row in top..bottom {
            let start = (row * self.width + left) * 3;
            let pixels = &mut self.rgb[start..start + (right - left) * 3];
            pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colour));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::{EventKind, Label, Score};

    fn detection(label: &str, bbox: BoundingBox) -> Detection {
        let kind = EventKind::new("fire");
        Detection { kind, label: Label::new(label), score: Score::new(0.874).unwrap(), bbox, change: None }
    }

    #[test]
    fn a_box_is_framed_and_its_inside_left_as_it_was() {
        let mut rgb = vec![10; 320 * 180 * 3];
        let bbox = BoundingBox::new(0.25, 0.5, 0.75, 0.9).unwrap();
        let found = detection("smoke", bbox);
        draw(&mut rgb, 320, 180, &[Mark::of(&found)]);
        let pixel = |x: usize, y: usize| &rgb[(y * 320 + x) * 3..][..3];
        let colour = Mark::of(&found).colour();
        assert_eq!(pixel(80, 120), colour, "left edge");
        assert_eq!(pixel(239, 120), colour, "right edge");
        assert_eq!(pixel(160, 90), colour, "top edge");
        assert_eq!(pixel(160, 161), colour, "bottom edge");
        assert_eq!(pixel(160, 120), [10; 3], "inside");
        assert_eq!(pixel(20, 20), [10; 3], "outside");
        let ink = rgb.chunks_exact(3).filter(|pixel| *pixel == INK).count();
        assert!(ink > 60, "a caption of 9 characters has more than {ink} pixels");
    }

    #[test]
    fn marks_at_the_edges_of_tiny_pictures_stay_inside() {
        for (width, height) in [(1, 1), (2, 3), (16, 9), (5, 200)] {
            let mut rgb = vec![0; (width * height * 3) as usize];
            let long = detection(&"x".repeat(40), BoundingBox::WHOLE);
            let corner = detection("烟", BoundingBox::new(0.99, 0.99, 1.0, 1.0).unwrap());
            draw(&mut rgb, width, height, &[Mark::of(&long), Mark::of(&corner)]);
        }
    }
}
