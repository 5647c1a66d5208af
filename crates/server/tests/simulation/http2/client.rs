//! A client of HTTP/2 on a stage.

use std::collections::BTreeMap;
use std::sync::Arc;

use sockeye_http::{HeaderName, HeaderValue, Method};
use sockeye_http2::{
    Config, Connection, EndStream, ErrorCode, Event, FieldBlock, FieldBuffer, FieldReader, Limits,
    RequestLine, ResetCause, StreamId,
};
use sockeye_simnet::Peer;

use crate::simulation::stage::Stage;

/// The answer on a stream, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: bool,
    pub(crate) reset: Option<ErrorCode>,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) protocol: Connection,
    pub(crate) out: Vec<u8>,
    reader: FieldReader<FieldBuffer>,
    pub(crate) got: BTreeMap<StreamId, Got>,
    /// The server goes away, with this code.
    pub(crate) goaway: Option<ErrorCode>,
    /// Content is not given back to the server's windows.
    pub(crate) withholds: bool,
}

impl Client {
    pub(crate) fn connect(stage: &mut Stage) -> Self {
        Self::with_window(stage, Limits::DEFAULT.window_bytes)
    }

    /// A client that takes so many bytes of each stream.
    pub(crate) fn with_window(stage: &mut Stage, window_bytes: u32) -> Self {
        let mut limits = Limits::DEFAULT;
        limits.window_bytes = window_bytes;
        let config = Arc::new(Config { limits, ..Config::default() });
        let mut out = Vec::new();
        let protocol = Connection::client(&config, &mut out);
        let mut client = Self {
            peer: stage.net.connect().expect("it listens"),
            protocol,
            out,
            reader: FieldReader::default(),
            got: BTreeMap::new(),
            goaway: None,
            withholds: false,
        };
        client.pump(stage);
        client.pump(stage);
        client
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&'static str, &str)],
        end: EndStream,
    ) -> StreamId {
        let protocol = (method == "CONNECT").then_some("websocket");
        self.ask((method, path, protocol), fields, end)
    }

    pub(crate) fn ask(
        &mut self,
        (method, path, protocol): (&str, &str, Option<&str>),
        fields: &[(&'static str, &str)],
        end: EndStream,
    ) -> StreamId {
        let line = RequestLine {
            method: Method::new(method).expect("a method"),
            scheme: "http",
            authority: "sim",
            path,
            protocol,
        };
        let block = fields.iter().fold(FieldBlock::new(), |to, (name, value)| {
            to.field(HeaderName::from_static(name), HeaderValue::new(value).expect("a value"))
        });
        let stream = self.protocol.request(&line, &block, end, &mut self.out).expect("it is open");
        self.got.insert(stream, Got::default());
        stream
    }

    /// GET, and a turn.
    pub(crate) fn get(&mut self, stage: &mut Stage, path: &str) -> StreamId {
        let stream = self.send("GET", path, &[], EndStream::Yes);
        self.pump(stage);
        stream
    }

    /// Opens a WebSocket.
    pub(crate) fn web_socket(&mut self, stage: &mut Stage, path: &str) -> StreamId {
        let stream = self.send("CONNECT", path, &[("Sec-WebSocket-Version", "13")], EndStream::No);
        self.pump(stage);
        assert_eq!(self.got[&stream].status, 200);
        stream
    }

    /// Sends content, as far as the windows allow. Returns how much.
    pub(crate) fn write(&mut self, stream: StreamId, bytes: &[u8], end: EndStream) -> usize {
        let mut sent = 0;
        loop {
            let rest = &bytes[sent..];
            let len = rest.len().min(self.protocol.send_capacity(stream)).min(16_384);
            if len == 0 && !rest.is_empty() {
                return sent;
            }
            let is_last = len == rest.len();
            let ends = if is_last { end } else { EndStream::No };
            if len > 0 || ends == EndStream::Yes {
                let head = self.protocol.write_data_head(stream, len, ends, &mut self.out);
                head.expect("there is room");
                self.out.extend_from_slice(&rest[..len]);
            }
            sent += len;
            if is_last {
                return sent;
            }
        }
    }

    /// Sends what waits, lets the server work, and takes its bytes in.
    pub(crate) fn pump(&mut self, stage: &mut Stage) {
        self.peer.write(&core::mem::take(&mut self.out));
        stage.turns();
        self.take_in();
    }

    pub(crate) fn take_in(&mut self) {
        let Some(mut bytes) = self.peer.read(usize::MAX) else { return };
        let mut input = &mut bytes[..];
        let Self { protocol, reader, out, got, goaway, withholds, .. } = self;
        while let Some(event) = protocol.receive(&mut input, reader, out).expect("a good server") {
            match event {
                Event::Response { stream, status, end_stream } => {
                    let of = got.entry(stream).or_default();
                    (of.status, of.ended) = (status.code(), end_stream);
                    for line in reader.fields.lines() {
                        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                        of.fields.insert(text(line.name), text(line.value));
                    }
                }
                Event::Data { stream, data, end_stream } => {
                    let len = data.len();
                    assert!(len <= 16_384);
                    let of = got.entry(stream).or_default();
                    of.body.extend_from_slice(data);
                    of.ended |= end_stream;
                    if !*withholds {
                        protocol.consumed(stream, len, out);
                    }
                }
                Event::Reset { stream, cause: ResetCause::Peer(code) } => {
                    got.entry(stream).or_default().reset = Some(code);
                }
                Event::Reset { cause: ResetCause::Fault(error), .. } => panic!("{error}"),
                Event::Goaway { code, .. } => *goaway = Some(code),
                Event::Interim { stream, status } => {
                    got.entry(stream).or_default().status = status.code();
                }
                Event::Trailers { .. }
                | Event::Writable { .. }
                | Event::Settings
                | Event::Pong(_)
                | Event::Request { .. }
                | Event::HeadTooLarge { .. }
                | Event::Draining => {}
            }
        }
    }

    /// Takes what came on a stream.
    pub(crate) fn take(&mut self, stream: StreamId) -> Vec<u8> {
        core::mem::take(&mut self.got.get_mut(&stream).expect("a stream").body)
    }
}

/// A masked frame of a client.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | u8::try_from(len).expect("small")),
        len @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(len).expect("small").to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
