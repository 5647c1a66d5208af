//! The game: a hub, its log, some clients, and random events.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::archive::Archive;
use super::choices::Choices;
use super::client::{Claim, Client};
use super::oracle::{CHANNELS, Log, Pending, Record};
use super::setup::{Totals, config};
use sockeye_hub::{
    Admission, Budget, ChannelName, Check, Cursor, Entry, Epoch, Flow, Hub, Kind, Misuse, Offered,
    OnOverrun, Progress, Publication, Reason, Refusal, Run, Seq, Stats, SubscriberKey,
};

const KEYS: [&str; 3] = ["k", "l", "m"];

/// A view of the hub that the checks need.
#[derive(Debug)]
pub(super) struct Glance {
    /// All messages in history.
    pub(super) retained: BTreeSet<Seq>,
    /// The horizon: channels with messages up to here may have been forgotten.
    pub(super) horizon: Seq,
    /// Namespaces that close slow readers.
    pub(super) closing: Vec<&'static str>,
    /// The page names only some of the channels that were trimmed.
    pub(super) is_missing_more: bool,
    /// There is an archive, so memory declares no gap.
    pub(super) has_archive: bool,
    /// A search may have hit the step limit, so a pattern may have a gap.
    pub(super) searches_are_cut: bool,
}

#[derive(Debug)]
pub(super) struct World<'c> {
    pub(super) choices: Choices<'c>,
    pub(super) hub: Hub<u64>,
    pub(super) log: Log,
    pub(super) clients: Vec<Client>,
    pub(super) now_ms: u64,
    pub(super) next_id: u64,
    /// The counters of hubs that were before the log was restored.
    pub(super) past: Stats,
    /// There is room for everything and the log lost nothing, so no owed message may be missing.
    pub(super) calm: bool,
    pub(super) archive: Option<Archive>,
    /// Pages of it that were taken.
    pub(super) pages: u64,
    /// Messages that were delivered in bursts, or later.
    in_fan_outs: u64,
    /// Looks at a client that a fan-out had still to come to.
    were_owed: u64,
    /// There was an archive all the time.
    keeps_all: bool,
}

impl<'c> World<'c> {
    pub(super) fn new(mut choices: Choices<'c>) -> Self {
        let epoch = Epoch(7);
        let calm = choices.one_in(3);
        let mut hub = Hub::new(epoch, config(&mut choices, calm));
        let mut log = Log::new(epoch);
        if choices.one_in(2) {
            let check = Check::new(1);
            hub.begin_run(check);
            log.runs.push(Run { first: Seq(1), check });
        }
        let clients = (0..4).map(|_| Client::default()).collect();
        let past = Stats::default();
        let archive = choices.one_in(2).then(Archive::default);
        let keeps_all = archive.is_some();
        if keeps_all {
            hub.attach_archive();
        }
        Self {
            choices,
            hub,
            log,
            clients,
            now_ms: 1_000,
            next_id: 0,
            past,
            calm,
            archive,
            pages: 0,
            in_fan_outs: 0,
            were_owed: 0,
            keeps_all,
        }
    }

    pub(super) fn play(mut self) -> Totals {
        while !self.choices.is_over() {
            self.step();
            self.is_within_limits();
        }
        self.wind_up();
        let mut stats = self.hub.stats();
        stats.add(&self.past);
        // [hub:archive] What the archive has is never missing.
        let lacks_nothing = self.keeps_all && self.archive.is_some_and(|it| !it.has_lost);
        assert!(
            !(self.calm || lacks_nothing)
                || (stats.gaps_trimmed, stats.gaps_limit, stats.overruns) == (0, 0, 0)
        );
        Totals {
            committed: stats.committed,
            delivered: stats.delivered,
            replayed: stats.replayed,
            recovered: stats.recovered,
            recovered_with_gaps: stats.recovered_with_gaps,
            gaps: [
                stats.gaps_epoch,
                stats.gaps_ahead,
                stats.gaps_forked,
                stats.gaps_trimmed,
                stats.gaps_limit,
                stats.gaps_unreadable,
            ],
            overruns: stats.overruns,
            duplicates: stats.duplicates,
            refused: stats.refused,
            aborted: stats.aborted,
            evicted: [stats.evicted_channels, stats.evicted_messages],
            pages: self.pages,
            in_fan_outs: self.in_fan_outs,
            were_owed: self.were_owed,
        }
    }

