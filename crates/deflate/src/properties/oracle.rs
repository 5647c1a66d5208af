//! A naive inflater (RFC 1951) that knows the rules of RFC 7692 and shares no code with ours.
//!
//! It works bit by bit on whole messages, keeps all plaintext for ever, and measures distances.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use alloc::vec;
use alloc::vec::Vec;

/// The reach of a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// RFC 7692 §7.1.2: the negotiated window, and nothing else.
    Window,
    /// The history of any inflater: the window before the message (or before the part behind a final
    /// block), and everything since.
    History,
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It makes no sense, or is cut off.
    Corrupt,
    /// It has more than `bytes_max` bytes.
    TooBig,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// All plaintext so far.
    pub plain: Vec<u8>,
    /// The largest distance seen.
    pub distance_max: usize,
    window_bytes: usize,
    takeover: bool,
    reach: Reach,
    /// Where the history starts that the current block may refer to.
    floor: usize,
}

struct Bits<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Result<usize, Refusal> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(Refusal::Corrupt)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    fn is_at_end(&self) -> bool {
        self.at == self.bytes.len() * 8
    }
}

/// A canonical code: `symbols[1 << length | code]`, `u16::MAX` where there is none.
struct Code(Vec<u16>);

impl Code {
    fn new(lengths: &[u8], may_be_single: bool) -> Result<Self, Refusal> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut symbols = vec![u16::MAX; 2 << longest];
        let mut code = 0;
        for length in 1..=15_u8 {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, own)| **own == length) {
                if code >= 1 << length {
                    return Err(Refusal::Corrupt);
                }
                symbols[1 << length | code] = symbol as u16;
                code += 1;
            }
            code <<= 1;
        }
        let is_complete = code == 1 << 16;
        let is_single = longest <= 1 && may_be_single;
        if is_complete || longest == 0 || is_single {
            Ok(Self(symbols))
        } else {
            Err(Refusal::Corrupt)
        }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, Refusal> {
        let mut index = 1;
        for _ in 0..15 {
            index = index << 1 | bits.take(1)?;
            match self.0.get(index) {
                Some(&u16::MAX) => {}
                Some(symbol) => return Ok(usize::from(*symbol)),
                None => return Err(Refusal::Corrupt),
            }
        }
        Err(Refusal::Corrupt)
    }
}

impl Oracle {
    /// A direction at the start of the connection.
    #[must_use]
    pub fn new(window_bytes: usize, takeover: bool, reach: Reach) -> Self {
        Self { plain: Vec::new(), distance_max: 0, window_bytes, takeover, reach, floor: 0 }
    }

    /// Inflates one message as it was carried, without its tail.
    ///
    /// # Errors
    /// The message is refused. The direction is of no use any more.
    pub fn inflate(&mut self, message: &[u8], bytes_max: u64) -> Result<&[u8], Refusal> {
        let start = self.plain.len();
        let history = if self.takeover { self.window_bytes } else { 0 };
        self.floor = start.saturating_sub(history);
        let bytes = [message, &[0x00, 0x00, 0xFF, 0xFF]].concat();
        let mut bits = Bits { bytes: &bytes, at: 0 };
        let mut finals_left = 16 + message.len() / 64;
        let limit = start as u64 + bytes_max.min(u64::MAX / 2);
        while !bits.is_at_end() {
            let is_final = bits.take(1)? == 1;
            self.block(&mut bits, limit)?;
            if is_final {
                bits.align();
                finals_left = usize::checked_sub(finals_left, 1).ok_or(Refusal::Corrupt)?;
                self.floor = self.floor.max(self.plain.len().saturating_sub(self.window_bytes));
            }
        }
        Ok(&self.plain[start..])
    }

    fn block(&mut self, bits: &mut Bits<'_>, limit: u64) -> Result<(), Refusal> {
        match bits.take(2)? {
            0 => {
                bits.align();
                let (len, complement) = (bits.take(16)?, bits.take(16)?);
                if len != !complement & 0xFFFF {
                    return Err(Refusal::Corrupt);
                }
                for _ in 0..len {
                    let byte = bits.take(8)?;
                    self.emit(byte as u8, limit)?;
                }
                Ok(())
            }
            1 => {
                let lengths: Vec<u8> = (0..288)
                    .map(|s| {
                        [8, 9, 7, 8]
                            [usize::from(s > 143) + usize::from(s > 255) + usize::from(s > 279)]
                    })
                    .collect();
                self.symbols(
                    bits,
                    &Code::new(&lengths, false)?,
                    &Code::new(&[5; 32], false)?,
                    limit,
                )
            }
            2 => {
                let (literals, distances) = read_codes(bits)?;
                self.symbols(bits, &literals, &distances, limit)
            }
            _ => Err(Refusal::Corrupt),
        }
    }

    fn symbols(
        &mut self,
        bits: &mut Bits<'_>,
        literals: &Code,
        distances: &Code,
        limit: u64,
    ) -> Result<(), Refusal> {
        loop {
            let symbol = literals.read(bits)?;
            let length = match symbol {
                0..=255 => {
                    self.emit(symbol as u8, limit)?;
                    continue;
                }
                256 => return Ok(()),
                285 => 258,
                257..=284 => 3 + scaled(bits, symbol - 257, 4)?,
                _ => return Err(Refusal::Corrupt),
            };
            let symbol = distances.read(bits)?;
            let distance = if symbol < 30 {
                1 + scaled(bits, symbol, 2)?
            } else {
                return Err(Refusal::Corrupt);
            };
            let allowed = self.plain.len() - self.floor;
            if distance > allowed || self.reach == Reach::Window && distance > self.window_bytes {
                return Err(Refusal::Corrupt);
            }
            self.distance_max = self.distance_max.max(distance);
            for _ in 0..length {
                self.emit(self.plain[self.plain.len() - distance], limit)?;
            }
        }
    }

    fn emit(&mut self, byte: u8, limit: u64) -> Result<(), Refusal> {
        if self.plain.len() as u64 >= limit {
            return Err(Refusal::TooBig);
        }
        self.plain.push(byte);
        Ok(())
    }
}

/// The value of the `n`th code whose values double in width after each `group` codes (twice that
/// at the start): both length and distance codes are made so.
fn scaled(bits: &mut Bits<'_>, n: usize, group: usize) -> Result<usize, Refusal> {
    let extra = (n / group).saturating_sub(1);
    let base = if extra == 0 { n } else { (group + n % group) << extra };
    Ok(base + bits.take(extra as u32)?)
}

/// The two codes at the head of a dynamic block.
fn read_codes(bits: &mut Bits<'_>) -> Result<(Code, Code), Refusal> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, count) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    if literals > 286 || distances > 30 {
        return Err(Refusal::Corrupt);
    }
    let mut of_lengths = [0; 19];
    for place in &ORDER[..count] {
        of_lengths[*place] = bits.take(3)? as u8;
    }
    let code = Code::new(&of_lengths, false)?;
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (length, count) = match code.read(bits)? {
            16 => (*lengths.last().ok_or(Refusal::Corrupt)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        lengths.extend(core::iter::repeat_n(length, count));
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return Err(Refusal::Corrupt);
    }
    Ok((Code::new(&lengths[..literals], true)?, Code::new(&lengths[literals..], true)?))
}
