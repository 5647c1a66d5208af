//! Presence: the members of channels, for requests and for watchers.
//!
//! A member is a user with a stream that subscribes the channel by name, or with a held poll.
//! Presence is not in the log and has no cursor: a watcher that misses an event gets the whole list
//! again.

mod census;
mod nodes;
mod registry;
mod sharing;
mod streams;
mod telling;
mod turns;

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sockeye_hub::SubscriberKey;
use sockeye_server::Time;

pub(crate) use self::census::Census;
use self::census::{Came, News, State};
use self::registry::Changed;
pub(crate) use self::registry::Registry;
use self::sharing::Sharing;
use self::turns::Turns;
use crate::engine::Limits;
use crate::engine::shared_state::WakeOne;

/// Members whose grace time is over, or channels with news of other services, that a step takes in.
const STEP_CHANGES: usize = 100;

/// Whether a stream watches presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// It gets presence events.
    Yes,
    /// It gets none.
    No,
}

/// A presence event: the members of a channel, or what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roster<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Grows with each change: of two events, the lower one is older.
    pub version: u64,
    /// Users, with those in their grace time.
    pub users: u64,
    /// Streams, with a user or without.
    pub streams: u64,
    /// The client drops what it knew: `joined` says who is there.
    pub fresh: bool,
    /// Users who are there now. Some may have been there before.
    pub joined: &'a [&'a str],
    /// Users who are not there any more.
    pub left: &'a [&'a str],
    /// There are more users than `joined` names.
    pub more: bool,
}

/// The presence of this service's streams: a local copy in front of the registry that all services
/// share.
#[derive(Debug)]
pub(crate) struct Presence {
    registry: Arc<dyn Registry>,
    /// The number of this service, of those that share the registry.
    me: usize,
    others: Option<Others>,
    /// Channels with a stream of this service. Never iterated.
    rooms: HashMap<Arc<str>, Room>,
    /// The channels of each stream. Never iterated.
    places: HashMap<SubscriberKey, Vec<Place>>,
    /// Channels that have an event to send.
    turns: Turns,
    names_max: usize,
    /// When the next grace time is over, as far as this service has to see to it.
    leaves: Time,
    /// The number of the latest event.
    events: u64,
    /// What the other nodes of the log are to be told.
    sharing: Sharing,
}

/// The services that share a registry, and how each learns that it has news.
#[derive(Clone)]
pub(crate) struct Others {
    pub(crate) wake: WakeOne,
    /// Whether each service has news.
    pub(crate) mail: Arc<[AtomicBool]>,
}

impl Others {
    /// Tells a service that it has news.
    fn notify(&self, other: usize) {
        self.mail[other].store(true, Ordering::Release);
        (self.wake)(other);
    }
}

impl core::fmt::Debug for Others {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Others").field("mail", &self.mail).finish_non_exhaustive()
    }
}

/// A channel with a stream of this service.
#[derive(Debug)]
struct Room {
    streams: u64,
    watchers: BTreeSet<SubscriberKey>,
    news: News,
    /// When its watchers get the next event; `NEVER` if nothing has changed.
    due: Time,
    /// From when on they may get one.
    rested: Time,
}

/// A stream in a channel.
#[derive(Debug)]
struct Place {
    channel: Arc<str>,
    /// The member that it is counted as.
    user: Option<Arc<str>>,
    watch: Watch,
    /// It needs the whole list: it has not got one yet, or missed an event.
    owed: bool,
    /// It came, or was sent the whole list, behind the event with this number: it gets later ones only.
    behind: u64,
}

/// A presence event that is sent to the watchers of a channel, in steps.
#[derive(Debug)]
pub(super) struct Telling<A> {
    number: u64,
    channel: Arc<str>,
    told: A,
    /// The watcher that was looked at last.
    after: Option<SubscriberKey>,
}

