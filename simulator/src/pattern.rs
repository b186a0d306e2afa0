//! Pictures whose content is known exactly: solid colours, and a clock that a test can read back.

use std::time::Duration;

/// What a camera without a scene shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// One colour, `[red, green, blue]`.
    Solid([u8; 3]),
    /// One colour, then the other, changing every [`ALTERNATES_EVERY`] of street time.
    Alternate([u8; 3], [u8; 3]),
    /// Street time as black and white bars, see [`read_clock`].
    Clock,
}

/// How long [`Pattern::Alternate`] shows a colour.
pub const ALTERNATES_EVERY: Duration = Duration::from_secs(4);

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern '{0}' is not known: write \"clock\", \"solid:#RRGGBB\" or \"alternate:#RRGGBB:#RRGGBB\"")]
pub struct PatternError(String);

impl std::str::FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let refused = || PatternError(text.chars().take(40).collect());
        match text.split(':').collect::<Vec<_>>()[..] {
            ["clock"] => Ok(Self::Clock),
            ["solid", colour] => Ok(Self::Solid(read_colour(colour).ok_or_else(refused)?)),
            ["alternate", one, other] => {
                let (one, other) = read_colour(one).zip(read_colour(other)).ok_or_else(refused)?;
                Ok(Self::Alternate(one, other))
            }
            _ => Err(refused()),
        }
    }
}

/// Reads `#RRGGBB`.
fn read_colour(text: &str) -> Option<[u8; 3]> {
    let hex =
        text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let [_, red, green, blue] = u32::from_str_radix(hex, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}

/// Bits of the clock: milliseconds modulo 2^24 and an eight-bit checksum.
const CLOCK_BITS: usize = 32;

impl Pattern {
    /// The one colour of the picture at a street time; `None` where it has more.
    #[must_use]
    pub fn colour(self, at: Duration) -> Option<[u8; 3]> {
        match self {
            Self::Solid(colour) => Some(colour),
            Self::Alternate(one, other) => {
                let turn = at.as_millis() / ALTERNATES_EVERY.as_millis();
                Some(if turn.is_multiple_of(2) { one } else { other })
            }
            Self::Clock => None,
        }
    }

    /// Paints the picture at a street time as packed RGB, `width × height × 3` bytes.
    pub fn paint(self, at: Duration, width: usize, height: usize, rgb: &mut Vec<u8>) {
        rgb.clear();
        match self {
            Self::Solid(_) | Self::Alternate(..) => {
                let colour = self.colour(at).unwrap_or_default();
                rgb.extend(colour.iter().cycle().take(width * height * 3));
            }
            Self::Clock => {
                let code = clock_code(at);
                let row = (0..width).flat_map(|x| {
                    let bit = x * CLOCK_BITS / width;
                    [if code >> (CLOCK_BITS - 1 - bit) & 1 == 1 { 235 } else { 16 }; 3]
                });
                let row: Vec<u8> = row.collect();
                rgb.extend(row.iter().cycle().take(width * height * 3));
            }
        }
    }
}

fn clock_code(at: Duration) -> u32 {
    let millis = u32::try_from(at.as_millis() & 0x00ff_ffff).unwrap_or_default();
    millis << 8 | u32::from(checksum(millis))
}

/// An exclusive or of the three bytes, never the same as that of a black or white picture.
fn checksum(millis: u32) -> u8 {
    millis.to_be_bytes().into_iter().fold(0x5a, |sum, byte| sum ^ byte)
}

/// Reads the street time from one row of luma of a picture painted by [`Pattern::Clock`], at any width of
/// 64 pixels and more. The time wraps after 2^24 ms (4.6 hours). `None` where the picture shows no clock.
#[must_use]
pub fn read_clock(luma_row: &[u8]) -> Option<Duration> {
    let width = luma_row.len();
    let code = (0..CLOCK_BITS).try_fold(0_u32, |code, bit| {
        let middle = (2 * bit + 1) * width / (2 * CLOCK_BITS);
        luma_row.get(middle).map(|luma| code << 1 | u32::from(*luma > 127))
    })?;
    let millis = code >> 8;
    (checksum(millis) == code as u8).then(|| Duration::from_millis(u64::from(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_painted_clock_is_read_back_at_another_width() {
        let at = Duration::from_millis(4_217_993);
        for width in [64, 320, 640, 1280] {
            let mut rgb = Vec::new();
            Pattern::Clock.paint(at, width, 2, &mut rgb);
            assert_eq!(rgb.len(), width * 6);
            let luma: Vec<u8> = rgb[..width * 3].chunks(3).map(|pixel| pixel[0]).collect();
            assert_eq!(read_clock(&luma), Some(at));
        }
        assert_eq!(read_clock(&[0; 640]), None);
        assert_eq!(read_clock(&[255; 640]), None);
        assert_eq!(read_clock(&[]), None);
    }

    #[test]
    fn a_pattern_is_a_clock_or_a_colour() {
        assert_eq!("solid:#ff8000".parse(), Ok(Pattern::Solid([255, 128, 0])));
        assert_eq!("clock".parse(), Ok(Pattern::Clock));
        let two: Pattern = "alternate:#ff0000:#0000ff".parse().unwrap();
        let colours = [0, 3_999, 4_000, 8_000].map(|ms| two.colour(Duration::from_millis(ms)).unwrap());
        assert_eq!(colours, [[255, 0, 0], [255, 0, 0], [0, 0, 255], [255, 0, 0]]);
        for bad in
            ["solid:#ff80", "solid:#gg8000", "stripes", "solid:ff8000", "solid:#+12345", "alternate:#ff0000"]
        {
            assert!(bad.parse::<Pattern>().is_err(), "{bad} was accepted");
        }
    }
}
