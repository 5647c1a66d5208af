//! Polls: a held request is a subscriber, and its answer is all that it gets.

use sockeye_hub::{
    Budget, Cursor, Entry, Epoch, Fetch, Fetched, Item, Kind, Progress, Start, SubscriberKey,
    Target,
};
use sockeye_server::{Answer, Context, Hold, Reply, Request, Status, StreamKey, Time};

use crate::dialect::caching::{Caching, Holds, is_known, poll_holds};
use crate::dialect::history::{no_archive, too_many};
use crate::dialect::outlet::{Delivery, EntryBody};
use crate::dialect::recipient::cursor_text;
use crate::dialect::reply::{self, NO_STORE, json, json_body};
use crate::engine::archive::{Arrived, Waiter};
use crate::engine::work::EVERYBODY;
use crate::engine::{Principal, Session, Task, Watch, units};
use crate::sequencing::Unavailable;
use crate::wire::{CursorText, Gap, PollBody, Problem, Query, Rest};
use crate::{Pending, Service};

/// Whether a poll may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// Until there is something to answer with.
    Wait,
    /// Never: it is answered now.
    None,
}

/// The items of a poll.
struct Filled {
    body: PollBody,
    rest: Rest,
    /// The cursor behind them.
    cursor: Cursor,
    /// What has to be read before there can be more.
    fetch: Option<Fetch>,
}

impl Filled {
    fn nothing(cursor: Cursor) -> Self {
        Self { body: PollBody::new(), rest: Rest::Nothing, cursor, fetch: None }
    }
}

impl Service {
    /// Answers a poll if there is something for it or it does not want to wait, or holds it.
    pub(crate) fn poll(
        &mut self,
        request: &Request<'_>,
        who: &Principal,
        query: &Query<'_>,
        start: Start,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        let channels = query.channels(&self.engine.limits.wire)?;
        let wait_ms = query.number("wait")?.unwrap_or(0).saturating_mul(1_000);
        context.spend(channels.len() as u64 * units::TARGET);
        let label = self.label(who, &channels, start, wait_ms);
        let may = |channel: &&str| self.may_read(who, channel).is_ok();
        if wait_ms == 0 && channels.iter().all(may) && is_known(request, &label.tag) {
            self.engine.renew_presence(&channels, who);
            return Ok(label.unchanged().into());
        }
        let subscriber =
            self.engine.hub.connect().inspect_err(|_| self.engine.bounds.rejections.full += 1)?;
        let mut refusal = None;
        let from = (start, Watch::No);
        let taken = self.engine.subscribe(subscriber, who, &channels, from, |_, refused| {
            refusal.get_or_insert(refused);
        });
        if let Some(refusal) = refusal {
            // The whole poll is refused: with one channel missing, the client would take it for a
            // channel without messages.
            self.engine.leave(subscriber);
            return Err(refusal.into());
        }
        let Filled { mut body, rest, cursor, fetch } = self.fill(subscriber, context);
        let waits_for_archive = body.is_empty() && taken.ended.is_empty() && !context.is_draining();
        if let Some(fetch) = fetch.filter(|_| waits_for_archive) {
            return self.hold_for_page(subscriber, who, &channels, (fetch, wait_ms));
        }
        for channel in taken.ended {
            body.ended(channel, &CursorText::new(cursor));
        }
        // [service:ended-before] It is told, and where all have ended, not held for nothing.
        let nothing_comes = taken.known.len() == channels.len();
        let is_over = wait_ms == 0 || context.is_draining() || nothing_comes;
        if is_over || !body.is_empty() || rest == Rest::More {
            // An end that is told again brings a client nowhere, so it makes no answer final.
            let holds = label.holds(&body, rest);
            for channel in taken.known {
                body.ended(channel, &CursorText::new(cursor));
            }
            self.engine.leave(subscriber);
            self.engine.renew_presence(&channels, who);
            return Ok(label.answer(holds, body, rest, &self.proved(cursor, who)).into());
        }
        if let Err(refusal) = self.engine.admit_place(who) {
            self.engine.leave(subscriber);
            return Err(refusal.into());
        }
        // [service:presence-polls] Presence begins only here, after every channel was admitted and
        // the poll is held.
        self.enter_presence(subscriber, who, &channels);
        Ok(self.wait_for_something(subscriber, who, wait_ms))
    }

    fn enter_presence(&mut self, subscriber: SubscriberKey, who: &Principal, channels: &[&str]) {
        for target in channels.iter().filter_map(|name| Target::new(name).ok()) {
            self.engine.enter_presence(subscriber, target, who, Watch::No);
        }
    }

