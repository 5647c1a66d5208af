//! The trait that an application implements.

use sockeye_reactor::Time;
use sockeye_websocket::Message;

use crate::answer::{Answer, Wording};
use crate::cause::CloseCause;
use crate::context::Context;
use crate::key::StreamKey;
use crate::request::{Opened, Refused, Request};

/// The application behind a [`Server`](crate::Server).
///
/// Every call is made from the one thread of the loop and must not block. Whatever is sent
/// through the [`Context`] is appended to outboxes, which the loop flushes at the end of the turn, or
/// right after the read that filled one with 4 KiB or more.
pub trait App {
    /// What a request tells the stream that its answer opens; `()` for nothing.
    type Pending;

    /// Answers a complete request, its body included.
    ///
    /// Where the answer opens a stream, [`App::on_open`] is the very next call of this application,
    /// with what the answer carries. Where it does not open one after all, [`App::on_unopened`] is.
    fn on_request(
        &mut self,
        request: &Request<'_>,
        context: &mut Context<'_>,
    ) -> Answer<Self::Pending>;

    /// Words a refusal that the server makes by itself: of what is no request, or too much, or too
    /// late. `None` is a line of plain text.
    ///
    /// Only the words are asked for: the status, the end of the connection and what the protocol
    /// wants besides (`Retry-After`, `Allow`, `Upgrade`) are the server's.
    fn refusal(&mut self, refused: &Refused<'_>) -> Option<Wording> {
        let _ = refused;
        None
    }

    /// The stream that the last [`App::on_request`] asked for is open. No other call comes between
    /// the two.
    fn on_open(
        &mut self,
        stream: StreamKey,
        pending: Self::Pending,
        open: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
        let _ = (stream, pending, open, context);
    }

    /// The stream that the last [`App::on_request`] asked for does not open: the handshake was
    /// refused, or the request was HEAD. By default `pending` is dropped.
    fn on_unopened(&mut self, pending: Self::Pending, context: &mut Context<'_>) {
        let _ = (pending, context);
    }

    /// A whole WebSocket message arrived.
    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        let _ = (stream, message, context);
    }

    /// Bytes came on a tunnel: whatever the socket had, cut anywhere.
    fn on_bytes(&mut self, stream: StreamKey, bytes: &[u8], context: &mut Context<'_>) {
        let _ = (stream, bytes, context);
    }

    /// The outbox of a stream has fallen to [`Limits::outbox_refill_bytes`](crate::Limits) or below;
    /// called once for each time that [`Context::notify_drained`] asked for it.
    ///
    /// It comes before the outboxes are flushed, so what is sent here leaves in the same turn. A
    /// stream that is closing meanwhile is not asked any more.
    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let _ = (stream, context);
    }

    /// Nothing was sent on an event stream for [`Limits::heartbeat_ms`](crate::Limits), and nothing
    /// waits: something should be, or proxies drop it. By default a comment.
    fn on_heartbeat(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        // A stream that is gone meanwhile is reported by itself.
        let _ = context.send_comment(stream);
    }

    /// The client of a held request has ended its direction: it waits for the answer, or is gone, and
    /// only writing to it would tell which. Called once for each such stream.
    ///
    /// By default nothing: the request is answered when the application has the answer, or at its
    /// deadline. An answer that may never come had better be given now.
    fn on_half_close(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let _ = (stream, context);
    }

    /// A drain begins: the place to answer requests that are held.
    fn on_drain(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }

    /// The server goes away, and the turn of this stream has come; called at most once for each
    /// stream, and right after [`App::on_open`] for one that is opened during a drain.
    ///
    /// By default it is ended as [`Context::say_goodbye`] does. One that is left open is cut when
    /// the drain's time is over.
    fn on_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        context.say_goodbye(stream);
    }

    /// A stream is over; called once for each [`App::on_open`]. The key names nothing any more.
    fn on_close(&mut self, stream: StreamKey, cause: CloseCause, context: &mut Context<'_>) {
        let _ = (stream, cause, context);
    }

    /// The time at which [`App::on_timer`] wants to be called.
    fn deadline(&self) -> Time {
        Time::NEVER
    }

    /// The application's deadline has come.
    fn on_timer(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }

    /// Called once a turn after the outboxes were flushed: what was appended in this turn was offered
    /// to the system. `turn_us` is how long the turn took, in microseconds; a place to count.
    fn on_flushed(&mut self, turn_us: u64) {
        let _ = turn_us;
    }

    /// Called once a turn before the outboxes are flushed; the place to take in what other
    /// threads left behind before they woke the loop.
    fn on_turn(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }
}
