//! One simulated connection: two directions with limited room, and the edges they cause.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

/// A connection as the server's machine sees it.
#[derive(Debug)]
pub(crate) struct Pipe {
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
    /// Bytes that the server has read, and written.
    pub(crate) taken: u64,
    pub(crate) given: u64,
    /// The server's writes, the refused ones as well.
    pub(crate) writes: u64,
    fin_sent: bool,
    pub(crate) reset: bool,
    /// The server has given its end back.
    pub(crate) closed: bool,
    pub(crate) edges: Edges,
    /// The last write did not fit: room is news.
    wants_room: bool,
}

/// What the poller has not reported yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Edges {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Pipe {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            in_flight: VecDeque::new(),
            arrived: VecDeque::new(),
            fin_in_flight: false,
            fin_arrived: false,
            outgoing: VecDeque::new(),
            room,
            taken: 0,
            given: 0,
            writes: 0,
            fin_sent: false,
            reset: false,
            closed: false,
            edges: Edges { readable: false, writable: true },
            wants_room: false,
        }
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
            return Err(ErrorKind::ConnectionReset.into());
        }
        let len = self.arrived.len().min(buffer.len());
        if len == 0 {
            return if self.fin_arrived { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        for (to, from) in buffer.iter_mut().zip(self.arrived.drain(..len)) {
            *to = from;
        }
        self.taken += len as u64;
        Ok(len)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        if self.reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        assert!(!self.fin_sent, "the server writes after it ended its direction");
        let len = bytes.len().min(self.room - self.outgoing.len());
        self.outgoing.extend(&bytes[..len]);
        self.given += len as u64;
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

    /// What the peer reads: up to `max` bytes, or `None` at the end or after a reset.
    pub(crate) fn peer_read(&mut self, max: usize) -> Option<Vec<u8>> {
        if self.outgoing.is_empty() {
            return if self.fin_sent || self.reset { None } else { Some(Vec::new()) };
        }
        let len = max.min(self.outgoing.len());
        let bytes = self.outgoing.drain(..len).collect();
        if self.wants_room && len > 0 {
            self.wants_room = false;
            self.edges.writable = true;
        }
        Some(bytes)
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
