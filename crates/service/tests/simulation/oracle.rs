//! What one subscriber is owed, and whether it got it.
//!
//! Whenever its cursor moves, every message of the truth in its channels, from where it began up to
//! there, has to have been delivered to it, or lie in a gap that was declared to it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::simulation::said::{Data, Gap, Message, Said};
use crate::simulation::totals::Totals;
use crate::simulation::truth::{Entry, Position, Truth};

/// Messages that live no longer than this may have expired before anybody could get them.
pub(crate) const SHORT_MS: u64 = 1_000;

/// The cursor that is none, from which there is always a gap.
const NOWHERE: Position = Position { epoch: 0, seq: 0 };

/// How far one channel or pattern is accounted for.
#[derive(Clone, Copy, Debug)]
enum Base {
    /// From now on, wherever that is.
    Now,
    /// From now on, and at the latest from where the log is when that is heard.
    Joining,
    /// Everything up to here has been delivered or declared missing.
    At(Position),
    /// Nobody knows what is missing, and the client was told so: until the next sync.
    Excused,
}

#[derive(Debug)]
struct Account {
    target: String,
    base: Base,
    /// The client named a place that is none, and was not told yet that this cannot be kept.
    doubt: bool,
    /// On this connection nothing up to here may come (again).
    floor: Option<Position>,
}

/// From where a client asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Now,
    /// From now on, on a stream that may be behind: its now may be before the log's.
    Joining,
    /// Everything that is there.
    Earliest,
    /// Its own cursor.
    Cursor(Position),
    /// Something that is no cursor of this log.
    Lie,
}

/// What one subscriber knows, and what was said to it.
pub(crate) struct Ledger {
    truth: Rc<RefCell<Truth>>,
    accounts: Vec<Account>,
    /// The client's cursor: the last one that it was given.
    cursor: Option<Position>,
    had: BTreeSet<Position>,
    /// Declared gaps of known size: in which channel or pattern, of which life, after, through.
    gaps: Vec<(String, u64, u64, u64)>,
    /// On this connection: what came, and in each channel the last.
    here: BTreeSet<Position>,
    last: BTreeMap<String, Position>,
    gaps_here: u64,
    /// It asked for something from before its cursor, so that may have gone back, and what it
    /// had may come again, until it has caught up.
    rewound: bool,
    /// History is long enough for everything: no gap but those that the client asks for.
    roomy: bool,
}

impl Ledger {
    pub(crate) fn new(truth: &Rc<RefCell<Truth>>, roomy: bool) -> Self {
        Self {
            truth: Rc::clone(truth),
            accounts: Vec::new(),
            cursor: None,
            had: BTreeSet::new(),
            gaps: Vec::new(),
            here: BTreeSet::new(),
            last: BTreeMap::new(),
            gaps_here: 0,
            rewound: false,
            roomy,
        }
    }

    pub(crate) fn cursor(&self) -> Option<Position> {
        self.cursor
    }

    /// Whether all targets are accounted for up to there.
    pub(crate) fn is_at(&self, targets: &[String], goal: Position) -> bool {
        targets.iter().all(|target| {
            let account = self.accounts.iter().find(|it| it.target == *target);
            account.is_some_and(|it| matches!(it.base, Base::At(at) if at == goal))
        })
    }

    /// A new connection, on which nothing is subscribed yet.
    pub(crate) fn connect(&mut self) {
        self.here.clear();
        self.last.clear();
        self.gaps_here = 0;
    }

    /// One more target, from some place before.
    pub(crate) fn rewind(&mut self) {
        self.rewound = true;
    }

    /// All targets are subscribed on this connection, from `start`.
    pub(crate) fn resume(&mut self, targets: &[String], start: Start) {
        for target in targets {
            self.subscribe(target, start);
        }
    }

