//! The engine's calls for presence: they add and remove streams, and send events to watchers.

use sockeye_hub::{ChannelName, SubscriberKey, Target};
use sockeye_server::Time;

use super::{Place, Telling, Watch};
use crate::engine::{Dialect, Engine, Namespaces, Outlet, Principal, Recipient, Refusal, units};

/// Watchers that one step sends an event to.
const WATCHERS: usize = 64;

impl<D: Dialect> Engine<D> {
    /// Whether a target can be watched.
    pub(crate) fn check_watch(&self, target: Target<'_>) -> Result<(), Refusal> {
        let Target::Channel(channel) = target else {
            return Err(Refusal::PresenceOfPattern);
        };
        match self.namespaces.of(channel.namespace()).presence_ms {
            Some(_) => Ok(()),
            None => Err(Refusal::PresenceOff),
        }
    }

    /// Adds a stream that has subscribed a target.
    pub(crate) fn enter_presence(
        &mut self,
        key: SubscriberKey,
        target: Target<'_>,
        who: &Principal,
        watch: Watch,
    ) {
        let Target::Channel(channel) = target else { return };
        // [service:presence-off] Without presence in the namespace, nothing is kept.
        if self.namespaces.of(channel.namespace()).presence_ms.is_some() {
            self.presence.join(key, channel.as_str(), who.user(), watch, self.now);
        }
    }

    /// Renews the grace time of a user whose poll was answered at once.
    ///
    /// [service:presence-polls] Such a poll makes nobody a member, but a member gets another grace
    /// time.
    pub(crate) fn renew_presence(&mut self, channels: &[&str], who: &Principal) {
        let Some(user) = who.user() else { return };
        for channel in channels.iter().filter_map(|name| ChannelName::new(name).ok()) {
            if let Some(grace_ms) = self.namespaces.of(channel.namespace()).presence_ms {
                self.presence.renew(channel.as_str(), user, grace_ms, self.now);
            }
        }
    }

    /// [service:presence-off] Forgets the presence of a stream where it is no longer kept, and sends
    /// no event. Returns the number of channels.
    pub(crate) fn forget_presence_of(&mut self, key: SubscriberKey) -> usize {
        let namespaces = &self.namespaces;
        let Some(places) = self.presence.places.get_mut(&key) else { return 0 };
        let gone = places.extract_if(.., |place| grace(namespaces, &place.channel).is_none());
        let gone: Vec<Place> = gone.collect();
        if places.is_empty() {
            self.presence.places.remove(&key);
        }
        let count = gone.len();
        gone.into_iter().for_each(|place| self.leave_place(key, place));
        count
    }

    /// Removes a stream that has unsubscribed a channel.
    pub(crate) fn leave_presence(&mut self, key: SubscriberKey, channel: &str) {
        let Some(places) = self.presence.places.get_mut(&key) else { return };
        let Some(at) = places.iter().position(|place| *place.channel == *channel) else { return };
        let place = places.swap_remove(at);
        if places.is_empty() {
            self.presence.places.remove(&key);
        }
        self.leave_place(key, place);
    }

    /// Removes a stream that has closed.
    pub(crate) fn leave_all_presence(&mut self, key: SubscriberKey) {
        for place in self.presence.places.remove(&key).unwrap_or_default() {
            self.leave_place(key, place);
        }
    }

    fn leave_place(&mut self, key: SubscriberKey, place: Place) {
        let grace_ms = grace(&self.namespaces, &place.channel).unwrap_or(0);
        self.presence.leave(key, place, grace_ms, self.now);
    }

    /// Takes in changes that other services have seen.
    pub(crate) fn hear_of_presence(&mut self, out: &mut impl Outlet<D>) {
        let changes = self.presence.hear(self.now);
        if changes > 0 {
            out.spend(changes as u64 * units::TARGET);
            // [service:presence-steps] There may be more.
            out.come_back();
        }
    }

    /// When [`tell_presence`](Self::tell_presence) has something to do.
    pub(crate) fn presence_deadline(&self) -> Time {
        if self.telling.is_some() { Time::from_millis(0) } else { self.presence.deadline() }
    }

    /// Sends the presence events that are due.
    pub(crate) fn tell_presence(&mut self, out: &mut impl Outlet<D>) {
        self.tell_nodes();
        loop {
            // [service:presence-steps]
            let left = self.presence.expire(self.now);
            out.spend(left as u64 * units::TARGET);
            if left > 0 && out.units_left() > 0 {
                continue;
            }
            let next = || self.presence.next(&self.limits, self.now, D::announce);
            let Some(mut telling) = self.telling.take().or_else(next) else { return };
            self.telling = self.tell_some(&mut telling, out).then_some(telling);
            // [service:turn-yields] The other watchers and channels are still due in the next turn.
            if out.units_left() == 0 {
                return;
            }
        }
    }

    /// Sends an event to its next watchers. Returns whether there may be more of them.
    fn tell_some(
        &mut self,
        telling: &mut Telling<D::Announcement>,
        out: &mut impl Outlet<D>,
    ) -> bool {
        // [service:presence-off] It is about to be forgotten.
        if grace(&self.namespaces, &telling.channel).is_none() {
            return false;
        }
        let watchers = self.presence.watchers_of(telling, WATCHERS);
        out.spend(units::PUBLICATION + watchers.len() as u64 * units::DELIVERY);
        for key in &watchers {
            if self.presence.wants(*key, telling)
                && self.tell_one(*key, &telling.told, out).is_none()
            {
                self.presence.set_owed(*key, &telling.channel);
            }
        }
        telling.after = watchers.last().copied();
        watchers.len() == WATCHERS
    }

    /// [service:presence-slow] Sends an event to a watcher; `None` if its stream has no room, or is to
    /// end: it gets the whole list later.
    fn tell_one(
        &self,
        key: SubscriberKey,
        told: &D::Announcement,
        out: &mut impl Outlet<D>,
    ) -> Option<()> {
        let session = self.sessions.of_subscriber(key)?;
        // [service:revoked] If the next reload lets it stay, it gets the whole list.
        if self.is_to_go(session) {
            return None;
        }
        if out.waiting_bytes(session.stream) >= self.limits.queue_bytes_max {
            out.notify_drained(session.stream);
            return None;
        }
        out.announcement(&Recipient::new(session.stream, session.delivery), told);
        Some(())
    }

    /// Sends a stream the whole list of each channel of which it needs it.
    pub(crate) fn tell_owed(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        while let Some(channel) = self.presence.owed(key) {
            if grace(&self.namespaces, &channel).is_some() {
                let told = self.presence.all(&channel, D::announce);
                if self.tell_one(key, &told, out).is_none() {
                    return;
                }
            }
            self.presence.set_whole(key, &channel);
        }
    }
}

/// The grace time of a channel's members; `None` if its namespace has no presence.
fn grace(namespaces: &Namespaces, channel: &str) -> Option<u64> {
    let namespace = ChannelName::new(channel).map_or("", ChannelName::namespace);
    namespaces.of(namespace).presence_ms
}
