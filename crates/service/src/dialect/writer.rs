//! Writes on one stream: the words of our dialect in the stream's own form.

use sockeye_hub::Cursor;
use sockeye_server::{CloseCode, Context, SendError, StreamKey};

use super::outlet::{self, Delivery, Recipient};
use crate::Service;
use crate::wire::{CloseReason, Control, CursorText, Problem, position_event};

/// A stream, and where to write what it is told.
pub(crate) struct StreamWriter<'l, 'c> {
    pub(crate) to: Recipient,
    pub(crate) context: &'l mut Context<'c>,
}

impl<'l, 'c> StreamWriter<'l, 'c> {
    /// Writes on a stream whose cursors need no proof.
    pub(crate) const fn new(
        stream: StreamKey,
        delivery: Delivery,
        context: &'l mut Context<'c>,
    ) -> Self {
        Self { to: Recipient::new(stream, delivery), context }
    }

    /// Writes on a WebSocket with the subprotocol.
    pub(crate) const fn commands(stream: StreamKey, context: &'l mut Context<'c>) -> Self {
        Self::new(stream, Delivery::Commands, context)
    }
}

impl StreamWriter<'_, '_> {
    /// A cursor as this stream is given it.
    pub(crate) fn cursor(&self, cursor: Cursor) -> CursorText {
        outlet::cursor_text(&self.to, cursor)
    }

    /// Sends what is no message of the log, where the stream has words for it.
    pub(crate) fn control(&mut self, control: &Control<'_>) -> Result<(), SendError> {
        outlet::control(self.context, &self.to, control)
    }

    /// Names a channel that was refused. Ends a stream that has no words for it.
    pub(crate) fn refusal(&mut self, channel: &str, problem: &Problem) {
        if self.to.delivery == Delivery::Bare {
            let reason = CloseReason::of_refusal(problem);
            let code = CloseCode::new(reason.code());
            return self.context.close(self.to.stream, code, reason.as_str());
        }
        // The loop reports a stream that is gone.
        let _ = self.control(&Control::Error { id: None, channel: Some(channel), problem });
    }

    /// Gives an event stream its cursor, in an event that fires nothing.
    pub(crate) fn position(
        &mut self,
        cursor: Cursor,
        retry_ms: Option<u64>,
    ) -> Result<(), SendError> {
        match self.to.delivery {
            Delivery::Events(_) => {
                let cursor = self.cursor(cursor);
                self.context.send_event(self.to.stream, &position_event(&cursor, retry_ms))
            }
            Delivery::Commands | Delivery::Greeting | Delivery::Bare | Delivery::Poll => Ok(()),
        }
    }

    /// Says why the stream ends, and ends it.
    pub(crate) fn goaway(&mut self, reason: CloseReason, retry_ms: Option<u64>, cursor: Cursor) {
        outlet::goaway(self.context, &self.to, reason, retry_ms, cursor);
    }
}

impl Service {
    /// Writes on the stream of a session; `None` if there is none.
    pub(crate) fn writer<'l, 'c>(
        &self,
        stream: StreamKey,
        context: &'l mut Context<'c>,
    ) -> Option<StreamWriter<'l, 'c>> {
        let session = self.engine.sessions.of_stream(stream)?;
        Some(StreamWriter { to: self.engine.recipient(session), context })
    }
}
