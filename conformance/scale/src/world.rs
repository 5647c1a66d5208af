//! The loop: all clients, their timers, and what they have in common.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sockeye_reactor::Key;

use crate::lines::{Lines, Read, Ways};
use crate::probe::Probe;
use crate::publisher::Publisher;
use crate::subscriber::Subscriber;

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;

/// Connections that are asked for at a time, so that a ramp is no storm.
const RAMP: usize = 128;

/// What all clients have in common.
pub(crate) struct Ground {
    pub(crate) addr: SocketAddr,
    /// By channel: so many messages were acknowledged; they are numbered from 0.
    pub(crate) acknowledged: Vec<u64>,
    /// Nothing new is published.
    pub(crate) stopped: bool,
    /// By channel: deliveries to those who read.
    pub(crate) delivered: Vec<u64>,
    /// By channel: those whom each message is delivered to, and who read.
    pub(crate) readers: Vec<u64>,
    /// A publisher waits while its channel's readers are so many messages behind, taken together.
    pub(crate) behind_max: u64,
    /// Microseconds from publish to receipt, of readers, if it is being recorded.
    pub(crate) latencies: Option<Vec<u32>>,
    /// When the run began.
    start: Instant,
    /// What a server did that it must not, the first ones of it.
    pub(crate) faults: Vec<String>,
    pub(crate) faults_total: u64,
}

impl Ground {
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether the readers of a channel are behind.
    pub(crate) fn is_crowded(&self, channel: usize) -> bool {
        let readers = self.readers[channel];
        let delivered =
            self.delivered[channel].saturating_add(readers.saturating_mul(self.behind_max));
        self.acknowledged[channel] * readers > delivered
    }

    pub(crate) fn fault(&mut self, what: impl Into<String>) {
        self.faults_total += 1;
        if self.faults.len() < 5 {
            self.faults.push(what.into());
        }
    }
}

pub(crate) enum Client {
    Subscriber(Subscriber),
    Publisher(Publisher),
    Probe(Probe),
}

/// What a client can do.
pub(crate) struct Link<'w> {
    lines: &'w mut Lines,
    timers: &'w mut BinaryHeap<Reverse<(u64, usize)>>,
    pub(crate) ground: &'w mut Ground,
    id: usize,
}

impl Link<'_> {
    pub(crate) fn connect(&mut self, ways: Ways) -> Option<Key> {
        self.lines.connect(self.ground.addr, self.id, ways).ok()
    }

    pub(crate) fn send(&mut self, line: Option<Key>, bytes: &[u8]) {
        if let (Some(line), false) = (line, bytes.is_empty()) {
            self.lines.send(line, bytes);
        }
    }

    pub(crate) fn unsent(&self, line: Option<Key>) -> usize {
        line.map_or(0, |line| self.lines.unsent(line))
    }

    pub(crate) fn close(&mut self, line: &mut Option<Key>) {
        if let Some(line) = line.take() {
            self.lines.close(line);
        }
    }

    pub(crate) fn reset(&mut self, line: &mut Option<Key>) {
        if let Some(line) = line.take() {
            self.lines.reset(line);
        }
    }

    pub(crate) fn pause(&mut self, line: Option<Key>, paused: bool) {
        if let Some(line) = line {
            self.lines.pause(line, paused);
        }
    }

    pub(crate) fn wake_in(&mut self, ms: u64) {
        let at = self.ground.now_us() + ms * 1000;
        self.timers.push(Reverse((at, self.id)));
    }
}

pub(crate) struct World {
    pub(crate) lines: Lines,
    timers: BinaryHeap<Reverse<(u64, usize)>>,
    pub(crate) clients: Vec<Client>,
    pub(crate) ground: Ground,
    buffer: Vec<u8>,
    readable: Vec<(Key, usize)>,
    /// The longest turn of ours, in microseconds: so much later than it was said a word may be heard.
    pub(crate) longest_turn_us: u64,
}

impl World {
    pub(crate) fn new(addr: SocketAddr, channels: usize) -> io::Result<Self> {
        let ground = Ground {
            addr,
            acknowledged: vec![0; channels],
            stopped: false,
            delivered: vec![0; channels],
            readers: vec![0; channels],
            behind_max: u64::MAX,
            latencies: None,
            start: Instant::now(),
            faults: Vec::new(),
            faults_total: 0,
        };
        let (timers, clients) = (BinaryHeap::new(), Vec::new());
        let (buffer, readable) = (vec![0; READ_BYTES], Vec::new());
        let lines = Lines::new()?;
        Ok(Self { lines, timers, clients, ground, buffer, readable, longest_turn_us: 0 })
    }

