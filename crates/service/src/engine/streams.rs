//! Streams that are open: subscribing, delivering, catching up, ending.

mod catching_up;

use std::rc::Rc;

use sockeye_hub::{Cursor, Entry, Flow, Kind, Seq, Start, SubscriberKey, Target};
use sockeye_server::{Context, SendError, StreamKey, Time};

use crate::dialect::writer::StreamWriter;
use crate::engine::Engine;
use crate::engine::access::{Access, Principal};
use crate::engine::body::{self, Body};
use crate::engine::presence::Watch;
use crate::engine::session::{Delivery, Session, Sessions};
use crate::wire::{CloseReason, Control, Problem};

/// What a subscription came to.
#[derive(Debug, Default)]
pub(crate) struct Taken<'t> {
    /// The targets that are subscribed now.
    pub(crate) targets: Vec<&'t str>,
    /// Those among them that had ended, which nothing that follows will say.
    pub(crate) ended: Vec<&'t str>,
}

/// What delivery touches: everything but the hub, which delivers.
pub(crate) struct FanOut<'d, 'c> {
    pub(crate) sessions: &'d mut Sessions,
    pub(crate) answerable: &'d mut Vec<SubscriberKey>,
    /// Those who have been told that the channel has ended.
    pub(crate) ended: Vec<SubscriberKey>,
    pub(crate) access: &'d Access,
    pub(crate) now_ms: u64,
    pub(crate) queue_bytes_max: usize,
    pub(crate) context: &'d mut Context<'c>,
}

impl FanOut<'_, '_> {
    /// Hands a message that has just come into the log to one live stream, if it has room.
    ///
    /// [service:slow-readers] A stream that has none gets nothing, and keeps nothing but its
    /// cursor.
    pub(crate) fn deliver(&mut self, key: SubscriberKey, entry: &Rc<Entry<Body>>) -> Flow {
        let Some(session) = self.sessions.of_subscriber(key) else { return Flow::Full };
        // [service:expiry] Nothing from then on, not even in the turn that ends it. For whom nothing
        // is due there is no end, or it was told.
        if session.due != Time::NEVER && session.who.has_ended(self.now_ms) {
            return Flow::Full;
        }
        if session.form == Delivery::Poll {
            // It fetches all there is at the end of the turn.
            self.answerable.push(key);
            return Flow::Fetches;
        }
        match offer(session, entry, self.access, self.now_ms, self.queue_bytes_max, self.context) {
            Ok(()) => {}
            Err(SendError::Backpressure) => {
                self.context.notify_drained(session.stream);
                if let Some(session) = self.sessions.of_subscriber_mut(key) {
                    session.lags = true;
                }
                return Flow::Full;
            }
            Err(_) => return Flow::Full,
        }
        if entry.kind == Kind::End {
            self.ended.push(key);
        }
        Flow::Taken
    }
}

/// Sends a message of the log, unless too much waits for the peer already. For what many get as it is the
/// stream is looked up once.
fn offer(
    session: &Session,
    entry: &Entry<Body>,
    access: &Access,
    now_ms: u64,
    waiting_max: usize,
    context: &mut Context<'_>,
) -> Result<(), SendError> {
    let stream = session.stream;
    match session.form {
        Delivery::Bare => {
            if let Some(message) = body::bare(entry) {
                return context.send_shared_below(stream, message, waiting_max);
            }
        }
        Delivery::Commands | Delivery::Greeting => {
            return context.send_shared_below(stream, body::message(entry), waiting_max);
        }
        Delivery::Events(envelope) => {
            if !session.who.has_ticket() {
                let event = body::event(entry, envelope);
                return context.send_shared_event_below(stream, event, waiting_max);
            }
        }
        Delivery::Poll => return Ok(()),
    }
    if context.outbox_bytes(stream) >= waiting_max {
        return Err(SendError::Backpressure);
    }
    StreamWriter::of(session, access, now_ms, context).entry(entry)
}

