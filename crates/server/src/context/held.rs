//! Answers to requests that were held.

use super::Context;
use crate::answer::{EventStream, Reply};
use crate::cause::CloseCause;
use crate::http2::put_off;
use crate::key::StreamKey;
use crate::send_error::SendError;
use crate::{events_head, responses};

impl Context<'_> {
    /// Answers a held request. This ends the stream ([`CloseCause::Finished`]), and the connection
    /// serves what its client sent meanwhile, or ends as its request or a drain wants.
    ///
    /// # Errors
    /// [`SendError::Gone`] if the key names no held request (any more), [`SendError::Full`] if its
    /// client did not read what it got before.
    #[expect(clippy::needless_pass_by_value, reason = "a reply is given away, as in an answer")]
    pub fn respond(&mut self, stream: StreamKey, reply: Reply) -> Result<(), SendError> {
        responses::respond(self.core, stream, &reply, CloseCause::Finished)
    }

    /// Answers a held request with an event stream, which has its key from now on: no call tells of an end or an
    /// opening. A request by HEAD gets the head, and its stream ends.
    ///
    /// The response has [`Hold::headers`](crate::Hold::headers) behind those of the event stream.
    ///
    /// # Errors
    /// As for [`respond`](Self::respond).
    pub fn respond_events(
        &mut self,
        stream: StreamKey,
        events: &EventStream,
    ) -> Result<(), SendError> {
        events_head::answer_held(self.core, stream, events)
    }

    /// Puts a held request off if its peer has to take other answers first, and returns whether it did. Ask right
    /// before a long answer is built, and build it only if this returns false.
    ///
    /// After true, one call of [`App::on_drained`](crate::App::on_drained) says when the peer has taken enough. The
    /// time of the hold stands still until then. The application may still send a short answer: an empty one at the
    /// end of its own time, say.
    ///
    /// Over HTTP/1.1 no request is put off: the server reads none before its peer has taken the answers to others. A
    /// stream that is gone, or no held request, is not put off.
    pub fn put_off(&mut self, stream: StreamKey) -> bool {
        put_off::put_off(self.core, stream)
    }
}