    fn step(&mut self) {
        let client = self.choices.below(self.clients.len());
        match self.choices.below(36) {
            32.. => self.fan_out(client),
            0..8 => self.admit(),
            8..14 => self.settle(),
            14..20 => self.come_or_pull(client),
            20..23 => self.subscribe(client),
            23 => self.unsubscribe(client),
            24..26 => self.disconnect(client),
            26 => self.pull(client),
            27 => self.answer(client),
            28..30 => self.now_ms += self.choices.of(&[0, 1, 5, 19, 20, 60]),
            30 => self.look(),
            _ => self.rare(),
        }
    }

    fn rare(&mut self) {
        match self.choices.below(10) {
            0 => self.begin_epoch(),
            8 if !self.log.runs.is_empty() => self.restore(),
            9 => self.trim_archive(),
            1 if self.log.pending.is_empty() => self.lose(),
            2..6 if self.log.pending.is_empty() => self.apply(),
            _ => self.misuse(),
        }
    }

    fn publication(&mut self) -> (Record, Option<Seq>) {
        let channel = self.choices.of(&CHANNELS);
        let last = self.hub.channel(name(channel)).last.unwrap_or_default();
        let expect = match self.choices.below(16) {
            0 => Some(Seq(1)),
            1..4 => Some(last),
            _ => None,
        };
        let kind = if self.choices.one_in(32) { Kind::End } else { Kind::Message };
        let key = self.choices.of(&[None, None, Some(KEYS[0]), Some(KEYS[1]), Some(KEYS[2])]);
        let cost = if self.choices.one_in(16) { 1_001 } else { self.choices.of(&[0, 10, 100]) };
        self.next_id += 1;
        let (id, time_ms) = (self.next_id, self.now_ms);
        (Record { seq: Seq::ZERO, channel, id, kind, time_ms, cost, key }, expect)
    }

    fn admit(&mut self) {
        let (mut record, expect) = self.publication();
        let Record { channel, id, kind, cost, key, .. } = record;
        let publication = Publication { channel: name(channel), body: id, cost, kind, key, expect };
        self.hub.advance(self.now_ms);
        let expected = self.log.expected(&self.hub, &publication, self.now_ms);
        let was = self.hub.stats();
        let admission = self.hub.admit(publication, self.now_ms);
        if admission == Err(Refusal::Channels) {
            assert!(was.channels >= self.hub.config().limits.channels_max && expected.is_ok());
            return;
        }
        // [hub:idempotent] [hub:expected] [hub:ended] [hub:undecided]
        assert_eq!(admission, expected);
        if let Ok(Admission::Pending(position)) = admission {
            record.seq = position.seq;
            self.log.pending.push_back(Pending { record, is_void: false });
            if self.choices.below(3) > 0 {
                self.commit_all();
            }
        }
    }

    fn commit_all(&mut self) {
        while !self.log.pending.is_empty() {
            self.commit();
        }
    }

    /// Settles a pending message.
    fn settle(&mut self) {
        if self.log.pending.is_empty() {
            return;
        }
        if !self.choices.one_in(4) {
            self.commit();
            return;
        }
        let at = self.choices.below(self.log.pending.len());
        let pending = &mut self.log.pending[at];
        let position = Cursor::new(self.log.epoch, pending.record.seq);
        let expected = if pending.is_void { Err(Misuse::NotPending) } else { Ok(()) };
        (pending.is_void, pending.record.key) = (true, None);
        // [hub:void]
        assert_eq!(self.hub.abort(position), expected);
        self.log.pass_voids();
        assert_eq!(self.hub.position(), self.log.position());
    }

    fn commit(&mut self) {
        let config = self.hub.config().clone();
        let wanted = self.wanted();
        let Some(record) = self.log.commit(&config, self.now_ms) else { return };
        let position = Cursor::new(self.log.epoch, record.seq);
        let full = self.choices.byte();
        let mut named = Vec::new();
        if self.choices.one_in(2) {
            self.commit_in_burst(position, full, &mut named);
            self.offered(&named);
            return;
        }
        let committed = self
            .hub
            .commit(position, self.now_ms, |key, entry| name_to(&mut named, full, key, entry));
        let committed = committed.expect("it is the oldest");
        self.fanned_out(record, &wanted, &named, (committed.taken, committed.behind));
    }

