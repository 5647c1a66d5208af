//! Records of batches that tests write, and that kafka-python has written.

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
    sealed(bytes)
}

/// The batch with the checksum of its bytes.
fn sealed(mut batch: Vec<u8>) -> Vec<u8> {
    if let Some(checked) = batch.get(CHECKED..) {
        let sum = crc32c::crc32c(checked).to_be_bytes();
        batch[CHECKED - 4..CHECKED].copy_from_slice(&sum);
    }
    batch
}

/// Bounds that no test reaches by accident.
const WIDE: Bounds = Bounds { batch_bytes_max: 1 << 20, room: 1 << 20 };

/// All that is found, with its offset: the value of a record, or why there is none.
fn all(
    bytes: &[u8],
    from: i64,
    aborted: &[Aborted],
    bounds: &mut Bounds,
) -> (Vec<(i64, String)>, i64) {
    let mut all = Vec::new();
    let next = read(bytes, from, aborted, bounds, &mut |found| {
        all.push(match found {
            Found::Record(record) => {
                let value = record.value.unwrap_or(b"-");
                (record.offset, String::from_utf8_lossy(value).into_owned())
            }
            Found::Flaw(offset, why) => (offset, why.into_owned()),
        });
    });
    (all, next.expect("batches").0)
}

fn values(bytes: &[u8], from: i64, aborted: &[Aborted]) -> (Vec<(i64, String)>, i64) {
    all(bytes, from, aborted, &mut WIDE.clone())
}

fn plain<'t>(values: &[&'t [u8]]) -> Vec<Given<'t>> {
    values.iter().map(|it| (None, Some(*it))).collect()
}

#[test]
fn records_have_keys_values_and_headers() {
    let bytes = batch(7, -1, 0, &[(Some(b"k"), Some(b"v")), (None, None)]);
    let mut records = 0;
    let next = read(&bytes, 7, &[], &mut WIDE.clone(), &mut |found| {
        let Found::Record(record) = found else { panic!("{found:?}") };
        let expected = [(7, Some(&b"k"[..]), Some(&b"v"[..])), (8, None, None)][records];
        assert_eq!((record.offset, record.key, record.value), expected);
        assert_eq!(record.headers, [(&b"kind"[..], &b"paid"[..])]);
        records += 1;
    });
    assert_eq!((next, records), (Ok((9, None)), 2), "the second one is a tombstone");
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
    let named = |it: &[(i64, &str)]| it.iter().map(|(at, it)| (*at, (*it).to_owned())).collect();
    let kept: Vec<_> = named(&[(2, "c"), (3, "d"), (6, "e")]);
    assert_eq!(values(&bytes, 0, &[(5, 0)]), (kept, 8));
    let kept: Vec<_> = named(&[(6, "e")]);
    assert_eq!(values(&bytes, 4, &[(5, 0)]), (kept, 8), "reading goes on behind it");
}

/// Batches that kafka-python has written: three records each (`tests/golden/make.py`).
const GOLDEN: [(&str, &[u8]); 8] = [
    ("none", include_bytes!("../../../tests/golden/none.bin")),
    ("gzip", include_bytes!("../../../tests/golden/gzip.bin")),
    ("snappy", include_bytes!("../../../tests/golden/snappy.bin")),
    ("snappy-raw", include_bytes!("../../../tests/golden/snappy-raw.bin")),
    ("lz4", include_bytes!("../../../tests/golden/lz4.bin")),
    ("lz4-linked", include_bytes!("../../../tests/golden/lz4-linked.bin")),
    ("zstd", include_bytes!("../../../tests/golden/zstd.bin")),
    ("zstd-stream", include_bytes!("../../../tests/golden/zstd-stream.bin")),
];

#[test]
fn batches_of_other_clients_are_read() {
    let expected: Vec<_> =
        (0..3_u8).map(|at| (i64::from(at), format!("{at} {}", "paid ".repeat(20)))).collect();
    for (name, bytes) in GOLDEN {
        assert_eq!(values(bytes, 0, &[]), (expected.clone(), 3), "{name}");
        assert_eq!(values(bytes, 2, &[]), (expected[2..].to_vec(), 3), "{name} from within");
        for cut in 0..bytes.len() {
            assert_eq!(values(&bytes[..cut], 0, &[]), (vec![], 0), "{name} to {cut}");
        }
        let mut damaged = bytes.to_vec();
        *damaged.last_mut().expect("bytes") ^= 1;
        let read = read(&damaged, 0, &[], &mut WIDE.clone(), &mut |it| panic!("{name}: {it:?}"));
        assert_eq!(read, Err(Unreadable::Checksum), "{name}");
    }
}

