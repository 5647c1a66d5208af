//! An engine's owner in the suite: it collects what the engine gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Rig;
use crate::engine::{Engine, Event, LogEnds, Position, Rejection, State};

/// An engine, and what it has given so far.
pub(super) struct User {
    pub(super) engine: Box<dyn Engine>,
    pub(super) entries: Vec<(Position, Vec<u8>)>,
    pub(super) ups: Vec<LogEnds>,
    pub(super) ends: Vec<LogEnds>,
    pub(super) dropped: Vec<Rejection>,
    events: usize,
    wakes: Arc<AtomicUsize>,
}

impl User {
    /// Connects, and waits until the engine is up.
    pub(super) fn new(rig: &mut dyn Rig) -> Self {
        let mut engine = rig.open();
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        engine.set_wake(Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        let (entries, ups, ends, dropped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut user = Self { engine, entries, ups, ends, dropped, events: 0, wakes };
        user.wait(rig, "the engine is up", |it| !it.ups.is_empty());
        user
    }

    /// Connects and reads everything.
    pub(super) fn reading(rig: &mut dyn Rig) -> Self {
        let mut user = Self::new(rig);
        user.engine.read_from(Position::ZERO);
        user
    }

    /// Connects, creates the log with the entry `birth`, reads, and waits for that entry.
    pub(super) fn with_log(rig: &mut dyn Rig) -> Self {
        let mut user = Self::reading(rig);
        user.engine.begin_log(&bytes(b"birth")).expect("nothing waits");
        user.wait_for(rig, 1);
        user
    }

    /// Takes all events that have arrived.
    pub(super) fn take_all(&mut self) {
        while let Some(event) = self.engine.next() {
            assert!(
                self.events > 0 || matches!(event, Event::State(_)),
                "the first event of all is a state, not {event:?}"
            );
            self.events += 1;
            match event {
                Event::State(State::Up(ends)) => self.ups.push(ends),
                Event::State(State::Away(_)) => {}
                Event::State(State::Refused(trouble)) => panic!("the engine is refused: {trouble}"),
                Event::Entry(position, entry) => self.entries.push((position, entry.to_vec())),
                Event::Ends(ends) => self.ends.push(ends),
                Event::Dropped(rejection) => self.dropped.push(rejection),
                Event::Replicated(_) => {}
            }
        }
    }

    /// Waits until a condition holds.
    pub(super) fn wait(&mut self, rig: &mut dyn Rig, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..rig.patience() {
            self.take_all();
            if holds(self) {
                return;
            }
            rig.pass();
        }
        panic!("waited in vain until {what}; the engine gave {}", self.summary());
    }

    /// Waits for this number of entries.
    pub(super) fn wait_for(&mut self, rig: &mut dyn Rig, entries: usize) {
        self.wait(rig, &format!("{entries} entries are read"), |it| it.entries.len() >= entries);
        assert_eq!(self.entries.len(), entries, "more was read: {}", self.summary());
    }

    /// Appends texts under the fence of the newest entry, as one batch.
    pub(super) fn append(&mut self, texts: &[&str]) {
        let fence = self.entries.last().map_or(0, |(position, _)| position.fence);
        let batch: Vec<_> = texts.iter().map(|text| bytes(text.as_bytes())).collect();
        self.engine.append(fence, &batch).expect("little waits");
    }

    /// The texts that were read.
    pub(super) fn texts(&self) -> Vec<String> {
        self.entries.iter().map(|(_, it)| String::from_utf8_lossy(it).into_owned()).collect()
    }

    /// The positions that were read.
    pub(super) fn positions(&self) -> Vec<Position> {
        self.entries.iter().map(|(position, _)| *position).collect()
    }

    /// How often it was woken.
    pub(super) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }

    fn summary(&self) -> String {
        let newest = self.entries.iter().rev().take(5).rev();
        let newest: Vec<_> = newest.map(|(at, it)| format!("{at} ({} bytes)", it.len())).collect();
        format!(
            "{} entries, the newest {newest:?}; up {:?}; ends {:?}; dropped {:?}",
            self.entries.len(),
            self.ups,
            self.ends.last(),
            self.dropped
        )
    }
}

pub(super) fn bytes(bytes: &[u8]) -> Arc<[u8]> {
    Arc::from(bytes)
}
