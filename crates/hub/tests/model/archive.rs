//! The model's archive, and a log that is put back to an older state.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::client::covers;
use super::oracle::{CHANNELS, Log, Record};
use super::world::{World, name};
use sockeye_hub::{
    Archived, Check, Fetch, Fetched, Flow, Hub, Kind, Progress, Publication, Run, Seq,
};

/// An archive: everything, but for what it has trimmed of each channel.
#[derive(Debug, Default)]
pub(super) struct Archive {
    pub(super) floors: BTreeMap<&'static str, Seq>,
    /// It has trimmed something, or there is no archive any more.
    pub(super) has_lost: bool,
}

impl Archive {
    pub(super) fn has(&self, record: &Record) -> bool {
        record.seq > self.floor(record.channel)
    }

    fn floor(&self, channel: &str) -> Seq {
        self.floors.get(channel).copied().unwrap_or_default()
    }
}

impl World<'_> {
    /// Trims a channel of the archive.
    pub(super) fn trim_archive(&mut self) {
        let channel = self.choices.of(&CHANNELS);
        let back = self.choices.of(&[0, 1, 2, 10]);
        let Some(archive) = &mut self.archive else { return };
        let Some(last) = self.log.of(channel).rev().nth(back) else { return };
        archive.has_lost = true;
        self.calm = false;
        let floor = archive.floors.entry(channel).or_default();
        *floor = last.seq.max(*floor);
    }

    /// Reads a page for a client: at random few messages, and more floors than it has to.
    fn read_archive(&mut self, client: usize, fetch: Fetch) -> Option<Fetched<u64>> {
        let key = self.clients[client].key?;
        let subscriber = self.hub.subscriber(key)?;
        let targets: Vec<String> = subscriber.targets().map(str::to_owned).collect();
        let count = self.choices.of(&[1, 2, 5, 100]);
        let is_missing_more = self.choices.one_in(8);
        let archive = self.archive.as_ref()?;
        let is_of = |channel: &str| targets.iter().any(|target| covers(target, channel));
        let (after, mut through) = (fetch.after, fetch.through);
        assert!(after < through && through <= self.log.head, "{fetch:?}");
        let records = self.log.records.iter().filter(|it| after < it.seq && it.seq <= through);
        let mut records = records.filter(|it| is_of(it.channel) && archive.has(it));
        let entries: Vec<Record> = records.by_ref().take(count).copied().collect();
        if let (Some(_), Some(last)) = (records.next(), entries.last()) {
            through = last.seq;
        }
        let floors = archive.floors.iter().filter(|(channel, _)| is_of(channel));
        let missing = floors.filter(|(_, floor)| after < **floor);
        let missing = missing.map(|(channel, floor)| (Rc::from(*channel), *floor));
        let mut missing: Vec<(Rc<str>, Seq)> = missing.collect();
        // It may leave out those that only patterns match, if it says so.
        let only_patterns = |name: &str| !targets.iter().any(|target| target == name);
        let is_missing_more = is_missing_more && missing.iter().any(|(it, _)| only_patterns(it));
        if is_missing_more {
            missing.retain(|(name, _)| !only_patterns(name));
        }
        let entries = entries.into_iter().map(archived).collect();
        Some(Fetched { fetch, entries, through, missing, is_missing_more })
    }

    /// Reads a page before it is wanted, if nothing that is trimmed meanwhile is excused.
    pub(super) fn read_early(&mut self, client: usize, fetch: Fetch) {
        let session = &self.clients[client];
        if !session.claims.values().any(|claim| claim.is_fresh) && self.choices.one_in(2) {
            self.clients[client].page = self.read_archive(client, fetch);
        }
    }

    /// Hands a client the page that it waits for.
    pub(super) fn answer(&mut self, client: usize) {
        let Some(fetch) = self.clients[client].fetch.take() else { return };
        let early = self.clients[client].page.take();
        let Some(page) = early.or_else(|| self.read_archive(client, fetch)) else { return };
        let mut glance = self.glance();
        glance.is_missing_more = page.is_missing_more;
        let Some(key) = self.clients[client].key else { return };
        for claim in self.clients[client].claims.values_mut().filter(|it| it.is_fresh) {
            // [hub:lenient] What was dropped before anybody looked is not owed.
            claim.excused.extend(claim.before.difference(&glance.retained));
        }
        let mut subscriber = self.hub.subscriber(key).expect("it is connected");
        let (before, mut items) = (subscriber.cursor(), Vec::new());
        let progress = subscriber.take_page(page, &mut items);
        let cursor = subscriber.cursor();
        let session = &mut self.clients[client];
        if let Progress::Overrun(cursor) = progress {
            assert!(items.is_empty() && cursor == before);
            // [hub:overrun-close]
            assert!(session.claims.values().any(|claim| claim.steady), "who resumes is not closed");
            assert!(session.is_overrun(cursor.seq, &self.log, &glance), "{session:#?} {glance:?}");
            self.disconnect(client);
            return;
        }
        assert_eq!(progress, Progress::More);
        if cursor == before {
            // [hub:archive-stale]
            assert!(items.is_empty() && session.is_changed, "the page of what was asked for");
            return;
        }
        self.pages += 1;
        session.pulled(items, &self.log, &glance);
        session.has_looked();
        session.is_complete(cursor.seq, &self.log);
    }

    /// Puts the log back to an older state, as from a backup. Its later messages are lost, and
    /// their positions are given out a second time.
    pub(super) fn restore(&mut self) {
        let Log { head, lost, .. } = self.log;
        let back = self.choices.of(&[0, 1, 2, 5, 20, 100]);
        let least = if self.archive.is_some() { Seq::ZERO } else { lost };
        let point = Seq(head.0.saturating_sub(back)).max(least);
        for client in &mut self.clients {
            if let Some(key) = client.key {
                let cursor = self.hub.subscriber(key).expect("it is connected").cursor();
                client.is_complete(cursor.seq, &self.log);
                client.lost(cursor, &self.log, |events| events);
            }
            client.restored(point);
        }
        self.past.add(&self.hub.stats());
        let config = self.hub.config().clone();
        // The number of the next run differs from those of all lost ones.
        self.next_id += 1;
        let check = Check::new(1_000 + self.next_id as u32);
        let mut log = Log { runs: self.log.runs.clone(), ..Log::new(self.log.epoch) };
        log.runs.retain(|run| run.first <= point);
        log.runs.push(Run { first: point.next(), check });
        let mut hub = Hub::new(log.epoch, config.clone());
        log.runs.iter().for_each(|run| hub.add_run(*run));
        let records = self.log.records.iter().filter(|it| it.seq <= point);
        if let Some(archive) = &mut self.archive {
            hub.attach_archive();
            log.records = records.copied().collect();
            for (channel, floor) in &mut archive.floors {
                let dropped = log.of(channel).rfind(|it| it.seq <= *floor);
                *floor = dropped.map_or(Seq::ZERO, |it| it.seq);
            }
            log.unloaded = point;
            for channel in CHANNELS {
                if let Some(last) = log.of(channel).next_back() {
                    hub.restore_channel(name(channel), last.seq, last.kind == Kind::End);
                }
            }
            log.keys = self.log.keys_through(point);
            for key in &log.keys {
                let until_ms = key.until_ms(&config);
                hub.restore_key(name(key.channel), key.key, key.seq, until_ms);
            }
        } else {
            log.lost = lost;
            if lost > Seq::ZERO {
                hub.lose(lost).expect("it is empty");
            }
            for record in records {
                if record.seq > lost {
                    restore_record(&mut hub, record);
                    log.remember(*record, &config, record.time_ms);
                }
                log.append(*record);
            }
        }
        log.head = point;
        if hub.position().seq < point {
            hub.void(point).expect("it is ahead");
        }
        (self.hub, self.log) = (hub, log);
        assert_eq!(self.hub.position(), self.log.position());
        assert_eq!(self.hub.next_check(), check);
    }
}

fn archived(record: Record) -> Archived<u64> {
    let Record { seq, channel, id, kind, time_ms, cost, .. } = record;
    Archived { seq, channel: channel.into(), time_ms, kind, body: id, cost }
}

fn restore_record(hub: &mut Hub<u64>, record: &Record) {
    let Record { seq, channel, id, kind, cost, key, time_ms } = *record;
    let before = seq.previous();
    if hub.position().seq < before {
        hub.void(before).expect("it is ahead");
    }
    let publication =
        Publication { channel: name(channel), body: id, cost, kind, key, expect: None };
    hub.apply(seq, publication, time_ms, |_, _| Flow::Full).expect("it is the next one");
}