    /// Holds a poll until the archive has answered, and if the client waits, until there is
    /// something for it.
    fn hold_for_page(
        &mut self,
        subscriber: SubscriberKey,
        who: &Principal,
        channels: &[&str],
        (fetch, wait_ms): (Fetch, u64),
    ) -> Result<Answer<Pending>, Problem> {
        let admitted = self.engine.admit_place(who).map_err(Problem::from).and_then(|()| {
            let holder = self.engine.holder(who);
            // [service:bound-archive]
            if !self.engine.admit_reader(holder) {
                return Err(too_many());
            }
            let waiter = Waiter { holder, is_request: true };
            let bytes = self.engine.limits.answer_bytes();
            let asked = self.engine.await_page(subscriber, waiter, fetch, bytes);
            asked.map_err(|_| no_archive())
        });
        if let Err(problem) = admitted {
            self.engine.leave(subscriber);
            return Err(problem);
        }
        // [service:archive-patience]
        let until = match wait_ms {
            0 => {
                self.engine.renew_presence(channels, who);
                None
            }
            _ => {
                self.enter_presence(subscriber, who, channels);
                Some(self.engine.now + wait_ms.min(self.engine.limits.wait_ms_max))
            }
        };
        self.engine.reading.patience.insert(subscriber, until);
        let wait_ms = wait_ms.max(self.engine.limits.archive_ms_max);
        Ok(self.wait_for_something(subscriber, who, wait_ms))
    }

    /// Takes in the answers of the archive.
    pub(crate) fn take_pages(&mut self, context: &mut Context<'_>) {
        while let Some(arrived) = self.engine.next_page() {
            match arrived {
                Arrived::Session(key, page) => self.take_page(key, Some(page), context),
                Arrived::Turn(key) => self.take_page(key, None, context),
                Arrived::Request(id, page) => self.answer_history(id, page, context),
            }
            // [service:turn-yields]
            if context.units_left() == 0 {
                return context.come_back();
            }
        }
    }

    /// Gives a session its page, or has it ask for one.
    fn take_page(
        &mut self,
        key: SubscriberKey,
        page: Option<Result<Fetched<EntryBody>, Unavailable>>,
        context: &mut Context<'_>,
    ) {
        let delivery = self.engine.sessions.of_subscriber(key).map(|it| it.delivery);
        match (delivery, page) {
            (Some(Delivery::Poll), Some(page)) => self.answer_page(key, page, context),
            (Some(Delivery::Poll), None) => self.answer(key, Patience::Wait, context),
            (Some(_), Some(page)) => self.engine.hand_out_page(key, page, context),
            (Some(_), None) => self.engine.pull(key, context),
            (None, _) => {}
        }
    }

    /// Answers a poll with a page of the archive. A page without a message for it has it wait on.
    fn answer_page(
        &mut self,
        key: SubscriberKey,
        page: Result<Fetched<EntryBody>, Unavailable>,
        context: &mut Context<'_>,
    ) {
        let Some(session) = self.engine.sessions.of_subscriber(key) else { return };
        let (stream, who) = (session.stream, session.principal.clone());
        let Ok(page) = page else { return self.refuse_poll(stream, context) };
        if who.has_ended(self.engine.calendar) || self.engine.is_sent_away(key) {
            return self.answer(key, Patience::None, context);
        }
        let (items, progress) = self.engine.take_page(key, page);
        self.engine.count_pull(items.len(), context);
        let is_overrun = matches!(progress, Some(Progress::Overrun(_)));
        let Filled { body, cursor, .. } = self.collect(key, items, progress);
        match body.is_empty() && !is_overrun {
            true => self.answer(key, Patience::Wait, context),
            false => self.respond(stream, &who, (body, Rest::More, cursor), context),
        }
    }

    /// [service:archive-unavailable] Refuses a poll that needs an archive which cannot be read.
    fn refuse_poll(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.engine.disconnect(stream);
        self.counters.polls.answered += 1;
        let _ = context.respond(stream, reply::problem(&no_archive(), self.engine.spread_ms()));
    }

    fn respond(
        &mut self,
        stream: StreamKey,
        who: &Principal,
        (body, rest, cursor): (PollBody, Rest, Cursor),
        context: &mut Context<'_>,
    ) {
        let cursor = self.proved(cursor, who);
        self.counters.polls.answered += 1;
        self.engine.disconnect(stream);
        let reply = json(Status::OK, body.finish(&cursor, rest));
        // The loop reports a client that is gone; it comes back with the cursor that it had.
        let _ = context.respond(stream, reply.header(reply::cursor(&cursor)));
    }

