//! Sessions: the subscribed streams, with their principals and deadlines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sockeye_auth::UnixTime;
use sockeye_hub::{Item, Kind, SubscriberKey};
use sockeye_server::Time;

use crate::engine::access::Account;
use crate::engine::shared_state::{StreamCounts, lock};
use crate::engine::{Body, Dialect, End, Principal, StreamName};
use crate::sequencing::LogTime;

/// One subscribed stream.
#[derive(Debug)]
pub(crate) struct Session<D: Dialect> {
    pub(crate) stream: D::Stream,
    pub(crate) subscriber: SubscriberKey,
    pub(crate) delivery: D::Delivery,
    pub(crate) principal: Principal,
    /// The number of the settings, from one, under which a namespace's rule, and no grant, first gave it
    /// a subscription; zero if none did. Polls are always treated so.
    pub(crate) by_rule: u16,
    /// When something is due: the answer to a poll, the first message, or the end of the stream's
    /// life.
    pub(crate) due: Time,
    /// The credential has an end, and that end was not sent yet.
    pub(crate) expires: bool,
    /// Why the stream ends when it is due, if the session does not fetch.
    pub(crate) ends_as: End,
    /// It is a slow reader: it was live, had no room, and has not caught up yet.
    pub(crate) lags: bool,
    /// A reload or a disconnection has ended it.
    pub(crate) is_sent_away: bool,
    /// A task to go on with its catching up is in the queue.
    pub(crate) goes_on: bool,
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
            by_rule: 0,
            due: Time::NEVER,
            expires: false,
            ends_as: End::Lifetime,
            lags: false,
            is_sent_away: false,
            goes_on: false,
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
    pub(crate) counts: Arc<dyn StreamCounts>,
}

/// The number of streams, of all and of each account. An account without a stream has no entry.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    all: usize,
    by_account: HashMap<Account, usize>,
    /// The users among these accounts.
    users: usize,
}

/// Streams that are open, of all clients and of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenStreams {
    pub(crate) all: usize,
    pub(crate) own: usize,
}

/// Accounts that have a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    pub(crate) users: usize,
    pub(crate) addresses: usize,
}

impl StreamCounts for Mutex<Counts> {
    fn open(&self, account: Option<Account>) {
        let counts = &mut *lock(self);
        counts.all += 1;
        let Some(account) = account else { return };
        let is_user = matches!(account, Account::User(_));
        let own = counts.by_account.entry(account).or_default();
        counts.users += usize::from(is_user && *own == 0);
        *own += 1;
    }

    fn close(&self, account: Option<&Account>) {
        let counts = &mut *lock(self);
        counts.all -= 1;
        let Some(account) = account else { return };
        let Some(own) = counts.by_account.get_mut(account) else { return };
        *own -= 1;
        if *own == 0 {
            counts.by_account.remove(account);
            counts.users -= usize::from(matches!(account, Account::User(_)));
        }
    }

    fn count(&self, account: Option<&Account>) -> OpenStreams {
        let counts = lock(self);
        let own = account.and_then(|it| counts.by_account.get(it)).copied();
        OpenStreams { all: counts.all, own: own.unwrap_or_default() }
    }

    fn accounts(&self) -> Accounts {
        let counts = lock(self);
        let addresses = counts.by_account.len() - counts.users;
        Accounts { users: counts.users, addresses }
    }
}

impl<D: Dialect> Default for Sessions<D> {
    fn default() -> Self {
        let counts = Arc::new(Mutex::new(Counts::default()));
        Self { by_subscriber: Vec::new(), by_stream: Vec::new(), len: 0, counts }
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
        self.counts.open(session.principal.holder());
        let before = self.by_subscriber[index].replace(session);
        self.len += usize::from(before.is_none());
    }

    pub(crate) fn remove(&mut self, stream: D::Stream) -> Option<Session<D>> {
        let index = *self.by_stream.get(stream.index())?;
        let slot = self.by_subscriber.get_mut(index as usize)?;
        let session = slot.take_if(|session| session.stream == stream)?;
        self.len -= 1;
        self.counts.close(session.principal.holder().as_ref());
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
        self.counts.close(before.holder().as_ref());
        self.counts.open(principal.holder());
    }

    /// The streams of all, and of a principal's account.
    pub(crate) fn open_streams(&self, who: &Principal) -> OpenStreams {
        self.counts.count(who.holder().as_ref())
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

    /// The number of accounts with a stream.
    pub(crate) fn accounts(&self) -> Accounts {
        self.counts.accounts()
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

    /// The number of places for sessions, some of which are free.
    pub(crate) const fn places(&self) -> usize {
        self.by_subscriber.len()
    }

    /// The session at a place.
    pub(crate) fn at(&self, place: usize) -> Option<&Session<D>> {
        self.by_subscriber.get(place)?.as_ref()
    }
}
