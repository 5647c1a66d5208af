//! A client's end of a connection or of a lane, and HTTP responses on it.

use sockeye_http1::chunked::{Decoder, Event as Chunk, Limits as ChunkLimits};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, ResponseFraming, ResponseHead};
use sockeye_simnet::{Peer, Random, SimNet};

use crate::gunzip::Gunzip;
use crate::simulation::totals::Totals;
use crate::simulation::trunk::{Lane, Trunks};

/// What a connection has to take in one go, so that a seed comes to its end.
const ROOM_MIN: usize = 40;

/// The way to a server: its network, and the connections that clients share if they speak HTTP/2.
pub(crate) struct Way {
    pub(crate) net: SimNet,
    trunks: Option<Trunks>,
}

impl Way {
    pub(crate) fn new(net: SimNet, version: Version) -> Self {
        let trunks = match version {
            Version::Http1 => None,
            Version::Http2 => Some(Trunks::default()),
        };
        if trunks.is_some() {
            net.negotiate("h2");
        }
        Self { net, trunks }
    }

    pub(crate) fn version(&self) -> Version {
        if self.trunks.is_some() { Version::Http2 } else { Version::Http1 }
    }

    /// Shared connections move their bytes, and break.
    pub(crate) fn live(&self, random: &mut Random, totals: &mut Totals) {
        self.trunks.iter().for_each(|trunks| trunks.live(random, totals));
    }

    /// No faults from now on.
    pub(crate) fn calm_down(&self) {
        self.net.calm_down();
        self.trunks.iter().for_each(Trunks::calm_down);
    }
}

/// What the clients of a world speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

enum Line {
    Own(Peer),
    Lane(Lane),
}

/// One connection and how its client reads.
pub(crate) struct Wire {
    line: Line,
    /// Bytes that it reads at a time, at the most.
    pace: usize,
    received: Vec<u8>,
    /// The server's stream has ended, or the connection broke.
    pub(crate) over: bool,
}

/// A connection that takes enough in one go; `None` once the server has stopped listening.
pub(crate) fn connect(net: &SimNet) -> Option<Peer> {
    loop {
        let mut peer = net.connect()?;
        if peer.room() >= ROOM_MIN {
            return Some(peer);
        }
        peer.reset();
    }
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
    /// A new connection, or a lane of one; `None` once the server has stopped listening.
    pub(crate) fn connect(way: &Way, random: &mut Random) -> Option<Self> {
        let line = match &way.trunks {
            None => Line::Own(connect(&way.net)?),
            Some(trunks) => Line::Lane(trunks.open_lane(&way.net, random)?),
        };
        let pace = [usize::MAX, usize::MAX, 200, 1][random.below(4)];
        Some(Self { line, pace, received: Vec::new(), over: false })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        match &mut self.line {
            Line::Own(peer) => peer.write(bytes),
            Line::Lane(lane) => lane.write(bytes),
        }
    }

    /// From now on it reads all there is.
    pub(crate) fn hurry(&mut self) {
        self.pace = usize::MAX;
        if let Line::Lane(lane) = &self.line {
            lane.hurry();
        }
    }

    /// Reads. A client that reads a byte at a time does so several times.
    pub(crate) fn read(&mut self) {
        let rounds = if self.pace == 1 { 40 } else { 1 };
        let peer = match &mut self.line {
            Line::Own(peer) => peer,
            Line::Lane(lane) => {
                let most = self.pace.saturating_mul(rounds);
                self.over |= !lane.read(most, &mut self.received);
                return;
            }
        };
        for _ in 0..rounds {
            match peer.read(self.pace) {
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
    pub(crate) fn leave(self, random: &mut Random) -> Option<Peer> {
        let resets = random.one_in(2);
        match self.line {
            Line::Own(mut peer) => {
                if resets {
                    peer.reset();
                } else {
                    peer.shutdown();
                }
                Some(peer)
            }
            Line::Lane(lane) => {
                lane.leave();
                None
            }
        }
    }

    /// Ends its direction. A lane ends with its client.
    pub(crate) fn shutdown(&mut self) {
        if let Line::Own(peer) = &mut self.line {
            peer.shutdown();
        }
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
