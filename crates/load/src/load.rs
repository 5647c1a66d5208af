//! The event loop of a load: drives all connections on one reactor, and hands their events to a scenario.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sockeye_deflate::{Engine, EngineConfig};
use sockeye_reactor::{Key, MioNet, Net as _, Pool, Ready};
use sockeye_terminal::{Failure, OrFail, signals};
use sockeye_tls::Protocol;

use super::connection::SocketOptions;
use super::fault::{Fault, Faults};
use super::line::{Carrier, Line, Outlet};
use super::opening::Opener;
use super::progress::Progress;
use super::ramp::Ramp;
use super::streams::{Streams, TRUNK};
use super::wire::Heard;

/// Bytes of one read.
const READ_BYTES: usize = 128 * 1024;
/// Before an exact moment the loop spins for so long, at the most, because the system's waits are too coarse:
/// two milliseconds.
pub(super) const SPIN_NS: u64 = 2_000_000;

/// Longest wait of a turn. A signal that comes just before a wait does not end it, and is seen after it.
const SIGNAL_NS: u64 = 100_000_000;

/// How long servers may take to end their connections after the load.
const CLOSE_NS: u64 = 1_000_000_000;

/// Takes what comes on the connections.
pub trait Listener {
    /// Connection `id` has read `len` bytes. `hear` takes what they say.
    fn read(&mut self, _id: usize, _len: usize) {}

    /// Takes an event of connection `id`.
    ///
    /// # Errors
    /// The fault of the server: it ends the connection.
    fn hear(&mut self, id: usize, heard: Heard<'_>, now: u64) -> Result<(), Fault>;

    /// Called when all of a read was parsed: answers on connection `id`.
    fn answer(&mut self, id: usize, now: u64, out: &mut Outlet<'_>);

    /// Connection `id` has ended by this fault.
    fn gone(&mut self, id: usize, fault: &Fault);
}

/// A scenario that the connections play.
pub(super) trait Scenario: Listener {
    /// Called once a turn of the loop: does what is due, and returns until when there is nothing to do.
    fn turn(&mut self, now: u64, lines: &mut Lines) -> Turn;

    /// Ends the measurement now. Returns whether there is one to report.
    fn stop(&mut self, now: u64) -> bool;

    /// The progress, in a line.
    fn progress(&mut self) -> String;
}

/// The next wish of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// To be called again by this time, or when something has happened.
    Wait(u64),
    /// The same, to the microsecond: the system's waits are counted in milliseconds, so the loop spins.
    Meet(u64),
    /// To end.
    Done,
}

/// All connections of a load, by numbers that their user gives them. Times are nanoseconds since it was made.
///
/// A line has a socket of its own, or a stream of a connection that speaks HTTP/2.
pub struct Lines {
    pub(super) net: MioNet,
    start: Instant,
    /// By number; `None` once it has ended.
    pub(super) all: Vec<Option<Line>>,
    /// The connections that carry streams.
    pub(super) streams: Streams,
    /// Sockets so far: each has a key of its own.
    generation: u64,
    pub(super) pool: Pool,
    pub(super) engine: Engine,
    pub(super) buffer: Vec<u8>,
    ready: Vec<Ready>,
    /// The lines to visit in this turn, and those to visit in the next one; with [`TRUNK`] a connection of streams.
    pub(super) visits: Vec<usize>,
    dirty: Vec<usize>,
    pub(super) opening: usize,
    pub(super) opened: usize,
    /// Bytes that were sent and received.
    pub(super) traffic: u64,
    pub(super) ramp: Ramp,
    pub(super) faults: Faults,
    /// The load is over: servers may end connections.
    pub(super) is_closing: bool,
}

impl Lines {
    /// No connections yet.
    ///
    /// # Errors
    /// The system gives no poller.
    pub fn new() -> io::Result<Self> {
        let engine = EngineConfig { message_bytes_min: 0, ..EngineConfig::default() };
        Ok(Self {
            net: MioNet::new()?,
            start: Instant::now(),
            all: Vec::new(),
            streams: Streams::default(),
            generation: 0,
            pool: Pool::new(),
            engine: Engine::new(engine),
            buffer: vec![0; READ_BYTES],
            ready: Vec::new(),
            visits: Vec::new(),
            dirty: Vec::new(),
            opening: 0,
            opened: 0,
            traffic: 0,
            ramp: Ramp::default(),
            faults: Faults::default(),
            is_closing: false,
        })
    }

