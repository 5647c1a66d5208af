//! The Huffman code of strings (§5.2, appendix B).
//!
//! The code is canonical: among the codes of one length, and from each length to the next, codes count
//! up. So the lengths alone give the codes, and every table here is made from them by `const fn`.

use alloc::vec::Vec;

use crate::Error;

/// The 256 bytes and EOS.
pub(crate) const SYMBOLS: usize = 257;
const LEN_MIN: usize = 5;
const LEN_MAX: usize = 30;

/// The bits of a string that [`STEPS`] looks at: enough for two of the usual codes.
const STEP_BITS: usize = 12;

/// The length of each symbol's code, in bits.
#[rustfmt::skip]
pub(crate) const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The codes, by symbol and in their own order.
struct Code {
    /// Each symbol's code, in the low bits.
    codes: [u32; SYMBOLS],
    /// The symbols in the order of their codes.
    order: [u16; SYMBOLS],
    /// For each length: the first code of any greater length, as the first of 30 bits; where in
    /// `order` the length begins; and its first code.
    lengths: [(u32, u16, u32); LEN_MAX + 1],
}

static CODE: Code = code();

/// For the next twelve bits of a string: the one or two symbols that they begin with, how many they are,
/// and their bits; zeros if the first code is longer.
static STEPS: [[u8; 4]; 1 << STEP_BITS] = steps();

#[expect(clippy::indexing_slicing, reason = "bounded by SYMBOLS and LEN_MAX")]
#[expect(clippy::arithmetic_side_effects, reason = "codes have 30 bits")]
#[expect(clippy::cast_possible_truncation, reason = "symbols are below 257")]
const fn code() -> Code {
    let (mut codes, mut order) = ([0; SYMBOLS], [0; SYMBOLS]);
    let mut lengths = [(0, 0, 0); LEN_MAX + 1];
    let (mut next, mut count, mut len) = (0_u32, 0, LEN_MIN);
    while len <= LEN_MAX {
        let (begin, first) = (count, next);
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == len {
                codes[symbol] = next;
                order[count] = symbol as u16;
                next += 1;
                count += 1;
            }
            symbol += 1;
        }
        lengths[len] = (next << (LEN_MAX - len), begin as u16, first);
        next <<= 1;
        len += 1;
    }
    Code { codes, order, lengths }
}

#[expect(clippy::indexing_slicing, reason = "counts up to the table's length")]
#[expect(clippy::arithmetic_side_effects, reason = "codes have 30 bits")]
#[expect(clippy::cast_possible_truncation, reason = "codes of 12 bits are those of bytes")]
const fn steps() -> [[u8; 4]; 1 << STEP_BITS] {
    let code = code();
    let mut steps = [[0; 4]; 1 << STEP_BITS];
    let mut bits = 0;
    while bits < 1 << STEP_BITS {
        let next = (bits as u32) << (LEN_MAX - STEP_BITS);
        let (first, first_len) = code.symbol(next);
        if first_len <= STEP_BITS {
            let (second, second_len) = code.symbol(next << first_len & ((1 << LEN_MAX) - 1));
            let both_len = first_len + second_len;
            steps[bits] = if both_len <= STEP_BITS {
                [first as u8, second as u8, 2, both_len as u8]
            } else {
                [first as u8, 0, 1, first_len as u8]
            };
        }
        bits += 1;
    }
    steps
}

impl Code {
    /// Returns the symbol that 30 bits begin with, and the length of its code.
    #[expect(clippy::indexing_slicing, reason = "a code of a length is one of its symbols")]
    #[expect(clippy::arithmetic_side_effects, reason = "a code is not below its length's first")]
    const fn symbol(&self, next: u32) -> (u16, usize) {
        let mut len = LEN_MIN;
        while len < LEN_MAX && next >= self.lengths[len].0 {
            len += 1;
        }
        let (_, begin, first) = self.lengths[len];
        let nth = (next >> (LEN_MAX - len)) - first;
        (self.order[begin as usize + nth as usize], len)
    }
}

