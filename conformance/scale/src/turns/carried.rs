//! The bytes of attackers: HTTP/1.1, or the frames of HTTP/2.

use sockeye_load::engine::Purpose;

use super::attacks::BARE;
use super::stage::{Stage, address, get};
use crate::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE, fields, frame,
    handshake,
};
use crate::line::upgrade;
use crate::world::Client;

/// The largest payload of a frame that a server has to take, in bytes.
const PAYLOAD_BYTES: usize = 16_384;

/// The largest window (RFC 9113 §6.9.1), less what a connection has at first.
const WINDOW: u32 = 0x7fff_ffff - 65_535;

impl Stage {
    const fn scheme(&self) -> &'static str {
        if self.over.has_tls() { "https" } else { "http" }
    }

    /// The bytes that a connection begins with: over HTTP/2 its preface. The windows are so large that only the
    /// system bounds what the server may send.
    pub(crate) fn hello(&self) -> Vec<u8> {
        if !self.over.is_shared() {
            return Vec::new();
        }
        let window = [&[0, 4][..], &WINDOW.to_be_bytes()].concat();
        [
            PREFACE,
            &frame(SETTINGS, 0, 0, &window),
            &frame(SETTINGS, ACK, 0, &[]),
            &frame(WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes()),
        ]
        .concat()
    }

    /// So many requests at once: pipelined, or on the streams behind the first `before` ones.
    pub(crate) fn requests(&self, target: &str, before: usize, count: usize) -> Vec<u8> {
        if !self.over.is_shared() {
            return get(target).repeat(count).into_bytes();
        }
        let block = fields(&[
            (":method", "GET"),
            (":scheme", self.scheme()),
            (":authority", "localhost"),
            (":path", target),
        ]);
        let request = |at| frame(HEADERS, END_HEADERS | END_STREAM, stream(at), &block);
        (before..before + count).flat_map(request).collect()
    }

    /// A connection that begins with a WebSocket.
    pub(crate) fn web_socket(&self) -> Vec<u8> {
        if !self.over.is_shared() {
            return upgrade("").into_bytes();
        }
        let request = frame(HEADERS, END_HEADERS, stream(0), &handshake(self.scheme()));
        [self.hello(), request].concat()
    }

    /// Bytes for that WebSocket.
    pub(crate) fn on_web_socket(&self, bytes: Vec<u8>) -> Vec<u8> {
        if !self.over.is_shared() {
            return bytes;
        }
        bytes.chunks(PAYLOAD_BYTES).flat_map(|part| frame(DATA, 0, stream(0), part)).collect()
    }

    /// Connections for requests of [`requests`](Self::requests), whose answers are counted.
    pub(crate) fn open_requesters(&mut self, count: usize) -> Vec<usize> {
        let first = self.world.clients.len();
        for number in 0..count {
            let client = self.requester(number);
            self.world.add_at_once(client);
        }
        (first..first + count).collect()
    }

    /// One of them.
    pub(crate) fn requester(&self, number: usize) -> Client {
        if !self.over.is_shared() {
            return self.probe(&Purpose::Requests, b"", address(number), None);
        }
        match self.probe(&BARE, &self.hello(), address(number), None) {
            Client::Probe(probe) => Client::Probe(probe.with_frames()),
            other => other,
        }
    }
}

/// The identifier of a client's stream.
fn stream(at: usize) -> u32 {
    u32::try_from(2 * at + 1).expect("few streams")
}
