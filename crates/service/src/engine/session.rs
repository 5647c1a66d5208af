//! The streams that are subscribed, and how each wants what it gets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sockeye_hub::{Item, Kind, SubscriberKey};
use sockeye_server::{StreamKey, Time};

use crate::engine::access::Principal;
use crate::engine::body::Body;
use crate::engine::shared_state::{UserStreams, lock};
use crate::wire::CloseReason;

/// One subscribed stream.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) stream: StreamKey,
    pub(crate) subscriber: SubscriberKey,
    pub(crate) form: Delivery,
    /// Who is behind it.
    pub(crate) who: Principal,
    /// Something of it is not granted but given by a namespace; perhaps, if it is a poll.
    pub(crate) by_rule: bool,
    /// When something is due: an answer to a poll, a greeting, the end of who it is or of its life.
    pub(crate) due: Time,
    /// As what it is ended then, if it is no poll.
    pub(crate) ends_as: CloseReason,
    /// It was live and had no room: a slow reader, until it has caught up.
    pub(crate) lags: bool,
    /// Messages refused for their rate since it last rested.
    pub(crate) refused: u32,
    /// Messages given to it since it was last live.
    pub(crate) replayed: u64,
}

impl Session {
    pub(crate) const fn new(
        stream: StreamKey,
        subscriber: SubscriberKey,
        form: Delivery,
        who: Principal,
    ) -> Self {
        Self {
            stream,
            subscriber,
            form,
            who,
            by_rule: matches!(form, Delivery::Poll),
            due: Time::NEVER,
            ends_as: CloseReason::Expired,
            lags: false,
            refused: 0,
            replayed: 0,
        }
    }

    /// Whether it is over once nothing is expected of its subscriptions any more: it cannot ask for
    /// others.
    pub(crate) const fn ends_with_its_channels(&self) -> bool {
        match self.form {
            Delivery::Events(_) | Delivery::Bare => true,
            Delivery::Commands | Delivery::Greeting | Delivery::Poll => false,
        }
    }
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Server-sent events.
    Events(Envelope),
    /// A WebSocket with the subprotocol.
    Commands,
    /// The same before its first message, which may say who it is.
    Greeting,
    /// A WebSocket without: payloads and nothing else.
    Bare,
    /// A request that waits for something to answer with.
    Poll,
}

/// How the data of an event are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// As they were published.
    None,
    /// As JSON that also tells channel, position and time.
    Json,
}

/// All of them, found by either key.
#[derive(Debug)]
pub(crate) struct Sessions {
    by_subscriber: Vec<Option<Session>>,
    /// By a stream's index where its session may be. It is its own if it has the stream's key.
    by_stream: Vec<u32>,
    len: usize,
    pub(crate) users: Arc<dyn UserStreams>,
}

/// How many streams each user has. A user without a stream is not in it.
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

impl Default for Sessions {
    fn default() -> Self {
        let users = Arc::new(Mutex::new(Users::default()));
        Self { by_subscriber: Vec::new(), by_stream: Vec::new(), len: 0, users }
    }
}

impl Sessions {
    pub(crate) fn add(&mut self, session: Session) {
        let index = session.subscriber.index();
        if self.by_subscriber.len() <= index {
            self.by_subscriber.resize_with(index + 1, || None);
        }
        let stream = session.stream.index();
        if self.by_stream.len() <= stream {
            self.by_stream.resize(stream + 1, 0);
        }
        self.by_stream[stream] = u32::try_from(index).expect("subscribers are bounded");
        self.enter(&session.who);
        let before = self.by_subscriber[index].replace(session);
        self.len += usize::from(before.is_none());
    }

    pub(crate) fn remove(&mut self, stream: StreamKey) -> Option<Session> {
        let index = *self.by_stream.get(stream.index())?;
        let slot = self.by_subscriber.get_mut(index as usize)?;
        let session = slot.take_if(|session| session.stream == stream)?;
        self.len -= 1;
        self.leave(&session.who);
        Some(session)
    }

    /// A stream turns out to be somebody's.
    pub(crate) fn let_in(&mut self, subscriber: SubscriberKey, who: &Principal) {
        let Some(session) = self.of_subscriber_mut(subscriber) else { return };
        session.form = Delivery::Commands;
        let before = core::mem::replace(&mut session.who, who.clone());
        self.leave(&before);
        self.enter(who);
    }

    /// How many a user has.
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

    /// Counts a message that catching up gives a stream, unless it has expired or is an end, which
    /// are no messages to a client; how many there are by now. The count begins anew with a `Sync`.
    pub(crate) fn count_replayed(
        &mut self,
        subscriber: SubscriberKey,
        item: &Item<Body>,
        now_ms: u64,
    ) -> u64 {
        let Some(session) = self.of_subscriber_mut(subscriber) else { return 0 };
        match item {
            Item::Message(entry) => {
                let expired = entry.body.payload().is_expired(entry.time_ms, now_ms);
                session.replayed += u64::from(entry.kind == Kind::Message && !expired);
                session.replayed
            }
            Item::Gap(_) => session.replayed,
            Item::Sync(_) => core::mem::take(&mut session.replayed),
        }
    }

    /// How many users there are.
    pub(crate) fn users(&self) -> usize {
        self.users.users()
    }

    pub(crate) fn of_stream(&self, stream: StreamKey) -> Option<&Session> {
        let index = *self.by_stream.get(stream.index())?;
        let session = self.by_subscriber.get(index as usize)?.as_ref()?;
        (session.stream == stream).then_some(session)
    }

    pub(crate) fn of_subscriber_mut(&mut self, subscriber: SubscriberKey) -> Option<&mut Session> {
        let session = self.by_subscriber.get_mut(subscriber.index())?.as_mut()?;
        (session.subscriber == subscriber).then_some(session)
    }

    pub(crate) fn of_subscriber(&self, subscriber: SubscriberKey) -> Option<&Session> {
        let session = self.by_subscriber.get(subscriber.index())?.as_ref()?;
        (session.subscriber == subscriber).then_some(session)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_subscriber.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each idle stream has one, so what it grows by is paid a hundred thousand times.
    #[test]
    fn a_session_is_small() {
        assert_eq!(size_of::<Option<Session>>(), 72);
    }
}
