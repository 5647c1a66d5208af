//! Presence: the members of rooms, with a grace time before a leave is announced.
//!
//! It is separate from the hub, because presence has no history and no order. The layer above
//! announces arrivals and leaves on a channel of its own.

mod elsewhere;
mod report;

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

pub use self::elsewhere::{Change, Elsewhere};
pub use self::report::{Batch, Report, RoomBatch};

/// Bounds of a [`Presence`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Members of one room, including those in their grace time.
    pub room_members_max: usize,
    /// Members of all rooms together.
    pub members_max: usize,
    /// Longest name of a member, in bytes.
    pub member_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { room_members_max: 10_000, members_max: 100_000, member_bytes_max: 128 }
    }
}

/// Why a member could not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The room is full.
    Room,
    /// All rooms together are full.
    Members,
    /// The member's name is empty or too long.
    Name,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Room => "the room is full",
            Self::Members => "all rooms together are full",
            Self::Name => "the member's name is empty or too long",
        })
    }
}

impl core::error::Error for Refusal {}

/// The result of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Joined {
    /// The member is new. Announce it.
    Arrived,
    /// The member was there already, through another connection or in its grace time. Announce
    /// nothing.
    Known,
}

/// A member whose grace time is over. Announce that it has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left<I> {
    /// The room.
    pub room: Arc<str>,
    /// The member.
    pub member: Arc<str>,
    /// The member's information.
    pub info: I,
}

/// The members of all rooms. A member may have several connections in a room.
///
/// `I` is the information shown to other members. Joins, leaves and expiries cost the logarithm of
/// a room's members and of those in their grace time.
#[derive(Debug)]
pub struct Presence<I> {
    limits: Limits,
    /// Never iterated.
    rooms: HashMap<Arc<str>, BTreeMap<Arc<str>, Member<I>>>,
    leaving: BTreeSet<(u64, Arc<str>, Arc<str>)>,
    members: usize,
}

#[derive(Debug)]
struct Member<I> {
    info: I,
    connections: u32,
    /// When its grace time is over, if it has no connection.
    leaves_at: Option<u64>,
}

impl<I> Presence<I> {
    /// No rooms, and no members.
    pub fn new(limits: Limits) -> Self {
        Self { limits, rooms: HashMap::new(), leaving: BTreeSet::new(), members: 0 }
    }

    /// Adds a connection of `member` to `room`. The newest connection's `info` replaces the
    /// member's.
    ///
    /// # Errors
    /// [`Refusal`] if a limit is reached or the name is invalid.
    pub fn join(&mut self, room: &str, member: &str, info: I) -> Result<Joined, Refusal> {
        if member.is_empty() || member.len() > self.limits.member_bytes_max {
            return Err(Refusal::Name);
        }
        if let Some(members) = self.rooms.get_mut(room) {
            if let Some((name, known)) = find(members, member) {
                known.info = info;
                known.connections += 1;
                if let Some(at) = known.leaves_at.take() {
                    let (room, _) = self.rooms.get_key_value(room).expect("it was just there");
                    self.leaving.remove(&(at, Arc::clone(room), name));
                }
                return Ok(Joined::Known);
            }
            if members.len() >= self.limits.room_members_max {
                return Err(Refusal::Room);
            }
        }
        if self.members >= self.limits.members_max || self.limits.room_members_max == 0 {
            return Err(Refusal::Members);
        }
        if !self.rooms.contains_key(room) {
            self.rooms.insert(room.into(), BTreeMap::new());
        }
        let members = self.rooms.get_mut(room).expect("it was just made");
        members.insert(member.into(), Member { info, connections: 1, leaves_at: None });
        self.members += 1;
        Ok(Joined::Arrived)
    }

    /// Removes a connection of `member` from `room`; false if there was none.
    ///
    /// Removing the last connection starts the grace time. A member that joins again in time has not
    /// left. When the grace time ends, [`expire`](Self::expire) returns the member.
    pub fn leave(&mut self, room: &str, member: &str, grace_ms: u64, now_ms: u64) -> bool {
        let Some((room, _)) = self.rooms.get_key_value(room) else { return false };
        let room = Arc::clone(room);
        let members = self.rooms.get_mut(&room).expect("it was just there");
        let Some((name, member)) = find(members, member) else { return false };
        if member.connections == 0 {
            return false;
        }
        member.connections -= 1;
        if member.connections == 0 {
            let at = now_ms.saturating_add(grace_ms);
            member.leaves_at = Some(at);
            self.leaving.insert((at, room, name));
        }
        true
    }

    /// Removes and returns the next member whose grace time is over.
    pub fn expire(&mut self, now_ms: u64) -> Option<Left<I>> {
        self.leaving.first().filter(|(at, ..)| *at <= now_ms)?;
        let (_, room, name) = self.leaving.pop_first()?;
        let members = self.rooms.get_mut(&room).expect("who leaves is in a room");
        let member = members.remove(&name).expect("who leaves is in the room");
        if members.is_empty() {
            self.rooms.remove(&room);
        }
        self.members -= 1;
        Some(Left { room, member: name, info: member.info })
    }

    /// When the next grace time is over.
    pub fn next_deadline(&self) -> Option<u64> {
        self.leaving.first().map(|(at, ..)| *at)
    }

    /// The number of a room's members, including those in their grace time.
    pub fn count(&self, room: &str) -> usize {
        self.rooms.get(room).map_or(0, BTreeMap::len)
    }

