//! What one subscriber is owed, and whether it got it.
//!
//! Whenever its cursor moves, every message of the log in its channels, from where it began up to there, has to have
//! been delivered to it, or lie in a gap that was declared to it. Messages are told apart by their payloads, and what
//! the subscriber has is a set of places in the tree of all lives: a position that is given out again is another
//! message.
//!
//! Whoever comes with a cursor of a life that is lost is told so before anything else, and nobody else is.

mod gaps;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::simulation::doubt::{Doubt, NO_RUN};
use crate::simulation::said::{Data, Message, Said};
use crate::simulation::totals::Totals;
use crate::simulation::truth::{Entry, Place, Position, Truth};

/// Messages that live no longer than this may have expired before anybody could get them.
pub(crate) const SHORT_MS: u64 = 1_000;

/// The cursor that is none, from which there is always a gap.
const NOWHERE: Position = Position { epoch: 0, seq: 0, check: 0 };

/// How far one channel or pattern is accounted for.
#[derive(Clone, Copy, Debug)]
enum Base {
    /// From now on, wherever that is.
    Now,
    /// From now on, and at the latest from where the log is when that is heard.
    Joining,
    /// Everything up to here has been delivered or declared missing.
    At(Place),
    /// Nobody knows what is missing, and the client was told so: until the next sync.
    Excused,
}

#[derive(Debug)]
struct Account {
    target: String,
    base: Base,
    /// The client named a place that is none, and was not told yet that this cannot be kept.
    doubt: Option<Doubt>,
    /// On this connection nothing up to here may come (again).
    floor: Option<u64>,
}

/// A client's cursor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) at: Position,
    /// Where it is; `None` for the cursor that is none.
    place: Option<Place>,
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
    Cursor(Held),
    /// Something that is no cursor of this log, for this reason.
    Lie(&'static str),
}

