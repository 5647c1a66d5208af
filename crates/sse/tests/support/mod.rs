//! Helpers of several tests: owned events, a driver for chunks, base64 and SHA-256 for the vectors.

// Each test file uses its own part of this; the hashes cut words to size on purpose.
#![allow(dead_code, clippy::cast_possible_truncation)]

use sockeye_sse::{End, Item, Parser};

/// An event that outlives the parser's buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) event_type: String,
    pub(crate) data: String,
    pub(crate) last_event_id: String,
}

/// Feeds the chunks of one connection and ends it.
pub(crate) fn read<'c>(
    parser: &mut Parser,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Vec<Owned> {
    let mut events = Vec::new();
    for mut chunk in chunks {
        feed(parser, &mut chunk, &mut events);
        assert!(chunk.is_empty(), "all input is consumed");
    }
    let _: End = parser.finish();
    events
}

/// Feeds one chunk of a connection that goes on.
pub(crate) fn feed(parser: &mut Parser, chunk: &mut &[u8], events: &mut Vec<Owned>) {
    while let Some(item) = parser.next(chunk).expect("within the limits") {
        if let Item::Event(event) = item {
            events.push(Owned {
                event_type: event.event_type.into(),
                data: event.data.into(),
                last_event_id: event.last_event_id.into(),
            });
        }
    }
}

/// Cuts at the given offsets; a repeated offset is an empty chunk.
pub(crate) fn cut<'b>(bytes: &'b [u8], offsets: &[usize]) -> Vec<&'b [u8]> {
    let mut from = 0;
    let ends = offsets.iter().copied().chain([bytes.len()]);
    ends.map(|to| &bytes[std::mem::replace(&mut from, to)..to]).collect()
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for symbol in text.bytes().filter(|&symbol| symbol != b'=') {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let value = alphabet.iter().position(|&known| known == symbol).expect("base64");
        bits = bits << 6 | u32::try_from(value).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    out
}

/// FIPS 180-4, in hexadecimal.
pub(crate) fn sha256(message: &[u8]) -> String {
    let primes: Vec<u32> =
        (2..312_u32).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0)).collect();
    let fraction = |root: f64| (root.fract() * 2_f64.powi(32)) as u32;
    let k: Vec<u32> = primes.iter().map(|&p| cube_root_fraction(p)).collect();
    let mut hash: Vec<u32> = primes[..8].iter().map(|&p| fraction(f64::from(p).sqrt())).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let at = padded.len() - 8;
    padded[at..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.as_chunks::<64>().0 {
        compress(&mut hash, block, &k);
    }
    hash.iter().map(|word| format!("{word:08x}")).collect()
}

/// The first 32 bits of the cube root's fraction, by search in integers.
fn cube_root_fraction(p: u32) -> u32 {
    let target = u128::from(p) << 96;
    let (mut low, mut high) = (0_u128, 8_u128 << 32);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if middle.pow(3) <= target { low = middle } else { high = middle }
    }
    low as u32
}

fn compress(hash: &mut [u32], block: &[u8; 64], k: &[u32]) {
    let mut w: Vec<u32> =
        block.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).collect();
    for i in 16..64 {
        let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
        let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
        w.push(w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1));
    }
    let mut v: Vec<u32> = hash.to_vec();
    for i in 0..64 {
        let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
        let choice = v[4] & v[5] ^ !v[4] & v[6];
        let t1 = [s1, choice, k[i], w[i]].into_iter().fold(v[7], u32::wrapping_add);
        let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
        let majority = v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2];
        v.rotate_right(1);
        v[4] = v[4].wrapping_add(t1);
        v[0] = t1.wrapping_add(s0).wrapping_add(majority);
    }
    for (word, add) in hash.iter_mut().zip(v) {
        *word = word.wrapping_add(add);
    }
}