impl Engine {
    /// Adds a subscriber for a stream; `None` and a goodbye if there is no room for one.
    pub(crate) fn connect(
        &mut self,
        stream: StreamKey,
        form: Delivery,
        who: Principal,
        start: Start,
        context: &mut Context<'_>,
    ) -> Option<SubscriberKey> {
        let admitted = self.admit_stream(stream, &who).and_then(|()| {
            self.hub.connect().map_err(|_| {
                self.bounds.rejections.full += 1;
                (CloseReason::TryAgain, self.retry_ms(stream))
            })
        });
        match admitted {
            Ok(subscriber) => {
                let (end, reason) = self.end_of(stream, &who, context.now());
                self.sessions.add(Session::new(stream, subscriber, form, who));
                self.set_end(subscriber, end, reason);
                Some(subscriber)
            }
            Err((reason, retry_ms)) => {
                // With what it came with, its proof as well: a ticket is used up by now.
                let proof = StreamWriter::proof(form, &who, &self.access, self.now_ms);
                let cursor = self.begin_again_at(start);
                let mut line = StreamWriter { stream, form, proof, context };
                line.goaway(reason, Some(retry_ms), cursor);
                None
            }
        }
    }

    /// A stream has been told that a channel has ended. If all of its channels have, and it cannot ask
    /// for others, it is ended.
    pub(crate) fn end_one(
        &mut self,
        key: SubscriberKey,
        channel: &str,
        at: Cursor,
        context: &mut Context<'_>,
    ) {
        self.expect_nothing(key, channel);
        self.end_if_over(key, at, context);
    }

    fn end_if_over(&mut self, key: SubscriberKey, at: Cursor, context: &mut Context<'_>) {
        let is_finished = self.hub.subscriber(key).is_none_or(|it| it.is_finished());
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        if is_finished && session.ends_with_its_channels() {
            self.line(session, context).goaway(CloseReason::Ended, None, at);
        }
    }

    /// A stream as something to say things on.
    pub(crate) fn line<'l, 'c>(
        &self,
        session: &Session,
        context: &'l mut Context<'c>,
    ) -> StreamWriter<'l, 'c> {
        StreamWriter::of(session, &self.access, self.now_ms, context)
    }

    /// Says when a stream is ended, and as what.
    pub(crate) fn set_end(&mut self, subscriber: SubscriberKey, end: Time, reason: CloseReason) {
        if let Some(session) = self.sessions.of_subscriber_mut(subscriber) {
            session.ends_as = reason;
        }
        self.set_due(subscriber, end);
    }

    /// Says when something is due for a stream next.
    pub(crate) fn set_due(&mut self, subscriber: SubscriberKey, due: Time) {
        let Some(session) = self.sessions.of_subscriber_mut(subscriber) else { return };
        self.due.remove(&(session.due, subscriber));
        session.due = due;
        if due != Time::NEVER {
            self.due.insert((due, subscriber));
        }
    }

    /// Ends the sessions whose end is due. Stops at one that fetches, which its dialect answers.
    pub(crate) fn do_what_is_due(&mut self, context: &mut Context<'_>) -> Option<SubscriberKey> {
        while let Some(&(due, subscriber)) = self.due.first() {
            if due > context.now() {
                return None;
            }
            self.set_due(subscriber, Time::NEVER);
            let cursor = self.cursor_of(subscriber);
            let Some(session) = self.sessions.of_subscriber(subscriber) else { continue };
            let reason = match session.form {
                Delivery::Poll => return Some(subscriber),
                Delivery::Events(_) | Delivery::Commands | Delivery::Greeting | Delivery::Bare => {
                    session.ends_as
                }
            };
            self.line(session, context).goaway(reason, None, cursor);
        }
        None
    }

