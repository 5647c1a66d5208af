//! Somebody who sends any bytes, and looks at every byte that comes back.
#![allow(unreachable_pub, reason = "shared by the files of one test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use sockeye_http1::chunked::{self, Decoder};
use sockeye_sse::{Config, Item, Parser};

use crate::common::{PATIENCE, read_some};

/// What an answer's head may have; everything else came from somebody else.
const OUR_HEADERS: [&str; 24] = [
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Allow",
    "Cache-Control",
    "Connection",
    "Content-Length",
    "Content-Security-Policy",
    "Content-Type",
    "Date",
    "ETag",
    "Referrer-Policy",
    "Retry-After",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Protocol",
    "Sockeye-Cursor",
    "Transfer-Encoding",
    "Upgrade",
    "Vary",
    "WWW-Authenticate",
    "X-Accel-Buffering",
];

/// A connection.
pub struct Peer(BufReader<TcpStream>);

/// The head of an answer, and its body if it has a length.
pub struct Answer {
    pub status: u16,
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    peer: Peer,
}

/// Sends a request and reads the answer; `headers` is further lines, each with its CRLF.
pub fn ask(addr: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let host = "Host: localhost\r\n";
    let len = body.len();
    let length = if method == "GET" { String::new() } else { format!("Content-Length: {len}\r\n") };
    raw(addr, format!("{method} {target} HTTP/1.1\r\n{host}{headers}{length}\r\n{body}").as_bytes())
}

/// Sends these bytes and reads an answer.
pub fn raw(addr: SocketAddr, bytes: &[u8]) -> Answer {
    let mut peer = Peer::connect(addr);
    peer.send(bytes);
    peer.answer()
}

impl Peer {
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the server takes it");
    }

    /// Reads an answer, each byte of whose head has to be ours.
    pub fn answer(mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let len = self.0.read_until(b'\n', &mut head).expect("an answer");
            assert!(len > 0, "it ended after {}", head.escape_ascii());
        }
        let text = str::from_utf8(&head).expect("a head is ASCII");
        assert!(text.bytes().all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')), "{text:?}");
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
        let status = status.expect("a status");
        for line in lines {
            let name = line.split(": ").next().unwrap_or_default();
            assert!(OUR_HEADERS.contains(&name), "not our header: {line:?} in {text}");
        }
        let length = header(text, "Content-Length").map(|it| it.parse().expect("a number"));
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).expect("the body");
        Answer { status, head, body, peer: self }
    }

    /// Upgrades with the command subprotocol.
    pub fn upgrade(addr: SocketAddr, target: &str, headers: &str) -> Answer {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: sockeye.v1.json\r\n";
        ask(addr, "GET", target, &format!("{upgrade}{headers}"), "")
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(str::from_utf8(&self.head).expect("ASCII"), name)
    }

    pub fn json(&self) -> Value {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON: {}", text()))
    }

    /// The code of an error; empty if it is none.
    pub fn code(&self) -> String {
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        let code = json.as_ref().and_then(|json| json["error"]["code"].as_str());
        code.unwrap_or_default().to_owned()
    }

    /// Goes on as an event stream.
    pub fn events(self) -> Events {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.head));
        assert_eq!(self.header("Content-Type"), Some("text/event-stream"));
        let decoder = Decoder::new(chunked::Limits::DEFAULT);
        Events {
            peer: self.peer,
            decoder,
            parser: Parser::new(Config::default()),
            found: Vec::new(),
        }
    }

    /// Goes on as a WebSocket.
    pub fn socket(self) -> Socket {
        assert_eq!(self.status, 101, "{}", String::from_utf8_lossy(&self.body));
        Socket(self.peer)
    }
}

/// An event: its name, its data, and the last event ID then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
    pub id: String,
}

/// An event stream as a browser reads it.
pub struct Events {
    peer: Peer,
    decoder: Decoder,
    parser: Parser,
    found: Vec<Event>,
}

impl Events {
    /// The next event; `None` at the end.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if !self.found.is_empty() {
                return Some(self.found.remove(0));
            }
            let mut bytes = [0; 4096];
            let len = read_some(&mut self.peer.0, &mut bytes).expect("the stream goes on or ends");
            if len == 0 || self.decoder.is_complete() {
                return None;
            }
            let mut rest = &bytes[..len];
            while let Some(event) = self.decoder.next(&mut rest).expect("good chunks") {
                let chunked::Event::Data(mut text) = event else { break };
                while let Some(item) = self.parser.next(&mut text).expect("within limits") {
                    if let Item::Event(event) = item {
                        self.found.push(Event {
                            name: event.event_type.to_owned(),
                            data: event.data.to_owned(),
                            id: event.last_event_id.to_owned(),
                        });
                    }
                }
            }
        }
    }

    /// The next one of this name; others before it have to be of the control kind.
    pub fn until(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("it ended before {name}"));
            if event.name == name {
                return event;
            }
            assert!(event.name.starts_with('$'), "{event:?} before {name}");
        }
    }
}

/// A WebSocket.
pub struct Socket(Peer);

/// What came on it.
#[derive(Debug)]
pub enum Said {
    Text(Value),
    Close(u16, String),
}

impl Socket {
    pub fn send(&mut self, text: &str) {
        let len = u16::try_from(text.len()).expect("short");
        let mut frame = vec![0x81];
        match len {
            0..=125 => frame.push(0x80 | u8::try_from(len).expect("it is")),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(len.to_be_bytes());
            }
        }
        // A mask of zeros is one.
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.send(&frame);
    }

    pub fn next(&mut self) -> Said {
        let mut head = [0; 2];
        self.0.0.read_exact(&mut head).expect("a frame");
        let mut len = usize::from(head[1]);
        if len == 126 {
            let mut more = [0; 2];
            self.0.0.read_exact(&mut more).expect("a length");
            len = usize::from(u16::from_be_bytes(more));
        }
        let mut payload = vec![0; len];
        self.0.0.read_exact(&mut payload).expect("a payload");
        match head[0] {
            0x81 => Said::Text(serde_json::from_slice(&payload).expect("JSON")),
            0x89 => self.next(),
            0x88 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Said::Close(code, String::from_utf8_lossy(&payload[2..]).into_owned())
            }
            other => panic!("a frame that begins with {other:x}"),
        }
    }

    /// The next object of this type, with others before it.
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            match self.next() {
                Said::Text(json) if json["type"] == kind => return json,
                Said::Text(_) => {}
                Said::Close(code, reason) => panic!("closed with {code} {reason} before {kind}"),
            }
        }
    }

    /// How it is closed, after whatever.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            if let Said::Close(code, reason) = self.next() {
                return (code, reason);
            }
        }
    }
}
