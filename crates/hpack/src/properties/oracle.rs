//! A decoder that is as plain as the RFC's text.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Seen;
use crate::{Error, ErrorKind, Limits, huffman, static_table};

/// The naive decoder: the table is a list of owned fields, newest first.
#[derive(Debug)]
pub struct Oracle {
    limits: Limits,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    size_max: usize,
    bound: usize,
    lowest: Option<usize>,
    result: Result<(), Error>,
    /// Empty until the first string needs them.
    codes: BTreeMap<(usize, u32), usize>,
}

impl Oracle {
    /// An oracle for a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: Vec::new(),
            size_max: 4096,
            bound: 4096,
            lowest: None,
            result: Ok(()),
            codes: BTreeMap::new(),
        }
    }

    /// The peer acknowledges our bound on the table.
    pub fn acknowledge(&mut self, bound: usize) {
        self.bound = bound;
        let lowest = self.lowest.unwrap_or(usize::MAX).min(bound);
        self.lowest = (lowest < self.size_max).then_some(lowest);
    }

    /// The result of the last block.
    pub const fn result(&self) -> Result<(), Error> {
        self.result
    }

    /// Decodes a block, and returns the fields that a visitor sees.
    pub fn seen(&mut self, block: &[u8]) -> Vec<Seen> {
        if self.result.is_err_and(|error| error.kind() != ErrorKind::Message) {
            return Vec::new();
        }
        let mut seen = Vec::new();
        self.result = self.block(block, &mut seen);
        seen
    }

    fn block(&mut self, block: &[u8], seen: &mut Vec<Seen>) -> Result<(), Error> {
        if block.len() > self.limits.block_bytes_max {
            return Err(Error::BlockTooLong);
        }
        let mut at = self.updates(block)?;
        let (mut fields, mut bytes, mut message) = (0, 0, Ok(()));
        while at < block.len() {
            let first = block[at];
            let (name, value) = if first & 0x80 != 0 {
                let index = integer(block, &mut at, 7)?;
                self.entry(index)?
            } else if first & 0xe0 == 0x20 {
                return Err(Error::TableSizeMisplaced);
            } else {
                let index = integer(block, &mut at, if first & 0x40 != 0 { 6 } else { 4 })?;
                let name = match index {
                    0 => self.string(block, &mut at)?,
                    index => self.entry(index)?.0,
                };
                (name, self.string(block, &mut at)?)
            };
            fields += 1;
            bytes += name.len() + value.len() + 32;
            if bytes > self.limits.decoded_bytes_max {
                return Err(Error::DecodedTooLong);
            }
            if message.is_ok() && fields > self.limits.fields_max {
                message = Err(Error::TooManyFields);
            }
            if message.is_ok() && bytes > self.limits.list_bytes_max {
                message = Err(Error::ListTooLong);
            }
            if first & 0xc0 == 0x40 {
                self.entries.insert(0, (name.clone(), value.clone()));
                self.evict();
            }
            if message.is_ok() {
                seen.push((name, value, first & 0xf0 == 0x10));
            }
        }
        message
    }

    fn updates(&mut self, block: &[u8]) -> Result<usize, Error> {
        let (mut at, mut count) = (0, 0);
        while at < block.len() && block[at] & 0xe0 == 0x20 {
            count += 1;
            if count > 2 {
                return Err(Error::TableSizeRepeated);
            }
            let size = integer(block, &mut at, 5)?;
            let bound = self.lowest.take().unwrap_or(self.bound);
            if size > bound {
                return Err(Error::TableSizeTooBig);
            }
            self.size_max = size;
            self.evict();
        }
        if self.lowest.is_some() { Err(Error::TableSizeMissing) } else { Ok(at) }
    }

    fn evict(&mut self) {
        let size = |entries: &Vec<(Vec<u8>, Vec<u8>)>| {
            entries.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>()
        };
        while size(&self.entries) > self.size_max {
            self.entries.pop();
        }
    }

    fn entry(&self, index: usize) -> Result<(Vec<u8>, Vec<u8>), Error> {
        if index == 0 {
            return Err(Error::IndexZero);
        }
        if let Some((name, value)) = static_table::entry(index) {
            return Ok((name.to_vec(), value.to_vec()));
        }
        self.entries.get(index - static_table::LEN - 1).cloned().ok_or(Error::IndexOutOfRange)
    }

    fn string(&mut self, block: &[u8], at: &mut usize) -> Result<Vec<u8>, Error> {
        let is_huffman = block.get(*at).ok_or(Error::Truncated)? & 0x80 != 0;
        let len = integer(block, at, 7)?;
        let end = at.checked_add(len).ok_or(Error::Truncated)?;
        let bytes = block.get(*at..end).ok_or(Error::Truncated)?;
        *at = end;
        if !is_huffman {
            return Ok(bytes.to_vec());
        }
        if self.codes.is_empty() {
            self.codes = codes();
        }
        self.huffman(bytes)
    }

    fn huffman(&self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let (mut out, mut len, mut code) = (Vec::new(), 0, 0);
        for byte in bytes {
            for bit in (0..8).rev() {
                code = code << 1 | u32::from(byte >> bit & 1);
                len += 1;
                if let Some(symbol) = self.codes.get(&(len, code)) {
                    out.push(u8::try_from(*symbol).map_err(|_| Error::HuffmanEos)?);
                    (len, code) = (0, 0);
                }
            }
        }
        if len > 7 || code != (1 << len) - 1 { Err(Error::HuffmanPadding) } else { Ok(out) }
    }
}

/// Reads the byte at `at` and those that belong to its integer.
fn integer(block: &[u8], at: &mut usize, bits: u32) -> Result<usize, Error> {
    let mask = (1_u64 << bits) - 1;
    let mut value = u64::from(*block.get(*at).ok_or(Error::Truncated)?) & mask;
    *at += 1;
    if value == mask {
        for shift in [0, 7, 14, 21, 28, 35] {
            if shift == 35 {
                return Err(Error::IntegerTooBig);
            }
            let byte = *block.get(*at).ok_or(Error::Truncated)?;
            *at += 1;
            value += u64::from(byte % 128) << shift;
            if byte < 128 {
                break;
            }
        }
    }
    u32::try_from(value).map(|value| value as usize).map_err(|_| Error::IntegerTooBig)
}

/// The code by length and bits.
fn codes() -> BTreeMap<(usize, u32), usize> {
    let mut codes = BTreeMap::new();
    let mut next = 0;
    for len in 1..=30 {
        for symbol in 0..huffman::SYMBOLS {
            if usize::from(huffman::LENGTHS[symbol]) == len {
                codes.insert((len, next), symbol);
                next += 1;
            }
        }
        next *= 2;
    }
    codes
}
