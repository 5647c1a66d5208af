//! The channels of the book. There may be hundreds of thousands, so each takes few bytes.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::rows::Stats;

/// A channel, packed.
#[derive(Debug)]
struct Packed {
    name: Box<str>,
    floor: u64,
    last: u64,
    records: u64,
    bytes: u64,
    first: u64,
    first_ms: u64,
    id: u32,
    slot: u32,
    keys: u32,
    has_row: bool,
    end: End,
}

/// Which record ended a channel.
#[derive(Clone, Copy, Debug)]
enum End {
    None,
    Last,
    /// One before the last. It stands beside the channels, as few have one.
    Earlier,
}

/// A channel as it is looked at and changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel<'b> {
    pub(crate) id: u32,
    pub(crate) name: &'b str,
    /// Its namespace.
    pub(crate) slot: usize,
    pub(crate) figures: Figures,
}

/// The figures of a channel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) stats: Stats,
    /// Whether it has a row in the database.
    pub(crate) has_row: bool,
    /// Its idempotency keys.
    pub(crate) keys: u32,
    pub(crate) at_work: AtWork,
}

/// What few channels have at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AtWork {
    /// The first record that its row in the database does not count; zero if it counts all.
    pub(crate) unsaved: u64,
    /// Records that wait for their commit, and their bytes.
    pub(crate) waiting: u32,
    pub(crate) waiting_bytes: u64,
}

/// The channels, without holes: removing one puts the last one in its place.
#[derive(Debug, Default)]
pub(super) struct Channels {
    all: Vec<Packed>,
    by_id: HashMap<u32, u32>,
    by_name: NameIndex,
    at_work: HashMap<u32, AtWork>,
    earlier_ends: HashMap<u32, u64>,
}

impl Channels {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Where the channel with this number is.
    pub(super) fn place(&self, id: u32) -> Option<usize> {
        self.by_id.get(&id).map(|at| *at as usize)
    }

    pub(super) fn id_of(&self, name: &str) -> Option<u32> {
        let at = self.by_name.find(name, &self.all)?;
        Some(self.all[at].id)
    }

    pub(super) fn at(&self, at: usize) -> Channel<'_> {
        let it = &self.all[at];
        let Packed { floor, last, records, bytes, first, first_ms, id, .. } = *it;
        let ended = match it.end {
            End::None => 0,
            End::Last => last,
            End::Earlier => self.earlier_ends[&id],
        };
        let stats = Stats { floor, last, ended, records, bytes, first, first_ms };
        let at_work = self.at_work.get(&id).copied().unwrap_or_default();
        let figures = Figures { stats, has_row: it.has_row, keys: it.keys, at_work };
        Channel { id, name: &it.name, slot: it.slot as usize, figures }
    }

    pub(super) fn get(&self, id: u32) -> Option<Channel<'_>> {
        self.place(id).map(|at| self.at(at))
    }

    pub(super) fn set(&mut self, at: usize, figures: Figures) {
        let Figures { stats, has_row, keys, at_work } = figures;
        let Stats { floor, last, ended, records, bytes, first, first_ms } = stats;
        let it = &mut self.all[at];
        (it.floor, it.last, it.records, it.bytes) = (floor, last, records, bytes);
        (it.first, it.first_ms) = (first, first_ms);
        (it.has_row, it.keys) = (has_row, keys);
        let end = match ended {
            0 => End::None,
            ended if ended == last => End::Last,
            _ => End::Earlier,
        };
        match (it.end, end) {
            (_, End::Earlier) => drop(self.earlier_ends.insert(it.id, ended)),
            (End::Earlier, End::None | End::Last) => drop(self.earlier_ends.remove(&it.id)),
            (End::None | End::Last, End::None | End::Last) => {}
        }
        it.end = end;
        match at_work == AtWork::default() {
            true => drop(self.at_work.remove(&it.id)),
            false => drop(self.at_work.insert(it.id, at_work)),
        }
    }

    pub(super) fn set_slot(&mut self, at: usize, slot: usize) {
        self.all[at].slot = packed(slot);
    }

    /// Adds a channel without figures. Its name and its number are new.
    pub(super) fn insert(&mut self, id: u32, name: &str, slot: usize) -> usize {
        let at = self.all.len();
        self.all.push(Packed {
            name: name.into(),
            floor: 0,
            last: 0,
            records: 0,
            bytes: 0,
            first: 0,
            first_ms: 0,
            id,
            slot: packed(slot),
            keys: 0,
            has_row: false,
            end: End::None,
        });
        self.by_id.insert(id, packed(at));
        self.by_name.insert(at, &self.all);
        at
    }

    pub(super) fn remove(&mut self, at: usize) {
        let id = self.all[at].id;
        self.by_id.remove(&id);
        self.at_work.remove(&id);
        self.earlier_ends.remove(&id);
        self.by_name.remove(at, &self.all);
        let last = self.all.len() - 1;
        if at != last {
            self.by_id.insert(self.all[last].id, packed(at));
            self.by_name.replace(last, at, &self.all);
        }
        self.all.swap_remove(at);
    }
}

