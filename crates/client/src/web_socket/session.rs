//! The open phase of a WebSocket, from the handshake to the end: messages both ways, pings, closing.

use core::ops::ControlFlow;

use sockeye_deflate::{Engine, Params, Session as Windows};
use sockeye_reactor::Time;
use sockeye_websocket::{
    Assembler, Closed, Compression, Config, Connection, Event, Fin, Message, MessageCodec, Role,
    State, UsageError as FrameUsage,
};

use super::{ConnectOptions, Delivery, SocketEvent};
use crate::{Deadline, Entropy, Error, UsageError};

/// The state between the handshake and the end of the connection.
pub(super) struct Session {
    protocol: Connection,
    assembler: Assembler,
    windows: Option<Windows>,
    engine: Engine,
    /// The buffer for the compressed form of a message.
    scratch: Vec<u8>,
    delivery: Delivery,
    ping_ms: Option<u64>,
    pong_ms: u64,
    close_ms: u64,
    /// A message is being sent in parts.
    is_mid_message: bool,
    /// When something came last.
    heard: Time,
    /// When our Ping went out, if nothing came since.
    pinged: Option<Time>,
    /// When the closing handshake, or the wait for the end of the connection, has lasted too long.
    leave_at: Time,
    /// Why the connection was failed.
    failure: Option<Error>,
}

/// So much memory for compressing is kept for the next message.
const SCRATCH_KEPT_BYTES_MAX: usize = 64 * 1024;

impl Session {
    pub(super) fn new(
        options: &ConnectOptions,
        params: Option<Params>,
        entropy: &Entropy,
        now: Time,
    ) -> Self {
        let compression =
            if params.is_some() { Compression::PerMessageDeflate } else { Compression::Off };
        let config = Config { limits: options.limits, compression };
        Self {
            protocol: Connection::client(&config, Box::new(entropy.masks())),
            assembler: Assembler::new(options.limits.message_bytes_max),
            windows: params.map(|params| Windows::new(Role::Client, params)),
            engine: Engine::new(options.engine),
            scratch: Vec::new(),
            delivery: options.delivery,
            ping_ms: options.ping_ms,
            pong_ms: options.pong_ms,
            close_ms: options.close_ms,
            is_mid_message: false,
            heard: now,
            pinged: None,
            leave_at: Time::NEVER,
            failure: None,
        }
    }

    /// Takes input up to the next event. `None`: all is taken.
    pub(super) fn receive<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(SocketEvent<'_>) -> R,
    ) -> Option<R> {
        if !input.is_empty() {
            (self.heard, self.pinged) = (now, None);
        }
        loop {
            let told = match self.protocol.receive(input, out) {
                Ok(None) => return None,
                Ok(Some(event)) => self.pass(event, now, out, take),
                Err(error) => self.fail(Error::WebSocket(error), now),
            };
            if let ControlFlow::Break(told) = told {
                return Some(told);
            }
        }
    }

