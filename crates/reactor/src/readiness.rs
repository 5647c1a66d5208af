//! What a socket was last said to be ready for, and the list of those to visit again.

use crate::{Key, Ready};

/// The readiness of one socket as remembered between turns.
///
/// The poller reports edges: it says "readable" once, and again only after more has come. So the
/// bits stay set until a read or a write proves them wrong.
///
/// Every connection has one: a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness(u8);

impl Readiness {
    const READABLE: u8 = 1;
    const WRITABLE: u8 = 1 << 1;
    const READ_CLOSED: u8 = 1 << 2;
    const LISTED: u8 = 1 << 3;

    const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }

    /// Takes in what the poller reported.
    pub fn merge(&mut self, ready: Ready) {
        let of = |is_so: bool, bit: u8| if is_so { bit } else { 0 };
        self.0 |= of(ready.readable, Self::READABLE);
        self.0 |= of(ready.writable, Self::WRITABLE);
        self.0 |= of(ready.read_closed, Self::READ_CLOSED);
    }

    /// The owner has a reason to write although the poller did not say so: the socket is new, or
    /// a deadline has come. At worst the write blocks.
    pub const fn assume_writable(&mut self) {
        self.0 |= Self::WRITABLE;
    }

    /// The owner wants to read again what the poller reports once only: the end of the stream. At
    /// worst the read blocks.
    pub const fn assume_readable(&mut self) {
        self.0 |= Self::READABLE;
    }

    /// Whether a read may bring something.
    pub const fn readable(self) -> bool {
        self.has(Self::READABLE | Self::READ_CLOSED)
    }

    /// Whether a write may get rid of something.
    pub const fn writable(self) -> bool {
        self.has(Self::WRITABLE)
    }

    /// A read brought `len` bytes into room for `room`.
    ///
    /// A short read means drained: on a stream socket the next byte comes with a new edge. The
    /// exception is an end of stream that was reported together with the bytes before it: its
    /// edge is already spent, so the socket stays readable until the end itself has been read.
    pub const fn after_read(&mut self, len: usize, room: usize) {
        if len < room {
            self.0 &= !Self::READABLE;
        }
    }

    /// The end of the stream was read.
    pub const fn after_end(&mut self) {
        self.0 &= !(Self::READABLE | Self::READ_CLOSED);
    }

    /// A read would block.
    pub const fn after_read_blocked(&mut self) {
        self.0 &= !(Self::READABLE | Self::READ_CLOSED);
    }

    /// A write could not take everything.
    pub const fn after_short_write(&mut self) {
        self.0 &= !Self::WRITABLE;
    }
}

/// Sockets to be visited in the next turn although the poller will not name them again: those that
/// used up their read budget, and those whose reading was paused and may go on.
#[derive(Debug, Default)]
pub struct ReadyList {
    keys: Vec<Key>,
}

impl ReadyList {
    /// Lists `key` unless it is listed already.
    pub fn add(&mut self, key: Key, readiness: &mut Readiness) {
        if !readiness.is_listed() {
            readiness.0 |= Readiness::LISTED;
            self.keys.push(key);
        }
    }

    /// Whether nobody waits for a visit.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Moves the list into `keys` (cleared first). The caller takes each one off the list with
    /// [`Readiness::unlist`] when it visits.
    pub fn take(&mut self, keys: &mut Vec<Key>) {
        keys.clear();
        keys.append(&mut self.keys);
    }
}

impl Readiness {
    /// Whether the socket waits for a visit.
    pub const fn is_listed(self) -> bool {
        self.has(Self::LISTED)
    }

    /// The visit for which the socket was listed begins.
    pub const fn unlist(&mut self) {
        self.0 &= !Self::LISTED;
    }
}

#[cfg(test)]
mod tests {
    use super::{Readiness, ReadyList};
    use crate::{Key, Ready};

    fn ready(readable: bool, read_closed: bool) -> Ready {
        Ready { key: Key::from_u64(1), readable, writable: false, read_closed }
    }

    #[test]
    fn a_short_read_means_drained() {
        let mut readiness = Readiness::default();
        readiness.merge(ready(true, false));
        readiness.after_read(10, 10);
        assert!(readiness.readable(), "a full read may have left something");
        readiness.after_read(9, 10);
        assert!(!readiness.readable());
    }

    #[test]
    fn an_end_reported_with_data_is_still_read() {
        let mut readiness = Readiness::default();
        readiness.merge(ready(true, true));
        readiness.after_read(3, 10);
        assert!(readiness.readable(), "the end has no edge of its own any more");
        readiness.after_end();
        assert!(!readiness.readable());
    }

    #[test]
    fn a_socket_is_listed_once() {
        let (mut list, mut readiness) = (ReadyList::default(), Readiness::default());
        list.add(Key::from_u64(1), &mut readiness);
        list.add(Key::from_u64(1), &mut readiness);
        let mut keys = Vec::new();
        list.take(&mut keys);
        assert_eq!(keys.len(), 1);
        readiness.unlist();
        list.add(Key::from_u64(1), &mut readiness);
        list.take(&mut keys);
        assert_eq!(keys.len(), 1);
    }
}
