//! A client of server-sent events that checks that ids have no holes.

use sockeye_http1::chunked::{Decoder, Event as Chunk, Limits as ChunkLimits};
use sockeye_http1::{HeadEnd, Limits};
use sockeye_server::CloseCause;
use sockeye_simnet::{Peer, Random};
use sockeye_sse::{Item, Parser};

use crate::simulation::gunzip::Gunzip;
use crate::simulation::{Client, World, app};

/// Events after which the client has seen enough.
const ENOUGH: u64 = 5;

pub(crate) struct Watcher {
    peer: Peer,
    request: Vec<u8>,
    head: Vec<u8>,
    head_end: HeadEnd,
    body: Body,
    /// Decodes a body in gzip.
    gunzip: Option<Gunzip>,
    parser: Parser,
    seen: u64,
    retry: Option<u64>,
    /// The server ends the stream by itself, after so many events.
    ends: Option<u64>,
    complete: bool,
    over: bool,
}

/// How the body comes.
enum Body {
    NotYet { http10: bool },
    Chunks(Decoder),
    UntilClose,
}

impl Watcher {
    pub(crate) fn new(peer: Peer, id: usize, random: &mut Random) -> Self {
        let http10 = random.one_in(4);
        let (path, ends) = match random.below(6) {
            0 | 1 => ("/ending", Some(app::ENOUGH)),
            2 => ("/flood", Some(app::FLOOD)),
            _ => ("/clock", None),
        };
        let gunzip = (id % 2 == 1).then(Gunzip::new);
        let accept = if gunzip.is_some() { "Accept-Encoding: gzip\r\n" } else { "" };
        let request = match http10 {
            true => format!("GET {path}?{id} HTTP/1.0\r\n{accept}\r\n"),
            false => format!("GET {path}?{id} HTTP/1.1\r\nHost: sim\r\n{accept}\r\n"),
        };
        Self {
            peer,
            request: request.into_bytes(),
            head: Vec::new(),
            head_end: HeadEnd::for_response(),
            body: Body::NotYet { http10 },
            gunzip,
            parser: Parser::default(),
            seen: 0,
            retry: None,
            ends,
            complete: false,
            over: false,
        }
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        match &mut self.body {
            Body::NotYet { http10 } => {
                let http10 = *http10;
                self.receive_head(bytes, http10);
            }
            Body::UntilClose => self.receive_events(bytes),
            Body::Chunks(decoder) => {
                let mut events = Vec::new();
                while let Some(chunk) = decoder.next(&mut bytes).expect("well-formed chunks") {
                    match chunk {
                        Chunk::Data(data) => events.extend_from_slice(data),
                        Chunk::End => self.complete = true,
                    }
                }
                assert!(bytes.is_empty(), "bytes behind the last chunk");
                self.receive_events(&events);
            }
        }
    }

    fn receive_head(&mut self, bytes: &[u8], http10: bool) {
        self.head.extend_from_slice(bytes);
        let found = self.head_end.find(&self.head, &Limits::default());
        let Some(len) = found.expect("a well-formed response") else { return };
        let behind = self.head.split_off(len);
        if self.head.starts_with(b"HTTP/1.1 408 ") {
            self.over = true;
            return;
        }
        assert!(self.head.starts_with(b"HTTP/1.1 200 OK\r\n"));
        self.body = match http10 {
            true => Body::UntilClose,
            false => Body::Chunks(Decoder::new(ChunkLimits::DEFAULT)),
        };
        self.receive(&behind);
    }

    fn receive_events(&mut self, data: &[u8]) {
        let decoded = self.gunzip.as_mut().map(|gunzip| gunzip.push(data));
        let mut data = decoded.as_deref().unwrap_or(data);
        while let Some(item) = self.parser.next(&mut data).expect("within the limits") {
            match item {
                Item::Event(event) => {
                    self.seen += 1;
                    assert!(event.data.starts_with("tick"), "{}", event.data);
                    assert_eq!(event.last_event_id, self.seen.to_string(), "a hole or a repeat");
                }
                Item::Retry(ms) => self.retry = Some(ms),
                Item::Comment(_) => {}
            }
        }
    }

    fn read(&mut self, most: usize) {
        match self.peer.read(most) {
            None => {
                let ended_well = !self.peer.is_reset() && !self.peer.is_truncated();
                self.complete |= matches!(self.body, Body::UntilClose) && ended_well;
                self.over = true;
            }
            Some(bytes) => self.receive(&bytes),
        }
    }
}

impl Client for Watcher {
    fn step(&mut self, random: &mut Random) {
        if !self.request.is_empty() {
            let len = 1 + random.skewed(self.request.len() - 1);
            let part: Vec<u8> = self.request.drain(..len).collect();
            self.peer.write(&part);
        }
        self.read(1 + random.skewed(10_000));
    }

    fn is_done(&self) -> bool {
        self.over || self.complete || self.ends.is_none() && self.seen >= ENOUGH
    }

    fn wind_down(&mut self) {
        self.read(usize::MAX);
        if self.complete || self.ends.is_none() && self.seen > ENOUGH {
            self.peer.shutdown();
        }
    }

    fn judge(&mut self, cause: Option<CloseCause>, world: World) {
        if !world.calm {
            return;
        }
        let cause = cause.expect("opened in a calm world");
        // [gzip:trailer]
        if let Some(gunzip) = &self.gunzip {
            let ends_well = cause == CloseCause::Finished && self.complete;
            assert_eq!(gunzip.ended, ends_well, "a stream that ends well has its trailer");
        }
        if let Some(ends) = self.ends {
            assert_eq!(cause, CloseCause::Finished);
            assert!(self.complete && self.seen == ends, "{} events", self.seen);
            return;
        }
        assert!(matches!(cause, CloseCause::Ended | CloseCause::Finished), "{cause:?}");
        if cause == CloseCause::Finished {
            assert!(world.drained, "nobody else ended it");
            assert!(self.complete && self.retry.is_some(), "a drain says when to come back");
        }
    }
}
