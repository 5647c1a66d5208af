//! The memory that an encoder without a dynamic table has of its connection.

use alloc::vec::Vec;

use crate::TABLE_BYTES_DEFAULT;

/// A size update to 0 (§6.3).
const NO_TABLE: u8 = 0x20;

/// The encoder of one direction of a connection.
///
/// It never inserts into the peer's dynamic table. So the fields that [`write_field`](crate::write_field)
/// and [`Prebuilt`](crate::Prebuilt) write are the same for all connections, and only the size update
/// belongs to one: a peer that lowers its bound has to be told that the table is small enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The maximum is the one at the connection's start; the peer's bound was never below it.
    #[default]
    Initial,
    /// The next block has to begin with a size update.
    UpdateOwed,
    /// The maximum is 0: no bound is below it.
    NoTable,
}

impl Encoder {
    /// Makes an encoder for a new connection.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Initial }
    }

    /// Takes the SETTINGS_HEADER_TABLE_SIZE of the peer's SETTINGS, when they are acknowledged. Several
    /// in one frame count one by one, in their order.
    pub const fn table_bytes_announced(&mut self, bytes: u32) {
        if matches!(self.state, State::Initial) && (bytes as usize) < TABLE_BYTES_DEFAULT {
            self.state = State::UpdateOwed;
        }
    }

    /// Begins a block: appends the size update if one is owed.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if matches!(self.state, State::UpdateOwed) {
            // [hpack:4.2-signal] RFC 7541 §4.2: the first block after a lowered bound says the new
            // maximum. 0 is the lowest of the interval and the last one.
            out.push(NO_TABLE);
            self.state = State::NoTable;
        }
    }
}