    /// `rate` is how many of the wanted connections are opened a second; 0: as fast as the server takes them.
    pub(super) fn with_ramp(
        mut self,
        openers: Vec<Opener>,
        rate: u64,
        patience_ns: u64,
    ) -> Result<Self, Failure> {
        openers.iter().try_for_each(Opener::check)?;
        self.ramp = Ramp::new(openers, rate, patience_ns);
        Ok(self)
    }

    /// Nanoseconds since the beginning.
    #[inline]
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Wants `count` more connections; their numbers follow those that there are.
    pub(super) fn want(&mut self, opener: usize, count: usize) {
        self.ramp.wanted.push((opener, count));
        self.ramp.moved_at = self.now();
    }

    /// Whether all that were wanted are open, or have failed.
    pub(super) const fn is_settled(&self) -> bool {
        self.ramp.wanted.is_empty() && self.opening == 0
    }

    /// Connections that are being opened.
    pub const fn opening(&self) -> usize {
        self.opening
    }

    /// Connections that were opened so far.
    pub(super) const fn opened(&self) -> usize {
        self.opened
    }

    /// Bytes that were sent and received.
    pub const fn traffic(&self) -> u64 {
        self.traffic
    }

    /// Starts to connect, in place of the last connection with this number.
    ///
    /// # Errors
    /// The request cannot be written, or the system gives no socket.
    pub fn connect(
        &mut self,
        id: usize,
        opener: &Rc<Opener>,
        options: SocketOptions,
    ) -> Result<(), Fault> {
        self.dial(id, opener, options, &[Protocol::Http11])
    }

    /// The key of the next socket, with the number under which it is found.
    pub(super) fn next_key(&mut self, number: usize) -> Key {
        self.generation += 1;
        Key::from_u64(self.generation << 32 | number as u64)
    }

    /// Puts a line in the place of the last one with this number.
    pub(super) fn put(&mut self, id: usize, line: Line) {
        self.close(id);
        if self.all.len() <= id {
            self.all.resize_with(id + 1, || None);
        }
        self.all[id] = Some(line);
        self.opening += 1;
    }

    /// Where to append for line `id`, if it is open or carries requests; it is sent in the next turn.
    pub fn outlet(&mut self, id: usize) -> Option<Outlet<'_>> {
        let line = self.all.get_mut(id)?.as_mut();
        let line = line.filter(|it| it.is_open || it.opens_unasked())?;
        if !line.is_dirty {
            line.is_dirty = true;
            match &line.carrier {
                Carrier::Socket(_) => self.dirty.push(id),
                Carrier::Stream(place) => self.streams.list(place.trunk, id),
            }
        }
        Some(line.outlet(&mut self.pool))
    }

    /// Whether line `id` has begun and not ended.
    pub fn is_there(&self, id: usize) -> bool {
        self.all.get(id).is_some_and(Option::is_some)
    }

    /// Bytes of line `id` that the system did not take yet; on a stream, those that are in no frame yet.
    pub fn unsent(&self, id: usize) -> usize {
        self.all.get(id).and_then(Option::as_ref).map_or(0, |line| line.outbox.len())
    }

    /// Reads no more from line `id`, or goes on to. A stream's server may send what its window still allows.
    pub fn pause(&mut self, id: usize, is_paused: bool) {
        let Some(Some(line)) = self.all.get_mut(id) else { return };
        line.is_paused = is_paused;
        match &mut line.carrier {
            Carrier::Socket(_) => self.visits.push(id),
            Carrier::Stream(place) if !is_paused => {
                self.streams.consume(place, &mut self.pool);
            }
            Carrier::Stream(_) => {}
        }
    }

    /// Ends line `id`, without a Close frame.
    pub fn close(&mut self, id: usize) {
        let Some(mut line) = self.all.get_mut(id).and_then(Option::take) else { return };
        self.opening -= usize::from(!line.is_open);
        line.outbox.clear(&mut self.pool);
        match line.carrier {
            Carrier::Socket(connection) => self.net.close(connection.into_system()),
            Carrier::Stream(_) if self.is_closing => {}
            Carrier::Stream(place) => self.streams.drop_line(id, place, &mut self.pool),
        }
    }