#[test]
fn a_batch_that_unpacks_to_too_much_is_one_flaw() {
    for (name, bytes) in GOLDEN {
        let unpacked = GOLDEN[0].1.len() - BATCH_BYTES;
        for (batch_bytes_max, is_read) in [(unpacked, true), (unpacked - 1, name == "none")] {
            let (found, next) = all(bytes, 0, &[], &mut Bounds { batch_bytes_max, ..WIDE });
            let flaw = vec![(0, TOO_LARGE.to_owned())];
            assert_eq!((found == flaw, next), (!is_read, 3), "{name} {batch_bytes_max} {found:?}");
        }
        let mut narrow = Bounds { batch_bytes_max: 0, ..WIDE };
        if name != "none" {
            let flaw = (vec![(1, TOO_LARGE.to_owned())], 3);
            assert_eq!(all(bytes, 1, &[], &mut narrow), flaw, "the flaw is where reading is");
        }
    }
}

#[test]
fn a_window_of_zstd_that_is_too_large_is_named_with_its_bound() {
    // No segment of its own, and a window of 128 MiB.
    let frame = [&0xfd2f_b528_u32.to_le_bytes()[..], &[0, 17 << 3, 1, 0, 0]].concat();
    let mut bytes = batch(5, -1, 4, &[]);
    bytes.extend(&frame);
    let length = u32::try_from(bytes.len() - 12).expect("short");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[23..27].copy_from_slice(&[0; 4]);
    let (found, next) = all(&sealed(bytes), 0, &[], &mut WIDE.clone());
    let [(5, why)] = &*found else { panic!("{found:?}") };
    assert_eq!(next, 6);
    assert!(
        why.contains(
            "zstd in a window of 134217728 bytes, and a source holds windows of up to 8388608"
        ),
        "{why}"
    );
}

#[test]
fn reading_ends_where_there_is_no_room_and_goes_on_there() {
    let bytes = [batch(0, -1, 0, &plain(&[b"a", b"b", b"c"])), batch(3, -1, 0, &plain(&[b"d"]))];
    let (mut from, mut read) = (0, Vec::new());
    for _ in 0..4 {
        let (found, next) = all(&bytes.concat(), from, &[], &mut Bounds { room: 1, ..WIDE });
        assert_eq!((found.len(), next), (1, from + 1), "one record at a time");
        read.extend(found);
        from = next;
    }
    assert_eq!(read, values(&bytes.concat(), 0, &[]).0);
    let none = all(&bytes.concat(), 0, &[], &mut Bounds { room: 0, ..WIDE });
    assert_eq!(none, (vec![], 0));
}

/// Records behind those for which there was room are read without their batch.
#[test]
fn what_is_left_of_a_batch_is_read_where_reading_ended() {
    let plain = batch(3, -1, 0, &plain(&[b"a", b"b", b"c"]));
    for bytes in GOLDEN.map(|(_, bytes)| bytes).into_iter().chain([&plain[..]]) {
        let mut offsets = Vec::new();
        let mut found = |found: Found<'_>| match found {
            Found::Record(record) => offsets.push(record.offset),
            Found::Flaw(..) => panic!("{found:?}"),
        };
        let is_packed = bytes[22] != 0;
        let mut bounds = Bounds { room: 1 + if is_packed { UNPACK_BYTES } else { 0 }, ..WIDE };
        let (first, rest) = read(bytes, 0, &[], &mut bounds, &mut found).expect("a batch");
        let mut rest = rest.expect("two records are left");
        let none = rest.read(&mut 0, &mut found);
        let second = rest.read(&mut 1, &mut found);
        assert!(!rest.is_read(), "one is left");
        let third = rest.read(&mut 1, &mut found);
        assert!(rest.is_read());
        assert_eq!([none, second, third], [first, first + 1, first + 2]);
        assert_eq!(offsets, [first - 1, first, first + 1]);
    }
    let mut more = plain;
    more[60] = 4;
    let mut bounds = Bounds { room: 1, ..WIDE };
    let read = read(&sealed(more), 3, &[], &mut bounds, &mut |_| {});
    let (_, rest) = read.expect("a batch");
    let mut flaws = Vec::new();
    let end = rest.expect("records are left").read(&mut 1_000, &mut |found| {
        if let Found::Flaw(offset, why) = found {
            flaws.push((offset, why));
        }
    });
    assert_eq!((flaws, end), (vec![(6, NO_RECORDS.into())], 6));
}

