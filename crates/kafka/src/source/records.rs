//! Records of a topic as its producers have written them: with keys and headers, and without what transactions took back.

use std::borrow::Cow;

use bytes::{Buf as _, Bytes};

use super::codec::{Codec, Fault};
use crate::batch::{BATCH_BYTES, COMPRESSION, IS_CONTROL, Malformed, Reader, field, split};

/// Where the bytes begin that a checksum covers, which stands before them.
const CHECKED: usize = 21;

/// The headers of a record that are read. Those behind them are not.
const HEADERS_MAX: usize = 1_000;

/// The cost of a message besides its bytes, and of each of its fields.
const MESSAGE_BYTES: usize = 256;
const FIELD_BYTES: usize = 64;

/// The cost of unpacking a batch, however little it holds: a decoder has buffers of some MiB.
const UNPACK_BYTES: usize = 16 * 1024;

/// Why records can never be read.
const TOO_LARGE: &str = "its compressed batch holds more bytes than a source unpacks: have its producer send smaller batches";
const NO_RECORDS: &str = "its batch cannot be unpacked, or its records cannot be read: its producer does not write what Kafka's format asks for";
const UNKNOWN: &str =
    "its batch has a compression that a source does not know (known: gzip, snappy, lz4, zstd)";

/// The bit of batches that belong to a transaction.
const IS_TRANSACTIONAL: i16 = 1 << 4;

/// The second number of a control record's key, if the transaction was taken back.
const ABORT: [u8; 2] = [0, 0];

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record<'b> {
    pub(super) offset: i64,
    pub(super) key: Option<&'b [u8]>,
    /// The content; a tombstone has none.
    pub(super) value: Option<&'b [u8]>,
    pub(super) headers: Vec<(&'b [u8], &'b [u8])>,
}

impl Record<'_> {
    /// The bytes that its message holds, about.
    fn cost(&self) -> usize {
        let headers = self.headers.iter().map(|(name, it)| FIELD_BYTES + name.len() + it.len());
        let texts = [self.key, self.value].into_iter().flatten().map(<[u8]>::len);
        MESSAGE_BYTES + texts.sum::<usize>() + headers.sum::<usize>()
    }
}

/// A transaction that was taken back: its producer, and its first offset.
pub(super) type Aborted = (i64, i64);

/// A part of what reading finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<'b> {
    Record(Record<'b>),
    /// Records from an offset on that can never be read, and why: the rest of their batch.
    Flaw(i64, Cow<'static, str>),
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The bytes of the records of one compressed batch.
    pub(super) batch_bytes_max: usize,
    /// The cost that is left to messages. A record may exceed it, and is then the last one.
    pub(super) room: usize,
}

/// Why records cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The bytes are no batches.
    Malformed,
    /// The checksum of a batch is not that of its bytes.
    Checksum,
    /// A batch has the form of Kafka before 0.11.
    Old,
}

impl From<Malformed> for Unreadable {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The rest of a batch, for which its round had no room: its records, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    records: Bytes,
    span: Span,
}

impl Rest {
    /// Reads on while there is room. Returns the first offset that was not read.
    pub(super) fn read(&mut self, room: &mut usize, found: &mut dyn FnMut(Found<'_>)) -> i64 {
        let mut records = Reader(&self.records);
        self.span.read(&mut records, room, found);
        let left = records.0.len();
        self.records.advance(self.records.len() - left);
        self.span.next
    }

    /// Whether all records were read.
    pub(super) const fn is_read(&self) -> bool {
        self.span.left <= 0
    }
}

/// The place in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    base: i64,
    /// The first offset that was not read.
    next: i64,
    /// The last offset of the batch.
    last: i64,
    /// Records that were not looked at.
    left: i32,
}

