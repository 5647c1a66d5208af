//! A WebSocket on a blocking stream.

use core::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use sockeye_endpoint::{
    Agreed, CloseCode, CloseReason, Closed, Deadline, Dropped, Endpoint, Error, Fin, Incoming,
    Message, MessageRef, Outgoing, Output, Part, Role, Settings, State, Take, UsageError,
};

use crate::hooks::{Hooks, Interrupted, Patience, is_interruption, is_timeout};
use crate::input::{Input, READ_BYTES};

/// A timeout of the stream, as the caller sees it.
const TIMEOUT: Error = Error::Transport(io::ErrorKind::WouldBlock);

/// Buffers that go out in one write at the most.
const SLICES_PER_WRITE: usize = 16;

/// One end of a WebSocket on a blocking stream.
///
/// Pings and Close frames are answered while somebody reads.
///
/// # Timeouts
/// They are those of the stream. A call whose read or write runs into one returns an error for which
/// [`is_timeout`](Error::is_timeout) holds. Nothing is lost then: what has come of a message is kept, and what is queued stays
/// queued. The next call goes on from there. So `send` is not to be repeated with the same message: [`flush`](Self::flush).
/// A read or write of a TCP stream that signals interrupt ends after three times its timeout at the most.
///
/// ```no_run
/// # fn run(stream: std::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// stream.set_read_timeout(Some(Duration::from_secs(30)))?;
/// stream.set_write_timeout(Some(Duration::from_secs(10)))?;
/// let mut socket = sockeye_blocking::accept(stream, &Default::default())?;
/// let mut asked = false;
/// loop {
///     match socket.read_any() {
///         Ok(Some(_)) => asked = false,
///         Ok(None) => return Ok(()),
///         // A silent peer is asked once.
///         Err(error) if error.is_timeout() && !asked => {
///             asked = true;
///             socket.ping(b"")?;
///         }
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # }
/// ```
pub struct WebSocket<S> {
    stream: S,
    hooks: Hooks<S>,
    endpoint: Endpoint,
    settings: Settings,
    input: Input,
    output: Output,
    /// Nothing was written to the stream since it was last flushed.
    flushed: bool,
    /// Why nothing can be written any more.
    broken: Option<io::ErrorKind>,
    /// When the closing handshake has lasted too long.
    leave_at: Option<Instant>,
    /// The caller's read timeout, while ours is in its place.
    callers_patience: Option<Patience>,
    end: Option<End>,
}

/// How the connection ended.
struct End {
    closed: Closed,
    /// The error that the reader has not been told.
    untold: Option<Error>,
}

impl<S: Read + Write> WebSocket<S> {
    pub(crate) fn new(
        stream: S,
        hooks: Hooks<S>,
        agreed: Agreed,
        early: Vec<u8>,
        settings: Settings,
    ) -> Self {
        Self {
            stream,
            hooks,
            endpoint: Endpoint::new(agreed, &settings),
            settings,
            input: Input { taken: 0, filled: early.len(), bytes: early, offered: READ_BYTES },
            output: Output::default(),
            flushed: true,
            broken: None,
            leave_at: None,
            callers_patience: None,
            end: None,
        }
    }

    /// A WebSocket on a stream whose opening handshake is done. `early` is what was read behind the peer's head.
    pub fn after_handshake(stream: S, role: Role, early: Vec<u8>, settings: Settings) -> Self {
        Self::new(stream, Hooks::NONE, Agreed::new(role), early, settings)
    }

    /// Tells how the stream ends its sending side. A server does that behind its Close frame, and waits for the peer's end, as
    /// long as the read timeout of the stream allows: set one. For a TCP stream all of that is known.
    #[must_use]
    pub fn with_half_close(mut self, half_close: fn(&mut S) -> io::Result<()>) -> Self {
        self.hooks.half_close = Some(half_close);
        self
    }

    // --- Reading ---------------------------------------------------------------------------------

    /// The next message. `None` when the closing handshake is done, and after an error that ended the connection.
    ///
    /// Sends what is queued before it reads.
    ///
    /// # Errors
    /// A timeout of the stream; or the reason for which the connection ended, once.
    pub fn read_message(&mut self) -> Result<Option<Message>, Error> {
        self.take()
    }

    /// The next part of a message, as it arrives: memory does not grow with the message. Small and compressed messages
    /// come as one part.
    ///
    /// # Errors
    /// As [`read_message`](Self::read_message).
    pub fn read_part(&mut self) -> Result<Option<Part>, Error> {
        self.take()
    }

    /// The next message or control frame, for an application that looks at these, too. They are answered either way.
    ///
    /// # Errors
    /// As [`read_message`](Self::read_message).
    pub fn read_any(&mut self) -> Result<Option<Incoming>, Error> {
        self.take()
    }

