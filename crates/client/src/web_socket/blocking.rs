//! A WebSocket for programs that may block.

use core::fmt;
use std::time::{Duration, Instant};

use sockeye_websocket::{CloseCode, Closed, Fin, Message, UsageError as FrameUsage};

use super::kept::{Inbox, Kept};
use super::machine::WebSocket as Machine;
use super::{ConnectOptions, Opened, OwnedMessage, SocketEvent};
use crate::{Blocking, Deadline, Entropy, Error, Limits, Network, UsageError};

/// A WebSocket connection to a server, for programs that may wait.
///
/// ```no_run
/// use sockeye_client::WebSocket;
/// use sockeye_client::websocket::{CloseCode, Message};
///
/// let mut socket = WebSocket::connect("ws://127.0.0.1:9000/echo")?;
/// socket.send(Message::Text("Hello"))?;
/// while let Some(message) = socket.receive()? {
///     println!("{:?}", message.as_message());
///     if message.as_message() == Message::Text("Hello") {
///         socket.close(CloseCode::NORMAL, "")?;
///     }
/// }
/// # Ok::<(), sockeye_client::Error>(())
/// ```
///
/// Pings are answered and sent while a call waits, and not between two calls. A program with more to do than this
/// connection gives [`sans_io::WebSocket`](crate::sans_io::WebSocket) to a [`Driver`](crate::Driver) in a loop.
/// A socket that is dropped without [`close`](Self::close) ends its connection, and the server sees that as 1006.
pub struct WebSocket {
    inner: Blocking<Machine>,
    opened: Opened,
    inbox: Inbox,
    limits: Limits,
    closed: Option<Closed>,
}

