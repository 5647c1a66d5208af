//! Batches of records: entries as bytes of a topic.
//!
//! ```text
//!  base offset │ length │ leader epoch │ magic 2 │ CRC │ attributes │ last offset delta │ … │ count │ records
//!       8          4           4            1       4        2               4            30     4
//! ```

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use crate::range::{Entry, position};

/// The bytes of a batch besides its records, and those of a record besides its entry, at the most.
pub(crate) const BATCH_BYTES: usize = 61;
const RECORD_BYTES: usize = 35;

/// Before the attributes: what a batch of any version has.
const PREFIX: usize = 12;

/// The bit of batches that mark the end of a transaction, and those of a compression.
pub(crate) const IS_CONTROL: i16 = 1 << 5;
pub(crate) const COMPRESSION: i16 = 0b111;

/// The records of a compressed batch that are told as empty entries. A batch that says that it has more is a hole.
const COMPRESSED_RECORDS_MAX: i32 = 1 << 20;

/// The bytes of the largest entry, where batches have this bound.
pub(crate) const fn entry_bytes_max(batch_bytes_max: usize) -> usize {
    batch_bytes_max.saturating_sub(BATCH_BYTES + RECORD_BYTES)
}

/// The bytes that an entry takes in a batch, at the most.
pub(crate) const fn record_bytes(entry_bytes: usize) -> usize {
    entry_bytes + RECORD_BYTES
}

/// The bytes of records for which a batch has room.
pub(crate) const fn room(batch_bytes_max: usize) -> usize {
    batch_bytes_max.saturating_sub(BATCH_BYTES)
}

/// One batch of entries.
pub(crate) fn encode(entries: &[Arc<[u8]>]) -> Bytes {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
    let timestamp = i64::try_from(now).unwrap_or(i64::MAX);
    let record = |(number, entry): (i32, &Arc<[u8]>)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: number.into(),
        // The crate begins a batch where this does not follow the offset. The first one's says that there is none.
        sequence: number - 1,
        timestamp,
        key: None,
        value: Some(Bytes::from_owner(Arc::clone(entry))),
        headers: Default::default(),
    };
    let records: Vec<Record> = (0..).zip(entries).map(record).collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options)
        .expect("a batch is far below two gigabytes");
    bytes.freeze()
}

/// The bytes are no batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads batches: the entries from an offset on, and the offset behind all that was read. The last batch may be cut off.
pub(crate) fn decode(mut bytes: &[u8], from: i64) -> Result<(Vec<Entry>, i64), Malformed> {
    let (mut entries, mut next) = (Vec::new(), from);
    while let Some((batch, rest)) = split(bytes)? {
        let last = decode_one(batch, from, &mut entries)?;
        next = next.max(last.saturating_add(1));
        bytes = rest;
    }
    Ok((entries, next))
}

/// A batch, and the bytes behind it.
pub(crate) type Split<'b> = (&'b [u8], &'b [u8]);

/// Splits the first batch off; `None` if there is none, or a part of one.
pub(crate) fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, Malformed> {
    let Some(length) = bytes.get(8..PREFIX) else { return Ok(None) };
    let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    Ok(bytes.split_at_checked(PREFIX.saturating_add(length)))
}

/// Reads one batch. The offset of its last record.
fn decode_one(batch: &[u8], from: i64, entries: &mut Vec<Entry>) -> Result<i64, Malformed> {
    let base = i64::from_be_bytes(field(batch, 0)?);
    let [magic] = field(batch, 16)?;
    if magic != 2 {
        // A message of Kafka before 0.11, which nobody appends here.
        entries.extend((base >= from).then(|| (position(base), Arc::from([]))));
        return Ok(base);
    }
    let attributes = i16::from_be_bytes(field(batch, 21)?);
    let delta = i32::from_be_bytes(field(batch, 23)?);
    let last = base.checked_add(delta.into()).filter(|last| *last >= base).ok_or(Malformed)?;
    let is_compressed = attributes & COMPRESSION != 0;
    if attributes & IS_CONTROL != 0 || is_compressed && delta >= COMPRESSED_RECORDS_MAX {
        return Ok(last);
    }
    if is_compressed {
        let offsets = base.max(from)..=last;
        entries.extend(offsets.map(|offset| (position(offset), Arc::from([]))));
        return Ok(last);
    }
    let mut records = Reader(batch.get(BATCH_BYTES..).ok_or(Malformed)?);
    for _ in 0..i32::from_be_bytes(field(batch, 57)?) {
        let (delta, entry) = records.record()?;
        let offset = base.saturating_add(delta);
        if offset >= from {
            entries.push((position(offset), entry.into()));
        }
    }
    Ok(last)
}

/// Bytes of a batch at a fixed place.
pub(crate) fn field<const N: usize>(batch: &[u8], at: usize) -> Result<[u8; N], Malformed> {
    batch.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Malformed)
}

