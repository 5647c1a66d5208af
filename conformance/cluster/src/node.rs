//! The owner of an engine, as small as the contract allows: it numbers its entries, offers again what it has not
//! read back, and passes over repeats. What it has applied is the oracle's material.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_backbone::{Engine, Event, LogEnds, Position, Rejection, State, Trouble};
use sockeye_redis::{RedisConfig, RedisEngine, RedisLimits};

/// How long a condition may take to hold.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);
/// So often a node asks for a log to be begun whose engine is away.
const BEGINNINGS_MAX: usize = 5;

/// How long a server may be silent in these tests.
pub(crate) const PATIENCE_MS: u64 = 1_000;

/// A node.
pub(crate) struct Node {
    pub(crate) engine: Box<dyn Engine>,
    name: String,
    /// The number of its newest entry.
    pub(crate) offered: u64,
    /// The first of its entries that it has not read back.
    unread: u64,
    /// Whether offers were dropped, and wait to be offered again.
    has_dropped: bool,
    pub(crate) fence: u64,
    /// Everything that was read in the current life, and where.
    pub(crate) read: Vec<(Position, String)>,
    /// The entries that count: repeats are left out.
    pub(crate) applied: Vec<String>,
    /// The newest number of each node.
    newest: BTreeMap<String, u64>,
    /// Places where a number jumped.
    pub(crate) holes: Vec<(Position, Position)>,
    pub(crate) repeats: usize,
    /// Places where another entry stands than was read before.
    pub(crate) forks: Vec<Position>,
    pub(crate) state: Option<State>,
    pub(crate) ups: usize,
    pub(crate) ends: Option<LogEnds>,
    /// How often the end was before the place of the node.
    pub(crate) lost: usize,
    pub(crate) rejections: Vec<Rejection>,
    pub(crate) replicated: Option<Position>,
    /// Whether it leaves it to the engine to go on after a new connection. Otherwise it asks for the entry at its place.
    pub(crate) reads_on: bool,
    /// Whether it passes over entries behind a missing one, which come again, as whole nodes do.
    pub(crate) passes_over: bool,
}

/// The configuration of a URL, with the patience of these tests.
pub(crate) fn config(url: &str) -> RedisConfig {
    let mut limits = RedisLimits::default();
    limits.patience_ms = PATIENCE_MS;
    RedisConfig::from_url(url).expect("a URL").with_limits(limits)
}

impl Node {
    /// A node that reads from the beginning.
    pub(crate) fn new(name: &str, url: &str) -> Self {
        Self::with(name, config(url))
    }

    pub(crate) fn with(name: &str, config: RedisConfig) -> Self {
        Self::on(name, Box::new(RedisEngine::open(config).expect("threads")))
    }

    /// A node on an engine.
    pub(crate) fn on(name: &str, mut engine: Box<dyn Engine>) -> Self {
        let thread = thread::current();
        engine.set_wake(Arc::new(move || thread.unpark()));
        engine.read_from(Position::ZERO);
        Self {
            engine,
            name: name.into(),
            offered: 0,
            unread: 1,
            has_dropped: false,
            fence: 0,
            read: Vec::new(),
            applied: Vec::new(),
            newest: BTreeMap::new(),
            holes: Vec::new(),
            repeats: 0,
            forks: Vec::new(),
            state: None,
            ups: 0,
            ends: None,
            lost: 0,
            rejections: Vec::new(),
            replicated: None,
            reads_on: false,
            passes_over: false,
        }
    }

    /// A node that has begun the log and read its first entry.
    pub(crate) fn beginning(name: &str, url: &str) -> Self {
        let mut node = Self::new(name, url);
        node.begin();
        node
    }

    /// Begins the log, and waits for its first entry. An engine that was away meanwhile is asked again, as a node does: a
    /// log is begun once, however often that is asked for.
    pub(crate) fn begin(&mut self) {
        for _ in 0..BEGINNINGS_MAX {
            let rejected = self.rejections.len();
            self.engine.begin_log(&Arc::from(*b"birth")).expect("little waits");
            self.wait("the log has begun", |it| {
                !it.read.is_empty() || it.rejections[rejected..].contains(&Rejection::Away)
            });
            if !self.read.is_empty() {
                return;
            }
            self.rejections.truncate(rejected);
            self.wait("the engine is up", Self::is_up);
        }
        panic!("{}: the log does not begin; {}", self.name, self.summary());
    }

    /// Offers entries: `NAME NUMBER`.
    pub(crate) fn offer(&mut self, count: u64) {
        for _ in 0..count {
            self.offered += 1;
            // Behind a hole nothing may be offered.
            if !self.has_dropped {
                self.send(self.offered..=self.offered);
            }
        }
    }

    fn send(&mut self, numbers: core::ops::RangeInclusive<u64>) {
        let entry = |number| Arc::from(format!("{} {number}", self.name).into_bytes());
        let entries: Vec<Arc<[u8]>> = numbers.map(entry).collect();
        let drops = self.rejections.len();
        while self.rejections.len() == drops && self.engine.append(self.fence, &entries).is_err() {
            // These may be dropped meanwhile, and are offered again then.
            self.pass();
        }
    }

