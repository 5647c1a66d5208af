//! The event loop of a load: drives all connections on one reactor, and hands their events to a scenario.

use std::io;
use std::time::{Duration, Instant};

use sockeye_deflate::{Engine, EngineConfig};
use sockeye_frame::{MaskKey, Opcode, Rsv};
use sockeye_reactor::{Key, MioNet, Net as _, Pool, Ready};
use sockeye_terminal::{Failure, OrFail, signals};

use super::connection::{Connection, Outlet};
use super::fault::{Fault, Faults};
use super::opening::Opener;
use super::payload::frame;
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

/// A scenario that the connections play.
pub(super) trait Scenario {
    /// Takes an event of connection `id`.
    fn hear(&mut self, id: usize, heard: Heard<'_>, now: u64) -> Result<(), Fault>;

    /// Called when all of a read was parsed: answers on connection `id`.
    fn answer(&mut self, id: usize, now: u64, out: &mut Outlet<'_>);

    /// Connection `id` has ended.
    fn gone(&mut self, id: usize);

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

/// All connections of a load. Times are nanoseconds since it was made.
pub(super) struct Lines {
    net: MioNet,
    start: Instant,
    openers: Vec<Opener>,
    all: Vec<Connection>,
    pool: Pool,
    pub(super) engine: Engine,
    buffer: Vec<u8>,
    ready: Vec<Ready>,
    /// The connections to visit in this turn, and those to visit in the next one.
    visits: Vec<usize>,
    dirty: Vec<usize>,
    ramp: Ramp,
    pub(super) faults: Faults,
    patience_ns: u64,
    /// The load is over: servers may end connections.
    is_closing: bool,
}

/// The connections that are still to be opened.
struct Ramp {
    /// How many, by opener.
    wanted: Vec<(usize, usize)>,
    /// Nanoseconds between two.
    interval_ns: u64,
    next_at: u64,
    opening: usize,
    opened: usize,
    /// When one was opened, or begun.
    moved_at: u64,
}

impl Lines {
    /// `rate` is how many connections are opened a second; 0: as fast as the server takes them.
    pub(super) fn new(openers: Vec<Opener>, rate: u64, patience_ns: u64) -> Result<Self, Failure> {
        openers.iter().try_for_each(Opener::check)?;
        let engine = EngineConfig { message_bytes_min: 0, ..EngineConfig::default() };
        let ramp = Ramp {
            wanted: Vec::new(),
            interval_ns: 1_000_000_000_u64.checked_div(rate).unwrap_or(0),
            next_at: 0,
            opening: 0,
            opened: 0,
            moved_at: 0,
        };
        Ok(Self {
            net: MioNet::new().or_fail(|| "the system gives no poller".into())?,
            start: Instant::now(),
            openers,
            all: Vec::new(),
            pool: Pool::new(),
            engine: Engine::new(engine),
            buffer: vec![0; READ_BYTES],
            ready: Vec::new(),
            visits: Vec::new(),
            dirty: Vec::new(),
            ramp,
            faults: Faults::default(),
            patience_ns,
            is_closing: false,
        })
    }

    #[inline]
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Wants `count` more connections; their numbers follow those that there are.
    pub(super) fn want(&mut self, opener: usize, count: usize) {
        self.ramp.wanted.push((opener, count));
        self.ramp.moved_at = self.now();
    }

    /// Whether all that were wanted are open, or have failed.
    pub(super) const fn is_settled(&self) -> bool {
        self.ramp.wanted.is_empty() && self.ramp.opening == 0
    }

    /// Connections that were opened so far.
    pub(super) const fn opened(&self) -> usize {
        self.ramp.opened
    }

    /// Where to append for connection `id`, if it is open; it is sent at the end of the turn.
    pub(super) fn outlet(&mut self, id: usize) -> Option<Outlet<'_>> {
        let connection = self.all.get_mut(id).filter(|it| it.is_open && it.socket.is_some())?;
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(id);
        }
        Some(connection.outlet(&mut self.pool))
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
            if self.ramp.opened == 0 && self.is_settled() && self.faults.total() > 0 {
                // Nothing was measured, so there is nothing to report.
                let why = self.faults.first.take().unwrap_or_default();
                return Err(Failure(format!("{}: {why}", self.openers[0].target.authority)));
            }
            let turn = scenario.turn(now, self);
            self.flush_dirty(scenario);
            progress.show(now, || scenario.progress());
            let (until, is_exact) = match turn {
                Turn::Done => return Ok(()),
                Turn::Wait(until) => (until, false),
                Turn::Meet(until) => (until, true),
            };
            let until = until.min(self.ramp.due()).min(progress.due());
            let until = until.min(now.saturating_add(SIGNAL_NS));
            self.wait(now, until, is_exact).or_fail(|| "waiting failed".into())?;
            self.visit_all(scenario);
        }
    }