    /// One more target is subscribed on this connection.
    pub(crate) fn subscribe(&mut self, target: &str, start: Start) {
        let known = self.accounts.iter().position(|it| it.target == target);
        let at = known.unwrap_or_else(|| {
            let target = target.to_owned();
            self.accounts.push(Account { target, base: Base::Now, doubt: false, floor: None });
            self.accounts.len() - 1
        });
        self.rewound |= matches!(start, Start::Lie | Start::Earliest);
        self.last.retain(|channel, _| !covers(target, channel));
        let account = &mut self.accounts[at];
        (account.doubt, account.floor) = (false, None);
        match start {
            Start::Now => account.base = Base::Now,
            Start::Joining => account.base = Base::Joining,
            // What was dropped before is not owed, and nobody says what that was.
            Start::Earliest => account.base = Base::Excused,
            // Whoever comes back with that has to be told, too.
            Start::Lie | Start::Cursor(NOWHERE) => account.doubt = true,
            Start::Cursor(cursor) => {
                account.floor = Some(cursor);
                account.base = match account.base {
                    Base::At(place) => Base::At(place),
                    Base::Now | Base::Joining | Base::Excused => Base::At(cursor),
                };
            }
        }
    }

    /// Takes in what was said, in the order in which it was said.
    pub(crate) fn hear(&mut self, said: &Said, totals: &mut Totals) {
        match said {
            Said::Cursor(at) => self.claim(*at),
            Said::Message(message) => {
                totals.messages += 1;
                self.take(message);
                self.claim(message.at);
            }
            Said::End { channel, at } => {
                totals.ends += 1;
                self.take_end(channel, *at);
                self.claim(*at);
            }
            Said::Gap(gap) => {
                totals.count_gap(&gap.reason);
                self.declare(gap);
            }
            Said::Sync { at, gaps } => {
                totals.syncs += 1;
                totals.recovered += u64::from(*gaps == 0);
                self.sync(*at, *gaps);
            }
            Said::Goaway { code, at } => {
                totals.count_goaway(*code);
                if *code == 4000 {
                    self.check_end(*at);
                }
                self.claim(*at);
            }
            Said::Subscribed { at, .. } => self.claim(*at),
            Said::Answer(_) | Said::Welcome => {}
        }
    }

    /// A client of ours says that everything is there; it counts gaps over all its connections.
    pub(crate) fn hear_sync(&mut self, at: Position, totals: &mut Totals) {
        self.hear(&Said::Sync { at, gaps: self.gaps_here }, totals);
    }

    /// A client of ours does not want the others any more: they have ended.
    pub(crate) fn keep(&mut self, wanted: &[String]) {
        let truth = self.truth.borrow();
        self.accounts.retain(|account| {
            let is_wanted = wanted.contains(&account.target);
            assert!(is_wanted || truth.has_ended(&account.target), "{account:?} has not ended");
            is_wanted
        });
    }

    /// Whether of everything up to `goal` nothing is missing.
    pub(crate) fn owes_nothing(&self, targets: &[String], goal: Position) -> bool {
        let truth = self.truth.borrow();
        self.accounts.iter().filter(|it| targets.contains(&it.target)).all(|account| {
            let Base::At(done) = account.base else { return false };
            let is_settled = |seq| {
                let place = Position { seq, ..goal };
                let entry = truth.get(place);
                entry.is_none_or(|entry| {
                    !covers(&account.target, &entry.channel)
                        || self.is_settled(&account.target, place, entry)
                })
            };
            done.epoch == goal.epoch && (done.seq + 1..=goal.seq).all(is_settled)
        })
    }

    /// An answer to a poll: its cursor is the only one that counts.
    pub(crate) fn hear_poll(&mut self, said: &[Said], at: Position, totals: &mut Totals) {
        for it in said {
            match it {
                Said::Message(message) => {
                    totals.messages += 1;
                    self.take(message);
                }
                Said::End { channel, at } => {
                    totals.ends += 1;
                    self.take_end(channel, *at);
                }
                Said::Sync { at: sync, .. } => {
                    assert_eq!(*sync, at, "the answer's two cursors");
                    self.hear(it, totals);
                }
                other => self.hear(other, totals),
            }
        }
        self.claim(at);
    }

    /// A poll is answered that nothing has changed, since there were so many entries.
    pub(crate) fn check_unchanged(&self, targets: &[String], settled: u64) {
        let truth = self.truth.borrow();
        for account in self.accounts.iter().filter(|it| targets.contains(&it.target)) {
            let Base::At(done) = account.base else { continue };
            for seq in done.seq + 1..=settled {
                let place = Position { seq, ..done };
                let Some(entry) = truth.get(place) else { continue };
                assert!(
                    entry.is_void || !covers(&account.target, &entry.channel),
                    "304, and there is {place:?}"
                );
            }
        }
    }

