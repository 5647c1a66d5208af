//! The loop: all clients, their timers, and what they have in common.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sockeye_frame::MaskKey;
use sockeye_load::engine::{
    Deflate, Fault, Heard, Histogram, Lines, Listener, Opener, Outlet, Part, Purpose, Scheme,
    SocketOptions, Target,
};

use crate::canary::Stopwatch;
use crate::probe::Probe;
use crate::publisher::Publisher;
use crate::pulse::Pulse;
use crate::road::Road;
use crate::subscriber::{Heard as Sum, Subscriber};

/// Milliseconds that anything may take which ends by itself.
pub(crate) const PATIENCE_MS: u64 = 60_000;

/// Connections that are asked for at a time, so that a ramp is no storm.
const RAMP: usize = 128;

/// What a server may send on a stream of HTTP/2 whose client does not read: as much as the RFC gives it at first.
const STREAM_WINDOW_BYTES: u32 = 65_535;

/// The subprotocol of clients that send commands.
pub(crate) const SUBPROTOCOL: &str = "sockeye.v1.json";

/// Masks every frame.
pub(crate) const MASK: MaskKey = MaskKey::new([1, 2, 3, 4]);

/// What all clients have in common.
pub(crate) struct Ground {
    road: Road,
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
    /// From publish to receipt, of readers, if it is being recorded.
    pub(crate) latencies: Option<Histogram>,
    /// Times the messages of a canary, if there is one.
    pub(crate) stopwatch: Option<Stopwatch>,
    /// When the run began.
    start: Instant,
    /// When to wake which client, in microseconds.
    timers: BinaryHeap<Reverse<(u64, usize)>>,
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

    /// Wakes a client in so many milliseconds.
    pub(crate) fn wake_in(&mut self, ms: u64, id: usize) {
        let at = self.now_us() + ms * 1000;
        self.timers.push(Reverse((at, id)));
    }

    /// Connects a line to the server.
    pub(crate) fn connect(
        &mut self,
        lines: &mut Lines,
        id: usize,
        opener: &Rc<Opener>,
        options: SocketOptions,
    ) -> Result<(), Fault> {
        self.road.connect(lines, id, opener, options)
    }

    /// How a connection to the server is opened.
    pub(crate) fn opener(&self, purpose: Purpose, path: String) -> Opener {
        let scheme = match purpose {
            Purpose::WebSocket { .. } => Scheme::WebSocket,
            Purpose::Events | Purpose::Requests => Scheme::Http,
            Purpose::Bare(_) => Scheme::Tcp,
        };
        let authority = "localhost".to_owned();
        let target =
            Target { scheme, authority, path, addr: self.road.addr, tls: self.road.tls.clone() };
        Opener {
            target,
            purpose,
            headers: Vec::new(),
            bytes_max: 1 << 20,
            key: MASK,
            streams: None,
        }
    }
}

/// The text of a WebSocket's message, by its last part; a server has to send texts only.
pub(crate) fn text<'t>(last: &Part<'_>, message: &'t [u8], ground: &mut Ground) -> Option<&'t str> {
    let text = core::str::from_utf8(message).ok().filter(|_| last.is_text);
    if text.is_none() {
        ground.fault("a message that is no text");
    }
    text
}

/// A WebSocket without compression.
pub(crate) fn web_socket(subprotocol: Option<&str>) -> Purpose {
    let subprotocol = subprotocol.map(str::to_owned);
    Purpose::WebSocket { subprotocol, deflate: Deflate::Off }
}

/// The calls that every client answers. Each has one connection at a time, with its own number `id`.
pub(crate) trait Act {
    /// Something came.
    fn hear(&mut self, heard: Heard<'_>, id: usize, ground: &mut Ground);

    /// The connection has ended.
    fn gone(&mut self, fault: &Fault, id: usize, ground: &mut Ground);

    /// It begins, or a time has come.
    fn wake(&mut self, lines: &mut Lines, id: usize, ground: &mut Ground);
}

pub(crate) enum Client {
    Subscriber(Subscriber),
    Publisher(Publisher),
    Probe(Probe),
    Pulse(Pulse),
}

impl Client {
    fn act(&mut self) -> &mut dyn Act {
        match self {
            Self::Subscriber(subscriber) => subscriber,
            Self::Publisher(publisher) => publisher,
            Self::Probe(probe) => probe,
            Self::Pulse(pulse) => pulse,
        }
    }
}

/// Those who hear what comes.
struct Crowd<'w> {
    clients: &'w mut [Client],
    ground: &'w mut Ground,
}

impl Listener for Crowd<'_> {
    fn read(&mut self, id: usize, len: usize) {
        if let Client::Probe(probe) = &mut self.clients[id] {
            probe.bytes += len;
        }
    }

    fn hear(&mut self, id: usize, heard: Heard<'_>, _: u64) -> Result<(), Fault> {
        self.clients[id].act().hear(heard, id, self.ground);
        Ok(())
    }

    fn answer(&mut self, _: usize, _: u64, _: &mut Outlet<'_>) {}

    fn gone(&mut self, id: usize, fault: &Fault) {
        self.clients[id].act().gone(fault, id, self.ground);
    }
}

pub(crate) struct World {
    pub(crate) lines: Lines,
    pub(crate) clients: Vec<Client>,
    pub(crate) ground: Ground,
    /// The longest turn of ours, in microseconds: so much later than it was said a word may be heard.
    pub(crate) longest_turn_us: u64,
}

