//! The event loop of a load: drives all connections on one reactor, and hands their events to a scenario.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sockeye_deflate::{Engine, EngineConfig};
use sockeye_reactor::{Key, MioNet, Net as _, Pool, Ready};
use sockeye_terminal::{Failure, OrFail, signals};

use super::connection::{Connection, Outlet, SocketOptions};
use super::fault::{Fault, Faults};
use super::opening::Opener;
use super::progress::Progress;
use super::wire::Heard;

/// Bytes of one read.
const READ_BYTES: usize = 128 * 1024;
/// Connections that are being opened at a time, so that the server sees a ramp instead of a storm.
const OPENING_MAX: usize = 128;
/// Before an exact moment the loop spins for so long, at the most, because the system's waits are too coarse:
/// two milliseconds.
const SPIN_NS: u64 = 2_000_000;

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
pub struct Lines {
    net: MioNet,
    start: Instant,
    /// By number; `None` once it has ended.
    all: Vec<Option<Connection>>,
    /// Sockets so far: each has a key of its own.
    generation: u64,
    pool: Pool,
    pub(super) engine: Engine,
    buffer: Vec<u8>,
    ready: Vec<Ready>,
    /// The connections to visit in this turn, and those to visit in the next one.
    visits: Vec<usize>,
    dirty: Vec<usize>,
    opening: usize,
    opened: usize,
    /// Bytes that were sent and received.
    traffic: u64,
    ramp: Ramp,
    pub(super) faults: Faults,
    /// The load is over: servers may end connections.
    is_closing: bool,
}

/// The connections that are still to be opened.
#[derive(Default)]
struct Ramp {
    openers: Vec<Rc<Opener>>,
    /// How many, by opener.
    wanted: Vec<(usize, usize)>,
    /// Nanoseconds between two.
    interval_ns: u64,
    patience_ns: u64,
    next_at: u64,
    /// When one was opened, or begun.
    moved_at: u64,
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
        self.ramp.openers = openers.into_iter().map(Rc::new).collect();
        self.ramp.interval_ns = 1_000_000_000_u64.checked_div(rate).unwrap_or(0);
        self.ramp.patience_ns = patience_ns;
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
        self.generation += 1;
        let key = Key::from_u64(self.generation << 32 | id as u64);
        let mut connection = Connection::new(opener, options, key, &mut self.pool)?;
        self.net.register(&mut connection.socket, key)?;
        self.close(id);
        if self.all.len() <= id {
            self.all.resize_with(id + 1, || None);
        }
        self.all[id] = Some(connection);
        self.opening += 1;
        Ok(())
    }

    /// Where to append for connection `id`, if it is open or carries requests; it is sent in the next turn.
    pub fn outlet(&mut self, id: usize) -> Option<Outlet<'_>> {
        let connection = self.all.get_mut(id)?.as_mut();
        let connection = connection.filter(|it| it.is_open || it.opens_unasked())?;
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(id);
        }
        Some(connection.outlet(&mut self.pool))
    }

    /// Whether connection `id` has begun and not ended.
    pub fn is_there(&self, id: usize) -> bool {
        self.all.get(id).is_some_and(Option::is_some)
    }

    /// Bytes of connection `id` that the system did not take yet.
    pub fn unsent(&self, id: usize) -> usize {
        self.all.get(id).and_then(Option::as_ref).map_or(0, Connection::unsent)
    }

    /// Reads no more from connection `id`, or goes on to.
    pub fn pause(&mut self, id: usize, is_paused: bool) {
        if let Some(Some(connection)) = self.all.get_mut(id) {
            connection.is_paused = is_paused;
            self.visits.push(id);
        }
    }

    /// Ends connection `id`, without a Close frame.
    pub fn close(&mut self, id: usize) {
        let Some(mut connection) = self.all.get_mut(id).and_then(Option::take) else { return };
        self.opening -= usize::from(!connection.is_open);
        connection.clear(&mut self.pool);
        self.net.close(connection.socket);
    }

    /// Ends connection `id` with a reset.
    pub fn reset(&mut self, id: usize) {
        if let Some(Some(connection)) = self.all.get(id) {
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
            let Some(Some(connection)) = self.all.get_mut(id) else { continue };
            // The report may be of an earlier socket with this number.
            if connection.key == ready.key {
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
            match self.visit(id, listener) {
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
        let Some(connection) = &mut all[id] else { return Ok(false) };
        let reads = connection.readiness.readable() && !connection.is_paused;
        let len = if reads { connection.read(buffer)? } else { 0 };
        let unasked =
            !connection.is_open && connection.opens_unasked() && connection.readiness.writable();
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
            connection.receive(&mut buffer[..len], engine, pool, &mut hear)?;
            if opened {
                connection.is_open = true;
                self.opening -= 1;
                self.opened += 1;
                self.ramp.moved_at = now;
            }
            listener.answer(id, now, &mut connection.outlet(pool));
        }
        self.traffic += (len + connection.flush(pool)) as u64;
        let goes_on = len > 0 || (connection.write_error.is_some() && !connection.is_paused);
        Ok(connection.readiness.readable() && goes_on)
    }

    fn flush_dirty(&mut self) {
        for id in self.dirty.drain(..) {
            let Some(connection) = &mut self.all[id] else { continue };
            connection.is_dirty = false;
            self.traffic += connection.flush(&mut self.pool) as u64;
            if connection.write_error.is_some() {
                self.visits.push(id);
            }
        }
    }

    /// Ends a connection that did something wrong.
    fn end(&mut self, id: usize, fault: &Fault, listener: &mut impl Listener) {
        // The reply to a fault is a Close frame.
        if let Some(Some(connection)) = self.all.get_mut(id)
            && !fault.is_end()
        {
            self.traffic += connection.flush(&mut self.pool) as u64;
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
            let options = SocketOptions::of_many(opener.target.addr, id);
            if let Err(fault) = self.connect(id, &opener, options) {
                // A connection that cannot even begin will not begin a thousand times either.
                self.faults.add(&fault);
                self.ramp.wanted.clear();
            }
            self.ramp.moved_at = now;
        }
    }

    /// When the next connection may begin.
    fn ramp_due(&self) -> u64 {
        let rests = self.ramp.wanted.is_empty() || self.opening >= OPENING_MAX;
        if rests { u64::MAX } else { self.ramp.next_at }
    }

    /// Closes everything, the WebSockets by the closing handshake: what a server still had to say comes
    /// before its answer, so a message too many is heard here.
    pub(super) fn close_all(&mut self, scenario: &mut impl Scenario) -> Result<(), Failure> {
        for id in 0..self.all.len() {
            if let Some(connection) = self.all[id].as_mut().filter(|it| it.is_websocket()) {
                connection.append_close(&mut self.pool);
                self.dirty.push(id);
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
        Ok(())
    }

    fn has_websockets(&self) -> bool {
        self.all.iter().flatten().any(Connection::is_websocket)
    }
}

impl Ramp {
    /// The opener of the next connection.
    fn next(&mut self, now: u64) -> Option<Rc<Opener>> {
        let (opener, count) = self.wanted.first_mut()?;
        let opener = Rc::clone(&self.openers[*opener]);
        *count -= 1;
        if *count == 0 {
            self.wanted.remove(0);
        }
        self.next_at = (self.next_at + self.interval_ns).max(now.saturating_sub(SPIN_NS));
        Some(opener)
    }
}