/// Appends a decoded string.
#[expect(
    clippy::indexing_slicing,
    reason = "the vector has grown for codes of five bits, and a step"
)]
#[expect(clippy::arithmetic_side_effects, reason = "a string is part of a block in memory")]
pub(crate) fn decode(encoded: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut at = out.len();
    out.resize(at + encoded.len() * 8 / LEN_MIN + 2, 0);
    let mut bits = Bits { rest: encoded, window: 0, len: 0 };
    loop {
        bits.fill();
        let [first, second, count, len] = STEPS[(bits.window >> (64 - STEP_BITS)) as usize];
        if count > 0 && bits.len >= usize::from(len) {
            out[at] = first;
            out[at + 1] = second;
            at += usize::from(count);
            bits.take(usize::from(len));
        } else if let Some(byte) = bits.byte()? {
            out[at] = byte;
            at += 1;
        } else {
            break;
        }
    }
    out.truncate(at);
    bits.check_padding()
}

/// The bits of a string that are not decoded yet.
struct Bits<'a> {
    rest: &'a [u8],
    /// The next bits, from the highest one on; the others are 0.
    window: u64,
    /// How many of them there are.
    len: usize,
}

impl Bits<'_> {
    /// Takes one code of any length. None: what is left is no whole code.
    #[cold]
    fn byte(&mut self) -> Result<Option<u8>, Error> {
        let (symbol, len) = CODE.symbol((self.window >> (64 - LEN_MAX)) as u32);
        if len > self.len {
            return Ok(None);
        }
        self.take(len);
        // [hpack:5.2-eos] RFC 7541 §5.2: EOS in a string is an error.
        u8::try_from(symbol).map(Some).map_err(|_| Error::HuffmanEos)
    }

    /// Makes sure that the window has 30 bits, or all that are left.
    #[expect(clippy::arithmetic_side_effects, reason = "fewer than 30 bits and 32 more")]
    #[inline]
    fn fill(&mut self) {
        if self.len >= LEN_MAX {
            return;
        }
        if let Some((next, rest)) = self.rest.split_first_chunk::<4>() {
            self.window |= u64::from(u32::from_be_bytes(*next)) << (32 - self.len);
            self.len += 32;
            self.rest = rest;
            return;
        }
        while let Some(byte) = self.rest.split_off_first() {
            self.window |= u64::from(*byte) << (56 - self.len);
            self.len += 8;
        }
    }

    /// Takes bits that are there.
    #[inline]
    fn take(&mut self, len: usize) {
        self.len = self.len.saturating_sub(len);
        self.window <<= len;
    }

    /// Checks the bits behind the last symbol.
    fn check_padding(&self) -> Result<(), Error> {
        let ones = self.window.leading_ones() as usize;
        // [hpack:5.2-padding-length] RFC 7541 §5.2: fewer than eight bits.
        // [hpack:5.2-padding-ones] RFC 7541 §5.2: the first bits of EOS, which are ones.
        if self.len >= 8 || ones < self.len { Err(Error::HuffmanPadding) } else { Ok(()) }
    }
}

/// Returns the bytes that a string takes when it is encoded. Names are encoded in lower case.
#[expect(clippy::indexing_slicing, reason = "a byte is below 256, a position below the length")]
#[expect(clippy::arithmetic_side_effects, reason = "30 bits for each byte in memory")]
pub(crate) const fn encoded_len(text: &[u8], lower_case: bool) -> usize {
    let (mut bits, mut at) = (0, 0);
    while at < text.len() {
        bits += LENGTHS[case(text[at], lower_case) as usize] as usize;
        at += 1;
    }
    bits.div_ceil(8)
}

/// Writes an encoded string from `at` on, and returns its end.
#[expect(clippy::indexing_slicing, reason = "the caller brings room for encoded_len")]
#[expect(clippy::arithmetic_side_effects, reason = "fewer than 8 bits and 30 more")]
#[expect(clippy::cast_possible_truncation, reason = "the low byte is meant")]
pub(crate) const fn encode(text: &[u8], lower_case: bool, out: &mut [u8], mut at: usize) -> usize {
    let (mut window, mut len, mut read) = (0_u64, 0, 0);
    while read < text.len() {
        let symbol = case(text[read], lower_case) as usize;
        window = window << LENGTHS[symbol] | CODE.codes[symbol] as u64;
        len += LENGTHS[symbol] as u32;
        while len >= 8 {
            len -= 8;
            out[at] = (window >> len) as u8;
            at += 1;
        }
        read += 1;
    }
    if len > 0 {
        // [hpack:5.2-pad] RFC 7541 §5.2: the first bits of EOS are ones.
        out[at] = (window << (8 - len)) as u8 | (0xff >> len);
        at += 1;
    }
    at
}

const fn case(byte: u8, lower_case: bool) -> u8 {
    if lower_case { byte.to_ascii_lowercase() } else { byte }
}
