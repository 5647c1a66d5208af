//! Which records a commit drops.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use rusqlite::Connection;

use super::Store;
use super::stage::Stage;
use crate::book::{Book, is_expired, is_over};
use crate::record::kept_bytes;
use crate::rows::Stats;
use crate::table::Old;
use crate::{Error, Rule, table};

/// The most records that one commit drops because channels have too many.
pub(super) const DROPS_MAX: u64 = 4096;

/// The most channels that one call of `expire` looks at.
const CHANNELS_MAX: usize = 1024;

/// Records that one query for the oldest of a channel loads.
const CHUNK: usize = 256;

/// The same where many channels are looked at for few records.
const CHUNK_OF_MANY: usize = 8;

/// Channels whose oldest records are compared for the oldest of a namespace.
const FIRSTS_MAX: usize = 4096;

/// The part of its bound that a channel may have too many of before a commit drops some, and the
/// most records of that.
const SLACK: u64 = 8;
const SLACK_RECORDS_MAX: u64 = 512;

/// The rule with some more room, so that a commit drops several records of a channel at once.
fn with_slack(rule: &Rule) -> Rule {
    let messages = (rule.keep_messages / SLACK + SLACK).min(SLACK_RECORDS_MAX);
    Rule {
        keep_messages: rule.keep_messages.saturating_add(messages),
        keep_bytes: rule.keep_bytes.saturating_add(rule.keep_bytes / SLACK),
        ..*rule
    }
}

