//! The trait of a client without its network, which all four machines implement.

use sockeye_reactor::Time;

use crate::{Error, Peer};

/// A client as a state machine: bytes and time in, events and bytes out, and whether it wants a connection.
///
/// Its driver repeats these steps:
///
/// 1. ask [`peer`](Self::peer). If it names a server and there is no connection, connect; then call
///    [`connected`](Self::connected), or [`disconnected`](Self::disconnected) if that fails. If it is `None` and there is
///    a connection, close it and call `disconnected` with [`Error::HungUp`];
/// 2. send the bytes in `out`;
/// 3. call [`next`](Self::next) with the input until it returns `None`. Only when it has taken all input, report the end
///    of the connection by `disconnected`;
/// 4. wait for bytes, but no longer than until [`deadline`](Self::deadline).
pub trait Machine: 'static {
    /// What the machine tells its user; it may borrow from the input.
    type Event<'e>;

    /// The server to which the machine wants to be connected now. Between two connections it is `None` at least until
    /// [`disconnected`](Self::disconnected) was called for the first, so no change is overlooked.
    fn peer(&self) -> Option<&Peer>;

    /// When [`next`](Self::next) has to be called again, whether something came or not.
    fn deadline(&self) -> Time;

    /// Begins the connection to [`peer`](Self::peer), and appends its first bytes to `out`.
    fn connected(&mut self, now: Time, out: &mut Vec<u8>);

    /// Ends the connection, or the attempt to connect. The unsent bytes of `out` are lost.
    fn disconnected(&mut self, now: Time, why: Error);

    /// Takes input, checks the deadlines, hands at most one event to `take`, and appends its output to `out`. `None`
    /// means that all input is taken and there is no event now.
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
