//! Reads the bits of a NAL unit's payload (RBSP), skipping emulation prevention bytes.
//! Source: ITU-T H.264 (2021) 7.3.1 and 9.1, ITU-T H.265 (2021) 7.3.1.1 and 9.2.

/// Reads from the front of an escaped payload. Every read is `None` past the end.
#[derive(Debug, Clone)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    next: usize,
    zeros: u8,
    current: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(escaped: &'a [u8]) -> Self {
        Self { bytes: escaped, next: 0, zeros: 0, current: 0, left: 0 }
    }

    fn load(&mut self) -> Option<()> {
        let mut byte = *self.bytes.get(self.next)?;
        self.next += 1;
        if self.zeros >= 2 && byte == 3 {
            byte = *self.bytes.get(self.next)?;
            self.next += 1;
            self.zeros = 0;
        }
        self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        self.current = byte;
        self.left = 8;
        Some(())
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.load()?;
        }
        self.left -= 1;
        Some(self.current >> self.left & 1 == 1)
    }

    /// `u(n)`, for `n` up to 32.
    pub(super) fn unsigned(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0, |value: u32, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    pub(super) fn skip(&mut self, bits: u32) -> Option<()> {
        (0..bits).try_for_each(|_| self.flag().map(|_| ()))
    }

    /// `ue(v)`: unsigned Exp-Golomb, refused beyond 31 leading zeros.
    pub(super) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.unsigned(zeros)?;
        Some(((1_u32 << zeros) - 1).wrapping_add(rest))
    }

    /// `se(v)`: signed Exp-Golomb.
    pub(super) fn signed_exp_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.exp_golomb()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 })
    }

    /// The next whole byte; the reader must stand at a byte boundary.
    pub(super) fn byte(&mut self) -> Option<u8> {
        debug_assert_eq!(self.left, 0, "a whole byte is read at a byte boundary");
        self.load()?;
        self.left = 0;
        Some(self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_read_as_the_standard_lists_them() {
        // 1 | 010 | 011 | 00100 | 00101 and padding: 0, 1, 2, 3, 4
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let read: Vec<_> = (0..5).map(|_| bits.exp_golomb().unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let read: Vec<_> = (0..5).map(|_| bits.signed_exp_golomb().unwrap()).collect();
        assert_eq!(read, [0, 1, -1, 2, -2]);
    }

    #[test]
    fn emulation_prevention_bytes_are_not_part_of_the_payload() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 0, 0, 3, 0, 0xff]);
        let bytes: Vec<_> = std::iter::from_fn(|| bits.byte()).collect();
        assert_eq!(bytes, [0, 0, 1, 0, 0, 0, 0xff]);
    }

    #[test]
    fn reading_past_the_end_or_an_endless_code_is_refused() {
        assert_eq!(Bits::new(&[]).flag(), None);
        assert_eq!(Bits::new(&[0; 16]).exp_golomb(), None);
        assert_eq!(Bits::new(&[0, 0, 3]).unsigned(24), None);
    }
}
