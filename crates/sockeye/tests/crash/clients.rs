//! Clients that take the end of the server for what it is: an event.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::time::Instant;

use serde_json::Value;
use sockeye_handshake::{Challenge, ClientRequest};
use sockeye_http1::{HeaderStorage, Limits, ResponseHead, chunked};
use sockeye_sse::{Item, Parser};
use sockeye_websocket::{Assembler, Config, Connection, Event as Frame, MaskKey, Message};

use crate::common::PATIENCE;
use crate::crash::line::{Line, Site};

/// The server is gone, and with it the connection.
#[derive(Debug)]
pub(crate) struct Gone;

impl From<std::io::Error> for Gone {
    fn from(error: std::io::Error) -> Self {
        let silent = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!silent, "the server lives and says nothing");
        Self
    }
}

fn connect(site: impl Into<Site>) -> Result<BufReader<Line>, Gone> {
    Ok(BufReader::new(Line::connect(site.into())?))
}

/// Reads more than nothing.
fn read(stream: &mut BufReader<Line>, buffer: &mut [u8]) -> Result<usize, Gone> {
    match stream.read(buffer)? {
        0 => Err(Gone),
        len => Ok(len),
    }
}

fn read_head(stream: &mut BufReader<Line>) -> Result<String, Gone> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(Gone);
        }
    }
    Ok(head)
}

fn status(head: &str) -> u16 {
    head.get(9..12).and_then(|code| code.parse().ok()).expect("a status")
}

/// The number of a Content-Length line. A lane gives the names of HTTP/2, in lower case.
fn content_length(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(": ")?;
    name.eq_ignore_ascii_case("content-length").then_some(value)
}

/// A connection for one request after the other.
pub(crate) struct Http(BufReader<Line>);

impl Http {
    pub(crate) fn connect(site: impl Into<Site>) -> Result<Self, Gone> {
        connect(site).map(Self)
    }

    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        body: &str,
    ) -> Result<(u16, Value), Gone> {
        let len = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n"
        );
        self.0.get_mut().write_all((request + body).as_bytes())?;
        let head = read_head(&mut self.0)?;
        let len = head.lines().find_map(content_length);
        let mut body = vec![0; len.map_or(0, |len| len.parse().expect("a number"))];
        self.0.read_exact(&mut body)?;
        let json = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
        Ok((status(&head), json.unwrap_or_else(|_| panic!("{target}: not JSON: {head}"))))
    }

    /// What is there, and has to be. A disk that has much else to do may need more than one request.
    pub(crate) fn get(&mut self, target: &str) -> Result<Value, Gone> {
        let start = Instant::now();
        loop {
            let (status, json) = self.ask("GET", target, "")?;
            let is_busy = status == 503 && start.elapsed() < PATIENCE;
            if !is_busy {
                assert!(status == 200 || status == 204, "{target}: {status} {json}");
                return Ok(json);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// One event, as a browser would see it; without a name and data: its ID only.
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
    pub(crate) id: String,
}

pub(crate) struct Events {
    stream: BufReader<Line>,
    chunks: chunked::Decoder,
    parser: Parser,
    ready: VecDeque<Event>,
    id: String,
}

impl Events {
    pub(crate) fn open(site: Site, target: &str, cursor: Option<&str>) -> Result<Self, Gone> {
        let mut stream = connect(site)?;
        let resume = cursor.map_or(String::new(), |it| format!("Last-Event-ID: {it}\r\n"));
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n");
        stream.get_mut().write_all(request.as_bytes())?;
        let head = read_head(&mut stream)?;
        assert_eq!(status(&head), 200, "{target}: {head}");
        let chunks = chunked::Decoder::new(chunked::Limits::DEFAULT);
        let (parser, ready, id) = (Parser::default(), VecDeque::new(), String::new());
        Ok(Self { stream, chunks, parser, ready, id })
    }

    pub(crate) fn next(&mut self) -> Result<Event, Gone> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            // Few bytes at once, so that an ID without data is seen where it stands.
            let mut buffer = [0; 512];
            let len = read(&mut self.stream, &mut buffer)?;
            self.digest(&buffer[..len]);
        }
    }

    fn digest(&mut self, mut input: &[u8]) {
        while let Some(event) = self.chunks.next(&mut input).expect("chunks") {
            let chunked::Event::Data(mut data) = event else { panic!("the stream was ended") };
            while let Some(item) = self.parser.next(&mut data).expect("small events") {
                if let Item::Event(event) = item {
                    self.id = event.last_event_id.to_owned();
                    let (name, data) = (event.event_type.to_owned(), event.data.to_owned());
                    self.ready.push_back(Event { name, data, id: self.id.clone() });
                }
            }
        }
        let id = self.parser.last_event_id();
        if id != self.id {
            self.id = id.to_owned();
            let (name, data) = (String::new(), String::new());
            self.ready.push_back(Event { name, data, id: self.id.clone() });
        }
    }
}

/// A WebSocket for commands.
pub(crate) struct Socket {
    stream: BufReader<Line>,
    connection: Connection,
    assembler: Assembler,
    ready: VecDeque<Value>,
}

fn mask() -> MaskKey {
    MaskKey::new([1, 2, 3, 4])
}

impl Socket {
    pub(crate) fn open(site: impl Into<Site>) -> Result<Self, Gone> {
        let site = site.into();
        let mut stream = connect(site)?;
        // That of the certificate, where there is one.
        let host = if site.is_secure { "localhost".to_owned() } else { site.addr.to_string() };
        let mut request = ClientRequest::new(&host, "/v1/ws");
        request.subprotocols = &["sockeye.v1.json"];
        let challenge = Challenge::new([7; 16]);
        let mut out = Vec::new();
        challenge.write_request(&request, &mut out).expect("a request");
        stream.get_mut().write_all(&out)?;
        let head = read_head(&mut stream)?;
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(head.as_bytes(), &mut storage, &Limits::DEFAULT);
        challenge.verify(&head.expect("a head"), &request).expect("an upgrade");
        let connection = Connection::client(&Config::default(), Box::new(mask));
        let (assembler, ready) = (Assembler::new(1 << 20), VecDeque::new());
        let mut socket = Self { stream, connection, assembler, ready };
        let welcome = socket.next()?;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        Ok(socket)
    }

    pub(crate) fn send(&mut self, command: &Value) -> Result<(), Gone> {
        let mut out = Vec::new();
        self.connection.send(Message::Text(&command.to_string()), &mut out).expect("it is open");
        Ok(self.stream.get_mut().write_all(&out)?)
    }

    pub(crate) fn next(&mut self) -> Result<Value, Gone> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            let mut buffer = [0; 4096];
            let len = read(&mut self.stream, &mut buffer)?;
            self.digest(&mut buffer[..len])?;
        }
    }

    fn digest(&mut self, mut bytes: &mut [u8]) -> Result<(), Gone> {
        let mut out = Vec::new();
        while let Some(event) = self.connection.receive(&mut bytes, &mut out).expect("frames") {
            let message = match event {
                Frame::Message(message) => Some(message),
                Frame::Piece(piece) => self.assembler.push(piece, None).expect("messages"),
                Frame::Close(reason) => panic!("the server closed: {reason:?}"),
                Frame::Ping(_) | Frame::Pong(_) => None,
            };
            if let Some(Message::Text(text)) = message {
                self.ready.push_back(serde_json::from_str(text).expect("messages are JSON"));
            }
        }
        Ok(self.stream.get_mut().write_all(&out)?)
    }
}
