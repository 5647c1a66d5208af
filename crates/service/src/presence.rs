//! Who is there: the members of channels, on request and to those who asked to be told.
//!
//! A member is a user with a stream that subscribes the channel by its name; a poll is one, too. It is
//! not in the log and has no cursor: whoever misses an event is told everything anew.

mod telling;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use sockeye_hub::SubscriberKey;
use sockeye_hub::presence::{Joined, Presence as Members};
use sockeye_server::{SharedEvent, SharedMessage, Time};

use crate::Limits;
use crate::wire::{self, Control};

/// Whether a stream is told who comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Yes,
    No,
}

/// The members of all channels.
#[derive(Debug)]
pub(crate) struct Presence {
    members: Members<()>,
    /// Channels with a stream, a watcher or a member that may come back. Never walked through.
    rooms: HashMap<Rc<str>, Room>,
    /// What each stream is in. Never walked through.
    places: HashMap<SubscriberKey, Vec<Place>>,
    /// Rooms with something to tell, by when.
    due: BTreeSet<(Time, Rc<str>)>,
    /// Watchers of all rooms.
    watchers: u64,
    version: u64,
    names_max: usize,
}

/// A channel.
#[derive(Debug)]
struct Room {
    streams: u64,
    watchers: BTreeSet<SubscriberKey>,
    version: u64,
    /// Who has come or gone since watchers were told, and whether they are there now.
    changed: BTreeMap<Rc<str>, bool>,
    /// More of them than are named: everything is told anew.
    anew: bool,
    /// When watchers are told next; `NEVER` if there is nothing to tell.
    due: Time,
    /// When they may be told again.
    rested: Time,
}

/// A stream in a channel.
#[derive(Debug)]
struct Place {
    channel: Rc<str>,
    /// As which member it is counted.
    user: Option<Rc<str>>,
    watch: Watch,
    /// It has not been told who is there, or has missed something of it.
    owed: bool,
}