impl Span {
    /// Reads records while there is room. One that cannot be read is a flaw, with all that is behind it.
    fn read<'b>(
        &mut self,
        records: &mut Reader<'b>,
        room: &mut usize,
        found: &mut dyn FnMut(Found<'_>),
    ) {
        while self.left > 0 {
            let before: &'b [u8] = records.0;
            let Ok(record) = record(records, self.base) else {
                flaw(self.next, NO_RECORDS.into(), room, found);
                break;
            };
            if (self.next..=self.last).contains(&record.offset) {
                if *room == 0 {
                    records.0 = before;
                    return;
                }
                self.next = record.offset.saturating_add(1);
                *room = room.saturating_sub(record.cost());
                found(Found::Record(record));
            }
            self.left -= 1;
        }
        (self.next, self.left) = (self.last.saturating_add(1), 0);
    }
}

/// The offset behind all that was read, and what is left of the batch that was read last.
pub(super) type Progress = (i64, Option<Rest>);

/// Reads batches while there is room: what is found from an offset on. The last batch may be cut off. One that is unreadable
/// ends the reading, and is an error only if nothing was read before it.
pub(super) fn read(
    mut bytes: &[u8],
    from: i64,
    aborted: &[Aborted],
    bounds: &mut Bounds,
    found: &mut dyn FnMut(Found<'_>),
) -> Result<Progress, Unreadable> {
    let mut transactions = Transactions::new(aborted);
    let (mut next, mut rest) = (from, None);
    while bounds.room > 0 {
        let (batch, behind) = match split(bytes) {
            Ok(Some(it)) => it,
            Ok(None) => break,
            Err(_) if next > from => break,
            Err(why) => return Err(why.into()),
        };
        match read_one(batch, from, &mut transactions, bounds, found) {
            Ok((end, left)) => (next, rest) = (next.max(end), left),
            Err(_) if next > from => break,
            Err(why) => return Err(why),
        }
        bytes = behind;
    }
    Ok((next, rest))
}

/// Reads one batch.
fn read_one(
    batch: &[u8],
    from: i64,
    transactions: &mut Transactions,
    bounds: &mut Bounds,
    found: &mut dyn FnMut(Found<'_>),
) -> Result<Progress, Unreadable> {
    let packed = checked(batch)?;
    let base = i64::from_be_bytes(field(batch, 0)?);
    let attributes = i16::from_be_bytes(field(batch, 21)?);
    let delta = i32::from_be_bytes(field(batch, 23)?);
    let last = base.checked_add(delta.into()).filter(|last| *last >= base).ok_or(Malformed)?;
    let producer = i64::from_be_bytes(field(batch, 43)?);
    let count = i32::from_be_bytes(field(batch, 57)?);
    transactions.reach(last);
    let is_control = attributes & IS_CONTROL != 0;
    let is_taken_back = attributes & IS_TRANSACTIONAL != 0 && transactions.has(producer);
    let end = last.saturating_add(1);
    if !is_control && (last < from || is_taken_back) {
        return Ok((end, None));
    }
    if attributes & COMPRESSION != 0 {
        bounds.room = bounds.room.saturating_sub(UNPACK_BYTES);
    }
    let mut span = Span { base, next: base.max(from), last, left: count };
    let records = unpack(packed, attributes & COMPRESSION, bounds.batch_bytes_max);
    if is_control {
        // It ends a transaction. Without that end the next transactions of its producer would be passed over.
        let mut records = Reader(records.as_ref().map_err(|_| Malformed)?);
        for _ in 0..count {
            transactions.end(producer, record(&mut records, base)?.key.unwrap_or_default());
        }
        return Ok((end, None));
    }
    let records = match records {
        Ok(records) => records,
        Err(why) => {
            flaw(span.next, why, &mut bounds.room, found);
            return Ok((end, None));
        }
    };
    let mut reader = Reader(&records);
    span.read(&mut reader, &mut bounds.room, found);
    let read = records.len() - reader.0.len();
    // An uncompressed batch may be as long as its answer: of one that is long the leader is asked again.
    let is_kept = span.left > 0 && records.len() - read <= bounds.batch_bytes_max;
    Ok((span.next, is_kept.then(|| Rest { records: left(records, read), span })))
}

/// Records behind those that were read, in no more memory than they need.
fn left(records: Cow<'_, [u8]>, read: usize) -> Bytes {
    match records {
        Cow::Borrowed(all) => all[read..].to_vec(),
        Cow::Owned(mut all) => {
            all.drain(..read);
            all.shrink_to_fit();
            all
        }
    }
    .into()
}

/// Tells that the rest of a batch can never be read.
fn flaw(next: i64, why: Cow<'static, str>, room: &mut usize, found: &mut dyn FnMut(Found<'_>)) {
    *room = room.saturating_sub(MESSAGE_BYTES);
    found(Found::Flaw(next, why));
}

/// The bytes behind the head of a batch, if its form is known and its checksum is that of its bytes.
fn checked(batch: &[u8]) -> Result<&[u8], Unreadable> {
    if field(batch, 16)? != [2] {
        return Err(Unreadable::Old);
    }
    let packed = batch.get(BATCH_BYTES..).ok_or(Malformed)?;
    if crc32c::crc32c(&batch[CHECKED..]) != u32::from_be_bytes(field(batch, CHECKED - 4)?) {
        return Err(Unreadable::Checksum);
    }
    Ok(packed)
}

/// The records of a batch; or why there are none.
fn unpack(
    packed: &[u8],
    compression: i16,
    bytes_max: usize,
) -> Result<Cow<'_, [u8]>, Cow<'static, str>> {
    let codec = match compression {
        0 => return Ok(packed.into()),
        1 => Codec::Gzip,
        2 => Codec::Snappy,
        3 => Codec::Lz4,
        4 => Codec::Zstd,
        _ => return Err(UNKNOWN.into()),
    };
    match codec.unpack(packed, bytes_max) {
        Ok(records) => Ok(records.into()),
        Err(Fault::TooLarge) => Err(TOO_LARGE.into()),
        Err(Fault::Window { bytes, bytes_max }) => Err(format!(
            "its batch is compressed with zstd in a window of {bytes} bytes, and a source holds windows of up to {bytes_max} bytes: have \
             its producer compress at a lower level, or with a smaller window"
        )
        .into()),
        Err(Fault::Broken) => Err(NO_RECORDS.into()),
    }
}

fn record<'b>(records: &mut Reader<'b>, base: i64) -> Result<Record<'b>, Malformed> {
    let length = records.number()?;
    let mut record = Reader(records.take(length)?);
    record.take(1)?;
    record.number()?;
    let offset = base.saturating_add(record.number()?);
    let (key, value) = (bytes(&mut record)?, bytes(&mut record)?);
    let mut headers = Vec::new();
    for _ in 0..record.number()? {
        let name = bytes(&mut record)?.ok_or(Malformed)?;
        let header = (name, bytes(&mut record)?.unwrap_or_default());
        if headers.len() < HEADERS_MAX {
            headers.push(header);
        }
    }
    Ok(Record { offset, key, value, headers })
}

