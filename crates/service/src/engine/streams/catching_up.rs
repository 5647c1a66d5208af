//! Catching up: gives streams that are behind what they missed, from history.

use sockeye_hub::{Budget, Fetch, Fetched, Gap, Item, Kind, Progress, Scope, Seq, SubscriberKey};

use crate::engine::archive::Waiter;
use crate::engine::work::EVERYBODY;
use crate::engine::{Body, Delivery, Dialect, End, Engine, Notice, Outlet, Recipient, Task, units};
use crate::sequencing::{LogTime, Unavailable};

/// The items of a pull.
pub(crate) type Items<D> = Vec<Item<Body<<D as Dialect>::Forms>>>;

/// Messages fetched from history in one go.
const PULL_MESSAGES: usize = 64;

impl<D: Dialect> Engine<D> {
    /// Brings a stream that has just subscribed up to the head. It gets a `Sync` even if it missed
    /// nothing.
    pub fn catch_up(&mut self, subscriber: SubscriberKey, out: &mut impl Outlet<D>) {
        let live = self.hub.subscriber(subscriber).is_some_and(|it| it.is_live());
        if !live {
            return self.fetch(subscriber, IfFull::SendGapsFirst, out);
        }
        let cursor = self.cursor_of(subscriber);
        let Some(session) = self.sessions.of_subscriber(subscriber) else { return };
        out.notice(&self.recipient(session), Notice::Sync { cursor, gaps: 0, replayed: 0 });
    }

    /// Goes on with a session whose peer has taken what came before: a poll is answered in its turn, and a stream catches
    /// up.
    pub(crate) fn go_on_drained(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        if session.delivery.fetches() {
            return self.work.add_for(&session.principal, Task::Answer(key));
        }
        self.tell_owed(key, out);
        self.pull(key, out);
    }

    /// Gives a stream that is behind as much as its outbox has room for.
    pub fn pull(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        self.fetch(key, IfFull::Wait, out);
    }

    fn fetch(&mut self, key: SubscriberKey, mut if_full: IfFull, out: &mut impl Outlet<D>) {
        // [service:opening-waits] When an epoch begins it would be told that it misses nothing.
        if self.has_lost_rights(key, out) || self.waits_with(key).is_some() {
            return;
        }
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        let to = self.recipient(session);
        let mut items = core::mem::take(&mut self.items);
        let mut spent = 0;
        loop {
            // [service:turn-yields]
            if spent >= units::STEP {
                self.go_on_later(key, out);
                break;
            }
            let queued = out.waiting_bytes(to.stream);
            let bytes = self.limits.queue_bytes_max.saturating_sub(queued);
            if bytes == 0 && if_full == IfFull::Wait {
                out.notify_drained(to.stream);
                break;
            }
            if_full = IfFull::Wait;
            let Some(mut subscriber) = self.hub.subscriber(key) else { break };
            let budget = Budget { messages: PULL_MESSAGES, bytes };
            let progress = subscriber.pull(budget, self.log_time.ms, &mut items);
            spent += self.count_pull(items.len(), out);
            self.hand_out(key, &to, &mut items, out);
            match progress {
                Progress::Live => {
                    self.has_caught_up(key);
                    break;
                }
                Progress::More => {}
                Progress::Fetch(fetch) => {
                    if self.await_page_of_stream(key, fetch, bytes).is_err() {
                        self.send_away_from_archive(key, out);
                    }
                    break;
                }
                Progress::Overrun(cursor) => {
                    out.end(&to, End::SlowReader, None, cursor);
                    break;
                }
            }
        }
        self.keep_buffer(items);
    }

    /// Has a stream wait for a page of the archive.
    fn await_page_of_stream(
        &mut self,
        key: SubscriberKey,
        fetch: Fetch,
        bytes_max: usize,
    ) -> Result<(), Unavailable> {
        let Some(session) = self.sessions.of_subscriber(key) else { return Ok(()) };
        let who = &session.principal;
        let (holder, payer) = (self.holder(who), self.work.payer(who));
        self.await_page(key, Waiter { holder, payer, is_request: false }, fetch, bytes_max)
    }