    /// Ends connection `id` with a reset.
    pub fn reset(&mut self, id: usize) {
        if let Some(connection) =
            self.all.get_mut(id).and_then(Option::as_mut).and_then(Line::socket)
        {
            connection.reset_on_close();
        }
        self.close(id);
    }

    /// Sends what waits, and waits until something comes, or until a time at the longest.
    ///
    /// # Errors
    /// The poller's.
    pub fn wait(&mut self, until: u64) -> io::Result<()> {
        self.flush_dirty();
        self.poll(self.now(), until, false)
    }

    /// Plays a scenario to its end.
    pub(super) fn run(
        &mut self,
        scenario: &mut impl Scenario,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let mut is_stopping = false;
        loop {
            let now = self.now();
            if !is_stopping && signals::is_asked() {
                is_stopping = true;
                if !scenario.stop(now) {
                    return Err(Failure("interrupted before anything was measured".into()));
                }
            }
            self.advance_ramp(now, scenario);
            if self.opened == 0 && self.is_settled() && self.faults.total() > 0 {
                // Nothing was measured, so there is nothing to report.
                let why = self.faults.first.take().unwrap_or_default();
                return Err(Failure(format!("{}: {why}", self.ramp.openers[0].target.authority)));
            }
            let turn = scenario.turn(now, self);
            self.flush_dirty();
            progress.show(now, || scenario.progress());
            let (until, is_exact) = match turn {
                Turn::Done => return Ok(()),
                Turn::Wait(until) => (until, false),
                Turn::Meet(until) => (until, true),
            };
            let until = until.min(self.ramp_due()).min(progress.due());
            let until = until.min(now.saturating_add(SIGNAL_NS));
            self.poll(now, until, is_exact).or_fail(|| "waiting failed".into())?;
            self.visit_all(scenario);
        }
    }

    fn poll(&mut self, now: u64, until: u64, is_exact: bool) -> io::Result<()> {
        let ahead = until.saturating_sub(now);
        let ahead = match is_exact {
            _ if !self.visits.is_empty() => 0,
            true if ahead < SPIN_NS => 0,
            true => ahead - SPIN_NS / 2,
            false => ahead,
        };
        self.net.poll(Some(Duration::from_nanos(ahead)), &mut self.ready)?;
        if is_exact && self.ready.is_empty() {
            // The server may need the core more than the spinning does.
            std::thread::yield_now();
        }
        for ready in self.ready.drain(..) {
            let id = ready.key.index();
            let connection = if id & TRUNK == 0 {
                self.all.get_mut(id).and_then(Option::as_mut).and_then(Line::socket)
            } else {
                self.streams.connection(id & !TRUNK)
            };
            // The report may be of an earlier socket with this number.
            if let Some(connection) = connection
                && connection.key == ready.key
            {
                connection.readiness.merge(ready);
                self.visits.push(id);
            }
        }
        Ok(())
    }

    /// Hands on what came: reads each connection once that has something.
    pub fn visit_all(&mut self, listener: &mut impl Listener) {
        // A connection that is added meanwhile is visited in the next turn.
        let mut visits = core::mem::take(&mut self.visits);
        for id in visits.drain(..) {
            let visited = if id & TRUNK == 0 {
                self.visit(id, listener)
            } else {
                Ok(self.visit_trunk(id & !TRUNK, listener))
            };
            match visited {
                Ok(false) => {}
                Ok(true) => self.visits.push(id),
                Err(fault) => self.end(id, &fault, listener),
            }
        }
        if self.visits.is_empty() {
            self.visits = visits;
        }
    }

