//! The census: the members of every channel. All services of a process share one census.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use sockeye_hub::presence::{Change, Joined, Presence as Members};
use sockeye_server::Time;

use super::nodes::Nodes;
use crate::engine::Limits;

/// The members of all channels, whichever service their streams are at.
#[derive(Debug)]
pub(crate) struct Census {
    pub(super) members: Members<()>,
    /// Channels with a stream, or with a member in its grace time. Never iterated.
    pub(super) rooms: HashMap<Arc<str>, Count>,
    /// The number of channels in which each user is a member. Never iterated.
    users: HashMap<Arc<str>, usize>,
    version: u64,
    rooms_per_user: usize,
    names_max: usize,
    /// The news that each service has for its watchers and has not fetched, by channel.
    mail: Vec<BTreeMap<Arc<str>, News>>,
    /// The channel of which each service has fetched news last.
    mailed: Vec<Arc<str>>,
    /// Services to be woken for their news.
    woken: BTreeSet<usize>,
    /// The other nodes of a log that several machines share.
    pub(super) nodes: Nodes,
}

#[derive(Debug, Default)]
pub(super) struct Count {
    streams: u64,
    /// Those without a member.
    pub(super) nameless: u64,
    version: u64,
    /// Services with a watcher.
    watching: BTreeSet<usize>,
}

/// The changes in a channel since its watchers got an event.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Users who have come or gone, and whether they are there now.
    pub(super) changed: BTreeMap<Arc<str>, bool>,
    /// More users have changed than an event names: watchers get the whole list.
    pub(super) anew: bool,
}

impl News {
    pub(super) fn note(&mut self, user: Option<(&Arc<str>, bool)>, names_max: usize) {
        if let Some((user, is_there)) = user.filter(|_| !self.anew) {
            self.changed.insert(Arc::clone(user), is_there);
        }
        self.bound(names_max);
    }

    pub(super) fn add(&mut self, other: Self, names_max: usize) {
        self.anew |= other.anew;
        self.changed.extend(other.changed);
        self.bound(names_max);
    }

    /// [service:presence-bounds]
    fn bound(&mut self, names_max: usize) {
        self.anew |= self.changed.len() > names_max;
        if self.anew {
            self.changed.clear();
        }
    }
}

/// The result of a join.
pub(crate) struct Came {
    /// The member that the stream is counted as.
    pub(super) user: Option<Arc<str>>,
    /// Whether that member is new.
    pub(super) arrived: bool,
}

/// The counts of a channel, without names.
pub(crate) struct State {
    pub(super) version: u64,
    pub(super) streams: u64,
    pub(super) users: u64,
}