    fn wait_for_something(
        &mut self,
        subscriber: SubscriberKey,
        who: &Principal,
        wait_ms: u64,
    ) -> Answer<Pending> {
        let until = self.engine.now + wait_ms.min(self.engine.limits.wait_ms_max);
        // The service ends the poll itself at `until`, so the server's hold has no deadline.
        let hold = Hold { hold_ms: u64::MAX, headers: Vec::new() };
        Answer::Hold(hold, Pending::Poll(subscriber, until, who.clone()))
    }

    /// Keeps a poll whose request is held now.
    pub(crate) fn open_poll(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        until: Time,
        who: Principal,
    ) {
        self.counters.polls.opened += 1;
        // [service:expiry]
        self.engine.add_session(Session::new(stream, subscriber, Delivery::Poll, who));
        self.engine.set_due(subscriber, until);
        self.engine.expect_expiry(subscriber);
    }

    /// Answers a poll that has something to get, at the end of a turn: one answer has all that came
    /// until then.
    pub(crate) fn answer_soon(&mut self, subscriber: SubscriberKey, context: &mut Context<'_>) {
        self.answer(subscriber, Patience::Wait, context);
    }

    /// Answers a poll now, also with nothing: its time is over, its client has half-closed, or a
    /// reload ends it.
    pub(crate) fn answer_late(&mut self, subscriber: SubscriberKey, context: &mut Context<'_>) {
        self.answer(subscriber, Patience::None, context);
    }

    /// Answers every poll, some in a step, because the server shuts down.
    pub(crate) fn answer_all_polls(&mut self, context: &mut Context<'_>) {
        if self.engine.work.answer_all.begin(self.engine.sessions.places()) {
            self.engine.work.add(EVERYBODY, Task::AnswerAll);
        }
        context.come_back();
    }

    /// Answers some more polls.
    pub(crate) fn answer_some_polls(&mut self, context: &mut Context<'_>) {
        for _ in 0..units::STEP / units::SESSION {
            let Some(place) = self.engine.work.answer_all.next() else { return };
            context.spend(units::SESSION);
            let session = self.engine.sessions.at(place);
            let poll = session.filter(|session| session.delivery == Delivery::Poll);
            if let Some(subscriber) = poll.map(|session| session.subscriber) {
                self.answer(subscriber, Patience::None, context);
            }
            // [service:turn-yields]
            if context.units_left() == 0 {
                break;
            }
        }
        if !self.engine.work.answer_all.is_over() {
            self.engine.work.add(EVERYBODY, Task::AnswerAll);
        }
    }

    /// Goes on to judge all streams by new settings.
    pub(crate) fn judge_some(&mut self, context: &mut Context<'_>) {
        for subscriber in self.engine.judge_some(context) {
            self.answer_late(subscriber, context);
        }
    }

    fn answer(&mut self, key: SubscriberKey, patience: Patience, context: &mut Context<'_>) {
        let Some(session) = self.engine.sessions.of_subscriber(key) else { return };
        let (stream, who) = (session.stream, session.principal.clone());
        // [service:revoked] Its next request is checked anew.
        let is_sent_away = self.engine.is_sent_away(key);
        let patience = if is_sent_away { Patience::None } else { patience };
        let is_over = is_sent_away || who.has_ended(self.engine.calendar);
        let Filled { body, rest, cursor, fetch } = match is_over {
            true => Filled::nothing(self.engine.last_cursor_of(key)),
            false => self.fill(key, context),
        };
        if let Some(fetch) = fetch.filter(|_| body.is_empty()) {
            let bytes = self.engine.limits.answer_bytes();
            let waiter = Waiter { holder: self.engine.holder(&who), is_request: true };
            let asked = self.engine.await_page(key, waiter, fetch, bytes);
            if patience == Patience::None || asked.is_err() {
                self.refuse_poll(stream, context);
            }
            return;
        }
        let is_empty = body.is_empty() && rest == Rest::Nothing;
        // A poll that does not want to wait was held for the archive only.
        let until = self.engine.reading.patience.remove(&key);
        if !is_empty || until == Some(None) {
            return self.respond(stream, &who, (body, rest, cursor), context);
        }
        if let Some(until) = until.flatten() {
            self.engine.set_due(key, until);
        }
        if patience == Patience::Wait {
            return;
        }
        let cursor = self.proved(cursor, &who);
        self.counters.polls.answered += 1;
        self.engine.disconnect(stream);
        let reply = Reply::empty(Status::NO_CONTENT).header(NO_STORE);
        let _ = context.respond(stream, reply.header(reply::cursor(&cursor)));
    }

    /// A cursor, with its proof if the poll came with a ticket.
    fn proved(&self, cursor: Cursor, who: &Principal) -> CursorText {
        let proof = self.engine.access.proof(who, self.engine.calendar);
        cursor_text(cursor, proof.as_deref())
    }

