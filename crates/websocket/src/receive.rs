//! Receiving: the peer's bytes become events and replies.

use alloc::boxed::Box;
use alloc::vec::Vec;

use sockeye_frame::{Chunk, CloseCode, CloseFrame, Header, Opcode};

use crate::close::{Action, Input, State, step};
use crate::connection::Rare;
use crate::incoming::message;
use crate::owned::text;
use crate::{
    Appended, CloseReason, Connection, Control, Event, Owned, OwnedMessage, ProtocolError,
};

/// A shorter message is copied: a read buffer is worth more than that.
const OWNED_BYTES_MIN: usize = 8 * 1024;

impl Connection {
    /// Reads from `input` up to the next event, which borrows from it.
    ///
    /// Call it until it returns `None`: then all input is consumed. `out` holds what was not yet
    /// sent; replies are appended to it in the same call. A Pong is appended for every Ping while
    /// `out` is shorter than [`Limits::replies_bytes_max`](crate::Limits::replies_bytes_max);
    /// beyond that the latest one waits for room (RFC 6455 §5.5.3 allows to answer only the
    /// latest), until the next call of this, of a sending function or of
    /// [`flush_replies`](Self::flush_replies).
    ///
    /// After our Close frame went out, data are still checked but dropped; after the peer's Close
    /// or a failure, input is discarded unread.
    ///
    /// # Errors
    /// The peer broke a rule: the connection has failed, the Close frame that says why is in `out`
    /// (unless a Close had been sent before), and the rest of the input is discarded. The error is
    /// returned once.
    ///
    /// # RFC
    /// RFC 6455 §5.4, §5.5, §6.2, §7.1, §8.1.
    #[inline(always)]
    pub fn receive<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        // The fast path of most messages: it counts, keeps and copies nothing.
        if self.is_plain() {
            if let Some(frame) = self.decoder.next_usual(input) {
                return match message(frame.header.opcode, frame.payload) {
                    Ok(message) => Ok(Some(Event::Message(message))),
                    Err(error) => self.violated(error, input, out),
                };
            }
            if input.is_empty() && self.decoder.at_boundary() {
                return Ok(None);
            }
        }
        self.receive_any(input, out)
    }

    /// Takes a large message at the front of `input` together with the vector: no byte of it is copied but by the pass that
    /// unmasks it. `input` then holds what came behind it. The message may have come in part.
    ///
    /// Returns `None` for anything else, and takes nothing: [`receive`](Self::receive) handles it. Large are 8 KiB, and as much as
    /// comes behind the message.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_owned(
        &mut self,
        input: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Owned>, ProtocolError> {
        if input.len() < OWNED_BYTES_MIN || !self.is_plain() {
            return Ok(None);
        }
        // A copy of the message costs no more than one of what is behind it.
        let is_large = |header: &Header| header.payload_len.saturating_mul(2) >= input.len() as u64;
        let header = Header::decode(input).ok().flatten();
        if !header
            .is_some_and(|(header, _)| is_large(&header) && header.opcode != Opcode::Continuation)
        {
            return Ok(None);
        }
        let Some(front) = self.decoder.next_to_front(input) else {
            return Ok(None);
        };
        let rest = input.split_off(front.taken_len);
        let mut payload = core::mem::replace(input, rest);
        payload.truncate(front.payload_len);
        match self.own(front.header, payload) {
            Ok(owned) => Ok(Some(owned)),
            Err(error) => {
                input.clear();
                self.violated(error, &mut &mut [][..], out).map(|_| None)
            }
        }
    }

    fn own(&mut self, header: Header, mut bytes: Vec<u8>) -> Result<Owned, ProtocolError> {
        let chunk = Chunk { header, offset: 0, payload: &mut bytes };
        if !self.incoming.is_whole_message(&chunk) {
            let appended = Appended::of(&self.incoming.take(chunk)?);
            return Ok(Owned::Part { bytes, appended });
        }
        Ok(Owned::Message(match header.opcode {
            // [rfc6455:8.1-utf8-message]
            Opcode::Text => OwnedMessage::Text(text(bytes).ok_or(ProtocolError::InvalidUtf8)?),
            Opcode::Binary | Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => {
                OwnedMessage::Binary(bytes)
            }
        }))
    }

    /// Whether a whole uncompressed message could be delivered without any other work.
    #[inline]
    fn is_plain(&self) -> bool {
        step(self.state(), Input::ReceiveData) == (State::Open, Action::Deliver)
            && self.rare.is_none()
            && !self.incoming.is_under_way()
    }

    /// Handles every case.
    #[inline(never)]
    fn receive_any<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        self.flush_replies(out);
        while self.state().reads() {
            match self.decoder.next(input) {
                Ok(Some(chunk)) if self.incoming.is_whole_message(&chunk) => {
                    match message(chunk.header.opcode, chunk.payload) {
                        Ok(message) if self.delivers(Input::ReceiveData) => {
                            return Ok(Some(Event::Message(message)));
                        }
                        Ok(_) => {}
                        Err(error) => return self.violated(error, input, out),
                    }
                }
                Ok(Some(chunk)) => match self.take(chunk, out) {
                    Ok(None) => {}
                    Ok(event) => return Ok(event),
                    Err(error) => return self.violated(error, input, out),
                },
                Ok(None) => match self.announce() {
                    Ok(()) => return Ok(None),
                    Err(error) => return self.violated(error, input, out),
                },
                Err(error) => return self.violated(ProtocolError::Frame(error), input, out),
            }
        }
        *input = &mut [];
        Ok(None)
    }

    /// Whether a Pong may be waiting for room: if not, [`flush_replies`](Self::flush_replies) has
    /// nothing to append.
    #[must_use]
    #[inline]
    pub const fn owes_reply(&self) -> bool {
        self.rare.is_some()
    }

    /// Appends the Pong that waited for room, if there is one and there is room now.
    #[inline]
    pub fn flush_replies(&mut self, out: &mut Vec<u8>) {
        if self.rare.is_some() {
            self.flush_held_pong(out);
        }
    }

    /// Fails the connection, with the Close frame that says why, and discards the rest.
    #[cold]
    fn violated<'b>(
        &mut self,
        error: ProtocolError,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        *input = &mut [];
        self.fail(error.close_code(), "", out);
        Err(error)
    }

    /// Takes a chunk that is not a whole message.
    #[inline(never)]
    fn take<'b>(
        &mut self,
        chunk: Chunk<'b>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match chunk.header.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                let piece = self.incoming.take(chunk)?;
                Ok(self.delivers(Input::ReceiveData).then_some(Event::Piece(piece)))
            }
            Opcode::Close | Opcode::Ping | Opcode::Pong => self.take_control(&chunk, out),
        }
    }

    /// Looks up the input in the table; returns whether it goes to the application.
    #[inline]
    fn delivers(&mut self, input: Input) -> bool {
        match self.advance(input) {
            Action::Deliver | Action::Answer => true,
            Action::Discard | Action::Send | Action::Refuse | Action::Ignore => false,
        }
    }

    /// Checks a data frame whose header is here and whose payload is not.
    fn announce(&mut self) -> Result<(), ProtocolError> {
        match self.decoder.header() {
            Some(header) => self.incoming.announce(&header),
            None => Ok(()),
        }
    }

    fn take_control<'b>(
        &mut self,
        chunk: &Chunk<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if chunk.is_first() && chunk.is_last() {
            let payload = Control::copy_of(chunk.payload);
            return self.control_arrived(chunk.header.opcode, payload, out);
        }
        let rare = self.rare.get_or_insert_default();
        let partial = rare.partial.get_or_insert(Control::EMPTY);
        partial.extend(chunk.payload);
        if !chunk.is_last() {
            return Ok(None);
        }
        let payload = *partial;
        rare.partial = None;
        self.drop_idle_rare();
        self.control_arrived(chunk.header.opcode, payload, out)
    }

    fn control_arrived<'b>(
        &mut self,
        opcode: Opcode,
        payload: Control,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match opcode {
            Opcode::Ping => Ok(self.ping_arrived(payload, out)),
            Opcode::Close => self.close_arrived(&payload, out),
            Opcode::Pong => Ok(self.delivers(Input::ReceivePong).then_some(Event::Pong(payload))),
            // Not a control frame; `take` does not send it here.
            Opcode::Continuation | Opcode::Text | Opcode::Binary => Ok(None),
        }
    }

    fn ping_arrived<'b>(&mut self, payload: Control, out: &mut Vec<u8>) -> Option<Event<'b>> {
        match self.advance(Input::ReceivePing) {
            Action::Answer => {
                self.answer_ping(payload, out);
                Some(Event::Ping(payload))
            }
            Action::Deliver => Some(Event::Ping(payload)),
            Action::Discard | Action::Send | Action::Refuse | Action::Ignore => None,
        }
    }

    fn close_arrived<'b>(
        &mut self,
        payload: &Control,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        // A half code, a forbidden code or a bad text fails the connection instead.
        // [rfc6455:7.4-invalid-close-refused]
        let frame = CloseFrame::decode(payload)?;
        let reason = frame.map(CloseReason::copy_of);
        self.peer_code = Some(frame.map_or(CloseCode::NO_STATUS, |frame| frame.code()));
        match self.advance(Input::ReceiveClose) {
            // [rfc6455:5.5.1-close-answered] The answer repeats the reason: a page learns the reason of its
            // own close from the answer alone.
            Action::Answer => {
                let (code, reason) =
                    (frame.map(|frame| frame.code()), frame.map_or("", |it| it.reason()));
                self.append_close(code, reason, out);
            }
            Action::Deliver => {}
            Action::Discard | Action::Send | Action::Refuse | Action::Ignore => return Ok(None),
        }
        Ok(Some(Event::Close(reason)))
    }

    /// Sends the Pong with the Ping's own payload, now or once there is room.
    fn answer_ping(&mut self, payload: Control, out: &mut Vec<u8>) {
        if self.has_room(out) {
            // [rfc6455:5.5.3-pong-echoes]
            self.append_frame(Opcode::Pong, &payload, out);
        } else {
            // Only the latest Ping needs its Pong, so that a flood costs one.
            // [rfc6455:5.5.3-latest-pong]
            self.rare.get_or_insert_with(Box::default).held_pong = Some(payload);
        }
    }

    #[cold]
    fn flush_held_pong(&mut self, out: &mut Vec<u8>) {
        if !self.state().reads() {
            self.rare = None;
        } else if self.has_room(out)
            && let Some(payload) = self.rare.as_mut().and_then(|rare| rare.held_pong.take())
        {
            self.append_frame(Opcode::Pong, &payload, out);
            self.drop_idle_rare();
        }
    }

    fn has_room(&self, out: &[u8]) -> bool {
        u32::try_from(out.len()).is_ok_and(|len| len < self.replies_bytes_max)
    }

    fn drop_idle_rare(&mut self) {
        self.rare = self.rare.take().filter(|rare| !rare.is_idle());
    }
}