    /// What is subscribed from now on begins here.
    fn begin(&mut self, at: Position) {
        let now = self.truth.borrow().position();
        for account in &mut self.accounts {
            match account.base {
                Base::Now => (account.base, account.floor) = (Base::At(at), Some(at)),
                // What came between the two may be gone, and was never asked for.
                Base::Joining => {
                    let base = if now.epoch == at.epoch { at.max(now) } else { at };
                    (account.base, account.floor) = (Base::At(base), Some(at));
                }
                Base::Excused | Base::At(_) => {}
            }
        }
    }

    /// The client is told that everything up to here has reached it.
    fn claim(&mut self, at: Position) {
        self.cursor = Some(at);
        if at == NOWHERE {
            // It claims nothing.
            return;
        }
        self.begin(at);
        let truth = Rc::clone(&self.truth);
        let truth = truth.borrow();
        assert!(at.epoch <= truth.position().epoch, "a life of the log that never was: {at:?}");
        assert!(at.epoch != truth.epoch || at.seq <= truth.settled, "{at:?} is not in the log yet");
        for index in 0..self.accounts.len() {
            let account = &self.accounts[index];
            let target = &account.target;
            assert!(!account.doubt, "{target}: {at:?}, and no word of the cursor that was none");
            let Base::At(done) = account.base else { continue };
            assert_eq!(done.epoch, at.epoch, "{target}: another life of the log, and no gap");
            for seq in done.seq + 1..=at.seq {
                let place = Position { seq, ..at };
                let entry = truth.get(place).expect("it is in the log");
                if covers(target, &entry.channel) && !self.is_settled(target, place, entry) {
                    panic!("{target}: {at:?} without {place:?} {entry:?}, {:?}", self.gaps);
                }
            }
            let reached = Position { seq: done.seq.max(at.seq), ..at };
            self.accounts[index].base = Base::At(reached);
        }
    }

    /// Whether an entry was delivered, or declared missing to this target, or has expired.
    fn is_settled(&self, target: &str, place: Position, entry: &Entry) -> bool {
        let expired = entry.ttl_ms.is_some_and(|ttl| ttl <= SHORT_MS);
        let missing = |(scope, epoch, after, through): &(String, u64, u64, u64)| {
            (*scope == entry.channel || scope == target)
                && *epoch == place.epoch
                && (after + 1..=*through).contains(&place.seq)
        };
        self.had.contains(&place) || entry.is_void || expired || self.gaps.iter().any(missing)
    }

    fn take(&mut self, message: &Message) {
        let truth = Rc::clone(&self.truth);
        let truth = truth.borrow();
        let at = message.at;
        let entry = truth.get(at).unwrap_or_else(|| panic!("nobody published {message:?}"));
        assert!(!entry.is_void, "the log has not got {message:?}");
        assert!(!entry.is_end, "the end of a channel as a message: {message:?}");
        let is_data = match &message.data {
            Data::Text(text) => !entry.is_json && *text == entry.data,
            Data::Json(json) => entry.is_json && *json == entry.data,
            Data::Bare(text) => *text == entry.data,
        };
        assert!(is_data, "{message:?} instead of {entry:?}");
        assert_eq!(message.event, entry.event, "{message:?}");
        if let Some(envelope) = &message.envelope {
            assert_eq!(envelope.channel, entry.channel, "{message:?}");
            assert_eq!(envelope.time_ms, entry.time_ms, "{message:?}");
        }
        self.arrive(at, &entry.channel, &truth);
    }

