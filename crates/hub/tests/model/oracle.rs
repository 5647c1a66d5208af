//! The model's log, which forgets nothing, and its own verdicts on publications.

use std::collections::VecDeque;

use super::namespace;
use sockeye_hub::{
    Admission, ChannelName, Check, Config, Cursor, Entry, Epoch, Hub, Kind, Publication, Query,
    Refusal, Run, Seq,
};

pub(super) const CHANNELS: [&str; 7] = ["a:1", "a:2", "a:x:1", "b:1", "b:2", "c", "d"];

/// A message in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) seq: Seq,
    pub(super) channel: &'static str,
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) time_ms: u64,
    pub(super) cost: usize,
    pub(super) key: Option<&'static str>,
}

impl Record {
    fn bytes(&self) -> usize {
        self.cost + Entry::<u64>::OVERHEAD_BYTES
    }
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) record: Record,
    pub(super) is_void: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) channel: &'static str,
    pub(super) key: &'static str,
    pub(super) seq: Seq,
    time_ms: u64,
}

impl Key {
    pub(super) fn until_ms(&self, config: &Config) -> u64 {
        let key_ms = config.settings_of(namespace(self.channel)).key_ms;
        self.time_ms.saturating_add(key_ms)
    }
}

/// One epoch of a log.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) epoch: Epoch,
    pub(super) head: Seq,
    pub(super) records: Vec<Record>,
    pub(super) pending: VecDeque<Pending>,
    pub(super) keys: Vec<Key>,
    /// History has no message up to here, and the hub does not know which there were.
    pub(super) lost: Seq,
    /// Memory has no message up to here: they were not restored.
    pub(super) unloaded: Seq,
    /// The openings of the log, in order; none if it is not kept.
    pub(super) runs: Vec<Run>,
}

