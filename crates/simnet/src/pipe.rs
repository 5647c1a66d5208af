//! One simulated connection: two directions with limited room, and the edges they cause.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use sockeye_reactor::Key;

use crate::Random;
use crate::record::Envelope;

/// A connection as the server's machine sees it.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// The server's name for it, once it is registered.
    pub(crate) key: Option<Key>,
    /// Sent by the peer, still on its way.
    pub(crate) in_flight: VecDeque<u8>,
    /// Arrived, not read by the server.
    arrived: VecDeque<u8>,
    /// The peer has ended its direction; behind everything in flight.
    pub(crate) fin_in_flight: bool,
    fin_arrived: bool,
    /// Written by the server, not read by the peer.
    outgoing: VecDeque<u8>,
    /// How much the server may have unread by the peer.
    pub(crate) room: usize,
    /// Bytes that the server has read, and written. Records around them do not count.
    pub(crate) taken: u64,
    pub(crate) given: u64,
    /// Bytes that went to the line, records included.
    pub(crate) sent: u64,
    /// The server's writes, the refused ones as well.
    pub(crate) writes: u64,
    fin_sent: bool,
    pub(crate) reset: bool,
    /// The kernel has given the peer up: the reset is its doing.
    timed_out: bool,
    /// The server has given its end back.
    pub(crate) closed: bool,
    pub(crate) edges: Edges,
    /// The last write did not fit: room is news.
    wants_room: bool,
    /// The peer's half, if the connection speaks in records.
    envelope: Option<Envelope>,
    /// Bytes that the server's socket holds above this connection.
    pub(crate) held: usize,
}

/// The edges that the poller has not reported yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Edges {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Pipe {
    pub(crate) fn new(room: usize) -> Self {
        Self { room, edges: Edges { readable: false, writable: true }, ..Self::default() }
    }

    /// The connection speaks in records.
    pub(crate) fn seal(&mut self, random: Random, protocol: &str) {
        self.envelope = Some(Envelope::begin(random, protocol, &mut self.in_flight));
    }

    /// The peer's half of the handshake, which goes on without its application.
    pub(crate) fn shake_hands(&mut self) {
        let Some(envelope) = &mut self.envelope else { return };
        let before = self.outgoing.len();
        self.fin_in_flight |= envelope.shake_hands(&mut self.outgoing, &mut self.in_flight);
        self.give_room(before);
    }

    /// Output that the server's socket holds and that would go: nobody will say so.
    pub(crate) fn is_held_for_nothing(&self) -> bool {
        let is_open = !self.closed && !self.reset;
        self.held > 0 && is_open && !self.wants_room && !self.edges.writable
    }

    /// The peer sends bytes.
    pub(crate) fn peer_write(&mut self, bytes: &[u8]) {
        if self.reset || self.fin_in_flight {
            return;
        }
        match &mut self.envelope {
            Some(envelope) => envelope.write(bytes, &mut self.in_flight),
            None => self.in_flight.extend(bytes),
        }
    }

    /// The peer ends its direction, behind everything that it has sent.
    pub(crate) fn peer_shutdown(&mut self) {
        if self.fin_in_flight {
            return;
        }
        self.fin_in_flight = match &mut self.envelope {
            Some(envelope) => envelope.end(&mut self.in_flight),
            None => true,
        };
    }

    pub(crate) const fn is_sealed(&self) -> bool {
        self.envelope.is_some()
    }

    /// The server has ended its direction without the record that says so, or will have.
    pub(crate) fn is_truncated(&self) -> bool {
        self.fin_sent && !self.reset && self.envelope.as_ref().is_some_and(|it| !it.farewell)
    }

    /// Lets up to `bytes` bytes arrive, and the end once nothing is before it.
    pub(crate) fn deliver(&mut self, bytes: usize) {
        let bytes = bytes.min(self.in_flight.len());
        self.arrived.extend(self.in_flight.drain(..bytes));
        let fin = self.fin_in_flight && self.in_flight.is_empty() && !self.fin_arrived;
        self.fin_arrived |= fin;
        self.edges.readable |= bytes > 0 || fin;
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty() && (!self.fin_in_flight || self.fin_arrived)
    }

    pub(crate) const fn read_closed(&self) -> bool {
        self.fin_arrived || self.reset
    }

    /// Gives everything that has arrived, as far as it fits: a short read means drained.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reset {
            return Err(self.failure(ErrorKind::ConnectionReset));
        }
        let len = self.arrived.len().min(buffer.len());
        if len == 0 {
            return if self.fin_arrived { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        for (to, from) in buffer.iter_mut().zip(self.arrived.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        if self.reset {
            return Err(self.failure(ErrorKind::BrokenPipe));
        }
        assert!(!self.fin_sent, "the server writes after it ended its direction");
        let len = bytes.len().min(self.room - self.outgoing.len());
        self.outgoing.extend(&bytes[..len]);
        self.sent += len as u64;
        self.wants_room |= len < bytes.len();
        if len == 0 && !bytes.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(len) }
    }

    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        if self.reset {
            return Err(ErrorKind::NotConnected.into());
        }
        self.fin_sent = true;
        Ok(())
    }

    /// The server gives the socket back. Unread input turns into a reset, which destroys what the
    /// peer has not read, as on a real machine in the worst case.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.fin_sent = true;
        if !self.arrived.is_empty() || !self.in_flight.is_empty() {
            self.break_off();
        }
    }

    /// Takes what the peer reads: up to `max` bytes, or `None` at the end or after a reset.
    pub(crate) fn peer_read(&mut self, max: usize) -> Option<Vec<u8>> {
        let before = self.outgoing.len();
        let bytes: Vec<u8> = match &mut self.envelope {
            Some(envelope) => envelope.read(max, &mut self.outgoing),
            None => self.outgoing.drain(..max.min(before)).collect(),
        };
        self.give_room(before);
        let is_over = self.outgoing.is_empty() && (self.fin_sent || self.reset);
        if bytes.is_empty() && is_over && max > 0 { None } else { Some(bytes) }
    }

    /// The peer has taken bytes off the line, on which there were `before`.
    fn give_room(&mut self, before: usize) {
        if self.wants_room && self.outgoing.len() < before {
            self.wants_room = false;
            self.edges.writable = true;
        }
    }

    /// The error of a broken connection: the first one says that the kernel gave the peer up.
    fn failure(&mut self, by_peer: ErrorKind) -> io::Error {
        if std::mem::take(&mut self.timed_out) { ErrorKind::TimedOut } else { by_peer }.into()
    }

    /// The kernel gives the peer up, because it acknowledges nothing.
    pub(crate) fn time_out(&mut self) {
        self.timed_out = true;
        self.break_off();
    }

    /// The connection breaks: nothing more gets through in either direction.
    pub(crate) fn break_off(&mut self) {
        self.reset = true;
        self.in_flight.clear();
        self.arrived.clear();
        self.outgoing.clear();
        self.edges = Edges { readable: true, writable: true };
    }
}
