//! The fixed codes (RFC 1951 §3.2.6), as they stand in the stream: the first bit lowest.

/// Bits of the stream.
#[derive(Clone, Copy)]
pub(super) struct Code {
    pub(super) bits: u32,
    pub(super) count: u32,
}

/// The head of a block with fixed codes that is not the last one.
pub(super) const BLOCK: Code = Code { bits: 0b010, count: 3 };
/// The end of a block.
pub(super) const END: Code = Code { bits: 0, count: 7 };
/// The head of a stored block that is not the last one.
pub(super) const STORED: Code = Code { bits: 0, count: 3 };

/// The shortest match that has a code.
const LEN_MIN: usize = 3;
/// The longest match.
pub(super) const LEN_MAX: usize = 258;

static LITERALS: [Packed; 256] = literals();
static LENGTHS: [Packed; 256] = lengths();

/// A code of at most 16 bits.
#[derive(Clone, Copy)]
struct Packed {
    bits: u16,
    count: u8,
}

impl Packed {
    const NONE: Self = Self { bits: 0, count: 0 };

    #[inline]
    fn unpack(self) -> Code {
        Code { bits: u32::from(self.bits), count: u32::from(self.count) }
    }
}

/// The code of a byte.
#[inline]
pub(super) fn literal(byte: u8) -> Code {
    LITERALS.get(usize::from(byte)).map_or(END, |code| code.unpack())
}

/// The code of a match: `len` from 3 to 258 bytes, from `distance` bytes before, 1 to 32,768.
#[inline]
pub(super) fn copy(len: usize, distance: usize) -> Code {
    let of_len = LENGTHS.get(len.wrapping_sub(LEN_MIN)).map_or(END, |code| code.unpack());
    let of_distance = distance_code(distance);
    Code {
        bits: of_len.bits | of_distance.bits.wrapping_shl(of_len.count),
        count: of_len.count.wrapping_add(of_distance.count),
    }
}

/// The five bits of a distance's code, and behind them the extra bits.
#[inline]
#[allow(clippy::cast_possible_truncation)] // 32,768 at the most.
fn distance_code(distance: usize) -> Code {
    let place = distance.wrapping_sub(1) as u32;
    let Some(log) = place.checked_ilog2().filter(|&log| log > 0) else {
        return Code { bits: reversed(place, 5), count: 5 };
    };
    // Two codes for each power of two; the bits below the upper two are extra.
    let extra = log.wrapping_sub(1);
    let symbol = log.wrapping_mul(2) | (place.wrapping_shr(extra) & 1);
    let below = place & 1_u32.wrapping_shl(extra).wrapping_sub(1);
    Code { bits: reversed(symbol, 5) | below.wrapping_shl(5), count: extra.wrapping_add(5) }
}

/// The lowest `count` bits, the last one first: a Huffman code starts with its highest bit.
#[inline]
const fn reversed(bits: u32, count: u32) -> u32 {
    bits.reverse_bits().wrapping_shr(32_u32.wrapping_sub(count))
}

/// The code of a literal or length symbol.
const fn symbol(symbol: u32) -> Code {
    let (code, count) = match symbol {
        0..144 => (symbol.wrapping_add(0b0011_0000), 8),
        144..256 => (symbol.wrapping_sub(144).wrapping_add(0b1_1001_0000), 9),
        256..280 => (symbol.wrapping_sub(256), 7),
        _ => (symbol.wrapping_sub(280).wrapping_add(0b1100_0000), 8),
    };
    Code { bits: reversed(code, count), count }
}

#[allow(clippy::cast_possible_truncation, clippy::indexing_slicing)] // Nine bits; constants.
const fn literals() -> [Packed; 256] {
    let mut codes = [Packed::NONE; 256];
    let mut byte = 0;
    while byte < codes.len() {
        let Code { bits, count } = symbol(byte as u32);
        codes[byte] = Packed { bits: bits as u16, count: count as u8 };
        byte = byte.wrapping_add(1);
    }
    codes
}

/// By length less three. Four codes for each power of two from 8 on, with the bits below as extra ones.
#[allow(clippy::cast_possible_truncation, clippy::indexing_slicing)] // 13 bits; constants.
const fn lengths() -> [Packed; 256] {
    let mut codes = [Packed::NONE; 256];
    let mut place = 0;
    while place < codes.len() {
        let value = place as u32;
        let (number, extra) = match value {
            0..8 => (value, 0),
            // The longest has a code of its own, without extra bits.
            255 => (28, 0),
            _ => {
                let extra = value.ilog2().wrapping_sub(2);
                (extra.wrapping_mul(4).wrapping_add(value.wrapping_shr(extra)), extra)
            }
        };
        let Code { bits, count } = symbol(number.wrapping_add(257));
        let below = value & 1_u32.wrapping_shl(extra).wrapping_sub(1);
        codes[place] = Packed {
            bits: (bits | below.wrapping_shl(count)) as u16,
            count: count.wrapping_add(extra) as u8,
        };
        place = place.wrapping_add(1);
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 1951 §3.2.5: base and extra bits, by code.
    #[test]
    fn lengths_and_distances_have_the_codes_of_the_table() {
        let mut base = 3;
        for number in 0..28_u32 {
            let extra = if number < 8 { 0 } else { number / 4 - 1 };
            for below in 0..1 << extra {
                let expected = symbol(257 + number);
                let len = base + below as usize;
                // 258 is the last of code 284 as well, and has a shorter one.
                if len < 258 {
                    let code = LENGTHS[len - LEN_MIN].unpack();
                    assert_eq!(code.bits, expected.bits | below << expected.count, "{len}");
                    assert_eq!(code.count, expected.count + extra, "{len}");
                }
            }
            base += 1 << extra;
        }
        assert_eq!(LENGTHS[255].unpack().bits, symbol(285).bits);
        let mut base = 1;
        for number in 0..30_u32 {
            let extra = if number < 4 { 0 } else { number / 2 - 1 };
            for below in 0..1 << extra {
                let code = distance_code(base + below as usize);
                assert_eq!(code.bits, reversed(number, 5) | below << 5);
                assert_eq!(code.count, 5 + extra);
            }
            base += 1 << extra;
        }
        assert_eq!(base, 32_769);
    }
}
