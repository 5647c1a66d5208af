//! The trait of a client without its network, which all three machines implement.

use sockeye_reactor::Time;

use crate::{Error, Peer};

/// A client as a state machine: bytes and time in, events and bytes out, and whether it wants a connection.
///
/// Its driver repeats these steps:
///
/// 1. ask [`peer`](Self::peer). Wanted and not there: connect, then [`connected`](Self::connected), or
///    [`disconnected`](Self::disconnected) if that fails. There and not wanted: close it, then
///    `disconnected` with [`Error::HungUp`];
/// 2. send what is in `out`;
/// 3. call [`next`](Self::next) with what came until it gives nothing more. Report the end of the connection by
///    `disconnected`, and only when all input is taken;
/// 4. wait for bytes, but no longer than until [`deadline`](Self::deadline).
pub trait Machine: 'static {
    /// What the machine tells its user; it may borrow from the input.
    type Event<'e>;

    /// To whom the machine wants to be connected now. Between two connections it is `None` at least until
    /// [`disconnected`](Self::disconnected) was called for the first, so no change is overlooked.
    fn peer(&self) -> Option<&Peer>;

    /// When [`next`](Self::next) has to be called again, whether something came or not.
    fn deadline(&self) -> Time;

    /// The connection to [`peer`](Self::peer) is there. What is to be said first is appended to `out`.
    fn connected(&mut self, now: Time, out: &mut Vec<u8>);

    /// The connection has ended, or none came about. What was not sent of `out` is lost.
    fn disconnected(&mut self, now: Time, why: Error);

    /// Takes input, looks at the time, and hands at most one event to `take`. `None` means that all input is
    /// taken and nothing is to be told now. What is to be sent is appended to `out`.
    ///
    /// # Errors
    /// Why the client has failed, once. It is over then.
    fn next<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(Self::Event<'_>) -> R,
    ) -> Result<Option<R>, Error>;

    /// Whether the client has come to its end: it wants no connection any more and has told everything.
    fn is_over(&self) -> bool;
}