impl Presence {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            members: Members::new(limits.presence.clone()),
            rooms: HashMap::new(),
            places: HashMap::new(),
            due: BTreeSet::new(),
            watchers: 0,
            version: 0,
            names_max: limits.presence_names_max,
        }
    }

    /// When something is to be done.
    pub(crate) fn deadline(&self) -> Time {
        let leaves = self.members.next_deadline().map_or(Time::NEVER, Time::from_millis);
        self.due.first().map_or(leaves, |(due, _)| leaves.min(*due))
    }

    /// What is held: nothing, once everybody is gone and their time to come back is over.
    pub(crate) fn held(&self) -> usize {
        self.rooms.len() + self.places.len() + self.due.len() + self.members.members()
    }

    /// A stream comes into a channel, as a user if it is one.
    fn join(
        &mut self,
        key: SubscriberKey,
        channel: &str,
        user: Option<&str>,
        watch: Watch,
        now: Time,
    ) {
        let channel = self.room(channel, now);
        let joined = user.map(|user| (user, self.members.join(&channel, user, ())));
        // [service:presence-bounds] Whom there is no room for is counted without a name.
        let user: Option<Rc<str>> =
            joined.and_then(|(user, joined)| joined.is_ok().then(|| user.into()));
        // [service:presence-grace] Who has come back in time never left.
        let arrived = user.as_ref().filter(|_| matches!(joined, Some((_, Ok(Joined::Arrived)))));
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.streams += 1;
        }
        self.note(&channel, arrived.map(|user| (user, true)), now);
        if watch == Watch::Yes {
            self.watchers += 1;
            if let Some(room) = self.rooms.get_mut(&channel) {
                room.watchers.insert(key);
            }
        }
        let owed = watch == Watch::Yes;
        self.places.entry(key).or_default().push(Place { channel, user, watch, owed });
    }

    /// A stream goes from a channel. Its user is there for `grace_ms` more, if nothing else of it is.
    fn leave(&mut self, key: SubscriberKey, place: Place, grace_ms: u64, now: Time) {
        let Place { channel, user, watch, owed: _ } = place;
        if let Some(user) = user {
            self.members.leave(&channel, &user, grace_ms, now.as_millis());
        }
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.streams -= 1;
            if watch == Watch::Yes {
                room.watchers.remove(&key);
                self.watchers -= 1;
            }
        }
        self.note(&channel, None, now);
        self.sweep(&channel);
    }

    /// Those whose time to come back is over have left.
    fn expire(&mut self, now: Time) {
        while let Some(left) = self.members.expire(now.as_millis()) {
            self.note(&left.room, Some((&left.member, false)), now);
            self.sweep(&left.room);
        }
    }

    fn room(&mut self, channel: &str, now: Time) -> Rc<str> {
        if let Some((channel, _)) = self.rooms.get_key_value(channel) {
            return Rc::clone(channel);
        }
        let channel: Rc<str> = channel.into();
        let room = Room {
            streams: 0,
            watchers: BTreeSet::new(),
            version: 0,
            changed: BTreeMap::new(),
            anew: false,
            due: Time::NEVER,
            rested: now,
        };
        self.rooms.insert(Rc::clone(&channel), room);
        channel
    }

    /// Something has changed in a channel; watchers are told once they may be.
    fn note(&mut self, channel: &Rc<str>, user: Option<(&Rc<str>, bool)>, now: Time) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        self.version += 1;
        room.version = self.version;
        if room.watchers.is_empty() {
            return;
        }
        if let Some((user, is_there)) = user.filter(|_| !room.anew) {
            room.changed.insert(Rc::clone(user), is_there);
        }
        // [service:presence-bounds]
        if room.changed.len() > self.names_max {
            room.anew = true;
            room.changed.clear();
        }
        if room.due == Time::NEVER {
            room.due = now.max(room.rested);
            self.due.insert((room.due, Rc::clone(channel)));
        }
    }

    /// Forgets a channel that nobody is in or may come back to.
    fn sweep(&mut self, channel: &Rc<str>) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        if room.watchers.is_empty() {
            self.due.remove(&(room.due, Rc::clone(channel)));
            (room.due, room.anew) = (Time::NEVER, false);
            room.changed.clear();
        }
        if room.streams == 0 && self.members.count(channel) == 0 {
            self.rooms.remove(channel);
        }
    }

    /// What is known of a channel, but for the names.
    fn state<'c>(&self, channel: &'c str) -> wire::Presence<'c> {
        let (version, streams) =
            self.rooms.get(channel).map_or((self.version, 0), |room| (room.version, room.streams));
        let users = self.members.count(channel) as u64;
        let (joined, left): (&[_], &[_]) = (&[], &[]);
        wire::Presence { channel, version, users, streams, fresh: true, joined, left, more: false }
    }

    /// Everybody who is there, as far as one event names them.
    fn all(&self, channel: &str, say: impl FnOnce(&Control<'_>)) {
        let names: Vec<&str> =
            self.members.list(channel, None, self.names_max).map(|(name, ..)| name).collect();
        let state = self.state(channel);
        let more = state.users > names.len() as u64;
        say(&Control::Presence(wire::Presence { joined: &names, more, ..state }));
    }

    /// The next channel whose watchers are to be told now, what they are told, and who they are.
    fn next(&mut self, limits: &Limits, now: Time) -> Option<(Rc<str>, Told, Vec<SubscriberKey>)> {
        let (_, channel) = self.due.first().filter(|(due, _)| *due <= now)?.clone();
        self.due.pop_first();
        let rest_ms = self.rest_ms(limits);
        let room = self.rooms.get_mut(&channel)?;
        (room.due, room.rested) = (Time::NEVER, now + rest_ms);
        let changed = core::mem::take(&mut room.changed);
        let anew = core::mem::take(&mut room.anew);
        let watchers = room.watchers.iter().copied().collect();
        let mut told = None;
        if anew {
            self.all(&channel, |control| told = Some(Told::new(control)));
        } else {
            let of = |there| {
                let of = changed.iter().filter(move |(_, is_there)| **is_there == there);
                of.map(|(name, _)| &**name).collect::<Vec<&str>>()
            };
            let (joined, left) = (of(true), of(false));
            let state = self.state(&channel);
            let state = wire::Presence { fresh: false, joined: &joined, left: &left, ..state };
            told = Some(Told::new(&Control::Presence(state)));
        }
        told.map(|told| (channel, told, watchers))
    }

    /// [service:presence-coalesced] How long a channel rests once its watchers were told: as if all
    /// were told each time.
    fn rest_ms(&self, limits: &Limits) -> u64 {
        let per_second = limits.presence_events_per_second.max(1);
        limits.presence_interval_ms.max(self.watchers.saturating_mul(1_000) / per_second)
    }
}

/// What all watchers of a channel are told: written once.
struct Told {
    event: SharedEvent,
    message: SharedMessage,
}

impl Told {
    fn new(control: &Control<'_>) -> Self {
        let mut text = String::new();
        let event = SharedEvent::new(&control.event(&mut text));
        let mut text = String::new();
        control.write_json(&mut text);
        Self { event, message: SharedMessage::text(&text) }
    }
}

impl Presence {
    /// A stream has missed what its channel was told.
    fn owe(&mut self, key: SubscriberKey, channel: &str) {
        self.set_owed(key, channel, true);
    }

    /// A stream has been told everything.
    fn paid(&mut self, key: SubscriberKey, channel: &str) {
        self.set_owed(key, channel, false);
    }

