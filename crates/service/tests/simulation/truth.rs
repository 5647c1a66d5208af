//! The log of a simulated server, which is the truth: nothing else sees everything.
//!
//! Each opening of the log begins a life. It goes on from all that the log had, or from less: its end was lost, or an
//! older state was put back. So the places of all lives make a tree, and the present life is one branch of it.
//! Positions repeat. Places and payloads do not.
//!
//! ```text
//! 1 ── 2 ── 3 ── 4 ── 5     the first life
//!           └─── 4 ── 5     the second one: positions are given out again
//! ```

use std::collections::{BTreeMap, BTreeSet};

use sockeye_hub::{Check, Run, Seq};
use sockeye_service::wire::Payload;

/// A position in the log, read from a cursor's text by rules of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) check: u64,
}

impl Position {
    pub(crate) fn parse(text: &str) -> Self {
        let number = |digits: &str| u64::from_str_radix(digits, 36).expect("base 36");
        let (epoch, place) =
            text.strip_prefix('1').and_then(|it| it.split_once('-')).expect("a cursor");
        let (seq, check) = place.split_once('.').unwrap_or((place, "0"));
        Self { epoch: number(epoch), seq: number(seq), check: number(check) }
    }

    pub(crate) fn text(self) -> String {
        let check = match self.check {
            0 => String::new(),
            check => format!(".{}", base36(check)),
        };
        format!("1{}-{}{check}", base36(self.epoch), base36(self.seq))
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        let digit = u32::try_from(number % 36).expect("below 36");
        digits.push(char::from_digit(digit, 36).expect("a digit"));
        number /= 36;
    }
    digits.iter().rev().collect()
}

/// A place in the tree of all lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(usize);

#[derive(Debug)]
struct Slot {
    /// The place before it; `None` for the beginning of an epoch.
    parent: Option<Place>,
    seq: u64,
    entry: Option<Entry>,
}

/// What the log was given.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) channel: String,
    pub(crate) is_end: bool,
    pub(crate) data: String,
    pub(crate) is_json: bool,
    pub(crate) event: Option<String>,
    pub(crate) ttl_ms: Option<u64>,
    /// Its date, as the wire shows it.
    pub(crate) time_ms: u64,
    /// When it was admitted, in log time.
    pub(crate) log_ms: u64,
    pub(crate) key: Option<String>,
    pub(crate) payload: Payload,
    /// The life that it was published in.
    pub(crate) life: usize,
    /// The log did not take it: its place is void.
    pub(crate) is_void: bool,
}

/// The log as it was at some time.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    branch: Vec<Place>,
    floors: BTreeMap<String, u64>,
    runs: Vec<Run>,
    log_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Truth {
    /// The log's epoch. The next number is that of the memory of a process whose log has failed.
    pub(crate) epoch: u64,
    slots: Vec<Slot>,
    /// The places of the present life, by position.
    branch: Vec<Place>,
    /// How many of them the log has called safe.
    pub(crate) settled: u64,
    pub(crate) failed: bool,
    /// Where the next epoch begins if the log of this life fails.
    fallen: Place,
    pub(crate) life: usize,
    /// The log's table of runs; empty if cursors have no checks.
    pub(crate) runs: Vec<Run>,
    /// Of each channel, the newest message that retention has dropped.
    pub(crate) floors: BTreeMap<String, u64>,
    /// The last log time that the log was told.
    pub(crate) log_ms: u64,
    /// Services read from the log what memory lacks.
    pub(crate) has_archive: bool,
    /// Retention has dropped something, in some life.
    pub(crate) has_dropped: bool,
    /// Services may be behind the log, each by itself.
    pub(crate) lags: bool,
    /// Somebody has set the calendar.
    pub(crate) has_jumped: bool,
}

impl Truth {
    pub(crate) fn new(epoch: u64, has_archive: bool) -> Self {
        let beginning = || Slot { parent: None, seq: 0, entry: None };
        Self {
            epoch,
            slots: vec![beginning(), beginning()],
            branch: vec![Place(0)],
            settled: 0,
            failed: false,
            fallen: Place(1),
            life: 0,
            runs: Vec::new(),
            floors: BTreeMap::new(),
            log_ms: 0,
            has_archive,
            has_dropped: false,
            lags: false,
            has_jumped: false,
        }
    }

    /// The newest position that was given out in this life.
    pub(crate) fn head(&self) -> u64 {
        self.branch.len() as u64 - 1
    }

    pub(crate) fn append(&mut self, entry: Entry) {
        let (parent, seq) = (self.branch.last().copied(), self.branch.len() as u64);
        self.branch.push(Place(self.slots.len()));
        self.slots.push(Slot { parent, seq, entry: Some(entry) });
    }

    /// The log has not got the next message, and never will.
    pub(crate) fn refuse_next(&mut self) {
        self.settled += 1;
        let Place(slot) = self.branch[index(self.settled)];
        self.slots[slot].entry.as_mut().expect("a message").is_void = true;
    }

    /// The message at a place of the present life.
    pub(crate) fn entry(&self, seq: u64) -> Option<&Entry> {
        let Place(slot) = *self.branch.get(index(seq))?;
        self.slots[slot].entry.as_ref()
    }

    /// The place of a position of the present life, in which everything up to `seq` is there.
    pub(crate) fn place(&self, seq: u64) -> Place {
        self.branch[index(seq)]
    }

    /// The place that a position means in the present life, if it is known there.
    pub(crate) fn find(&self, at: Position) -> Option<Place> {
        if at.epoch == self.epoch {
            return self.branch.get(index(at.seq)).copied();
        }
        (at.epoch == self.epoch + 1 && at.seq == 0 && self.has_fallen()).then_some(self.fallen)
    }

