//! A client of the model: its subscriptions, deliveries and declared gaps.

use std::collections::{BTreeMap, BTreeSet};

use super::oracle::{CHANNELS, Log};
use super::world::Glance;
use super::{matches, namespace};
use sockeye_hub::{
    Cursor, Entry, Fetch, Fetched, Gap, Item, Reason, Scope, Seq, Span, SubscriberKey, Sync,
};

/// The messages that a subscription is owed.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    /// Everything after this.
    pub(super) start: Seq,
    /// Also these, from before.
    pub(super) before: BTreeSet<Seq>,
    /// Not these of them: they were dropped before anybody looked.
    pub(super) excused: BTreeSet<Seq>,
    /// Nobody has looked yet.
    pub(super) is_fresh: bool,
    /// No message up to here may be delivered.
    pub(super) allowed_after: Seq,
    /// A gap that has to be declared first.
    pub(super) fault: Option<Reason>,
    /// It has been live.
    pub(super) steady: bool,
}

/// The deliveries over a connection, in order.
#[derive(Clone, Debug)]
enum Event {
    Message(Seq),
    Gap(Gap),
    Sync(Seq),
}

/// A session: connections, each of which resumes the one before.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) key: Option<SubscriberKey>,
    pub(super) claims: BTreeMap<&'static str, Claim>,
    /// The client's own record of its session.
    seen: BTreeSet<Seq>,
    gaps: Vec<Gap>,
    /// Messages of one channel since the client last subscribed or unsubscribed.
    recent: Vec<(String, Span)>,
    /// Messages that a present subscription has had. They must not be delivered again.
    unique: BTreeSet<Seq>,
    /// Those of them that came over this connection.
    here: BTreeSet<Seq>,
    /// The deliveries over this connection since its cursor last went back.
    events: Vec<Event>,
    /// The cursor at that time.
    began: Seq,
    reached: Seq,
    rewound: bool,
    /// Gaps and messages since it was last live.
    gaps_since: u32,
    replayed_since: u64,
    /// The page that it waits for, and what was read of it already.
    pub(super) fetch: Option<Fetch>,
    pub(super) page: Option<Fetched<u64>>,
    /// It has subscribed since it asked for the page.
    pub(super) is_changed: bool,
    /// The cursor with which it will come back.
    pub(super) cursor: Cursor,
    /// The log was put back to before that cursor. What the client has seen after it is lost.
    pub(super) is_of_the_lost: bool,
}

pub(super) fn covers(target: &str, channel: &str) -> bool {
    target == channel || matches(target, channel)
}

impl Client {
    /// Begins a connection, at the head or at a resume's cursor.
    pub(super) fn connected(&mut self, key: SubscriberKey, at: Seq) {
        self.key = Some(key);
        self.here.clear();
        self.recent.clear();
        self.rewind(at);
        (self.rewound, self.gaps_since, self.replayed_since) = (false, 0, 0);
    }

    fn rewind(&mut self, at: Seq) {
        self.events.clear();
        (self.began, self.reached) = (at, at);
    }

    /// Moves the cursor back for a new subscription. Messages that came over this connection do not
    /// come again over it; those of earlier connections may.
    pub(super) fn step_back(&mut self, at: Seq) {
        self.rewound |= !self.claims.is_empty();
        self.unique.retain(|seq| self.here.contains(seq));
        self.rewind(at);
    }

