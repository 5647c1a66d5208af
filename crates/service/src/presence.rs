//! Who is there: the members of channels, on request and to those who asked to be told.
//!
//! A member is a user with a stream that subscribes the channel by its name; a poll is one, too,
//! while it is held. It is not in the log and has no cursor: whoever misses an event is told everything
//! anew.

mod telling;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use sockeye_hub::SubscriberKey;
use sockeye_hub::presence::{Joined, Presence as Members};
use sockeye_server::{SharedEvent, SharedMessage, Time};

use self::turns::Turns;
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
    /// In how many rooms each user is a member. Never walked through.
    users: HashMap<Rc<str>, usize>,
    /// Rooms with something to tell.
    turns: Turns,
    version: u64,
    names_max: usize,
    rooms_per_user: usize,
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
            users: HashMap::new(),
            turns: Turns::default(),
            version: 0,
            names_max: limits.presence_names_max,
            rooms_per_user: limits.presence_channels_per_user,
        }
    }

    /// When something is to be done.
    pub(crate) fn deadline(&self) -> Time {
        let leaves = self.members.next_deadline().map_or(Time::NEVER, Time::from_millis);
        leaves.min(self.turns.deadline())
    }

    /// What is held: nothing, once everybody is gone and their time to come back is over.
    pub(crate) fn held(&self) -> usize {
        let members = self.members.members() + self.users.len();
        self.rooms.len() + self.places.len() + self.turns.len() + members
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
        let user = user.filter(|user| self.is_welcome(&channel, user));
        let joined = user.map(|user| (user, self.members.join(&channel, user, ())));
        // [service:presence-bounds] Whom there is no room for is counted without a name.
        let user: Option<Rc<str>> =
            joined.and_then(|(user, joined)| joined.is_ok().then(|| user.into()));
        // [service:presence-grace] Who has come back in time never left.
        let arrived = user.as_ref().filter(|_| matches!(joined, Some((_, Ok(Joined::Arrived)))));
        if let Some(user) = arrived {
            *self.users.entry(Rc::clone(user)).or_default() += 1;
        }
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.streams += 1;
        }
        self.note(&channel, arrived.map(|user| (user, true)), now);
        if watch == Watch::Yes
            && let Some(room) = self.rooms.get_mut(&channel)
        {
            room.watchers.insert(key);
        }
        let owed = watch == Watch::Yes;
        self.places.entry(key).or_default().push(Place { channel, user, watch, owed });
    }

    /// [service:presence-bounds] Whether a user may be a member there, as far as others of them go.
    fn is_welcome(&self, channel: &str, user: &str) -> bool {
        let rooms = self.users.get(user).copied().unwrap_or_default();
        rooms < self.rooms_per_user || self.members.has(channel, user)
    }

    /// A user who is a member has another grace time, if nothing of it is there.
    fn renew(&mut self, channel: &str, user: &str, grace_ms: u64, now: Time) {
        if self.members.has(channel, user) {
            let known = self.members.join(channel, user, ());
            debug_assert_eq!(known, Ok(Joined::Known), "it is a member");
            self.members.leave(channel, user, grace_ms, now.as_millis());
        }
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
            }
        }
        self.note(&channel, None, now);
        self.sweep(&channel);
    }

    /// Those whose time to come back is over have left.
    fn expire(&mut self, now: Time) {
        while let Some(left) = self.members.expire(now.as_millis()) {
            if let Some(rooms) = self.users.get_mut(&left.member) {
                *rooms -= 1;
                if *rooms == 0 {
                    self.users.remove(&left.member);
                }
            }
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
            self.turns.add(room.due, channel);
        }
    }

    /// Forgets a channel that nobody is in or may come back to.
    fn sweep(&mut self, channel: &Rc<str>) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        if room.watchers.is_empty() {
            self.turns.remove(room.due, channel);
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
        let size = |channel: &str| self.rooms.get(channel).map_or(0, |room| room.watchers.len());
        let channel = self.turns.next(size, limits.presence_events_per_second, now)?;
        let room = self.rooms.get_mut(&channel)?;
        (room.due, room.rested) = (Time::NEVER, now + room.rest_ms(limits));
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
}

impl Room {
    /// [service:presence-coalesced] How long it rests once its watchers were told. Not those of other
    /// rooms: a crowd elsewhere that nobody comes to or goes from costs nothing.
    fn rest_ms(&self, limits: &Limits) -> u64 {
        let per_second = limits.presence_events_per_second.max(1);
        let watchers = self.watchers.len() as u64;
        limits.presence_interval_ms.max(watchers.saturating_mul(1_000) / per_second)
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
mod tests;
