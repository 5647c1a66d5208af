//! A connection on its stream, as polls. The futures of the public types only call these, and hold nothing but the
//! caller's message.

mod read;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use sockeye_endpoint::{
    Agreed, CloseCode, CloseReason, Closed, Deadline, Dropped, Endpoint, Error, Fin, Incoming,
    MessageRef, Outgoing, Output, Role, Settings, State, Take, UsageError,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::buffers::{Input, with_read_buffer};
use crate::timer::Timer;
use crate::wakers::{Side, Wakers};

/// Buffers that go out in one write at the most.
const SLICES_PER_WRITE: usize = 16;

/// Reads without a message, and messages that nobody wants, of one poll: the thread has others to poll.
const STEPS_PER_POLL: usize = 32;

pub(crate) struct Core<S> {
    stream: S,
    endpoint: Endpoint,
    settings: Settings,
    input: Input,
    output: Output,
    wakers: Arc<Wakers>,
    /// Wakes whoever waits to write. The stream gets it instead of a task's own.
    write_waker: Waker,
    timer: Timer,
    /// When something came last.
    heard: Instant,
    /// When our Ping went out, if nothing came since.
    pinged: Option<Instant>,
    /// When the closing handshake, or the wait for the end of the stream, has lasted too long.
    leave_at: Option<Instant>,
    /// Nothing was written to the stream since it was last flushed.
    flushed: bool,
    /// Only the end of the stream is awaited.
    leaving: bool,
    /// Our side of the stream was shut down.
    shut: bool,
    /// The peer's side of the stream is at its end.
    read_out: bool,
    /// Why nothing can be written any more.
    broken: Option<io::ErrorKind>,
    queued: u64,
    end: Option<End>,
}

/// How the connection ended.
struct End {
    closed: Closed,
    /// The error that the receiver has not been told.
    untold: Option<Error>,
}

/// What a handshake leaves: the stream, and what was agreed on it.
pub(crate) struct Opened<S> {
    pub(crate) stream: S,
    pub(crate) agreed: Agreed,
    /// What came behind the peer's head.
    pub(crate) early: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Core<S> {
    pub(crate) fn new(opened: Opened<S>, settings: Settings) -> Self {
        let wakers = Arc::new(Wakers::default());
        Self {
            stream: opened.stream,
            endpoint: Endpoint::new(opened.agreed, &settings),
            settings,
            input: Input::new(opened.early),
            output: Output::default(),
            write_waker: Waker::from(Arc::clone(&wakers)),
            wakers,
            timer: Timer::default(),
            heard: Instant::now(),
            pinged: None,
            leave_at: None,
            flushed: true,
            leaving: false,
            shut: false,
            read_out: false,
            broken: None,
            queued: 0,
            end: None,
        }
    }

    pub(crate) const fn stream(&self) -> &S {
        &self.stream
    }

    pub(crate) fn subprotocol(&self) -> Option<&str> {
        self.endpoint.subprotocol()
    }

    pub(crate) const fn is_compressed(&self) -> bool {
        self.endpoint.is_compressed()
    }

    pub(crate) fn closed(&self) -> Option<Closed> {
        self.end.as_ref().map(|end| end.closed)
    }

    pub(crate) const fn close_reason(&self) -> Option<&CloseReason> {
        self.endpoint.reason()
    }

    pub(crate) const fn queued(&self) -> u64 {
        self.queued
    }

    pub(crate) const fn unsent_bytes(&self) -> usize {
        self.output.unsent_len()
    }

    // --- Receiving -------------------------------------------------------------------------------

    /// The next message or part. `None` after the closing handshake, and after the error that ended the connection.
    ///
    /// Sends what is queued before it waits.
    pub(crate) fn poll_receive<T: Take>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, Error>>> {
        for _ in 0..STEPS_PER_POLL {
            if let Some(end) = &mut self.end {
                return Poll::Ready(end.untold.take().map(Err));
            }
            if let Some(taken) = self.take_kept() {
                return Poll::Ready(Some(Ok(taken)));
            }
            if self.endpoint.expects_eof() {
                ready!(self.poll_leave(cx));
                continue;
            }
            // A read after the deadline has not brought the Close frame either.
            if self.leave_at.is_some_and(|leave_at| leave_at <= self.heard) {
                self.deadline_passed();
                continue;
            }
            // An error in sending shows in `broken`; what came before it is still received.
            if !(self.output.is_empty() && self.flushed) {
                let _ = self.poll_output(Side::Receiver, cx);
            }
            match self.poll_read(cx) {
                Poll::Ready(Some(taken)) => return Poll::Ready(Some(Ok(taken))),
                Poll::Ready(None) => {}
                Poll::Pending => ready!(self.poll_wait(cx)),
            }
        }
        come_again(cx)
    }

    /// The next message or control frame. The answer to a Close frame is with the stream before that is handed over, if
    /// the stream takes it at once: an application may stop there.
    pub(crate) fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Incoming, Error>>> {
        let incoming = ready!(self.poll_receive(cx));
        if let Some(Ok(Incoming::Close(_))) = incoming {
            let _ = self.poll_output(Side::Receiver, cx);
        }
        Poll::Ready(incoming)
    }

    /// The next message among the bytes that were read before.
    fn take_kept<T: Take>(&mut self) -> Option<T> {
        if self.input.is_empty() {
            return None;
        }
        let Self { input, endpoint, output, .. } = self;
        input.take(|rest| endpoint.receive(rest, output.end()))
    }

    /// Waits for the stream, or for a deadline.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wakers.set(Side::Receiver, cx.waker());
        if self.timer.poll(self.deadline(), cx).is_ready() {
            self.deadline_passed();
            return Poll::Ready(());
        }
        self.input.idle();
        self.output.idle();
        Poll::Pending
    }

