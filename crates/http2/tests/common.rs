//! One end of a connection, and its peer as bytes.

use std::sync::Arc;

use sockeye_hpack::write_field;
use sockeye_http2::frame::{
    Flags, Frame, FrameHead, FrameKind, HEAD_BYTES, Setting, SettingId, Settings,
};
use sockeye_http2::{
    Config, Connection, ErrorCode, Event, FieldBuffer, FieldReader, Limits, PREFACE, ResetCause,
    StreamId,
};

/// A connection under test. Events and frames are told as short texts.
pub(crate) struct Rig {
    pub(crate) connection: Connection,
    pub(crate) reader: FieldReader<FieldBuffer>,
    pub(crate) out: Vec<u8>,
}

pub(crate) fn id(stream: u32) -> StreamId {
    StreamId::new(stream)
}

pub(crate) fn config(change: impl FnOnce(&mut Limits)) -> Arc<Config> {
    let mut config = Config::default();
    change(&mut config.limits);
    Arc::new(config)
}

impl Rig {
    /// A server that has read nothing.
    pub(crate) fn fresh_server(config: &Arc<Config>) -> Self {
        let mut out = vec![];
        let connection = Connection::server(config, &mut out);
        Self { connection, reader: FieldReader::new(FieldBuffer::new()), out }
    }

    pub(crate) fn fresh_client(config: &Arc<Config>) -> Self {
        let mut out = vec![];
        let connection = Connection::client(config, &mut out);
        Self { connection, reader: FieldReader::new(FieldBuffer::new()), out }
    }

    /// A server behind the exchange of settings.
    pub(crate) fn server_with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut rig = Self::fresh_server(&config(change));
        let mut bytes = PREFACE.to_vec();
        bytes.extend(settings(&[]));
        bytes.extend(frame(Frame::SettingsAck));
        assert_eq!(rig.feed(bytes), ["settings"]);
        rig.said();
        rig
    }

    pub(crate) fn server() -> Self {
        Self::server_with(|_| {})
    }

    /// A client behind the exchange of settings.
    pub(crate) fn client() -> Self {
        let mut rig = Self::fresh_client(&config(|_| {}));
        rig.out.drain(..PREFACE.len());
        let mut bytes = settings(&[(SettingId::ENABLE_CONNECT_PROTOCOL, 1)]);
        bytes.extend(frame(Frame::SettingsAck));
        assert_eq!(rig.feed(bytes), ["settings"]);
        rig.said();
        rig
    }

    /// Reads bytes; an error is the last text.
    pub(crate) fn feed(&mut self, mut bytes: Vec<u8>) -> Vec<String> {
        let mut told = vec![];
        let mut input = &mut bytes[..];
        loop {
            match self.connection.receive(&mut input, &mut self.reader, &mut self.out) {
                Ok(Some(event)) => told.push(tell(&event)),
                Ok(None) => break,
                Err(error) => {
                    told.push(format!("! {}", error.code()));
                    break;
                }
            }
        }
        assert!(input.is_empty(), "all input is taken");
        told
    }

    /// The frames in the output, which is cleared.
    pub(crate) fn said(&mut self) -> Vec<String> {
        self.connection.output_sent();
        let out = std::mem::take(&mut self.out);
        frames(&out).iter().map(|(head, payload)| say(*head, payload)).collect()
    }
}

