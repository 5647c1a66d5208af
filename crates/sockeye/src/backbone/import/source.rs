//! The log on disk, as the parts of an import.
//!
//! It is read twice: first to see what each channel has, then to bring what nodes have room for. Both times the parts are the
//! same, and in the same order, because nobody changes the log meanwhile.

use std::collections::{BTreeMap, HashMap};

use sockeye_backbone::entry::{
    ImportedChannel, ImportedKey, ImportedMessage, ImportedPart, Payload as Kept,
};
use sockeye_backbone::node::import::{OVERHEAD_BYTES, plan};
use sockeye_hub::ChannelName;
use sockeye_log::{ChannelState, End, Error, Inspector, KeyState, Part, Record};
use sockeye_service::wire::Payload;

/// Channels, or keys, of one part, and the bytes of their names. The last one may exceed it.
const LISTED_MAX: usize = 256;
const LISTED_BYTES: usize = 32 * 1024;

/// What nodes have room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Messages.
    pub(super) messages: u64,
    /// The bytes of an entry.
    pub(super) entry_bytes: usize,
}

/// The parts of a log, and those that are brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    epoch: u64,
    end: End,
    channels: BTreeMap<String, Seen>,
    records: u64,
    /// Messages that each channel has room for, without those that all together have none for: the first ones.
    wanted: u64,
    skipped: u64,
}

/// A channel.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Its messages, and how many of the newest ones are wanted.
    records: u64,
    wanted: u64,
    /// So many of the first ones cannot be brought.
    unfit: u64,
    floor: u64,
    last: u64,
    ended: bool,
}

/// What was offered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fed {
    /// Parts.
    pub(super) parts: u64,
    /// Keys.
    pub(super) keys: u64,
}

impl Survey {
    /// Reads all of a log, and checks it.
    pub(super) fn of(
        log: &Inspector,
        bounds: Bounds,
        hub: &sockeye_hub::Config,
    ) -> Result<Self, Error> {
        let mut survey = Self::default();
        log.export(|part| {
            match part {
                Part::Begin { epoch, .. } => survey.epoch = epoch,
                Part::Record(record) => survey.see(&record, bounds),
                Part::Channel(channel) => survey.note(channel),
                Part::End(end) => survey.end = end,
                _ => {}
            }
            Ok::<(), Error>(())
        })?;
        for (name, seen) in &mut survey.channels {
            let history = history(name, hub);
            seen.wanted = (seen.records - seen.unfit).min(history);
            survey.wanted += seen.wanted;
        }
        survey.skipped = survey.wanted.saturating_sub(bounds.messages);
        Ok(survey)
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) const fn end(&self) -> &End {
        &self.end
    }

    /// Messages that are brought, of all that there are.
    pub(super) const fn messages(&self) -> u64 {
        self.wanted - self.skipped
    }

    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn channels(&self) -> u64 {
        self.channels.len() as u64
    }

    /// A digest of what decides which parts there are.
    pub(super) fn plan(&self) -> u64 {
        let channels = self.channels.values();
        let channels = channels.flat_map(|seen| [seen.records, seen.wanted, seen.floor, seen.last]);
        plan(channels.chain([self.skipped, self.end.time_ms]))
    }

    fn see(&mut self, record: &Record, bounds: Bounds) {
        self.records += 1;
        let fits = record.body.len() + record.channel.len() + OVERHEAD_BYTES <= bounds.entry_bytes
            && Payload::from_log(&record.body).is_some()
            && ChannelName::new(&record.channel).is_ok();
        let seen = self.channels.entry(record.channel.clone()).or_default();
        seen.records += 1;
        if !fits {
            seen.unfit = seen.records;
        }
        (seen.last, seen.ended) = (record.seq, record.kind == Record::END);
    }

    fn note(&mut self, channel: ChannelState) {
        let seen = self.channels.entry(channel.name).or_default();
        seen.floor = channel.floor;
        seen.last = seen.last.max(channel.last);
        seen.ended |= channel.ended.is_some();
    }

    /// Offers the parts, each with its number. `shift_ms` is added to times.
    pub(super) fn feed<E: From<Error>>(
        &self,
        log: &Inspector,
        shift_ms: u64,
        offer: impl FnMut(u64, &ImportedPart<'_>) -> Result<(), E>,
    ) -> Result<Fed, E> {
        let mut feed = Feed {
            survey: self,
            shift_ms,
            offer,
            fed: Fed::default(),
            read: HashMap::new(),
            skipped: 0,
            has_listed: false,
            keys: Vec::new(),
        };
        log.export(|part| feed.take(part))?;
        feed.finish()
    }
}

/// Messages of a channel that the memory of a node has room for.
fn history(name: &str, hub: &sockeye_hub::Config) -> u64 {
    let namespace = name.split(':').next().unwrap_or(name);
    let named = hub.namespaces.iter().find(|(of, _)| of == namespace);
    named.map_or(&hub.settings, |(_, settings)| settings).history_messages_max as u64
}

/// The second reading.
struct Feed<'s, F> {
    survey: &'s Survey,
    shift_ms: u64,
    offer: F,
    fed: Fed,
    /// The messages of each channel so far, and the newest one that was left out.
    read: HashMap<String, (u64, u64)>,
    skipped: u64,
    has_listed: bool,
    keys: Vec<KeyState>,
}