/// Bytes behind their length; `None` behind a negative one.
fn bytes<'b>(record: &mut Reader<'b>) -> Result<Option<&'b [u8]>, Malformed> {
    match record.number()? {
        ..0 => Ok(None),
        length => record.take(length).map(Some),
    }
}

/// The transactions that were taken back, as reading reaches them.
struct Transactions {
    /// Those that are ahead, the nearest one last.
    ahead: Vec<Aborted>,
    /// The producers of those that have begun and not ended.
    open: Vec<i64>,
}

impl Transactions {
    fn new(aborted: &[Aborted]) -> Self {
        let mut ahead = aborted.to_vec();
        ahead.sort_unstable_by_key(|(_, first)| core::cmp::Reverse(*first));
        Self { ahead, open: Vec::new() }
    }

    /// Reading has reached an offset.
    fn reach(&mut self, offset: i64) {
        while let Some((producer, _)) = self.ahead.pop_if(|(_, first)| *first <= offset) {
            self.open.push(producer);
        }
    }

    fn has(&self, producer: i64) -> bool {
        self.open.contains(&producer)
    }

    /// A control record ends the transaction of a producer.
    fn end(&mut self, producer: i64, key: &[u8]) {
        if key.get(2..4) == Some(&ABORT) {
            self.open.retain(|open| *open != producer);
        }
    }
}

#[cfg(test)]
mod tests;