    fn take<T: Take>(&mut self) -> Result<Option<T>, Error> {
        let mut interrupted = Interrupted::default();
        loop {
            if let Some(end) = &mut self.end {
                return end.untold.take().map_or(Ok(None), Err);
            }
            let Self { input, endpoint, output, .. } = self;
            if let Some(taken) = input.take(|rest| endpoint.receive(rest, output.end())) {
                return Ok(Some(taken));
            }
            if self.endpoint.expects_eof() {
                self.leave();
                continue;
            }
            if self.leave_at.is_some_and(|leave_at| leave_at <= Instant::now()) {
                self.finish(Some(Error::TimedOut(Deadline::Close)));
                continue;
            }
            // An error in sending shows in `broken`, and a timeout in the next call. What came is still read: a peer
            // that waits until we read would wait for ever.
            let _ = self.flush();
            if let Some(taken) = self.read(&mut interrupted)? {
                return Ok(Some(taken));
            }
        }
    }

    /// Reads once: into a message that has come in part and is large, or into the connection's buffer.
    fn read<T: Take>(&mut self, interrupted: &mut Interrupted) -> Result<Option<T>, Error> {
        let left = self.leave_at.map(|at| at.saturating_duration_since(Instant::now()));
        let is_bounded = left.is_some_and(|left| self.set_patience(left));
        let (result, taken) = match self.endpoint.partial(self.input.offered) {
            Some(mut partial) => {
                let room = partial.room();
                let result = self.input.read_on(&mut self.stream, room, partial.bytes());
                // It goes back whether something came or not.
                (result, self.endpoint.receive_partial(partial, self.output.end()))
            }
            None => (self.input.read(&mut self.stream), None),
        };
        match result {
            Ok(0) => self.came_to_end(),
            Ok(_) => {
                interrupted.end();
                return Ok(taken);
            }
            // A timeout of ours: the deadline is looked at before the next read.
            Err(error) if is_bounded && (is_interruption(&error) || is_timeout(&error)) => {}
            Err(error) if is_interruption(&error) => {
                if interrupted.outlasts(self.hooks.patience, &self.stream) {
                    return Err(TIMEOUT);
                }
            }
            Err(error) if is_timeout(&error) => return Err(TIMEOUT),
            Err(error) => self.finish(Some(Error::Transport(error.kind()))),
        }
        Ok(None)
    }

    /// Bounds the next read, if that can be done.
    fn set_patience(&mut self, patience: Duration) -> bool {
        let patience = patience.max(Duration::from_millis(1));
        if self.callers_patience.is_none() {
            self.callers_patience = self.hooks.patience.and_then(|it| it(&self.stream).ok());
        }
        let set = self.hooks.set_patience.map(|set| set(&self.stream, Some(patience)));
        set.is_some_and(|set| set.is_ok())
    }

    /// The peer ended the stream.
    fn came_to_end(&mut self) {
        let error = match self.endpoint.state() {
            State::Open => Some(Error::Ended),
            State::CloseSent | State::Closed | State::Ended => None,
            State::Failed => self.endpoint.failure(),
        };
        self.finish(error);
    }

    fn finish(&mut self, error: Option<Error>) {
        let set = self.hooks.set_patience;
        if let (Some(patience), Some(set)) = (self.callers_patience.take(), set) {
            // An error matters to nobody any more.
            let _ = set(&self.stream, patience);
        }
        self.end = Some(End { closed: self.endpoint.end(), untold: error });
        self.input = Input::default();
        if !self.output.is_empty() {
            self.broken.get_or_insert(io::ErrorKind::BrokenPipe);
            self.output.discard();
        }
    }

    /// Sends the rest, ends our side if we are the server, and waits for the end of the peer's. Unread input could
    /// destroy the Close frame on its way, so it is read and dropped.
    fn leave(&mut self) {
        let waits = match (self.flush(), self.endpoint.role()) {
            (Err(_), _) => false,
            // [rfc6455:7.1.1-client-waits]
            (Ok(()), Role::Client) => true,
            // Without that, the peer would wait for us as we for it.
            (Ok(()), Role::Server) => match self.hooks.half_close {
                Some(half_close) => half_close(&mut self.stream).is_ok(),
                None => false,
            },
        };
        if waits {
            self.drain(Instant::now() + Duration::from_millis(self.settings.close_ms));
            // A server that waits for our end does not have to wait until we are dropped.
            if let (Role::Client, Some(half_close)) = (self.endpoint.role(), self.hooks.half_close)
            {
                let _ = half_close(&mut self.stream);
            }
        }
        self.came_to_end();
    }

