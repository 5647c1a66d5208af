//! A 64-bit digest that never changes: nodes of different releases compare it.
//!
//! FNV-1a, and the finalizer of MurmurHash3 behind it. It finds accidents, and resists no attack: who may write
//! to the log can do worse.

/// A digest under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    /// Of nothing.
    pub(crate) const fn new() -> Self {
        Self(Self::OFFSET)
    }

    /// With a number at the end.
    #[must_use]
    pub(crate) fn number(self, number: u64) -> Self {
        self.raw(&number.to_le_bytes())
    }

    /// With these bytes at the end, and their length.
    #[must_use]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.raw(bytes).number(bytes.len() as u64)
    }

    /// The digest.
    pub(crate) const fn finish(self) -> u64 {
        let mut it = self.0;
        it ^= it >> 33;
        it = it.wrapping_mul(0xff51_afd7_ed55_8ccd);
        it ^= it >> 33;
        it = it.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        it ^ (it >> 33)
    }

    fn raw(self, bytes: &[u8]) -> Self {
        let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(Self::PRIME);
        Self(bytes.iter().fold(self.0, add))
    }
}

/// The digest of bytes.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    Digest::new().bytes(bytes).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_changes() {
        assert_eq!(of(b""), 0x7bd3_144f_29c0_cc9e);
        assert_eq!(of(b"sockeye"), 0x4e41_00e2_2556_9416);
        assert_eq!(Digest::new().number(1).number(2).finish(), 0x0083_950b_668a_424a);
    }

    #[test]
    fn lengths_count() {
        let two = |one: &[u8], other: &[u8]| Digest::new().bytes(one).bytes(other).finish();
        assert_ne!(two(b"a", b"bc"), two(b"ab", b"c"));
    }
}
