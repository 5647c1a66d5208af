//! One stream, as something to say things on: the same words in each stream's own form.

use sockeye_hub::{Cursor, Entry};
use sockeye_server::{CloseCode, Context, Message, SendError, StreamKey};

use crate::engine::access::{Access, Principal};
use crate::engine::body::{self, Body};
use crate::engine::session::{Delivery, Session};
use crate::wire::{self, CloseReason, Control, CursorText, Problem, position_event};

/// Room for what is usually said, so that it does not grow bit by bit.
const CONTROL_BYTES: usize = 256;

/// A stream and how it is spoken to.
pub(crate) struct StreamWriter<'l, 'c> {
    pub(crate) stream: StreamKey,
    pub(crate) form: Delivery,
    /// What follows each cursor that is handed out here.
    pub(crate) proof: Option<String>,
    pub(crate) context: &'l mut Context<'c>,
}

impl<'l, 'c> StreamWriter<'l, 'c> {
    /// The line of a session.
    pub(crate) fn of(
        session: &Session,
        access: &Access,
        now_ms: u64,
        context: &'l mut Context<'c>,
    ) -> Self {
        let proof = Self::proof(session.form, &session.who, access, now_ms);
        Self { stream: session.stream, form: session.form, proof, context }
    }

    /// What follows the cursors of a stream of this form.
    pub(crate) fn proof(
        form: Delivery,
        who: &Principal,
        access: &Access,
        now_ms: u64,
    ) -> Option<String> {
        match form {
            // Where the next request brings the cursor and the ticket together.
            Delivery::Events(_) => access.proof(who, now_ms),
            Delivery::Commands | Delivery::Greeting | Delivery::Bare | Delivery::Poll => None,
        }
    }
}

impl StreamWriter<'_, '_> {
    /// A cursor as this stream is to be given it.
    pub(crate) fn cursor(&self, cursor: Cursor) -> CursorText {
        let proved = self.proof.as_ref().and_then(|it| CursorText::with_proof(cursor, it));
        proved.unwrap_or_else(|| CursorText::new(cursor))
    }

    /// Sends a message of the log.
    pub(crate) fn entry(&mut self, entry: &Entry<Body>) -> Result<(), SendError> {
        match self.form {
            Delivery::Events(envelope) if self.proof.is_none() => {
                self.context.send_shared_event(self.stream, body::event(entry, envelope))
            }
            Delivery::Events(envelope) => {
                let (cursor, mut text) = (self.cursor(entry.position), String::new());
                let event = wire::event(entry, &cursor, body::wire_form(envelope), &mut text);
                self.context.send_event(self.stream, &event)
            }
            Delivery::Commands | Delivery::Greeting => {
                self.context.send_shared(self.stream, body::message(entry))
            }
            Delivery::Bare => match body::bare(entry) {
                Some(message) => self.context.send_shared(self.stream, message),
                None => Ok(()),
            },
            // What a poll gets stands in its response.
            Delivery::Poll => Ok(()),
        }
    }

    /// Says something beside the log, where the form has words for it.
    pub(crate) fn control(&mut self, control: &Control<'_>) -> Result<(), SendError> {
        let mut text = String::with_capacity(CONTROL_BYTES);
        match self.form {
            Delivery::Events(_) => self.context.send_event(self.stream, &control.event(&mut text)),
            Delivery::Commands | Delivery::Greeting => {
                control.write_json(&mut text);
                self.context.send(self.stream, Message::Text(&text))
            }
            Delivery::Bare | Delivery::Poll => Ok(()),
        }
    }

    /// Names a channel that was refused. A stream without words for it is ended.
    pub(crate) fn refusal(&mut self, channel: &str, problem: &Problem) {
        if self.form == Delivery::Bare {
            let reason = CloseReason::of_refusal(problem);
            return self.context.close(self.stream, CloseCode::new(reason.code()), reason.as_str());
        }
        // Whoever is gone already need not be told.
        let _ = self.control(&Control::Error { id: None, channel: Some(channel), problem });
    }

    /// Hands the cursor to an event stream, which fires nothing there.
    pub(crate) fn position(
        &mut self,
        cursor: Cursor,
        retry_ms: Option<u64>,
    ) -> Result<(), SendError> {
        match self.form {
            Delivery::Events(_) => {
                let cursor = self.cursor(cursor);
                self.context.send_event(self.stream, &position_event(&cursor, retry_ms))
            }
            Delivery::Commands | Delivery::Greeting | Delivery::Bare | Delivery::Poll => Ok(()),
        }
    }

    /// Says why the stream ends, and ends it. [service:goaway]
    pub(crate) fn goaway(&mut self, reason: CloseReason, retry_ms: Option<u64>, cursor: Cursor) {
        let cursor = self.cursor(cursor);
        // Whoever is gone already need not be told.
        let _ = self.control(&Control::Goaway { reason, retry_ms, cursor: &cursor });
        let code = CloseCode::new(reason.code());
        self.context.close(self.stream, code, &reason.text(retry_ms));
    }
}
