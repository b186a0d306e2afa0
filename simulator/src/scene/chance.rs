//! Chance without state: a hash of the seed and of what is asked, so that any frame can be drawn alone.

/// `splitmix64`'s finaliser (Steele, Lea, Flood 2014).
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A source of chance for one seed and one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance(u64);

impl Chance {
    /// For a seed.
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }

    /// For a purpose within it.
    pub const fn with(self, purpose: u64) -> Self {
        Self(mix(self.0 ^ mix(purpose.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// 64 random bits.
    pub const fn bits(self) -> u64 {
        mix(self.0)
    }

    /// `0..1`, for the `n`th question.
    pub fn unit(self, n: u64) -> f32 {
        (self.with(n).bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// `low..high`, for the `n`th question.
    pub fn range(self, n: u64, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit(n)
    }

    /// One of the items, for the `n`th question; the slice must not be empty.
    pub fn pick<T: Copy>(self, n: u64, items: &[T]) -> T {
        let index = (self.with(n).bits() % items.len().max(1) as u64) as usize;
        items[index]
    }
}

/// Smooth noise in `-1..1` along a line, one knot per unit.
pub fn wander(chance: Chance, at: f32) -> f32 {
    let knot = at.floor();
    let t = at - knot;
    let value = |k: f32| chance.range((k as i64) as u64, -1.0, 1.0);
    let (a, b) = (value(knot), value(knot + 1.0));
    a + (b - a) * t * t * (3.0 - 2.0 * t)
}

/// `0` below `low`, `1` above `high`, smooth between.
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_has_the_same_answer_and_another_seed_another() {
        let (a, b) = (Chance::new(1), Chance::new(2));
        assert_eq!(a.unit(5), Chance::new(1).unit(5));
        assert_ne!(a.unit(5), b.unit(5));
        assert_ne!(a.unit(5), a.unit(6));
    }

    #[test]
    fn answers_fill_their_range() {
        let chance = Chance::new(9);
        let values: Vec<f32> = (0..2000).map(|n| chance.range(n, 2.0, 4.0)).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!(values.iter().all(|v| (2.0..4.0).contains(v)));
        assert!((mean - 3.0).abs() < 0.1, "mean {mean}");
    }
}