    /// Ends the session, or its epoch.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
        self.unique.clear();
        self.gaps.clear();
        self.recent.clear();
        (self.fetch, self.page) = (None, None);
        self.rewind(Seq::ZERO);
    }

    /// Adds a claim. Messages that were declared missing before may be delivered to it, or declared
    /// again.
    pub(super) fn subscribed(&mut self, target: &'static str, claim: Claim) {
        self.recent.clear();
        self.is_changed = true;
        self.claims.insert(target, claim);
    }

    /// Removes a claim. Messages that it covered may come again if they are subscribed again.
    pub(super) fn unsubscribed(&mut self, target: &str, log: &Log) {
        self.claims.remove(target);
        self.recent.clear();
        self.unique
            .retain(|seq| log.find(*seq).is_some_and(|record| !covers(target, record.channel)));
    }

    pub(super) fn wants(&self, channel: &str) -> bool {
        self.claims.keys().any(|target| covers(target, channel))
    }

    /// Ends the connection. The client has received only the first `kept` of the last deliveries.
    pub(super) fn lost(&mut self, cursor: Cursor, log: &Log, kept: impl FnOnce(usize) -> usize) {
        (self.key, self.fetch, self.page) = (None, None, None);
        self.cursor = cursor;
        self.is_of_the_lost = false;
        let kept = kept(self.events.len() + 1);
        if self.rewound {
            // Its cursor is lower, so the messages after it come again.
            self.seen.retain(|seq| *seq <= cursor.seq);
            self.unique.retain(|seq| *seq <= cursor.seq);
        }
        if self.rewound || kept >= self.events.len() {
            return;
        }
        for event in self.events.drain(kept..) {
            match event {
                Event::Message(seq) => {
                    self.seen.remove(&seq);
                    self.unique.remove(&seq);
                }
                Event::Gap(gap) => self.gaps.retain(|it| *it != gap),
                Event::Sync(_) => {}
            }
        }
        let places = self.events.iter().rev().find_map(|event| match event {
            Event::Message(seq) | Event::Sync(seq) => Some(*seq),
            Event::Gap(_) => None,
        });
        self.cursor = log.at(places.unwrap_or(self.began));
    }

    /// The log was put back to `point`. Later positions mean other messages from now on.
    pub(super) fn restored(&mut self, point: Seq) {
        self.is_of_the_lost |= self.cursor.seq > point;
        for seen in [&mut self.seen, &mut self.unique, &mut self.here] {
            seen.retain(|seq| *seq <= point);
        }
        for gap in &mut self.gaps {
            gap.missed.through = gap.missed.through.min(point);
        }
        for claim in self.claims.values_mut() {
            claim.before.retain(|seq| *seq <= point);
        }
    }

    /// Checks a message: owed or allowed, in order, never twice.
    pub(super) fn message(&mut self, entry: &Entry<u64>, log: &Log) {
        let seq = entry.seq();
        let record = log.find(seq).expect("only what is in the log is delivered");
        assert_eq!(
            (&*entry.channel, entry.body),
            (record.channel, record.id),
            "it is that message"
        );
        assert_eq!(entry.kind, record.kind);
        let entitled = self.claims.iter().any(|(target, claim)| {
            covers(target, record.channel)
                && (seq > claim.allowed_after || claim.before.contains(&seq))
        });
        assert!(entitled, "{seq:?} of {} was not asked for", record.channel);
        assert!(seq > self.reached, "{seq:?} comes after {:?}", self.reached);
        let missing = self
            .recent
            .iter()
            .find(|(channel, missed)| *channel == record.channel && missed.contains(seq));
        assert_eq!(missing, None, "{seq:?} was declared missing");
        // [hub:named-once]
        assert!(self.unique.insert(seq), "{seq:?} comes twice");
        self.seen.insert(seq);
        self.here.insert(seq);
        self.reached = seq;
        self.events.push(Event::Message(seq));
    }

    /// Checks the items of a pull.
    pub(super) fn pulled(&mut self, items: Vec<Item<u64>>, log: &Log, glance: &Glance) {
        for item in items {
            match item {
                Item::Message(entry) => {
                    self.replayed_since += 1;
                    self.message(&entry, log);
                }
                Item::Gap(gap) => {
                    self.judge(&gap, log, glance);
                    self.gaps_since += 1;
                    self.gaps.push(gap.clone());
                    self.events.push(Event::Gap(gap));
                }
                Item::Sync(Sync { cursor, gaps, replayed }) => {
                    assert_eq!(cursor, log.position());
                    assert_eq!((gaps, replayed), (self.gaps_since, self.replayed_since));
                    (self.gaps_since, self.replayed_since) = (0, 0);
                    self.reached = cursor.seq;
                    self.events.push(Event::Sync(cursor.seq));
                    for (target, claim) in &mut self.claims {
                        assert_eq!(claim.fault, None, "{target} has a gap that was not declared");
                        claim.steady = true;
                    }
                }
            }
        }
    }

    /// Checks that every owed message up to the cursor was delivered, or is in a gap.
    pub(super) fn is_complete(&self, cursor: Seq, log: &Log) {
        for record in log.records.iter().take_while(|record| record.seq <= cursor) {
            if self.seen.contains(&record.seq) || !self.is_owed(record.seq, record.channel) {
                continue;
            }
            let declared = self
                .gaps
                .iter()
                .any(|gap| gap.missed.contains(record.seq) && covers(scope(gap), record.channel));
            assert!(declared, "{record:?} is lost silently, cursor {cursor:?}\n{self:#?}");
        }
    }

    fn is_owed(&self, seq: Seq, channel: &str) -> bool {
        self.claims.iter().any(|(target, claim)| {
            let before = || claim.before.contains(&seq) && !claim.excused.contains(&seq);
            covers(target, channel) && (seq > claim.start || before())
        })
    }

    /// The hub has looked for what is owed.
    pub(super) fn has_looked(&mut self) {
        self.claims.values_mut().for_each(|claim| claim.is_fresh = false);
    }

    /// Whether an owed message that was not delivered is in the gap.
    fn misses(&self, gap: &Gap, log: &Log, of: impl Fn(Seq) -> bool) -> bool {
        log.records.iter().any(|record| {
            covers(scope(gap), record.channel)
                && gap.missed.contains(record.seq)
                && of(record.seq)
                && self.is_owed(record.seq, record.channel)
                && !self.has(record.seq)
        })
    }

    /// Whether it came over this connection to a present subscription.
    fn has(&self, seq: Seq) -> bool {
        self.here.contains(&seq) && self.unique.contains(&seq)
    }

    /// Checks that a gap is declared where a message is missing, and nowhere else.
    fn judge(&mut self, gap: &Gap, log: &Log, glance: &Glance) {
        let is_gone = |seq: Seq| !glance.retained.contains(&seq);
        // Below the horizon the hub may declare a gap without knowing of a missing message.
        let forgotten = gap.missed.after < glance.horizon.max(log.lost);
        let twice = |channel: &&&str| {
            self.claims.keys().filter(|target| covers(target, channel)).count() > 1
        };
        let overlapping = CHANNELS.iter().filter(|it| covers(scope(gap), it)).any(|it| twice(&it));
        let conservative = forgotten || overlapping;
        match gap.reason {
            Reason::Epoch | Reason::Ahead | Reason::Forked | Reason::Unreadable => {
                let claim =
                    self.claims.get_mut(scope(gap)).expect("a gap is in what was asked for");
                assert_eq!(claim.fault.take(), Some(gap.reason), "{gap:?}");
            }
            Reason::Trimmed => match &gap.scope {
                Scope::Channel(name) => {
                    self.declared(name, gap.missed);
                    let mut claims = self.claims.iter().filter(|(it, _)| covers(it, name));
                    let closes = glance.closing.contains(&namespace(name));
                    let closed = closes && claims.all(|(_, claim)| claim.steady);
                    assert!(!closed || overlapping, "{gap:?} and it was not closed");
                    assert!(conservative || self.misses(gap, log, is_gone), "{gap:?}\n{self:#?}");
                }
                Scope::Pattern(_) => {
                    assert!(gap.missed.through == glance.horizon && !glance.has_archive, "{gap:?}");
                }
            },
            Reason::Limit => {
                assert!(matches!(gap.scope, Scope::Pattern(_)), "{gap:?}");
                let cut = glance.searches_are_cut && !glance.has_archive || glance.is_missing_more;
                assert!(conservative || cut || self.misses(gap, log, |_| true), "{gap:?}");
            }
        }
    }

    /// Checks that gaps of one channel do not overlap.
    fn declared(&mut self, name: &str, missed: Span) {
        let other = self.recent.iter().find(|(it, span)| it == name && missed.after < span.through);
        assert_eq!(other, None, "{name} misses {missed:?} twice");
        self.recent.push((name.to_owned(), missed));
    }

    /// Whether an owed message after the cursor is no longer in history.
    pub(super) fn is_overrun(&self, cursor: Seq, log: &Log, glance: &Glance) -> bool {
        let mut newer = log.records.iter().filter(|record| record.seq > cursor);
        let lost = |seq: Seq, channel: &str| {
            self.is_owed(seq, channel) && !self.has(seq) && !glance.retained.contains(&seq)
        };
        (glance.horizon > cursor && !glance.has_archive) || newer.any(|it| lost(it.seq, it.channel))
    }
}

fn scope(gap: &Gap) -> &str {
    match &gap.scope {
        Scope::Channel(name) | Scope::Pattern(name) => name,
    }
}
