//! A 5×7 bitmap font for the text that cameras burn into their pictures.

use crate::scene::canvas::{Canvas, blend};

/// Rows of each glyph from the top, five bits each, the left column the highest.
const GLYPHS: [(char, [u8; 7]); 40] = [
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
];

/// Pixels that a text is wide.
pub fn width(text: &str, scale: usize) -> usize {
    text.chars().count() * 6 * scale
}

/// Writes white letters with a dark rim; what the font does not have stays blank.
pub fn write(canvas: &mut Canvas<'_>, left: usize, top: usize, scale: usize, text: &str) {
    for (pass, colour) in [[16.0, 16.0, 16.0], [238.0, 238.0, 238.0]].into_iter().enumerate() {
        for (index, letter) in text.chars().enumerate() {
            let wanted = letter.to_ascii_uppercase();
            let Some((_, rows)) = GLYPHS.iter().find(|(glyph, _)| *glyph == wanted) else { continue };
            let x = left + index * 6 * scale;
            for (row, bits) in rows.iter().enumerate() {
                for column in 0..5 {
                    if (bits >> (4 - column)) & 1 == 1 {
                        dot(canvas, x + column * scale, top + row * scale, scale, colour, pass == 0);
                    }
                }
            }
        }
    }
}

fn dot(canvas: &mut Canvas<'_>, x: usize, y: usize, scale: usize, colour: [f32; 3], rim: bool) {
    let grow = usize::from(rim);
    for py in y.saturating_sub(grow)..(y + scale + grow).min(canvas.height) {
        for px in x.saturating_sub(grow)..(x + scale + grow).min(canvas.width) {
            blend(canvas.at(px, py), colour, if rim { 0.75 } else { 0.95 });
        }
    }
}