impl Presence {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            registry: Arc::new(Mutex::new(Census::new(limits, 1))),
            me: 0,
            others: None,
            rooms: HashMap::new(),
            places: HashMap::new(),
            turns: Turns::default(),
            names_max: limits.presence_names_max,
            leaves: Time::NEVER,
            events: 0,
            sharing: Sharing::default(),
        }
    }

    /// Shares a registry with other services, among which it has the number `me`.
    pub(crate) fn share(&mut self, registry: Arc<dyn Registry>, me: usize, others: Others) {
        (self.registry, self.me, self.others) = (registry, me, Some(others));
    }

    /// When the next thing is due.
    pub(crate) fn deadline(&self) -> Time {
        self.leaves.min(self.turns.deadline()).min(self.tell_deadline())
    }

    /// The items that are held: none, once all streams are gone and all grace times are over.
    pub(crate) fn held(&self) -> usize {
        self.rooms.len() + self.places.len() + self.turns.len() + self.registry.held()
    }

    /// Changes the registry, and wakes the services that have news of it.
    fn change<R>(&mut self, change: impl FnOnce(&dyn Registry, usize) -> Changed<R>) -> R {
        let Changed { done, woken, next_leave, tells } = change(self.registry.as_ref(), self.me);
        self.leaves = next_leave;
        if let Some(all) = &self.others {
            woken.into_iter().for_each(|other| all.notify(other));
        }
        if tells {
            self.want_to_tell();
        }
        done
    }

    /// Adds a stream to a channel, as a member if it has a user.
    fn join(
        &mut self,
        key: SubscriberKey,
        channel: &str,
        user: Option<&str>,
        watch: Watch,
        now: Time,
    ) {
        let channel = self.room(channel, now);
        let joined = self.change(|registry, me| registry.join(&channel, user, me));
        let Came { user, arrived } = joined;
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.streams += 1;
        }
        self.note(&channel, user.as_ref().filter(|_| arrived).map(|user| (user, true)), now);
        if watch == Watch::Yes
            && let Some(room) = self.rooms.get_mut(&channel)
        {
            room.watchers.insert(key);
            self.change(|registry, me| registry.watch(&channel, me));
        }
        let owed = watch == Watch::Yes;
        let behind = self.events;
        self.places.entry(key).or_default().push(Place { channel, user, watch, owed, behind });
    }

    /// Gives a member who has no stream in the channel another grace time.
    fn renew(&mut self, channel: &str, user: &str, grace_ms: u64, now: Time) {
        let times = (grace_ms, now.as_millis());
        self.change(|registry, me| registry.renew(channel, user, times, me));
    }

    /// Removes a stream from a channel. Its user, if it has no other stream there, stays for
    /// `grace_ms`.
    fn leave(&mut self, key: SubscriberKey, place: Place, grace_ms: u64, now: Time) {
        let Place { channel, user, watch, owed: _, behind: _ } = place;
        let ms = now.as_millis();
        self.change(|registry, me| registry.leave(&channel, user.as_deref(), grace_ms, ms, me));
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.streams -= 1;
            if watch == Watch::Yes {
                room.watchers.remove(&key);
                if room.watchers.is_empty() {
                    self.change(|registry, me| registry.look_away(&channel, me));
                }
            }
        }
        self.note(&channel, None, now);
        self.sweep(&channel);
    }

    /// Removes some members whose grace time is over, and returns their number. Others may be left.
    fn expire(&mut self, now: Time) -> usize {
        if self.leaves > now {
            return 0;
        }
        let left = self.change(|registry, me| registry.expire(now.as_millis(), STEP_CHANGES, me));
        let count = left.len();
        for (channel, user) in left {
            self.note(&channel, user.as_ref().map(|(user, there)| (user, *there)), now);
            self.sweep(&channel);
        }
        count
    }

    /// Takes in changes that other services have seen, in some channels. Returns the number of channels.
    /// Others may be left.
    pub(crate) fn hear(&mut self, now: Time) -> usize {
        let Some(others) = &self.others else { return 0 };
        let mail = Arc::clone(&others.mail);
        if !mail[self.me].swap(false, Ordering::Acquire) {
            return 0;
        }
        self.look_whether_to_tell();
        for count in 0..STEP_CHANGES {
            let Some((channel, news)) = self.registry.take_mail(self.me) else { return count };
            let Some(room) = self.rooms.get_mut(&channel) else { continue };
            if !room.watchers.is_empty() {
                room.news.add(news, self.names_max);
                self.tell_in_turn(&channel, now);
            }
        }
        mail[self.me].store(true, Ordering::Release);
        STEP_CHANGES
    }

    /// The channels that a stream is in.
    pub(crate) fn places(&self, key: SubscriberKey) -> usize {
        self.places.get(&key).map_or(0, Vec::len)
    }

    fn room(&mut self, channel: &str, now: Time) -> Arc<str> {
        if let Some((channel, _)) = self.rooms.get_key_value(channel) {
            return Arc::clone(channel);
        }
        let channel: Arc<str> = channel.into();
        let room = Room {
            streams: 0,
            watchers: BTreeSet::new(),
            news: News::default(),
            due: Time::NEVER,
            rested: now,
        };
        self.rooms.insert(Arc::clone(&channel), room);
        channel
    }

    /// Notes a change in a channel. Its watchers get an event once they may.
    fn note(&mut self, channel: &Arc<str>, user: Option<(&Arc<str>, bool)>, now: Time) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        if room.watchers.is_empty() {
            return;
        }
        room.news.note(user, self.names_max);
        self.tell_in_turn(channel, now);
    }

    fn tell_in_turn(&mut self, channel: &Arc<str>, now: Time) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        if room.due == Time::NEVER {
            room.due = now.max(room.rested);
            self.turns.add(room.due, channel);
        }
    }

    /// Forgets a channel without a stream of this service.
    fn sweep(&mut self, channel: &Arc<str>) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        if room.watchers.is_empty() {
            self.turns.remove(room.due, channel);
            (room.due, room.news) = (Time::NEVER, News::default());
        }
        if room.streams == 0 {
            self.rooms.remove(channel);
        }
    }

    /// The counts of a channel, without names.
    pub(crate) fn state<'c>(&self, channel: &'c str) -> Roster<'c> {
        let State { version, streams, users } = self.registry.state(channel);
        let (joined, left): (&[_], &[_]) = (&[], &[]);
        Roster { channel, version, users, streams, fresh: true, joined, left, more: false }
    }

    /// A page of the members, each with the number of its streams.
    pub(crate) fn page(
        &self,
        channel: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(Box<str>, u32)> {
        self.registry.page(channel, after, limit)
    }

    /// Makes an event of the whole list, as far as one event names the members.
    fn all<R>(&self, channel: &str, tell: impl FnOnce(&Roster<'_>) -> R) -> R {
        let state = self.state(channel);
        let names = self.page(channel, None, self.names_max);
        let names: Vec<&str> = names.iter().map(|(name, _)| &**name).collect();
        let more = state.users > names.len() as u64;
        tell(&Roster { joined: &names, more, ..state })
    }

    /// The next event that is to be sent now, of which `tell` makes what is sent.
    fn next<R>(
        &mut self,
        limits: &Limits,
        now: Time,
        tell: impl FnOnce(&Roster<'_>) -> R,
    ) -> Option<Telling<R>> {
        let size = |channel: &str| self.rooms.get(channel).map_or(0, |room| room.watchers.len());
        let channel = self.turns.next(size, limits.presence_events_per_second, now)?;
        let room = self.rooms.get_mut(&channel)?;
        (room.due, room.rested) = (Time::NEVER, now + room.rest_ms(limits));
        let News { changed, anew } = core::mem::take(&mut room.news);
        self.events += 1;
        let (number, after) = (self.events, None);
        if anew {
            let told = self.all(&channel, tell);
            return Some(Telling { number, channel, told, after });
        }
        let of = |there| {
            let of = changed.iter().filter(move |(_, is_there)| **is_there == there);
            of.map(|(name, _)| &**name).collect::<Vec<&str>>()
        };
        let (joined, left) = (of(true), of(false));
        let state = self.state(&channel);
        let told = tell(&Roster { fresh: false, joined: &joined, left: &left, ..state });
        Some(Telling { number, channel, told, after })
    }

    /// The next watchers of an event, `most` of them.
    fn watchers_of<A>(&self, telling: &Telling<A>, most: usize) -> Vec<SubscriberKey> {
        let Some(room) = self.rooms.get(&telling.channel) else { return Vec::new() };
        let from = telling.after.map_or(Bound::Unbounded, Bound::Excluded);
        room.watchers.range((from, Bound::Unbounded)).take(most).copied().collect()
    }

    /// Notes that a stream needs the whole list of a channel: it has missed an event.
    fn set_owed(&mut self, key: SubscriberKey, channel: &str) {
        self.places_in(key, channel).for_each(|place| place.owed = true);
    }

    /// Notes that a stream has the whole list of a channel.
    fn set_whole(&mut self, key: SubscriberKey, channel: &str) {
        let behind = self.events;
        self.places_in(key, channel).for_each(|place| (place.owed, place.behind) = (false, behind));
    }

    fn places_in(&mut self, key: SubscriberKey, channel: &str) -> impl Iterator<Item = &mut Place> {
        let places = self.places.get_mut(&key).into_iter().flatten();
        places.filter(move |place| *place.channel == *channel)
    }

    /// [service:presence-steps] Whether a watcher is to get an event: it does not get the whole list instead, and has none
    /// that is newer.
    fn wants<A>(&self, key: SubscriberKey, telling: &Telling<A>) -> bool {
        let mut places = self.places.get(&key).into_iter().flatten();
        let mut place = places.find(|place| *place.channel == *telling.channel).into_iter();
        place.any(|place| !place.owed && place.behind < telling.number)
    }

    /// A channel of which a stream needs the whole list.
    fn owed(&self, key: SubscriberKey) -> Option<Arc<str>> {
        let mut places = self.places.get(&key)?.iter();
        places.find(|place| place.owed).map(|place| Arc::clone(&place.channel))
    }
}

impl Room {
    /// [service:presence-coalesced] How long a channel rests after an event. Only its own watchers
    /// count: a crowd in another channel, where nobody comes or goes, costs nothing.
    fn rest_ms(&self, limits: &Limits) -> u64 {
        let per_second = limits.presence_events_per_second.max(1);
        let watchers = self.watchers.len() as u64;
        limits.presence_interval_ms.max(watchers.saturating_mul(1_000) / per_second)
    }
}

#[cfg(test)]
mod tests;
