//! Polls: a request is a subscriber for as long as it waits, and its answer is all it gets.

use sockeye_hub::{Budget, Cursor, Item, Kind, Progress, Start, SubscriberKey, Target};
use sockeye_server::{Answer, Context, Hold, Reply, Request, Status, StreamKey, Time};

use crate::access::Who;
use crate::presence::Watch;
use crate::reply::{self, NO_STORE, json};
use crate::session::{Form, Session};
use crate::wire::{CursorText, Gap, PollBody, Problem, Query, Rest};
use crate::{Opening, Service};

/// When a poll is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// Once there is something.
    Wait,
    /// Now.
    None,
}

impl Service {
    /// Answers a poll if there is something for it or it does not want to wait, or holds it.
    pub(crate) fn poll(
        &mut self,
        request: &Request<'_>,
        who: &Who,
        query: &Query<'_>,
        start: Start,
        context: &mut Context<'_>,
    ) -> Result<Answer, Problem> {
        let channels = query.channels(&self.limits.wire)?;
        let wait_ms = query.number("wait")?.unwrap_or(0).saturating_mul(1_000);
        let tag = self.tag(&channels);
        let may = |channel: &&str| {
            Target::new(channel)
                .is_ok_and(|target| who.may_subscribe(target, &self.namespaces).is_ok())
        };
        if wait_ms == 0 && channels.iter().all(may) && is_known(request, &tag) {
            let reply = Reply::empty(Status::NOT_MODIFIED).header(NO_STORE);
            return Ok(reply.header(reply::text("ETag", &tag)).into());
        }
        let subscriber = self.hub.connect().inspect_err(|_| self.bounds.rejections.full += 1)?;
        let mut refusal = None;
        let from = (start, Watch::No);
        let taken = self.subscribe(subscriber, who, &channels, from, |_, problem| {
            refusal.get_or_insert(problem);
        });
        if let Some(problem) = refusal {
            // An answer without one of the channels would look like silence in it.
            self.leave(subscriber);
            return Err(problem);
        }
        let (mut body, rest) = self.fill(subscriber);
        for channel in taken.ended {
            body.ended(channel, &CursorText::new(self.cursor_of(subscriber)));
        }
        let is_over = wait_ms == 0 || context.is_draining();
        if is_over || !body.is_empty() || rest == Rest::More {
            return Ok(self.answer_at_once(subscriber, who, (body, rest), &tag).into());
        }
        if let Err(problem) = self.admit_user(who) {
            self.leave(subscriber);
            return Err(problem);
        }
        Ok(self.wait_for_something(subscriber, who, wait_ms, context.now()))
    }

    /// Answers a poll that was never held.
    fn answer_at_once(
        &mut self,
        subscriber: SubscriberKey,
        who: &Who,
        (body, rest): (PollBody, Rest),
        tag: &str,
    ) -> Reply {
        let cursor = self.cursor_of(subscriber);
        let cursor = self.proved(cursor, who);
        self.leave(subscriber);
        let reply = json(Status::OK, body.finish(&cursor, rest));
        let reply = reply.header(reply::cursor(&cursor));
        match rest {
            Rest::Nothing => reply.header(reply::text("ETag", tag)),
            // Who asks again has to get the rest, though nothing has changed.
            Rest::More => reply,
        }
    }

    fn wait_for_something(
        &mut self,
        subscriber: SubscriberKey,
        who: &Who,
        wait_ms: u64,
        now: Time,
    ) -> Answer {
        // [service:expiry]
        let left_ms = who.ends_ms().map_or(u64::MAX, |ends| ends.saturating_sub(self.now_ms));
        let until = now + wait_ms.min(self.limits.wait_ms_max).min(left_ms);
        self.opening = Some(Opening::Poll(subscriber, until, who.clone()));
        // The service's own clock answers before the server's.
        Answer::Hold(Hold { hold_ms: u64::MAX, headers: Vec::new() })
    }

    /// A poll is held.
    pub(crate) fn open_poll(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        until: Time,
        who: Who,
    ) {
        self.counters.polls.opened += 1;
        self.sessions.add(Session::new(stream, subscriber, Form::Poll, who));
        self.set_due(subscriber, until);
    }

