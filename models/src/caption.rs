//! Captions on annotated pictures: a label and its score on a plate of the box's colour.

use image::{Rgb, RgbImage};

/// Rows of each glyph from the top, five bits each, the left column the highest.
const GLYPHS: [(char, [u8; 7]); 42] = [
    ('0', [14, 17, 19, 21, 25, 17, 14]),
    ('1', [4, 12, 4, 4, 4, 4, 14]),
    ('2', [14, 17, 1, 2, 4, 8, 31]),
    ('3', [31, 2, 4, 2, 1, 17, 14]),
    ('4', [2, 6, 10, 18, 31, 2, 2]),
    ('5', [31, 16, 30, 1, 1, 17, 14]),
    ('6', [6, 8, 16, 30, 17, 17, 14]),
    ('7', [31, 1, 2, 4, 8, 8, 8]),
    ('8', [14, 17, 17, 14, 17, 17, 14]),
    ('9', [14, 17, 17, 15, 1, 2, 12]),
    ('A', [14, 17, 17, 31, 17, 17, 17]),
    ('B', [30, 17, 17, 30, 17, 17, 30]),
    ('C', [14, 17, 16, 16, 16, 17, 14]),
    ('D', [30, 17, 17, 17, 17, 17, 30]),
    ('E', [31, 16, 16, 30, 16, 16, 31]),
    ('F', [31, 16, 16, 30, 16, 16, 16]),
    ('G', [14, 17, 16, 23, 17, 17, 15]),
    ('H', [17, 17, 17, 31, 17, 17, 17]),
    ('I', [14, 4, 4, 4, 4, 4, 14]),
    ('J', [7, 2, 2, 2, 2, 18, 12]),
    ('K', [17, 18, 20, 24, 20, 18, 17]),
    ('L', [16, 16, 16, 16, 16, 16, 31]),
    ('M', [17, 27, 21, 21, 17, 17, 17]),
    ('N', [17, 25, 21, 19, 17, 17, 17]),
    ('O', [14, 17, 17, 17, 17, 17, 14]),
    ('P', [30, 17, 17, 30, 16, 16, 16]),
    ('Q', [14, 17, 17, 17, 21, 18, 13]),
    ('R', [30, 17, 17, 30, 20, 18, 17]),
    ('S', [15, 16, 16, 14, 1, 1, 30]),
    ('T', [31, 4, 4, 4, 4, 4, 4]),
    ('U', [17, 17, 17, 17, 17, 17, 14]),
    ('V', [17, 17, 17, 17, 17, 10, 4]),
    ('W', [17, 17, 17, 21, 21, 27, 17]),
    ('X', [17, 17, 10, 4, 10, 17, 17]),
    ('Y', [17, 17, 10, 4, 4, 4, 4]),
    ('Z', [31, 1, 2, 4, 8, 16, 31]),
    ('-', [0, 0, 0, 31, 0, 0, 0]),
    (':', [0, 12, 12, 0, 12, 12, 0]),
    ('.', [0, 0, 0, 0, 0, 12, 12]),
    ('/', [1, 1, 2, 4, 8, 16, 16]),
    ('_', [0, 0, 0, 0, 0, 0, 31]),
    ('%', [24, 25, 2, 4, 8, 19, 3]),
];

/// Columns and rows of a glyph with the gap after it.
const CELL: (u32, u32) = (6, 9);

/// A place taken on the picture: left, top, width, height.
type Plate = (u32, u32, u32, u32);

/// Writes captions so that none lies over another.
pub(crate) struct Captions<'p> {
    picture: &'p mut RgbImage,
    scale: u32,
    plates: Vec<Plate>,
}

impl<'p> Captions<'p> {
    /// Letters are as large as suits the picture: seven pixels high, and about 3 % of its longer side where that is more.
    pub(crate) fn on(picture: &'p mut RgbImage) -> Self {
        let scale = (picture.width().max(picture.height()) / 240).max(1);
        Self { picture, scale, plates: Vec::new() }
    }

    /// A caption above a box whose top left corner is given in pixels, or in it where there is no room above.
    pub(crate) fn write(&mut self, (left, top): (u32, u32), text: &str, color: [u8; 3]) {
        let (width, height) =
            (CELL.0 * self.scale * text.chars().count() as u32 + self.scale, CELL.1 * self.scale);
        let left = left.min(self.picture.width().saturating_sub(width));
        let mut plate = (left, top.checked_sub(height).unwrap_or(top), width, height);
        // Each plate in the way pushes it down once, so this ends.
        while let Some(taken) = self.plates.iter().find(|taken| overlap(**taken, plate)) {
            plate.1 = taken.1 + taken.3;
        }
        self.plates.push(plate);
        self.fill(plate, color);
        let luminance =
            0.299 * f32::from(color[0]) + 0.587 * f32::from(color[1]) + 0.114 * f32::from(color[2]);
        let ink = if luminance > 140.0 { [0; 3] } else { [255; 3] };
        for (index, letter) in text.chars().enumerate() {
            self.glyph(plate.0 + self.scale * (1 + CELL.0 * index as u32), plate.1 + self.scale, letter, ink);
        }
    }

    fn glyph(&mut self, left: u32, top: u32, letter: char, ink: [u8; 3]) {
        let wanted = letter.to_ascii_uppercase();
        let known = GLYPHS.iter().find(|(glyph, _)| *glyph == wanted).map(|(_, rows)| *rows);
        // A letter that this font has not is a block, so that it is seen to be there.
        let rows = known.unwrap_or(if letter == ' ' { [0; 7] } else { [31; 7] });
        for (row, bits) in (0..).zip(rows) {
            for column in (0..5_u32).filter(|column| bits >> (4 - column) & 1 == 1) {
                let (x, y) = (left + column * self.scale, top + row * self.scale);
                self.fill((x, y, self.scale, self.scale), ink);
            }
        }
    }

    fn fill(&mut self, (left, top, width, height): Plate, color: [u8; 3]) {
        for y in top..(top + height).min(self.picture.height()) {
            for x in left..(left + width).min(self.picture.width()) {
                self.picture.put_pixel(x, y, Rgb(color));
            }
        }
    }
}

const fn overlap(a: Plate, b: Plate) -> bool {
    a.0 < b.0 + b.2 && b.0 < a.0 + a.2 && a.1 < b.1 + b.3 && b.1 < a.1 + a.3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_stands_above_its_box_in_ink_that_can_be_read_on_its_plate() {
        let mut picture = RgbImage::new(100, 60);
        Captions::on(&mut picture).write((10, 30), "I", [240, 240, 0]);
        // Rows 21 to 29 are the plate; the letter's top bar starts a pixel inside.
        assert_eq!(picture.get_pixel(10, 21).0, [240, 240, 0]);
        assert_eq!(picture.get_pixel(13, 25).0, [0, 0, 0]);
        assert_eq!(picture.get_pixel(10, 30).0, [0, 0, 0]);
        assert_eq!(picture.get_pixel(10, 20).0, [0, 0, 0]);
    }

    #[test]
    fn captions_in_one_place_stand_below_each_other_and_stay_in_the_picture() {
        let mut picture = RgbImage::new(60, 60);
        let mut captions = Captions::on(&mut picture);
        for _ in 0..3 {
            captions.write((50, 0), "FIRE 0.9", [9, 9, 9]);
        }
        assert_eq!(captions.plates, [(11, 0, 49, 9), (11, 9, 49, 9), (11, 18, 49, 9)]);
    }
}