    /// Commits a message that may have too many subscribers to be delivered at once.
    fn commit_in_burst(&mut self, position: Cursor, full: u8, named: &mut Vec<Named>) {
        let waits = self.hub.commit_later(position, self.now_ms).expect("it is the oldest");
        let reached = self.hub.deliver_burst(|key, entries| name_all_to(named, full, key, entries));
        assert!(waits.is_none_or(|waits| reached == waits));
        assert_eq!(self.hub.position(), self.log.position());
    }

    /// Takes a step of a fan-out, or brings one client what it is owed.
    fn fan_out(&mut self, client: usize) {
        let (full, members) = (self.choices.byte(), 1 + self.choices.below(3));
        let mut named = Vec::new();
        let deliver = |key, entries: &[Rc<Entry<u64>>]| name_all_to(&mut named, full, key, entries);
        match self.clients[client].key.filter(|_| full % 3 == 0) {
            Some(key) => {
                self.hub.deliver_owed(key, deliver);
                assert!(named.iter().all(|it| it.0 == key));
                assert_eq!(self.owed(key), None, "nothing is owed any more");
            }
            None => drop(self.hub.fan_out_some(members, deliver)),
        }
        self.offered(&named);
    }

    /// The cursor of a live client, if a fan-out has still to come to it.
    pub(super) fn owed(&mut self, key: SubscriberKey) -> Option<Cursor> {
        let subscriber = self.hub.subscriber(key)?;
        let cursor = subscriber.cursor();
        let is_owed = subscriber.is_live() && cursor.seq < self.log.head;
        self.were_owed += u64::from(is_owed);
        is_owed.then_some(cursor)
    }

    /// Hands messages to the clients that took them.
    fn offered(&mut self, named: &[Named]) {
        for (key, entry, flow) in named {
            let client = self.clients.iter_mut().find(|it| it.key == Some(*key));
            let client = client.expect("only subscribers are offered messages");
            if *flow == Flow::Taken {
                client.message(entry, &self.log);
                self.in_fan_outs += 1;
            }
        }
    }

    /// Whether each client is live.
    fn wanted(&mut self) -> Vec<bool> {
        let hub = &mut self.hub;
        let live = |it: &Client| Some(hub.subscriber(it.key?)?.is_live());
        self.clients.iter().map(live).map(Option::unwrap_or_default).collect()
    }

    /// Checks that the message was offered to exactly the live clients that want it, and that took before what
    /// they were owed.
    fn fanned_out(
        &mut self,
        record: Record,
        live: &[bool],
        named: &[Named],
        counts: (usize, usize),
    ) {
        assert_eq!(self.hub.position(), self.log.position());
        let wanting = self.clients.iter().filter(|it| it.key.is_some() && it.wants(record.channel));
        let own = named.iter().filter(|(_, entry, _)| entry.seq() == record.seq);
        let taken = own.filter(|(.., flow)| *flow == Flow::Taken).count();
        assert_eq!(counts, (taken, wanting.count() - taken));
        for (client, live) in self.clients.iter_mut().zip(live) {
            let calls = named.iter().filter(|(key, ..)| client.key == Some(*key));
            let (owed, own): (Vec<_>, Vec<_>) =
                calls.partition(|(_, entry, _)| entry.seq() < record.seq);
            let has_room = owed.iter().all(|(.., flow)| *flow == Flow::Taken);
            let expected = usize::from(*live && client.wants(record.channel) && has_room);
            assert_eq!(own.len(), expected, "{record:?} was named to {client:?}");
            for (key, entry, flow) in owed.into_iter().chain(own) {
                let is_live = self.hub.subscriber(*key).is_some_and(|it| it.is_live());
                assert!(is_live || *flow != Flow::Taken || !has_room || entry.seq() < record.seq);
                assert!(!is_live || *flow == Flow::Taken);
                if *flow == Flow::Taken {
                    client.message(entry, &self.log);
                }
            }
        }
    }