/// Cuts whole frames out of bytes.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(FrameHead, Vec<u8>)> {
    let mut all = vec![];
    while let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() {
        let head = FrameHead::parse(*head);
        let (payload, rest) = rest.split_at(head.len as usize);
        all.push((head, payload.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "whole frames");
    all
}

fn say(head: FrameHead, payload: &[u8]) -> String {
    let flags = head.flags;
    let end =
        |stream: StreamId, end| if end { format!("{stream} end") } else { stream.to_string() };
    match Frame::parse(head, payload).expect("our frames are in order") {
        Frame::Data { stream, end_stream, data } => {
            format!("DATA {} {}", end(stream, end_stream), data.len())
        }
        Frame::Headers { stream, end_stream, .. } => format!("HEADERS {}", end(stream, end_stream)),
        Frame::RstStream { stream, code } => format!("RST_STREAM {stream} {code}"),
        Frame::Settings(_) => "SETTINGS".to_owned(),
        Frame::SettingsAck => "SETTINGS ack".to_owned(),
        Frame::Ping { ack, .. } => {
            format!("PING {}", if ack { "ack" } else { "" }).trim().to_owned()
        }
        Frame::Goaway { last, code, .. } => format!("GOAWAY {last} {code}"),
        Frame::WindowUpdate { stream, increment } => format!("WINDOW_UPDATE {stream} {increment}"),
        Frame::Continuation { stream, .. } => {
            format!("CONTINUATION {stream} {}", flags.has(Flags::END_HEADERS))
        }
        other => panic!("never sent: {other:?}"),
    }
}

fn tell(event: &Event<'_>) -> String {
    let end = |end| if end { " end" } else { "" };
    match event {
        Event::Request { stream, end_stream } => format!("request {stream}{}", end(*end_stream)),
        Event::HeadTooLarge { stream, end_stream } => {
            format!("too large {stream}{}", end(*end_stream))
        }
        Event::Interim { stream, status } => format!("interim {stream} {status}"),
        Event::Response { stream, status, end_stream } => {
            format!("response {stream} {status}{}", end(*end_stream))
        }
        Event::Data { stream, data, end_stream } => {
            format!("data {stream} {}{}", data.len(), end(*end_stream))
        }
        Event::Trailers { stream } => format!("trailers {stream}"),
        Event::Reset { stream, cause: ResetCause::Peer(code) } => format!("reset {stream} {code}"),
        Event::Reset { stream, cause: ResetCause::Fault(error) } => {
            format!("fault {stream} {}", error.code())
        }
        Event::Writable { stream } => format!("writable {stream}"),
        Event::Settings => "settings".to_owned(),
        Event::Pong(_) => "pong".to_owned(),
        Event::Goaway { last, code } => format!("goaway {last} {code}"),
        Event::Draining => "draining".to_owned(),
    }
}

// Frames of the peer.

pub(crate) fn frame(frame: Frame<'_>) -> Vec<u8> {
    let mut bytes = vec![];
    frame.write(&mut bytes);
    bytes
}

/// Any frame, wrong ones included.
pub(crate) fn raw(kind: FrameKind, flags: Flags, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    let mut bytes = vec![];
    FrameHead { len, kind, flags, stream: id(stream) }.write(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn settings(all: &[(SettingId, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        all.iter().flat_map(|(id, value)| Setting::new(*id, *value).to_bytes()).collect();
    frame(Frame::Settings(Settings::new(&payload)))
}

pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![];
    for (name, value) in fields {
        write_raw(&mut block, name.as_bytes(), value.as_bytes());
    }
    block
}

/// A literal without Huffman coding, as no encoder of ours would write it: upper case stays.
fn write_raw(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if name.iter().any(u8::is_ascii_uppercase) || name.is_empty() {
        out.extend([0, u8::try_from(name.len()).unwrap()]);
        out.extend_from_slice(name);
        out.push(u8::try_from(value.len()).unwrap());
        out.extend_from_slice(value);
    } else {
        write_field(out, name, value);
    }
}

pub(crate) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/")];
pub(crate) const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "https"), (":authority", "a.example"), (":path", "/p")];

pub(crate) fn headers(stream: u32, end_stream: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    let block = &block(fields);
    let stream = id(stream);
    frame(Frame::Headers { stream, end_stream, end_headers: true, priority: None, block })
}

/// A request without content.
pub(crate) fn get(stream: u32) -> Vec<u8> {
    headers(stream, true, &GET)
}

/// A request whose content follows.
pub(crate) fn post(stream: u32) -> Vec<u8> {
    headers(stream, false, &POST)
}

pub(crate) fn data(stream: u32, end_stream: bool, data: &[u8]) -> Vec<u8> {
    frame(Frame::Data { stream: id(stream), end_stream, data })
}

pub(crate) fn rst(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(Frame::RstStream { stream: id(stream), code })
}

pub(crate) fn update(stream: u32, increment: u32) -> Vec<u8> {
    frame(Frame::WindowUpdate { stream: id(stream), increment })
}

pub(crate) fn ping() -> Vec<u8> {
    frame(Frame::Ping { ack: false, payload: [7; 8] })
}
