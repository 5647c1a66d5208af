//! The encoder of the fastest level, to which the window of another connection costs little.
//!
//! zlib clears a table of 128 KiB before it takes another window. That takes longer than to compress 1 KiB. This encoder has a
//! table of 32 KiB and never clears it: positions go on from text to text, so a position before the text is one of another text.
//! It writes fixed codes, and looks at one earlier place for each byte, as zlib does at that level.

mod codes;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::WindowBits;
use codes::{Code, LEN_MAX};

const TABLE_BITS: u32 = 13;
const TABLE_LEN: usize = 1 << TABLE_BITS;

/// The text that is encoded in one go, at least, once the window is full.
const PART_BYTES_MIN: usize = 16 * 1024;

pub(crate) struct Fast {
    /// The window, and behind it what is being encoded.
    text: Vec<u8>,
    /// The position of the first byte of `text`. Positions go round: bytes are compared before a place counts.
    origin: u32,
    /// The latest position of four bytes, by their hash.
    table: Box<[u32]>,
    /// The window, in bytes: the greatest distance.
    window: usize,
}

impl Fast {
    pub(crate) fn new(bits: WindowBits) -> Self {
        let window = bits.bytes();
        let text = Vec::with_capacity(text_bytes_max(window));
        Self { text, origin: 0, table: vec![0; TABLE_LEN].into_boxed_slice(), window }
    }

    /// Forgets everything. The lengths of what follows say nothing about this text.
    pub(crate) fn reset(&mut self) {
        self.origin = position(self.origin, self.text.len());
        self.text.clear();
    }

    /// Continues the window.
    pub(crate) fn remember(&mut self, part: &[u8]) {
        let from = self.text.len();
        self.text.extend_from_slice(part);
        let Self { text, origin, table, .. } = self;
        for (at, four) in text.windows(4).enumerate().skip(from) {
            if let Some(four) = four.first_chunk() {
                *slot(table, *four) = position(*origin, at);
            }
        }
    }

    /// Compresses a message, appends the payload and returns true. If the payload is not shorter than
    /// the message, it appends nothing and returns false, and has to be reset.
    pub(crate) fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let limit = start.saturating_add(message.len());
        let mut bits = Bits::default();
        bits.put(codes::BLOCK, out);
        let mut rest = message;
        while !rest.is_empty() && out.len() < limit {
            let room = self.make_room(rest.len());
            let (part, after) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            let from = self.text.len();
            self.text.extend_from_slice(part);
            self.encode(from, &mut bits, out);
            rest = after;
        }
        bits.put(codes::END, out);
        // [rfc7692:7.2.1-strip-tail] RFC 7692 §7.2.1: flushed to a byte boundary by an empty
        // stored block, of which the last four bytes are not sent.
        bits.put(codes::STORED, out);
        bits.finish(out);
        let worthwhile = rest.is_empty() && out.len() < limit;
        if !worthwhile {
            out.truncate(start);
        }
        worthwhile
    }

    /// Drops text before the window if there is no room for `len` bytes. Returns how many there is room for.
    fn make_room(&mut self, len: usize) -> usize {
        let text_bytes_max = text_bytes_max(self.window);
        if self.text.len().saturating_add(len) > text_bytes_max {
            let dropped = self.text.len().saturating_sub(self.window);
            self.text.drain(..dropped);
            self.origin = position(self.origin, dropped);
        }
        text_bytes_max.saturating_sub(self.text.len())
    }

    /// Encodes the text behind its first `from` bytes.
    fn encode(&mut self, from: usize, bits: &mut Bits, out: &mut Vec<u8>) {
        let Self { text, origin, table, window } = self;
        let mut at = from;
        while let Some(four) = four_at(text, at) {
            let seen = core::mem::replace(slot(table, four), position(*origin, at));
            // A position before the text gives a place behind all text, and so a distance above any window.
            let earlier = seen.wrapping_sub(*origin) as usize;
            let distance = at.wrapping_sub(earlier);
            // [rfc7692:7.1.2-encoder-window]
            let is_match =
                (1..=*window).contains(&distance) && four_at(text, earlier) == Some(four);
            let len = if is_match { match_len(text, earlier, at) } else { 0 };
            let code = if len > 0 { codes::copy(len, distance) } else { codes::literal(four[0]) };
            bits.put(code, out);
            at = at.saturating_add(len.max(1));
        }
        for &byte in text.get(at..).unwrap_or_default() {
            bits.put(codes::literal(byte), out);
        }
    }
}

/// The bytes of the window and of what is encoded in one go, together.
fn text_bytes_max(window: usize) -> usize {
    window.saturating_add(window.max(PART_BYTES_MIN))
}

/// The position of the byte `at` of a text.
#[inline]
#[allow(clippy::cast_possible_truncation)] // They go round.
const fn position(origin: u32, at: usize) -> u32 {
    origin.wrapping_add(at as u32)
}

/// The place of four bytes in the table.
#[inline]
fn slot(table: &mut [u32], four: [u8; 4]) -> &mut u32 {
    let hash = u32::from_le_bytes(four).wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS);
    table.get_mut(hash as usize).expect("a hash is below the length of the table")
}

