//! `[input]`: what the graph is fed with, and how a picture is put into it.

use super::reader::Table;
use crate::letterbox::Placement;

/// Smallest and largest side of an input, in pixels.
const SIDES: std::ops::RangeInclusive<i64> = 8..=4096;

/// A graph's input and how pictures are put into it.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// The input's name in the graph.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How a picture of another size is put into it.
    pub resize: Resize,
    /// Grey of the padding of a letterbox, for all three channels.
    pub pad: u8,
    /// Order of the channels the graph wants; frames are handed over as RGB all the same.
    pub color: Color,
    /// Order of the axes.
    pub layout: Layout,
    /// Type of the elements.
    pub dtype: Dtype,
    /// How a pixel becomes a number; the identity for `u8`.
    pub normalisation: Normalisation,
}

impl InputSpec {
    /// Where a picture of `width` × `height` pixels lies in this input.
    #[must_use]
    pub fn placement(&self, width: u32, height: u32) -> Placement {
        match self.resize {
            Resize::Letterbox => Placement::letterbox((width, height), (self.width, self.height)),
            Resize::LetterboxTopLeft => {
                Placement::letterbox_top_left((width, height), (self.width, self.height))
            }
            Resize::Stretch => Placement::stretch((self.width, self.height)),
        }
    }

    /// Bytes of one frame as [`crate::Detector::detect`] takes it: width × height × 3.
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        self.width as usize * self.height as usize * 3
    }

    /// Shape of the tensor fed to the graph.
    #[must_use]
    pub fn shape(&self) -> [i64; 4] {
        let (width, height) = (i64::from(self.width), i64::from(self.height));
        match self.layout {
            Layout::Nhwc => [1, height, width, 3],
            Layout::Nchw => [1, 3, height, width],
        }
    }
}

/// How a picture of another size is put into the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Aspect kept, centred on grey.
    Letterbox,
    /// Aspect kept, in the top left corner; padding is right or below.
    LetterboxTopLeft,
    /// Aspect not kept.
    Stretch,
}

/// Order of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Order of the axes: batch, height, width, channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Interleaved.
    Nhwc,
    /// Planar.
    Nchw,
}

/// Type of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// Bytes; normalisation is in the graph.
    U8,
    /// 32-bit floats.
    F32,
}

/// A value fed to the graph is `(pixel · scale − mean) / std`, by channel in the order of the input's colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Taken off after scaling.
    pub mean: [f32; 3],
    /// Divided by last.
    pub std: [f32; 3],
    /// Multiplied first.
    pub scale: f32,
}

impl Normalisation {
    /// Leaves a pixel as it is.
    pub const IDENTITY: Self = Self { mean: [0.0; 3], std: [1.0; 3], scale: 1.0 };
}

/// Words of `resize`.
const RESIZES: [(&str, Resize); 3] = [
    ("letterbox", Resize::Letterbox),
    ("letterbox_top_left", Resize::LetterboxTopLeft),
    ("stretch", Resize::Stretch),
];

pub(super) fn read(mut table: Table<'_>) -> Option<InputSpec> {
    let name = table.string("name");
    let layout = table.choice("layout", &[("nhwc", Layout::Nhwc), ("nchw", Layout::Nchw)]);
    let dtype = table.choice("dtype", &[("u8", Dtype::U8), ("f32", Dtype::F32)]);
    let (width, height) = (side(&mut table, "width"), side(&mut table, "height"));
    let color = table.choice("color", &[("rgb", Color::Rgb), ("bgr", Color::Bgr)]);
    let resize = table.choice("resize", &RESIZES);
    let pad = pad(&mut table, resize);
    let normalisation = normalisation(&mut table, dtype);
    table.finish();
    Some(InputSpec {
        name: name?,
        width: width?,
        height: height?,
        resize: resize?,
        pad: pad?,
        color: color?,
        layout: layout?,
        dtype: dtype?,
        normalisation: normalisation?,
    })
}

fn side(table: &mut Table<'_>, key: &'static str) -> Option<u32> {
    let value = table.integer(key)?;
    if !SIDES.contains(&value) {
        table.problem_at(key, format!("{key} {value} is not within {}..={}", SIDES.start(), SIDES.end()));
        return None;
    }
    u32::try_from(value).ok()
}

fn pad(table: &mut Table<'_>, resize: Option<Resize>) -> Option<u8> {
    if resize == Some(Resize::Stretch) {
        table.refuse(
            "pad",
            "a stretched picture has no padding: leave pad out, or set resize = \"letterbox\"",
        );
        return Some(0);
    }
    let value = table.integer("pad")?;
    let pad = u8::try_from(value).ok();
    if pad.is_none() {
        table.problem_at("pad", format!("pad {value} is not within 0..=255"));
    }
    pad
}

fn normalisation(table: &mut Table<'_>, dtype: Option<Dtype>) -> Option<Normalisation> {
    match dtype {
        Some(Dtype::F32) => {
            let identity = Normalisation::IDENTITY;
            let mean = table.channels_or("mean", identity.mean);
            let std = table.channels_or("std", identity.std);
            let scale = table.number_or("scale", f64::from(identity.scale));
            if std.is_some_and(|std| std.contains(&0.0)) {
                table.problem_at("std", "std holds a zero, by which nothing can be divided".to_owned());
                return None;
            }
            Some(Normalisation { mean: mean?, std: std?, scale: scale? as f32 })
        }
        Some(Dtype::U8) => {
            for key in ["mean", "std", "scale"] {
                table.refuse(key, "a u8 input is normalised in the graph: leave mean, std and scale out");
            }
            Some(Normalisation::IDENTITY)
        }
        None => {
            table.skip(&["mean", "std", "scale"]);
            None
        }
    }
}