    fn deadline(&self) -> Option<Instant> {
        match (self.endpoint.state(), self.pinged) {
            (State::Open, Some(pinged)) => Some(pinged + millis(self.settings.pong_ms)),
            (State::Open, None) => self.settings.ping_ms.map(|ms| self.heard + millis(ms)),
            (State::CloseSent | State::Closed | State::Failed | State::Ended, _) => self.leave_at,
        }
    }

    fn deadline_passed(&mut self) {
        match (self.endpoint.state(), self.pinged) {
            (State::Open, None) => {
                self.pinged = Some(Instant::now());
                // This cannot fail: the connection is open, and an empty payload is never too long.
                let _ = self.endpoint.ping(&[], self.output.end());
            }
            (State::Open, Some(_)) => self.finish(Some(Error::TimedOut(Deadline::Pong))),
            (State::CloseSent, _) => self.finish(Some(Error::TimedOut(Deadline::Close))),
            (State::Closed | State::Failed | State::Ended, _) => {
                self.finish(self.endpoint.failure());
            }
        }
    }

    /// The peer ended the stream.
    fn came_to_end(&mut self) {
        let error = match self.endpoint.state() {
            State::Open => Some(Error::Ended),
            // The peer has not answered the Close frame, but the connection has ended, as the caller wanted.
            State::CloseSent | State::Closed | State::Ended => None,
            State::Failed => self.endpoint.failure(),
        };
        self.finish(error);
    }

    /// Records the end, and wakes everybody who waits for this connection.
    fn finish(&mut self, error: Option<Error>) {
        if !self.output.is_empty() {
            self.broken.get_or_insert(io::ErrorKind::BrokenPipe);
        }
        self.end = Some(End { closed: self.endpoint.end(), untold: error });
        self.input = Input::default();
        self.output.discard();
        self.wakers.wake_all();
    }

    // --- Leaving ---------------------------------------------------------------------------------

