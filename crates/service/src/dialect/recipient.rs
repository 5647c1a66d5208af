//! Writes on one stream: the words of our dialect in the stream's own form.
//!
//! No call fails: the loop reports a stream that is gone.

use sockeye_hub::Cursor;
use sockeye_server::{CloseCode, Context, Message, StreamKey};

use super::outlet::{Delivery, Heartbeat, Recipient};
use crate::Service;
use crate::wire::{CloseReason, Control, CursorText, Id, Problem, position_event};

/// Room for the usual control message, so that its text does not grow bit by bit.
const CONTROL_BYTES: usize = 256;

impl Recipient {
    /// A WebSocket with the subprotocol.
    pub(crate) const fn socket(stream: StreamKey) -> Self {
        Self::new(stream, Delivery::Commands)
    }

    /// A cursor as this stream is given it.
    pub(crate) fn cursor(&self, cursor: Cursor) -> CursorText {
        cursor_text(cursor, self.proof.as_deref())
    }

    /// Sends a control message. A bare WebSocket and a poll have no form for it, and get nothing.
    pub(crate) fn control(&self, control: &Control<'_>, context: &mut Context<'_>) {
        let mut text = String::with_capacity(CONTROL_BYTES);
        let _ = match self.delivery {
            Delivery::Events(..) => context.send_event(self.stream, &control.event(&mut text)),
            Delivery::Commands | Delivery::Greeting => {
                control.write_json(&mut text);
                context.send(self.stream, Message::Text(&text))
            }
            Delivery::Bare | Delivery::Poll | Delivery::CodedPoll => Ok(()),
        };
    }

    /// Says that the command with this ID was refused, because of this channel if there is one.
    pub(crate) fn error(
        &self,
        id: Option<&Id<'_>>,
        channel: Option<&str>,
        problem: &Problem,
        context: &mut Context<'_>,
    ) {
        self.control(&Control::Error { id, channel, problem }, context);
    }

    /// Names a channel that was refused. Ends a stream that has no words for it.
    pub(crate) fn refusal(&self, channel: &str, problem: &Problem, context: &mut Context<'_>) {
        if self.delivery == Delivery::Bare {
            let reason = CloseReason::of_refusal(problem);
            let code = CloseCode::new(reason.code());
            return context.close(self.stream, code, reason.as_str());
        }
        self.error(None, Some(channel), problem, context);
    }

    /// Gives an event stream its cursor, in an event that fires nothing.
    pub(crate) fn position(
        &self,
        cursor: Cursor,
        retry_ms: Option<u64>,
        context: &mut Context<'_>,
    ) {
        match self.delivery {
            Delivery::Events(..) => {
                let cursor = self.cursor(cursor);
                let _ = context.send_event(self.stream, &position_event(&cursor, retry_ms));
            }
            Delivery::Commands
            | Delivery::Greeting
            | Delivery::Bare
            | Delivery::Poll
            | Delivery::CodedPoll => {}
        }
    }

    /// Gives an event stream a sign of life, in the form that it asked for. [service:ping]
    pub(crate) fn heartbeat(&self, cursor: Cursor, every_ms: u64, context: &mut Context<'_>) {
        match self.delivery {
            Delivery::Events(form) if form.heartbeat() == Heartbeat::Ping => {
                let cursor = self.cursor(cursor);
                self.control(&Control::Ping { cursor: &cursor, ping_ms: every_ms }, context);
            }
            Delivery::Events(_)
            | Delivery::Commands
            | Delivery::Greeting
            | Delivery::Bare
            | Delivery::Poll
            | Delivery::CodedPoll => self.position(cursor, None, context),
        }
    }

    /// Says why the stream ends, and ends it. [service:goaway]
    pub(crate) fn goaway(
        &self,
        reason: CloseReason,
        retry_ms: Option<u64>,
        cursor: Cursor,
        context: &mut Context<'_>,
    ) {
        let cursor = self.cursor(cursor);
        self.control(&Control::Goaway { reason, retry_ms, cursor: &cursor }, context);
        context.close(self.stream, CloseCode::new(reason.code()), &reason.text(retry_ms));
    }
}

/// A cursor with its proof, if there is one.
pub(crate) fn cursor_text(cursor: Cursor, proof: Option<&str>) -> CursorText {
    let proved = proof.and_then(|proof| CursorText::with_proof(cursor, proof));
    proved.unwrap_or_else(|| CursorText::new(cursor))
}

impl Service {
    /// The stream of a session, as a recipient; `None` if there is none.
    pub(crate) fn recipient(&self, stream: StreamKey) -> Option<Recipient> {
        self.engine.sessions.of_stream(stream).map(|session| self.engine.recipient(session))
    }

    /// Tells a stream that the server restarts, and ends it.
    pub(crate) fn say_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let Some(cursor) = self.engine.cursor_of_stream(stream) else { return };
        let retry = Some(self.engine.retry_ms(stream));
        if let Some(to) = self.recipient(stream) {
            to.goaway(CloseReason::Restart, retry, cursor, context);
        }
    }
}
