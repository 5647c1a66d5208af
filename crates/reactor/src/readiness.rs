//! The readiness of sockets, remembered between turns, and the list of sockets to visit again.

use std::collections::VecDeque;

use crate::{Key, Ready, Socket};

/// The readiness of one socket as remembered between turns, in one byte.
///
/// The poller reports edges: it says "readable" once, and again only after more has come. So a bit
/// stays set until a read or a write proves it wrong. Methods that follow a read take the socket: one
/// that [holds input](Socket::holds_input) stays readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness(u8);

impl Readiness {
    const READABLE: u8 = 1;
    const WRITABLE: u8 = 1 << 1;
    const READ_CLOSED: u8 = 1 << 2;
    const LISTED: u8 = 1 << 3;
    const HANDSHAKING: u8 = 1 << 4;
    const NO_SOCKET: u8 = 1 << 5;

    /// The readiness of a stream that other means carry: no poller reports it, and it counts as writable.
    pub const fn without_socket() -> Self {
        Self(Self::NO_SOCKET | Self::WRITABLE)
    }

    /// Whether it is that of a socket.
    pub const fn has_socket(self) -> bool {
        !self.has(Self::NO_SOCKET)
    }

    const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }

    /// Adds a report of the poller's.
    pub fn merge(&mut self, ready: Ready) {
        let of = |is_so: bool, bit: u8| if is_so { bit } else { 0 };
        self.0 |= of(ready.readable, Self::READABLE);
        self.0 |= of(ready.writable, Self::WRITABLE);
        self.0 |= of(ready.read_closed, Self::READ_CLOSED);
    }

    /// Marks the socket writable without a report: it is new, or a deadline has come. At worst the
    /// write blocks.
    pub const fn assume_writable(&mut self) {
        self.0 |= Self::WRITABLE;
    }

    /// Marks the socket readable without a report, for example to read the end of the stream again. At
    /// worst the read blocks.
    pub const fn assume_readable(&mut self) {
        self.0 |= Self::READABLE;
    }

    /// Whether a read may bring bytes, the end or an error.
    pub const fn readable(self) -> bool {
        self.has(Self::READABLE | Self::READ_CLOSED)
    }

    /// Whether the socket may take bytes.
    pub const fn writable(self) -> bool {
        self.has(Self::WRITABLE)
    }

    /// A read of `socket` brought `len` bytes into room for `room`.
    ///
    /// A short read means that nothing is left, unless the socket holds input: the next byte comes with a
    /// new edge.
    /// An end of stream that was reported together with the bytes before it has no edge of its own, so
    /// the socket stays readable until the end itself has been read.
    #[inline]
    pub fn after_read<S: Socket>(&mut self, len: usize, room: usize, socket: &S) {
        if len < room && !socket.holds_input() {
            self.0 &= !Self::READABLE;
        }
    }

    /// The end of the stream was read.
    pub const fn after_end(&mut self) {
        self.0 &= !(Self::READABLE | Self::READ_CLOSED);
    }

    /// A read of `socket` would block.
    #[inline]
    pub fn after_read_blocked<S: Socket>(&mut self, socket: &S) {
        if !socket.holds_input() {
            self.0 &= !(Self::READABLE | Self::READ_CLOSED);
        }
    }

    /// A write could not take everything.
    pub const fn after_short_write(&mut self) {
        self.0 &= !Self::WRITABLE;
    }

    /// The socket begins with a handshake.
    pub const fn begin_handshake(&mut self) {
        self.0 |= Self::HANDSHAKING;
    }

    /// Whether the handshake is under way.
    pub const fn is_handshaking(self) -> bool {
        self.has(Self::HANDSHAKING)
    }

    /// The handshake of `socket` went as far as it could: it is over, has failed, or waits for input. Once
    /// it is over, the socket counts as readable: data may have come with the last bytes of the handshake.
    #[inline]
    pub fn after_handshake<S: Socket>(&mut self, socket: &S) {
        if socket.is_handshaking() {
            self.0 &= !Self::READABLE;
        } else {
            self.0 &= !Self::HANDSHAKING;
            self.0 |= Self::READABLE;
        }
    }
}

/// Sockets to visit although the poller will not name them again, in the order in which they wait: they
/// used up their share of a turn, hold input, or were paused and may go on.
#[derive(Debug, Default)]
pub struct ReadyList {
    keys: VecDeque<Key>,
}

