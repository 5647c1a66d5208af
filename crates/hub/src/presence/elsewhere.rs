//! What the other nodes have told of the members of their streams.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::{Batch, Limits, RoomBatch};

/// A room in which something has changed: a member who is there now or not any more, or counts only.
pub type Change = (Arc<str>, Option<(Arc<str>, bool)>);

/// The members of rooms at other nodes.
///
/// A member may be at several nodes, and at this one. `is_here` tells whether one is at this node.
#[derive(Debug)]
pub struct Elsewhere {
    limits: Limits,
    nodes: BTreeMap<u64, Said>,
    /// Of all nodes together. Never iterated.
    rooms: HashMap<Arc<str>, Room>,
    /// What nodes have said that does not count any more, from these times on.
    leaving: VecDeque<(u64, Rooms)>,
    /// Members who are not at this node.
    only: usize,
}

type Rooms = BTreeMap<Arc<str>, SaidRoom>;

/// What a node has said.
#[derive(Debug, Default)]
struct Said {
    rooms: Rooms,
    /// What it has said before it began anew, and has not said again.
    old: Rooms,
    members: usize,
}

#[derive(Debug, Default)]
struct SaidRoom {
    nameless: u64,
    members: BTreeMap<Arc<str>, u32>,
}

#[derive(Debug, Default)]
struct Room {
    connections: u64,
    members: BTreeMap<Arc<str>, Held>,
    /// Those who are not at this node.
    only: usize,
    /// Nodes with a connection without a member.
    nameless: usize,
}

/// A member, as all other nodes have it.
#[derive(Debug, Default)]
struct Held {
    nodes: usize,
    connections: u64,
}