impl World {
    /// A world whose clients speak HTTP/1.1.
    pub(crate) fn new(addr: SocketAddr, channels: usize) -> io::Result<Self> {
        Self::on(Road::plain(addr), channels)
    }

    pub(crate) fn on(road: Road, channels: usize) -> io::Result<Self> {
        let mut lines = Lines::new()?;
        lines.set_stream_window(STREAM_WINDOW_BYTES);
        let ground = Ground {
            road,
            acknowledged: vec![0; channels],
            stopped: false,
            delivered: vec![0; channels],
            readers: vec![0; channels],
            behind_max: u64::MAX,
            latencies: None,
            stopwatch: None,
            start: Instant::now(),
            timers: BinaryHeap::new(),
            faults: Vec::new(),
            faults_total: 0,
        };
        Ok(Self { lines, clients: Vec::new(), ground, longest_turn_us: 0 })
    }

    /// Adds clients and lets them begin, not many at once.
    pub(crate) fn add(&mut self, clients: impl Iterator<Item = Client>) -> io::Result<()> {
        for client in clients {
            self.add_at_once(client);
            while self.lines.opening() >= RAMP {
                self.turn(10)?;
            }
        }
        Ok(())
    }

    pub(crate) fn add_at_once(&mut self, client: Client) {
        self.clients.push(client);
        self.wake(self.clients.len() - 1);
    }

    fn wake(&mut self, id: usize) {
        self.clients[id].act().wake(&mut self.lines, id, &mut self.ground);
    }

    /// Resets the connection of a client, and puts another client in its place.
    pub(crate) fn replace(&mut self, id: usize, client: Client) {
        self.lines.reset(id);
        self.clients[id] = client;
        self.wake(id);
    }

    /// Resets the connection of a client, which comes back at once.
    pub(crate) fn reset(&mut self, id: usize) {
        self.lines.reset(id);
        self.wake(id);
    }

    /// Sends bytes on a connection.
    pub(crate) fn say(&mut self, id: usize, bytes: &[u8]) {
        if let Some(mut out) = self.lines.outlet(id) {
            out.tail().extend_from_slice(bytes);
        }
    }

    /// Ends the connection of a probe, if it is one.
    pub(crate) fn stop_probe(&mut self, id: usize) {
        if let Client::Probe(probe) = &mut self.clients[id] {
            probe.stop(&mut self.lines, id);
        }
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

    /// Stops the publishers, and waits until all subscribers have all messages, but no longer than `ms`.
    pub(crate) fn settle(&mut self, ms: u64) -> io::Result<()> {
        self.ground.stopped = true;
        self.run(PATIENCE_MS, |world| world.publishers().all(Publisher::is_at_rest))?;
        self.run(ms, |world| world.subscribers().all(|it| it.has_all(&world.ground.acknowledged)))
            .map(|_| ())
    }

    /// The messages that some subscribers have heard together, and how many of them miss some.
    pub(crate) fn sum<'w>(&self, those: impl Iterator<Item = &'w Subscriber>) -> (Sum, usize) {
        let mut sum = Sum::default();
        let mut behind = 0;
        for subscriber in those {
            sum.add(&subscriber.heard);
            behind += usize::from(!subscriber.has_all(&self.ground.acknowledged));
        }
        (sum, behind)
    }

    /// One turn that waits for nothing.
    pub(crate) fn poll(&mut self) -> io::Result<()> {
        self.turn(0)
    }

    /// One turn that waits so long at the most.
    pub(crate) fn turn(&mut self, wait_ms: u64) -> io::Result<()> {
        let now = self.ground.now_us();
        let due = self.ground.timers.peek();
        let due = due.map_or(u64::MAX, |Reverse((at, _))| at.saturating_sub(now));
        self.lines.wait(self.lines.now() + due.min(wait_ms * 1000) * 1000)?;
        let begun = self.ground.now_us();
        self.lines.visit_all(&mut Crowd { clients: &mut self.clients, ground: &mut self.ground });
        while let Some(&Reverse((at, id))) = self.ground.timers.peek()
            && at <= begun
        {
            self.ground.timers.pop();
            self.wake(id);
        }
        self.longest_turn_us = self.longest_turn_us.max(self.ground.now_us() - begun);
        Ok(())
    }

    pub(crate) fn subscribers(&self) -> impl Iterator<Item = &Subscriber> {
        self.clients.iter().filter_map(|client| match client {
            Client::Subscriber(subscriber) => Some(subscriber),
            Client::Publisher(_) | Client::Probe(_) | Client::Pulse(_) => None,
        })
    }

    pub(crate) fn publishers(&self) -> impl Iterator<Item = &Publisher> {
        self.clients.iter().filter_map(|client| match client {
            Client::Publisher(publisher) => Some(publisher),
            Client::Subscriber(_) | Client::Probe(_) | Client::Pulse(_) => None,
        })
    }

    pub(crate) fn probes(&self) -> impl Iterator<Item = &Probe> {
        self.clients.iter().filter_map(|client| match client {
            Client::Probe(probe) => Some(probe),
            Client::Publisher(_) | Client::Subscriber(_) | Client::Pulse(_) => None,
        })
    }

    pub(crate) fn pulses(&self) -> impl Iterator<Item = &Pulse> {
        self.clients.iter().filter_map(|client| match client {
            Client::Pulse(pulse) => Some(pulse),
            Client::Publisher(_) | Client::Subscriber(_) | Client::Probe(_) => None,
        })
    }
}
