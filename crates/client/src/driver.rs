//! Runs a machine on a mio loop that the caller owns.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use sockeye_reactor::Time;

use crate::http2::{ATTEMPTS_MAX, LaneEnd, LaneId, Multiplex};
use crate::link::Link;
use crate::out::Out;
use crate::{Error, Http2Error, Limits, Machine, Network, Scheme};

/// Reads in one call of [`Driver::next`] that give no event; then others have their turn.
const READS_MAX: u8 = 32;

/// Runs a [`Machine`] on sockets, inside a loop of the caller's.
///
/// It has at most one source on the registry at a time, always under the token that it was given; sockets come and go.
/// In each turn of the loop: give it [its events](Self::on_event), call [`next`](Self::next) until nothing more
/// comes, and wait no longer than until its [deadline](Self::deadline). Nothing here blocks, except that the first TLS
/// connection without [`Network::with_tls`] reads the system's certificates from files. A server that floods
/// always has one more event, so a loop that has others to serve bounds the calls in a turn. While more may be left,
/// the deadline is in the past, so the loop does not sleep.
pub struct Driver<M> {
    machine: M,
    link: Link,
    limits: Limits,
    input: Input,
    out: Out,
    /// HTTP/2, if the connection speaks it: `input` is empty then.
    http2: Option<(Box<Multiplex>, LaneId)>,
    /// The machine has a connection, as far as it knows: its request goes to another one, unnoticed.
    resumes: bool,
    /// Connections so far that have not processed the request.
    attempts: u8,
    start: Instant,
    /// The error of a write, which is reported once the input is taken.
    broken: Option<Error>,
    /// Whether there may be more events or input that the poller does not report.
    has_more: bool,
}

/// Input that the machine has not taken.
struct Input {
    bytes: Vec<u8>,
    taken: usize,
    len: usize,
}

impl<M: Machine> Driver<M> {
    /// Puts a machine on a registry. Nothing happens before the first [`next`](Self::next).
    ///
    /// # Errors
    /// What the system says when the registry cannot be shared.
    pub fn new(
        machine: M,
        network: impl Into<Network>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let network = network.into();
        let read_bytes = network.limits.read_bytes.max(1);
        Ok(Self {
            machine,
            limits: network.limits,
            link: Link::new(registry.try_clone()?, token, network),
            input: Input { bytes: vec![0; read_bytes], taken: 0, len: 0 },
            out: Out::default(),
            http2: None,
            resumes: false,
            attempts: 0,
            start: Instant::now(),
            broken: None,
            has_more: false,
        })
    }

    /// The machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Calls the machine with the time and the output buffer, and sends the output.
    pub fn act<R>(&mut self, act: impl FnOnce(&mut M, Time, &mut Vec<u8>) -> R) -> R {
        let now = self.now();
        let done = act(&mut self.machine, now, &mut self.out.bytes);
        self.flush();
        done
    }

    /// Whether there is a connection to the server, through proxy and TLS.
    pub const fn is_connected(&self) -> bool {
        self.link.is_up()
    }

    /// Whether the connection speaks HTTP/2.
    pub const fn is_http2(&self) -> bool {
        self.http2.is_some()
    }

    /// Bytes that have not been sent, plus one if TLS holds some. Zero: the network has taken everything.
    pub fn unsent(&self) -> usize {
        let framed = self.http2.as_ref().map_or(0, |(http2, _)| http2.unsent());
        self.out.rest().len() + framed + usize::from(self.link.holds_unsent())
    }

    /// Handles an event that the poller reported for the driver's token.
    pub fn on_event(&mut self, event: &mio::event::Event) {
        self.link.on_event(event);
    }

    /// When [`next`](Self::next) has to be called again at the latest; `None` for never. A client that
    /// [is over](Self::is_over) has no deadline, so ask that before you wait.
    pub fn deadline(&self) -> Option<Instant> {
        // The poller does not report that a connection is wanted, or not wanted any more.
        if self.has_more || self.machine.peer().is_some() == self.link.is_idle() {
            return Some(self.start);
        }
        let at = self.machine.deadline().min(self.link.deadline());
        (at != Time::NEVER).then(|| self.start + Duration::from_millis(at.as_millis()))
    }

    /// Whether the client is over and all its events were reported.
    pub fn is_over(&self) -> bool {
        self.machine.is_over() && self.link.is_idle()
    }