    fn take_end(&mut self, channel: &str, at: Position) {
        let truth = Rc::clone(&self.truth);
        let truth = truth.borrow();
        assert!(truth.has_ended(channel), "{channel} has not ended");
        // It may have come by a pattern, and is said again to whoever then asks for the channel.
        let mut covering = self.accounts.iter().filter(|it| covers(&it.target, channel));
        let came_before = covering.any(|it| it.floor.is_some_and(|floor| at <= floor));
        let is_again = came_before && self.here.contains(&at);
        let its_own = truth.get(at).is_some_and(|entry| entry.is_end && entry.channel == channel);
        if its_own && !is_again && self.floor_of(channel).is_none_or(|floor| at > floor) {
            return self.arrive(at, channel, &truth);
        }
        // That it had ended before is said to whoever comes later, where the stream is.
        assert!(self.cursor.is_none_or(|cursor| cursor.epoch != at.epoch || cursor <= at));
    }

    /// An entry came: the first time on this connection, in its channel's order, and not again.
    fn arrive(&mut self, at: Position, channel: &str, truth: &Truth) {
        assert!(at.seq <= truth.settled, "{at:?} is out before the log has it");
        assert!(self.here.insert(at), "{at:?} twice on a connection");
        let subscribed = self.accounts.iter().any(|it| covers(&it.target, channel));
        assert!(subscribed, "{channel} was not asked for");
        let floor = self.floor_of(channel);
        assert!(floor.is_none_or(|floor| at > floor), "{at:?} again, after {floor:?}");
        let last = self.last.insert(channel.to_owned(), at);
        assert!(last.is_none_or(|last| at > last), "{at:?} after {last:?} in {channel}");
        let again = !self.had.insert(at);
        assert!(!again || floor.is_none() || self.rewound, "{at:?} on one more connection");
    }

    /// Up to where nothing of the channel may come: as far as all that cover it agree.
    fn floor_of(&self, channel: &str) -> Option<Position> {
        let mut floors =
            self.accounts.iter().filter(|it| covers(&it.target, channel)).map(|it| it.floor);
        floors.try_fold(None, |least: Option<Position>, floor| {
            let floor = floor?;
            Some(Some(least.map_or(floor, |it| it.min(floor))))
        })?
    }

    fn declare(&mut self, gap: &Gap) {
        self.gaps_here += 1;
        let truth = Rc::clone(&self.truth);
        let ended = gap.scope.as_deref().is_some_and(|it| truth.borrow().has_ended(it));
        assert!(!gap.ended || ended, "{gap:?}: it has not ended");
        let fault = gap.is_fault();
        let mut concerned = false;
        for account in &mut self.accounts {
            let named = gap.scope.as_ref().is_none_or(|scope| *scope == account.target);
            let covered = gap.scope.as_ref().is_none_or(|scope| covers(&account.target, scope));
            concerned |= named || covered;
            if fault && named {
                (account.base, account.doubt) = (Base::Excused, false);
                account.floor = None;
            } else if !fault
                && let Base::At(place) = account.base
                && let Some(scope) = &gap.scope
            {
                let (after, through) = gap.missed.expect("it is known how much");
                self.gaps.push((scope.clone(), place.epoch, after, through));
            }
        }
        assert!(concerned, "{gap:?} is none of its business");
        assert!(fault || !self.roomy, "{gap:?}, and there was room for everything");
    }

    fn sync(&mut self, at: Position, gaps: u64) {
        assert_eq!(gaps, self.gaps_here, "gaps declared, and gaps counted");
        self.gaps_here = 0;
        self.rewound = false;
        self.claim(at);
        for account in &mut self.accounts {
            if let Base::Excused = account.base {
                account.base = Base::At(at);
            }
        }
    }

    /// Nothing will come any more.
    fn check_end(&self, at: Position) {
        let truth = self.truth.borrow();
        for account in &self.accounts {
            let target = &account.target;
            assert!(truth.has_ended(target), "{target}: told at {at:?} to stay away for ever");
        }
    }
}

/// Whether a channel is `target`, or matches it.
pub(crate) fn covers(target: &str, channel: &str) -> bool {
    if !target.contains(['*', '>']) {
        return target == channel;
    }
    let (target, channel): (Vec<_>, Vec<_>) =
        (target.split(':').collect(), channel.split(':').collect());
    let open = target.last() == Some(&">");
    let fits = if open { channel.len() >= target.len() } else { channel.len() == target.len() };
    fits && target.iter().zip(&channel).all(|(wanted, it)| [*it, "*", ">"].contains(wanted))
}
