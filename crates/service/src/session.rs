//! The streams that are subscribed, and how each wants what it gets.

use std::collections::HashMap;
use std::rc::Rc;

use sockeye_hub::{Item, Kind, SubscriberKey};
use sockeye_server::{StreamKey, Time};

use crate::access::Who;
use crate::body::Body;
use crate::wire::CloseReason;

/// One subscribed stream.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) stream: StreamKey,
    pub(crate) subscriber: SubscriberKey,
    pub(crate) form: Form,
    /// Who is behind it.
    pub(crate) who: Who,
    /// The channels and patterns in which something may still come; not of streams that can ask
    /// for others.
    open: Vec<Box<str>>,
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
        form: Form,
        who: Who,
    ) -> Self {
        Self {
            stream,
            subscriber,
            form,
            who,
            open: Vec::new(),
            by_rule: matches!(form, Form::Poll),
            due: Time::NEVER,
            ends_as: CloseReason::Expired,
            lags: false,
            refused: 0,
            replayed: 0,
        }
    }

    /// Whether nothing will come any more.
    pub(crate) const fn is_over(&self) -> bool {
        match self.form {
            Form::Events(_) | Form::Bare => self.open.is_empty(),
            Form::Commands | Form::Greeting | Form::Poll => false,
        }
    }
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
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
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_subscriber: Vec<Option<Session>>,
    by_stream: HashMap<StreamKey, SubscriberKey>,
    /// How many each user has; nobody has none.
    by_user: HashMap<Rc<str>, usize>,
}

impl Sessions {
    pub(crate) fn add(&mut self, session: Session) {
        let index = session.subscriber.index();
        if self.by_subscriber.len() <= index {
            self.by_subscriber.resize_with(index + 1, || None);
        }
        self.by_stream.insert(session.stream, session.subscriber);
        self.enter(&session.who);
        self.by_subscriber[index] = Some(session);
    }

    pub(crate) fn remove(&mut self, stream: StreamKey) -> Option<Session> {
        let subscriber = self.by_stream.remove(&stream)?;
        let session = self.by_subscriber.get_mut(subscriber.index())?.take()?;
        self.leave(&session.who);
        Some(session)
    }

    /// A stream turns out to be somebody's.
    pub(crate) fn let_in(&mut self, subscriber: SubscriberKey, who: &Who) {
        let Some(session) = self.of_subscriber_mut(subscriber) else { return };
        session.form = Form::Commands;
        let before = core::mem::replace(&mut session.who, who.clone());
        self.leave(&before);
        self.enter(who);
    }

    /// How many a user has.
    pub(crate) fn of_user(&self, who: &Who) -> usize {
        who.counted_user().and_then(|user| self.by_user.get(user)).copied().unwrap_or_default()
    }

    fn enter(&mut self, who: &Who) {
        if let Some(user) = who.counted_user() {
            *self.by_user.entry(Rc::clone(user)).or_default() += 1;
        }
    }

    fn leave(&mut self, who: &Who) {
        let Some(user) = who.counted_user() else { return };
        let Some(count) = self.by_user.get_mut(user) else { return };
        *count -= 1;
        if *count == 0 {
            self.by_user.remove(user);
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
        self.by_user.len()
    }

    pub(crate) fn of_stream(&self, stream: StreamKey) -> Option<&Session> {
        self.of_subscriber(*self.by_stream.get(&stream)?)
    }

    pub(crate) fn of_subscriber_mut(&mut self, subscriber: SubscriberKey) -> Option<&mut Session> {
        let session = self.by_subscriber.get_mut(subscriber.index())?.as_mut()?;
        (session.subscriber == subscriber).then_some(session)
    }

    pub(crate) fn of_subscriber(&self, subscriber: SubscriberKey) -> Option<&Session> {
        let session = self.by_subscriber.get(subscriber.index())?.as_ref()?;
        (session.subscriber == subscriber).then_some(session)
    }

    /// One more target in which something may still come.
    pub(crate) fn open_one(&mut self, subscriber: SubscriberKey, target: &str) {
        let Some(session) = self.of_subscriber_mut(subscriber) else { return };
        match session.form {
            Form::Events(_) | Form::Bare => session.open.push(target.into()),
            Form::Commands | Form::Greeting | Form::Poll => {}
        }
    }

    /// One channel fewer. Names and not a count: that a channel has ended may be said twice, and
    /// a pattern goes on when a channel that it matches has ended.
    pub(crate) fn end_one(&mut self, subscriber: SubscriberKey, channel: &str) {
        if let Some(session) = self.of_subscriber_mut(subscriber) {
            session.open.retain(|target| **target != *channel);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_stream.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_subscriber.iter().flatten()
    }
}