    /// Hands an event on, unless it is a part of a message that is wanted whole.
    fn pass<R>(
        &mut self,
        event: Event<'_>,
        now: Time,
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(SocketEvent<'_>) -> R,
    ) -> ControlFlow<R> {
        ControlFlow::Break(match event {
            Event::Message(message) => take(SocketEvent::Message(message)),
            Event::Piece(piece) if self.delivery == Delivery::Pieces && !piece.compressed => {
                take(SocketEvent::Piece(piece))
            }
            Event::Piece(piece) => {
                let mut codec = self.windows.as_mut().map(|it| it.codec(&mut self.engine));
                let codec = codec.as_mut().map(|codec| codec as &mut dyn MessageCodec);
                match self.assembler.push(piece, codec) {
                    Ok(None) => return ControlFlow::Continue(()),
                    Ok(Some(message)) => take(SocketEvent::Message(message)),
                    Err(error) => {
                        self.protocol.fail(error.close_code(), "", out);
                        return self.fail(Error::Message(error), now);
                    }
                }
            }
            Event::Ping(payload) => take(SocketEvent::Ping(payload)),
            Event::Pong(payload) => take(SocketEvent::Pong(payload)),
            Event::Close(reason) => {
                // The server closes TCP first, so that TIME_WAIT is on its side.
                // [rfc6455:7.1.1-client-waits]
                self.leave_at = now + self.close_ms;
                take(SocketEvent::Close(reason))
            }
        })
    }

    /// Fails the connection. The Close frame is in the output; the server has `close_ms` to read it.
    fn fail<R>(&mut self, why: Error, now: Time) -> ControlFlow<R> {
        self.leave_at = now + self.close_ms;
        self.failure = Some(why);
        ControlFlow::Continue(())
    }

    /// Looks at the time, once all input was taken. `Some`: it is over.
    pub(super) fn look_at_time(
        &mut self,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Option<Result<Closed, Error>> {
        if now < self.deadline() {
            return None;
        }
        match self.protocol.state() {
            State::CloseSent => return Some(Err(Error::TimedOut(Deadline::Close))),
            State::Closed | State::Failed | State::Ended => return Some(self.end(Error::Ended)),
            State::Open => {}
        }
        if self.pinged.is_some() {
            return Some(Err(Error::TimedOut(Deadline::Pong)));
        }
        self.pinged = Some(now);
        // This cannot fail: the connection is open, and an empty payload is never too long.
        let _ = self.protocol.ping(&[], out);
        None
    }

    pub(super) fn deadline(&self) -> Time {
        match (self.protocol.state(), self.pinged) {
            (State::Open, Some(pinged)) => pinged + self.pong_ms,
            (State::Open, None) => self.ping_ms.map_or(Time::NEVER, |ms| self.heard + ms),
            (State::CloseSent | State::Closed | State::Failed | State::Ended, _) => self.leave_at,
        }
    }

    /// Returns the event or error for the end of the connection.
    pub(super) fn end(&mut self, why: Error) -> Result<Closed, Error> {
        let state = self.protocol.state();
        let closed = self.protocol.receive_eof();
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        match (state, why) {
            // Both Close frames were exchanged, so it does not matter how the connection ends.
            (State::Closed, _) => Ok(closed),
            // The server has not answered the Close frame, but the connection has ended, as the caller wanted.
            (State::CloseSent, Error::Ended) => Ok(closed),
            (State::Open | State::Failed | State::Ended, Error::Ended) => Err(Error::Truncated),
            (_, why) => Err(why),
        }
    }

    pub(super) const fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.protocol.state(), State::Open)
    }

    pub(super) fn send(
        &mut self,
        message: Message<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        // A compressed message has to be sent, or the server could not decompress the next one.
        if self.is_mid_message {
            return Err(UsageError::WebSocket(FrameUsage::MessageUnderWay));
        }
        let compressed = self.is_open()
            && self.windows.as_mut().is_some_and(|windows| {
                windows.codec(&mut self.engine).compress(message.as_bytes(), &mut self.scratch)
            });
        let sent = if compressed {
            self.protocol.send_compressed(message.kind(), &self.scratch, out)
        } else {
            self.protocol.send(message, out)
        };
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_KEPT_BYTES_MAX);
        sent.map_err(UsageError::WebSocket)
    }

    pub(super) fn send_part(
        &mut self,
        part: Message<'_>,
        fin: Fin,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let payload = part.as_bytes();
        let start = self.protocol.begin(part.kind(), payload.len() as u64, fin);
        let start = start.map_err(UsageError::WebSocket)?;
        self.is_mid_message = fin == Fin::More;
        out.extend_from_slice(start.header());
        let at = out.len();
        out.extend_from_slice(payload);
        start.apply_mask(&mut out[at..], 0);
        Ok(())
    }

    pub(super) fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.protocol.ping(payload, out).map_err(UsageError::WebSocket)
    }

    pub(super) fn close(
        &mut self,
        frame: Option<sockeye_websocket::CloseFrame<'_>>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.protocol.close(frame, out).map_err(UsageError::WebSocket)?;
        self.leave_at = now + self.close_ms;
        Ok(())
    }
}