    /// Gives a stream the page that it has waited for, and goes on.
    pub(crate) fn hand_out_page(
        &mut self,
        key: SubscriberKey,
        page: Result<Fetched<Body<D::Forms>>, Unavailable>,
        out: &mut impl Outlet<D>,
    ) {
        if self.has_lost_rights(key, out) {
            return;
        }
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        let to = self.recipient(session);
        let Ok(page) = page else { return self.send_away_from_archive(key, out) };
        let (mut items, progress) = self.take_page(key, page);
        self.count_pull(items.len(), out);
        self.hand_out(key, &to, &mut items, out);
        self.keep_buffer(items);
        match progress {
            Some(Progress::Overrun(cursor)) => out.end(&to, End::SlowReader, None, cursor),
            Some(Progress::More | Progress::Live | Progress::Fetch(_)) | None => {
                self.pull(key, out);
            }
        }
    }

    /// Hands out the items of a pull.
    fn hand_out(
        &mut self,
        key: SubscriberKey,
        to: &Recipient<D>,
        items: &mut Items<D>,
        out: &mut impl Outlet<D>,
    ) {
        let lags = self.sessions.of_subscriber(key).is_some_and(|it| it.lags);
        for item in items.drain(..) {
            if lags {
                self.count_late(&item);
            }
            let replayed = self.sessions.count_replayed(key, &item, &self.log_time);
            tell(to, &item, replayed, &self.log_time, out);
            if let Some((channel, at)) = end_in(&item) {
                self.end_one(key, channel, self.hub.at(at), out);
            }
        }
    }

    /// [service:archive-unavailable] Ends a stream that needs an archive which cannot be read.
    fn send_away_from_archive(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        let cursor = self.cursor_of(key);
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        let (to, retry_ms) = (self.recipient(session), self.retry_ms(session.stream));
        out.end(&to, End::TryAgain, Some(retry_ms), cursor);
    }

    /// Fetches the items of a session, within a budget. The progress is `None` if there is no such
    /// session.
    pub(crate) fn fetch_items(
        &mut self,
        key: SubscriberKey,
        budget: Budget,
    ) -> (Items<D>, Option<Progress>) {
        let mut items = core::mem::take(&mut self.items);
        let progress = self.fetch_more(key, budget, &mut items);
        (items, progress)
    }

    /// Appends what a session is owed from memory to the items that it has fetched.
    pub(crate) fn fetch_more(
        &mut self,
        key: SubscriberKey,
        budget: Budget,
        items: &mut Items<D>,
    ) -> Option<Progress> {
        let subscriber = self.hub.subscriber(key);
        subscriber.map(|mut it| it.pull(budget, self.log_time.ms, items))
    }

    /// Counts the units of a pull that brought so many items, and returns them.
    pub(crate) fn count_pull(&mut self, items: usize, out: &mut impl Outlet<D>) -> u64 {
        let spent = units::PULL + items as u64 * units::ITEM;
        out.spend(spent);
        spent + self.count_steps(out)
    }

    /// Counts the units of the hub's searches and drops, and returns them. What was due is billed to nobody: a modest
    /// client, which is often the first after a rest, would pay for what has expired of all. [service:due-bill]
    pub(crate) fn count_steps(&mut self, out: &mut impl Outlet<D>) -> u64 {
        let (due, own) = self.take_steps();
        if due > 0 {
            let before = out.units_spent();
            out.spend(due);
            out.bill_nobody(before);
        }
        out.spend(own);
        due + own
    }

    /// The units of the hub's steps since the last call: those that were due, and the others.
    pub(crate) fn take_steps(&mut self) -> (u64, u64) {
        let due = units::of_steps(0, self.hub.due());
        let all = units::of_steps(self.hub.searched(), self.hub.dropped())
            + units::of_hastened(self.hub.hastened())
            // [service:owed-billed]
            + units::of_compared(self.hub.compared());
        let due_before = core::mem::replace(&mut self.due_steps, due);
        let all_before = core::mem::replace(&mut self.steps, all);
        let due = due - due_before;
        (due, all - all_before - due)
    }

