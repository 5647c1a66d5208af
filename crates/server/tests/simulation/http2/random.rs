//! A client with many streams of all kinds on one connection, for the simulated world.

use std::collections::BTreeMap;
use std::sync::Arc;

use sockeye_http::Method;
use sockeye_http::{HeaderName, HeaderValue};
use sockeye_http2::{
    Config, Connection, EndStream, Event, FieldBlock, FieldBuffer, FieldReader, Limits,
    RequestLine, StreamId,
};
use sockeye_server::CloseCause;
use sockeye_simnet::{Peer, Random};

use super::client::frame;
use crate::simulation::{Client, World, app};

const VERSION: HeaderName<'static> = HeaderName::from_static("Sec-WebSocket-Version");

/// The purpose of a stream.
#[derive(Debug)]
enum Wish {
    /// The content comes back.
    Body,
    /// So many events, and the end.
    Events(u64),
    /// Everything comes back, and a Close behind it.
    Echo,
    /// An answer, or none in time.
    Held,
}

#[derive(Debug)]
struct Stream {
    wish: Wish,
    /// Content that is not sent yet.
    to_send: Vec<u8>,
    expected: Vec<u8>,
    got: Vec<u8>,
    status: u16,
    ended: bool,
}

pub(crate) struct Streams {
    peer: Peer,
    protocol: Connection,
    reader: FieldReader<FieldBuffer>,
    out: Vec<u8>,
    id: usize,
    wanted: usize,
    streams: BTreeMap<StreamId, Stream>,
    /// The server took the connection for one of HTTP/1.1.
    is_refused: bool,
    over: bool,
}

impl Streams {
    pub(crate) fn new(peer: Peer, id: usize, random: &mut Random) -> Self {
        let window_bytes = [1, 100, 5_000, 65_535][random.below(4)];
        let mut limits = Limits::DEFAULT;
        limits.window_bytes = window_bytes;
        let config = Arc::new(Config { limits, ..Config::default() });
        let mut out = Vec::new();
        Self {
            peer,
            protocol: Connection::client(&config, &mut out),
            reader: FieldReader::default(),
            out,
            id,
            wanted: 1 + random.below(6),
            streams: BTreeMap::new(),
            is_refused: false,
            over: false,
        }
    }

    /// Opens another stream. The server accepts CONNECT once its SETTINGS are here.
    fn open(&mut self, random: &mut Random) {
        let name = 1_000 * (self.id + 1) + self.streams.len();
        let mut stream = Stream {
            wish: Wish::Body,
            to_send: Vec::new(),
            expected: Vec::new(),
            got: Vec::new(),
            status: 0,
            ended: false,
        };
        let (method, path) = match random.below(6) {
            0 => {
                stream.to_send = vec![b'b'; random.below(9_000)];
                stream.expected = stream.to_send.clone();
                (Method::POST, format!("/body?{name}"))
            }
            1 => {
                stream.wish = Wish::Events(app::ENOUGH);
                (Method::GET, format!("/ending?{name}"))
            }
            2 => {
                stream.wish = Wish::Events(app::FLOOD);
                (Method::GET, format!("/flood?{name}"))
            }
            3 => {
                stream.wish = Wish::Held;
                (Method::GET, format!("/hold/{}", ["now", "soon", "never"][random.below(3)]))
            }
            _ => {
                stream.wish = Wish::Echo;
                for number in 0..random.below(8) {
                    let message =
                        vec![b'0' + u8::try_from(number).expect("small"); random.below(300)];
                    stream.to_send.extend(frame(2, &message));
                    stream.expected.extend(unmasked(2, &message));
                }
                stream.to_send.extend(frame(8, &[0x03, 0xe8]));
                stream.expected.extend(unmasked(8, &[0x03, 0xe8]));
                (Method::CONNECT, format!("/echo?{name}"))
            }
        };
        let protocol = (method == Method::CONNECT).then_some("websocket");
        let line = RequestLine { method, scheme: "http", authority: "sim", path: &path, protocol };
        let fields = FieldBlock::new().field(VERSION, HeaderValue::from_static("13"));
        let end = match stream.wish {
            Wish::Events(_) | Wish::Held => EndStream::Yes,
            Wish::Body | Wish::Echo => EndStream::No,
        };
        if let Ok(id) = self.protocol.request(&line, &fields, end, &mut self.out) {
            self.streams.insert(id, stream);
        }
    }