impl<E: From<Error>, F: FnMut(u64, &ImportedPart<'_>) -> Result<(), E>> Feed<'_, F> {
    fn take(&mut self, part: Part) -> Result<(), E> {
        match part {
            Part::Record(record) => self.bring(&record),
            Part::Key(key) => {
                self.list_channels()?;
                // Others are forgotten.
                if key.until_ms > self.survey.end.time_ms {
                    self.keys.push(key);
                }
                let bytes: usize = self.keys.iter().map(|it| it.channel.len() + it.key.len()).sum();
                match self.keys.len() >= LISTED_MAX || bytes >= LISTED_BYTES {
                    true => self.list_keys(),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Fed, E> {
        self.list_channels()?;
        self.list_keys()?;
        self.push(&ImportedPart::End)?;
        Ok(self.fed)
    }

    fn bring(&mut self, record: &Record) -> Result<(), E> {
        let Record { seq, time_ms, kind, ref channel, ref body, .. } = *record;
        let seen = self.survey.channels.get(channel).copied().unwrap_or_default();
        let (read, left_out) = match self.read.get_mut(channel) {
            Some(it) => it,
            None => self.read.entry(channel.clone()).or_default(),
        };
        *read += 1;
        let is_wanted = *read > seen.records - seen.wanted;
        if !is_wanted || self.skipped < self.survey.skipped {
            self.skipped += u64::from(is_wanted);
            *left_out = seq;
            return Ok(());
        }
        // It was read before.
        let Some(mut payload) = Payload::from_log(body) else {
            return Err(Error::Damaged { seq }.into());
        };
        payload.date_ms = payload.date_ms.or(Some(time_ms));
        let payload = Kept::of(&payload);
        let (time_ms, ends) = (time_ms + self.shift_ms, kind == Record::END);
        self.push(&ImportedPart::Message(ImportedMessage { seq, time_ms, channel, payload, ends }))
    }

    /// Offers what is known of channels besides their messages, once.
    fn list_channels(&mut self) -> Result<(), E> {
        if core::mem::replace(&mut self.has_listed, true) {
            return Ok(());
        }
        let survey = self.survey;
        let all = survey.channels.iter().map(|(name, seen)| {
            let left_out = self.read.get(name).map_or(0, |(_, left_out)| *left_out);
            // Of one without messages, nobody has the newest one.
            let floor = if seen.records == 0 { seen.last } else { seen.floor.max(left_out) };
            ImportedChannel { name, floor, last: seen.last.max(floor), ended: seen.ended }
        });
        let known: Vec<_> = all.filter(|it| it.floor > 0).collect();
        // A channel that the log had forgotten before has no newest message of its own, but that of a horizon.
        let mut counts: HashMap<u64, u32> = HashMap::new();
        known.iter().for_each(|it| *counts.entry(it.last).or_default() += 1);
        let known: Vec<_> = known.into_iter().filter(|it| counts[&it.last] == 1).collect();
        let bytes = |it: &ImportedChannel<'_>| it.name.len();
        for listed in lists(&known, bytes) {
            self.push(&ImportedPart::Channels(listed.to_vec()))?;
        }
        Ok(())
    }

    fn list_keys(&mut self) -> Result<(), E> {
        let keys = core::mem::take(&mut self.keys);
        if keys.is_empty() {
            return Ok(());
        }
        self.fed.keys += keys.len() as u64;
        let listed = keys.iter().map(|it| ImportedKey {
            channel: &it.channel,
            key: &it.key,
            seq: it.seq,
            until_ms: it.until_ms.saturating_add(self.shift_ms),
        });
        let part = ImportedPart::Keys(listed.collect());
        self.push(&part)
    }

    fn push(&mut self, part: &ImportedPart<'_>) -> Result<(), E> {
        (self.offer)(self.fed.parts, part)?;
        self.fed.parts += 1;
        Ok(())
    }
}

/// A list in pieces, by number and bytes.
fn lists<T>(all: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = all;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let end = rest.iter().take(LISTED_MAX).take_while(|it| {
            let fits = sum < LISTED_BYTES;
            sum += bytes(it);
            fits
        });
        let (list, others) = rest.split_at(end.count());
        rest = others;
        (!list.is_empty()).then_some(list)
    })
}