    fn drain(&mut self, until: Instant) {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.set_patience(left);
            self.input = Input::default();
            match self.input.read(&mut self.stream) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if is_interruption(&error) => {}
                Err(_) => return,
            }
        }
    }

    // --- Sending ---------------------------------------------------------------------------------

    /// Sends a message.
    ///
    /// # Errors
    /// [`Error::Usage`] once the connection closes, or [`Error::Transport`]. After a timeout the message is queued, unless
    /// [`Error::Full`] says that too much is.
    pub fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.queue(message)?;
        self.flush()
    }

    /// Queues a message. All that is queued goes out in one write, with [`flush`](Self::flush) or before the next read.
    ///
    /// # Errors
    /// [`Error::Full`] while `unsent_bytes_max` bytes wait; [`Error::Usage`] once the connection closes.
    pub fn queue<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.check_room()?;
        // In two writes the frame's head would be a packet of its own.
        match self.hooks.is_vectored {
            true => self.endpoint.send_outgoing(message.into(), &mut self.output)?,
            false => self.endpoint.send(message.into().as_message(), self.output.end())?,
        }
        Ok(())
    }

    /// Sends a part of a message as a frame of its own, uncompressed. The parts of a text are texts.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_part<'m>(
        &mut self,
        part: impl Into<MessageRef<'m>>,
        fin: Fin,
    ) -> Result<(), Error> {
        self.check_room()?;
        self.endpoint.send_part(part.into(), fin, self.output.end())?;
        self.flush()
    }

    /// Sends a Ping of at most 125 bytes.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.check_room()?;
        self.endpoint.ping(payload, self.output.end())?;
        self.flush()
    }

    /// Sends all that is queued.
    ///
    /// # Errors
    /// The stream reports one. After a timeout the rest stays queued.
    pub fn flush(&mut self) -> Result<(), Error> {
        if let Some(kind) = self.broken {
            return Err(Error::Transport(kind));
        }
        self.write_all().map_err(|error| {
            if is_timeout(&error) {
                return TIMEOUT;
            }
            self.broken = Some(error.kind());
            self.output.discard();
            Error::Transport(error.kind())
        })
    }

    fn write_all(&mut self) -> io::Result<()> {
        let mut interrupted = Interrupted::default();
        while !self.output.is_empty() {
            self.flushed = false;
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let written = if self.output.is_scattered() {
                let count = self.output.unsent_slices(&mut slices);
                self.stream.write_vectored(&slices[..count])
            } else {
                self.stream.write(self.output.unsent())
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => {
                    interrupted.end();
                    self.output.advance(len);
                }
                Err(error) if is_interruption(&error) => {
                    if interrupted.outlasts(self.hooks.write_patience, &self.stream) {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    continue;
                }
                Err(error) => return Err(error),
            }
            // A Pong that found no room may have some now.
            self.endpoint.flush_replies(self.output.end());
        }
        while !self.flushed {
            match self.stream.flush() {
                Ok(()) => self.flushed = true,
                Err(error) if is_interruption(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Closes: sends what is queued and a Close frame, waits for the peer's, and for the end of the stream. Messages that
    /// come meanwhile are dropped. [`CloseCode::NO_STATUS`] sends an empty Close frame.
    ///
    /// A TCP stream is waited for `close_ms`, and as long again for its end. Then its read timeout is the caller's again.
    /// Another stream is waited for as long as its own timeouts allow.
    ///
    /// # Errors
    /// [`Error::Usage`] for a code that must not be sent, or a reason over 123 bytes; a timeout of the stream, after which
    /// another `close` goes on; or the error that ended the connection.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error> {
        if self.endpoint.close(code, reason, self.output.end())? {
            self.leave_at = Some(Instant::now() + Duration::from_millis(self.settings.close_ms));
        }
        while self.take::<Dropped>()?.is_some() {}
        let end = self.end.as_ref();
        Ok(end.expect("a connection without a next message has ended").closed)
    }

    fn check_room(&self) -> Result<(), Error> {
        match (self.broken, self.endpoint.state()) {
            (Some(kind), _) => Err(Error::Transport(kind)),
            (None, State::Open) if self.unsent_bytes() < self.settings.unsent_bytes_max => Ok(()),
            (None, State::Open) => Err(Error::Full),
            (None, State::CloseSent | State::Closed | State::Failed | State::Ended) => {
                Err(Error::Usage(UsageError::Closed))
            }
        }
    }

    // --- What is known ---------------------------------------------------------------------------

    /// The stream below. What is read from it, or written to it, is lost for the WebSocket.
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.endpoint.subprotocol()
    }

    /// Whether permessage-deflate was agreed on.
    pub const fn is_compressed(&self) -> bool {
        self.endpoint.is_compressed()
    }

    /// How the connection ended, once it has. The code is the one that the peer sent (RFC 6455 §7.1.5): 1006 where this
    /// side failed the connection. The error of the last read says why.
    pub fn closed(&self) -> Option<Closed> {
        self.end.as_ref().map(|end| end.closed)
    }

    /// The reason in the peer's Close frame, once it came.
    pub const fn close_reason(&self) -> Option<&CloseReason> {
        self.endpoint.reason()
    }

    /// How many bytes are queued and not sent.
    pub const fn unsent_bytes(&self) -> usize {
        self.output.unsent_len()
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
