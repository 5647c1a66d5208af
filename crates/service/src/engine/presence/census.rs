//! Who is in which channel: one for all services of a process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sockeye_hub::presence::{Joined, Presence as Members};
use sockeye_server::Time;

use crate::engine::limits::Limits;

/// The members of all channels, through whichever service they are there.
#[derive(Debug)]
pub(crate) struct Census {
    members: Members<()>,
    /// Channels with a stream or a member that may come back. Never walked through.
    rooms: HashMap<Arc<str>, Count>,
    /// In how many rooms each user is a member. Never walked through.
    users: HashMap<Arc<str>, usize>,
    version: u64,
    rooms_per_user: usize,
    names_max: usize,
    /// What each service has to tell its watchers, and has not fetched. Only of what these watch.
    mail: Vec<BTreeMap<Arc<str>, News>>,
    /// Services that are to be woken for it.
    woken: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct Count {
    streams: u64,
    version: u64,
    /// Services with a watcher.
    watching: BTreeSet<usize>,
}

/// What has changed in a channel since watchers were told.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Who has come or gone, and whether they are there now.
    pub(super) changed: BTreeMap<Arc<str>, bool>,
    /// More of them than are named: everything is told anew.
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

/// What a join came to.
pub(crate) struct Came {
    /// As which member the stream is counted.
    pub(super) user: Option<Arc<str>>,
    /// That member is new.
    pub(super) arrived: bool,
}

/// What is known of a channel, but for the names.
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
            woken: BTreeSet::new(),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.rooms.len() + self.members.members() + self.users.len()
    }

    /// When a leave is to be announced.
    pub(super) fn next_leave(&self) -> Time {
        self.members.next_deadline().map_or(Time::NEVER, Time::from_millis)
    }

    /// A stream of one service comes into a channel.
    pub(super) fn join(&mut self, channel: &Arc<str>, user: Option<&str>, from: usize) -> Came {
        let user = user.filter(|user| self.is_welcome(channel, user));
        let joined = user.map(|user| (user, self.members.join(channel, user, ())));
        // [service:presence-bounds] Whom there is no room for is counted without a name.
        let user: Option<Arc<str>> =
            joined.and_then(|(user, joined)| joined.is_ok().then(|| user.into()));
        // [service:presence-grace] Who has come back in time never left.
        let arrived = matches!(joined, Some((_, Ok(Joined::Arrived))));
        let new = user.as_ref().filter(|_| arrived);
        if let Some(user) = new {
            *self.users.entry(Arc::clone(user)).or_default() += 1;
        }
        self.rooms.entry(Arc::clone(channel)).or_default().streams += 1;
        self.note(channel, new.map(|user| (user, true)), from);
        Came { user, arrived }
    }

    /// [service:presence-bounds] Whether a user may be a member there, as far as others of them go.
    fn is_welcome(&self, channel: &str, user: &str) -> bool {
        let rooms = self.users.get(user).copied().unwrap_or_default();
        rooms < self.rooms_per_user || self.members.has(channel, user)
    }

    pub(super) fn renew(&mut self, channel: &str, user: &str, grace_ms: u64, now_ms: u64) {
        if self.members.has(channel, user) {
            let known = self.members.join(channel, user, ());
            debug_assert_eq!(known, Ok(Joined::Known), "it is a member");
            self.members.leave(channel, user, grace_ms, now_ms);
        }
    }

    /// A stream of one service goes from a channel.
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
        }
        self.note(channel, None, from);
        self.sweep(channel);
    }

    /// Those whose time to come back is over have left.
    pub(super) fn expire(&mut self, now_ms: u64, from: usize) -> Vec<(Arc<str>, Arc<str>)> {
        let mut all = Vec::new();
        while let Some(left) = self.members.expire(now_ms) {
            if let Some(rooms) = self.users.get_mut(&left.member) {
                *rooms -= 1;
                if *rooms == 0 {
                    self.users.remove(&left.member);
                }
            }
            self.note(&left.room, Some((&left.member, false)), from);
            self.sweep(&left.room);
            all.push((left.room, left.member));
        }
        all
    }

    /// A service has a watcher there.
    pub(super) fn watch(&mut self, channel: &str, from: usize) {
        if let Some(room) = self.rooms.get_mut(channel) {
            room.watching.insert(from);
        }
    }

    /// It has none any more.
    pub(super) fn look_away(&mut self, channel: &str, from: usize) {
        if let Some(room) = self.rooms.get_mut(channel) {
            room.watching.remove(&from);
        }
        self.mail[from].remove(channel);
    }

    /// What a service has to tell its watchers of what others have seen.
    pub(super) fn take_mail(&mut self, to: usize) -> BTreeMap<Arc<str>, News> {
        core::mem::take(&mut self.mail[to])
    }

    /// Who is to be woken for it.
    pub(super) fn take_woken(&mut self) -> BTreeSet<usize> {
        core::mem::take(&mut self.woken)
    }

    pub(super) fn state(&self, channel: &str) -> State {
        let room = self.rooms.get(channel);
        let (version, streams) = room.map_or((self.version, 0), |it| (it.version, it.streams));
        State { version, streams, users: self.members.count(channel) as u64 }
    }

    /// Members by name, the first `limit` after one, each with the streams that it has.
    pub(super) fn page(
        &self,
        channel: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(Box<str>, u32)> {
        let listed = self.members.list(channel, after, limit);
        listed.map(|(name, streams, ())| (name.into(), streams)).collect()
    }

    /// Something has changed in a channel: other services that have watchers are told.
    fn note(&mut self, channel: &Arc<str>, user: Option<(&Arc<str>, bool)>, from: usize) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        self.version += 1;
        room.version = self.version;
        for other in room.watching.iter().filter(|it| **it != from) {
            self.mail[*other].entry(Arc::clone(channel)).or_default().note(user, self.names_max);
            self.woken.insert(*other);
        }
    }

    /// Forgets a channel that nobody is in or may come back to.
    fn sweep(&mut self, channel: &Arc<str>) {
        let is_empty = self.rooms.get(channel).is_some_and(|room| room.streams == 0);
        if is_empty && self.members.count(channel) == 0 {
            self.rooms.remove(channel);
        }
    }
}
