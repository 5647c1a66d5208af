//! A client and a server that talk over a network of any pace.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use sockeye_http::{Method, Status};

use super::windows::Sender;
use crate::{
    Config, Connection, ContentHead, EndStream, ErrorCode, Event, FieldBlock, FieldReader, Limits,
    RequestLine, StreamId,
};

/// One end, the bytes on their way to its peer, and the account of its windows.
struct End {
    connection: Connection,
    /// Output that the network has not taken.
    out: Vec<u8>,
    oracle: Sender,
    /// Content sent and heard on each stream; whether the direction ended.
    sent: BTreeMap<StreamId, (Vec<u8>, bool)>,
    heard: BTreeMap<StreamId, (Vec<u8>, bool)>,
    /// Content heard and not consumed.
    held: BTreeMap<StreamId, usize>,
    /// Streams that one of the ends reset.
    reset: Vec<StreamId>,
    /// Streams that may still send.
    open: Vec<StreamId>,
}

impl End {
    fn new(is_client: bool, window_bytes: u32) -> Self {
        let limits = Limits { window_bytes, control_bytes_max: 1 << 24, ..Limits::DEFAULT };
        let config = Arc::new(Config { limits, ..Config::default() });
        let mut out = Vec::new();
        let make = if is_client { Connection::client } else { Connection::server };
        let connection = make(&config, &mut out);
        let mut oracle = Sender::new(is_client);
        oracle.send(&out);
        Self {
            connection,
            out,
            oracle,
            sent: BTreeMap::new(),
            heard: BTreeMap::new(),
            held: BTreeMap::new(),
            reset: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Does something that appends to the output.
    fn act(&mut self, act: impl FnOnce(&mut Connection, &mut Vec<u8>)) {
        let mut out = Vec::new();
        act(&mut self.connection, &mut out);
        self.oracle.send(&out);
        self.out.extend_from_slice(&out);
    }

    fn pick(&self, number: u8) -> Option<StreamId> {
        let at = usize::from(number).checked_rem(self.open.len())?;
        self.open.get(at).copied()
    }

    fn close(&mut self, stream: StreamId) {
        self.open.retain(|it| *it != stream);
    }

    fn send_content(&mut self, number: u8, end: EndStream) {
        let Some(stream) = self.pick(number) else { return };
        let capacity = self.connection.send_capacity(stream);
        assert_eq!(capacity, self.oracle.capacity(stream), "of {stream}");
        let waiting = usize::from(number) * 90;
        let len = capacity.min(waiting).min(16_384);
        let content = vec![number; len];
        // Two ways to the same frame, but that one does not end a stream whose content goes in part.
        let in_one = number.is_multiple_of(2);
        let is_end = end == EndStream::Yes && (!in_one || len == waiting);
        self.act(|connection, out| {
            if in_one {
                let head = connection.write_content_head(stream, waiting, end, out);
                assert_eq!(head, Ok(ContentHead { len, is_end, is_shut: len == capacity }));
            } else {
                assert_eq!(connection.write_data_head(stream, len, end, out), Ok(()));
            }
            out.extend_from_slice(&content);
        });
        let (sent, has_ended) = self.sent.entry(stream).or_default();
        sent.extend_from_slice(&content);
        if is_end {
            *has_ended = true;
            self.close(stream);
        }
    }

    fn consume(&mut self, number: u8) {
        let stream = self.held.keys().copied().nth(usize::from(number) % self.held.len().max(1));
        let Some(stream) = stream else { return };
        let bytes = self.held.remove(&stream).unwrap_or(0);
        self.act(|connection, out| connection.consumed(stream, bytes, out));
    }

    fn reset(&mut self, number: u8) {
        let Some(stream) = self.pick(number) else { return };
        self.act(|connection, out| {
            assert_eq!(connection.reset(stream, ErrorCode::CANCEL, out), Ok(()));
        });
        self.close(stream);
        self.reset.push(stream);
    }

    /// Reads bytes of the peer.
    fn receive(&mut self, mut bytes: Vec<u8>) {
        self.oracle.arrive(&bytes);
        let mut reader = FieldReader::new(());
        let mut input = &mut bytes[..];
        loop {
            let mut out = Vec::new();
            let event = self.connection.receive(&mut input, &mut reader, &mut out);
            let event = event.expect("ends of ours keep to the rules");
            self.oracle.send(&out);
            self.out.extend_from_slice(&out);
            self.connection.output_sent();
            let Some(event) = event else { return };
            match event {
                Event::Request { stream, end_stream } => {
                    self.heard.entry(stream).or_default().1 = end_stream;
                    self.act(|connection, out| {
                        let (status, fields) = (Status::OK, FieldBlock::new());
                        let sent = connection.respond(stream, status, &fields, EndStream::No, out);
                        assert_eq!(sent, Ok(()));
                    });
                    self.open.push(stream);
                }
                Event::Data { stream, data, end_stream } => {
                    let (heard, has_ended) = self.heard.entry(stream).or_default();
                    assert!(!*has_ended, "content behind the end");
                    heard.extend_from_slice(data);
                    *has_ended = end_stream;
                    *self.held.entry(stream).or_default() += data.len();
                }
                Event::Reset { stream, .. } => {
                    self.close(stream);
                    self.reset.push(stream);
                }
                _ => {}
            }
        }
    }
}

/// Client and server act at random, and their bytes travel at any pace. Neither finds a fault in the
/// other, content arrives whole and in order, and each end's capacity is that of a naive account.
pub fn two_ends_agree(script: &[u8]) {
    let Some(([server_window, client_window], script)) = script.split_first_chunk() else { return };
    let mut client = End::new(true, u32::from(*client_window) * 50);
    let mut server = End::new(false, u32::from(*server_window) * 50);
    for step in script.chunks_exact(2) {
        let (what, number) = (step[0], step[1]);
        let (actor, other) =
            if what & 0x80 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
        match what & 0x0f {
            0..=4 => {
                let len = actor.out.len().min(usize::from(number) * 8);
                other.receive(actor.out.drain(..len).collect());
            }
            5 | 6 => open(&mut client, number),
            7..=10 => actor.send_content(number, EndStream::No),
            11 => actor.send_content(number, EndStream::Yes),
            12 | 13 => actor.consume(number),
            14 if number < 80 => actor.reset(number),
            _ => actor.act(|connection, out| {
                let sent = connection.ping([number; 8], out);
                assert_eq!(sent, Ok(()));
                connection.tick(1);
            }),
        }
    }
    while !client.out.is_empty() || !server.out.is_empty() {
        server.receive(core::mem::take(&mut client.out));
        client.receive(core::mem::take(&mut server.out));
    }
    for (from, to) in [(&client, &server), (&server, &client)] {
        for (stream, sent) in &from.sent {
            if from.reset.contains(stream) || to.reset.contains(stream) {
                continue;
            }
            let nothing = (Vec::new(), false);
            assert_eq!(to.heard.get(stream).unwrap_or(&nothing), sent, "stream {stream}");
        }
    }
    assert_eq!(client.connection.stream_count(), server.connection.stream_count());
}

fn open(client: &mut End, number: u8) {
    let line = RequestLine {
        method: if number.is_multiple_of(4) { Method::GET } else { Method::POST },
        scheme: "https",
        authority: "a.example",
        path: "/",
        protocol: None,
    };
    let end = if number.is_multiple_of(4) { EndStream::Yes } else { EndStream::No };
    let mut opened = None;
    client.act(|connection, out| {
        if connection.stream_count() < 100 {
            opened = connection.request(&line, &FieldBlock::new(), end, out).ok();
        }
    });
    if let Some(stream) = opened
        && end == EndStream::No
    {
        client.open.push(stream);
    }
}