    /// Reads once from a connection, has it answered and writes; `true` if there may be more to read.
    fn visit(&mut self, id: usize, listener: &mut impl Listener) -> Result<bool, Fault> {
        let Self { all, pool, engine, buffer, start, .. } = self;
        let Some(line) = &mut all[id] else { return Ok(false) };
        let (is_paused, waits) = (line.is_paused, !line.is_open && line.opens_unasked());
        let Some(connection) = line.socket() else { return Ok(false) };
        connection.shake_hands()?;
        let reads = connection.readiness.readable() && !is_paused;
        let len = if reads { connection.read(buffer)? } else { 0 };
        let unasked = waits && connection.is_connected();
        if len > 0 || unasked {
            let now = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            listener.read(id, len);
            let mut opened = unasked;
            let mut hear = |heard: Heard<'_>| {
                opened |= matches!(heard, Heard::Open { .. });
                listener.hear(id, heard, now)
            };
            if unasked {
                hear(Heard::Open { window: None })?;
            }
            line.receive(&mut buffer[..len], engine, pool, &mut hear)?;
            if opened {
                line.is_open = true;
                self.opening -= 1;
                self.opened += 1;
                self.ramp.moved_at = now;
            }
            listener.answer(id, now, &mut line.outlet(pool));
        }
        self.traffic += (len + line.flush(pool)) as u64;
        let goes_on = len > 0 || (line.has_write_error() && !line.is_paused);
        Ok(line.socket().is_some_and(|it| it.readiness.readable()) && goes_on)
    }

    fn flush_dirty(&mut self) {
        for id in self.dirty.drain(..) {
            let Some(line) = &mut self.all[id] else { continue };
            line.is_dirty = false;
            self.traffic += line.flush(&mut self.pool) as u64;
            if line.has_write_error() {
                self.visits.push(id);
            }
        }
        self.flush_trunks();
    }

    /// Ends a line that did something wrong.
    pub(super) fn end(&mut self, id: usize, fault: &Fault, listener: &mut impl Listener) {
        // The reply to a fault is a Close frame.
        if let Some(Some(line)) = self.all.get_mut(id)
            && !fault.is_end()
        {
            self.traffic += line.flush(&mut self.pool) as u64;
        }
        self.close(id);
        if !(self.is_closing && fault.is_end()) {
            self.faults.add(fault);
            listener.gone(id, fault);
        }
    }

    /// Opens what may be opened by now, and gives up what takes too long.
    fn advance_ramp(&mut self, now: u64, scenario: &mut impl Scenario) {
        if self.opening > 0 && now > self.ramp.moved_at.saturating_add(self.ramp.patience_ns) {
            self.ramp.wanted.clear();
            for id in 0..self.all.len() {
                if self.all[id].as_ref().is_some_and(|it| !it.is_open) {
                    self.end(id, &Fault::Silent, scenario);
                }
            }
        }
        while now >= self.ramp_due()
            && let Some(opener) = self.ramp.next(now)
        {
            let id = self.all.len();
            if let Err(fault) = self.begin(id, &opener) {
                // A connection that cannot even begin will not begin a thousand times either.
                self.faults.add(&fault);
                self.ramp.wanted.clear();
            }
            self.ramp.moved_at = now;
        }
    }

    /// Begins line `id` on a socket of its own, or as one of the streams of a connection.
    fn begin(&mut self, id: usize, opener: &Rc<Opener>) -> Result<(), Fault> {
        let addr = opener.target.addr;
        match opener.streams {
            None => self.connect(id, opener, SocketOptions::of_many(addr, id)),
            Some(streams) => {
                let trunk = id / streams;
                self.connect_stream(id, trunk, opener, SocketOptions::of_many(addr, trunk))
            }
        }
    }

    /// When the next connection may begin.
    fn ramp_due(&self) -> u64 {
        self.ramp.due(self.opening)
    }

    /// Closes everything, the WebSockets by the closing handshake: what a server still had to say comes
    /// before its answer, so a message too many is heard here.
    pub(super) fn close_all(&mut self, scenario: &mut impl Scenario) -> Result<(), Failure> {
        for id in 0..self.all.len() {
            let Some(line) = self.all[id].as_mut().filter(|it| it.is_websocket()) else { continue };
            line.append_close(&mut self.pool);
            match &line.carrier {
                Carrier::Socket(_) => self.dirty.push(id),
                Carrier::Stream(place) => self.streams.list(place.trunk, id),
            }
        }
        self.flush_dirty();
        self.is_closing = true;
        let end = self.now().saturating_add(CLOSE_NS);
        // After an error nothing new would be learnt.
        while self.faults.total() == 0 && self.now() < end && self.has_websockets() {
            self.wait(end).or_fail(|| "waiting failed".into())?;
            self.visit_all(scenario);
        }
        (0..self.all.len()).for_each(|id| self.close(id));
        self.close_trunks();
        Ok(())
    }

    fn has_websockets(&self) -> bool {
        self.all.iter().flatten().any(Line::is_websocket)
    }
}
