//! Clients: a request, an event stream, a WebSocket.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use sockeye_handshake::{Challenge, ClientRequest};
use sockeye_http::{HeaderName, HeaderValue};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, ResponseHead, chunked};
use sockeye_sse::{Item, Parser};
use sockeye_websocket::{Assembler, Config, Connection, Event as Frame, MaskKey, Message};

use super::PATIENCE;
use crate::gunzip::Gunzip;

/// A response.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub head: String,
    pub body: String,
    /// Bytes of the body on the wire.
    pub body_bytes: usize,
}

impl Answered {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (it, value) = line.split_once(": ")?;
            it.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid time");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Reads once. A read that has a timeout may be interrupted, by a signal or where the machine pauses; that one
/// is repeated.
pub fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads a head, and gives it with what came behind it.
fn read_head(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut head_end, mut received) = (HeadEnd::for_response(), Vec::new());
    let mut buffer = [0; 4096];
    loop {
        let len = read_some(stream, &mut buffer).expect("a head in time");
        assert!(len > 0, "the server left inside a head");
        received.extend_from_slice(&buffer[..len]);
        if let Some(len) = head_end.find(&received, &Limits::DEFAULT).expect("a head") {
            let rest = received.split_off(len);
            return (String::from_utf8(received).expect("ASCII"), rest);
        }
    }
}

/// Sends a request on a connection of its own, and reads the response to its end. A body in gzip is decoded.
pub fn ask(addr: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answered {
    let mut stream = connect(addr);
    let len = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\
         Content-Length: {len}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it is read");
    let (head, mut rest) = read_head(&mut stream);
    stream.read_to_end(&mut rest).expect("an end in time");
    let status = head.get(9..12).and_then(|code| code.parse().ok()).expect("a status");
    let mut answered = Answered { status, head, body: String::new(), body_bytes: rest.len() };
    if answered.header("Content-Encoding") == Some("gzip") && method != "HEAD" {
        let mut gunzip = Gunzip::new();
        rest = gunzip.push(&rest);
        assert!(gunzip.ended, "a whole member");
    }
    answered.body = String::from_utf8(rest).expect("UTF-8");
    answered
}

/// Sends these bytes, and gives all that comes back.
pub fn raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = connect(addr);
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an end in time");
    answer
}

/// Publishes a text, and gives its position's cursor.
pub fn publish(addr: SocketAddr, channel: &str, text: &str) -> String {
    let answered = ask(addr, "POST", &format!("/v1/channels/{channel}"), "", text);
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.json()["cursor"].as_str().expect("a cursor").to_owned()
}

/// One event, as a browser would see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
    pub id: String,
}

/// An event stream, in gzip or not, that is read one event after the other.
pub struct Events {
    pub head: String,
    gunzip: Option<Gunzip>,
    /// Bytes of the body so far, those of chunks left out.
    pub body_bytes: usize,
    stream: TcpStream,
    chunks: chunked::Decoder,
    parser: Parser,
    bytes: Vec<u8>,
    ready: VecDeque<Event>,
    over: bool,
}

impl Events {
    /// Opens `target`; it has to be a stream.
    pub fn open(addr: SocketAddr, target: &str, headers: &str) -> Self {
        Self::try_open(addr, target, headers).unwrap_or_else(|head| panic!("{head}"))
    }

    /// Opens `target`; gives the head of a response that is no stream.
    pub fn try_open(addr: SocketAddr, target: &str, headers: &str) -> Result<Self, String> {
        let mut stream = connect(addr);
        let request = format!("GET {target} HTTP/1.1\r\nHost: {addr}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("it is read");
        let (head, bytes) = read_head(&mut stream);
        if !head.starts_with("HTTP/1.1 200") {
            return Err(head);
        }
        let chunks = chunked::Decoder::new(chunked::Limits::DEFAULT);
        let (parser, ready) = (Parser::default(), VecDeque::new());
        let gunzip = head.contains("\r\nContent-Encoding: gzip\r\n").then(Gunzip::new);
        let mut events =
            Self { head, gunzip, body_bytes: 0, stream, chunks, parser, bytes, ready, over: false };
        events.digest();
        Ok(events)
    }

    fn digest(&mut self) {
        let bytes = core::mem::take(&mut self.bytes);
        let mut input = &bytes[..];
        while let Some(event) = self.chunks.next(&mut input).expect("chunks") {
            let mut data = match event {
                chunked::Event::Data(data) => data,
                chunked::Event::End => {
                    self.over = true;
                    assert!(self.gunzip.as_ref().is_none_or(|it| it.ended), "a whole member");
                    break;
                }
            };
            self.body_bytes += data.len();
            let text = self.gunzip.as_mut().map(|gunzip| gunzip.push(data));
            if let Some(text) = &text {
                data = text;
            }
            while let Some(item) = self.parser.next(&mut data).expect("small events") {
                if let Item::Event(event) = item {
                    self.ready.push_back(Event {
                        name: event.event_type.to_owned(),
                        data: event.data.to_owned(),
                        id: event.last_event_id.to_owned(),
                    });
                }
            }
        }
    }

    /// The next event; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() && !self.over {
            let mut buffer = [0; 4096];
            let len = read_some(&mut self.stream, &mut buffer).expect("an event in time");
            assert!(len > 0, "the server left inside a stream");
            self.bytes.extend_from_slice(&buffer[..len]);
            self.digest();
        }
        self.ready.pop_front()
    }

    /// The next event that is no control event.
    pub fn next_message(&mut self) -> Event {
        loop {
            let event = self.next().expect("the stream goes on");
            if !event.name.starts_with('$') {
                return event;
            }
        }
    }

    /// Reads up to a control event, which is given as JSON; messages before it are dropped.
    pub fn until(&mut self, name: &str) -> serde_json::Value {
        loop {
            let event = self.next().expect("the stream goes on");
            if event.name == name {
                return serde_json::from_str(&event.data).expect("control events are JSON");
            }
        }
    }

    /// Whether it is in gzip.
    pub fn gunzips(&self) -> bool {
        self.gunzip.is_some()
    }

    /// The cursor that a browser would come back with.
    pub fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }
}

