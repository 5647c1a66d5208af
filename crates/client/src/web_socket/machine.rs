//! A WebSocket client without its network.

use core::fmt;

use sockeye_reactor::Time;
use sockeye_websocket::{CloseCode, CloseFrame, CloseReason, Closed, Control, Fin, Message, Piece};

use super::opening::{self, Answer, Opening};
use super::session::Session;
use super::{ConnectOptions, Opened};
use crate::{Entropy, Error, Limits, Machine, Peer, UsageError};

/// One WebSocket connection, from the wish for it to its end, as a [`Machine`].
///
/// ```text
/// Dialing ─► Opening ─ 101 ─► Open ─ Close both ways, the end ─► Over: Closed
///    │          │               │
///    └──────────┴───────────────┴─── lost, refused, failed ────► Over: an error
/// ```
///
/// It connects once. After a redirect, a 401 or a lost connection, the caller decides whether to make another one.
pub struct WebSocket {
    options: ConnectOptions,
    limits: Limits,
    entropy: Entropy,
    phase: Phase,
}

enum Phase {
    Dialing,
    Opening(Box<Opening>),
    Open(Box<Session>),
    /// The connection has ended, and this is still to be reported.
    Ending(Result<Closed, Error>),
    Over,
}

/// What a WebSocket client tells its user.
#[derive(Debug)]
#[non_exhaustive]
pub enum SocketEvent<'e> {
    /// The handshake is complete: messages may be sent.
    Open(Opened),
    /// A whole message.
    Message(Message<'e>),
    /// A part of a message; with [`Delivery::Pieces`](crate::Delivery::Pieces) only.
    Piece(Piece<'e>),
    /// The server's Ping; its answer is on the way.
    Ping(Control),
    /// The server's Pong.
    Pong(Control),
    /// The server's Close frame, `None` if it was empty; its answer is on the way. Nothing can be sent any more.
    Close(Option<CloseReason>),
    /// The connection has ended after the closing handshake. The last event.
    Closed(Closed),
}

impl WebSocket {
    /// A client that wants to connect.
    ///
    /// # Errors
    /// The mistake in the options, if they make no valid request.
    pub fn new(
        options: ConnectOptions,
        limits: Limits,
        entropy: Entropy,
    ) -> Result<Self, UsageError> {
        opening::check(&options)?;
        Ok(Self { options, limits, entropy, phase: Phase::Dialing })
    }

    /// Appends a message as one frame, compressed if that was agreed on and helps.
    ///
    /// # Errors
    /// [`UsageError::NotOpen`] before [`SocketEvent::Open`] and after the end; [`UsageError::OutFull`] while
    /// `out` holds [`Limits::out_bytes_max`] or more; [`UsageError::WebSocket`] once a Close frame was sent,
    /// or inside a message of [`send_part`](Self::send_part).
    pub fn send(&mut self, message: Message<'_>, out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.open_for(out)?.send(message, out)
    }

    /// Appends a part of a message as a frame of its own, uncompressed. The parts of a text are texts, so the
    /// whole is one.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`UsageError::WebSocket`] also if the part is of another kind than those before.
    pub fn send_part(
        &mut self,
        part: Message<'_>,
        fin: Fin,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.open_for(out)?.send_part(part, fin, out)
    }

    /// Appends a Ping with a payload of at most 125 bytes.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`UsageError::WebSocket`] also if the payload is too long.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.open_for(out)?.ping(payload, out)
    }

    /// Begins the closing handshake; [`CloseCode::NO_STATUS`] sends an empty Close frame. Before the connection
    /// is open it gives up.
    ///
    /// # Errors
    /// [`UsageError::Close`] for a code that must not be sent, or a reason over 123 bytes;
    /// [`UsageError::WebSocket`] if a Close frame was sent before; [`UsageError::NotOpen`] after the end.
    pub fn close(
        &mut self,
        now: Time,
        code: CloseCode,
        reason: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let frame = match code {
            CloseCode::NO_STATUS if reason.is_empty() => None,
            _ => Some(CloseFrame::new(code, reason).map_err(|_| UsageError::Close)?),
        };
        match &mut self.phase {
            Phase::Dialing | Phase::Opening(_) => {
                let closed = Closed { code: CloseCode::ABNORMAL, clean: false, truncated: false };
                self.phase = Phase::Ending(Ok(closed));
                Ok(())
            }
            Phase::Open(session) => session.close(frame, now, out),
            Phase::Ending(_) | Phase::Over => Err(UsageError::NotOpen),
        }
    }

    /// Whether messages may be sent.
    pub fn is_open(&self) -> bool {
        matches!(&self.phase, Phase::Open(session) if session.is_open())
    }

    /// The server's violation, while the server has time to read the client's Close frame and to end the connection.
    /// After that it is the error of [`next`](Machine::next).
    pub const fn failure(&self) -> Option<&Error> {
        match &self.phase {
            Phase::Open(session) => session.failure(),
            Phase::Dialing | Phase::Opening(_) | Phase::Ending(_) | Phase::Over => None,
        }
    }

    fn open_for(&mut self, out: &[u8]) -> Result<&mut Session, UsageError> {
        let Phase::Open(session) = &mut self.phase else { return Err(UsageError::NotOpen) };
        if out.len() >= self.limits.out_bytes_max {
            return Err(UsageError::OutFull);
        }
        Ok(session)
    }

    /// Tells the end, once.
    fn tell_end<R>(
        &mut self,
        take: &mut dyn FnMut(SocketEvent<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ending(Ok(closed)) => Ok(Some(take(SocketEvent::Closed(closed)))),
            Phase::Ending(Err(error)) => Err(error),
            Phase::Dialing | Phase::Opening(_) | Phase::Open(_) | Phase::Over => Ok(None),
        }
    }
}