impl Store {
    /// Drops the oldest records of channels that the commit has made too large.
    pub(super) fn trim_grown(&self, db: &Connection, stage: &mut Stage) -> Result<(), Error> {
        let mut grown: Vec<u32> = {
            let book = self.book.lock();
            let large = stage
                .channels
                .iter()
                .filter(|(id, touched)| is_over(&with_slack(&book.rule_of(**id)), touched.stats));
            large.map(|(id, _)| *id).collect()
        };
        grown.sort_unstable();
        for id in grown {
            self.trim_channel(db, stage, id, None)?;
            if stage.dropped >= DROPS_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Drops records that have expired, and those that their rules do not keep.
    pub(super) fn trim_old(
        &self,
        db: &Connection,
        stage: &mut Stage,
        now_ms: u64,
    ) -> Result<(), Error> {
        let ids = self.book.lock().to_trim(now_ms, CHANNELS_MAX);
        for id in ids {
            self.trim_channel(db, stage, id, Some(now_ms))?;
            if stage.dropped >= DROPS_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Drops the oldest records of a channel as its rule says; with a time, also those that have
    /// expired. [log:keep]
    fn trim_channel(
        &self,
        db: &Connection,
        stage: &mut Stage,
        id: u32,
        now_ms: Option<u64>,
    ) -> Result<(), Error> {
        let mut trim = Trim::new(&mut self.book.lock(), stage, id);
        while trim.stats.records > 0 && stage.dropped + trim.dropped < DROPS_MAX {
            let Some(old) = trim.oldest(db, CHUNK)? else { break };
            let expired = now_ms.is_some_and(|now_ms| is_expired(&trim.rule, old.time_ms, now_ms));
            if !expired && !is_over(&trim.rule, trim.stats) {
                break;
            }
            trim.drop_oldest();
        }
        trim.finish(db, stage)
    }

    /// Drops the records of a channel up to a position.
    pub(super) fn trim_through(
        &self,
        db: &Connection,
        stage: &mut Stage,
        id: u32,
        through: u64,
    ) -> Result<(), Error> {
        let mut trim = Trim::new(&mut self.book.lock(), stage, id);
        while trim.oldest(db, CHUNK)?.is_some_and(|old| old.seq <= through) {
            trim.drop_oldest();
        }
        trim.finish(db, stage)
    }

    /// Drops the oldest records of namespaces that are trimmed and have too much, until the commit drops
    /// `drops_max`. [log:no-room]
    pub(super) fn trim_full(
        &self,
        db: &Connection,
        stage: &mut Stage,
        drops_max: u64,
    ) -> Result<(), Error> {
        let slots = self.book.lock().slots();
        for slot in slots {
            let excess = self.book.lock().excess(slot);
            if excess > 0 && stage.dropped < drops_max {
                self.trim_namespace(db, stage, slot, (excess, drops_max))?;
            }
        }
        Ok(())
    }

    /// Drops the oldest records of a namespace: so many bytes at the least, if the commit may drop so many
    /// records. It merges the oldest records of the channels that have the oldest.
    fn trim_namespace(
        &self,
        db: &Connection,
        stage: &mut Stage,
        slot: usize,
        (excess, drops_max): (u64, u64),
    ) -> Result<(), Error> {
        let firsts = self.book.lock().oldest(slot, FIRSTS_MAX);
        let mut firsts = firsts.into_iter().peekable();
        let mut trims: HashMap<u32, Trim> = HashMap::new();
        let mut heap = BinaryHeap::new();
        let mut freed = stage.freed.get(&slot).copied().unwrap_or(0);
        let mut drops_left = drops_max.saturating_sub(stage.dropped);
        while freed < excess && drops_left > 0 {
            let is_next = match (firsts.peek(), heap.peek()) {
                (Some((first, _)), Some(Reverse((oldest, _)))) => first < oldest,
                (first, _) => first.is_some(),
            };
            let next = if is_next { firsts.next() } else { heap.pop().map(|Reverse(it)| it) };
            let Some((_, id)) = next else { break };
            let trim =
                trims.entry(id).or_insert_with(|| Trim::new(&mut self.book.lock(), stage, id));
            // The rules have changed since, and it is in another namespace.
            if trim.slot != slot {
                continue;
            }
            if let Some(bytes) = trim.oldest(db, CHUNK_OF_MANY)?.map(|_| trim.drop_oldest()) {
                freed += bytes;
                drops_left -= 1;
            }
            if let Some(old) = trim.oldest(db, CHUNK_OF_MANY)? {
                heap.push(Reverse((old.seq, id)));
            }
        }
        for trim in trims.into_values() {
            trim.finish(db, stage)?;
        }
        Ok(())
    }
}

/// A channel whose oldest records a commit drops.
struct Trim {
    id: u32,
    slot: usize,
    name: Box<str>,
    rule: Rule,
    stats: Stats,
    /// Its oldest records, in order.
    oldest: VecDeque<Old>,
    dropped: u64,
    freed: u64,
}

impl Trim {
    /// The channel follows the rules of this moment, which may have changed since it was chosen.
    // [log:rules]
    fn new(book: &mut Book, stage: &mut Stage, id: u32) -> Self {
        book.look_at_early(id);
        let stats = stage.touch(book, id).stats;
        let channel = book.channel(id).expect("only the log's thread removes channels");
        let (slot, name, rule) = (channel.slot, channel.name.into(), book.rule_of(id));
        Self { id, slot, name, rule, stats, oldest: VecDeque::new(), dropped: 0, freed: 0 }
    }

    /// The oldest record, if there is one.
    fn oldest(&mut self, db: &Connection, chunk: usize) -> Result<Option<Old>, Error> {
        if self.oldest.is_empty() && self.stats.records > 0 {
            self.oldest.extend(table::oldest_of(db, self.id, self.stats.floor, chunk)?);
            if self.oldest.is_empty() {
                return Err(Error::Damaged { seq: self.stats.first });
            }
        }
        Ok(self.oldest.front().copied())
    }

    /// Drops the record that [`oldest`](Self::oldest) has found. Returns its bytes.
    fn drop_oldest(&mut self) -> u64 {
        let old = self.oldest.pop_front().expect("it was found");
        let bytes = kept_bytes(&self.name, old.body_bytes);
        self.stats.floor = old.seq;
        self.stats.records -= 1;
        self.stats.bytes -= bytes;
        self.dropped += 1;
        self.freed += bytes;
        bytes
    }

    /// Enters the channel's figures, with its new oldest record.
    fn finish(mut self, db: &Connection, stage: &mut Stage) -> Result<(), Error> {
        let first = self.oldest(db, 1)?;
        (self.stats.first, self.stats.first_ms) = first.map_or((0, 0), |it| (it.seq, it.time_ms));
        stage.dropped += self.dropped;
        *stage.freed.entry(self.slot).or_default() += self.freed;
        if let Some(touched) = stage.channels.get_mut(&self.id) {
            touched.stats = self.stats;
        }
        Ok(())
    }
}