#[test]
fn what_can_never_be_read_is_a_flaw_and_what_may_be_is_told() {
    let bytes = |attributes| batch(5, -1, attributes, &plain(&[b"a"]));
    for (attributes, why) in [(7, UNKNOWN), (1, NO_RECORDS), (4, NO_RECORDS)] {
        assert_eq!(values(&bytes(attributes), 0, &[]), (vec![(5, why.into())], 6));
    }
    let mut more = batch(5, -1, 0, &plain(&[b"a", b"b"]));
    more[60] = 3;
    let (found, next) = values(&sealed(more), 0, &[]);
    assert_eq!((&found[2], next), (&(7, NO_RECORDS.to_owned()), 7), "behind those that are there");
    let mut old = bytes(0);
    old[16] = 1;
    let old = read(&old, 0, &[], &mut WIDE.clone(), &mut |it| panic!("{it:?}"));
    assert_eq!(old, Err(Unreadable::Old));
}

/// The bytes that were read are freed, and a long batch that was not compressed is not kept at all.
#[test]
fn what_is_left_of_a_batch_holds_no_more_than_that() {
    let mut all = Vec::with_capacity(5_000);
    all.extend([7; 1_000]);
    for records in [Cow::Borrowed(&all.clone()[..]), Cow::Owned(all)] {
        let kept = Vec::from(left(records, 900));
        assert_eq!((kept.len(), kept.capacity()), (100, 100));
    }
    let bytes = batch(0, -1, 0, &plain(&[b"a", b"b", b"c"]));
    let record = (bytes.len() - BATCH_BYTES) / 3;
    for (batch_bytes_max, is_kept) in [(2 * record, true), (2 * record - 1, false)] {
        let mut bounds = Bounds { room: 1, batch_bytes_max };
        let (next, rest) = read(&bytes, 0, &[], &mut bounds, &mut |_| {}).expect("a batch");
        assert_eq!((next, rest.is_some()), (1, is_kept));
    }
}

#[test]
fn a_damaged_batch_is_told_once_all_before_it_is_read() {
    let (transactional, end) = (IS_TRANSACTIONAL, IS_TRANSACTIONAL | IS_CONTROL);
    let mut damaged = batch(1, 5, 0, &plain(&[b"b"]));
    // Were it part of a transaction that was taken back, it would be passed over.
    damaged[22] ^= u8::try_from(transactional).expect("a low bit");
    // The key of a control record that is longer than its batch.
    let mut control = batch(1, 5, end, &[(Some(&[0, 0, 0, 0]), None)]);
    control[BATCH_BYTES + 4] = 100;
    let mut negative = batch(1, -1, 0, &plain(&[b"b"]));
    negative[8..12].copy_from_slice(&(-1_i32).to_be_bytes());
    for (bad, why) in [
        (damaged, Unreadable::Checksum),
        (sealed(control), Unreadable::Malformed),
        (negative, Unreadable::Malformed),
    ] {
        let bytes = [batch(0, -1, 0, &plain(&[b"a"])), bad, batch(2, -1, 0, &plain(&[b"c"]))];
        let bytes = bytes.concat();
        assert_eq!(values(&bytes, 0, &[(5, 0)]), (vec![(0, "a".into())], 1));
        let again = read(&bytes, 1, &[(5, 0)], &mut WIDE.clone(), &mut |it| panic!("{it:?}"));
        assert_eq!(again, Err(why));
    }
}

#[test]
fn a_compressed_batch_takes_room_however_little_it_holds() {
    let [.., (_, bytes)] = GOLDEN;
    // Three records, five times.
    let bytes = bytes.repeat(5);
    let mut bounds = Bounds { room: 3 * UNPACK_BYTES + 10 * MESSAGE_BYTES + 1_000, ..WIDE };
    let mut batches = 0;
    let _ = read(&bytes, 0, &[], &mut bounds, &mut |found| {
        batches += usize::from(matches!(found, Found::Record(Record { offset: 0, .. })));
    });
    assert_eq!((batches, bounds.room), (3, 0));
}

/// Bytes that are none cost no panic, with and without a checksum that fits.
#[test]
fn damaged_batches_give_no_more_than_they_have() {
    for (name, whole) in GOLDEN {
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.to_vec();
                bytes[at] = byte;
                let mut found = 0;
                let _ = read(&bytes, 0, &[], &mut WIDE.clone(), &mut |_| found += 1);
                assert!(found <= 3, "{name} {at} {byte}");
                let _ = read(&sealed(bytes), 0, &[], &mut WIDE.clone(), &mut |_| found += 1);
                assert!(found <= 64, "{name} {at} {byte}");
            }
        }
    }
}
