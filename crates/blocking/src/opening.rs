//! The opening handshake on a blocking stream.

use core::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use sockeye_endpoint::opening::{self, INTERIM_MAX, Opening, refusal};
use sockeye_endpoint::{
    Address, ConnectOptions, HeaderName, HeaderValue, OpenError, Policy, RequestHead, Status,
};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits};

use crate::WebSocket;
use crate::hooks::{Hooks, is_interruption, is_timeout};

/// So many bytes are read at a time.
const READ_BYTES: usize = 4096;
/// So long a refused client has to read its answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// Accepts a WebSocket on a TCP stream that a client has just opened, whatever the path, and turns off the delay of small
/// packets.
///
/// A client that asks for something else is answered by the fitting status. To look at the request first, take
/// [`Upgrade::read`]. For other streams, take [`server`].
///
/// # Errors
/// The stream is not one of a WebSocket, or the handshake took longer than `handshake_ms`.
pub fn accept(stream: TcpStream, policy: &Policy<'_>) -> Result<WebSocket<TcpStream>, OpenError> {
    Upgrade::read(stream, policy)?.accept(policy, &[])
}

/// Accepts a WebSocket on any stream, such as one of TLS.
///
/// The stream's own timeouts bound each read; `handshake_ms` is looked at between two of them.
///
/// # Errors
/// As [`accept`].
pub fn server<S: Read + Write>(stream: S, policy: &Policy<'_>) -> Result<WebSocket<S>, OpenError> {
    Upgrade::read_from(stream, policy)?.accept(policy, &[])
}

/// Connects to a `ws` URL over TCP, without delay of small packets.
///
/// # Errors
/// There is no connection, or no WebSocket on it; [`OpenError::Tls`] for `wss`.
pub fn connect(url: &str, options: &ConnectOptions) -> Result<WebSocket<TcpStream>, OpenError> {
    let address = Address::parse(url)?;
    if address.is_secure {
        return Err(OpenError::Tls);
    }
    let clock = Clock::new(options.settings.handshake_ms);
    let stream = dial((address.host, address.port), clock)?;
    stream.set_nodelay(true)?;
    open(stream, Hooks::TCP, clock, &address, options)
}

/// Opens a WebSocket on any stream, such as one of TLS. `url` names the server and the path; both `ws` and `wss` fit.
///
/// The stream's own timeouts bound each read; `handshake_ms` is looked at between two of them.
///
/// # Errors
/// There is no WebSocket on the stream.
pub fn client<S: Read + Write>(
    stream: S,
    url: &str,
    options: &ConnectOptions,
) -> Result<WebSocket<S>, OpenError> {
    let clock = Clock::new(options.settings.handshake_ms);
    open(stream, Hooks::NONE, clock, &Address::parse(url)?, options)
}

/// A client's request, before the answer.
///
/// # Examples
/// ```
/// use sockeye_blocking::{OpenError, Policy, Status, Upgrade, WebSocket};
/// use std::net::TcpStream;
///
/// fn chat(stream: TcpStream) -> Result<WebSocket<TcpStream>, OpenError> {
///     let policy = Policy::default();
///     let request = Upgrade::read(stream, &policy)?;
///     match request.with_head(|head| head.path() == "/chat") {
///         true => request.accept(&policy, &[]),
///         false => Err(request.refuse(Status::NOT_FOUND)),
///     }
/// }
/// ```
pub struct Upgrade<S> {
    line: Line<S>,
    limits: Limits,
    received: Received,
}

impl Upgrade<TcpStream> {
    /// Reads a request. One that is not HTTP/1.1 is answered by the fitting status.
    ///
    /// # Errors
    /// There is no request, or it took longer than `handshake_ms`.
    pub fn read(stream: TcpStream, policy: &Policy<'_>) -> Result<Self, OpenError> {
        stream.set_nodelay(true)?;
        Self::begin(stream, Hooks::TCP, policy)
    }
}

impl<S: Read + Write> Upgrade<S> {
    /// As [`read`](Upgrade::read), from any stream.
    ///
    /// # Errors
    /// As there.
    pub fn read_from(stream: S, policy: &Policy<'_>) -> Result<Self, OpenError> {
        Self::begin(stream, Hooks::NONE, policy)
    }

    fn begin(stream: S, hooks: Hooks<S>, policy: &Policy<'_>) -> Result<Self, OpenError> {
        let limits = policy.head;
        let mut line = Line::new(stream, hooks, Clock::new(policy.settings.handshake_ms))?;
        let read = line.read_head(HeadEnd::new(), &limits, Vec::new());
        let checked = read.and_then(|received| {
            let mut storage = HeaderStorage::new();
            RequestHead::parse(&received.head, &mut storage, &limits)?;
            Ok(received)
        });
        match checked {
            Ok(received) => Ok(Self { line, limits, received }),
            Err(error) => {
                if let OpenError::Http(error) = error {
                    line.part(&refusal(error.status()));
                }
                Err(error)
            }
        }
    }

    /// Lends the head of the request: path, query, headers.
    pub fn with_head<R>(&self, read: impl FnOnce(&RequestHead<'_, '_>) -> R) -> R {
        let mut storage = HeaderStorage::new();
        let head = RequestHead::parse(&self.received.head, &mut storage, &self.limits);
        read(&head.expect("the head was parsed when it was read"))
    }

