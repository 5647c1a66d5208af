//! Two requests and a WebSocket on one connection, and whatever a server of HTTP/2 sends to that.

use core::fmt::Write as _;

use super::LIMITS;
use crate::exchange::Exchange;
use crate::http2::{LaneEnd, LaneId, Multiplex};

/// SETTINGS with ENABLE_CONNECT_PROTOCOL = 1, which come before everything else.
const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x08\0\0\0\x01";
const REQUESTS: [&[u8]; 3] = [
    b"GET /events HTTP/1.1\r\nHost: host\r\nAccept: text/event-stream\r\n\r\n",
    b"POST /v1/batch HTTP/1.1\r\nHost: host\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /ws HTTP/1.1\r\nHost: host\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
];

/// Each lane is given the same however the server's bytes are cut, and holds no more than its window.
///
/// # Panics
/// If the property does not hold.
pub fn http2(wire: &[u8], cuts: &[u8]) {
    assert_eq!(trace(wire, &[]), trace(wire, cuts), "cut by {cuts:?}");
}

/// The bytes that each lane was given, and its end.
fn trace(wire: &[u8], cuts: &[u8]) -> Vec<String> {
    let mut http2 = Multiplex::new("http", &LIMITS);
    let mut settings = SETTINGS.to_vec();
    http2.receive(&mut settings).expect("good settings");
    let mut lanes = REQUESTS.map(|request| Lane::new(&mut http2, request));
    let (mut rest, mut cuts) = (wire.to_vec(), cuts.iter());
    let mut failed = None;
    while !rest.is_empty() && failed.is_none() {
        let len = cuts.next().map_or(rest.len(), |cut| usize::from(*cut).clamp(1, rest.len()));
        let mut piece: Vec<u8> = rest.drain(..len).collect();
        failed = http2.receive(&mut piece).err();
        lanes.iter_mut().for_each(|lane| lane.take(&mut http2));
        // The bytes to the server depend on the cuts: they give back windows.
        http2.out().clear();
        http2.output_sent();
    }
    let mut told: Vec<String> = lanes.iter().map(Lane::told).collect();
    told.push(format!("{failed:?}"));
    told
}

/// A machine that only notes what comes.
struct Lane {
    id: LaneId,
    input: Vec<u8>,
    end: Option<LaneEnd>,
}

impl Lane {
    fn new(http2: &mut Multiplex, request: &[u8]) -> Self {
        let id = http2.open_lane();
        let mut rest = request;
        while !rest.is_empty() {
            let len = http2.send(id, rest);
            assert!(len > 0, "nothing stands in the way of a request");
            rest = &rest[len..];
        }
        Self { id, input: Vec::new(), end: None }
    }

    fn take(&mut self, http2: &mut Multiplex) {
        let input = http2.input(self.id);
        // A byte of content may be a chunk of six bytes.
        let most = LIMITS.stream_window_bytes as usize * 6 + LIMITS.head.head_bytes_max * 8;
        assert!(input.len() <= most, "{} bytes are held", input.len());
        let len = input.len();
        self.input.extend_from_slice(input);
        http2.took(self.id, len);
        self.end = self.end.take().or_else(|| http2.take_end(self.id));
    }

    /// The answer without its chunks, whose sizes depend on the cuts.
    fn told(&self) -> String {
        let mut bytes = self.input.clone();
        let mut input = &mut bytes[..];
        let mut exchange = Exchange::new("GET", LIMITS);
        let mut told = String::new();
        match exchange.take_head(&mut input) {
            Ok(true) => exchange.with_head(|head| {
                let _ = write!(told, "{} ", head.status());
            }),
            Ok(false) => {}
            Err(error) => {
                let _ = write!(told, "{error:?} ");
            }
        }
        let (mut rest, mut body) = (&*input, Vec::new());
        while let Ok(Some(piece)) = exchange.body(&mut rest) {
            body.extend_from_slice(piece);
        }
        body.extend_from_slice(rest);
        let is_over = exchange.is_over();
        let _ = write!(told, "{} {is_over} {:?}", body.escape_ascii(), self.end);
        told
    }
}
