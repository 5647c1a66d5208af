//! A plain inflater (RFC 1951) that refuses distances beyond an agreed window.
//!
//! Ready-made inflaters copy from anywhere in their output, so they cannot tell a server that keeps
//! to `server_max_window_bits` from one that does not.

/// One side's history of earlier messages, and how far back it may refer.
pub(crate) struct Window {
    history: Vec<u8>,
    bits: u8,
}

impl Window {
    pub(crate) fn new(bits: u8) -> Self {
        Self { history: Vec::new(), bits }
    }

    /// Forgets all messages, as `no_context_takeover` asks.
    pub(crate) fn reset(&mut self) {
        self.history.clear();
    }

    /// Inflates one message payload, to which the tail of RFC 7692 §7.2.2 is still to be added.
    pub(crate) fn inflate(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        let mut bytes = payload.to_vec();
        bytes.extend_from_slice(&[0, 0, 0xff, 0xff]);
        let mut bits = Bits { bytes: &bytes, at: 0 };
        let start = self.history.len();
        while bits.left() > 0 {
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => self.stored(&mut bits)?,
                1 => self.coded(&mut bits, &fixed_literals(), &Huffman::new(&[5; 30]))?,
                2 => {
                    let (literals, distances) = dynamic_codes(&mut bits)?;
                    self.coded(&mut bits, &literals, &distances)?;
                }
                _ => return Err("a block of the reserved type".to_owned()),
            }
            // RFC 7692 §7.2.1: what follows a block with BFINAL begins at a byte.
            if last {
                bits.at = bits.at.next_multiple_of(8);
            }
        }
        let message = self.history[start..].to_vec();
        let keep = self.history.len().saturating_sub(1 << self.bits);
        self.history.drain(..keep);
        Ok(message)
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), String> {
        bits.at = bits.at.next_multiple_of(8);
        let (len, complement) = (bits.take(16)?, bits.take(16)?);
        if len ^ complement != 0xffff {
            return Err("a stored block whose length and complement differ".to_owned());
        }
        for _ in 0..len {
            let byte = bits.take(8)?;
            self.history.push(u8::try_from(byte).unwrap_or_default());
        }
        Ok(())
    }

    fn coded(
        &mut self,
        bits: &mut Bits<'_>,
        literals: &Huffman,
        distances: &Huffman,
    ) -> Result<(), String> {
        loop {
            let symbol = literals.decode(bits)?;
            if let Ok(literal) = u8::try_from(symbol) {
                self.history.push(literal);
                continue;
            }
            if symbol == 256 {
                return Ok(());
            }
            let len = LENGTHS.value(bits, usize::from(symbol) - 257)?;
            let symbol = usize::from(distances.decode(bits)?);
            let distance = DISTANCES.value(bits, symbol)?;
            self.copy(len, distance)?;
        }
    }

    fn copy(&mut self, len: usize, distance: usize) -> Result<(), String> {
        if distance > 1 << self.bits {
            let bits = self.bits;
            return Err(format!("a distance of {distance} in a window of {bits} bits"));
        }
        let Some(from) = self.history.len().checked_sub(distance) else {
            return Err(format!("a distance of {distance}, before the start of the window"));
        };
        for at in from..from + len {
            self.history.push(self.history[at]);
        }
        Ok(())
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn left(&self) -> usize {
        8 * self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize) -> Result<usize, String> {
        if self.left() < count {
            return Err("a block that does not end".to_owned());
        }
        let bit = |at: usize| usize::from(self.bytes[at / 8] >> (at % 8) & 1);
        let value = (0..count).map(|i| bit(self.at + i) << i).sum();
        self.at += count;
        Ok(value)
    }
}

/// A canonical Huffman code: how many codes have each length, and the symbols in code order.
struct Huffman {
    counts: [usize; 16],
    symbols: Vec<u16>,
}

impl Huffman {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for length in 1..16u8 {
            for (symbol, _) in lengths.iter().enumerate().filter(|&(_, &l)| l == length) {
                counts[usize::from(length)] += 1;
                symbols.push(u16::try_from(symbol).unwrap_or_default());
            }
        }
        Self { counts, symbols }
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<u16, String> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err("a code that stands for nothing".to_owned())
    }
}

