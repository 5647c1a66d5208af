//! Lanes against the server's end of the crate `http2`.

use std::sync::Arc;

use sockeye_http::{HeaderName, HeaderValue, Status};
use sockeye_http2::{
    Config, ConnectProtocol, Connection, EndStream, ErrorCode, Event, FieldBlock, FieldBuffer,
    FieldReader, Limits as Http2Limits, StreamId,
};

use super::{LaneEnd, LaneId, Multiplex};
use crate::{Error, Http2Error, Limits};

const GET: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: host\r\nAccept: x\r\n\r\n";
const POST: &[u8] = b"POST /p HTTP/1.1\r\nHost: host\r\nContent-Length: 5\r\n\r\nhello";
const SOCKET: &[u8] = b"GET /ws HTTP/1.1\r\nHost: host\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client and a server on one line.
struct Pair {
    client: Multiplex,
    server: Connection,
    reader: FieldReader<FieldBuffer>,
    /// The requests that the server has seen.
    seen: Vec<(StreamId, String)>,
    content: Vec<u8>,
    out: Vec<u8>,
}

impl Pair {
    fn new(limits: Http2Limits, connect_protocol: ConnectProtocol) -> Self {
        let config = Arc::new(Config { limits, connect_protocol });
        let mut out = Vec::new();
        let server = Connection::server(&config, &mut out);
        let client = Multiplex::new("http", &Limits::DEFAULT);
        let reader = FieldReader::new(FieldBuffer::new());
        Self { client, server, reader, seen: Vec::new(), content: Vec::new(), out }
    }

    fn usual() -> Self {
        Self::new(Http2Limits::DEFAULT, ConnectProtocol::Accepted)
    }

    /// Opens a lane and sends what it takes of a request; returns what it did not take.
    fn ask<'r>(&mut self, request: &'r [u8]) -> (LaneId, &'r [u8]) {
        let lane = self.client.open_lane();
        (lane, self.send(lane, request))
    }

    fn send<'r>(&mut self, lane: LaneId, mut request: &'r [u8]) -> &'r [u8] {
        loop {
            match self.client.send(lane, request) {
                0 => return request,
                len => request = &request[len..],
            }
        }
    }

    /// Carries everything in both directions.
    fn exchange(&mut self) {
        while self.client.unsent() > 0 || !self.out.is_empty() {
            let mut bytes = core::mem::take(self.client.out());
            self.client.output_sent();
            let mut input = &mut bytes[..];
            let Self { server, reader, out, .. } = self;
            while let Some(event) = server.receive(&mut input, reader, out).expect("no fault") {
                match event {
                    Event::Request { stream, .. } => {
                        let lines = reader.fields.lines();
                        let head = reader.fields.request(&lines).expect("a request");
                        let names: Vec<_> = head.headers().iter().map(|(name, _)| name).collect();
                        let protocol = reader.fields.protocol().unwrap_or("-");
                        let (method, path) = (head.method(), head.path());
                        let told = format!("{method} {path} {protocol} {}", names.join(","));
                        self.seen.push((stream, told));
                    }
                    Event::Data { stream, data, .. } => {
                        self.content.extend_from_slice(data);
                        let len = data.len();
                        server.consumed(stream, len, out);
                    }
                    _ => {}
                }
            }
            self.client.receive(&mut core::mem::take(&mut self.out)).expect("no fault");
            self.server.output_sent();
        }
    }

    fn respond(&mut self, stream: StreamId, status: Status, end: EndStream) {
        let name = HeaderName::from_static("X-A");
        let fields = FieldBlock::new().field(name, HeaderValue::from_static("1"));
        self.server.respond(stream, status, &fields, end, &mut self.out).expect("it is asked");
    }

    fn write(&mut self, stream: StreamId, content: &[u8], end: EndStream) {
        let out = &mut self.out;
        self.server.write_data_head(stream, content.len(), end, out).expect("there is room");
        out.extend_from_slice(content);
    }

    /// Takes the lane's input.
    fn taken(&mut self, lane: LaneId) -> String {
        let text = self.client.input(lane).escape_ascii().to_string();
        let len = self.client.input(lane).len();
        self.client.took(lane, len);
        text
    }
}