    pub(crate) fn seq(&self, place: Place) -> u64 {
        self.slots[place.0].seq
    }

    /// Whether a place is one of the present life.
    pub(crate) fn is_here(&self, place: Place) -> bool {
        let is_of_branch = self.branch.get(index(self.seq(place))) == Some(&place);
        is_of_branch || (place == self.fallen && self.has_fallen())
    }

    /// The last position that the present life has in common with the life of a place; `None` if that place is in
    /// the memory of a process whose log has failed.
    pub(crate) fn common(&self, mut place: Place) -> Option<u64> {
        while self.branch.get(index(self.seq(place))) != Some(&place) {
            place = self.slots[place.0].parent?;
        }
        Some(self.seq(place))
    }

    /// Whether the log has failed and has lost something: what may or may not be kept is a loss. A new epoch begins
    /// in memory, in which nothing is taken.
    pub(crate) fn has_fallen(&self) -> bool {
        self.failed && self.head() > self.settled
    }

    /// Where the hub has to be once it knows what the log knows.
    pub(crate) fn goal(&self) -> Place {
        if self.has_fallen() { self.fallen } else { self.branch[index(self.settled)] }
    }

    /// The same as a position. Its check is nobody's business.
    pub(crate) fn position(&self) -> Position {
        match self.has_fallen() {
            true => Position { epoch: self.epoch + 1, seq: 0, check: 0 },
            false => Position { epoch: self.epoch, seq: self.settled, check: 0 },
        }
    }

    /// Where the channel has ended, for all that subscribers can know.
    pub(crate) fn end_of(&self, channel: &str) -> Option<u64> {
        let is_end = |it: &Entry| it.is_end && !it.is_void && it.channel == channel;
        (1..=self.settled).find(|seq| self.entry(*seq).is_some_and(is_end))
    }

    /// The messages of the present life that the log has called safe.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let all = (1..=self.settled).filter_map(|seq| Some((seq, self.entry(seq)?)));
        all.filter(|(_, entry)| !entry.is_void)
    }

    /// Of each channel, the newest message that is not loaded into memory if what comes after `after` is, and whether
    /// it ends the channel.
    pub(crate) fn unloaded(&self, after: u64) -> Vec<(&str, u64, bool)> {
        let mut found = BTreeMap::new();
        for (seq, entry) in self.kept() {
            if seq <= after || seq <= self.floor(&entry.channel) {
                found.insert(entry.channel.as_str(), (seq, entry.is_end));
            }
        }
        found.into_iter().map(|(name, (seq, is_end))| (name, seq, is_end)).collect()
    }

    /// All messages of the present life.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        (1..=self.head()).filter_map(|seq| self.entry(seq)).filter(|it| !it.is_void)
    }

    pub(crate) fn floor(&self, channel: &str) -> u64 {
        self.floors.get(channel).copied().unwrap_or_default()
    }

    /// Retention drops a channel's messages up to this one.
    pub(crate) fn drop_through(&mut self, seq: u64) {
        let channel = self.entry(seq).expect("a message").channel.clone();
        self.has_dropped = true;
        let floor = self.floors.entry(channel).or_default();
        *floor = seq.max(*floor);
    }

    /// The log as it is on disk now.
    pub(crate) fn backup(&self) -> Backup {
        let branch = self.branch[..=index(self.settled)].to_vec();
        let Self { floors, runs, log_ms, .. } = self;
        Backup { branch, floors: floors.clone(), runs: runs.clone(), log_ms: *log_ms }
    }

    /// A new life begins with everything up to `last`.
    pub(crate) fn reopen_at(&mut self, last: u64) {
        self.check_once();
        self.branch.truncate(index(last) + 1);
        // What was dropped stays dropped, as far as it is there.
        let Self { floors, slots, branch, .. } = self;
        let seq_of = |place: &Place| slots[place.0].seq;
        let of = |name: &str, place: &&Place| {
            slots[place.0].entry.as_ref().is_some_and(|it| it.channel == name && !it.is_void)
        };
        for (name, floor) in &mut *floors {
            let dropped = branch.iter().filter(|place| of(name, place)).map(seq_of);
            *floor = dropped.filter(|seq| seq <= floor).max().unwrap_or_default();
        }
        floors.retain(|_, floor| *floor > 0);
        self.begin_life();
    }

    /// A new life begins with what was backed up.
    pub(crate) fn restore(&mut self, backup: Backup) {
        self.check_once();
        let Backup { branch, floors, runs, log_ms } = backup;
        (self.branch, self.floors, self.runs, self.log_ms) = (branch, floors, runs, log_ms);
        self.begin_life();
    }

    fn begin_life(&mut self) {
        (self.settled, self.failed) = (self.head(), false);
        self.life += 1;
        self.fallen = Place(self.slots.len());
        self.slots.push(Slot { parent: None, seq: 0, entry: None });
        self.begin_run();
    }

    /// Begins a run, as an opening of a log does.
    pub(crate) fn begin_run(&mut self) {
        let first = Seq(self.settled + 1);
        self.runs.retain(|run| run.first < first);
        // All differ.
        let tag = u32::try_from(self.life + 1).expect("few").wrapping_mul(7_919);
        self.runs.push(Run { first, check: Check::new(tag) });
    }

    /// In no life a publication is there twice.
    pub(crate) fn check_once(&self) {
        let mut seen = BTreeSet::new();
        for entry in self.entries().filter(|it| !it.is_end) {
            assert!(seen.insert((&entry.channel, &entry.data)), "{entry:?} is there twice");
        }
    }
}

fn index(seq: u64) -> usize {
    usize::try_from(seq).unwrap_or(usize::MAX)
}