    /// Answers the polls for which something has come, at the end of a turn: whatever came in it
    /// is in one answer.
    pub(crate) fn answer_polls(&mut self, context: &mut Context<'_>) {
        for subscriber in core::mem::take(&mut self.answerable) {
            self.answer(subscriber, Patience::Wait, context);
        }
    }

    /// Answers a poll that has waited for long enough.
    pub(crate) fn answer_late(&mut self, subscriber: SubscriberKey, context: &mut Context<'_>) {
        self.answer(subscriber, Patience::None, context);
    }

    /// Answers every poll: the server goes away.
    pub(crate) fn answer_all_polls(&mut self, context: &mut Context<'_>) {
        let polls = self.sessions.iter().filter(|session| session.form == Form::Poll);
        let polls: Vec<SubscriberKey> = polls.map(|session| session.subscriber).collect();
        for subscriber in polls {
            self.answer(subscriber, Patience::None, context);
        }
    }

    fn answer(&mut self, key: SubscriberKey, patience: Patience, context: &mut Context<'_>) {
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        let (stream, who) = (session.stream, session.who.clone());
        let (body, rest) = match who.has_ended(self.now_ms) {
            true => (PollBody::new(), Rest::Nothing),
            false => self.fill(key),
        };
        let is_empty = body.is_empty() && rest == Rest::Nothing;
        if is_empty && patience == Patience::Wait {
            return;
        }
        let cursor = self.cursor_of(key);
        let cursor = self.proved(cursor, &who);
        self.counters.polls.answered += 1;
        self.disconnect(stream);
        let reply = if is_empty {
            Reply::empty(Status::NO_CONTENT).header(NO_STORE)
        } else {
            json(Status::OK, body.finish(&cursor, rest))
        };
        // Whoever is gone is reported by itself, and comes back with the cursor it had.
        let _ = context.respond(stream, reply.header(reply::cursor(&cursor)));
    }

    /// A cursor with what proves whose it is, if the poll came with a ticket.
    fn proved(&self, cursor: Cursor, who: &Who) -> CursorText {
        let proof = self.access.proof(who, self.now_ms);
        let proved = proof.and_then(|proof| CursorText::with_proof(cursor, &proof));
        proved.unwrap_or_else(|| CursorText::new(cursor))
    }

    /// What there is for a poll, as much as one answer may have.
    fn fill(&mut self, key: SubscriberKey) -> (PollBody, Rest) {
        let mut body = PollBody::new();
        let Some(mut subscriber) = self.hub.subscriber(key) else { return (body, Rest::Nothing) };
        let budget =
            Budget { messages: self.limits.poll_messages_max, bytes: self.limits.poll_bytes_max };
        let progress = subscriber.pull(budget, self.now_ms, &mut self.items);
        let mut replayed = 0;
        for item in self.items.drain(..) {
            match item {
                Item::Message(entry) => {
                    if !entry.body.payload().is_expired(entry.time_ms, self.now_ms) {
                        replayed += u64::from(entry.kind == Kind::Message);
                        body.entry(&entry, &CursorText::new(entry.position));
                    }
                }
                Item::Gap(gap) => body.gap(Gap::from(&gap)),
                // Of what it caught up with, this answer has all.
                Item::Sync(sync) => body.sync(&CursorText::new(sync.cursor), sync.gaps, replayed),
            }
        }
        let rest = match progress {
            Progress::Live => Rest::Nothing,
            // Overrun while it waited: the next poll, from the same cursor, is told of the gap.
            Progress::More | Progress::Overrun(_) => Rest::More,
        };
        (body, rest)
    }

    /// The entity tag of what a poll over these channels would get: it changes when something in
    /// one of them does.
    fn tag(&self, channels: &[&str]) -> String {
        let names = channels.iter().map(|name| sockeye_hub::ChannelName::new(name));
        let position = self.hub.position();
        let seq = match names.collect::<Result<Vec<_>, _>>() {
            Ok(names) => self.hub.changed(names),
            // Patterns: anything may be for them.
            Err(_) => position.seq,
        };
        format!("\"{}\"", Cursor { seq, ..position })
    }
}

/// Whether the client has what the tag stands for (RFC 9110 §13.1.2).
fn is_known(request: &Request<'_>, tag: &str) -> bool {
    let mut known = request.head.headers().elements("If-None-Match");
    known.any(|it| it.strip_prefix(b"W/").unwrap_or(it) == tag.as_bytes())
}