    /// Accepts the request, if it opens a WebSocket and the policy allows it. `headers` are the application's own, a
    /// cookie for example.
    ///
    /// # Errors
    /// The request was refused, and answered; or the stream failed.
    pub fn accept(
        mut self,
        policy: &Policy<'_>,
        headers: &[(HeaderName<'_>, HeaderValue<'_>)],
    ) -> Result<WebSocket<S>, OpenError> {
        let mut answer = Vec::new();
        let decision = self.with_head(|head| opening::decide(head, policy, headers, &mut answer));
        match decision {
            Ok(agreed) => {
                let Self { mut line, received, .. } = self;
                line.stream.write_all(&answer)?;
                line.stream.flush()?;
                let Line { stream, hooks, .. } = line;
                Ok(WebSocket::new(stream, hooks, agreed, received.early, policy.settings))
            }
            Err(error) => {
                self.line.part(&answer);
                Err(error)
            }
        }
    }

    /// Refuses the request with a status.
    pub fn refuse(mut self, status: Status) -> OpenError {
        self.line.part(&refusal(status));
        OpenError::Refused(status)
    }
}

impl<S> fmt::Debug for Upgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").finish_non_exhaustive()
    }
}

/// Connects to the first address that answers.
fn dial(address: (&str, u16), clock: Clock) -> Result<TcpStream, OpenError> {
    let mut last = OpenError::Transport(io::ErrorKind::NotFound);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, clock.left()?) {
            Ok(stream) => return Ok(stream),
            Err(error) if is_timeout(&error) => last = OpenError::TimedOut,
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn open<S: Read + Write>(
    stream: S,
    hooks: Hooks<S>,
    clock: Clock,
    address: &Address<'_>,
    options: &ConnectOptions,
) -> Result<WebSocket<S>, OpenError> {
    let opening = Opening::new(address, options)?;
    let mut request = Vec::new();
    opening.write(&mut request)?;
    let mut line = Line::new(stream, hooks, clock)?;
    line.stream.write_all(&request)?;
    line.stream.flush()?;
    let mut early = Vec::new();
    for _ in 0..=INTERIM_MAX {
        let received = line.read_head(HeadEnd::for_response(), &options.head, early)?;
        if let Some(agreed) = opening.read(&received.head)? {
            let Line { stream, hooks, .. } = line;
            return Ok(WebSocket::new(stream, hooks, agreed, received.early, options.settings));
        }
        early = received.early;
    }
    Err(OpenError::Http(sockeye_http1::Error::HeadTooLong))
}

/// The shortest wait.
const MILLISECOND: Duration = Duration::from_millis(1);

/// The end of a handshake's time.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn new(ms: u64) -> Self {
        Self(Instant::now() + Duration::from_millis(ms))
    }

    /// The time that is left, a millisecond at least.
    fn left(self) -> Result<Duration, OpenError> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(OpenError::TimedOut) } else { Ok(left.max(MILLISECOND)) }
    }
}

/// A head, and the bytes behind it.
struct Received {
    head: Vec<u8>,
    early: Vec<u8>,
}

/// A stream within its handshake.
struct Line<S> {
    stream: S,
    hooks: Hooks<S>,
    clock: Clock,
    /// How long a read waits outside of the handshake.
    patience: Option<Duration>,
}

impl<S: Read + Write> Line<S> {
    fn new(stream: S, hooks: Hooks<S>, clock: Clock) -> io::Result<Self> {
        let patience = hooks.patience.map_or(Ok(None), |patience| patience(&stream))?;
        Ok(Self { stream, hooks, clock, patience })
    }

    /// Reads until a head is complete. `received` is what came before.
    fn read_head(
        &mut self,
        mut end: HeadEnd,
        limits: &Limits,
        mut received: Vec<u8>,
    ) -> Result<Received, OpenError> {
        let mut buffer = [0; READ_BYTES];
        loop {
            if let Some(len) = end.find(&received, limits)? {
                let early = received.split_off(len);
                self.bound(self.patience)?;
                return Ok(Received { head: received, early });
            }
            let left = self.clock.left()?;
            self.bound(Some(left))?;
            // The head's own limit bounds what is kept.
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(OpenError::Ended),
                Ok(len) => received.extend_from_slice(&buffer[..len]),
                Err(error) if is_interruption(&error) => {}
                // A socket's timer may be a tick early: the clock says whether the time is over.
                Err(error) if is_timeout(&error) && self.hooks.set_patience.is_some() => {}
                Err(error) if is_timeout(&error) => return Err(OpenError::TimedOut),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn bound(&self, patience: Option<Duration>) -> io::Result<()> {
        self.hooks.set_patience.map_or(Ok(()), |set| set(&self.stream, patience))
    }

    /// Sends the last answer, and reads on for a moment, if our side can be ended before: closing with unread input can
    /// destroy the answer on its way.
    fn part(&mut self, answer: &[u8]) {
        let sent = self.stream.write_all(answer).and_then(|()| self.stream.flush());
        let Some(half_close) = self.hooks.half_close else { return };
        if sent.and_then(|()| half_close(&mut self.stream)).is_err() {
            return;
        }
        let until = Instant::now() + FAREWELL;
        let mut buffer = [0; READ_BYTES];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let read = match self.bound(Some(left)) {
                Ok(()) if !left.is_zero() => self.stream.read(&mut buffer),
                _ => return,
            };
            match read {
                Ok(1..) => {}
                Err(error) if is_interruption(&error) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}