impl ReadyList {
    /// Lists `key` unless it is listed already.
    pub fn add(&mut self, key: Key, readiness: &mut Readiness) {
        if !readiness.is_listed() {
            readiness.0 |= Readiness::LISTED;
            self.keys.push_back(key);
        }
    }

    /// Whether no socket waits for a visit.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of sockets that wait for a visit.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Moves the sockets from the place `middle` on before those from the place `start` on.
    ///
    /// # Panics
    /// If `middle` is below `start`, or above the number of sockets.
    pub fn rotate(&mut self, start: usize, middle: usize) {
        self.keys.make_contiguous()[start..].rotate_left(middle - start);
    }

    /// Takes the socket that has waited longest. The caller takes its mark off with
    /// [`Readiness::unlist`] when it visits.
    pub fn pop(&mut self) -> Option<Key> {
        self.keys.pop_front()
    }
}

impl Readiness {
    /// Whether the socket waits for a visit.
    pub const fn is_listed(self) -> bool {
        self.has(Self::LISTED)
    }

    /// Takes the socket off the list: its visit begins.
    pub const fn unlist(&mut self) {
        self.0 &= !Self::LISTED;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};

    use super::{Readiness, ReadyList};
    use crate::{Key, Ready, Socket};

    const PLAIN: Idle = Idle { holds_input: false, is_handshaking: false };

    /// A socket of which only the state counts.
    #[derive(Clone, Copy)]
    struct Idle {
        holds_input: bool,
        is_handshaking: bool,
    }

    impl Socket for Idle {
        const BUFFERS: bool = true;

        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("nobody reads here")
        }

        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            unreachable!("nobody writes here")
        }

        fn write_vectored(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            unreachable!("nobody writes here")
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            unreachable!("nobody writes here")
        }

        fn holds_input(&self) -> bool {
            self.holds_input
        }

        fn is_handshaking(&self) -> bool {
            self.is_handshaking
        }
    }

    fn ready(readable: bool, read_closed: bool) -> Ready {
        Ready { key: Key::from_u64(1), readable, writable: false, read_closed }
    }

    #[test]
    fn a_short_read_means_drained() {
        let mut readiness = Readiness::default();
        readiness.merge(ready(true, false));
        readiness.after_read(10, 10, &PLAIN);
        assert!(readiness.readable(), "a full read may have left something");
        readiness.after_read(9, 10, &PLAIN);
        assert!(!readiness.readable());
    }

    #[test]
    fn an_end_reported_with_data_is_still_read() {
        let mut readiness = Readiness::default();
        readiness.merge(ready(true, true));
        readiness.after_read(3, 10, &PLAIN);
        assert!(readiness.readable(), "the end has no edge of its own any more");
        readiness.after_end();
        assert!(!readiness.readable());
    }

    #[test]
    fn a_socket_that_holds_input_stays_readable() {
        let holding = Idle { holds_input: true, ..PLAIN };
        let mut readiness = Readiness::default();
        readiness.merge(ready(true, false));
        readiness.after_read(3, 10, &holding);
        assert!(readiness.readable(), "a short read says nothing of what it holds");
        readiness.after_read_blocked(&holding);
        assert!(readiness.readable());
        readiness.after_read_blocked(&PLAIN);
        assert!(!readiness.readable());
    }

    #[test]
    fn a_handshake_leaves_the_input_behind_it_to_be_read() {
        let mut readiness = Readiness::default();
        readiness.begin_handshake();
        readiness.merge(ready(true, false));
        readiness.after_handshake(&Idle { is_handshaking: true, ..PLAIN });
        assert!(readiness.is_handshaking() && !readiness.readable(), "it waits for more");
        readiness.merge(ready(true, false));
        readiness.after_handshake(&PLAIN);
        assert!(!readiness.is_handshaking() && readiness.readable());
    }

    #[test]
    fn a_socket_is_listed_once() {
        let (mut list, mut readiness) = (ReadyList::default(), Readiness::default());
        list.add(Key::from_u64(1), &mut readiness);
        list.add(Key::from_u64(1), &mut readiness);
        assert_eq!((list.len(), list.pop(), list.pop()), (1, Some(Key::from_u64(1)), None));
        readiness.unlist();
        list.add(Key::from_u64(1), &mut readiness);
        let mut later = Readiness::default();
        list.add(Key::from_u64(2), &mut later);
        let mut last = Readiness::default();
        list.add(Key::from_u64(3), &mut last);
        list.rotate(1, 2);
        let order = [1, 3, 2].map(|key| Some(Key::from_u64(key)));
        assert_eq!([list.pop(), list.pop(), list.pop()], order);
    }
}