    /// Takes what has arrived, and offers again what was dropped.
    pub(crate) fn take(&mut self) {
        while let Some(event) = self.engine.next() {
            self.take_event(event);
        }
        // The owner of a dropped append reads on first: its entries may still come.
        if self.has_dropped && self.is_up() && self.has_read_all() && self.unread <= self.offered {
            self.has_dropped = false;
            self.send(self.unread..=self.offered);
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::State(state) => {
                assert!(
                    !matches!(&state, State::Away(it) | State::Refused(it) if it.text.contains('\n'))
                );
                if matches!(state, State::Up(_)) {
                    self.ups += 1;
                    if !self.reads_on {
                        // The entry at the place has to come again, and be the same.
                        self.engine.read_from(self.place());
                    }
                }
                self.state = Some(state);
                self.ends = None;
            }
            Event::Entry(position, entry) => {
                self.take_entry(position, String::from_utf8_lossy(&entry).into_owned());
            }
            Event::Ends(ends) => {
                self.lost += usize::from(ends.last.unwrap_or_default() < self.place());
                self.ends = Some(ends);
            }
            Event::Dropped(rejection) => {
                self.has_dropped = true;
                self.ends = None;
                self.rejections.push(rejection);
            }
            Event::Replicated(position) => self.replicated = self.replicated.max(Some(position)),
        }
    }

    fn take_entry(&mut self, position: Position, text: String) {
        if let Some((last, known)) = self.read.last() {
            if position == *last && !self.reads_on {
                if *known != text {
                    self.forks.push(position);
                }
                return;
            }
            assert!(position > *last, "{position} behind {last}");
            let follows = position.fence != last.fence || position.number == last.number + 1;
            if !follows {
                self.holes.push((*last, position));
            }
        }
        self.fence = position.fence;
        if let Some((name, number)) =
            text.rsplit_once(' ').and_then(|(name, it)| Some((name, it.parse().ok()?)))
        {
            self.apply(name, number, &text);
        }
        self.read.push((position, text));
    }

    fn apply(&mut self, name: &str, number: u64, text: &str) {
        let newest = self.newest.entry(name.into()).or_default();
        if number <= *newest || (self.passes_over && number > *newest + 1) {
            self.repeats += 1;
            return;
        }
        assert!(
            number == *newest + 1 || !self.holes.is_empty(),
            "{text} behind {newest}: entries are in order, and none is missing"
        );
        *newest = number;
        if name == self.name {
            self.unread = number + 1;
        }
        self.applied.push(text.to_owned());
    }

    /// Whether offers were dropped, and wait to be offered again.
    pub(crate) const fn has_dropped(&self) -> bool {
        self.has_dropped
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, Some(State::Up(_)))
    }

    /// Whether the ends were told since the last state and the last rejection.
    fn has_read_all(&self) -> bool {
        self.ends.is_some()
    }

    /// Why the engine is not up.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        match &self.state {
            Some(State::Away(trouble) | State::Refused(trouble)) => Some(trouble),
            Some(State::Up(_)) | None => None,
        }
    }

    /// Lets the engine's threads work.
    pub(crate) fn pass(&mut self) {
        thread::park_timeout(Duration::from_millis(5));
        self.take();
    }

    /// Waits until a condition holds.
    pub(crate) fn wait(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let late = Instant::now() + WAIT_MAX;
        self.take();
        while !holds(self) {
            assert!(
                Instant::now() < late,
                "{}: waited in vain until {what}; {}",
                self.name,
                self.summary()
            );
            self.pass();
        }
    }

    /// Waits until all its offers were read back.
    pub(crate) fn settle(&mut self) {
        self.wait("its offers are read back", |it| it.unread > it.offered);
    }

    /// Waits until this number of entries counts.
    pub(crate) fn wait_applied(&mut self, count: usize) {
        self.wait(&format!("{count} entries count"), |it| it.applied.len() >= count);
    }

    /// Forgets what it read behind a position, as the owner of a log that has lost its tail does, and begins a
    /// new life with a greater fence. Its own entries that are gone are offered again.
    pub(crate) fn begin_life(&mut self, last: Position) {
        let kept =
            core::mem::take(&mut self.read).into_iter().filter(|(position, _)| *position <= last);
        let kept: Vec<_> = kept.collect();
        (self.applied, self.newest, self.unread) = (Vec::new(), BTreeMap::new(), 1);
        kept.into_iter().for_each(|(position, text)| self.take_entry(position, text));
        let fence = self.fence;
        // Appends that are on their way under the old fence are refused.
        self.engine.raise_fence(&Arc::from(*b"life")).expect("little waits");
        self.engine.read_from(last);
        self.wait("the new life has begun", |it| it.fence > fence);
        self.has_dropped = true;
    }

    /// Forgets everything, and reads from the beginning, as the owner of a log that is gone does.
    pub(crate) fn forget(&mut self) {
        (self.read, self.applied, self.newest) = (Vec::new(), Vec::new(), BTreeMap::new());
        (self.unread, self.has_dropped) = (self.offered + 1, false);
        self.engine.read_from(Position::ZERO);
    }

    /// The ends that it was told last: once it has read the log, or when it was connected.
    pub(crate) fn ends_now(&self) -> LogEnds {
        match (&self.ends, &self.state) {
            (Some(ends), _) | (None, Some(State::Up(ends))) => *ends,
            (None, Some(State::Away(_) | State::Refused(_)) | None) => LogEnds::default(),
        }
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Position {
        self.read.last().map_or(Position::ZERO, |(position, _)| *position)
    }

    fn summary(&self) -> String {
        format!(
            "{} of {} offers read back, {} entries read, at {}, state {:?}, ends {:?}, rejections {:?}",
            self.unread - 1,
            self.offered,
            self.read.len(),
            self.place(),
            self.state,
            self.ends,
            self.rejections
        )
    }
}