    /// Sends content as far as the windows allow, cut anywhere.
    fn send(&mut self, random: &mut Random) {
        for (id, stream) in &mut self.streams {
            let is_whole = stream.to_send.is_empty();
            if is_whole && !matches!(stream.wish, Wish::Body) || !self.protocol.has_stream(*id) {
                continue;
            }
            let capacity = self.protocol.send_capacity(*id).min(16_384);
            let len = stream.to_send.len().min(capacity).min(1 + random.skewed(5_000));
            let ends = len == stream.to_send.len();
            if len == 0 && !ends {
                continue;
            }
            let end = if ends { EndStream::Yes } else { EndStream::No };
            // A second end is refused.
            if self.protocol.write_data_head(*id, len, end, &mut self.out).is_ok() {
                self.out.extend(stream.to_send.drain(..len));
            }
        }
    }

    fn read(&mut self, most: usize) {
        let Some(mut bytes) = self.peer.read(most) else {
            self.over = true;
            return;
        };
        // A preface that came too late is answered as any head.
        if self.is_refused || !self.protocol.is_established() && bytes.starts_with(b"H") {
            self.is_refused = true;
            return;
        }
        let mut input = &mut bytes[..];
        let Self { protocol, reader, out, streams, .. } = self;
        while let Some(event) = protocol.receive(&mut input, reader, out).expect("a good server") {
            match event {
                Event::Response { stream, status, end_stream } => {
                    let of = streams.get_mut(&stream).expect("it was asked for");
                    (of.status, of.ended) = (status.code(), end_stream);
                }
                Event::Data { stream, data, end_stream } => {
                    let of = streams.get_mut(&stream).expect("it was asked for");
                    of.got.extend_from_slice(data);
                    of.ended |= end_stream;
                    let len = data.len();
                    protocol.consumed(stream, len, out);
                }
                _ => {}
            }
        }
        self.streams.values().for_each(Stream::check);
    }

    fn is_complete(&self) -> bool {
        self.streams.len() >= self.wanted && self.streams.values().all(|stream| stream.ended)
    }
}

/// A frame of the server.
fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(len @ 0..=125) => bytes.push(len),
        _ => {
            bytes.push(126);
            bytes.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

impl Stream {
    /// Checks the answer as far as it came.
    fn check(&self) {
        if self.status != 200 {
            return;
        }
        match self.wish {
            // Behind the echoes a drain may say something else.
            Wish::Echo | Wish::Held => {}
            Wish::Body => assert!(self.expected.starts_with(&self.got)),
            Wish::Events(_) => assert!(b":\n\n".starts_with(&self.got[..self.got.len().min(3)])),
        }
    }

    /// Everything came, in order.
    fn judge(&self) {
        assert!(self.ended, "{self:?}");
        match self.wish {
            Wish::Held => assert!(self.status == 200 || self.status == 503, "{}", self.status),
            Wish::Body | Wish::Echo => {
                assert_eq!((self.status, &self.got), (200, &self.expected));
            }
            Wish::Events(count) => {
                let text = String::from_utf8_lossy(&self.got);
                let ids: Vec<u64> = text
                    .lines()
                    .filter_map(|line| line.strip_prefix("id: "))
                    .map(|id| id.parse().expect("a number"))
                    .collect();
                assert_eq!(ids, (1..=count).collect::<Vec<_>>(), "{text}");
            }
        }
    }
}

impl Client for Streams {
    fn step(&mut self, random: &mut Random) {
        if self.streams.len() < self.wanted && self.protocol.is_established() && random.one_in(4) {
            self.open(random);
        }
        self.send(random);
        if !self.out.is_empty() {
            let len = 1 + random.skewed(self.out.len() - 1);
            let part: Vec<u8> = self.out.drain(..len).collect();
            self.peer.write(&part);
        }
        self.read(1 + random.skewed(10_000));
    }

    fn is_done(&self) -> bool {
        self.over || self.is_refused || self.is_complete()
    }

    fn wind_down(&mut self) {
        self.read(usize::MAX);
        // It opens no more, so it goes when nothing is under way.
        if self.is_done() || self.streams.values().all(|stream| stream.ended) {
            self.peer.shutdown();
        }
    }

    fn judge(&mut self, _: Option<CloseCause>, world: World) {
        if world.calm && self.streams.len() >= self.wanted {
            self.streams.values().for_each(Stream::judge);
        }
    }
}
