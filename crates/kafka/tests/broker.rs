//! Stand-ins for brokers of Kafka: threads of this process that speak the protocol, and keep one topic in memory.
//!
//! They do what the protocol's description says, and what a test tells them. Real servers are asked by the cluster suite.

mod answers;
mod group;
mod log;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ProduceRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable as _, Encodable, HeaderVersion, Request as _};
use sockeye_kafka::{KafkaConfig, KafkaEngine, KafkaLimits};

use self::group::Group;
pub(crate) use self::log::Log;

/// A cluster of stand-ins.
#[derive(Clone)]
pub(crate) struct Brokers {
    state: Arc<(Mutex<State>, Condvar)>,
    pub(crate) ports: Vec<u16>,
}

/// What the brokers have, and how they behave.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) topic: Option<Log>,
    /// The topic is created again right behind the next append.
    pub(crate) recreates: bool,
    /// How many topics there were.
    created: u128,
    /// The broker that leads the topic, and the one that creates it.
    pub(crate) leader: i32,
    pub(crate) controller: i32,
    /// The leaders of its partitions, if they are not all the same one. All partitions have the same records.
    pub(crate) leaders: Vec<i32>,
    /// Behind the next answer all records are deleted, and one that came meanwhile. The answer says it, too.
    pub(crate) deletes: bool,
    /// The fate of the request behind the next append. The append is answered when that request has come.
    pub(crate) behind: Option<Behind>,
    /// The API keys of the requests that came behind an append.
    pub(crate) followed: Vec<i16>,
    ports: Vec<u16>,
    /// The newest version of a request that they know.
    pub(crate) versions: BTreeMap<i16, i16>,
    /// The error with which a request is answered.
    pub(crate) errors: BTreeMap<i16, i16>,
    /// The user and the password that may log in.
    pub(crate) login: Option<(String, String)>,
    /// The keys and the versions of requests that came.
    pub(crate) asked: Vec<(i16, i16)>,
    clients: Vec<TcpStream>,
    pub(crate) group: Group,
}

/// The fate of a request behind an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    Answered,
    Unanswered,
}

impl Brokers {
    /// Starts brokers with the numbers from 1 on. The first one leads.
    pub(crate) fn start(count: usize) -> Self {
        let listeners: Vec<TcpListener> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let port = |it: &TcpListener| it.local_addr().expect("it is bound").port();
        let ports: Vec<u16> = listeners.iter().map(port).collect();
        let state = State { leader: 1, controller: 1, ports: ports.clone(), ..State::default() };
        let brokers = Self { state: Arc::new((Mutex::new(state), Condvar::new())), ports };
        for (id, listener) in (1..).zip(listeners) {
            let brokers = brokers.clone();
            thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let (brokers, other) = (brokers.clone(), client.try_clone());
                    brokers.lock().clients.push(other.expect("a socket"));
                    thread::spawn(move || brokers.serve(id, client));
                }
            });
        }
        brokers
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().expect("no test goes on after a panic")
    }

    /// Changes something, and wakes who waits for entries.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.state.1.notify_all();
    }

    /// Waits until something changes.
    fn wait<'s>(&self, state: MutexGuard<'s, State>, wait: Duration) -> MutexGuard<'s, State> {
        self.state.1.wait_timeout(state, wait).expect("no test goes on after a panic").0
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        for client in self.lock().clients.drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// The configuration of an engine that asks one of them first.
    pub(crate) fn config(&self, broker: usize, options: &str) -> KafkaConfig {
        let url = format!("kafka://127.0.0.1:{}/log{options}", self.ports[broker]);
        let mut limits = KafkaLimits::default();
        limits.patience_ms = 1_000;
        KafkaConfig::from_url(&url).expect("a URL").with_limits(limits)
    }

    /// An engine that asks the first of them first.
    pub(crate) fn engine(&self) -> KafkaEngine {
        KafkaEngine::open(self.config(0, "")).expect("a thread")
    }

    /// Answers requests in their order, until the connection is closed.
    fn serve(&self, broker: i32, mut client: TcpStream) {
        while let Some(request) = receive(&mut client) {
            let is_append = request.starts_with(&ProduceRequest::KEY.to_be_bytes());
            let behind = is_append.then(|| self.lock().behind.take()).flatten();
            let mut requests = vec![request];
            if let Some(behind) = behind {
                let Some(next) = receive(&mut client) else { return };
                self.lock().followed.push(i16::from_be_bytes([next[0], next[1]]));
                requests.extend((behind == Behind::Answered).then_some(next));
            }
            for request in requests {
                let Some(answer) = self.answer(broker, request) else { return };
                if client.write_all(&answer).is_err() {
                    return;
                }
            }
        }
    }

    /// The frame that answers a request; `None` closes the connection.
    fn answer(&self, broker: i32, mut request: Bytes) -> Option<BytesMut> {
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (key, version) = (number(0), number(2));
        let header = answers::header_version(key, version)?;
        let header = RequestHeader::decode(&mut request, header).expect("a header");
        self.lock().asked.push((key, version));
        let mut frame = BytesMut::zeroed(4);
        self.answer_to(broker, (key, version), request, &mut |answer_header| {
            let answer = ResponseHeader::default().with_correlation_id(header.correlation_id);
            let mut bytes = BytesMut::new();
            answer.encode(&mut bytes, answer_header).expect("a header");
            bytes
        })
        .map(|body| {
            frame.extend_from_slice(&body);
            let length = u32::try_from(frame.len() - 4).expect("a short answer");
            frame[..4].copy_from_slice(&length.to_be_bytes());
            frame
        })
    }
}

/// The next request; `None` if the connection is closed.
fn receive(client: &mut TcpStream) -> Option<Bytes> {
    let mut length = [0; 4];
    client.read_exact(&mut length).ok()?;
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    client.read_exact(&mut request).ok()?;
    Some(request.into())
}

/// Writes an answer behind its header.
fn write<A: Encodable + HeaderVersion>(
    answer: &A,
    version: i16,
    header: &mut dyn FnMut(i16) -> BytesMut,
) -> BytesMut {
    let mut bytes = header(A::header_version(version));
    answer.encode(&mut bytes, version).expect("an answer");
    bytes
}
