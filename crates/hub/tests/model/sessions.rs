//! The actions of clients: connect, subscribe, pull, disconnect, resume.

use std::collections::BTreeSet;

use super::client::{Claim, covers};
use super::oracle::CHANNELS;
use super::world::{Glance, World};
use sockeye_hub::{
    Budget, Check, Cursor, Epoch, Item, OnGap, Progress, Reason, Refusal, Seq, Start,
    SubscriberKey, Target,
};

const PATTERNS: [&str; 4] = ["a:*", ">", "*:1", "b:>"];

impl World<'_> {
    pub(super) fn come_or_pull(&mut self, client: usize) {
        if self.clients[client].key.is_some() {
            self.pull(client);
            return;
        }
        let key = self.hub.connect().expect("there is room for all of the model");
        let claims = self.clients[client].claims.clone();
        let cursor = self.clients[client].cursor;
        let is_of_the_lost = self.clients[client].is_of_the_lost;
        let resumes = cursor.epoch == self.log.epoch && !claims.is_empty() && !is_of_the_lost;
        if resumes && !self.choices.one_in(4) {
            self.resume(client, key);
            return;
        }
        let session = &mut self.clients[client];
        session.forget();
        session.claims.clear();
        session.connected(key, self.log.head);
        let start = match is_of_the_lost {
            true => Start::After(cursor),
            false => self.start(cursor),
        };
        for target in claims.into_keys() {
            self.subscribe_to(client, target, start);
        }
    }

    /// Resumes a session over a new connection.
    fn resume(&mut self, client: usize, key: SubscriberKey) {
        let session = &mut self.clients[client];
        let cursor = session.cursor;
        session.connected(key, cursor.seq);
        let mut refused = Vec::new();
        for (target, claim) in &mut session.claims {
            let mut subscriber = self.hub.subscriber(key).expect("it is connected");
            let start = Start::After(cursor);
            if subscriber.subscribe(to(target), start, self.now_ms).is_err() {
                refused.push(*target);
                continue;
            }
            claim.start = claim.start.min(cursor.seq);
            claim.allowed_after = claim.allowed_after.min(cursor.seq);
            claim.fault = None;
            (claim.steady, claim.is_fresh) = (subscriber.is_live(), true);
        }
        for target in refused {
            session.unsubscribed(target, &self.log);
        }
    }

    fn start(&mut self, cursor: Cursor) -> Start {
        let Cursor { epoch, seq, .. } = self.log.position();
        let checked = self.choices.below(4);
        let some = Seq(self.choices.below(seq.0.min(255) as usize + 1) as u64);
        let epoch_before = Epoch(epoch.0 - 1);
        match self.choices.below(10) {
            0 | 1 => Start::Now,
            2 => Start::Earliest,
            3 => Start::Unreadable,
            4 => Start::After(Cursor::new(epoch, seq.next())),
            5 => Start::After(Cursor::new(epoch_before, some)),
            // A cursor without a check, of this log, and of a log that never was.
            6..9 => Start::After(match checked {
                0 => Cursor::new(epoch, some),
                1 => Cursor { check: Check::new(99), ..Cursor::new(epoch, some) },
                _ => self.log.at(some),
            }),
            _ => Start::After(cursor),
        }
    }

    pub(super) fn subscribe(&mut self, client: usize) {
        if self.clients[client].key.is_none() {
            self.come_or_pull(client);
        }
        let all: Vec<&str> = CHANNELS.into_iter().chain(PATTERNS).collect();
        let target = self.choices.of(&all);
        let start = self.start(self.log.position());
        self.subscribe_to(client, target, start);
    }

    fn subscribe_to(&mut self, client: usize, target: &'static str, start: Start) {
        let glance = self.glance();
        let key = self.clients[client].key.expect("it is connected");
        // The hub may be full of channels without a message.
        let named = self.clients.iter().filter(|it| it.key.is_some());
        let named = named.flat_map(|it| it.claims.keys().copied());
        let named: BTreeSet<&str> = named.filter(|it| CHANNELS.contains(it)).collect();
        let bare = named.len() + self.log.pending.len();
        let before = self.hub.stats();
        let is_owed = self.owed(key).is_some();
        let mut subscriber = self.hub.subscriber(key).expect("it is connected");
        let (had, count) = (subscriber.cursor(), subscriber.subscriptions());
        // One that is owed messages is to pull them.
        let was_live = subscriber.is_live() && !is_owed;
        let result = subscriber.subscribe(to(target), start, self.now_ms);
        let session = &mut self.clients[client];
        let limits = &self.hub.config().limits;
        let subscribed = match result {
            Ok(subscribed) => subscribed,
            Err(refusal) => {
                let reason = match refusal {
                    Refusal::Subscribed => session.claims.contains_key(target),
                    Refusal::Subscriptions => count >= limits.subscriptions_max,
                    Refusal::Channels => {
                        before.channels >= limits.channels_max
                            || bare >= limits.channels_max.div_ceil(2)
                    }
                    Refusal::Patterns => before.patterns >= limits.patterns_max,
                    other => panic!("{other:?}"),
                };
                assert!(reason, "{refusal:?}");
                return;
            }
        };
        let mut claim = self.claim(target, start, &glance);
        let session = &mut self.clients[client];
        if is_owed {
            session.claims.values_mut().for_each(|claim| claim.steady = false);
        }
        if session.is_of_the_lost && start == Start::After(session.cursor) {
            // [hub:resume-forked] Whatever its cursor looks like: the log has lost what it has seen.
            assert!(claim.fault.is_some(), "{start:?} is of a lost run");
        }
        if start == Start::Now && !was_live {
            // [hub:now-behind] It gets what history still has since its cursor.
            claim.allowed_after = had.seq;
            claim.before = glance.retained.iter().copied().filter(|seq| *seq > had.seq).collect();
        }
        let head = self.log.head;
        let session = &mut self.clients[client];
        let at_head =
            matches!(start, Start::After(it) if it.seq == self.log.head && claim.fault.is_none());
        let due = start != Start::Now && !at_head;
        let due = due && !(start == Start::Earliest && head == Seq::ZERO);
        assert_eq!(subscribed.live, was_live && !due, "{start:?} {claim:?}");
        if subscribed.cursor.seq < had.seq {
            session.step_back(subscribed.cursor.seq);
        }
        session.subscribed(target, Claim { steady: subscribed.live, ..claim });
    }

    /// The claim of a subscription that starts there.
    fn claim(&self, target: &str, start: Start, glance: &Glance) -> Claim {
        let Cursor { epoch, seq: head, .. } = self.log.position();
        let fault = match start {
            Start::After(cursor) if cursor.epoch != epoch => Some(Reason::Epoch),
            Start::After(cursor) if cursor.seq > head => Some(Reason::Ahead),
            Start::After(Cursor { seq, check, .. })
                if check != Check::NONE
                    && ![check, Check::NONE].contains(&self.log.at(seq).check) =>
            {
                Some(Reason::Forked)
            }
            Start::Unreadable => Some(Reason::Unreadable),
            Start::After(_) | Start::Now | Start::Earliest => None,
        };
        let of_target =
            |seq: &&Seq| self.log.find(**seq).is_some_and(|record| covers(target, record.channel));
        let left = || glance.retained.iter().filter(of_target).copied().collect();
        let newest = || {
            let of = |channel| {
                move |seq: &&Seq| self.log.find(**seq).is_some_and(|it| it.channel == channel)
            };
            let left: BTreeSet<Seq> = left();
            CHANNELS.iter().filter_map(|it| left.iter().rfind(of(*it))).copied().collect()
        };
        let nothing = BTreeSet::new;
        let settings = self.hub.config().settings_of(super::namespace(target));
        let newest_is_owed = self.archive.is_none();
        let (start, before, allowed_after) = match (start, fault) {
            (Start::After(cursor), None) => (cursor.seq, nothing(), cursor.seq),
            (Start::Earliest, None) => (head, left(), head),
            (_, None) => (head, nothing(), head),
            (_, Some(_)) => match settings.on_gap {
                OnGap::Nothing => (head, nothing(), head),
                OnGap::Tail => (head, left(), head),
                // Of a channel that was folded, nobody knows which message is the newest.
                OnGap::Latest if newest_is_owed => (head, newest(), Seq::ZERO),
                OnGap::Latest => (head, nothing(), Seq::ZERO),
            },
        };
        let is_fresh = true;
        Claim { start, before, allowed_after, fault, is_fresh, ..Claim::default() }
    }

    pub(super) fn unsubscribe(&mut self, client: usize) {
        let session = &mut self.clients[client];
        let Some(key) = session.key else { return };
        let all: Vec<&str> = CHANNELS.into_iter().chain(PATTERNS).collect();
        let target = self.choices.of(&all);
        let is_owed = self.owed(key).is_some();
        let session = &mut self.clients[client];
        let mut subscriber = self.hub.subscriber(key).expect("it is connected");
        let was = subscriber.unsubscribe(to(target));
        assert!(!(is_owed && was && subscriber.is_live()), "it is to pull what it is owed");
        if is_owed && was {
            session.claims.values_mut().for_each(|claim| claim.steady = false);
        }
        assert_eq!(was, session.claims.contains_key(target));
        session.unsubscribed(target, &self.log);
    }

    pub(super) fn disconnect(&mut self, client: usize) {
        let Some(key) = self.clients[client].key else { return };
        let owed = self.owed(key);
        let session = &mut self.clients[client];
        let subscriber = self.hub.subscriber(key).expect("it is connected");
        let cursor = subscriber.disconnect();
        assert!(owed.is_none_or(|owed| owed == cursor));
        session.is_complete(cursor.seq, &self.log);
        let choices = &mut self.choices;
        session.lost(cursor, &self.log, |events| {
            if choices.one_in(2) { choices.below(events) } else { events }
        });
        assert!(self.hub.subscriber(key).is_none(), "a key does not come back");
    }

    pub(super) fn pull(&mut self, client: usize) {
        let Some(key) = self.clients[client].key else { return };
        let budget = Budget {
            messages: self.choices.of(&[0, 1, 2, 100]),
            bytes: self.choices.of(&[0, 400, 10_000]),
        };
        let _ = self.pull_once(client, key, budget);
    }

    pub(super) fn pull_once(
        &mut self,
        client: usize,
        key: SubscriberKey,
        budget: Budget,
    ) -> Progress {
        let glance = self.glance();
        let mut items = Vec::new();
        let mut subscriber = self.hub.subscriber(key).expect("it is connected");
        let before = subscriber.cursor();
        let progress = subscriber.pull(budget, self.now_ms, &mut items);
        let cursor = subscriber.cursor();
        let is_live = subscriber.is_live();
        assert_eq!(is_live, progress == Progress::Live);
        let messages = items.iter().filter(|it| matches!(it, Item::Message(_))).count();
        assert!(messages <= budget.messages.max(1));
        let gets_on = messages > 0 || cursor.seq > before.seq;
        assert!(progress != Progress::More || gets_on, "a pull gets on");
        if let Progress::Fetch(fetch) = progress {
            assert!(messages == 0 && self.archive.is_some());
            let session = &mut self.clients[client];
            // Until the page comes, the same is wanted.
            assert!(session.is_changed || session.fetch.is_none_or(|it| it == fetch));
            if session.fetch != Some(fetch) {
                (session.fetch, session.page, session.is_changed) = (Some(fetch), None, false);
                self.read_early(client, fetch);
            }
        }
        let session = &mut self.clients[client];
        if let Progress::Overrun(cursor) = progress {
            // [hub:overrun-gaps] The new cursor does not cover these gaps.
            assert!(items.iter().all(|it| matches!(it, Item::Gap(_))) && cursor == before);
            session.pulled(items, &self.log, &glance);
            let told = session.claims.values().all(|claim| claim.fault.is_none());
            assert!(told, "a gap that is never declared");
            // [hub:overrun-close]
            assert!(session.claims.values().any(|claim| claim.steady), "who resumes is not closed");
            assert!(session.is_overrun(cursor.seq, &self.log, &glance), "{session:#?} {glance:?}");
            self.disconnect(client);
            return progress;
        }
        session.pulled(items, &self.log, &glance);
        if !matches!(progress, Progress::Fetch(_)) {
            session.has_looked();
        }
        session.is_complete(cursor.seq, &self.log);
        progress
    }
}

fn to(target: &str) -> Target<'_> {
    Target::new(target).expect("targets of the model are valid")
}
