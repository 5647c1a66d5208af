//! Requests of the crate `kafka-protocol` on plain sockets: batches of records, and fetches that wait.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{FetchRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record,
    RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use sockeye_backbone::Engine;
use sockeye_kafka::{KafkaConfig, KafkaEngine};

use super::{ENTRY_BYTES, SAMPLES, Ways};
use crate::kafka::{Foreign, KafkaServer};
use crate::server::LogServer as _;

/// The records of a batch, and the bytes of an answer: as many as the engine has.
const BATCH: usize = 1_024;
const FETCH_BYTES: i32 = 4 << 20;

/// How long a fetch waits at the server. Tansu looks again only when the time is over. It answers without a look where
/// that is too short, so a fetch behind an empty answer waits longer.
const WAIT_MS: i32 = 1;
const WAIT_MS_MAX: i32 = 250;

/// The versions of the requests.
const PRODUCE: i16 = 9;
const FETCH: i16 = 12;

impl Ways for KafkaServer {
    const PLAIN: &'static str = "requests of the crate `kafka-protocol` on plain sockets";

    fn process_id(&self) -> String {
        self.process_id()
    }

    fn delete(&self, log: &str) {
        self.client().delete(log);
    }

    fn engine(&self, log: &str) -> Box<dyn Engine> {
        let config = KafkaConfig::from_url(&format!("{}/{log}", self.url())).expect("a URL");
        Box::new(KafkaEngine::open(config).expect("a thread"))
    }

    /// A writer and a reader, each on a connection and a thread of its own. One batch is under way at a time: the engine has
    /// no more at a server that does not compare the topic.
    fn plain(&self, log: &str, entries: usize) {
        self.create(log);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = self.client();
                let mut left = entries;
                while left > 0 {
                    let count = left.min(BATCH);
                    produce(&mut writer, log, count);
                    left -= count;
                }
            });
            let (mut reader, mut read) = (self.client(), 0);
            while read < entries {
                read += fetch(&mut reader, log, read, WAIT_MS);
            }
        });
    }

    fn plain_latency(&self, log: &str, in_flight: usize) -> Vec<Duration> {
        self.create(log);
        let (mut writer, mut reader) = (self.client(), self.client());
        let (mut sent, mut times, mut offset) = (VecDeque::new(), Vec::new(), 0);
        let mut wait_ms = WAIT_MS;
        while times.len() < SAMPLES {
            let count = in_flight - sent.len();
            sent.extend((0..count).map(|_| Instant::now()));
            if count > 0 {
                produce(&mut writer, log, count);
            }
            let read = fetch(&mut reader, log, offset, wait_ms);
            wait_ms = if read > 0 { WAIT_MS } else { (wait_ms * 2).min(WAIT_MS_MAX) };
            offset += read;
            times.extend(sent.drain(..read).map(|at: Instant| at.elapsed()));
        }
        times.truncate(SAMPLES);
        times
    }
}

impl KafkaServer {
    fn create(&self, topic: &str) {
        assert_eq!(self.client().create(topic, 1, &[]), 0);
    }
}

/// Appends records, and waits until they are taken.
fn produce(client: &mut Foreign, topic: &str, count: usize) {
    let partition = PartitionProduceData::default().with_records(Some(batch(count)));
    let topic =
        TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![partition]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(5_000).with_topic_data(vec![topic]);
    let answer = client.ask(&request, PRODUCE).expect("an answer");
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
}

/// Reads on from an offset, and says how many records came.
fn fetch(client: &mut Foreign, topic: &str, from: usize, wait_ms: i32) -> usize {
    let partition = FetchPartition::default()
        .with_fetch_offset(i64::try_from(from).expect("a small number"))
        .with_partition_max_bytes(FETCH_BYTES);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(FETCH_BYTES)
        .with_topics(vec![topic]);
    let answer = client.ask(&request, FETCH).expect("an answer");
    let partition = answer.responses.first().and_then(|topic| topic.partitions.first());
    let Some(mut records) = partition.and_then(|it| it.records.clone()) else { return 0 };
    let sets = RecordBatchDecoder::decode_all(&mut records).expect("batches");
    // A batch comes whole, also from its middle.
    let from = i64::try_from(from).expect("a small number");
    sets.iter().flat_map(|set| &set.records).filter(|record| record.offset >= from).count()
}

fn batch(count: usize) -> Bytes {
    let entry = Bytes::from_static(&[b'x'; ENTRY_BYTES]);
    let record = |number: i32| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: number.into(),
        // As the offset goes on; the first one's says that there is none.
        sequence: number - 1,
        timestamp: 0,
        key: None,
        value: Some(entry.clone()),
        headers: Default::default(),
    };
    let count = i32::try_from(count).expect("a small number");
    let records: Vec<Record> = (0..count).map(record).collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).expect("a small batch");
    bytes.freeze()
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.into()))
}