impl Elsewhere {
    /// No nodes. The bounds are those of one node, for each of the others.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            nodes: BTreeMap::new(),
            rooms: HashMap::new(),
            leaving: VecDeque::new(),
            only: 0,
        }
    }

    /// Takes what a node says.
    pub fn take(
        &mut self,
        node: u64,
        batch: &Batch,
        is_here: impl Fn(&str, &str) -> bool,
    ) -> Vec<Change> {
        let mut said = self.nodes.remove(&node).unwrap_or_default();
        if batch.begins {
            said.begin();
        }
        let mut changes = Vec::new();
        for room in &batch.rooms {
            let before = said.take_nameless(&room.room);
            said.room(&room.room).nameless = room.nameless;
            if before != room.nameless {
                self.count(&room.room, before, room.nameless);
                changes.push((Arc::clone(&room.room), None));
            }
            self.take_members(&mut said, room, &is_here, &mut changes);
            said.sweep(&room.room);
        }
        if batch.ends {
            let old = core::mem::take(&mut said.old);
            said.members -= old.values().map(|room| room.members.len()).sum::<usize>();
            self.leaving.push_front((0, old));
        }
        self.nodes.insert(node, said);
        changes
    }

    fn take_members(
        &mut self,
        said: &mut Said,
        room: &RoomBatch,
        is_here: &impl Fn(&str, &str) -> bool,
        changes: &mut Vec<Change>,
    ) {
        for (member, now) in &room.members {
            let before = said.remove(&room.room, member);
            // [service:presence-bounds]
            let now =
                now.filter(|_| before.is_some() || said.has_room_for(&room.room, &self.limits));
            if let Some(now) = now {
                said.members += 1;
                said.room(&room.room).members.insert(Arc::clone(member), now);
            }
            let here = is_here(&room.room, member);
            changes.extend(self.change((&room.room, member), (before, now), here));
        }
    }

    /// Nothing that a node has said counts any more, from `at` on.
    pub fn forget(&mut self, node: u64, at: u64) {
        let Some(said) = self.nodes.remove(&node) else { return };
        for rooms in [said.rooms, said.old] {
            let place = self.leaving.partition_point(|(other, _)| *other <= at);
            self.leaving.insert(place, (at, rooms));
        }
    }

    /// When [`sweep`](Self::sweep) has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        self.leaving.front().map(|(at, _)| *at)
    }

    /// Removes the next of what does not count any more.
    pub fn sweep(&mut self, now_ms: u64, is_here: impl Fn(&str, &str) -> bool) -> Option<Change> {
        while let Some((_, rooms)) = self.leaving.front_mut().filter(|(at, _)| *at <= now_ms) {
            let Some(mut first) = rooms.first_entry() else {
                self.leaving.pop_front();
                continue;
            };
            let room = Arc::clone(first.key());
            if let Some((member, before)) = first.get_mut().members.pop_first() {
                let here = is_here(&room, &member);
                return self.change((&room, &member), (Some(before), None), here);
            }
            let nameless = first.remove().nameless;
            if nameless > 0 {
                self.count(&room, nameless, 0);
                return Some((room, None));
            }
        }
        None
    }

    /// Whether somebody is a member at another node.
    pub fn has(&self, room: &str, member: &str) -> bool {
        self.rooms.get(room).is_some_and(|room| room.members.contains_key(member))
    }

    /// Whether anything is in a room, at another node.
    pub fn has_room(&self, room: &str) -> bool {
        self.rooms.contains_key(room)
    }

    /// Notes that somebody is a member at this node now, or not any more. Whether they are one at another node, too.
    pub fn note_here(&mut self, room: &str, member: &str, is_here: bool) -> bool {
        let Some(room) = self.rooms.get_mut(room) else { return false };
        if !room.members.contains_key(member) {
            return false;
        }
        match is_here {
            true => (room.only, self.only) = (room.only - 1, self.only - 1),
            false => (room.only, self.only) = (room.only + 1, self.only + 1),
        }
        true
    }

    /// Members of a room who are not at this node.
    pub fn only(&self, room: &str) -> usize {
        self.rooms.get(room).map_or(0, |room| room.only)
    }

    /// Members of all rooms who are not at this node.
    pub const fn only_of_all(&self) -> usize {
        self.only
    }

    /// The connections in a room at other nodes.
    pub fn connections(&self, room: &str) -> u64 {
        self.rooms.get(room).map_or(0, |room| room.connections)
    }

    /// A page of a room's members at other nodes: the first `limit` names after `after`, each with its number of
    /// connections there.
    pub fn list<'a>(
        &'a self,
        room: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Iterator<Item = (&'a str, u64)> + use<'a> {
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let page = self.rooms.get(room).map(|room| room.members.range::<str, _>(from));
        let page = page.into_iter().flatten().take(limit);
        page.map(|(name, held)| (&**name, held.connections))
    }

    /// The connections of a member at other nodes.
    pub fn connections_of(&self, room: &str, member: &str) -> u64 {
        let held = self.rooms.get(room).and_then(|room| room.members.get(member));
        held.map_or(0, |held| held.connections)
    }

    /// How much is held.
    pub fn held(&self) -> usize {
        self.rooms.len() + self.leaving.len() + self.only
    }

    /// A node's connections without a member.
    fn count(&mut self, room: &Arc<str>, before: u64, now: u64) {
        let it = self.rooms.entry(Arc::clone(room)).or_default();
        it.connections = it.connections - before + now;
        it.nameless = it.nameless - usize::from(before > 0) + usize::from(now > 0);
        self.sweep_room(room);
    }

    /// A node's connections of a member; `None` if it is not one there.
    fn change(
        &mut self,
        (room, member): (&Arc<str>, &Arc<str>),
        (before, now): (Option<u32>, Option<u32>),
        is_here: bool,
    ) -> Option<Change> {
        if before == now {
            return None;
        }
        let it = self.rooms.entry(Arc::clone(room)).or_default();
        let held = it.members.entry(Arc::clone(member)).or_default();
        let count = |connections: Option<u32>| u64::from(connections.unwrap_or(0));
        held.connections = held.connections - count(before) + count(now);
        it.connections = it.connections - count(before) + count(now);
        let was_there = held.nodes > 0;
        held.nodes = held.nodes - usize::from(before.is_some()) + usize::from(now.is_some());
        let is_there = held.nodes > 0;
        if !is_there {
            it.members.remove(member);
        }
        let is_other = was_there != is_there && !is_here;
        if is_other && is_there {
            (it.only, self.only) = (it.only + 1, self.only + 1);
        } else if is_other {
            (it.only, self.only) = (it.only - 1, self.only - 1);
        }
        self.sweep_room(room);
        Some((Arc::clone(room), is_other.then(|| (Arc::clone(member), is_there))))
    }

    fn sweep_room(&mut self, room: &str) {
        let it = self.rooms.get(room);
        if it.is_some_and(|it| it.members.is_empty() && it.nameless == 0) {
            self.rooms.remove(room);
        }
    }
}

impl Said {
    /// Keeps what was said until the node has said all of it again.
    fn begin(&mut self) {
        for (room, said) in core::mem::take(&mut self.rooms) {
            let old = self.old.entry(room).or_default();
            old.nameless += said.nameless;
            old.members.extend(said.members);
        }
    }

    fn room(&mut self, room: &Arc<str>) -> &mut SaidRoom {
        self.rooms.entry(Arc::clone(room)).or_default()
    }

    /// Takes the connections without a member that the node has said of a room.
    fn take_nameless(&mut self, room: &str) -> u64 {
        let said = [&mut self.rooms, &mut self.old].map(|rooms| rooms.get_mut(room));
        let counts = said.into_iter().flatten().map(|it| core::mem::take(&mut it.nameless));
        counts.sum()
    }

    fn remove(&mut self, room: &str, member: &str) -> Option<u32> {
        let said = [&mut self.rooms, &mut self.old].map(|rooms| rooms.get_mut(room));
        let found = said.into_iter().flatten().find_map(|it| it.members.remove(member));
        self.members -= usize::from(found.is_some());
        found
    }

    fn has_room_for(&self, room: &str, limits: &Limits) -> bool {
        let of_room = self.rooms.get(room).map_or(0, |room| room.members.len());
        of_room < limits.room_members_max && self.members < limits.members_max
    }

    /// Forgets a room of which nothing is left.
    fn sweep(&mut self, room: &str) {
        for rooms in [&mut self.rooms, &mut self.old] {
            if rooms.get(room).is_some_and(|it| it.members.is_empty() && it.nameless == 0) {
                rooms.remove(room);
            }
        }
    }
}
