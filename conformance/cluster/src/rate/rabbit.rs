//! Bytes of AMQP on plain sockets: messages that are confirmed, and a consumer that acknowledges them.

use std::collections::VecDeque;
use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_amqp::{AmqpConfig, AmqpEngine};
use sockeye_backbone::Engine;

use super::{ENTRY_BYTES, SAMPLES, Ways};
use crate::rabbit::RabbitServer;

/// The messages that wait for their confirmations, those that wait to be acknowledged, and those of one write.
const FLIGHT: usize = 4_096;
const PREFETCH: u16 = 512;
const BATCH: usize = 64;

/// The methods that are sent and awaited: class and number.
const PUBLISH: [u8; 4] = [0, 60, 0, 40];
const DELIVER: [u8; 4] = [0, 60, 0, 60];
const ACK: [u8; 4] = [0, 60, 0, 80];

impl Ways for RabbitServer {
    const PLAIN: &'static str = "bytes of AMQP on plain sockets";

    fn process_id(&self) -> String {
        self.process_id()
    }

    fn delete(&self, log: &str) {
        self.client().delete(log);
    }

    fn engine(&self, log: &str) -> Box<dyn Engine> {
        let url = format!("amqp://127.0.0.1:{}?stream={log}", self.port());
        Box::new(AmqpEngine::open(AmqpConfig::from_url(&url).expect("a URL")).expect("a thread"))
    }

    /// A publisher and a reader, each on a connection and a thread of its own.
    fn plain(&self, log: &str, entries: usize) {
        self.client().declare(log, "\"x-queue-type\":\"stream\"");
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut publisher = Connection::publishing(self.port());
                let (mut sent, mut confirmed) = (0, 0);
                while confirmed < entries {
                    let batch = BATCH.min(entries - sent);
                    if batch > 0 && sent + batch <= confirmed + FLIGHT {
                        publisher.send(&message(log).repeat(batch));
                        sent += batch;
                    } else {
                        confirmed = publisher.confirmed();
                    }
                }
            });
            let mut reader = Connection::reading(self.port(), log);
            (0..entries).for_each(|_| reader.read());
        });
    }

    fn plain_latency(&self, log: &str, in_flight: usize) -> Vec<Duration> {
        self.client().declare(log, "\"x-queue-type\":\"stream\"");
        let mut publisher = Connection::publishing(self.port());
        let mut reader = Connection::reading(self.port(), log);
        let (mut sent, mut times) = (VecDeque::new(), Vec::with_capacity(SAMPLES));
        while times.len() < SAMPLES {
            while sent.len() < in_flight {
                publisher.send(&message(log));
                sent.push_back(Instant::now());
            }
            reader.read();
            times.push(sent.pop_front().expect("it was sent").elapsed());
        }
        times
    }
}

/// A connection with one channel.
struct Connection {
    socket: TcpStream,
    arrived: BufReader<TcpStream>,
    /// Deliveries that were not acknowledged.
    read: usize,
}

impl Connection {
    fn open(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
        socket.set_nodelay(true).expect("a socket");
        let arrived = BufReader::new(socket.try_clone().expect("a socket"));
        let mut connection = Self { socket, arrived, read: 0 };
        connection.send(b"AMQP\0\0\x09\x01");
        // Start, StartOk; Tune, TuneOk without a heartbeat, Open; OpenOk.
        let start = b"\0\x0a\0\x0b\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US";
        connection.ask(&frame(1, 0, start), [0, 10, 0, 30]);
        let tune = frame(1, 0, b"\0\x0a\0\x1f\x01\0\0\x02\0\0\0\0");
        let open = frame(1, 0, b"\0\x0a\0\x28\x01/\0\0");
        connection.ask(&[tune, open].concat(), [0, 10, 0, 41]);
        connection.ask(&frame(1, 1, b"\0\x14\0\x0a\0"), [0, 20, 0, 11]);
        connection
    }

    fn publishing(port: u16) -> Self {
        let mut connection = Self::open(port);
        connection.ask(&frame(1, 1, b"\0\x55\0\x0a\0"), [0, 85, 0, 11]);
        connection
    }

    /// A consumer from the first entry on.
    fn reading(port: u16, log: &str) -> Self {
        let mut connection = Self::open(port);
        let qos = [&[0, 60, 0, 10, 0, 0, 0, 0][..], &PREFETCH.to_be_bytes(), &[0]].concat();
        connection.ask(&frame(1, 1, &qos), [0, 60, 0, 11]);
        let mut consume = vec![0, 60, 0, 20, 0, 0];
        consume.extend(short(log));
        consume.extend(*b"\0\0\0\0\0\x1a\x0fx-stream-offsetS\0\0\0\x05first");
        connection.ask(&frame(1, 1, &consume), [0, 60, 0, 21]);
        connection
    }

    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server reads");
    }

    fn ask(&mut self, bytes: &[u8], answer: [u8; 4]) {
        self.send(bytes);
        self.wait(answer);
    }

    /// The fields of the next method of a kind.
    fn wait(&mut self, method: [u8; 4]) -> Vec<u8> {
        loop {
            let (kind, payload) = self.frame();
            if kind == 1 && payload.starts_with(&method) {
                return payload[4..].to_vec();
            }
        }
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 7];
        self.arrived.read_exact(&mut head).expect("the server goes on");
        let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; length as usize + 1];
        self.arrived.read_exact(&mut payload).expect("the server goes on");
        payload.pop();
        (head[0], payload)
    }

    /// How many messages are confirmed, once the next ones are.
    fn confirmed(&mut self) -> usize {
        number(&self.wait(ACK))
    }

    /// Takes the next message.
    fn read(&mut self) {
        let delivery = self.wait(DELIVER);
        let tag = &delivery[1 + usize::from(delivery[0])..][..8];
        // Its header and its body.
        let (_, header) = self.frame();
        assert_eq!(number(&header[4..]), ENTRY_BYTES);
        self.frame();
        self.read += 1;
        if self.read == BATCH {
            self.read = 0;
            self.send(&frame(1, 1, &[&ACK[..], tag, &[1]].concat()));
        }
    }
}

fn number(bytes: &[u8]) -> usize {
    let number = u64::from_be_bytes(*bytes.first_chunk().expect("eight bytes"));
    usize::try_from(number).expect("a small number")
}

/// A message for a queue: its method, its header and its body.
fn message(log: &str) -> Vec<u8> {
    let mut publish = [&PUBLISH[..], &[0, 0, 0]].concat();
    publish.extend(short(log));
    publish.push(0);
    let size = (ENTRY_BYTES as u64).to_be_bytes();
    let header = [&[0, 60, 0, 0][..], &size, &[0, 0]].concat();
    [frame(1, 1, &publish), frame(2, 1, &header), frame(3, 1, &[b'x'; ENTRY_BYTES])].concat()
}

fn short(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short name");
    [&[length][..], text.as_bytes()].concat()
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &length, payload, &[206]].concat()
}