    /// Subscribes a stream to targets; each that is refused is named, and the others go on.
    pub(crate) fn subscribe<'t>(
        &mut self,
        key: SubscriberKey,
        who: &Principal,
        targets: &[&'t str],
        (start, watch): (Start, Watch),
        mut refused: impl FnMut(&'t str, Problem),
    ) -> Taken<'t> {
        let mut taken = Taken::default();
        for text in targets {
            let subscribed = Target::new(text).map_err(Problem::from).and_then(|target| {
                who.may_subscribe(target, &self.namespaces)?;
                if watch == Watch::Yes {
                    self.check_watch(target)?;
                }
                let mut subscriber = self.hub.subscriber(key).expect("it was connected");
                let subscribed = subscriber.subscribe(target, start, self.now_ms)?;
                // A poll is none yet, and may be refused for what it names next.
                if let Some(session) = self.sessions.of_subscriber_mut(key) {
                    session.by_rule |= !who.is_granted(target);
                    self.is_there(key, target, who, watch);
                }
                Ok(subscribed)
            });
            match subscribed {
                Ok(subscribed) => {
                    taken.targets.push(*text);
                    match self.end_is_known(start, subscribed.ended) {
                        EndIs::ToCome => {}
                        EndIs::Known => self.expect_nothing(key, text),
                        EndIs::Unsaid => {
                            self.expect_nothing(key, text);
                            taken.ended.push(*text);
                        }
                    }
                }
                Err(problem) => refused(text, problem),
            }
        }
        taken
    }

    fn expect_nothing(&mut self, key: SubscriberKey, channel: &str) {
        if let Some(mut subscriber) = self.hub.subscriber(key) {
            subscriber.finish(channel);
        }
    }

    /// What a client that starts there knows of a channel's end.
    fn end_is_known(&self, start: Start, ended: Option<Seq>) -> EndIs {
        let Some(last) = ended else { return EndIs::ToCome };
        match start {
            Start::Now => EndIs::Unsaid,
            // Above the head there is a gap to come, which says it.
            Start::After(cursor) if self.is_in_the_log(start) => {
                if cursor.seq >= last {
                    EndIs::Known
                } else {
                    EndIs::ToCome
                }
            }
            Start::After(_) | Start::Earliest | Start::Unreadable => EndIs::ToCome,
        }
    }

    /// Says which channels had ended before they were subscribed.
    pub(crate) fn say_ended(
        &mut self,
        key: SubscriberKey,
        ended: &[&str],
        context: &mut Context<'_>,
    ) {
        let (position, cursor) = (self.hub.position(), self.cursor_of(key));
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        let mut line = self.line(session, context);
        for channel in ended {
            // The place of its last entry would take the client back behind what it has.
            let cursor = line.cursor(cursor);
            // Whoever is gone is reported by itself.
            let _ = line.control(&Control::End { channel, cursor: &cursor });
        }
        self.end_if_over(key, position, context);
    }

    /// Where a subscriber is.
    pub(crate) fn cursor_of(&mut self, subscriber: SubscriberKey) -> Cursor {
        let cursor = self.hub.subscriber(subscriber).map(|subscriber| subscriber.cursor());
        cursor.unwrap_or_else(|| self.hub.position())
    }

    /// Where the subscriber of a stream is.
    pub(crate) fn cursor_of_stream(&mut self, stream: StreamKey) -> Option<Cursor> {
        let subscriber = self.sessions.of_stream(stream)?.subscriber;
        Some(self.cursor_of(subscriber))
    }

    /// [service:expiry] Whether a stream's identity has ended, which ends the stream.
    pub(crate) fn has_expired(&mut self, key: SubscriberKey, context: &mut Context<'_>) -> bool {
        let session = self.sessions.of_subscriber(key);
        if !session.is_some_and(|it| it.who.has_ended(self.now_ms)) {
            return false;
        }
        let cursor = self.cursor_of(key);
        let Some(session) = self.sessions.of_subscriber(key) else { return false };
        self.line(session, context).goaway(CloseReason::Expired, None, cursor);
        self.set_due(key, Time::NEVER);
        true
    }

    /// Removes a subscriber that has no stream.
    pub(crate) fn leave(&mut self, subscriber: SubscriberKey) {
        self.is_gone(subscriber);
        if let Some(subscriber) = self.hub.subscriber(subscriber) {
            subscriber.disconnect();
        }
    }

    /// A stream is gone: its subscriptions go with it.
    pub(crate) fn disconnect(&mut self, stream: StreamKey) {
        let Some(session) = self.sessions.remove(stream) else { return };
        self.due.remove(&(session.due, session.subscriber));
        self.leave(session.subscriber);
    }
}

/// What a client knows of the end of a channel that it subscribes.
enum EndIs {
    /// Nothing: it may still come, or be replayed.
    ToCome,
    /// All.
    Known,
    /// Nothing, and nothing that follows will say it.
    Unsaid,
}