impl Rare {
    const fn is_idle(&self) -> bool {
        self.partial.is_none() && self.held_pong.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Message};

    fn is_copy<T: Copy>() {}

    /// Only the output can allocate on the way from a small message to its echo: events are plain
    /// data, and the connection owns no box.
    #[test]
    fn ten_thousand_small_messages_leave_no_box_behind() {
        is_copy::<(Message<'_>, Control, CloseReason)>();
        let frame = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let mut connection = Connection::server(&Config::default());
        let mut out = Vec::with_capacity(64);
        let (at, capacity) = (out.as_ptr(), out.capacity());
        for _ in 0..10_000 {
            let mut bytes = frame;
            let mut input = &mut bytes[..];
            while let Ok(Some(event)) = connection.receive(&mut input, &mut out) {
                let Event::Message(message) = event else { panic!("{event:?}") };
                connection.send(message, &mut out).expect("the connection is open");
            }
            assert_eq!(out, b"\x81\x05Hello");
            assert!(connection.rare.is_none() && connection.client.is_none());
            out.clear();
        }
        assert_eq!((out.as_ptr(), out.capacity()), (at, capacity));
    }

    #[test]
    fn the_box_of_a_control_frame_in_parts_is_given_back() {
        let mut connection = Connection::server(&Config::default());
        let mut out = Vec::new();
        let mut ping = [0x89, 0x82, 0, 0, 0, 0, b'h', b'i'];
        let (mut head, mut tail) = ping.split_at_mut(7);
        assert!(matches!(connection.receive(&mut head, &mut out), Ok(None)));
        assert!(connection.rare.is_some());
        assert!(matches!(connection.receive(&mut tail, &mut out), Ok(Some(Event::Ping(_)))));
        assert!(connection.rare.is_none());
    }
}