    fn apply(&mut self) {
        let (mut record, _) = self.publication();
        record.seq = self.log.head.next();
        let Record { channel, id, kind, cost, seq, key, .. } = record;
        let publication =
            Publication { channel: name(channel), body: id, cost, kind, key, expect: None };
        let (live, full, mut named) = (self.wanted(), self.choices.byte(), Vec::new());
        let committed = self.hub.apply(seq, publication, self.now_ms, |key, entry| {
            name_to(&mut named, full, key, entry)
        });
        let committed = committed.expect("it is the next one");
        self.log.append(record);
        let config = self.hub.config().clone();
        self.log.remember(record, &config, self.now_ms);
        self.fanned_out(record, &live, &named, (committed.taken, committed.behind));
    }

    fn lose(&mut self) {
        let through = Seq(self.log.head.0 + 1 + self.choices.below(3) as u64);
        self.hub.lose(through).expect("it is ahead");
        if self.archive.is_some() {
            // The hub has not heard of them, and the archive has them.
            while self.log.head < through {
                let (record, _) = self.publication();
                let seq = self.log.head.next();
                self.log.append(Record { seq, kind: Kind::Message, key: None, ..record });
            }
        }
        (self.log.head, self.log.lost) = (through, through);
        self.calm = false;
        for client in &mut self.clients {
            client.claims.values_mut().for_each(|claim| claim.steady = false);
        }
    }

    fn begin_epoch(&mut self) {
        let epoch = Epoch(self.log.epoch.0 + 1);
        self.hub.begin_epoch(epoch).expect("it is a new one");
        // [hub:epoch-run]
        let newest = self.log.runs.last().map(|run| Run { first: Seq::ZERO, ..*run });
        self.log = Log { runs: newest.into_iter().collect(), ..Log::new(epoch) };
        (self.archive, self.keeps_all) = (None, false);
        for client in &mut self.clients {
            client.forget();
            for claim in client.claims.values_mut() {
                *claim = Claim { fault: Some(Reason::Epoch), ..Claim::default() };
            }
        }
    }

    /// Checks that misuse changes nothing.
    fn misuse(&mut self) {
        let Cursor { epoch, seq, .. } = self.log.position();
        let far = Seq(seq.0 + 100);
        let elsewhere = Cursor::new(Epoch(epoch.0 + 1), seq.next());
        let take = |_, _: &_| Flow::Taken;
        for position in [Cursor::new(epoch, seq), Cursor::new(epoch, far), elsewhere] {
            assert_eq!(self.hub.abort(position), Err(Misuse::NotPending));
            let result = self.hub.commit(position, self.now_ms, take).map(drop);
            assert_eq!(result, Err(Misuse::NotPending));
        }
        if let Some(later) = self.log.pending.iter().skip(1).find(|it| !it.is_void) {
            let position = Cursor::new(epoch, later.record.seq);
            let result = self.hub.commit(position, self.now_ms, take).map(drop);
            // [hub:commit-order]
            assert_eq!(result, Err(Misuse::OutOfOrder { next: seq.next() }));
            assert_eq!(self.hub.lose(far), Err(Misuse::Pending));
        } else if self.log.pending.is_empty() {
            assert_eq!(self.hub.lose(seq), Err(Misuse::OutOfOrder { next: seq.next() }));
        }
        assert_eq!(self.hub.begin_epoch(epoch), Err(Misuse::SameEpoch));
    }

    pub(super) fn glance(&mut self) -> Glance {
        let mut retained = BTreeSet::new();
        for channel in CHANNELS {
            retained.extend(self.log.retained(&mut self.hub, channel, self.now_ms));
        }
        if let Some(archive) = &self.archive {
            let records = self.log.records.iter().filter(|it| archive.has(it));
            retained.extend(records.map(|it| it.seq));
        }
        let limits = &self.hub.config().limits;
        let closes =
            |name: &&str| self.hub.config().settings_of(name).on_overrun == OnOverrun::Close;
        // The floor of a channel that was never published to is its namespace's horizon.
        let horizons = ["a:-", "b:-", "c:-", "-"].map(|never| self.hub.channel(name(never)).floor);
        Glance {
            retained,
            closing: ["a", "b", "c", "d"].into_iter().filter(closes).collect(),
            horizon: horizons.into_iter().max().unwrap_or_default(),
            is_missing_more: false,
            has_archive: self.archive.is_some(),
            searches_are_cut: limits.pattern_steps_max < 100,
        }
    }