    /// Adds clients and lets them begin, not many at once.
    pub(crate) fn add(&mut self, clients: Vec<Client>) -> io::Result<()> {
        for client in clients {
            self.add_at_once(client);
            while self.lines.connecting >= RAMP {
                self.turn(10)?;
            }
        }
        Ok(())
    }

    pub(crate) fn add_at_once(&mut self, client: Client) {
        let id = self.clients.len();
        self.clients.push(client);
        self.touch(id, |client, link| match client {
            Client::Subscriber(subscriber) => subscriber.wake(link),
            Client::Publisher(publisher) => publisher.wake(link),
            Client::Probe(probe) => probe.begin(link),
        });
    }

    /// Does something with a client.
    pub(crate) fn touch<R>(
        &mut self,
        id: usize,
        act: impl FnOnce(&mut Client, &mut Link<'_>) -> R,
    ) -> R {
        let Self { lines, timers, ground, clients, .. } = self;
        act(&mut clients[id], &mut Link { lines, timers, ground, id })
    }

    /// Runs until `done` says so, which is asked now and then, or the time is up; `true` if it was done.
    pub(crate) fn run(
        &mut self,
        ms: u64,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> io::Result<bool> {
        let end = Instant::now() + Duration::from_millis(ms);
        let mut ask = Instant::now();
        loop {
            let now = Instant::now();
            if now >= ask {
                if done(self) {
                    return Ok(true);
                }
                ask = now + Duration::from_millis(20);
            }
            if now >= end {
                return Ok(false);
            }
            self.turn(10)?;
        }
    }

    /// Runs for a time.
    pub(crate) fn run_for(&mut self, ms: u64) -> io::Result<()> {
        self.run(ms, |_| false).map(|_| ())
    }

    /// One turn that waits for nothing.
    pub(crate) fn poll(&mut self) -> io::Result<()> {
        self.turn(0)
    }

    fn turn(&mut self, wait_ms: u64) -> io::Result<()> {
        let now = self.ground.now_us();
        let due = self.timers.peek().map_or(u64::MAX, |Reverse((at, _))| at.saturating_sub(now));
        let wait = Duration::from_micros(due.min(wait_ms * 1000));
        let mut readable = core::mem::take(&mut self.readable);
        self.lines.wait(wait, &mut readable)?;
        let begun = self.ground.now_us();
        for (key, owner) in readable.drain(..) {
            let read = self.lines.read(key, &mut self.buffer);
            let Self { lines, timers, ground, clients, buffer, .. } = self;
            let mut link = Link { lines, timers, ground, id: owner };
            match read {
                Read::Nothing => {}
                Read::Bytes(len) => clients[owner].receive(&mut buffer[..len], &mut link),
                Read::End(reset) => clients[owner].end(reset, &mut link),
            }
        }
        self.readable = readable;
        self.run_timers(begun);
        self.longest_turn_us = self.longest_turn_us.max(self.ground.now_us() - begun);
        Ok(())
    }

    fn run_timers(&mut self, now: u64) {
        while let Some(&Reverse((at, id))) = self.timers.peek() {
            if at > now {
                return;
            }
            self.timers.pop();
            self.touch(id, Client::wake);
        }
    }

    pub(crate) fn subscribers(&self) -> impl Iterator<Item = &Subscriber> {
        self.clients.iter().filter_map(|client| match client {
            Client::Subscriber(subscriber) => Some(subscriber),
            Client::Publisher(_) | Client::Probe(_) => None,
        })
    }

    pub(crate) fn publishers(&self) -> impl Iterator<Item = &Publisher> {
        self.clients.iter().filter_map(|client| match client {
            Client::Publisher(publisher) => Some(publisher),
            Client::Subscriber(_) | Client::Probe(_) => None,
        })
    }

    pub(crate) fn probes(&self) -> impl Iterator<Item = &Probe> {
        self.clients.iter().filter_map(|client| match client {
            Client::Probe(probe) => Some(probe),
            Client::Publisher(_) | Client::Subscriber(_) => None,
        })
    }
}

impl Client {
    fn receive(&mut self, bytes: &mut [u8], link: &mut Link<'_>) {
        match self {
            Self::Subscriber(subscriber) => subscriber.receive(bytes, link),
            Self::Publisher(publisher) => publisher.receive(bytes, link),
            Self::Probe(probe) => probe.receive(bytes, link),
        }
    }

    fn end(&mut self, reset: bool, link: &mut Link<'_>) {
        match self {
            Self::Subscriber(subscriber) => subscriber.end(reset, link),
            Self::Publisher(publisher) => publisher.end(link),
            Self::Probe(probe) => probe.end(reset, link),
        }
    }

    fn wake(&mut self, link: &mut Link<'_>) {
        match self {
            Self::Subscriber(subscriber) => subscriber.wake(link),
            Self::Publisher(publisher) => publisher.wake(link),
            Self::Probe(probe) => probe.wake(link),
        }
    }
}
