//! Compressed payloads made on purpose: every match is chosen by the case (RFC 1951 §3.2.6).

use zlib_rs::{Deflate, DeflateFlush};

use crate::inflate::{DISTANCES, LENGTHS};

/// A piece of a compressed message.
pub(crate) enum Token<'a> {
    /// These bytes, as literals.
    Bytes(&'a [u8]),
    /// A copy of what stands `distance` bytes back.
    Match { len: usize, distance: usize },
}

/// One block with the fixed code, flushed and without its tail (RFC 7692 §7.2.1).
pub(crate) fn squeeze(tokens: &[Token<'_>]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.block(0, tokens);
    bits.push(0, 3);
    bits.bytes
}

/// Two blocks, the first of which says that it is the last one (RFC 7692 §7.2.3.4).
pub(crate) fn squeeze_with_final_block(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.block(1, &[Token::Bytes(first)]);
    // RFC 7692 §7.2.1: such a block is padded to a byte.
    bits.free = 0;
    bits.block(0, &[Token::Bytes(second)]);
    bits.push(0, 3);
    bits.bytes
}

/// An ordinary compressor's payload: dynamic codes, 15 bits of window.
pub(crate) fn zlib(message: &[u8]) -> Vec<u8> {
    let mut deflate = Deflate::new(6, false, 15);
    let mut out = vec![0; message.len() + 1024];
    let done = deflate.compress(message, &mut out, DeflateFlush::SyncFlush);
    done.expect("there is room for the whole message");
    out.truncate(usize::try_from(deflate.total_out()).expect("it fits `out`"));
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "a sync flush ends with an empty stored block");
    out.truncate(out.len() - 4);
    out
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Unused bits of the last byte.
    free: u32,
}

impl Bits {
    /// Appends the low bits of a value, lowest first.
    fn push(&mut self, value: usize, count: usize) {
        for i in 0..count {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let bit = u8::from(value >> i & 1 == 1) << (8 - self.free);
            *self.bytes.last_mut().expect("a byte was pushed above") |= bit;
            self.free -= 1;
        }
    }

    /// Appends a Huffman code, which goes highest bit first.
    fn code(&mut self, code: usize, count: usize) {
        for i in (0..count).rev() {
            self.push(code >> i & 1, 1);
        }
    }

    fn symbol(&mut self, symbol: usize) {
        match symbol {
            0..144 => self.code(0x30 + symbol, 8),
            144..256 => self.code(0x190 + symbol - 144, 9),
            256..280 => self.code(symbol - 256, 7),
            _ => self.code(0xc0 + symbol - 280, 8),
        }
    }

    fn block(&mut self, bfinal: usize, tokens: &[Token<'_>]) {
        self.push(bfinal, 1);
        self.push(1, 2);
        for token in tokens {
            match *token {
                Token::Bytes(bytes) => bytes.iter().for_each(|&b| self.symbol(usize::from(b))),
                Token::Match { len, distance } => {
                    let (symbol, base, extra) = LENGTHS.of(len);
                    self.symbol(257 + symbol);
                    self.push(len - base, extra);
                    let (symbol, base, extra) = DISTANCES.of(distance);
                    self.code(symbol, 5);
                    self.push(distance - base, extra);
                }
            }
        }
        self.symbol(256);
    }
}