impl Log {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self { epoch, ..Self::default() }
    }

    pub(super) fn position(&self) -> Cursor {
        self.at(self.head)
    }

    /// The cursor that a client is given for this position.
    pub(super) fn at(&self, seq: Seq) -> Cursor {
        let run = self.runs.iter().rfind(|run| run.first <= seq);
        let check = run.map_or(Check::NONE, |run| run.check);
        Cursor { check, ..Cursor::new(self.epoch, seq) }
    }

    pub(super) fn find(&self, seq: Seq) -> Option<&Record> {
        let at = self.records.binary_search_by_key(&seq, |record| record.seq).ok()?;
        self.records.get(at)
    }

    pub(super) fn of<'a>(
        &'a self,
        channel: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Record> {
        self.records.iter().filter(move |record| record.channel == channel)
    }

    /// The expected verdict on a publication, if there is room for its channel.
    pub(super) fn expected(
        &mut self,
        hub: &Hub<u64>,
        publication: &Publication<'_, u64>,
        now_ms: u64,
    ) -> Result<Admission, Refusal> {
        let limits = &hub.config().limits;
        self.forget_keys(hub.config(), now_ms);
        let name = publication.channel.as_str();
        let at = |seq| self.at(seq);
        if let Some(key) = publication.key {
            if let Some(it) = self.keys.iter().find(|it| (it.channel, it.key) == (name, key)) {
                return Ok(Admission::Duplicate(at(it.seq)));
            }
            let same = |it: &&Pending| it.record.channel == name && it.record.key == Some(key);
            if let Some(it) = self.pending.iter().find(same) {
                return Ok(Admission::DuplicatePending(at(it.record.seq)));
            }
        }
        let bytes_max = hub.config().settings_of(namespace(name)).message_bytes_max;
        if publication.cost > bytes_max {
            return Err(Refusal::MessageTooLarge { bytes_max });
        }
        // The hub never forgets that a channel has ended, except for lost entries.
        let last = self.of(name).next_back().filter(|it| it.seq > self.lost);
        if let Some(last) = last.filter(|it| it.kind == Kind::End) {
            return Err(Refusal::Ended { at: last.seq });
        }
        let mut pending = self.pending.iter().filter(|it| it.record.channel == name && !it.is_void);
        if let Some(newest) = pending
            .next_back()
            .map(|it| it.record)
            .filter(|newest| publication.expect.is_some() || newest.kind == Kind::End)
        {
            return Err(Refusal::Undecided { pending: at(newest.seq) });
        }
        let last = last.map_or(Seq::ZERO, |it| it.seq);
        // A hub that has forgotten the newest message has to say so.
        let state = hub.channel(publication.channel);
        let through = state.floor;
        assert!(state.last.map_or(last <= through, |it| it == last), "{name}");
        if publication.expect.is_some() && state.last.is_none() && through > Seq::ZERO {
            return Err(Refusal::Forgotten { through });
        }
        if publication.expect.is_some_and(|expected| expected != last) {
            return Err(Refusal::Unexpected { last });
        }
        if self.pending.len() >= limits.pending_max {
            return Err(Refusal::Backlog);
        }
        if publication.key.is_some() && !self.has_room_for_key(name, hub.config()) {
            return Err(Refusal::Keys);
        }
        if publication.kind == Kind::End && !self.may_end(name, hub.config()) {
            return Err(Refusal::Endings);
        }
        Ok(Admission::Pending(at(Seq(self.head.0 + 1 + self.pending.len() as u64))))
    }

    /// Whether one more channel may end.
    fn may_end(&self, name: &str, config: &Config) -> bool {
        let has_ended = |channel: &str| {
            self.of(channel)
                .next_back()
                .is_some_and(|it| it.kind == Kind::End && it.seq > self.lost)
        };
        let ends = |channel: &str| {
            let mut pending = self.pending.iter().filter(|it| !it.is_void);
            pending.any(|it| it.record.channel == channel && it.record.kind == Kind::End)
        };
        let all: Vec<_> = CHANNELS.into_iter().filter(|it| has_ended(it) || ends(it)).collect();
        let own = all.iter().filter(|it| space(config, it) == space(config, name)).count();
        let second = config.limits.ended_max.div_ceil(2);
        all.len() < config.limits.ended_max / 2 || own < second / (config.namespaces.len() + 1)
    }

    /// Forgets expired keys.
    fn forget_keys(&mut self, config: &Config, now_ms: u64) {
        self.keys.retain(|it| it.until_ms(config) > now_ms);
    }

    /// Commits the oldest pending message.
    pub(super) fn commit(&mut self, config: &Config, now_ms: u64) -> Option<Record> {
        let Pending { record, .. } = self.pending.pop_front()?;
        self.remember(record, config, now_ms);
        self.append(record);
        self.pass_voids();
        Some(record)
    }

    /// Remembers a record's key, if it has one that is not known.
    pub(super) fn remember(&mut self, record: Record, config: &Config, now_ms: u64) {
        let Record { channel, seq, key: Some(key), .. } = record else { return };
        self.forget_keys(config, now_ms);
        if self.keys.iter().any(|it| (it.channel, it.key) == (channel, key)) {
            return;
        }
        self.keys.push(Key { channel, key, seq, time_ms: now_ms });
    }

    /// Whether there is room for one more key of a channel.
    fn has_room_for_key(&self, name: &str, config: &Config) -> bool {
        let pending = self.pending.iter().map(|it| it.record).filter(|it| it.key.is_some());
        let of = self.keys.iter().map(|it| it.channel).chain(pending.map(|it| it.channel));
        let all: Vec<&str> = of.collect();
        let own = all.iter().filter(|it| space(config, it) == space(config, name)).count();
        let of_channel = all.iter().filter(|it| **it == name).count();
        let keys_max = config.limits.keys_max;
        let second = keys_max.div_ceil(2) / (config.namespaces.len() + 1);
        of_channel < (keys_max / 4).max(1) && (all.len() < keys_max / 2 || own < second)
    }

    /// The keys of messages up to `point`.
    pub(super) fn keys_through(&self, point: Seq) -> Vec<Key> {
        self.keys.iter().filter(|it| it.seq <= point).cloned().collect()
    }

    /// The number of keys that are remembered, pending ones included.
    pub(super) fn keys(&mut self, config: &Config, now_ms: u64) -> usize {
        self.forget_keys(config, now_ms);
        self.keys.len() + self.pending.iter().filter(|it| it.record.key.is_some()).count()
    }

    pub(super) fn append(&mut self, record: Record) {
        self.head = record.seq;
        self.records.push(record);
    }

    pub(super) fn pass_voids(&mut self) {
        while self.pending.front().is_some_and(|it| it.is_void) {
            let void = self.pending.pop_front().expect("it is there");
            self.head = void.record.seq;
        }
    }

    /// Reads a channel's history and checks it: the newest messages without a hole, within the
    /// bounds, and as many as the bounds allow unless the hub was short of room.
    pub(super) fn retained(&self, hub: &mut Hub<u64>, name: &str, now_ms: u64) -> Vec<Seq> {
        let channel = ChannelName::new(name).expect("names of the model are valid");
        let mut entries = Vec::new();
        let page = hub.history(channel, Query::After(Seq::ZERO), usize::MAX, now_ms, &mut entries);
        assert_eq!((page.position, page.more), (self.position(), false));
        let state = hub.channel(channel);
        let settings = hub.config().settings_of(namespace(name));
        assert_eq!(state.messages, entries.len());
        assert!(state.messages <= settings.history_messages_max, "{name} has too many messages");
        assert!(state.bytes <= settings.history_bytes_max as u64, "{name} has too many bytes");

        let seqs: Vec<Seq> = entries.iter().map(|entry| entry.seq()).collect();
        let newest: Vec<&Record> = self.of(name).rev().take(seqs.len()).collect();
        assert!(seqs.iter().rev().eq(newest.iter().map(|it| &it.seq)), "{name} has a hole");
        let (mut bytes, mut fit) = (0, 0);
        let unknown = self.lost.max(self.unloaded);
        for record in self.of(name).rev().filter(|it| it.seq > unknown) {
            bytes += record.bytes();
            let age_max = record.time_ms.saturating_add(settings.history_ms);
            let is_old = settings.history_ms != u64::MAX && age_max <= now_ms;
            let over = fit >= settings.history_messages_max || bytes > settings.history_bytes_max;
            if is_old || over {
                break;
            }
            fit += 1;
        }
        let stats = hub.stats();
        assert!(seqs.len() <= fit, "{name} keeps what is over its bounds");
        let spacious = stats.evicted_channels == 0 && stats.evicted_messages == 0;
        assert!(!spacious || seqs.len() == fit, "{name} has lost what was within its bounds");
        seqs
    }
}

/// The index of a channel's namespace. All unnamed namespaces share one.
fn space(config: &Config, channel: &str) -> usize {
    let named = config.namespaces.iter().position(|(it, _)| it == namespace(channel));
    named.unwrap_or(config.namespaces.len())
}
