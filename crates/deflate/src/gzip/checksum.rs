//! The checksum of a stream whose texts are shared: CRC-32 (RFC 1952 §8) and length.
//!
//! The CRC of two texts, one behind the other, follows from those of both: that of the first is
//! multiplied by x to the number of bits of the second, and added. Bit 31 of a number is the coefficient
//! of x⁰.

use super::TRAILER_BYTES;

/// The polynomial, without x³².
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// x⁰.
const ONE: u32 = 1 << 31;

/// The end of the texts: an empty last block with fixed codes.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// The checksum of what a stream has carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    crc: u32,
    len: u32,
}

/// The checksum of a text that many streams share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextChecksum {
    crc: u32,
    len: u32,
    /// x to the number of its bits.
    power: u32,
}

impl Checksum {
    /// The checksum of nothing.
    pub const NONE: Self = Self { crc: 0, len: 0 };

    /// Adds a text that only this stream carries.
    pub fn update(&mut self, text: &[u8]) {
        self.crc = crc(self.crc, text);
        self.len = self.len.wrapping_add(length(text));
    }

    /// The end of the member: an empty last block, the CRC and the length (RFC 1952 §2.3.1).
    #[must_use]
    pub const fn trailer(self) -> [u8; TRAILER_BYTES] {
        let ([a, b, c, d], [e, f, g, h]) = (self.crc.to_le_bytes(), self.len.to_le_bytes());
        [LAST_BLOCK[0], LAST_BLOCK[1], a, b, c, d, e, f, g, h]
    }
}

impl TextChecksum {
    /// The checksum of nothing.
    pub const NONE: Self = Self { crc: 0, len: 0, power: ONE };

    /// The checksum of `text`.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let len = length(text);
        Self { crc: crc(0, text), len, power: power_of_bytes(len) }
    }

    /// The checksum of this text with `next` behind it.
    #[must_use]
    pub const fn then(self, next: Self) -> Self {
        Self {
            crc: times(self.crc, next.power) ^ next.crc,
            len: self.len.wrapping_add(next.len),
            power: times(self.power, next.power),
        }
    }
}

/// The bytes of a text modulo 2³², as the trailer has them.
#[expect(clippy::cast_possible_truncation, reason = "RFC 1952 §2.3.1: modulo 2^32")]
const fn length(text: &[u8]) -> u32 {
    text.len() as u32
}

/// Multiplies by one power of x, by tables. They are made for each new power.
pub(super) struct Shift {
    power: u32,
    /// The product of each half byte, by its place.
    products: [[u32; 16]; 8],
}

impl Shift {
    /// Multiplies by nothing yet.
    pub(super) const NONE: Self = Self { power: 0, products: [[0; 16]; 8] };

    #[inline]
    pub(super) fn add(&mut self, text: &TextChecksum, stream: &mut Checksum) {
        if text.power != self.power {
            self.prepare(text.power);
        }
        stream.crc = self.times(stream.crc) ^ text.crc;
        stream.len = stream.len.wrapping_add(text.len);
    }

    #[cold]
    fn prepare(&mut self, power: u32) {
        self.power = power;
        let mut product = power;
        // From the coefficient of x⁰, which is the highest bit, to that of x³¹.
        for row in self.products.iter_mut().rev() {
            let mut singles = [0; 4];
            for single in singles.iter_mut().rev() {
                *single = product;
                product = times_x(product);
            }
            for (bits, sum) in row.iter_mut().enumerate() {
                let set = singles.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
                *sum = set.fold(0, |sum, (_, single)| sum ^ single);
            }
        }
    }

    #[inline]
    fn times(&self, number: u32) -> u32 {
        let (mut rest, mut product) = (number, 0);
        for row in &self.products {
            let [low, ..] = rest.to_le_bytes();
            product ^= row.get(usize::from(low & 15)).copied().unwrap_or(0);
            rest >>= 4;
        }
        product
    }
}

/// The product with x.
const fn times_x(number: u32) -> u32 {
    (number >> 1) ^ (POLYNOMIAL & (number & 1).wrapping_neg())
}

/// The product of two numbers.
const fn times(left: u32, right: u32) -> u32 {
    let (mut product, mut left, mut right) = (0, left, right);
    while left != 0 {
        if left & ONE != 0 {
            product ^= right;
        }
        left <<= 1;
        right = times_x(right);
    }
    product
}

/// x to the number of bits of so many bytes.
const fn power_of_bytes(bytes: u32) -> u32 {
    // x⁸, x¹⁶, x³² and so on.
    let (mut rest, mut power, mut factor) = (bytes, ONE, ONE >> 8);
    while rest != 0 {
        if rest & 1 != 0 {
            power = times(power, factor);
        }
        factor = times(factor, factor);
        rest >>= 1;
    }
    power
}

/// For each place in eight bytes the CRC of a byte with zeros behind it.
static TABLES: [[u32; 256]; 8] = tables();

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "run by the compiler")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "a byte")]
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = times_x(crc);
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut place = 1;
    while place < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[place - 1][byte];
            tables[place][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        place += 1;
    }
    tables
}

/// The CRC of a text with that CRC and `text` behind it.
fn crc(before: u32, text: &[u8]) -> u32 {
    let mut crc = !before;
    let (eights, rest) = text.as_chunks::<8>();
    for eight in eights {
        let [a, b, c, d, e, f, g, h] = eight;
        let [low, second, third, high] = crc.to_le_bytes();
        let bytes = [a ^ low, b ^ second, c ^ third, d ^ high, *e, *f, *g, *h];
        crc = bytes.iter().zip(TABLES.iter().rev()).fold(0, |sum, (byte, table)| {
            sum ^ table.get(usize::from(*byte)).copied().unwrap_or(0)
        });
    }
    let [table, ..] = &TABLES;
    for byte in rest {
        let [low, ..] = crc.to_le_bytes();
        crc = (crc >> 8) ^ table.get(usize::from(byte ^ low)).copied().unwrap_or(0);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_the_catalogues() {
        assert_eq!(crc(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(crc(0, b""), 0);
        for len in 0..40_u8 {
            let text: Vec<u8> = (0..len).collect();
            let by_bytes = text.iter().fold(0, |sum, byte| crc(sum, &[*byte]));
            assert_eq!(crc(0, &text), by_bytes, "{len}");
        }
    }

    #[test]
    fn a_shared_text_counts_as_an_own_one() {
        let texts: [&[u8]; 5] = [b"", b"a", b"some text", &[7; 300], &[0xFF; 70_000]];
        let mut shift = Shift::NONE;
        for first in texts {
            for second in texts {
                let (mut own, mut shared) = (Checksum::NONE, Checksum::NONE);
                for text in [first, second] {
                    own.update(text);
                    shift.add(&TextChecksum::of(text), &mut shared);
                }
                assert_eq!(own, shared);
                let mut joined = Checksum::NONE;
                let both = TextChecksum::of(first).then(TextChecksum::of(second));
                shift.add(&both, &mut joined);
                assert_eq!(own, joined);
            }
        }
    }
}