    /// Whether somebody is a member of a room, members in their grace time included.
    pub fn has(&self, room: &str, member: &str) -> bool {
        self.rooms.get(room).is_some_and(|members| members.contains_key(member))
    }

    /// The connections of a member of a room, none in its grace time; `None` if it is not one.
    pub fn connections(&self, room: &str, member: &str) -> Option<u32> {
        self.rooms.get(room)?.get(member).map(|member| member.connections)
    }

    /// The bounds.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Members of all rooms.
    pub const fn members(&self) -> usize {
        self.members
    }

    /// Rooms with a member.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// A page of a room's members: the first `limit` names after `after`, each with its number of
    /// connections. A member in its grace time has none.
    pub fn list<'a>(
        &'a self,
        room: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Iterator<Item = (&'a str, u32, &'a I)> + use<'a, I> {
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let page = self.rooms.get(room).map(|members| members.range::<str, _>(from));
        let page = page.into_iter().flatten().take(limit);
        page.map(|(name, member)| (&**name, member.connections, &member.info))
    }
}

fn find<'m, I>(
    members: &'m mut BTreeMap<Arc<str>, Member<I>>,
    name: &str,
) -> Option<(Arc<str>, &'m mut Member<I>)> {
    let name = members.get_key_value(name).map(|(name, _)| Arc::clone(name))?;
    match members.entry(Arc::clone(&name)) {
        Slot::Occupied(slot) => Some((name, slot.into_mut())),
        Slot::Vacant(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(limits: Limits) -> Presence<u8> {
        Presence::new(limits)
    }

    fn names(
        presence: &Presence<u8>,
        room: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<String> {
        presence.list(room, after, limit).map(|(name, ..)| name.to_owned()).collect()
    }

    #[test]
    fn a_leave_is_announced_after_the_grace_time_and_not_before() {
        let mut presence = presence(Limits::default());
        assert_eq!(presence.join("r", "ann", 1), Ok(Joined::Arrived));
        assert!(presence.leave("r", "ann", 5_000, 100));
        assert_eq!((presence.count("r"), presence.next_deadline()), (1, Some(5_100)));
        assert!(presence.has("r", "ann") && !presence.has("r", "bob") && !presence.has("s", "ann"));
        assert_eq!(presence.expire(5_099), None);
        let left = presence.expire(5_100).expect("the time is over");
        assert_eq!((&*left.room, &*left.member, left.info), ("r", "ann", 1));
        assert_eq!(presence.expire(u64::MAX), None);
        assert_eq!((presence.members(), presence.rooms(), presence.next_deadline()), (0, 0, None));
    }

    #[test]
    fn who_comes_back_in_time_never_left() {
        let mut presence = presence(Limits::default());
        assert_eq!(presence.join("r", "ann", 1), Ok(Joined::Arrived));
        assert!(presence.leave("r", "ann", 5_000, 100));
        assert_eq!(presence.join("r", "ann", 2), Ok(Joined::Known));
        assert_eq!((presence.expire(u64::MAX), presence.next_deadline()), (None, None));
        assert_eq!(presence.list("r", None, 9).collect::<Vec<_>>(), [("ann", 1, &2)]);
    }

    #[test]
    fn the_last_connection_counts() {
        let mut presence = presence(Limits::default());
        assert_eq!(presence.join("r", "ann", 1), Ok(Joined::Arrived));
        assert_eq!(presence.join("r", "ann", 1), Ok(Joined::Known));
        assert!(presence.leave("r", "ann", 5_000, 0));
        assert_eq!(presence.expire(u64::MAX), None);
        assert!(presence.leave("r", "ann", 5_000, 0));
        assert!(!presence.leave("r", "ann", 5_000, 0), "nobody is left to leave");
        assert!(!presence.leave("r", "bob", 5_000, 0) && !presence.leave("s", "ann", 5_000, 0));
        assert!(presence.expire(u64::MAX).is_some());
    }

    #[test]
    fn bounds() {
        let limits = Limits { room_members_max: 2, members_max: 3, ..Limits::default() };
        let mut presence = presence(limits);
        assert_eq!(presence.join("r", "", 0), Err(Refusal::Name));
        assert_eq!(presence.join("r", &"x".repeat(129), 0), Err(Refusal::Name));
        for name in ["a", "b"] {
            assert_eq!(presence.join("r", name, 0), Ok(Joined::Arrived));
        }
        assert_eq!(presence.join("r", "c", 0), Err(Refusal::Room));
        assert_eq!(presence.join("s", "a", 0), Ok(Joined::Arrived));
        assert_eq!(presence.join("t", "a", 0), Err(Refusal::Members));
        assert_eq!((presence.members(), presence.rooms()), (3, 2), "a refused join leaves nothing");
        assert_eq!(
            presence.join("r", "a", 0),
            Ok(Joined::Known),
            "who is there may be there twice"
        );
    }

    #[test]
    fn lists_come_in_pages() {
        let mut presence = presence(Limits::default());
        for name in ["d", "b", "a", "c"] {
            assert_eq!(presence.join("r", name, 0), Ok(Joined::Arrived));
        }
        assert_eq!(names(&presence, "r", None, 2), ["a", "b"]);
        assert_eq!(names(&presence, "r", Some("b"), 9), ["c", "d"]);
        assert_eq!(names(&presence, "r", Some("d"), 9), [""; 0]);
        assert_eq!(names(&presence, "s", None, 9), [""; 0]);
    }
}
