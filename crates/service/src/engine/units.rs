//! What pieces of work cost, in the server's units of about a tenth of a microsecond.
//!
//! The engine and its dialect count units at the place where the work is done, so that the loop can
//! yield and a simulation repeats.

/// A publication, besides its subscribers.
pub(crate) const PUBLICATION: u64 = 10;
/// A subscriber that a publication or an event of presence reaches.
pub(crate) const DELIVERY: u64 = 1;
/// A pull from history, besides its items and its search.
pub(crate) const PULL: u64 = 10;
/// An item of a pull, of a page or of a list; a publication that is answered.
pub(crate) const ITEM: u64 = 3;
/// An answer to a poll, besides its pull.
pub(crate) const POLL: u64 = 20;
/// A target that is subscribed, unsubscribed or looked up.
pub(crate) const TARGET: u64 = 10;
/// A token: its signature is verified.
pub(crate) const TOKEN: u64 = 500;
/// A ticket, which is looked up, or the proof of its session.
pub(crate) const TICKET: u64 = 20;

/// Units after which a task goes behind the others.
pub(crate) const STEP: u64 = 2_000;

/// Steps of a search that cost a unit, as a power of two.
const SEARCH_SHIFT: u32 = 1;
/// Bytes of JSON that cost a unit to read or to write, as a power of two.
const TEXT_SHIFT: u32 = 6;

/// The units of a search in the hub.
pub(crate) const fn of_search(steps: u64) -> u64 {
    steps >> SEARCH_SHIFT
}

/// The units of so many bytes of JSON.
pub(crate) const fn of_text(bytes: usize) -> u64 {
    bytes as u64 >> TEXT_SHIFT
}
