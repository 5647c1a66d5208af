//! Decodes field blocks.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::count::Count;
use crate::reader::{Encoded, Reader};
use crate::table::Table;
use crate::{Error, ErrorKind, Field, Limits, TABLE_BYTES_DEFAULT};
use crate::{huffman, static_table};

/// The size updates that a block may begin with.
const TABLE_SIZES_MAX: usize = 2;

/// The decoder of one direction of a connection: its dynamic table, and the bounds.
///
/// It takes whole blocks, so that it keeps nothing of one: a string may go from one frame into the next,
/// and would have to be kept up to the same bound.
pub struct Decoder {
    limits: Limits,
    table: Table,
    /// The SETTINGS_HEADER_TABLE_SIZE that the peer has acknowledged.
    table_bytes_max: usize,
    /// The lowest bound since the last block, if it is below the maximum in effect.
    table_bytes_owed: Option<usize>,
    failed: Option<Error>,
}

impl Decoder {
    /// Makes a decoder for a new connection. It allocates nothing.
    ///
    /// The bound on the table is [`TABLE_BYTES_DEFAULT`] until the peer acknowledges another one.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            table: Table::new(TABLE_BYTES_DEFAULT),
            table_bytes_max: TABLE_BYTES_DEFAULT,
            table_bytes_owed: None,
            failed: None,
        }
    }

    /// Returns the bounds on a block.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes the SETTINGS_HEADER_TABLE_SIZE of SETTINGS that the peer has acknowledged.
    ///
    /// If it is below the maximum in effect, the next block has to begin with a size update.
    pub fn table_bytes_acknowledged(&mut self, bytes: u32) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.table_bytes_max = bytes;
        if bytes < self.table_bytes_owed.unwrap_or_else(|| self.table.size_max()) {
            self.table_bytes_owed = Some(bytes);
        }
    }

    /// Returns the bytes that the dynamic table takes from the allocator: 0 until the peer indexes a
    /// field, and at most 1.4 times the table's bound.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes()
    }

    /// Decodes one whole block, and calls `visit` for each of its fields, in their order.
    ///
    /// The block is what the HEADERS and CONTINUATION frames of one message carry, without padding.
    /// `scratch` is any vector, such as one for all connections of a loop. Its contents are lost, and
    /// it grows by at most 8/5 of the block and one entry of the table.
    ///
    /// # Errors
    /// An error of kind [`ErrorKind::Message`] comes behind the block's end: the fields within the
    /// limits were visited, and the decoder can go on with the next block. After any other error it
    /// returns the same one for every further block.
    pub fn decode(
        &mut self,
        block: &[u8],
        scratch: &mut Vec<u8>,
        visit: impl FnMut(Field<'_>),
    ) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.decode_block(block, scratch, visit);
        self.failed = result.err().filter(|error| error.kind() != ErrorKind::Message);
        result
    }

    fn decode_block(
        &mut self,
        block: &[u8],
        scratch: &mut Vec<u8>,
        mut visit: impl FnMut(Field<'_>),
    ) -> Result<(), Error> {
        // [hpack:limit-block] A longer block is refused before it is read.
        if block.len() > self.limits.block_bytes_max {
            return Err(Error::BlockTooLong);
        }
        let mut input = Reader::new(block);
        self.take_table_sizes(&mut input)?;
        let mut count = Count::new(self.limits);
        // [hpack:2.1-order] RFC 7541 §2.1: the fields come in the order of the block.
        while let Some(first) = input.byte() {
            scratch.clear();
            match first {
                0x80.. => {
                    self.decode_indexed(first, &mut input, &mut count, scratch, &mut visit)?;
                }
                // [hpack:4.2-update-first] RFC 7541 §4.2: a size update comes before the fields.
                0x20..0x40 => return Err(Error::TableSizeMisplaced),
                _ => self.decode_literal(first, &mut input, &mut count, scratch, &mut visit)?,
            }
        }
        count.verdict()
    }

    /// Takes the size updates that the block begins with.
    fn take_table_sizes(&mut self, input: &mut Reader<'_>) -> Result<(), Error> {
        let mut count = 0_usize;
        while let Some(first @ 0x20..0x40) = input.peek() {
            input.byte();
            // [hpack:4.2-two-updates] RFC 7541 §4.2: the lowest maximum and the last one.
            if count == TABLE_SIZES_MAX {
                return Err(Error::TableSizeRepeated);
            }
            let size = usize::try_from(input.integer(first, 5)?).unwrap_or(usize::MAX);
            // [hpack:6.3-bound] RFC 7541 §6.3: at most the bound that the protocol sets.
            // [hpack:4.2-lowest] RFC 7541 §4.2: the first goes down to the lowest bound of the interval.
            if size > self.table_bytes_owed.take().unwrap_or(self.table_bytes_max) {
                return Err(Error::TableSizeTooBig);
            }
            self.table.resize(size);
            count = count.saturating_add(1);
        }
        // [hpack:4.2-update-owed] RFC 7541 §4.2: the block after a lowered bound begins with an update.
        if self.table_bytes_owed.is_some() { Err(Error::TableSizeMissing) } else { Ok(()) }
    }

    fn decode_indexed(
        &self,
        first: u8,
        input: &mut Reader<'_>,
        count: &mut Count,
        scratch: &mut Vec<u8>,
        visit: &mut impl FnMut(Field<'_>),
    ) -> Result<(), Error> {
        let index = input.integer(first, 7)? as usize;
        let (name, value) = match static_table::entry(index) {
            Some((name, value)) => {
                count.add(name.len(), value.len())?;
                (name, value)
            }
            None => {
                let index = dynamic_index(index)?;
                let (name_len, value_len) = self.table.lens(index).ok_or(Error::IndexOutOfRange)?;
                count.add(name_len, value_len)?;
                self.table.field(index, scratch).ok_or(Error::IndexOutOfRange)?
            }
        };
        if count.is_within() {
            visit(Field { name, value, never_indexed: false });
        }
        Ok(())
    }

    fn decode_literal(
        &mut self,
        first: u8,
        input: &mut Reader<'_>,
        count: &mut Count,
        scratch: &mut Vec<u8>,
        visit: &mut impl FnMut(Field<'_>),
    ) -> Result<(), Error> {
        let is_inserted = first >= 0x40;
        let name = match input.integer(first, if is_inserted { 6 } else { 4 })? as usize {
            0 => decode_string(&input.string()?, scratch)?,
            index => self.name(index, scratch)?,
        };
        let value = decode_string(&input.string()?, scratch)?;
        count.add(name.len(), value.len())?;
        let (name, value) = (name.bytes(scratch), value.bytes(scratch));
        if count.is_within() {
            // [hpack:6.2.3-never-indexed] RFC 7541 §6.2.3: an intermediary has to know.
            visit(Field { name, value, never_indexed: first & 0xf0 == 0x10 });
        }
        if is_inserted {
            self.table.insert(name, value);
        }
        Ok(())
    }

    /// Returns the name of an entry. A name of the dynamic table is copied, because the field may evict
    /// it (§4.4).
    fn name<'a>(&self, index: usize, scratch: &mut Vec<u8>) -> Result<Text<'a>, Error> {
        if let Some((name, _)) = static_table::entry(index) {
            return Ok(Text::Borrowed(name));
        }
        let index = dynamic_index(index)?;
        let start = scratch.len();
        // [hpack:4.4-name-survives] RFC 7541 §4.4: the name is kept while its entry may be evicted.
        self.table.copy_name(index, scratch).ok_or(Error::IndexOutOfRange)?;
        Ok(Text::Scratch(start..scratch.len()))
    }
}

/// Shows the state without the contents of the table.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("limits", &self.limits)
            .field("table_bytes_max", &self.table_bytes_max)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Returns the index of an entry of the dynamic table, counted from 0.
fn dynamic_index(index: usize) -> Result<usize, Error> {
    // [hpack:6.1-index-zero] RFC 7541 §6.1: 0 is no index.
    // [hpack:2.3.3-range] RFC 7541 §2.3.3: beyond both tables is an error; the dynamic one knows its end.
    match index.checked_sub(static_table::LEN) {
        Some(nth @ 1..) => Ok(nth.saturating_sub(1)),
        Some(0) | None => Err(Error::IndexZero),
    }
}

fn decode_string<'a>(string: &Encoded<'a>, scratch: &mut Vec<u8>) -> Result<Text<'a>, Error> {
    if !string.is_huffman {
        return Ok(Text::Borrowed(string.bytes));
    }
    let start = scratch.len();
    huffman::decode(string.bytes, scratch)?;
    Ok(Text::Scratch(start..scratch.len()))
}

/// A text of the block or the static table, or where it lies in the scratch vector.
enum Text<'a> {
    Borrowed(&'a [u8]),
    Scratch(Range<usize>),
}

impl Text<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Scratch(range) => range.len(),
        }
    }

    fn bytes<'s>(&'s self, scratch: &'s [u8]) -> &'s [u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Scratch(range) => scratch.get(range.clone()).unwrap_or_default(),
        }
    }
}