    /// Works as far as possible without waiting, and hands the next event to `take`. `None`: no event now, or the
    /// client [is over](Self::is_over).
    ///
    /// # Errors
    /// Why the client has failed, once. It is over then.
    pub fn next<R>(&mut self, mut take: impl FnMut(M::Event<'_>) -> R) -> Result<Option<R>, Error> {
        self.has_more = false;
        for _ in 0..READS_MAX {
            let now = self.now();
            self.follow(now);
            self.catch_up(now);
            let found = self.hear(now, &mut take);
            self.flush();
            match found {
                Ok(None) if self.read_more(now) => {}
                Ok(found) => {
                    // The poller does not report input that follows an event.
                    self.has_more = found.is_some();
                    return Ok(found);
                }
                Err(error) => {
                    self.hang_up(now);
                    return Err(error);
                }
            }
        }
        self.has_more = true;
        Ok(None)
    }

    /// Hands the input to the machine.
    fn hear<R>(
        &mut self,
        now: Time,
        take: &mut dyn FnMut(M::Event<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        let Self { machine, out, input, http2, .. } = self;
        let Some((http2, lane)) = http2 else {
            let mut rest = &mut input.bytes[input.taken..input.len];
            let found = machine.next(now, &mut rest, &mut out.bytes, take);
            input.taken = input.len - rest.len();
            return found;
        };
        let mut rest = http2.input(*lane);
        let len = rest.len();
        let found = machine.next(now, &mut rest, &mut out.bytes, take);
        let taken = len - rest.len();
        http2.took(*lane, taken);
        if taken > 0 {
            self.attempts = 0;
        }
        found
    }

    /// Connects where the machine wants a connection, and disconnects where it does not.
    fn follow(&mut self, now: Time) {
        match self.machine.peer() {
            None if !self.link.is_idle() => self.hang_up(now),
            Some(peer) if self.link.is_idle() => {
                if let Err(error) = self.link.dial(peer, now) {
                    self.end(now, error);
                }
            }
            None | Some(_) => {}
        }
        match self.link.advance(now) {
            Ok(false) => {}
            Ok(true) => {
                self.begin(now);
                self.flush();
            }
            Err(error) => self.end(now, error),
        }
    }

    /// Begins a connection that has just been made.
    fn begin(&mut self, now: Time) {
        if self.link.is_http2() {
            let is_secure = self.machine.peer().is_some_and(|peer| peer.scheme == Scheme::Secure);
            let scheme = if is_secure { "https" } else { "http" };
            let mut http2 = Box::new(Multiplex::new(scheme, &self.limits));
            let lane = http2.open_lane();
            self.http2 = Some((http2, lane));
        }
        if !core::mem::take(&mut self.resumes) {
            self.attempts = 0;
            self.machine.connected(now, &mut self.out.bytes);
        }
    }

    /// Reads before a deadline counts: after a long turn, input that came in time may still lie in the socket.
    fn catch_up(&mut self, now: Time) {
        if self.input.is_empty() && self.machine.deadline() <= now {
            self.link.look_again();
            self.read_more(now);
        }
    }

    /// Whether there is something new for the machine: bytes, the end, or another connection to make.
    fn read_more(&mut self, now: Time) -> bool {
        if self.machine.peer().is_some() == self.link.is_idle() {
            return true;
        }
        if !self.link.is_up() {
            return false;
        }
        if let Some((http2, lane)) = &mut self.http2
            && let Some(end) = http2.take_end(*lane)
        {
            self.end_lane(now, end);
            return true;
        }
        let why = match self.link.read(&mut self.input.bytes) {
            Ok(Some(len @ 1..)) => match &mut self.http2 {
                None => {
                    (self.input.taken, self.input.len) = (0, len);
                    return true;
                }
                Some((http2, _)) => {
                    http2.tell_time(now.as_millis());
                    let Err(why) = http2.receive(&mut self.input.bytes[..len]) else { return true };
                    // The server is told why.
                    self.flush();
                    why
                }
            },
            Ok(None) if self.broken.is_none() => {
                self.has_more = self.link.may_hold_more();
                return false;
            }
            Ok(_) => self.broken.take().unwrap_or(Error::Ended),
            Err(why) => why,
        };
        self.end(now, why);
        true
    }

    /// Ends the machine's lane, or sends its request on another connection.
    fn end_lane(&mut self, now: Time, end: LaneEnd) {
        let kept = match end {
            LaneEnd::Lost(why) => return self.end(now, why),
            LaneEnd::Elsewhere(kept) => kept,
            LaneEnd::Http1(kept) => {
                self.link.fall_back();
                kept
            }
        };
        self.attempts += 1;
        if self.attempts > ATTEMPTS_MAX {
            return self.end(now, Error::Http2(Http2Error::Goaway));
        }
        self.part();
        self.out.put_back(kept);
        self.link.close();
        (self.http2, self.broken, self.resumes) = (None, None, true);
    }

    /// Says goodbye to a server of HTTP/2.
    fn part(&mut self) {
        if let Some((http2, _)) = &mut self.http2 {
            http2.part();
            self.flush_frames();
        }
    }

    /// Tells the machine that the connection has ended, after it has taken all input.
    fn end(&mut self, now: Time, why: Error) {
        self.link.close();
        (self.http2, self.broken, self.resumes) = (None, None, false);
        self.out = Out::default();
        self.input.clear();
        self.machine.disconnected(now, why);
    }

    fn hang_up(&mut self, now: Time) {
        self.flush();
        self.part();
        self.end(now, Error::HungUp);
    }

    /// Writes what goes, and says how much is left. A connection that breaks is read to its end first: the
    /// server may have said why.
    pub(crate) fn flush(&mut self) -> usize {
        if self.http2.is_some() {
            self.flush_frames();
        } else if self.link.is_up() && self.broken.is_none() {
            let mut sent = 0;
            let written = self.link.write(self.out.rest(), &mut sent);
            self.out.took(sent);
            self.broken = written.err();
        }
        self.unsent()
    }

    /// The same over HTTP/2: lets the lane take what it can send, and writes that.
    fn flush_frames(&mut self) {
        let Self { link, out, http2, broken, .. } = self;
        let Some((http2, lane)) = http2 else { return };
        while link.is_up() && broken.is_none() {
            let mut has_new = false;
            loop {
                match http2.send(*lane, out.rest()) {
                    0 => break,
                    len => out.took(len),
                }
                has_new = true;
            }
            let mut sent = 0;
            if let Err(error) = link.write(http2.out(), &mut sent) {
                *broken = Some(error);
            }
            http2.out().drain(..sent);
            if http2.unsent() > 0 {
                return;
            }
            http2.output_sent();
            if !has_new {
                return;
            }
        }
    }

    fn now(&self) -> Time {
        let ms = self.start.elapsed().as_millis();
        Time::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}

impl Input {
    const fn clear(&mut self) {
        (self.taken, self.len) = (0, 0);
    }

    const fn is_empty(&self) -> bool {
        self.taken == self.len
    }
}
