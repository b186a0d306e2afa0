//! A decoded picture, wherever its pixels lie.

use super::error::{DecodeError, DecodeFailure};
use super::{MAX_SIDE, libav};
use crate::picture::Yuv420;

/// Which luma weights a picture was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601: standard definition and JPEG.
    Bt601,
    /// ITU-R BT.709: high definition.
    Bt709,
}

impl Matrix {
    /// What a stream means that does not say: BT.709 from 720 lines on, as players assume.
    #[must_use]
    pub const fn of_height(height: u32) -> Self {
        if height >= 720 { Self::Bt709 } else { Self::Bt601 }
    }
}

/// One plane of 8-bit samples. `data` holds at least `stride * (height - 1) + width` bytes.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// Samples, row by row.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Samples in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl<'a> Plane<'a> {
    fn part(&self, part: Part) -> Option<Self> {
        if !part.lies_in(self) {
            return None;
        }
        let data = self.data.get(part.top as usize * self.stride + part.left as usize..)?;
        Some(Plane { data, stride: self.stride, width: part.width, height: part.height })
    }
}

impl Plane<'_> {
    pub(super) fn row(&self, row: usize) -> &[u8] {
        &self.data[row * self.stride..][..self.width as usize]
    }

    fn packed(&self) -> Vec<u8> {
        (0..self.height as usize).flat_map(|row| self.row(row)).copied().collect()
    }
}

/// The planes of a picture; chroma of any subsampling, or none for grey.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    /// Luma; its size is the picture's.
    pub luma: Plane<'a>,
    /// Blue and red difference.
    pub chroma: Option<[Plane<'a>; 2]>,
    /// Samples use `0..=255` instead of `16..=235`.
    pub full_range: bool,
    /// Luma weights.
    pub matrix: Matrix,
}

/// A part of a picture, in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Columns left of it.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Its width, at least one.
    pub width: u32,
    /// Its height, at least one.
    pub height: u32,
}

impl Part {
    /// The whole of a picture.
    #[must_use]
    pub const fn whole((width, height): (u32, u32)) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    fn lies_in(&self, plane: &Plane<'_>) -> bool {
        let inside = |start: u32, length: u32, whole: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
        };
        inside(self.left, self.width, plane.width) && inside(self.top, self.height, plane.height)
    }

    /// The same part of a plane with fewer samples, which begins with the sample that its first pixel has.
    fn subsampled(&self, luma: &Plane<'_>, chroma: &Plane<'_>) -> Self {
        let along = |start: u32, length: u32, luma: u32, chroma: u32| {
            let pixels = luma.div_ceil(chroma.max(1)).max(1);
            let first = (start / pixels).min(chroma.saturating_sub(1));
            let end = (start + length).div_ceil(pixels).min(chroma);
            (first, end.saturating_sub(first).max(1))
        };
        let (left, width) = along(self.left, self.width, luma.width, chroma.width);
        let (top, height) = along(self.top, self.height, luma.height, chroma.height);
        Self { left, top, width, height }
    }
}

impl<'a> Planes<'a> {
    /// The planes of a part of the picture, where they lie; `None` when it is not wholly inside. With subsampled
    /// chroma, a part that begins on an odd pixel has its colours shifted by half a sample.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<Self> {
        let luma = self.luma.part(part)?;
        let chroma = match &self.chroma {
            Some([u, v]) => {
                let of = |plane: &Plane<'a>| plane.part(part.subsampled(&self.luma, plane));
                Some([of(u)?, of(v)?])
            }
            None => None,
        };
        Some(Self { luma, chroma, ..*self })
    }
}

/// A decoded picture.
#[derive(Debug)]
pub struct Frame(Pixels);

#[derive(Debug)]
enum Pixels {
    Libav(libav::Picture),
    Owned(Yuv420),
}

impl Frame {
    pub(super) const fn from_libav(picture: libav::Picture) -> Self {
        Self(Pixels::Libav(picture))
    }

    /// Takes raw pixels.
    ///
    /// # Errors
    /// [`DecodeError`] when a side is zero or too long, or a plane does not have the size the others ask for.
    pub fn from_yuv420(yuv: Yuv420) -> Result<Self, DecodeError> {
        let (width, height) = (yuv.width, yuv.height);
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(DecodeError::new(None, DecodeFailure::BadSize, format!("{width}x{height}")));
        }
        let luma = width as usize * height as usize;
        let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
        if yuv.y.len() != luma || yuv.u.len() != chroma || yuv.v.len() != chroma {
            let detail = format!(
                "planes of {width}x{height} have {} + {} + {} bytes",
                yuv.y.len(),
                yuv.u.len(),
                yuv.v.len()
            );
            return Err(DecodeError::new(None, DecodeFailure::Damaged, detail));
        }
        Ok(Self(Pixels::Owned(yuv)))
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let luma = self.planes().luma;
        (luma.width, luma.height)
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.size().0
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.size().1
    }

    /// Where the pixels lie.
    #[must_use]
    pub fn planes(&self) -> Planes<'_> {
        match &self.0 {
            Pixels::Libav(picture) => picture.planes(),
            Pixels::Owned(yuv) => planes_of(yuv),
        }
    }

    /// Copies the pixels out as packed 4:2:0; other subsamplings are averaged.
    ///
    /// # Errors
    /// None today; a result so that a format that cannot be brought to 4:2:0 can be refused.
    pub fn to_yuv420(&self) -> Result<Yuv420, DecodeError> {
        let planes = self.planes();
        let (width, height) = self.size();
        let half = |plane: &Plane<'_>| halved(plane, width.div_ceil(2), height.div_ceil(2));
        let grey = || vec![128; width.div_ceil(2) as usize * height.div_ceil(2) as usize];
        let [u, v] = planes.chroma.as_ref().map_or_else(|| [grey(), grey()], |[u, v]| [half(u), half(v)]);
        Ok(Yuv420 { width, height, y: planes.luma.packed(), u, v, full_range: planes.full_range })
    }
}

fn planes_of(yuv: &Yuv420) -> Planes<'_> {
    let plane = |data, width: u32, height| Plane { data, stride: width as usize, width, height };
    let (half_width, half_height) = (yuv.width.div_ceil(2), yuv.height.div_ceil(2));
    Planes {
        luma: plane(&yuv.y, yuv.width, yuv.height),
        chroma: Some([plane(&yuv.u, half_width, half_height), plane(&yuv.v, half_width, half_height)]),
        full_range: yuv.full_range,
        matrix: Matrix::of_height(yuv.height),
    }
}

/// Averages a chroma plane down to 4:2:0; a plane that has that size already is copied.
fn halved(plane: &Plane<'_>, width: u32, height: u32) -> Vec<u8> {
    if (plane.width, plane.height) == (width, height) {
        return plane.packed();
    }
    let (columns, rows) = (plane.width.div_ceil(width).max(1), plane.height.div_ceil(height).max(1));
    let average = |x: u32, y: u32| {
        let (mut sum, mut count) = (0_u32, 0_u32);
        for row in (y * rows..plane.height).take(rows as usize) {
            for column in (x * columns..plane.width).take(columns as usize) {
                sum += u32::from(plane.row(row as usize)[column as usize]);
                count += 1;
            }
        }
        u8::try_from((sum + count / 2) / count.max(1)).unwrap_or(u8::MAX)
    };
    (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| average(x, y)).collect()
}
