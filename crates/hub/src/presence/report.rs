//! What a node has to tell the other nodes of the members of its streams.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The bytes that a room or a member takes in a batch, besides its name.
const OVERHEAD_BYTES: usize = 8;

/// What a node tells the other nodes at once. It has states, not changes: whatever it says twice is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The node tells all of it anew, from here on.
    pub begins: bool,
    /// All of it is told: what the node has not said since it began is not there any more.
    pub ends: bool,
    /// The rooms. One may be named twice.
    pub rooms: Vec<RoomBatch>,
}

impl Batch {
    /// Its bytes in memory, about.
    pub fn cost(&self) -> usize {
        let members = |room: &RoomBatch| {
            room.members.iter().map(|(name, _)| name.len() + OVERHEAD_BYTES).sum::<usize>()
        };
        self.rooms.iter().map(|room| room.room.len() + OVERHEAD_BYTES + members(room)).sum()
    }
}

/// A room in a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomBatch {
    /// The room.
    pub room: Arc<str>,
    /// The node's connections there without a member.
    pub nameless: u64,
    /// Some of its members, each with the number of its connections; `None` for one who is not there any more.
    pub members: Vec<(Arc<str>, Option<u32>)>,
}

/// A member of a room, or the room's connections without one.
type Item = (Arc<str>, Option<Arc<str>>);

/// What this node has to tell the others.
///
/// A batch is under way at a time. What changes meanwhile comes with the next one, in its last state.
#[derive(Debug, Default)]
pub struct Report {
    /// What the others know to be there.
    told: BTreeSet<Item>,
    /// What has changed since.
    changed: BTreeSet<Item>,
    /// What is to be told anew, besides.
    anew: BTreeSet<Item>,
    /// The next batch begins anew.
    begins: bool,
    /// A batch has begun anew, and none has ended that.
    is_partial: bool,
    has_told: bool,
    is_under_way: bool,
    /// [`take_due`](Self::take_due) has said so.
    is_noticed: bool,
}

impl Report {
    /// Notes that a member of a room has changed, or the connections without one.
    pub fn note(&mut self, room: &Arc<str>, member: Option<&Arc<str>>) {
        self.changed.insert((Arc::clone(room), member.map(Arc::clone)));
    }

    /// Has everything told anew: another node may not know it.
    pub fn repeat(&mut self) {
        self.anew.append(&mut self.told);
        self.anew.append(&mut self.changed);
        self.begins |= self.has_told || !self.anew.is_empty();
    }

    /// Whether there is something to tell, and nothing under way.
    pub fn is_due(&self) -> bool {
        let is_quiet = self.anew.is_empty() && self.changed.is_empty();
        !self.is_under_way && (self.begins || !is_quiet)
    }

    /// As [`is_due`](Self::is_due); true once for each batch.
    pub fn take_due(&mut self) -> bool {
        self.is_due() && !core::mem::replace(&mut self.is_noticed, true)
    }

    /// Takes the next batch, of about `bytes_max` bytes. It is under way until it is [settled](Self::settle).
    /// `nameless` tells the connections without a member of a room, `member` those of one; `None` if there is no such
    /// member.
    pub fn take(
        &mut self,
        bytes_max: usize,
        nameless: impl Fn(&str) -> u64,
        member: impl Fn(&str, &str) -> Option<u32>,
    ) -> Option<Batch> {
        self.is_noticed = false;
        if !self.is_due() {
            return None;
        }
        let begins = core::mem::take(&mut self.begins);
        self.is_partial |= begins;
        let mut batch = Batch { begins, ..Batch::default() };
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some((room, name)) = self.pop()
        {
            let state = name.as_ref().map(|name| member(&room, name));
            let is_new = batch.rooms.last().is_none_or(|last| last.room != room);
            if is_new {
                let nameless = nameless(&room);
                self.set_told((Arc::clone(&room), None), nameless > 0);
                bytes += room.len() + OVERHEAD_BYTES;
                batch.rooms.push(RoomBatch { room: Arc::clone(&room), nameless, members: vec![] });
            }
            let (Some(name), Some(state), Some(last)) = (name, state, batch.rooms.last_mut())
            else {
                continue;
            };
            bytes += name.len() + OVERHEAD_BYTES;
            last.members.push((Arc::clone(&name), state));
            self.set_told((room, Some(name)), state.is_some());
        }
        batch.ends = self.is_partial && self.anew.is_empty();
        self.is_partial &= !batch.ends;
        self.is_under_way = true;
        Some(batch)
    }

    /// The batch that was under way is in the log, or nobody knows whether it is.
    pub fn settle(&mut self, is_told: bool) {
        self.is_under_way = false;
        self.has_told = true;
        if !is_told {
            self.repeat();
        }
    }

    /// How much is held.
    pub fn held(&self) -> usize {
        self.told.len() + self.changed.len() + self.anew.len()
    }

    fn pop(&mut self) -> Option<Item> {
        self.anew.pop_first().or_else(|| self.changed.pop_first())
    }

    fn set_told(&mut self, item: Item, is_there: bool) {
        self.anew.remove(&item);
        self.changed.remove(&item);
        match is_there {
            true => self.told.insert(item),
            false => self.told.remove(&item),
        };
    }
}