    fn look(&mut self) {
        let horizon = self.glance().horizon;
        for channel in CHANNELS {
            let state = self.hub.channel(name(channel));
            let last = self.log.of(channel).next_back().map(|it| it.seq);
            let lost = last <= Some(self.log.lost);
            // [hub:tombstone] [hub:horizon]
            assert!(state.last == last || lost || last <= Some(horizon), "{channel}");
            let end = self.log.of(channel).next_back().filter(|it| it.kind == Kind::End);
            // [hub:ended]
            assert!(lost || state.ended == end.is_some(), "{channel}");
            assert!(
                state.floor <= self.log.head && (state.last.is_some() || state.floor <= horizon)
            );
            let named = self.clients.iter().filter(|it| it.key.is_some());
            let subscribers = named.filter(|it| it.claims.contains_key(channel)).count();
            assert_eq!(state.subscribers, subscribers);
        }
    }

    fn is_within_limits(&mut self) {
        self.hub.advance(self.now_ms);
        let keys = self.log.keys(self.hub.config(), self.now_ms);
        // [hub:bound-keys]
        assert_eq!(self.hub.stats().keys, keys, "no key is forgotten before its time");
        let (stats, limits) = (self.hub.stats(), &self.hub.config().limits);
        // [hub:bound-channels] [hub:bound-bytes] [hub:bound-told]
        assert!(stats.channels <= limits.channels_max);
        assert!(stats.tombstones <= limits.tombstones_max);
        assert!(stats.patterns <= limits.patterns_max);
        assert!(stats.history_bytes <= limits.history_bytes_max as u64);
        assert!(stats.pending <= limits.pending_max);
        let connected = self.clients.iter().filter(|it| it.key.is_some());
        assert_eq!(stats.subscribers, connected.clone().count());
        assert_eq!(stats.subscriptions, connected.map(|it| it.claims.len()).sum::<usize>());
    }

    /// Ends the game: every client catches up and disconnects, and everything expires.
    fn wind_up(&mut self) {
        self.commit_all();
        let all = Budget { messages: 3, bytes: usize::MAX };
        for client in 0..self.clients.len() {
            let Some(key) = self.clients[client].key else { continue };
            let mut pulls = 0;
            while self.clients[client].key.is_some()
                && self.pull_once(client, key, all) != Progress::Live
            {
                self.answer(client);
                pulls += 1;
                assert!(pulls < 10_000, "catching up ends");
            }
            self.disconnect(client);
        }
        while self.hub.has_fan_outs() {
            self.hub.fan_out_some(1, |key, _| unreachable!("nobody is left, and {key:?} neither"));
        }
        self.look();
        let stats = self.hub.stats();
        assert_eq!((stats.subscriptions, stats.patterns, stats.pending), (0, 0, 0));
        let mut calls = 0;
        while let Some(deadline) = self.hub.next_deadline() {
            self.now_ms = self.now_ms.max(deadline);
            self.hub.advance(self.now_ms);
            calls += 1;
            assert!(calls < 10_000, "deadlines pass");
        }
        self.glance();
        assert_eq!(self.hub.stats().keys, 0);
    }
}

/// An offer, and its answer.
type Named = (SubscriberKey, Rc<Entry<u64>>, Flow);

fn name_to(named: &mut Vec<Named>, full: u8, key: SubscriberKey, entry: &Rc<Entry<u64>>) -> Flow {
    let flow = if full >> (named.len() % 8) & 3 == 3 { Flow::Full } else { Flow::Taken };
    named.push((key, Rc::clone(entry), flow));
    flow
}

fn name_all_to(
    named: &mut Vec<Named>,
    full: u8,
    key: SubscriberKey,
    entries: &[Rc<Entry<u64>>],
) -> Offered {
    Offered::of_each(entries.iter().map(|entry| name_to(named, full, key, entry)))
}

pub(super) fn name(name: &str) -> ChannelName<'_> {
    ChannelName::new(name).expect("names of the model are valid")
}