    fn wait(&mut self, now: u64, until: u64, is_exact: bool) -> io::Result<()> {
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
            let Some(connection) = self.all.get_mut(id) else { continue };
            connection.readiness.merge(ready);
            self.visits.push(id);
        }
        Ok(())
    }

    fn visit_all(&mut self, scenario: &mut impl Scenario) {
        // A connection that is added meanwhile is visited in the next turn.
        let mut visits = core::mem::take(&mut self.visits);
        for id in visits.drain(..) {
            match self.visit(id, scenario) {
                Ok(false) => {}
                Ok(true) => self.visits.push(id),
                Err(fault) => self.end(id, &fault, scenario),
            }
        }
        if self.visits.is_empty() {
            self.visits = visits;
        }
    }

    /// Reads once from a connection, has it answered and writes; `true` if there may be more to read.
    fn visit(&mut self, id: usize, scenario: &mut impl Scenario) -> Result<bool, Fault> {
        let Self { all, openers, pool, engine, buffer, start, ramp, .. } = self;
        let connection = &mut all[id];
        if connection.socket.is_none() {
            return Ok(false);
        }
        let len = if connection.readiness.readable() { connection.read(buffer)? } else { 0 };
        let unasked =
            !connection.is_open && connection.opens_unasked() && connection.readiness.writable();
        if len > 0 || unasked {
            let now = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let mut opened = unasked;
            let mut hear = |heard: Heard<'_>| {
                opened |= matches!(heard, Heard::Open { .. });
                scenario.hear(id, heard, now)
            };
            if unasked {
                hear(Heard::Open { window: None })?;
            }
            let opener = &openers[connection.opener];
            connection.receive(&mut buffer[..len], opener, engine, pool, &mut hear)?;
            if opened {
                connection.is_open = true;
                ramp.opening -= 1;
                ramp.opened += 1;
                ramp.moved_at = now;
            }
            scenario.answer(id, now, &mut connection.outlet(pool));
        }
        connection.flush(pool)?;
        Ok(connection.readiness.readable() && len > 0)
    }

    fn flush_dirty(&mut self, scenario: &mut impl Scenario) {
        let mut dirty = core::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            let connection = &mut self.all[id];
            connection.is_dirty = false;
            if let Err(fault) = connection.flush(&mut self.pool) {
                self.end(id, &fault, scenario);
            }
        }
        self.dirty = dirty;
    }

    /// Ends a connection that did something wrong.
    fn end(&mut self, id: usize, fault: &Fault, scenario: &mut impl Scenario) {
        let connection = &mut self.all[id];
        let Some(socket) = connection.socket.take() else { return };
        self.net.close(socket);
        connection.clear(&mut self.pool);
        if !connection.is_open {
            self.ramp.opening -= 1;
        }
        if self.is_closing && fault.is_end() {
            return;
        }
        self.faults.add(fault);
        scenario.gone(id);
    }

    /// Opens what may be opened by now, and gives up what takes too long.
    fn advance_ramp(&mut self, now: u64, scenario: &mut impl Scenario) {
        if self.ramp.opening > 0 && now > self.ramp.moved_at.saturating_add(self.patience_ns) {
            self.ramp.wanted.clear();
            let waiting = |id: &usize| !self.all[*id].is_open && self.all[*id].socket.is_some();
            let waiting: Vec<usize> = (0..self.all.len()).filter(waiting).collect();
            waiting.into_iter().for_each(|id| self.end(id, &Fault::Silent, scenario));
        }
        while let Some(opener) = self.ramp.next(now) {
            let id = self.all.len();
            let known = Connection::new(&self.openers[opener], opener, id, &mut self.pool);
            let added = known.and_then(|mut connection| {
                if let Some(socket) = &mut connection.socket {
                    self.net.register(socket, Key::from_u64(id as u64))?;
                }
                self.all.push(connection);
                Ok(())
            });
            match added {
                Ok(()) => self.ramp.opening += 1,
                Err(fault) => {
                    // A connection that cannot even begin will not begin a thousand times either.
                    self.faults.add(&fault);
                    self.ramp.wanted.clear();
                }
            }
            self.ramp.moved_at = now;
        }
    }

    /// Closes everything, the WebSockets by the closing handshake: what a server still had to say comes
    /// before its answer, so a message too many is heard here.
    pub(super) fn close(
        &mut self,
        scenario: &mut impl Scenario,
        key: MaskKey,
    ) -> Result<(), Failure> {
        let goodbye = frame(Opcode::Close, Rsv::NONE, &1000_u16.to_be_bytes(), key);
        for id in 0..self.all.len() {
            if self.all[id].is_websocket()
                && let Some(mut out) = self.outlet(id)
            {
                out.tail().extend_from_slice(&goodbye);
            }
        }
        self.flush_dirty(scenario);
        self.is_closing = true;
        let end = self.now().saturating_add(CLOSE_NS);
        // After an error nothing new would be learnt.
        while self.faults.total() == 0 && self.now() < end && self.has_websockets() {
            self.wait(self.now(), end, false).or_fail(|| "waiting failed".into())?;
            self.visit_all(scenario);
        }
        for connection in &mut self.all {
            connection.clear(&mut self.pool);
            if let Some(socket) = connection.socket.take() {
                self.net.close(socket);
            }
        }
        Ok(())
    }

    fn has_websockets(&self) -> bool {
        self.all.iter().any(|it| it.socket.is_some() && it.is_websocket())
    }
}

impl Ramp {
    /// The opener of the next connection, if it is its time.
    fn next(&mut self, now: u64) -> Option<usize> {
        if now < self.next_at || self.opening >= OPENING_MAX {
            return None;
        }
        let (opener, count) = self.wanted.first_mut()?;
        let opener = *opener;
        *count -= 1;
        if *count == 0 {
            self.wanted.remove(0);
        }
        self.next_at = (self.next_at + self.interval_ns).max(now.saturating_sub(SPIN_NS));
        Some(opener)
    }

    /// When the next connection may begin.
    fn due(&self) -> u64 {
        if self.wanted.is_empty() || self.opening >= OPENING_MAX { u64::MAX } else { self.next_at }
    }
}