#[inline]
fn four_at(text: &[u8], at: usize) -> Option<[u8; 4]> {
    text.get(at..).and_then(<[u8]>::first_chunk).copied()
}

/// How many bytes are the same from two places on, up to the longest match.
#[inline]
fn match_len(text: &[u8], earlier: usize, at: usize) -> usize {
    let earlier = text.get(earlier..).unwrap_or_default();
    let here = text.get(at..).unwrap_or_default();
    let here = here.get(..LEN_MAX).unwrap_or(here);
    let (eights, _) = here.as_chunks::<8>();
    let mut len: usize = 0;
    for (a, b) in eights.iter().zip(earlier.as_chunks::<8>().0) {
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return len.saturating_add((differs.trailing_zeros() / 8) as usize);
        }
        len = len.saturating_add(8);
    }
    let tail = here.iter().zip(earlier).skip(len).take_while(|(a, b)| a == b);
    len.saturating_add(tail.count())
}

/// Bits on their way into bytes, less than 32 of them between two calls.
#[derive(Default)]
struct Bits {
    bits: u64,
    count: u32,
}

impl Bits {
    /// Appends a code of at most 32 bits.
    #[inline]
    fn put(&mut self, code: Code, out: &mut Vec<u8>) {
        self.bits |= u64::from(code.bits).wrapping_shl(self.count);
        self.count = self.count.wrapping_add(code.count);
        if self.count >= 32 {
            let [a, b, c, d, ..] = self.bits.to_le_bytes();
            out.extend_from_slice(&[a, b, c, d]);
            self.bits >>= 32;
            self.count = self.count.wrapping_sub(32);
        }
    }

    /// Appends what is left, filled up with zeros.
    fn finish(self, out: &mut Vec<u8>) {
        let bytes = self.bits.to_le_bytes();
        out.extend_from_slice(bytes.get(..self.count.div_ceil(8) as usize).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use zlib_rs::{Inflate, InflateFlush};

    use super::*;

    /// Inflates one message of a stream that goes on.
    fn inflate(stream: &mut Inflate, payload: &[u8], len: usize) -> Vec<u8> {
        let mut out = vec![0; len + 1];
        let before = stream.total_out();
        for part in [payload, &[0, 0, 0xFF, 0xFF]] {
            let at = usize::try_from(stream.total_out() - before).expect("short");
            stream.decompress(part, &mut out[at..], InflateFlush::SyncFlush).expect("valid");
        }
        out.truncate(usize::try_from(stream.total_out() - before).expect("short"));
        out
    }

    fn text(len: usize, seed: usize) -> Vec<u8> {
        let words = (0..).map(|n| format!("{{\"n\":{},\"of\":{}}},", n * seed % 977, n % 7));
        let mut text: Vec<u8> = words.take(len / 8).flat_map(String::into_bytes).collect();
        text.truncate(len);
        text
    }

    #[test]
    fn positions_go_round() {
        for behind in [10, 4_000, 40_000, 100_000] {
            let mut fast = Fast::new(WindowBits::MIN);
            fast.origin = u32::MAX - behind;
            let mut stream = Inflate::new(false, 15);
            for n in 1..5 {
                let (message, mut out) = (text(30_000, n), Vec::new());
                assert!(fast.deflate(&message, &mut out));
                assert!(inflate(&mut stream, &out, message.len()) == message);
            }
            fast.reset();
            assert!(fast.origin < 200_000);
        }
    }

    /// A text is as long after another one as it is alone: its length says nothing about the other one.
    ///
    /// `efXY` first occurs where a match ends, so the text has not noted its place. The other text has the same bytes there.
    #[test]
    fn a_text_after_another_one_becomes_what_it_is_alone() {
        let mut fast = Fast::new(WindowBits::MAX);
        let message = [&b"abcdefghabcdefXYZW-efXYZW"[..], &[b'.'; 100]].concat();
        let (mut alone, mut after) = (Vec::new(), Vec::new());
        assert!(fast.deflate(&message, &mut alone));
        let mut fast = Fast::new(WindowBits::MAX);
        fast.deflate(b"0123456789:;efXY", &mut Vec::new());
        fast.reset();
        assert!(fast.deflate(&message, &mut after));
        assert_eq!(after, alone);
    }

    #[test]
    fn the_text_takes_no_more_room_than_it_has_from_the_start() {
        for bits in [WindowBits::MIN, WindowBits::MAX] {
            let mut fast = Fast::new(bits);
            let capacity = fast.text.capacity();
            let mut stream = Inflate::new(false, 15);
            for len in [0, 1, 3, 4, 100, 33_000, 5, 70_000, 300_000, 16_384, 900] {
                let (message, mut out) = (text(len, 31), Vec::new());
                if fast.deflate(&message, &mut out) {
                    assert!(inflate(&mut stream, &out, len) == message);
                }
                assert_eq!(fast.text.capacity(), capacity);
            }
        }
    }
}
