//! Large messages, read into the buffers that are handed over.

use sockeye_websocket::{Appended, Event, MessageCodec, Owned, State};

use super::{Endpoint, Place, Take};
use crate::Error;

/// For less than that, a read of its own into the message costs more than a copy: the usual read brings what follows, too.
const READ_BYTES_MIN: usize = 16 * 1024;

/// A message that is under way, taken out of its [`Endpoint`] for one read.
pub struct Partial {
    bytes: Vec<u8>,
    /// What is behind was appended.
    from: usize,
    room: usize,
}

impl Partial {
    /// What has come. Up to [`room`](Self::room) bytes may be appended, for which there is capacity.
    pub const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// How many bytes may be appended.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.room
    }
}

/// Shows the lengths only.
impl core::fmt::Debug for Partial {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Partial({} bytes, room for {})", self.bytes.len(), self.room)
    }
}

impl Endpoint {
    /// Takes a large message at the front of `input` with the vector, so that it is not copied; `input` then holds what came
    /// behind it. `None` if no message is whole then: [`receive`](Self::receive) goes on with `input`.
    pub fn receive_owned<T: Take>(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Option<T> {
        if T::IN_PARTS {
            return None;
        }
        match self.connection.receive_owned(input, out) {
            Ok(None) => None,
            Ok(Some(Owned::Message(message))) => {
                let len = message.as_message().as_bytes().len();
                self.fits::<T>(len, out).then(|| self.whole(message))
            }
            Ok(Some(Owned::Part { bytes, appended })) => {
                self.place = Place::Assembling;
                self.put_back(bytes, appended, out)
            }
            Err(error) => {
                self.failure = Some(Error::Protocol(error));
                None
            }
        }
    }

    /// The message under way, if much of its frame is missing. A caller appends what it reads, at most `read_bytes_max` bytes, and
    /// gives it back by [`receive_partial`](Self::receive_partial). So these bytes are not copied.
    ///
    /// There is room for as many bytes as have come of the message, and not for more, whatever its frame declares.
    pub fn partial(&mut self, read_bytes_max: usize) -> Option<Partial> {
        let missing = usize::try_from(self.connection.payload_missing()).unwrap_or(usize::MAX);
        if missing < READ_BYTES_MIN || self.state() != State::Open {
            return None;
        }
        // Empty, unless a message is being assembled.
        let mut bytes = self.assembler.take_partial();
        let from = bytes.len();
        let room = missing.min(read_bytes_max).min(from);
        if room < READ_BYTES_MIN {
            // It holds no more than before, so the assembler takes it.
            let _ = self.assembler.put_back(bytes, Appended::NOTHING, None);
            return None;
        }
        bytes.reserve_exact(room);
        Some(Partial { bytes, from, room })
    }

    /// Takes a message of [`partial`](Self::partial) back, with what was appended to it. Nothing was received in between.
    pub fn receive_partial<T: Take>(&mut self, partial: Partial, out: &mut Vec<u8>) -> Option<T> {
        let Partial { mut bytes, from, .. } = partial;
        let mut input = &mut bytes[from..];
        let appended = match self.connection.receive(&mut input, out) {
            Ok(Some(Event::Piece(piece))) => Appended::of(&piece),
            // Nothing was appended: bytes in the midst of a frame are one piece.
            Ok(None)
            | Ok(Some(Event::Message(_) | Event::Ping(_) | Event::Pong(_) | Event::Close(_))) => {
                Appended::NOTHING
            }
            Err(error) => {
                self.failure = Some(Error::Protocol(error));
                return None;
            }
        };
        self.put_back(bytes, appended, out)
    }

    fn put_back<T: Take>(
        &mut self,
        bytes: Vec<u8>,
        appended: Appended,
        out: &mut Vec<u8>,
    ) -> Option<T> {
        let codec = self.compressor.as_mut().map(|it| it as &mut dyn MessageCodec);
        let message = self.assembler.put_back(bytes, appended, codec);
        self.assembled(message, out)
    }
}