#[test]
fn requests_and_answers_keep_their_meaning() {
    let mut pair = Pair::usual();
    let (get, post) = (pair.ask(GET).0, pair.ask(POST).0);
    pair.exchange();
    let told: Vec<_> = pair.seen.iter().map(|(_, told)| told.as_str()).collect();
    assert_eq!(told, ["GET /a - accept", "POST /p - content-length"]);
    assert_eq!(pair.content, b"hello");
    let [first, second] = [pair.seen[0].0, pair.seen[1].0];
    pair.respond(second, Status::NO_CONTENT, EndStream::Yes);
    pair.respond(first, Status::OK, EndStream::No);
    pair.write(first, b"data: x\n\n", EndStream::No);
    pair.exchange();
    assert_eq!(pair.taken(post), r"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n");
    let head = r"HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(pair.taken(get), format!(r"{head}9\r\ndata: x\n\n\r\n"));
    pair.write(first, b"", EndStream::Yes);
    pair.exchange();
    assert_eq!(pair.taken(get), r"0\r\n\r\n");
    assert_eq!(pair.client.take_end(get), None, "the lane is free again");
    assert_eq!(pair.send(get, GET), b"");
    pair.exchange();
    assert_eq!(pair.seen.len(), 3);
}

/// [http2:8441.3-client-waits]
#[test]
fn a_web_socket_is_a_tunnel() {
    let mut pair = Pair::usual();
    let (lane, rest) = pair.ask(SOCKET);
    assert_eq!(rest, SOCKET, "the settings have not come");
    pair.exchange();
    assert_eq!(pair.send(lane, SOCKET), b"");
    pair.exchange();
    let (stream, told) = pair.seen[0].clone();
    assert_eq!(told, "CONNECT /ws websocket sec-websocket-version");
    assert_eq!(pair.send(lane, b"early"), b"early", "nothing goes ahead of the answer");
    pair.respond(stream, Status::OK, EndStream::No);
    pair.write(stream, b"\x81\x01a", EndStream::No);
    pair.exchange();
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let head = format!(
        r"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nx-a: 1\r\n\r\n"
    );
    assert_eq!(pair.taken(lane), format!(r"{head}\x81\x01a"));
    assert_eq!(pair.send(lane, b"frames"), b"");
    pair.write(stream, b"", EndStream::Yes);
    pair.exchange();
    assert_eq!(pair.content, b"frames");
    assert_eq!(pair.client.take_end(lane), Some(LaneEnd::Lost(Error::Ended)));
    assert_eq!(pair.server.stream_count(), 0, "both halves have ended");
}

/// [client:http2-websocket-fallback]
#[test]
fn a_web_socket_that_is_not_accepted_wants_http1() {
    let mut pair = Pair::new(Http2Limits::DEFAULT, ConnectProtocol::Refused);
    pair.exchange();
    let (lane, rest) = pair.ask(SOCKET);
    assert_eq!(rest, SOCKET);
    assert_eq!(pair.client.take_end(lane), Some(LaneEnd::Http1(Vec::new())));

    let mut pair = Pair::usual();
    let (lane, _) = pair.ask(POST);
    pair.exchange();
    let stream = pair.seen[0].0;
    pair.server.reset(stream, ErrorCode::HTTP_1_1_REQUIRED, &mut pair.out).expect("it lives");
    pair.exchange();
    assert_eq!(pair.client.take_end(lane), Some(LaneEnd::Http1(POST.to_vec())));
}

#[test]
fn a_refused_web_socket_is_an_answer() {
    let mut pair = Pair::usual();
    pair.exchange();
    let (lane, _) = pair.ask(SOCKET);
    pair.exchange();
    let stream = pair.seen[0].0;
    pair.respond(stream, Status::FORBIDDEN, EndStream::No);
    pair.write(stream, b"no", EndStream::Yes);
    pair.exchange();
    let answer = r"HTTP/1.1 403 Forbidden\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n";
    assert_eq!(pair.taken(lane), answer);
    assert_eq!(pair.server.stream_count(), 0, "our half is given up");
}

