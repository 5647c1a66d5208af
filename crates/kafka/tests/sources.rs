//! Sources that read from several brokers, and batches that are larger than a round.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::protocol::Request as _;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sockeye_kafka::{KafkaSource, KafkaSourceConfig};
use sockeye_source::{Bus as _, Id, Message, Opened, Room};

use crate::broker::Brokers;

/// The bytes of a batch before its records.
const HEAD_BYTES: usize = 61;

/// How long a broker without records waits for some.
const WAIT: Duration = Duration::from_millis(50);

/// A batch of records with these contents, compressed with zstd.
fn batch(contents: &[Bytes]) -> Bytes {
    let record = |(number, content): (i32, &Bytes)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: number.into(),
        sequence: number - 1,
        timestamp: 0,
        key: None,
        value: Some(content.clone()),
        headers: Default::default(),
    };
    let records: Vec<Record> = (0..).zip(contents).map(record).collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let mut plain = BytesMut::new();
    RecordBatchEncoder::encode(&mut plain, &records, &options).expect("records");
    let records = compress_to_vec(&plain[HEAD_BYTES..], CompressionLevel::Fastest);
    plain.truncate(HEAD_BYTES);
    plain.extend_from_slice(&records);
    let length = u32::try_from(plain.len() - 12).expect("a short batch");
    plain[8..12].copy_from_slice(&length.to_be_bytes());
    plain[22] |= 4;
    let sum = crc32c::crc32c(&plain[21..]);
    plain[17..21].copy_from_slice(&sum.to_be_bytes());
    plain.freeze()
}

/// A source of a topic with a partition for each of these leaders. Each partition has all batches.
fn source(leaders: &[i32], batches: &[Bytes]) -> (Brokers, KafkaSource) {
    let count = leaders.iter().copied().max().expect("a leader");
    let brokers = Brokers::start(usize::try_from(count).expect("a number from 1 on"));
    brokers.change(|state| {
        let partitions = i32::try_from(leaders.len()).expect("few");
        state.set_topic(partitions, BTreeMap::new());
        state.leaders = leaders.to_vec();
        let log = state.topic.as_mut().expect("it was set");
        batches.iter().for_each(|batch| _ = log.append(batch));
    });
    let url = format!("kafka://127.0.0.1:{}?topic=log", brokers.ports[0]);
    let config = KafkaSourceConfig::from_url(&url).expect("a URL").with_patience_ms(10_000);
    let mut source = KafkaSource::new(config);
    assert_eq!(source.open(), Ok(Opened::Active));
    (brokers, source)
}

fn take(source: &mut KafkaSource, entries: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    let room = Room { entries, bytes: usize::MAX };
    let taken = source.take(room, WAIT, &mut core::iter::empty(), &mut messages);
    taken.expect("records");
    messages
}

/// The partition and the offset of a message.
fn place(message: &Message) -> (i32, i64) {
    let numbers: Vec<&str> = message.id.split('-').skip(1).collect();
    let [index, offset] = *numbers else { panic!("{} has two numbers", message.id) };
    (index.parse().expect("a number"), offset.parse().expect("a number"))
}

/// One record takes all the room of a round. The partitions are those of two brokers.
#[test]
fn each_partition_of_each_broker_has_its_turn() {
    let batches = vec![batch(&[Bytes::from(vec![0; 17 << 20])]); 2];
    let (_brokers, mut source) = source(&[1, 1, 2, 2], &batches);
    let mut places: Vec<_> =
        (0..8).flat_map(|_| take(&mut source, 1)).map(|it| place(&it)).collect();
    for round in places.chunks_mut(4) {
        round.sort_unstable();
    }
    let expected = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 1), (3, 1)];
    assert_eq!(places, expected);
}

/// The records take four rounds.
#[test]
fn a_batch_of_many_records_is_asked_for_and_unpacked_once() {
    let count = 200_000;
    let (brokers, mut source) = source(&[1], &[batch(&vec![Bytes::new(); count])]);
    let mut read = 0;
    while read < count {
        let messages = take(&mut source, 8_000);
        let ids: Vec<Id> = messages.into_iter().map(|it| it.id).collect();
        for (id, offset) in ids.iter().zip(read..) {
            assert!(id.ends_with(&format!("-0-{offset}")), "{id} {offset}");
        }
        read += ids.len();
        source.acknowledge(&ids).expect("a broker");
    }
    let asked = brokers.lock().asked.clone();
    let fetches = asked.iter().filter(|(key, _)| *key == FetchRequest::KEY).count();
    assert_eq!((read, fetches), (count, 1));
}

/// Records that came are handed over, also if their offsets are gone by then.
#[test]
fn what_waits_is_handed_over_before_the_place_moves() {
    let (brokers, mut source) = source(&[1], &[batch(&vec![Bytes::new(); 4])]);
    brokers.change(|state| state.deletes = true);
    let messages: Vec<_> = (0..4).flat_map(|_| take(&mut source, 1)).collect();
    assert_eq!(messages.iter().map(place).collect::<Vec<_>>(), [(0, 0), (0, 1), (0, 2), (0, 3)]);
}

/// A message may have been published before the session.
#[test]
fn what_is_acknowledged_before_it_is_taken_is_not_given() {
    let (_brokers, mut source) = source(&[1], &[batch(&vec![Bytes::new(); 4])]);
    let [first] = &*take(&mut source, 1) else { panic!("one has room") };
    let life = first.id.strip_suffix("-0-0").expect("the first one");
    source.acknowledge(&[format!("{life}-0-2").into()]).expect("a broker");
    let places: Vec<_> = take(&mut source, 10).iter().map(place).collect();
    assert_eq!(places, [(0, 1), (0, 3)]);
}