/// What one subscriber knows, and what was said to it.
pub(crate) struct Ledger {
    truth: Rc<RefCell<Truth>>,
    accounts: Vec<Account>,
    /// The client's cursor: the last one that it was given.
    cursor: Option<Held>,
    had: BTreeSet<Place>,
    /// What it had, by channel, since it had to load its state anew.
    once: BTreeSet<(String, Place)>,
    /// What was declared missing, in which channel or pattern.
    missing: BTreeSet<(String, Place)>,
    /// On this connection: what came, and in each channel the last.
    here: BTreeSet<Place>,
    last: BTreeMap<String, u64>,
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
            once: BTreeSet::new(),
            missing: BTreeSet::new(),
            here: BTreeSet::new(),
            last: BTreeMap::new(),
            gaps_here: 0,
            rewound: false,
            roomy,
        }
    }

    pub(crate) fn cursor(&self) -> Option<Held> {
        self.cursor
    }

    /// Whether its cursor is there.
    pub(crate) fn is_cursor_at(&self, goal: Place) -> bool {
        self.cursor.is_some_and(|it| it.place == Some(goal))
    }

    /// Whether its cursor is of a life that is lost.
    pub(crate) fn is_lost(&self) -> bool {
        let place = self.cursor.and_then(|it| it.place);
        place.is_some_and(|place| !self.truth.borrow().is_here(place))
    }

    /// Whether all targets are accounted for up to there.
    pub(crate) fn is_at(&self, targets: &[String], goal: Place) -> bool {
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

    /// All targets are subscribed on this connection, from `start`. It was asked when the log had so many entries.
    pub(crate) fn resume(&mut self, targets: &[String], start: Start, settled: u64) {
        for target in targets {
            self.subscribe(target, start, settled);
        }
    }

    /// One more target is subscribed on this connection.
    fn subscribe(&mut self, target: &str, start: Start, settled: u64) {
        let known = self.accounts.iter().position(|it| it.target == target);
        let at = known.unwrap_or_else(|| {
            let target = target.to_owned();
            self.accounts.push(Account { target, base: Base::Now, doubt: None, floor: None });
            self.accounts.len() - 1
        });
        self.rewound |= matches!(start, Start::Lie(_) | Start::Earliest);
        self.last.retain(|channel, _| !covers(target, channel));
        let truth = self.truth.borrow();
        let account = &mut self.accounts[at];
        (account.doubt, account.floor) = (None, None);
        match start {
            Start::Now => account.base = Base::Now,
            Start::Joining => account.base = Base::Joining,
            // What was dropped before is not owed, and nobody says what that was.
            Start::Earliest => account.base = Base::Excused,
            Start::Lie(reason) => account.doubt = Some(Doubt::Lie(reason)),
            Start::Cursor(Held { place: Some(place), .. }) if truth.is_here(place) => {
                account.floor = Some(truth.seq(place));
                account.base = match account.base {
                    Base::At(place) => Base::At(place),
                    Base::Now | Base::Joining | Base::Excused => Base::At(place),
                };
            }
            // Whoever comes back with that has to be told, too.
            Start::Cursor(Held { at, .. }) => {
                account.doubt = Some(Doubt::Lost { at, settled });
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

    /// A client of ours does not want the others any more: they have ended, and it knows what came before.
    pub(crate) fn keep(&mut self, wanted: &[String]) {
        let truth = self.truth.borrow();
        for account in self.accounts.iter().filter(|it| !wanted.contains(&it.target)) {
            let Some(end) = truth.end_of(&account.target) else {
                panic!("{account:?} has not ended")
            };
            let Base::At(done) = account.base else { continue };
            let from = truth.common(done).unwrap_or(end);
            self.check_part(&truth, &account.target, from, end);
        }
        self.accounts.retain(|account| wanted.contains(&account.target));
    }

    /// Whether of everything up to `goal` nothing is missing.
    pub(crate) fn owes_nothing(&self, targets: &[String], goal: Place) -> bool {
        let truth = self.truth.borrow();
        self.accounts.iter().filter(|it| targets.contains(&it.target)).all(|account| {
            let Base::At(done) = account.base else { return false };
            if done == goal {
                return account.doubt.is_none();
            }
            let seq = truth.seq(goal);
            let is_settled = |seq| self.is_settled(&truth, &account.target, seq);
            let is_of_log = truth.is_here(done) && truth.common(goal).is_some();
            is_of_log && account.doubt.is_none() && (truth.seq(done) + 1..=seq).all(is_settled)
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

    /// An empty answer to a poll says that the client has everything up to there. Of a cursor that is none, nobody says
    /// so before the gap.
    pub(crate) fn hear_empty(&mut self, at: Position, totals: &mut Totals) {
        assert!(!self.is_own_word(at), "{at:?} was not judged");
        self.hear_poll(&[], at, totals);
    }

    /// A poll is answered that nothing has changed since the cursor of another answer. A client whose own cursor is
    /// lost need not hear of that yet: it misses nothing.
    pub(crate) fn check_unchanged(&self, targets: &[String], since: Held, settled: u64) {
        let truth = self.truth.borrow();
        // A machine that is behind has nothing newer than the tag, and the client's cursor is not past it.
        if truth.lags {
            return;
        }
        let Some(place) = since.place.filter(|it| *it != truth.goal()) else { return };
        let from = truth.common(place);
        let from = from.unwrap_or_else(|| panic!("304 to a tag of another epoch: {since:?}"));
        for (seq, entry) in truth.kept().filter(|(seq, _)| (from + 1..=settled).contains(seq)) {
            let is_wanted = targets.iter().any(|target| covers(target, &entry.channel));
            assert!(!is_wanted, "304, and there is {seq}: {since:?}");
        }
    }

    /// A client is told to stay away: all channels have ended, and it knows that.
    pub(crate) fn check_stays_away(&self, targets: &[String]) {
        let truth = self.truth.borrow();
        for account in self.accounts.iter().filter(|it| targets.contains(&it.target)) {
            assert!(account.doubt.is_none(), "{account:?} is told to stay away, and not why");
            let end = truth.end_of(&account.target);
            assert!(end.is_some(), "{account:?} is told to stay away");
            let Base::At(done) = account.base else { continue };
            let from = truth.common(done).expect("no doubt");
            self.check_part(&truth, &account.target, from, truth.settled);
        }
    }

    /// What is subscribed from now on begins here.
    fn begin(&mut self, at: Place, truth: &Truth) {
        let now = truth.goal();
        for account in &mut self.accounts {
            match account.base {
                Base::Now => {
                    (account.base, account.floor) = (Base::At(at), Some(truth.seq(at)));
                }
                // What came between the two may be gone, and was never asked for.
                Base::Joining => {
                    let is_later = truth.common(now).is_some() && truth.seq(now) > truth.seq(at);
                    let base = if is_later { now } else { at };
                    (account.base, account.floor) = (Base::At(base), Some(truth.seq(at)));
                }
                Base::Excused | Base::At(_) => {}
            }
        }
    }

    /// Whether a cursor is the one that the client came with, and nothing was said of it yet. A stream that ends while
    /// it waits for its cursor is told the same one again.
    pub(crate) fn is_own_word(&self, at: Position) -> bool {
        let truth = self.truth.borrow();
        let is_known = truth.find(at).is_some();
        self.accounts.iter().filter_map(|it| it.doubt).any(|doubt| match doubt {
            // A machine that lags waits for a position that is there, whatever its check.
            Doubt::Lie("forked") => truth.lags && at.check == NO_RUN,
            Doubt::Lie(reason) => reason == "ahead" && !is_known,
            Doubt::Lost { at: lost, .. } => lost == at,
        })
    }

    /// The client is told that everything up to here has reached it.
    fn claim(&mut self, at: Position) {
        if at == NOWHERE {
            // It claims nothing.
            self.cursor = Some(Held { at, place: None });
            return;
        }
        if self.is_own_word(at) {
            return;
        }
        let truth = Rc::clone(&self.truth);
        let truth = truth.borrow();
        let Some(place) = truth.find(at) else { panic!("a place that never was: {at:?}") };
        self.cursor = Some(Held { at, place: Some(place) });
        self.begin(place, &truth);
        let seq = truth.seq(place);
        assert!(seq <= truth.settled, "{at:?} is not in the log yet");
        for index in 0..self.accounts.len() {
            let Account { target, base, doubt, .. } = &self.accounts[index];
            assert!(doubt.is_none(), "{target}: {at:?}, and no word of {doubt:?}");
            let Base::At(done) = *base else { continue };
            let reached = match (truth.common(done), truth.common(place)) {
                (Some(from), Some(_)) => {
                    self.check_part(&truth, target, from, seq);
                    truth.place(from.max(seq))
                }
                _ => {
                    assert_eq!(done, place, "{target}: another epoch of the log, and no gap");
                    place
                }
            };
            self.accounts[index].base = Base::At(reached);
        }
    }

    /// Of the messages after `from`, up to `through`, nothing is missing.
    fn check_part(&self, truth: &Truth, target: &str, from: u64, through: u64) {
        for seq in from + 1..=through {
            if !self.is_settled(truth, target, seq) {
                panic!(
                    "{target}: {through} without {seq} {:?}, {:?}",
                    truth.entry(seq),
                    self.missing
                );
            }
        }
    }

    /// Whether a message is of no interest to this target, or was delivered or declared missing to it, or has expired.
    fn is_settled(&self, truth: &Truth, target: &str, seq: u64) -> bool {
        let Some(entry) = truth.entry(seq) else { return true };
        if entry.is_void || !covers(target, &entry.channel) {
            return true;
        }
        let place = truth.place(seq);
        let missing = |scope: &str| self.missing.contains(&(scope.to_owned(), place));
        self.had.contains(&place)
            || has_expired(entry, truth)
            || missing(&entry.channel)
            || missing(target)
    }

    /// A message came. Its payload says which one it is, and its position has to be that one's.
    fn take(&mut self, message: &Message) {
        let truth = Rc::clone(&self.truth);
        let truth = truth.borrow();
        let place =
            truth.find(message.at).unwrap_or_else(|| panic!("nobody published {message:?}"));
        let entry = truth.entry(message.at.seq);
        let entry = entry.unwrap_or_else(|| panic!("nobody published {message:?}"));
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
        self.arrive(place, &entry.channel, &truth);
    }

    fn take_end(&mut self, channel: &str, at: Position) {
        let truth = Rc::clone(&self.truth);
        let truth = truth.borrow();
        assert!(truth.end_of(channel).is_some(), "{channel} has not ended");
        let place = truth.find(at).unwrap_or_else(|| panic!("the end of {channel} at {at:?}"));
        // It may have come by a pattern, and is said again to whoever then asks for the channel.
        let mut covering = self.accounts.iter().filter(|it| covers(&it.target, channel));
        let came_before = covering.any(|it| it.floor.is_some_and(|floor| at.seq <= floor));
        let is_again = came_before && self.here.contains(&place);
        let its_own = at.epoch == truth.epoch && truth.end_of(channel) == Some(at.seq);
        if its_own && !is_again && self.floor_of(channel).is_none_or(|floor| at.seq > floor) {
            return self.arrive(place, channel, &truth);
        }
        // That it had ended before is said to whoever comes later, where the stream is.
        let cursor = self.cursor.and_then(|it| it.place).filter(|it| truth.is_here(*it));
        let is_of_log = |place| truth.common(place).is_some();
        let cursor = cursor.filter(|it| is_of_log(*it) && is_of_log(place));
        assert!(cursor.is_none_or(|it| truth.seq(it) <= at.seq), "{channel}, {at:?}");
    }

    /// An entry came: the first time on this connection, in its channel's order, and not again.
    fn arrive(&mut self, place: Place, channel: &str, truth: &Truth) {
        let at = truth.seq(place);
        assert!(at <= truth.settled, "{at} is out before the log has it");
        assert!(self.here.insert(place), "{at} twice on a connection");
        let subscribed = self.accounts.iter().any(|it| covers(&it.target, channel));
        assert!(subscribed, "{channel} was not asked for");
        let floor = self.floor_of(channel);
        assert!(floor.is_none_or(|floor| at > floor), "{at} again, after {floor:?}");
        let last = self.last.insert(channel.to_owned(), at);
        assert!(last.is_none_or(|last| at > last), "{at} after {last:?} in {channel}");
        self.had.insert(place);
        let again = !self.once.insert((channel.to_owned(), place));
        assert!(!again || floor.is_none() || self.rewound, "{at} on one more connection");
    }

    /// Up to where nothing of the channel may come: as far as all that cover it agree.
    fn floor_of(&self, channel: &str) -> Option<u64> {
        let mut floors =
            self.accounts.iter().filter(|it| covers(&it.target, channel)).map(|it| it.floor);
        floors.try_fold(None, |least: Option<u64>, floor| {
            let floor = floor?;
            Some(Some(least.map_or(floor, |it| it.min(floor))))
        })?
    }

    fn sync(&mut self, at: Position, gaps: u64) {
        assert_eq!(gaps, self.gaps_here, "gaps declared, and gaps counted");
        self.gaps_here = 0;
        self.rewound = false;
        assert!(!self.is_own_word(at), "a sync at {at:?}, which was not judged");
        self.claim(at);
        let Some(Held { place: Some(place), .. }) = self.cursor else { panic!("a sync nowhere") };
        for account in &mut self.accounts {
            if let Base::Excused = account.base {
                account.base = Base::At(place);
            }
        }
    }

    /// Nothing will come any more.
    fn check_end(&self, at: Position) {
        let truth = self.truth.borrow();
        for account in &self.accounts {
            let target = &account.target;
            let end = truth.end_of(target);
            assert!(end.is_some(), "{target}: told at {at:?} to stay away for ever");
        }
    }
}

/// Whether nobody may get a message any more. The time without a process counts, as the calendar tells it.
fn has_expired(entry: &Entry, truth: &Truth) -> bool {
    let is_of_before = entry.life < truth.life && truth.has_jumped;
    entry.ttl_ms.is_some_and(|ttl| ttl <= SHORT_MS || is_of_before)
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