impl Census {
    pub(crate) fn new(limits: &Limits, services: usize) -> Self {
        Self {
            members: Members::new(limits.presence.clone()),
            rooms: HashMap::new(),
            users: HashMap::new(),
            version: 0,
            rooms_per_user: limits.presence_channels_per_user,
            names_max: limits.presence_names_max,
            mail: (0..services).map(|_| BTreeMap::new()).collect(),
            mailed: vec![Arc::default(); services],
            woken: BTreeSet::new(),
            nodes: Nodes::new(limits),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.rooms.len() + self.members.members() + self.users.len() + self.nodes.held()
    }

    /// When the next grace time is over.
    pub(super) fn next_leave(&self) -> Time {
        let here = self.members.next_deadline().map_or(Time::NEVER, Time::from_millis);
        here.min(self.next_gone())
    }

    /// Adds a stream of one service to a channel.
    pub(super) fn join(&mut self, channel: &Arc<str>, user: Option<&str>, from: usize) -> Came {
        let user = user.filter(|user| self.is_welcome(channel, user));
        let joined = user.map(|user| (user, self.members.join(channel, user, ())));
        // [service:presence-bounds] A user for whom there is no room is counted without a name.
        let user: Option<Arc<str>> =
            joined.and_then(|(user, joined)| joined.is_ok().then(|| user.into()));
        // [service:presence-grace] A user who comes back in time never left.
        let is_new = matches!(joined, Some((_, Ok(Joined::Arrived))));
        let new = user.as_ref().filter(|_| is_new);
        if let Some(user) = new {
            *self.users.entry(Arc::clone(user)).or_default() += 1;
        }
        // [service:presence-nodes] Nor does one come who is at another node.
        let new = new.filter(|user| !self.nodes.elsewhere.note_here(channel, user, true));
        let arrived = new.is_some();
        let room = self.rooms.entry(Arc::clone(channel)).or_default();
        room.streams += 1;
        room.nameless += u64::from(user.is_none());
        self.nodes.tell(channel, user.as_deref());
        self.note(channel, new.map(|user| (user, true)), from);
        Came { user, arrived }
    }

    /// [service:presence-bounds] Whether the bound on a user's channels lets the user be a member
    /// here.
    fn is_welcome(&self, channel: &str, user: &str) -> bool {
        let rooms = self.users.get(user).copied().unwrap_or_default();
        let has_room = rooms < self.rooms_per_user && self.has_room_for(channel, user);
        has_room || self.members.has(channel, user)
    }

    /// [service:presence-nodes] The member may be one of another node, and is one of this node, too, from then on.
    pub(super) fn renew(
        &mut self,
        channel: &str,
        user: &str,
        (grace_ms, now_ms): (u64, u64),
        from: usize,
    ) {
        let is_here = self.members.has(channel, user);
        if is_here || self.nodes.elsewhere.has(channel, user) {
            let channel: Arc<str> = channel.into();
            if !is_here {
                self.join(&channel, Some(user), from);
                return self.leave(&channel, Some(user), grace_ms, now_ms, from);
            }
            let known = self.members.join(&channel, user, ());
            debug_assert_eq!(known, Ok(Joined::Known), "it is a member");
            self.members.leave(&channel, user, grace_ms, now_ms);
        }
    }

    /// Removes a stream of one service from a channel.
    pub(super) fn leave(
        &mut self,
        channel: &Arc<str>,
        user: Option<&str>,
        grace_ms: u64,
        now_ms: u64,
        from: usize,
    ) {
        if let Some(user) = user {
            self.members.leave(channel, user, grace_ms, now_ms);
        }
        if let Some(room) = self.rooms.get_mut(channel) {
            room.streams -= 1;
            room.nameless -= u64::from(user.is_none());
        }
        self.nodes.tell(channel, user);
        self.note(channel, None, from);
        self.sweep(channel);
    }

    /// Removes up to `most` members whose grace time is over, or whose node is gone.
    pub(super) fn expire(&mut self, now_ms: u64, most: usize, from: usize) -> Vec<Change> {
        let mut all = Vec::new();
        while all.len() < most
            && let Some(left) = self.members.expire(now_ms)
        {
            if let Some(rooms) = self.users.get_mut(&left.member) {
                *rooms -= 1;
                if *rooms == 0 {
                    self.users.remove(&left.member);
                }
            }
            self.nodes.tell(&left.room, Some(&left.member));
            let is_elsewhere = self.nodes.elsewhere.note_here(&left.room, &left.member, false);
            let user = (!is_elsewhere).then_some((left.member, false));
            self.note(&left.room, user.as_ref().map(|(user, there)| (user, *there)), from);
            self.sweep(&left.room);
            all.push((left.room, user));
        }
        while all.len() < most
            && let Some(change) = self.forget_elsewhere(now_ms, from)
        {
            all.push(change);
        }
        self.forget_streams(most);
        all
    }

    /// Notes that a service has a watcher in a channel.
    pub(super) fn watch(&mut self, channel: &str, from: usize) {
        if let Some(room) = self.rooms.get_mut(channel) {
            room.watching.insert(from);
        }
    }

    /// Notes that a service has no watcher there any more.
    pub(super) fn look_away(&mut self, channel: &str, from: usize) {
        if let Some(room) = self.rooms.get_mut(channel) {
            room.watching.remove(&from);
        }
        self.mail[from].remove(channel);
    }

    /// Takes the news of a service in a channel, which other services have noted for it.
    /// The channels take turns.
    pub(super) fn take_mail(&mut self, to: usize) -> Option<(Arc<str>, News)> {
        let (mail, last) = (&mut self.mail[to], &mut self.mailed[to]);
        let behind = (Bound::Excluded(&**last), Bound::Unbounded);
        let next = mail.range::<str, _>(behind).next().or_else(|| mail.first_key_value());
        *last = Arc::clone(next?.0);
        mail.remove_entry(&**last)
    }

    /// Takes the services to be woken.
    pub(super) fn take_woken(&mut self) -> BTreeSet<usize> {
        core::mem::take(&mut self.woken)
    }

    pub(super) fn state(&self, channel: &str) -> State {
        let room = self.rooms.get(channel);
        let (version, streams) = room.map_or((self.version, 0), |it| (it.version, it.streams));
        let elsewhere = &self.nodes.elsewhere;
        let users = self.members.count(channel) + elsewhere.only(channel);
        State { version, streams: streams + elsewhere.connections(channel), users: users as u64 }
    }

    /// Members by name, the first `limit` after one, each with the streams that it has.
    pub(super) fn page(
        &self,
        channel: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(Box<str>, u32)> {
        let elsewhere = &self.nodes.elsewhere;
        let here = self.members.list(channel, after, limit);
        let mut page: BTreeMap<&str, u64> =
            here.map(|(name, streams, ())| (name, u64::from(streams))).collect();
        for (name, streams) in elsewhere.list(channel, after, limit) {
            *page.entry(name).or_default() += streams;
        }
        let names = page.into_iter().take(limit);
        names
            .map(|(name, streams)| (name.into(), u32::try_from(streams).unwrap_or(u32::MAX)))
            .collect()
    }

    /// Notes a change in a channel, for the other services that have watchers there.
    pub(super) fn note(
        &mut self,
        channel: &Arc<str>,
        user: Option<(&Arc<str>, bool)>,
        from: usize,
    ) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        self.version += 1;
        room.version = self.version;
        for other in room.watching.iter().filter(|it| **it != from) {
            self.mail[*other].entry(Arc::clone(channel)).or_default().note(user, self.names_max);
            self.woken.insert(*other);
        }
    }

    /// Forgets a channel without streams and without members.
    pub(super) fn sweep(&mut self, channel: &Arc<str>) {
        let is_empty = self.rooms.get(channel).is_some_and(|room| room.streams == 0);
        let is_elsewhere = self.nodes.elsewhere.has_room(channel);
        if is_empty && self.members.count(channel) == 0 && !is_elsewhere {
            self.rooms.remove(channel);
        }
    }
}