fn fixed_literals() -> Huffman {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Huffman::new(&lengths)
}

fn dynamic_codes(bits: &mut Bits<'_>) -> Result<(Huffman, Huffman), String> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literals = bits.take(5)? + 257;
    let distances = bits.take(5)? + 1;
    let count = bits.take(4)? + 4;
    let mut lengths = [0; 19];
    for &place in &ORDER[..count] {
        lengths[place] = u8::try_from(bits.take(3)?).unwrap_or_default();
    }
    let code = Huffman::new(&lengths);
    let mut all: Vec<u8> = Vec::new();
    while all.len() < literals + distances {
        let (value, times) = match code.decode(bits)? {
            16 => (*all.last().ok_or("a repeat of nothing")?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            18 => (0, bits.take(7)? + 11),
            length => (u8::try_from(length).unwrap_or_default(), 1),
        };
        all.extend(core::iter::repeat_n(value, times));
    }
    Ok((Huffman::new(&all[..literals]), Huffman::new(&all[literals..])))
}

/// The values of a range of symbols (RFC 1951 §3.2.5): for each its least value, and the number of extra
/// bits that are added to it.
pub(crate) struct Symbols(&'static [(usize, usize)]);

/// The symbols of lengths, from 257 on.
#[rustfmt::skip]
pub(crate) const LENGTHS: Symbols = Symbols(&[
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0),
    (11, 1), (13, 1), (15, 1), (17, 1), (19, 2), (23, 2), (27, 2), (31, 2),
    (35, 3), (43, 3), (51, 3), (59, 3), (67, 4), (83, 4), (99, 4), (115, 4),
    (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
]);

#[rustfmt::skip]
pub(crate) const DISTANCES: Symbols = Symbols(&[
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1),
    (9, 2), (13, 2), (17, 3), (25, 3), (33, 4), (49, 4),
    (65, 5), (97, 5), (129, 6), (193, 6), (257, 7), (385, 7),
    (513, 8), (769, 8), (1025, 9), (1537, 9), (2049, 10), (3073, 10),
    (4097, 11), (6145, 11), (8193, 12), (12289, 12), (16385, 13), (24577, 13),
]);

impl Symbols {
    /// The symbol of a value, its base and its number of extra bits.
    pub(crate) fn of(&self, value: usize) -> (usize, usize, usize) {
        let symbol = self.0.partition_point(|&(base, _)| base <= value) - 1;
        let (base, extra) = self.0[symbol];
        (symbol, base, extra)
    }

    /// Reads the extra bits of a symbol, and gives its value.
    fn value(&self, bits: &mut Bits<'_>, symbol: usize) -> Result<usize, String> {
        let &(base, extra) = self.0.get(symbol).ok_or("a symbol outside of its table")?;
        Ok(base + bits.take(extra)?)
    }
}

#[cfg(test)]
mod tests {
    use super::Window;
    use crate::squeeze::{Token, squeeze, zlib};

    #[test]
    fn examples_of_rfc_7692() {
        let mut window = Window::new(15);
        let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        assert_eq!(window.inflate(hello).as_deref(), Ok(&b"Hello"[..]));
        assert_eq!(window.inflate(b"\xf2\x00\x11\x00\x00").as_deref(), Ok(&b"Hello"[..]));
        assert_eq!(window.inflate(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00").unwrap(), b"Hello");
        let two = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
        assert_eq!(window.inflate(two).as_deref(), Ok(&b"Hello"[..]));
    }

    #[test]
    fn both_compressors() {
        let text: Vec<u8> = (0..9000u32).flat_map(|i| (i % 700).to_string().into_bytes()).collect();
        assert_eq!(Window::new(15).inflate(&zlib(&text)).unwrap(), text);
        let tokens = [Token::Bytes(&text), Token::Match { len: 258, distance: 8192 }];
        let squeezed = squeeze(&tokens);
        let whole = Window::new(13).inflate(&squeezed).unwrap();
        assert_eq!(whole.len(), text.len() + 258);
        assert!(Window::new(12).inflate(&squeezed).unwrap_err().contains("distance of 8192"));
    }
}