/// Reads numbers and bytes of records.
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl<'b> Reader<'b> {
    /// The offset of a record behind the batch's first one, and its value, which is empty if there is none.
    fn record(&mut self) -> Result<(i64, &'b [u8]), Malformed> {
        let length = self.number()?;
        let mut record = Reader(self.take(length)?);
        record.take(1)?;
        record.number()?;
        let delta = record.number()?;
        let key = record.number()?;
        record.take(key.max(0))?;
        let value = record.number()?;
        Ok((delta, record.take(value.max(0))?))
    }

    /// The next bytes.
    pub(crate) fn take(&mut self, length: i64) -> Result<&'b [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number in groups of seven bits, the lowest first, with the sign in its lowest bit.
    pub(crate) fn number(&mut self) -> Result<i64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { return Err(Malformed) };
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let half = i64::try_from(number >> 1).expect("63 bits");
                return Ok(if number & 1 == 0 { half } else { !half });
            }
        }
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(sizes: &[usize]) -> Vec<Arc<[u8]>> {
        (0_u8..).zip(sizes).map(|(byte, size)| vec![byte; *size].into()).collect()
    }

    /// Batches as a topic has them: the broker sets the base offset.
    fn stored(base: i64, entries: &[Arc<[u8]>]) -> Vec<u8> {
        let mut batch = encode(entries).to_vec();
        batch[..8].copy_from_slice(&base.to_be_bytes());
        batch
    }

    fn sizes(read: &[Entry]) -> Vec<(u64, usize)> {
        read.iter().map(|(at, entry)| (at.number, entry.len())).collect()
    }

    #[test]
    fn what_is_written_is_read_as_one_batch() {
        let written = entries(&[0, 1, 63, 64, 8_191, 8_192, 70_000]);
        let bytes = stored(41, &written);
        assert_eq!(split(&bytes).map(|it| it.map(|(_, rest)| rest.len())), Ok(Some(0)));
        let (read, next) = decode(&bytes, 41).expect("batches");
        assert_eq!(next, 48);
        assert_eq!(
            read.iter().map(|(at, _)| at.number).collect::<Vec<_>>(),
            [42, 43, 44, 45, 46, 47, 48]
        );
        assert!(read.iter().map(|(_, entry)| entry).eq(&written));
        let bound =
            room(usize::MAX) - written.iter().map(|it| record_bytes(it.len())).sum::<usize>();
        assert!(bytes.len() <= usize::MAX - bound, "bounds hold");
    }

    #[test]
    fn an_entry_at_the_bound_fits() {
        let batch_bytes_max = 100_000;
        let bytes = encode(&entries(&[entry_bytes_max(batch_bytes_max)]));
        assert!(bytes.len() <= batch_bytes_max, "{}", bytes.len());
    }

    #[test]
    fn reading_begins_inside_of_a_batch_and_ends_where_one_is_cut_off() {
        let mut bytes = stored(10, &entries(&[1, 2, 3]));
        bytes.extend(stored(20, &entries(&[4])));
        let whole = bytes.len();
        bytes.extend(stored(21, &entries(&[5])));
        for cut in whole..bytes.len() {
            let (read, next) = decode(&bytes[..cut], 12).expect("batches");
            assert_eq!((sizes(&read), next), (vec![(13, 3), (21, 4)], 21), "{cut}");
        }
        assert_eq!(decode(&[], 7), Ok((vec![], 7)));
    }

    #[test]
    fn ends_of_transactions_are_holes_and_what_cannot_be_read_is_empty() {
        let mut control = stored(5, &entries(&[9]));
        control[22] |= 0x20;
        assert_eq!(decode(&control, 5), Ok((vec![], 6)), "the number jumps");
        let mut compressed = stored(5, &entries(&[9, 9, 9]));
        compressed[22] |= 4;
        let (read, next) = decode(&compressed, 6).expect("a batch");
        assert_eq!((sizes(&read), next), (vec![(7, 0), (8, 0)], 8));
        compressed[23..27].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(decode(&compressed, 6).map(|(read, _)| read.len()), Ok(0), "no memory");
        let mut old = stored(5, &entries(&[9]));
        old[16] = 1;
        let (read, next) = decode(&old, 5).expect("a message");
        assert_eq!((sizes(&read), next), (vec![(6, 0)], 6));
    }

    /// Bytes that are none, and declared lengths, cost no memory and no panic.
    #[test]
    fn batches_that_are_none_are_refused() {
        let batch = stored(5, &entries(&[9, 9]));
        for at in 0..batch.len() {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut bytes = batch.clone();
                bytes[at] = byte;
                let read = decode(&bytes, 0).map_or(0, |(read, _)| read.len());
                assert!(read <= 2, "{at} {byte}");
            }
        }
        for count in [3, i32::MAX] {
            let mut more = batch.clone();
            more[57..61].copy_from_slice(&count.to_be_bytes());
            assert_eq!(decode(&more, 0), Err(Malformed));
        }
        let mut negative = batch;
        negative[8] = 0xff;
        assert_eq!(decode(&negative, 0), Err(Malformed));
    }
}
