//! A client's end of a connection, and HTTP responses on it.

use sockeye_http1::chunked::{Decoder, Event as Chunk, Limits as ChunkLimits};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, ResponseFraming, ResponseHead};
use sockeye_simnet::{Peer, Random, SimNet};

use crate::gunzip::Gunzip;

/// What a connection has to take in one go, so that a seed comes to its end.
const ROOM_MIN: usize = 40;

/// One connection and how its client reads.
pub(crate) struct Wire {
    peer: Peer,
    /// Bytes that it reads at a time, at the most.
    pace: usize,
    received: Vec<u8>,
    /// The server's stream has ended, or the connection broke.
    pub(crate) over: bool,
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) framing: ResponseFraming,
    /// The body is in gzip.
    pub(crate) is_coded: bool,
}

impl Wire {
    /// A new connection; `None` once the server has stopped listening.
    pub(crate) fn connect(net: &SimNet, random: &mut Random) -> Option<Self> {
        let mut peer = net.connect()?;
        while peer.room() < ROOM_MIN {
            peer.reset();
            peer = net.connect()?;
        }
        let pace = [usize::MAX, usize::MAX, 200, 1][random.below(4)];
        Some(Self { peer, pace, received: Vec::new(), over: false })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.peer.write(bytes);
    }

    /// From now on it reads all there is.
    pub(crate) fn hurry(&mut self) {
        self.pace = usize::MAX;
    }

    /// Reads. A client that reads a byte at a time does so several times.
    pub(crate) fn read(&mut self) {
        let rounds = if self.pace == 1 { 40 } else { 1 };
        for _ in 0..rounds {
            match self.peer.read(self.pace) {
                None => self.over = true,
                Some(bytes) if bytes.is_empty() => return,
                Some(bytes) => self.received.extend_from_slice(&bytes),
            }
        }
    }

    /// What has been read and not been taken.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.received)
    }

    /// A response's head, if it is there.
    pub(crate) fn take_head(&mut self) -> Option<Head> {
        let limits = Limits::default();
        let found = HeadEnd::for_response().find(&self.received, &limits);
        let len = found.expect("a well-formed response")?;
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(&self.received[..len], &mut storage, &limits)
            .expect("a well-formed response");
        let text = |name| {
            let value = head.headers().single(name).expect("one at the most");
            value.map(str::to_owned)
        };
        let (etag, cursor) = (text("ETag"), text("Sockeye-Cursor"));
        let coding = text("Content-Encoding");
        assert!(coding.as_deref().is_none_or(|it| it == "gzip"), "{coding:?}");
        let is_coded = coding.is_some();
        let (status, framing) = (head.status().code(), head.body("GET"));
        self.received.drain(..len);
        Some(Head { status, etag, cursor, framing, is_coded })
    }

    /// A body of that length, if it is there.
    pub(crate) fn take_body(&mut self, head: &Head) -> Option<String> {
        let len = match head.framing {
            ResponseFraming::None => 0,
            ResponseFraming::Length(len) => usize::try_from(len).expect("a short one"),
            ResponseFraming::Chunked | ResponseFraming::UntilClose => {
                panic!("answers have a length")
            }
        };
        if self.received.len() < len {
            return None;
        }
        let rest = self.received.split_off(len);
        let mut body = core::mem::replace(&mut self.received, rest);
        if head.is_coded {
            let mut gunzip = Gunzip::new();
            body = gunzip.push(&body);
            assert!(gunzip.ended, "a whole member");
        }
        Some(String::from_utf8(body).expect("UTF-8"))
    }

    /// Ends it, one way or the other; what is left to read is read by nobody.
    pub(crate) fn leave(mut self, random: &mut Random) -> Peer {
        if random.one_in(2) {
            self.peer.reset();
        } else {
            self.peer.shutdown();
        }
        self.peer
    }

    pub(crate) fn shutdown(&mut self) {
        self.peer.shutdown();
    }
}

/// A whole response, as it comes in.
#[derive(Debug, Default)]
pub(crate) struct Response {
    head: Option<Head>,
}

impl Response {
    pub(crate) fn take(&mut self, wire: &mut Wire) -> Option<(Head, String)> {
        if self.head.is_none() {
            self.head = Some(wire.take_head()?);
        }
        let head = self.head.take()?;
        match wire.take_body(&head) {
            Some(body) => Some((head, body)),
            None => {
                self.head = Some(head);
                None
            }
        }
    }
}

/// A chunked body, in gzip or not.
pub(crate) struct Chunks {
    chunks: Decoder,
    gunzip: Option<Gunzip>,
}

impl Chunks {
    pub(crate) fn new(is_coded: bool) -> Self {
        let chunks = Decoder::new(ChunkLimits::DEFAULT);
        Self { chunks, gunzip: is_coded.then(Gunzip::new) }
    }

    /// The data in `bytes`, and whether the body has ended.
    pub(crate) fn decode(&mut self, mut bytes: &[u8]) -> (Vec<u8>, bool) {
        let (mut data, mut ended) = (Vec::new(), false);
        while let Some(chunk) = self.chunks.next(&mut bytes).expect("well-formed chunks") {
            match chunk {
                Chunk::Data(more) => match &mut self.gunzip {
                    Some(gunzip) => data.extend(gunzip.push(more)),
                    None => data.extend_from_slice(more),
                },
                Chunk::End => {
                    ended = true;
                    assert!(self.gunzip.as_ref().is_none_or(|it| it.ended), "a whole member");
                }
            }
        }
        (data, ended)
    }
}

/// Percent-encodes all that could mean something.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