    /// The items of a poll, as many as one answer may have, and the cursor behind them.
    ///
    /// [service:bound-answer] An item that was fetched and has no room in the answer comes with the
    /// next poll, whose cursor is before it.
    fn fill(&mut self, key: SubscriberKey, context: &mut Context<'_>) -> Filled {
        let bytes = self.engine.limits.answer_bytes();
        // As many as fit into it, however short they are.
        let messages = self.engine.limits.poll_messages_max;
        let overhead = messages.saturating_mul(Entry::<EntryBody>::OVERHEAD_BYTES);
        let budget = Budget { messages, bytes: bytes.saturating_add(overhead) };
        let (items, pulled) = self.engine.fetch_items(key, budget);
        context.spend(units::POLL);
        self.engine.count_pull(items.len(), context);
        self.collect(key, items, pulled)
    }

    /// The answer that these items make.
    fn collect(
        &mut self,
        key: SubscriberKey,
        mut items: Vec<Item<EntryBody>>,
        pulled: Option<Progress>,
    ) -> Filled {
        let (mut body, bytes) = (PollBody::new(), self.engine.limits.answer_bytes());
        let (mut replayed, mut reached, mut cut) = (0, None, None);
        for item in items.drain(..) {
            match item {
                Item::Message(entry) => {
                    if !entry.body.payload().is_expired(entry.time_ms, &self.engine.log_time) {
                        if !body.entry_within(&entry, &CursorText::new(entry.position), bytes) {
                            cut = reached;
                            break;
                        }
                        replayed += u64::from(entry.kind == Kind::Message);
                    }
                    reached = Some(entry.position);
                }
                Item::Gap(gap) => body.gap(Gap::from(&gap)),
                // The answer has everything that the stream caught up with.
                Item::Sync(sync) => body.sync(&CursorText::new(sync.cursor), sync.gaps, replayed),
            }
        }
        self.engine.keep_buffer(items);
        let rest = match (cut, pulled) {
            (None, None | Some(Progress::Live)) => Rest::Nothing,
            // Overrun while it waited: the next poll, from the same cursor, is told of the gap.
            (Some(_), _)
            | (None, Some(Progress::More | Progress::Overrun(_) | Progress::Fetch(_))) => {
                Rest::More
            }
        };
        let fetch = match pulled {
            Some(Progress::Fetch(fetch)) => Some(fetch),
            Some(Progress::Live | Progress::More | Progress::Overrun(_)) | None => None,
        };
        let cursor = cut.unwrap_or_else(|| self.engine.cursor_of(key));
        Filled { body, rest, cursor, fetch }
    }

    /// What an answer to a poll says besides its content, if it is never held.
    fn label(&self, who: &Principal, channels: &[&str], start: Start, wait_ms: u64) -> Label {
        let targets = channels.iter().filter_map(|name| Target::new(name).ok());
        let (caching, epoch) = (self.caching(who, targets), self.engine.hub.position().epoch);
        Label { tag: self.tag(channels), caching, start, epoch, waits: wait_ms != 0 }
    }

    /// The entity tag of what a poll over these channels would get: it changes when something in
    /// one of them does.
    fn tag(&self, channels: &[&str]) -> String {
        let names = channels.iter().map(|name| sockeye_hub::ChannelName::new(name));
        let seq = match names.collect::<Result<Vec<_>, _>>() {
            Ok(names) => self.engine.hub.changed(names),
            // Patterns: anything may be for them.
            Err(_) => self.engine.hub.position().seq,
        };
        format!("\"{}\"", self.engine.hub.at(seq))
    }
}

/// What an answer at once says besides its content.
struct Label {
    /// The entity tag.
    tag: String,
    caching: Caching,
    start: Start,
    epoch: Epoch,
    /// The poll would have waited.
    waits: bool,
}

impl Label {
    fn answer(&self, holds: Holds, body: PollBody, rest: Rest, cursor: &CursorText) -> Reply {
        let reply = json_body(Status::OK, body.finish(cursor, rest));
        let reply = self.caching.mark(reply.header(reply::cursor(cursor)), holds);
        match rest {
            Rest::Nothing => reply.header(reply::text("ETag", &self.tag)),
            // The next request has to get the rest, though nothing has changed.
            Rest::More => reply,
        }
    }

    /// The answer to a client that has what the tag stands for.
    fn unchanged(&self) -> Reply {
        let holds = self.holds(&PollBody::new(), Rest::Nothing);
        let reply = self.caching.mark(Reply::empty(Status::NOT_MODIFIED), holds);
        reply.header(reply::text("ETag", &self.tag))
    }

    fn holds(&self, body: &PollBody, rest: Rest) -> Holds {
        match self.waits {
            true => Holds::Not,
            false => poll_holds(self.start, self.epoch, body, rest),
        }
    }
}
