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
/// The loop makes every call from its one thread, so no call may block. Bytes sent through the
/// [`Context`] are appended to outboxes, which the loop flushes at the end of the turn, or
/// right after the read that filled one with 4 KiB or more.
#[expect(unused_variables, reason = "most default methods do nothing with their arguments")]
pub trait App {
    /// The value that an answer passes to the stream that it opens; `()` for none.
    type Pending;

    /// Answers a complete request, its body included.
    ///
    /// If the answer opens a stream, the next call is [`App::on_open`], with the value that the answer
    /// carries. If the answer asked for a stream and none opens, it is [`App::on_unopened`];
    /// [`App::refusal`] may come before that one, to word why.
    fn on_request(
        &mut self,
        request: &Request<'_>,
        context: &mut Context<'_>,
    ) -> Answer<Self::Pending>;

    /// Returns headers and body for an error response of the server's own: to bytes that are no
    /// request, to a request that is too large, or to one that came too late. With `None` the server
    /// writes a line of plain text.
    ///
    /// The application gives the words only. The server decides on the status, the end of the
    /// connection and the headers that the protocol wants (`Retry-After`, `Allow`, `Upgrade`).
    fn refusal(&mut self, refused: &Refused<'_>) -> Option<Wording> {
        None
    }

    /// The stream that the last [`App::on_request`] asked for is open. No other call comes between
    /// these two.
    fn on_open(
        &mut self,
        stream: StreamKey,
        pending: Self::Pending,
        open: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
    }

    /// The stream that the last [`App::on_request`] asked for does not open: the handshake was
    /// refused, or the request was HEAD. By default `pending` is dropped.
    fn on_unopened(&mut self, pending: Self::Pending, context: &mut Context<'_>) {}

    /// A whole WebSocket message arrived.
    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {}

    /// A Ping frame arrived on a WebSocket, and was answered. An application that bounds the rate of pings may
    /// [pause](Context::pause) the stream.
    fn on_ping(&mut self, stream: StreamKey, context: &mut Context<'_>) {}

    /// Bytes came on a tunnel: whatever the socket had, cut anywhere.
    fn on_bytes(&mut self, stream: StreamKey, bytes: &[u8], context: &mut Context<'_>) {}

    /// A peer has taken what it was sent, for one of two reasons. The outbox of a stream has fallen to
    /// [`Limits::outbox_refill_bytes`](crate::Limits) or below: one call for each [`Context::notify_drained`]. Or a
    /// held request was [put off](Context::put_off), and its peer has taken enough of other answers: the request may be
    /// answered.
    ///
    /// The call comes before the outboxes are flushed, so bytes sent in it leave in the same turn. A
    /// stream that has begun to close gets no such call.
    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {}

    /// Nothing was sent on an event stream for [`Limits::heartbeat_ms`](crate::Limits), and nothing
    /// waits. The application should send something, or proxies drop the stream. By default it sends a
    /// comment.
    fn on_heartbeat(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        // If the stream is gone, `on_close` reports it.
        let _ = context.send_comment(stream);
    }

    /// The client of a held request has ended its direction. It either waits for the answer or is
    /// gone; only a write to it shows which. Called once for each such stream.
    ///
    /// By default it does nothing: the request is answered when the application has the answer, or at
    /// its deadline. If the answer may never come, answer the request here.
    fn on_half_close(&mut self, stream: StreamKey, context: &mut Context<'_>) {}

    /// A drain begins. Answer all held requests in this call. Later [`App::on_goodbye`] comes for those
    /// that are left; by default it answers 503.
    fn on_drain(&mut self, context: &mut Context<'_>) {}

    /// The server goes away, and it is this stream's turn to hear of it. Called at most once for each
    /// stream, and right after [`App::on_open`] for a stream that opens during a drain.
    ///
    /// By default it calls [`Context::say_goodbye`], which ends the stream. A stream that is left open
    /// is cut when the drain's time is over.
    fn on_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        context.say_goodbye(stream);
    }

    /// A stream is over; called once for each [`App::on_open`]. The key names nothing any more.
    fn on_close(&mut self, stream: StreamKey, cause: CloseCause, context: &mut Context<'_>) {}

    /// The holder of a stream's work: a user, or an address behind a proxy. The server asks while
    /// more waits than a turn can do, once for each connection that waits. With `None` the holder is the
    /// peer's address, with a weight of one.
    fn holder(&self, stream: StreamKey) -> Option<Holder> {
        None
    }

    /// The time at which [`App::on_timer`] wants to be called.
    fn deadline(&self) -> Time {
        Time::NEVER
    }

    /// The application's deadline has come.
    fn on_timer(&mut self, context: &mut Context<'_>) {}

    /// Called once a turn, after the outboxes were flushed: all bytes of this turn were offered to the
    /// system. `turn_us` is how long the turn took, in microseconds. Update counters here.
    fn on_flushed(&mut self, turn_us: u64) {}

    /// Called once a turn, before the outboxes are flushed. Process here what other threads have queued
    /// before they woke the loop, by a [`Waker`](crate::Waker) or by [`Handle::wake`](crate::Handle::wake).
    fn on_turn(&mut self, context: &mut Context<'_>) {}
}

/// The user or address that work is done for. While more waits than a turn can do, holders get units of work in proportion to their
/// weights, and the connections of one holder get equal numbers of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// A number that the application chooses. Two holders with the same number share one part; nothing
    /// else changes.
    pub id: u64,
    /// How much it gets, compared with one: an address that the application does not name has a weight of
    /// one. Zero counts as one.
    pub weight: u32,
}