/// [client:http2-refused-stream]
#[test]
fn a_refused_stream_goes_elsewhere_whole() {
    let mut pair = Pair::usual();
    let lanes = [pair.ask(POST).0, pair.ask(POST).0, pair.ask(POST).0];
    pair.exchange();
    let codes = [ErrorCode::REFUSED_STREAM, ErrorCode::CANCEL, ErrorCode::REFUSED_STREAM];
    let answered = pair.seen[2].0;
    // Once a head has come, the request was processed, whatever follows.
    pair.respond(answered, Status::OK, EndStream::No);
    for (index, code) in codes.into_iter().enumerate() {
        pair.server.reset(pair.seen[index].0, code, &mut pair.out).expect("it lives");
    }
    pair.exchange();
    pair.taken(lanes[2]);
    let reset = |code| Some(LaneEnd::Lost(Error::Http2(Http2Error::Reset(code))));
    let ends = lanes.map(|lane| pair.client.take_end(lane));
    let elsewhere = Some(LaneEnd::Elsewhere(POST.to_vec()));
    assert_eq!(ends, [elsewhere, reset(ErrorCode::CANCEL), reset(ErrorCode::REFUSED_STREAM)]);
}

/// [client:http2-goaway]
#[test]
fn a_goaway_moves_what_was_not_processed() {
    let mut pair = Pair::usual();
    let old = pair.ask(GET).0;
    pair.exchange();
    let stream = pair.seen[0].0;
    pair.server.go_away(ErrorCode::NO_ERROR, &mut pair.out);
    // It crosses the GOAWAY.
    let new = pair.ask(POST).0;
    pair.exchange();
    assert_eq!(pair.client.take_end(new), Some(LaneEnd::Elsewhere(POST.to_vec())));
    assert_eq!(pair.client.take_end(old), None);
    pair.respond(stream, Status::OK, EndStream::No);
    pair.write(stream, b"on", EndStream::Yes);
    pair.exchange();
    assert!(pair.taken(old).ends_with(r"2\r\non\r\n0\r\n\r\n"));
    let (late, rest) = pair.ask(GET);
    assert_eq!((rest, pair.client.take_end(late)), (GET, Some(LaneEnd::Elsewhere(Vec::new()))));
}

/// [client:http2-stream-limit]
#[test]
fn a_request_waits_for_a_stream() {
    let mut limits = Http2Limits::DEFAULT;
    limits.concurrent_streams_max = 1;
    let mut pair = Pair::new(limits, ConnectProtocol::Accepted);
    pair.exchange();
    let (first, second) = (pair.ask(GET).0, pair.ask(GET));
    assert_eq!(second.1, GET, "it waits");
    pair.exchange();
    let stream = pair.seen[0].0;
    pair.respond(stream, Status::OK, EndStream::Yes);
    pair.exchange();
    assert!(pair.taken(first).starts_with("HTTP/1.1 200 OK"));
    assert_eq!(pair.client.take_end(second.0), None);
    assert_eq!(pair.send(second.0, GET), b"");
}

#[test]
fn a_lane_that_takes_nothing_stops_no_other() {
    let mut pair = Pair::usual();
    let (stalled, live) = (pair.ask(GET).0, pair.ask(GET).0);
    pair.exchange();
    let [first, second] = [pair.seen[0].0, pair.seen[1].0];
    pair.respond(first, Status::OK, EndStream::No);
    pair.respond(second, Status::OK, EndStream::No);
    let mut sent = 0;
    loop {
        let len = pair.server.send_capacity(first).min(16_384);
        if len == 0 {
            break;
        }
        pair.write(first, &vec![b'x'; len], EndStream::No);
        pair.exchange();
        sent += len;
    }
    assert_eq!(sent, Limits::DEFAULT.stream_window_bytes as usize);
    for _ in 0..100 {
        pair.write(second, &[b'y'; 10_000], EndStream::No);
        pair.exchange();
        assert!(pair.taken(live).contains("yyy"));
    }
    assert!(pair.client.input(stalled).len() > sent);
    pair.taken(stalled);
    pair.exchange();
    assert!(pair.server.send_capacity(first) > 0, "it goes on where it was");
}
