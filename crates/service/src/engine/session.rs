//! Sessions: the subscribed streams, with their principals and deadlines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sockeye_auth::UnixTime;
use sockeye_hub::{Item, Kind, SubscriberKey};
use sockeye_server::Time;

use crate::engine::shared_state::{UserStreams, lock};
use crate::engine::{Body, Delivery, Dialect, End, Principal, StreamName};
use crate::sequencing::LogTime;

/// One subscribed stream.
#[derive(Debug)]
pub(crate) struct Session<D: Dialect> {
    pub(crate) stream: D::Stream,
    pub(crate) subscriber: SubscriberKey,
    pub(crate) delivery: D::Delivery,
    pub(crate) principal: Principal,
    /// A namespace's rule, and no grant, gave it a subscription. Polls are always treated so.
    pub(crate) by_rule: bool,
    /// When something is due: the answer to a poll, the first message, or the end of the stream's
    /// life.
    pub(crate) due: Time,
    /// The credential has an end, and that end was not sent yet.
    pub(crate) expires: bool,
    /// Why the stream ends when it is due, if the session does not fetch.
    pub(crate) ends_as: End,
    /// It is a slow reader: it was live, had no room, and has not caught up yet.
    pub(crate) lags: bool,
    /// Messages that the rate limit refused since its token bucket was last full.
    pub(crate) refused: u32,
    /// Replayed messages since it was last live.
    pub(crate) replayed: u64,
}

impl<D: Dialect> Session<D> {
    pub(crate) fn new(
        stream: D::Stream,
        subscriber: SubscriberKey,
        delivery: D::Delivery,
        principal: Principal,
    ) -> Self {
        Self {
            stream,
            subscriber,
            delivery,
            principal,
            by_rule: delivery.fetches(),
            due: Time::NEVER,
            expires: false,
            ends_as: End::Lifetime,
            lags: false,
            refused: 0,
            replayed: 0,
        }
    }

    /// When the credential expires, if its end is still to be sent.
    pub(crate) fn expiry(&self) -> Option<UnixTime> {
        self.expires.then(|| self.principal.ends())
    }
}

/// All sessions, found by stream or by subscriber.
#[derive(Debug)]
pub(crate) struct Sessions<D: Dialect> {
    by_subscriber: Vec<Option<Session<D>>>,
    /// By a stream's index, where its session may be. The session may be that of an earlier stream
    /// with this index: its `stream` tells.
    by_stream: Vec<u32>,
    len: usize,
    pub(crate) users: Arc<dyn UserStreams>,
}

/// The number of streams of each user. A user without a stream has no entry.
#[derive(Debug, Default)]
pub(crate) struct Users(HashMap<Arc<str>, usize>);

impl UserStreams for Mutex<Users> {
    fn open(&self, user: &Arc<str>) {
        *lock(self).0.entry(Arc::clone(user)).or_default() += 1;
    }

    fn close(&self, user: &str) {
        let mut users = lock(self);
        let Some(count) = users.0.get_mut(user) else { return };
        *count -= 1;
        if *count == 0 {
            users.0.remove(user);
        }
    }

    fn count(&self, user: &str) -> usize {
        lock(self).0.get(user).copied().unwrap_or_default()
    }

    fn users(&self) -> usize {
        lock(self).0.len()
    }
}

impl<D: Dialect> Default for Sessions<D> {
    fn default() -> Self {
        let users = Arc::new(Mutex::new(Users::default()));
        Self { by_subscriber: Vec::new(), by_stream: Vec::new(), len: 0, users }
    }
}

impl<D: Dialect> Sessions<D> {
    pub(crate) fn add(&mut self, session: Session<D>) {
        let index = session.subscriber.index();
        if self.by_subscriber.len() <= index {
            self.by_subscriber.resize_with(index + 1, || None);
        }
        let stream = session.stream.index();
        if self.by_stream.len() <= stream {
            self.by_stream.resize(stream + 1, 0);
        }
        self.by_stream[stream] = u32::try_from(index).expect("subscribers are bounded");
        self.enter(&session.principal);
        let before = self.by_subscriber[index].replace(session);
        self.len += usize::from(before.is_none());
    }

    pub(crate) fn remove(&mut self, stream: D::Stream) -> Option<Session<D>> {
        let index = *self.by_stream.get(stream.index())?;
        let slot = self.by_subscriber.get_mut(index as usize)?;
        let session = slot.take_if(|session| session.stream == stream)?;
        self.len -= 1;
        self.leave(&session.principal);
        Some(session)
    }

    /// Gives a session the principal that its client has shown, and its new delivery.
    pub(crate) fn let_in(
        &mut self,
        subscriber: SubscriberKey,
        principal: &Principal,
        delivery: D::Delivery,
    ) {
        let Some(session) = self.of_subscriber_mut(subscriber) else { return };
        session.delivery = delivery;
        let before = core::mem::replace(&mut session.principal, principal.clone());
        self.leave(&before);
        self.enter(principal);
    }

    /// The number of a user's streams.
    pub(crate) fn of_user(&self, who: &Principal) -> usize {
        who.counted_user().map_or(0, |user| self.users.count(user))
    }

    fn enter(&self, who: &Principal) {
        if let Some(user) = who.counted_user() {
            self.users.open(user);
        }
    }

    fn leave(&self, who: &Principal) {
        if let Some(user) = who.counted_user() {
            self.users.close(user);
        }
    }

    /// Counts a message that catching up gives to a stream, and returns the count. Expired messages
    /// and ends of channels do not count. A `Sync` begins a new count.
    pub(crate) fn count_replayed(
        &mut self,
        subscriber: SubscriberKey,
        item: &Item<Body<D::Forms>>,
        now: &LogTime,
    ) -> u64 {
        let Some(session) = self.of_subscriber_mut(subscriber) else { return 0 };
        match item {
            Item::Message(entry) => {
                let expired = entry.body.payload().is_expired(entry.time_ms, now);
                session.replayed += u64::from(entry.kind == Kind::Message && !expired);
                session.replayed
            }
            Item::Gap(_) => session.replayed,
            Item::Sync(_) => core::mem::take(&mut session.replayed),
        }
    }

    /// The number of users.
    pub(crate) fn users(&self) -> usize {
        self.users.users()
    }

    pub(crate) fn of_stream(&self, stream: D::Stream) -> Option<&Session<D>> {
        let index = *self.by_stream.get(stream.index())?;
        let session = self.by_subscriber.get(index as usize)?.as_ref()?;
        (session.stream == stream).then_some(session)
    }

    pub(crate) fn of_subscriber_mut(
        &mut self,
        subscriber: SubscriberKey,
    ) -> Option<&mut Session<D>> {
        let session = self.by_subscriber.get_mut(subscriber.index())?.as_mut()?;
        (session.subscriber == subscriber).then_some(session)
    }

    pub(crate) fn of_subscriber(&self, subscriber: SubscriberKey) -> Option<&Session<D>> {
        let session = self.by_subscriber.get(subscriber.index())?.as_ref()?;
        (session.subscriber == subscriber).then_some(session)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session<D>> {
        self.by_subscriber.iter().flatten()
    }
}