    /// Sends the rest, and waits for the end of the stream. Unread input could destroy the Close frame on its way, so
    /// it is read and dropped.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.leaving {
            self.leaving = true;
            self.leave_at = Some(Instant::now() + millis(self.settings.close_ms));
        }
        self.input = Input::default();
        let mut sent = self.poll_output(Side::Receiver, cx).is_ready();
        // The server ends its stream first, so that TIME_WAIT is on its side. [rfc6455:7.1.1-client-waits] Then the client
        // does: the server waits for that, and an application does not always drop the WebSocket soon.
        let comes_first = self.endpoint.role() == Role::Server;
        if sent && comes_first {
            sent = self.poll_shut(cx);
        }
        let drained = self.poll_drain(cx).is_ready();
        if sent && drained && !comes_first {
            sent = self.poll_shut(cx);
        }
        if drained && sent {
            self.came_to_end();
            return Poll::Ready(());
        }
        self.poll_wait(cx)
    }

    /// Reads to the end of the stream.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..STEPS_PER_POLL {
            if self.read_out {
                return Poll::Ready(());
            }
            let more = with_read_buffer(|buffer| {
                let mut read = ReadBuf::new(buffer);
                let came = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read));
                Poll::Ready(came.is_ok() && !read.filled().is_empty())
            });
            self.read_out = !ready!(more);
        }
        come_again(cx)
    }

    /// Ends our side of the stream. Whether that is done.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> bool {
        self.shut = self.shut || self.poll_shutdown(cx).is_ready();
        self.shut
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wakers.set(Side::Receiver, cx.waker());
        let mut cx = Context::from_waker(&self.write_waker);
        Pin::new(&mut self.stream).poll_shutdown(&mut cx)
    }

    /// Runs a connection whose Close frame is queued to its end. Messages that come meanwhile are dropped.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Closed, Error>> {
        for _ in 0..STEPS_PER_POLL {
            match ready!(self.poll_receive::<Dropped>(cx)) {
                Some(Ok(Dropped)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {
                    let end = self.end.as_ref();
                    let end = end.expect("a connection without a next message has ended");
                    return Poll::Ready(Ok(end.closed));
                }
            }
        }
        come_again(cx)
    }

    // --- Sending ---------------------------------------------------------------------------------

    /// Ready while a message may be queued.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.check_open()?;
        if self.has_room() {
            return Poll::Ready(Ok(()));
        }
        match self.poll_output(Side::Sender, cx) {
            Poll::Pending if !self.has_room() => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
            Poll::Ready(sent) => Poll::Ready(sent),
        }
    }

    /// Ready when all that was queued is with the stream.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_output(Side::Sender, cx)
    }

    pub(crate) fn queue(&mut self, message: Outgoing<'_>) -> Result<(), Error> {
        self.check_room()?;
        self.queue_promised(message)
    }

    /// The same for a message that was promised room: a receiver on another task may have queued answers since.
    pub(crate) fn queue_promised(&mut self, message: Outgoing<'_>) -> Result<(), Error> {
        self.check_open()?;
        // In two writes the frame's head would be a packet of its own.
        match self.stream.is_write_vectored() {
            true => self.endpoint.send_outgoing(message, &mut self.output)?,
            false => self.endpoint.send_copied(message, self.output.end())?,
        }
        self.queued += 1;
        Ok(())
    }

    pub(crate) fn queue_part(&mut self, part: MessageRef<'_>, fin: Fin) -> Result<(), Error> {
        self.check_room()?;
        self.endpoint.send_part(part, fin, self.output.end())?;
        self.queued += u64::from(fin == Fin::Final);
        Ok(())
    }

    pub(crate) fn queue_ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.check_room()?;
        Ok(self.endpoint.ping(payload, self.output.end())?)
    }

    pub(crate) fn queue_pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.check_room()?;
        Ok(self.endpoint.pong(payload, self.output.end())?)
    }

    /// Queues a Close frame. A connection that is closing already, or has ended, is left as it is.
    pub(crate) fn queue_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        if !self.endpoint.close(code, reason, self.output.end())? {
            return Ok(());
        }
        self.leave_at = Some(Instant::now() + millis(self.settings.close_ms));
        // The receiver waits with another deadline.
        self.wakers.wake_all();
        Ok(())
    }

    fn check_room(&self) -> Result<(), Error> {
        self.check_open()?;
        if self.has_room() { Ok(()) } else { Err(Error::Full) }
    }

    const fn has_room(&self) -> bool {
        self.output.unsent_len() < self.settings.unsent_bytes_max
    }

    fn check_open(&self) -> Result<(), Error> {
        match (self.broken, self.endpoint.state()) {
            (Some(kind), _) => Err(Error::Transport(kind)),
            (None, State::Open) => Ok(()),
            (None, State::CloseSent | State::Closed | State::Failed | State::Ended) => {
                Err(Error::Usage(UsageError::Closed))
            }
        }
    }

    /// Sends all output: what lies together goes in one write.
    fn poll_output(&mut self, side: Side, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(Error::Transport(kind)));
        }
        let sent = match self.try_output() {
            // The task is noted only now, so a stream that takes all costs nothing. Then the stream is asked again:
            // it may have become writable in between, and have woken nobody.
            Poll::Pending => {
                self.wakers.set(side, cx.waker());
                ready!(self.try_output())
            }
            Poll::Ready(sent) => sent,
        };
        Poll::Ready(sent.map_err(|error| {
            self.broken = Some(error.kind());
            self.output.discard();
            Error::Transport(error.kind())
        }))
    }

    fn try_output(&mut self) -> Poll<io::Result<()>> {
        let mut cx = Context::from_waker(&self.write_waker);
        while !self.output.is_empty() {
            self.flushed = false;
            let stream = Pin::new(&mut self.stream);
            let written = if self.output.is_scattered() && stream.is_write_vectored() {
                let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
                let count = self.output.unsent_slices(&mut slices);
                stream.poll_write_vectored(&mut cx, &slices[..count])
            } else {
                stream.poll_write(&mut cx, self.output.unsent())
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.output.advance(len),
            }
            // A Pong that found no room may have some now.
            self.endpoint.flush_replies(self.output.end());
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(&mut cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Has the task polled again after others.
fn come_again<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
