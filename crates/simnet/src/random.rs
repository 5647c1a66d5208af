//! The one source of chance in a simulation.

/// A small generator (SplitMix64): the same seed gives the same simulation, always.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; zero where the bound is.
    pub const fn below(&mut self, bound: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "less than `bound`")]
        if bound == 0 { 0 } else { (self.bits() % bound as u64) as usize }
    }

    /// True once in `n` times; never where `n` is zero.
    pub const fn one_in(&mut self, n: usize) -> bool {
        n > 0 && self.below(n) == 0
    }

    /// Mostly small, now and then large: up to `max`, by random orders of magnitude.
    pub const fn skewed(&mut self, max: usize) -> usize {
        let bits = usize::BITS - max.leading_zeros();
        let magnitude = self.below(bits as usize + 1);
        let cap = if magnitude >= 63 { usize::MAX } else { (1 << magnitude) - 1 };
        self.below(if cap < max { cap } else { max } + 1)
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.bits().to_le_bytes()[0];
        }
    }
}