/// A WebSocket that is read one message after the other.
pub struct Socket {
    stream: TcpStream,
    connection: Connection,
    assembler: Assembler,
    ready: VecDeque<String>,
    closed: Option<(u16, String)>,
}

fn mask() -> MaskKey {
    MaskKey::new([1, 2, 3, 4])
}

impl Socket {
    /// Opens a WebSocket at `target` that speaks `subprotocol`.
    pub fn open(addr: SocketAddr, target: &str, subprotocol: Option<&str>) -> Self {
        Self::open_as(addr, target, subprotocol, None)
    }

    /// The same with an `Authorization`.
    pub fn open_as(
        addr: SocketAddr,
        target: &str,
        subprotocol: Option<&str>,
        authorization: Option<&str>,
    ) -> Self {
        let mut stream = connect(addr);
        let host = addr.to_string();
        let subprotocols: Vec<&str> = subprotocol.into_iter().collect();
        let mut request = ClientRequest::new(&host, target);
        request.subprotocols = &subprotocols;
        let value = authorization.map(|it| HeaderValue::new(it).expect("a value"));
        let headers = value.map(|value| (HeaderName::from_static("Authorization"), value));
        let headers: Vec<_> = headers.into_iter().collect();
        request.headers = &headers;
        let challenge = Challenge::new([7; 16]);
        let mut out = Vec::new();
        challenge.write_request(&request, &mut out).expect("a request");
        stream.write_all(&out).expect("it is read");
        let (head, mut rest) = read_head(&mut stream);
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(head.as_bytes(), &mut storage, &Limits::DEFAULT);
        challenge.verify(&head.expect("a head"), &request).expect("an upgrade");
        let config = Config::default();
        let mut socket = Self {
            stream,
            connection: Connection::client(&config, Box::new(mask)),
            assembler: Assembler::new(1 << 20),
            ready: VecDeque::new(),
            closed: None,
        };
        socket.digest(&mut rest);
        socket
    }

    /// Opens `/v1/ws` for commands, past its welcome.
    pub fn commands(addr: SocketAddr) -> Self {
        let mut socket = Self::open(addr, "/v1/ws", Some("sockeye.v1.json"));
        assert_eq!(socket.next_json()["type"], "welcome");
        socket
    }

    pub fn send(&mut self, text: &str) {
        let mut out = Vec::new();
        self.connection.send(Message::Text(text), &mut out).expect("an open connection");
        self.stream.write_all(&out).expect("it is read");
    }

    fn digest(&mut self, mut bytes: &mut [u8]) {
        let mut out = Vec::new();
        while let Some(event) = self.connection.receive(&mut bytes, &mut out).expect("frames") {
            let message = match event {
                Frame::Message(message) => Some(message),
                Frame::Piece(piece) => self.assembler.push(piece, None).expect("messages"),
                Frame::Close(reason) => {
                    let code = reason.as_ref().map_or(1005, |reason| reason.code().to_u16());
                    let text = reason.as_ref().map_or("", |reason| reason.text());
                    self.closed = Some((code, text.to_owned()));
                    None
                }
                Frame::Ping(_) | Frame::Pong(_) => None,
            };
            if let Some(Message::Text(text)) = message {
                self.ready.push_back(text.to_owned());
            }
        }
        // Answers that come too late to matter.
        let _ = self.stream.write_all(&out);
    }

    /// The next text; `None` once the server has closed.
    pub fn next(&mut self) -> Option<String> {
        while self.ready.is_empty() && self.closed.is_none() {
            let mut buffer = [0; 4096];
            let len = read_some(&mut self.stream, &mut buffer).expect("a message in time");
            assert!(len > 0, "the server left without a Close");
            self.digest(&mut buffer[..len]);
        }
        self.ready.pop_front()
    }

    pub fn next_json(&mut self) -> serde_json::Value {
        let text = self.next().expect("the stream goes on");
        serde_json::from_str(&text).expect("messages are JSON")
    }

    /// Reads up to a message of this type; others before it are dropped.
    pub fn until(&mut self, kind: &str) -> serde_json::Value {
        loop {
            let message = self.next_json();
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads to the end: the server's code and reason.
    pub fn closed(&mut self) -> (u16, String) {
        while self.next().is_some() {}
        self.closed.clone().expect("the server closed")
    }
}