    /// Has a stream go on catching up behind the other work.
    pub(crate) fn go_on_later(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        let Some(session) = self.sessions.of_subscriber_mut(key) else { return };
        if !core::mem::replace(&mut session.goes_on, true) {
            self.work.add_for(&session.principal, Task::CatchUp(key));
        }
        // A stream that has drained is pulled behind the work of its turn.
        out.come_back();
    }

    /// Takes the next step of a stream that catches up.
    pub(crate) fn go_on(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        let Some(session) = self.sessions.of_subscriber_mut(key) else { return };
        session.goes_on = false;
        self.pull(key, out);
    }

    /// Keeps the allocation of fetched items for the next pull.
    pub(crate) fn keep_buffer(&mut self, mut items: Items<D>) {
        items.clear();
        self.items = items;
    }

    /// Counts an item that a slow reader gets late.
    fn count_late(&mut self, item: &Item<Body<D::Forms>>) {
        match item {
            Item::Message(entry) => {
                let age_ms = self.log_time.ms.saturating_sub(entry.time_ms);
                self.counters.delivery.note(age_ms);
            }
            Item::Gap(_) => self.counters.skipped += 1,
            Item::Sync(_) => {}
        }
    }

    /// Notes that a stream is live.
    fn has_caught_up(&mut self, key: SubscriberKey) {
        let Some(session) = self.sessions.of_subscriber_mut(key) else { return };
        self.counters.caught_up += u64::from(session.lags);
        session.lags = false;
    }

    /// Lets every stream catch up: a gap concerns all of them, because a new epoch begins or
    /// entries are lost. The first step is taken at once: where streams are few, all of them have
    /// their gap before the next message.
    pub(crate) fn pull_all(&mut self, out: &mut impl Outlet<D>) {
        if self.work.pull_all.begin(self.sessions.places()) {
            self.pull_some(out);
        }
    }

    /// Lets some more streams catch up.
    pub(crate) fn pull_some(&mut self, out: &mut impl Outlet<D>) {
        for _ in 0..units::STEP / units::SESSION {
            let Some(place) = self.work.pull_all.next() else { return };
            out.spend(units::SESSION);
            let Some(session) = self.sessions.at(place) else { continue };
            let (subscriber, fetches) = (session.subscriber, session.delivery.fetches());
            match fetches {
                true => self.work.add_for(&session.principal, Task::Answer(subscriber)),
                false => self.fetch(subscriber, IfFull::SendGapsFirst, out),
            }
            // [service:turn-yields]
            if out.units_left() == 0 {
                break;
            }
        }
        if !self.work.pull_all.is_over() {
            self.work.add(EVERYBODY, Task::PullAll);
            out.come_back();
        }
    }
}

/// What to do for a stream without room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfFull {
    /// Nothing, until it has room.
    Wait,
    /// Hand out its gaps, and one message at the most, in spite of the full outbox. The hub has
    /// moved the cursor behind these gaps already. A pong or a goodbye would hand that cursor out,
    /// and a client that resumes from it would never hear of the gaps.
    SendGapsFirst,
}

/// The channel that has ended, and where, if the item says so.
fn end_in<F>(item: &Item<Body<F>>) -> Option<(&str, Seq)> {
    match item {
        Item::Message(entry) => (entry.kind == Kind::End).then(|| (&*entry.channel, entry.seq())),
        Item::Gap(Gap { scope: Scope::Channel(name), missed, ended: true, .. }) => {
            Some((name, missed.through))
        }
        Item::Gap(_) | Item::Sync(_) => None,
    }
}

/// Sends one item of catching up to a stream.
fn tell<D: Dialect>(
    to: &Recipient<D>,
    item: &Item<Body<D::Forms>>,
    replayed: u64,
    now: &LogTime,
    out: &mut impl Outlet<D>,
) {
    match item {
        Item::Message(entry) => {
            if !entry.body.payload().is_expired(entry.time_ms, now) {
                // The loop reports a stream that is gone.
                let _ = out.proved_entry(to, entry, usize::MAX);
            }
        }
        Item::Gap(gap) => out.notice(to, Notice::Gap(gap)),
        Item::Sync(sync) => {
            let (cursor, gaps) = (sync.cursor, sync.gaps);
            out.notice(to, Notice::Sync { cursor, gaps, replayed });
        }
    }
}