fn packed(number: usize) -> u32 {
    u32::try_from(number).expect("there are fewer channels than numbers")
}

/// Finds a channel's place by its name: a table with open addressing, four bytes for each slot.
#[derive(Debug, Default)]
struct NameIndex {
    hasher: RandomState,
    /// Places; its length is a power of two, and at least a quarter of it is free.
    table: Vec<u32>,
    used: usize,
}

/// No place.
const FREE: u32 = u32::MAX;

impl NameIndex {
    /// The first slot that a name may be in.
    fn home(&self, name: &str) -> usize {
        let hash = self.hasher.hash_one(name);
        usize::try_from(hash & (self.table.len() as u64 - 1)).expect("below the table's length")
    }

    const fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.table.len() - 1)
    }

    fn find(&self, name: &str, all: &[Packed]) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        let mut slot = self.home(name);
        while self.table[slot] != FREE {
            let at = self.table[slot] as usize;
            if *all[at].name == *name {
                return Some(at);
            }
            slot = self.next(slot);
        }
        None
    }

    /// The slot that has a place.
    fn slot_of(&self, at: usize, all: &[Packed]) -> usize {
        let mut slot = self.home(&all[at].name);
        while self.table[slot] as usize != at {
            slot = self.next(slot);
        }
        slot
    }

    fn insert(&mut self, at: usize, all: &[Packed]) {
        if (self.used + 1) * 4 > self.table.len() * 3 {
            let length = (self.table.len() * 2).max(16);
            self.table = vec![FREE; length];
            for at in 0..at {
                self.fill(at, all);
            }
        }
        self.fill(at, all);
        self.used += 1;
    }

    fn fill(&mut self, at: usize, all: &[Packed]) {
        let mut slot = self.home(&all[at].name);
        while self.table[slot] != FREE {
            slot = self.next(slot);
        }
        self.table[slot] = packed(at);
    }

    /// Removes a place, and moves up those places that would not be found behind the hole.
    fn remove(&mut self, at: usize, all: &[Packed]) {
        let mut hole = self.slot_of(at, all);
        let mut slot = self.next(hole);
        let mask = self.table.len() - 1;
        while self.table[slot] != FREE {
            let home = self.home(&all[self.table[slot] as usize].name);
            // Whether its home is not between the hole and its slot.
            if (slot.wrapping_sub(home) & mask) >= (slot.wrapping_sub(hole) & mask) {
                self.table[hole] = self.table[slot];
                hole = slot;
            }
            slot = self.next(slot);
        }
        self.table[hole] = FREE;
        self.used -= 1;
    }

    /// Notes that a channel has another place.
    fn replace(&mut self, from: usize, to: usize, all: &[Packed]) {
        let slot = self.slot_of(from, all);
        self.table[slot] = packed(to);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A table and a map, changed alike.
    #[test]
    fn names_and_numbers_lead_to_the_same_channel_whatever_was_removed() {
        let (mut channels, mut model) = (Channels::default(), BTreeMap::new());
        let mut seed = 7_u64;
        for id in 1..5_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = channels.insert(id, &format!("room:{id}"), 0);
            let stats = Stats { last: u64::from(id), ended: u64::from(id % 3), ..Stats::default() };
            channels.set(at, Figures { stats, keys: id, ..Figures::default() });
            model.insert(id, stats);
            let gone = u32::try_from(seed >> 33).unwrap() % id + 1;
            if model.remove(&gone).is_some() && seed & 1 << 32 != 0 {
                channels.remove(channels.place(gone).unwrap());
            } else if let Some(at) = channels.place(gone) {
                model.insert(gone, channels.at(at).figures.stats);
            }
        }
        assert_eq!(channels.len(), model.len());
        for id in 1..5_000_u32 {
            let name = format!("room:{id}");
            let known = model.contains_key(&id);
            assert_eq!(channels.id_of(&name), known.then_some(id));
            let found = channels.get(id).map(|it| (it.name.to_owned(), it.figures.stats));
            assert_eq!(found, model.get(&id).map(|stats| (name, *stats)));
        }
    }

    #[test]
    fn a_channel_is_small() {
        assert!(size_of::<Packed>() <= 80, "{}", size_of::<Packed>());
    }
}
