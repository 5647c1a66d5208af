//! What pieces of work cost, in the server's units of about a tenth of a microsecond.
//!
//! The engine and its dialect count units at the place where the work is done, so that the loop can
//! yield and a simulation repeats.
//!
//! Measured on a simulated network, as processor time of the whole loop without its system calls (one
//! thread, AMD EPYC, while other programs ran):
//!
//! | work | µs | units | ns a unit |
//! |---|---|---|---|
//! | a delivery of a batch to 1,000 or 5,000 WebSockets, with its write | 0.1 to 0.2 | 2.8 | 46 to 77 |
//! | a poll that is answered | 2.8 | 68 | 41 |
//! | a page of 100 or 1,000 messages | 33; 202 | 543; 4,238 | 61; 48 |
//! | a name that is subscribed | 0.3 | 5.6 | 54 |
//! | a publication on a WebSocket | 1.0 | 20 | 51 |
//! | a step of a search over a list of channels | 0.04 to 0.1 | 1 | 44 to 103 |
//! | a step in which a hub of 100,000 channels applies new settings | 0.13 | 2 | 65 |
//!
//! So the 32,000 units of a turn are 1 to 3 ms there. Under all loads of the soak at once a unit takes
//! 130 to 180 ns, with system calls and cold caches. The turns are short ones then, of 8,000 units: 1 to 1.5 ms.

/// A publication, besides its subscribers.
pub(crate) const PUBLICATION: u64 = 10;
/// A subscriber that a publication or an event of presence reaches.
pub(crate) const DELIVERY: u64 = 1;
/// A step of a fan-out, besides its subscribers.
pub(crate) const FAN_OUT: u64 = 10;
/// A pull from history, besides its items and its search.
pub(crate) const PULL: u64 = 5;
/// An item of a pull, of a page or of a list; a publication that is answered.
pub(crate) const ITEM: u64 = 3;
/// An answer to a poll, besides its pull.
pub(crate) const POLL: u64 = 5;
/// A target that is subscribed, unsubscribed or looked up.
pub(crate) const TARGET: u64 = 5;
/// A held request whose turn has come: a look whether its peer takes the answer.
pub(crate) const LOOK: u64 = 1;
/// A subscription that ends with its stream.
pub(crate) const UNLINK: u64 = 2;
/// A token: its signature is verified.
pub(crate) const TOKEN: u64 = 500;
/// A ticket, which is looked up, or the proof of its session.
pub(crate) const TICKET: u64 = 20;
/// A session that a walk over all of them visits.
pub(crate) const SESSION: u64 = 2;

/// The page of metrics, besides its text.
pub(crate) const FIGURES: u64 = 500;
/// The connections whose unsent bytes are counted for that page at the cost of one unit, as a power of two.
const PLACES_SHIFT: u32 = 3;

/// What a request may be expected to cost and yet be answered in the call that reads it: about what ten
/// small requests cost. A task costs some 40 units itself.
pub(crate) const AT_ONCE: u64 = 200;

/// Units after which a task goes behind the others.
pub(crate) const STEP: u64 = 500;

/// Comparisons of a subscriber with fan-outs that cost a unit, as a power of two.
const COMPARISONS_SHIFT: u32 = 6;

/// Bytes of JSON that cost a unit to read or to write, as a power of two.
const TEXT_SHIFT: u32 = 6;

/// The units of so many steps of a search in the hub, and of so many in which it drops something or
/// applies new settings. These touch channels that nobody has used for long.
pub(crate) const fn of_steps(searched: u64, dropped: u64) -> u64 {
    searched + 2 * dropped
}

/// The places of connections that a step of the count for the page of metrics looks at.
pub(crate) const PLACES_OF_STEP: usize = 4_000;
const _: () = assert!(of_places(PLACES_OF_STEP as u64) == STEP);

/// The units of a step that looks at so many places of connections.
pub(crate) const fn of_places(places: u64) -> u64 {
    places.div_ceil(1 << PLACES_SHIFT)
}

/// The units of so many offers that were made outside of the steps of their fan-outs.
pub(crate) const fn of_hastened(offers: u64) -> u64 {
    offers * DELIVERY
}

/// The units of so many comparisons of subscribers with fan-outs: each takes about a nanosecond.
pub(crate) const fn of_compared(comparisons: u64) -> u64 {
    comparisons >> COMPARISONS_SHIFT
}

/// The bytes of JSON that so many units are for.
pub(crate) const fn text_for(units: u64) -> u64 {
    units << TEXT_SHIFT
}

/// The units of so many bytes of JSON.
pub(crate) const fn of_text(bytes: usize) -> u64 {
    bytes as u64 >> TEXT_SHIFT
}