    fn set_owed(&mut self, key: SubscriberKey, channel: &str, owed: bool) {
        let places = self.places.get_mut(&key).into_iter().flatten();
        for place in places.filter(|place| *place.channel == *channel) {
            place.owed = owed;
        }
    }

    fn is_owed(&self, key: SubscriberKey, channel: &str) -> bool {
        let mut places = self.places.get(&key).into_iter().flatten();
        places.any(|place| place.owed && *place.channel == *channel)
    }

    /// A channel of which a stream is to be told everything.
    fn owed(&self, key: SubscriberKey) -> Option<Rc<str>> {
        let mut places = self.places.get(&key)?.iter();
        places.find(|place| place.owed).map(|place| Rc::clone(&place.channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_hub::{Config, Epoch, Hub};

    fn keys(count: usize) -> Vec<SubscriberKey> {
        let mut hub: Hub<()> = Hub::new(Epoch(1), Config::default());
        (0..count).map(|_| hub.connect().unwrap()).collect()
    }

    fn leave(presence: &mut Presence, key: SubscriberKey, grace_ms: u64, now: Time) {
        for place in presence.places.remove(&key).unwrap() {
            presence.leave(key, place, grace_ms, now);
        }
    }

    /// [service:presence-coalesced] Ten thousand who come one after the other, each told of the others.
    #[test]
    fn a_crowd_is_told_of_itself_at_a_rate() {
        const CROWD: u64 = 10_000;
        let limits = Limits::default();
        let mut presence = Presence::new(&limits);
        let keys = keys(10_000);
        let (mut told, mut now) = (0, Time::from_millis(0));
        // A thousand a second, and then nobody for a while.
        for at in 0..CROWD * 3 {
            now = Time::from_millis(at);
            if let Some(key) = usize::try_from(at).ok().and_then(|at| keys.get(at)) {
                presence.join(*key, "room", Some(&format!("user{at}")), Watch::Yes, now);
            }
            while let Some((_, _, watchers)) = presence.next(&limits, now) {
                told += watchers.len() as u64;
            }
        }
        assert_eq!(presence.due.len(), 0, "all has been told");
        assert!((CROWD..=CROWD * 20).contains(&told), "{told}");
        assert_eq!(presence.state("room").users, CROWD);
        // They all go at once: one more event, to nobody.
        for key in keys {
            leave(&mut presence, key, 5, now);
        }
        assert_eq!(presence.next(&limits, now + 60_000).map(|_| ()), None);
        presence.expire(now + 5);
        assert_eq!(presence.held(), 0);
    }

    /// [service:presence-bounds]
    #[test]
    fn names_are_bounded() {
        let mut limits = Limits { presence_names_max: 2, ..Limits::default() };
        limits.presence.room_members_max = 3;
        let mut presence = Presence::new(&limits);
        let (keys, now) = (keys(6), Time::from_millis(0));
        presence.join(keys[0], "a", None, Watch::Yes, now);
        for (key, user) in keys[1..].iter().zip(["a", "b", "c", "d", "e"]) {
            presence.join(*key, "a", Some(user), Watch::No, now);
        }
        let state = presence.state("a");
        assert_eq!((state.users, state.streams), (3, 6), "two more without a name");
        assert!(presence.rooms["a"].anew && presence.rooms["a"].changed.is_empty());
        presence.all("a", |control| {
            let Control::Presence(it) = control else { panic!("{control:?}") };
            assert_eq!((it.joined, it.more, it.fresh), (&["a", "b"][..], true, true));
        });
        for key in keys {
            leave(&mut presence, key, 0, now);
        }
        presence.expire(now);
        assert_eq!(presence.held(), 0);
    }

    #[test]
    fn what_happens_between_two_events_is_told_by_how_it_ends() {
        let limits = Limits::default();
        let mut presence = Presence::new(&limits);
        let (keys, now) = (keys(3), Time::from_millis(0));
        presence.join(keys[0], "a", None, Watch::Yes, now);
        presence.join(keys[1], "a", Some("ann"), Watch::No, now);
        leave(&mut presence, keys[1], 0, now);
        presence.expire(now);
        presence.join(keys[2], "a", Some("bob"), Watch::No, now);
        let room = &presence.rooms["a"];
        let changed: Vec<(&str, bool)> = room.changed.iter().map(|(it, is)| (&**it, *is)).collect();
        assert_eq!(changed, [("ann", false), ("bob", true)]);
        assert!(presence.next(&limits, now).is_some());
        assert_eq!(presence.deadline(), Time::NEVER);
        // Not again before it has rested.
        leave(&mut presence, keys[2], 0, now + 1);
        presence.expire(now + 1);
        assert_eq!(presence.deadline(), now + 1_000);
        assert!(presence.next(&limits, now + 999).is_none());
        assert!(presence.next(&limits, now + 1_000).is_some());
    }
}
