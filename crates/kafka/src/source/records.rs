//! Records of a topic as its producers have written them: with keys and headers, and without what transactions took back.

use crate::batch::{BATCH_BYTES, COMPRESSION, IS_CONTROL, Malformed, Reader, field, split};

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

/// A transaction that was taken back: its producer, and its first offset.
pub(super) type Aborted = (i64, i64);

/// Why records cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The bytes are no batches.
    Malformed,
    /// A batch is compressed.
    Compressed(&'static str),
    /// A batch has the form of Kafka before 0.11.
    Old,
}

impl From<Malformed> for Unreadable {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Reads batches: the records from an offset on, and the offset behind all that was read. The last batch may be cut off.
pub(super) fn read<'b>(
    mut bytes: &'b [u8],
    from: i64,
    aborted: &[Aborted],
    into: &mut Vec<Record<'b>>,
) -> Result<i64, Unreadable> {
    let mut transactions = Transactions::new(aborted);
    let mut next = from;
    while let Some((batch, rest)) = split(bytes)? {
        let last = read_one(batch, from, &mut transactions, into)?;
        next = next.max(last.saturating_add(1));
        bytes = rest;
    }
    Ok(next)
}

/// Reads one batch. The offset of its last record.
fn read_one<'b>(
    batch: &'b [u8],
    from: i64,
    transactions: &mut Transactions,
    into: &mut Vec<Record<'b>>,
) -> Result<i64, Unreadable> {
    if field(batch, 16)? != [2] {
        return Err(Unreadable::Old);
    }
    let base = i64::from_be_bytes(field(batch, 0)?);
    let attributes = i16::from_be_bytes(field(batch, 21)?);
    let delta = i32::from_be_bytes(field(batch, 23)?);
    let last = base.checked_add(delta.into()).filter(|last| *last >= base).ok_or(Malformed)?;
    let producer = i64::from_be_bytes(field(batch, 43)?);
    transactions.reach(last);
    let is_control = attributes & IS_CONTROL != 0;
    let is_taken_back = attributes & IS_TRANSACTIONAL != 0 && transactions.has(producer);
    if !is_control && (last < from || is_taken_back) {
        return Ok(last);
    }
    match attributes & COMPRESSION {
        0 => {}
        1 => return Err(Unreadable::Compressed("gzip")),
        2 => return Err(Unreadable::Compressed("snappy")),
        3 => return Err(Unreadable::Compressed("lz4")),
        4 => return Err(Unreadable::Compressed("zstd")),
        _ => return Err(Unreadable::Malformed),
    }
    let mut records = Reader(batch.get(BATCH_BYTES..).ok_or(Malformed)?);
    for _ in 0..i32::from_be_bytes(field(batch, 57)?) {
        let record = record(&mut records, base)?;
        if is_control {
            transactions.end(producer, record.key.unwrap_or_default());
        } else if record.offset >= from {
            into.push(record);
        }
    }
    Ok(last)
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
        headers.push((name, bytes(&mut record)?.unwrap_or_default()));
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
mod tests {
    use super::*;

    /// A number as records have it.
    fn number(value: i64, into: &mut Vec<u8>) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            into.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        into.push(u8::try_from(rest).expect("seven bits"));
    }

    fn text(value: Option<&[u8]>, into: &mut Vec<u8>) {
        number(value.map_or(-1, |it| i64::try_from(it.len()).expect("short")), into);
        into.extend(value.unwrap_or_default());
    }

    type Given<'t> = (Option<&'t [u8]>, Option<&'t [u8]>);

    /// A batch of keys and values, each with a header.
    fn batch(base: i64, producer: i64, attributes: i16, records: &[Given<'_>]) -> Vec<u8> {
        let mut body = Vec::new();
        for (delta, (key, value)) in (0..).zip(records) {
            let mut record = vec![0];
            number(0, &mut record);
            number(delta, &mut record);
            text(*key, &mut record);
            text(*value, &mut record);
            number(1, &mut record);
            text(Some(b"kind"), &mut record);
            text(Some(b"paid"), &mut record);
            number(i64::try_from(record.len()).expect("short"), &mut body);
            body.extend(record);
        }
        let count = i32::try_from(records.len()).expect("few");
        let mut bytes = base.to_be_bytes().to_vec();
        bytes.extend(i32::try_from(BATCH_BYTES - 12 + body.len()).expect("short").to_be_bytes());
        bytes.extend([0, 0, 0, 0, 2, 0, 0, 0, 0]);
        bytes.extend(attributes.to_be_bytes());
        bytes.extend((count - 1).to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend(producer.to_be_bytes());
        bytes.extend([0; 6]);
        bytes.extend(count.to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn values(bytes: &[u8], from: i64, aborted: &[Aborted]) -> (Vec<(i64, String)>, i64) {
        let mut records = Vec::new();
        let next = read(bytes, from, aborted, &mut records).expect("batches");
        let value =
            |it: &Record<'_>| String::from_utf8_lossy(it.value.unwrap_or(b"-")).into_owned();
        (records.iter().map(|it| (it.offset, value(it))).collect(), next)
    }

    fn plain<'t>(values: &[&'t [u8]]) -> Vec<Given<'t>> {
        values.iter().map(|it| (None, Some(*it))).collect()
    }

    #[test]
    fn records_have_keys_values_and_headers() {
        let bytes = batch(7, -1, 0, &[(Some(b"k"), Some(b"v")), (None, None)]);
        let mut records = Vec::new();
        assert_eq!(read(&bytes, 7, &[], &mut records), Ok(9));
        let headers = vec![(&b"kind"[..], &b"paid"[..])];
        assert_eq!(
            (records[0].offset, records[0].key, records[0].value),
            (7, Some(&b"k"[..]), Some(&b"v"[..]))
        );
        assert_eq!(records[0].headers, headers);
        assert_eq!(
            (records[1].offset, records[1].key, records[1].value),
            (8, None, None),
            "a tombstone"
        );
        assert_eq!(values(&bytes, 8, &[]), (vec![(8, "-".into())], 9), "from within");
        let cut = [bytes.clone(), bytes[..40].to_vec()].concat();
        assert_eq!(values(&cut, 7, &[]).1, 9);
    }

    #[test]
    fn transactions_that_were_taken_back_are_passed_over() {
        let (transactional, end) = (IS_TRANSACTIONAL, IS_TRANSACTIONAL | IS_CONTROL);
        let mark = |kind: u8| vec![0, 0, 0, kind];
        let (abort, commit) = (mark(0), mark(1));
        let bytes = [
            batch(0, 5, transactional, &plain(&[b"a", b"b"])),
            batch(2, 6, transactional, &plain(&[b"c"])),
            batch(3, -1, 0, &plain(&[b"d"])),
            batch(4, 5, end, &[(Some(&abort), Some(b"x"))]),
            batch(5, 6, end, &[(Some(&commit), Some(b"x"))]),
            batch(6, 5, transactional, &plain(&[b"e"])),
            batch(7, 5, end, &[(Some(&commit), Some(b"x"))]),
        ]
        .concat();
        let named =
            |it: &[(i64, &str)]| it.iter().map(|(at, it)| (*at, (*it).to_owned())).collect();
        let kept: Vec<_> = named(&[(2, "c"), (3, "d"), (6, "e")]);
        assert_eq!(values(&bytes, 0, &[(5, 0)]), (kept, 8));
        let kept: Vec<_> = named(&[(6, "e")]);
        assert_eq!(values(&bytes, 4, &[(5, 0)]), (kept, 8), "reading goes on behind it");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let bytes = |attributes| batch(0, -1, attributes, &plain(&[b"a"]));
        let fails = |bytes: &[u8]| read(bytes, 0, &[], &mut Vec::new()).expect_err("unreadable");
        assert_eq!(fails(&bytes(1)), Unreadable::Compressed("gzip"));
        assert_eq!(fails(&bytes(7)), Unreadable::Malformed);
        let mut old = bytes(0);
        old[16] = 1;
        assert_eq!(fails(&old), Unreadable::Old);
        let whole = bytes(0);
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let mut records = Vec::new();
                let _ = read(&bytes, 0, &[], &mut records);
                assert!(records.len() <= 1, "{at} {byte}");
            }
        }
    }
}
