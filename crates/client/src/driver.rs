//! A machine on a mio loop that the caller owns.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use sockeye_reactor::Time;

use crate::link::{Dialed, Link};
use crate::{Error, Limits, Machine};

/// Runs a [`Machine`] on sockets, inside a loop of the caller's.
///
/// It has at most one source on the registry at a time, always under the token that it was given; sockets come and go.
/// In each turn of the loop: give it [its events](Self::on_event), call [`next`](Self::next) until nothing more
/// comes, and wait no longer than until its [deadline](Self::deadline). Nothing here blocks.
pub struct Driver<M> {
    machine: M,
    link: Link,
    input: Input,
    out: Vec<u8>,
    start: Instant,
    /// Writing failed; to be told once the input is taken.
    broken: Option<Error>,
}

/// Bytes that came and have not been taken.
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
    pub fn new(machine: M, limits: Limits, registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self {
            machine,
            link: Link::new(registry.try_clone()?, token, limits),
            input: Input { bytes: vec![0; limits.read_bytes.max(1)], taken: 0, len: 0 },
            out: Vec::new(),
            start: Instant::now(),
            broken: None,
        })
    }

    /// The machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Has the machine do something, with the time and the vector for what is to be sent; sends that.
    pub fn act<R>(&mut self, act: impl FnOnce(&mut M, Time, &mut Vec<u8>) -> R) -> R {
        let now = self.now();
        let done = act(&mut self.machine, now, &mut self.out);
        self.flush();
        done
    }

    /// Bytes that the network has not taken yet.
    pub const fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Takes note of what the poller reported of our token.
    pub fn on_event(&mut self, event: &mio::event::Event) {
        self.link.on_event(event);
    }

    /// When [`next`](Self::next) has to be called again at the latest; `None` for never.
    pub fn deadline(&self) -> Option<Instant> {
        let at = self.machine.deadline().min(self.link.deadline());
        (at != Time::NEVER).then(|| self.start + Duration::from_millis(at.as_millis()))
    }

    /// Whether the client has come to its end, and everything was told.
    pub fn is_over(&self) -> bool {
        self.machine.is_over() && self.link.is_idle()
    }

    /// Does what can be done without waiting, and hands the next event to `take`. `None`: nothing more now.
    ///
    /// # Errors
    /// Why the client has failed, once. It is over then.
    pub fn next<R>(&mut self, mut take: impl FnMut(M::Event<'_>) -> R) -> Result<Option<R>, Error> {
        loop {
            let now = self.now();
            self.follow(now);
            let mut rest = &mut self.input.bytes[self.input.taken..self.input.len];
            let found = self.machine.next(now, &mut rest, &mut self.out, &mut take);
            self.input.taken = self.input.len - rest.len();
            self.flush();
            match found {
                Ok(None) if self.read_more(now) => {}
                Ok(found) => return Ok(found),
                Err(error) => {
                    self.hang_up(now);
                    return Err(error);
                }
            }
        }
    }

    /// Has a connection where the machine wants one, and none where it does not.
    fn follow(&mut self, now: Time) {
        match self.machine.peer() {
            None if !self.link.is_idle() => self.hang_up(now),
            Some(peer) if self.link.is_idle() => {
                if let Err(error) = self.link.dial(peer, now) {
                    self.machine.disconnected(now, error);
                }
            }
            None | Some(_) => {}
        }
        match self.link.advance(now) {
            Dialed::Pending => {}
            Dialed::Up => {
                self.machine.connected(now, &mut self.out);
                self.flush();
            }
            Dialed::Failed(error) => self.machine.disconnected(now, error),
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
        let why = match self.link.read(&mut self.input.bytes) {
            Ok(Some(len @ 1..)) => {
                (self.input.taken, self.input.len) = (0, len);
                return true;
            }
            Ok(None) if self.broken.is_none() => return false,
            Ok(_) => self.broken.take().unwrap_or(Error::Ended),
            Err(why) => why,
        };
        self.end(now, why);
        true
    }

    /// The connection is over, and everything that came on it was taken.
    fn end(&mut self, now: Time, why: Error) {
        self.link.close();
        self.broken = None;
        self.out.clear();
        self.input.clear();
        self.machine.disconnected(now, why);
    }

    fn hang_up(&mut self, now: Time) {
        self.flush();
        self.end(now, Error::HungUp);
    }

    /// Writes what goes. A connection that breaks is read to its end first: the server may have said why.
    fn flush(&mut self) {
        if self.link.is_up()
            && self.broken.is_none()
            && let Err(error) = self.link.write(&mut self.out)
        {
            self.broken = Some(error);
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
}
