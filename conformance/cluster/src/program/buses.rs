//! Sources on buses whose programs are not Redis and PostgreSQL: what `sources.rs` does to those.

use std::fmt::Write as _;
use std::path::Path;

use super::sources::{Feed, once, refused, shared};
use super::{CHANNEL, Check, assert_once};
use crate::kafka::KafkaServer;
use crate::nats::{NatsServer, member};
use crate::proxy::Proxy;
use crate::server::LogServer;

/// The checks, for a program that has the drivers.
pub(crate) const CHECKS: &[Check] = &[
    ("program: consumer: messages come once and in order while all is killed and cut", |program| {
        once(program, &mut Consumer::new());
    }),
    ("program: consumer: two nodes take turns while they are killed", |program| {
        shared(program, &mut Consumer::new());
    }),
    ("program: consumer: what is wrong with it is named, and can be mended", wrong_consumer),
];

/// The checks on Tansu.
pub(crate) const KAFKA_CHECKS: &[Check] = &[
    ("program: topic: records come once and in order while all is killed and cut", |program| {
        once(program, &mut Topic::new());
    }),
    ("program: topic: two nodes take turns while they are killed", |program| {
        shared(program, &mut Topic::new());
    }),
    ("program: topic: one that is missing is named, and can be made", missing_topic),
];

/// A consumer of a stream of NATS.
struct Consumer {
    server: NatsServer,
    proxy: Proxy,
}

impl Consumer {
    fn new() -> Self {
        let server = NatsServer::start();
        server.set_stream("CREATE", "NUMBERS", "\"subjects\":[\"numbers.>\"]");
        let proxy = Proxy::to(server.port);
        Self { server, proxy }
    }

    fn told(&self, name: &str) -> Option<u64> {
        member(&self.server.client().ask("$JS.API.CONSUMER.INFO.NUMBERS.sockeye", "")?, name)
    }
}

impl Feed for Consumer {
    fn settings(&self) -> &'static str {
        "channel = \"{subject.2}\"\n"
    }

    fn url(&self) -> String {
        let port = self.proxy.port;
        format!("nats://127.0.0.1:{port}?stream=NUMBERS&subject=numbers.*")
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn server(&mut self) -> &mut dyn LogServer {
        &mut self.server
    }

    /// Between the messages are others, which the consumer does not have.
    fn add(&mut self, first: u32, last: u32) {
        let mut client = self.server.client();
        for number in first..=last {
            let other = format!("numbers.not.{}", number % 7);
            for subject in [&format!("numbers.{CHANNEL}"), &other] {
                let taken = client.ask(subject, &number.to_string()).expect("an answer");
                assert!(member(&taken, "seq").is_some_and(|it| it > 0), "{taken}");
            }
        }
    }

    fn left(&self) -> u32 {
        let both = Option::zip(self.told("num_ack_pending"), self.told("num_pending"));
        both.and_then(|(one, other)| u32::try_from(one + other).ok()).unwrap_or(u32::MAX)
    }
}

/// A topic of Kafka: the channel's numbers are in one partition, and others in two more.
struct Topic {
    server: KafkaServer,
    proxy: Proxy,
    added: [i64; 3],
}

const TOPIC: &str = "numbers";

/// The compressions of its batches, which take turns.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

impl Topic {
    fn new() -> Self {
        let topic = Self::missing();
        topic.create();
        topic
    }

    fn missing() -> Self {
        let server = KafkaServer::start();
        let proxy = Proxy::to(server.port);
        Self { server, proxy, added: [0; 3] }
    }

    fn create(&self) {
        assert_eq!(self.server.client().create(TOPIC, 3, &[]), 0);
    }
}

impl Feed for Topic {
    fn settings(&self) -> &'static str {
        "channel = \"{key}\"\n"
    }

    fn url(&self) -> String {
        format!("kafka://127.0.0.1:{}?topic={TOPIC}", self.proxy.port)
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn server(&mut self) -> &mut dyn LogServer {
        &mut self.server
    }

    /// Tansu keeps them in memory.
    fn keeps(&self) -> bool {
        false
    }

    /// A member that was killed is waited for, for six seconds.
    fn rounds(&self) -> u32 {
        6
    }

    /// Batches with each compression, by a foreign producer.
    fn add(&mut self, first: u32, last: u32) {
        let key = |partition, number: u32| match partition {
            0 => CHANNEL.to_owned(),
            _ => format!("other:{}", number % 7),
        };
        let mut lines = String::new();
        let numbers: Vec<u32> = (first..=last).collect();
        for (batch, codec) in numbers.chunks(60).zip(CODECS.into_iter().cycle()) {
            for (partition, number) in (0..3).flat_map(|it| batch.iter().map(move |of| (it, *of))) {
                let key = key(partition, number);
                writeln!(lines, "{codec} {partition} {key} {number}").expect("a text grows");
            }
        }
        self.server.produce_packed(TOPIC, &lines);
        self.added.iter_mut().for_each(|added| *added += i64::from(last - first + 1));
    }

    fn left(&self) -> u32 {
        let committed = self.server.client().committed("sockeye", TOPIC, 3);
        let left = self.added.iter().zip(committed).map(|(added, it)| added - it.max(0));
        u32::try_from(left.sum::<i64>()).expect("no more are acknowledged than there are")
    }
}

fn missing_topic(program: &Path) {
    let mut feed = Topic::missing();
    let (_node, mut follower) = refused(program, &feed, "has no topic");
    feed.create();
    feed.add(1, 100);
    assert_once(&follower.wait_for(100), 100);
}

fn wrong_consumer(program: &Path) {
    let mut feed = Consumer::new();
    let set = |ack: &str| {
        let config = format!(
            "{{\"stream_name\":\"NUMBERS\",\"config\":{{\"durable_name\":\"sockeye\",\"ack_policy\":\"{ack}\",\
             \"deliver_policy\":\"all\",\"filter_subject\":\"numbers.*\",\"max_deliver\":-1}}}}"
        );
        feed.server.api("CONSUMER.DURABLE.CREATE.NUMBERS.sockeye", &config);
    };
    set("all");
    let (_node, mut follower) = refused(program, &feed, "ack_policy is all");
    feed.server.api("CONSUMER.DELETE.NUMBERS.sockeye", "");
    feed.add(1, 100);
    assert_once(&follower.wait_for(100), 100);
}