impl Machine for WebSocket {
    type Event<'e> = SocketEvent<'e>;

    fn peer(&self) -> Option<&Peer> {
        match self.phase {
            Phase::Dialing | Phase::Opening(_) | Phase::Open(_) => Some(self.options.url.peer()),
            Phase::Ending(_) | Phase::Over => None,
        }
    }

    fn deadline(&self) -> Time {
        match &self.phase {
            Phase::Dialing | Phase::Over => Time::NEVER,
            Phase::Opening(opening) => opening.deadline(),
            Phase::Open(session) => session.deadline(),
            Phase::Ending(_) => Time::default(),
        }
    }

    fn connected(&mut self, now: Time, out: &mut Vec<u8>) {
        if let Phase::Dialing = self.phase {
            let opening = Opening::begin(&self.options, self.limits, &self.entropy, now, out);
            self.phase = Phase::Opening(Box::new(opening));
        }
    }

    fn disconnected(&mut self, _now: Time, why: Error) {
        let outcome = match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Dialing => Err(why),
            Phase::Opening(opening) => Err(opening.cut(why)),
            Phase::Open(mut session) => session.end(why),
            Phase::Ending(outcome) => outcome,
            Phase::Over => return,
        };
        self.phase = Phase::Ending(outcome);
    }

    fn next<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(Self::Event<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        match &mut self.phase {
            Phase::Dialing => Ok(None),
            Phase::Opening(opening) => match opening.take(&self.options, now, input) {
                Answer::Pending => Ok(None),
                Answer::Open(opened, params) => {
                    let session = Session::new(&self.options, params, &self.entropy, now);
                    self.phase = Phase::Open(Box::new(session));
                    Ok(Some(take(SocketEvent::Open(opened))))
                }
                Answer::Failed(error) => {
                    self.phase = Phase::Over;
                    *input = &mut [];
                    Err(error)
                }
            },
            Phase::Open(session) => {
                if let Some(told) = session.receive(now, input, out, take) {
                    return Ok(Some(told));
                }
                let Some(outcome) = session.look_at_time(now, out) else { return Ok(None) };
                self.phase = Phase::Ending(outcome);
                self.tell_end(take)
            }
            Phase::Ending(_) | Phase::Over => {
                *input = &mut [];
                self.tell_end(take)
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }
}

/// Shows no payloads and no credentials.
impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Dialing => "Dialing",
            Phase::Opening(_) => "Opening",
            Phase::Open(_) => "Open",
            Phase::Ending(_) => "Ending",
            Phase::Over => "Over",
        };
        f.debug_struct("WebSocket")
            .field("url", &self.options.url)
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}
