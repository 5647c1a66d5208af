//! Polls that are held until there is something for them, or the archive has answered.

use sockeye_hub::{Cursor, Fetched, Item, Progress, SubscriberKey};
use sockeye_server::{Context, Status, StreamKey, Time};

use super::{Filled, Patience, not_judged};
use crate::Service;
use crate::dialect::history::no_archive;
use crate::dialect::outlet::{Delivery, EntryBody};
use crate::dialect::reply::{self, json};
use crate::engine::Delivery as _;
use crate::engine::archive::{Arrived, Asker, Waiter};
use crate::engine::work::EVERYBODY;
use crate::engine::{Principal, Session, Task, units};
use crate::sequencing::Unavailable;
use crate::wire::{CursorText, PollBody, Problem, Rest};

/// When a poll whose time is over is looked at again, if its page is here, in milliseconds: the page is a task of this
/// turn, or of a later one.
const PAGE_TASK_MS: u64 = 1;

impl Service {
    /// Keeps a poll whose request is held now.
    pub(crate) fn open_poll(
        &mut self,
        stream: StreamKey,
        (subscriber, delivery): (SubscriberKey, Delivery),
        until: Time,
        who: Principal,
    ) {
        self.counters.polls.opened += 1;
        // [service:expiry]
        self.engine.add_session(Session::new(stream, subscriber, delivery, who));
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

    /// Answers a poll whose time is over, unless a page of the archive is here for it. The page comes first: a loop
    /// that is late would otherwise refuse the poll, and each one after it. [service:archive-page-first]
    pub(crate) fn answer_due(&mut self, subscriber: SubscriberKey, context: &mut Context<'_>) {
        match self.engine.reading.has_page_for(subscriber) {
            true => self.engine.set_due(subscriber, self.engine.now + PAGE_TASK_MS),
            false => self.answer_late(subscriber, context),
        }
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
            let poll = session.filter(|session| session.delivery.fetches());
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
        self.engine.deliver_to(key, context);
        let Some(session) = self.engine.sessions.of_subscriber(key) else { return };
        let (stream, who) = (session.stream, session.principal.clone());
        // [service:revoked] Its next request is checked anew.
        let is_sent_away = self.engine.is_sent_away(key);
        let patience = if is_sent_away { Patience::None } else { patience };
        let mut is_over = is_sent_away || who.has_ended(self.engine.calendar);
        // [service:answers-wait] At the end of its time it gets its cursor only, or is refused if that says nothing.
        if !is_over && context.put_off(stream) {
            match (patience, self.refusal_of_late(key)) {
                (Patience::Wait, _) => return self.engine.work.note_in_vain(),
                (Patience::None, Some(problem)) => {
                    return self.refuse_poll(stream, &problem, context);
                }
                (Patience::None, None) => is_over = true,
            }
        }
        let Filled { body, rest, cursor, fetch } = match is_over {
            true => Filled::nothing(self.engine.last_cursor_of(key)),
            false => self.fill(key, context),
        };
        if let Some(fetch) = fetch.filter(|_| body.is_empty()) {
            let bytes = self.engine.limits.answer_bytes();
            let (holder, payer) = (self.engine.holder(&who), self.engine.work.payer(&who));
            let waiter = Waiter { holder, payer, is_request: true };
            let asked = self.engine.await_page(key, waiter, fetch, bytes);
            if patience == Patience::None || asked.is_err() {
                self.refuse_poll(stream, &no_archive(), context);
            }
            return;
        }
        let is_empty = body.is_empty() && rest == Rest::Nothing;
        // A poll that does not want to wait was held for the archive only.
        let until = self.engine.reading.patience.remove(&key);
        if !is_empty || until == Some(None) {
            return self.respond(key, &who, (body, rest, cursor), context);
        }
        if let Some(until) = until.flatten() {
            self.engine.set_due(key, until);
        }
        if patience == Patience::Wait {
            return;
        }
        self.counters.polls.answered += 1;
        self.engine.disconnect(stream);
        let _ = context.respond(stream, self.nothing(cursor, &who));
    }

    /// Hands in the page that an asker waits for, and hears what the archive has answered meanwhile: an asker
    /// whose page has nothing for it may get the next one in the same turn.
    pub(crate) fn take_page(&mut self, asker: Asker, context: &mut Context<'_>) {
        match self.engine.take_arrived(asker) {
            Some(Arrived::Session(key, page)) => {
                let session = self.engine.sessions.of_subscriber(key);
                match session.map(|session| session.delivery) {
                    Some(Delivery::Poll | Delivery::CodedPoll) => {
                        self.answer_page(key, page, context);
                    }
                    Some(_) => self.engine.hand_out_page(key, page, context),
                    None => {}
                }
            }
            Some(Arrived::Request(id, page)) => self.answer_history(id, page, context),
            None => {}
        }
        if context.units_left() > 0 {
            self.engine.hear_archive(0, context);
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
        let Ok(page) = page else { return self.refuse_poll(stream, &no_archive(), context) };
        if who.has_ended(self.engine.calendar) || self.engine.is_sent_away(key) {
            return self.answer(key, Patience::None, context);
        }
        // [service:answers-wait] The page is read again when there is room for it.
        if context.put_off(stream) {
            self.engine.work.note_in_vain();
            return;
        }
        let (mut items, mut progress) = self.engine.take_page(key, page);
        // [hub:gap-policy] The next poll does not know what follows a gap, so memory's part belongs to this answer.
        if progress == Some(Progress::More) && items.iter().any(|it| matches!(it, Item::Gap(_))) {
            progress = self.engine.fetch_more(key, self.poll_budget(), &mut items);
        }
        self.engine.count_pull(items.len(), context);
        let is_overrun = matches!(progress, Some(Progress::Overrun(_)));
        let Filled { body, rest, cursor, .. } = self.collect(key, items, progress);
        match body.is_empty() && !is_overrun {
            true => self.answer(key, Patience::Wait, context),
            false => self.respond(key, &who, (body, rest, cursor), context),
        }
    }

    /// Why a poll whose time ends while it is put off gets no 204, which says that its client has everything up to its
    /// cursor: a gap is still to be told, or it waits for the archive only.
    fn refusal_of_late(&mut self, key: SubscriberKey) -> Option<Problem> {
        if self.engine.hub.subscriber(key).is_some_and(|it| it.owes_fault()) {
            return Some(not_judged());
        }
        let is_short = self.engine.reading.patience.get(&key) == Some(&None);
        is_short.then(no_archive)
    }

    /// Refuses a poll: it needs an archive which cannot be read [service:archive-unavailable], or its cursor was not
    /// judged.
    fn refuse_poll(&mut self, stream: StreamKey, problem: &Problem, context: &mut Context<'_>) {
        self.engine.disconnect(stream);
        self.counters.polls.answered += 1;
        let _ = context.respond(stream, reply::problem(problem, self.engine.spread_ms()));
    }

    /// Answers a poll with these items.
    fn respond(
        &mut self,
        key: SubscriberKey,
        who: &Principal,
        (mut body, rest, cursor): (PollBody, Rest, Cursor),
        context: &mut Context<'_>,
    ) {
        let Some(session) = self.engine.sessions.of_subscriber(key) else { return };
        let (stream, delivery) = (session.stream, session.delivery);
        // [service:ended-before] Here are those that had ended when it came. Others are among the items.
        if let Some(subscriber) = self.engine.hub.subscriber(key) {
            for channel in subscriber.finished() {
                body.ended(channel, &CursorText::new(cursor));
            }
        }
        let cursor = self.proved(cursor, who);
        self.counters.polls.answered += 1;
        self.engine.disconnect(stream);
        let reply = json(Status::OK, body.finish(&cursor, rest));
        context.spend(units::of_text(reply.body.len()));
        let reply = self.code(reply, delivery.coding(), context);
        // The loop reports a client that is gone; it comes back with the cursor that it had.
        let _ = context.respond(stream, reply.header(reply::cursor(&cursor)));
    }
}