impl WebSocket {
    /// Connects with the defaults, and returns when the connection is open.
    ///
    /// # Errors
    /// [`Error::Usage`] for an invalid URL, and any error that ends the attempt. [`Error::Refused`] is an answer
    /// that the caller may act upon: a redirect, or a demand for credentials.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::with(ConnectOptions::new(url)?, Network::default())
    }

    /// Connects, and returns when the connection is open.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn with(options: ConnectOptions, network: Network) -> Result<Self, Error> {
        let (limits, entropy) = (network.limits, Entropy::system().map_err(Error::system)?);
        let mut inner = Blocking::new(Machine::new(options, limits, entropy)?, network)?;
        let first = inner.next(|event| match event {
            SocketEvent::Open(opened) => Some(opened),
            _ => None,
        })?;
        let opened = first.flatten().ok_or(Error::HungUp)?;
        Ok(Self { inner, opened, inbox: Inbox::default(), limits, closed: None })
    }

    /// The result of the handshake.
    pub const fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Waits for the next message. `None`: the connection was closed, as [`closed`](Self::closed) tells.
    ///
    /// With [`Delivery::Pieces`](crate::Delivery::Pieces), only [`receive_with`](Self::receive_with) reports the parts of
    /// messages. This call skips them.
    ///
    /// # Errors
    /// Why the connection was lost or failed, once; `None` after that.
    pub fn receive(&mut self) -> Result<Option<OwnedMessage>, Error> {
        self.receive_message(None)
    }

    /// The same, but waits no longer than until `until`. `None`: nothing came by then, or the connection
    /// [is over](Self::is_over).
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_until(&mut self, until: Instant) -> Result<Option<OwnedMessage>, Error> {
        self.receive_message(Some(until))
    }

    /// Waits for the next event of any kind and lends it to `take`. `None`: the connection is over.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_with<R>(
        &mut self,
        take: impl FnMut(SocketEvent<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        self.event(None, take)
    }

    /// Sends a message, and returns when the network has taken it. What comes meanwhile is kept for
    /// [`receive`](Self::receive) up to [`Limits::inbox_bytes_max`]; beyond that it is left in the network.
    ///
    /// # Errors
    /// [`Error::Usage`] if nothing can be sent, [`Error::TimedOut`] if the network takes nothing for
    /// [`Limits::send_ms`], and why the connection was lost.
    pub fn send(&mut self, message: Message<'_>) -> Result<(), Error> {
        self.inner.driver_mut().act(|machine, _, out| machine.send(message, out))?;
        self.flush()
    }

    /// Sends a part of a message; see [`sans_io::WebSocket::send_part`](Machine::send_part).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_part(&mut self, part: Message<'_>, fin: Fin) -> Result<(), Error> {
        self.inner.driver_mut().act(|machine, _, out| machine.send_part(part, fin, out))?;
        self.flush()
    }

    /// Sends a Ping with a payload of at most 125 bytes.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.inner.driver_mut().act(|machine, _, out| machine.ping(payload, out))?;
        self.flush()
    }

    /// Closes with a code and a reason, and returns when the server has ended the connection.
    /// [`CloseCode::NO_STATUS`] says no code. Messages that the server sent and that were not received yet
    /// are dropped, but for those that came during a [`send`](Self::send).
    ///
    /// # Errors
    /// [`UsageError::Close`] for a code or a reason that cannot be sent, and why the connection was lost.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error> {
        let begun = self.inner.driver_mut().act(|it, now, out| it.close(now, code, reason, out));
        match (begun, self.closed) {
            (Err(UsageError::NotOpen), Some(closed)) => return Ok(closed),
            // The server was first.
            (Ok(()) | Err(UsageError::WebSocket(FrameUsage::Closed)), _) => {}
            (Err(error), _) => return Err(error.into()),
        }
        while self.closed.is_none() {
            if self.poll_event(None, |_| ())?.is_none() {
                break;
            }
        }
        self.closed.ok_or(Error::HungUp)
    }

    /// How the connection was closed, once it is.
    pub const fn closed(&self) -> Option<Closed> {
        self.closed
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        self.inner.driver().is_over() && self.inbox.bytes_held() == 0
    }

    fn receive_message(&mut self, until: Option<Instant>) -> Result<Option<OwnedMessage>, Error> {
        loop {
            let found = self.event(until, |event| match event {
                SocketEvent::Message(message) => Some(message.into()),
                _ => None,
            })?;
            match found {
                Some(Some(message)) => return Ok(Some(message)),
                // Pings without end are no reason to stay longer.
                Some(None) if until.is_some_and(|until| until <= Instant::now()) => {
                    return Ok(None);
                }
                Some(None) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next event, of those that were kept or from the network.
    fn event<R>(
        &mut self,
        until: Option<Instant>,
        take: impl FnMut(SocketEvent<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        match self.inbox.pop() {
            Some(kept) => Ok(Some(kept.lend(take))),
            None => self.poll_event(until, take),
        }
    }

    fn poll_event<R>(
        &mut self,
        until: Option<Instant>,
        mut take: impl FnMut(SocketEvent<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        let mut closed = None;
        let found = self.inner.next_until(until, |event| {
            if let SocketEvent::Closed(how) = event {
                closed = Some(how);
            }
            take(event)
        });
        self.closed = self.closed.or(closed);
        found.map(Option::flatten)
    }

    /// Waits until the network has taken everything. Keeps what comes meanwhile, so that two ends that
    /// both send do not wait for each other.
    fn flush(&mut self) -> Result<(), Error> {
        let patience = Duration::from_millis(self.limits.send_ms);
        let (mut unsent, mut until) = (usize::MAX, Instant::now());
        loop {
            let left = self.inner.driver_mut().flush();
            if left == 0 {
                return Ok(());
            }
            if left < unsent {
                (unsent, until) = (left, Instant::now() + patience);
            } else if until <= Instant::now() {
                return Err(Error::TimedOut(Deadline::Send));
            }
            if self.has_room() && self.keep_next()? {
                continue;
            }
            self.inner.wait(Some(self.wait_end(until)))?;
        }
    }

    /// When a wait to send ends at the latest. While the inbox is full the machine is not called, so its deadline does
    /// not count: one in the past would make the loop spin.
    fn wait_end(&self, until: Instant) -> Instant {
        let deadline = self.inner.driver().deadline().filter(|_| self.has_room());
        deadline.map_or(until, |deadline| deadline.min(until))
    }

    /// Whether what comes while we send can be kept.
    const fn has_room(&self) -> bool {
        self.inbox.bytes_held() < self.limits.inbox_bytes_max
    }

    /// Keeps the next event, if there is one now.
    fn keep_next(&mut self) -> Result<bool, Error> {
        let Some(kept) = self.inner.driver_mut().next(Kept::from_event)?.flatten() else {
            return Ok(false);
        };
        let closed = if let Kept::Closed(closed) = &kept { Some(*closed) } else { None };
        self.inbox.push(kept);
        if closed.is_some() {
            self.closed = closed;
            // The message was not sent.
            return Err(Error::Ended);
        }
        Ok(true)
    }
}

/// The messages, until the connection is over.
impl Iterator for WebSocket {
    type Item = Result<OwnedMessage, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receive().transpose()
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("machine", self.inner.driver().machine())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "blocking/tests.rs"]
mod tests;
