//! WebSockets: commands of `sockeye.v1.json` and their answers.

use std::borrow::Cow;

use sockeye_hub::{Start, SubscriberKey, Token};
use sockeye_server::{CloseCode, Context, Message, StreamKey};

use crate::Service;
use crate::dialect::openings::How;
use crate::dialect::outlet::{Delivery, Recipient};
use crate::dialect::publishing::Asker;
use crate::dialect::redemptions::Redeeming;
use crate::engine::{Before, End, NOWHERE, Principal, Watch, units};
use crate::wire::{
    CloseReason, Code, Command, Control, Credential, Id, Problem, Publish, Refused, target,
};

impl Service {
    /// Takes a message that came on a WebSocket.
    pub(crate) fn take_message(
        &mut self,
        stream: StreamKey,
        message: Message<'_>,
        context: &mut Context<'_>,
    ) {
        // It waits for its last receipts only. A command has no effect then, and no answer.
        if self.jobs.is_leaving(stream) {
            return;
        }
        if self.redemptions.holds(stream) {
            return self.refuse_impatient(stream, context);
        }
        let Some(session) = self.engine.sessions.of_stream(stream) else { return };
        let (subscriber, form) = (session.subscriber, session.delivery);
        if self.engine.has_lost_rights(subscriber, context) {
            return;
        }
        context.spend(units::ITEM + units::of_text(message.as_bytes().len()));
        let Some(command) = self.read_command(form, message) else {
            self.engine.deliver_to(subscriber, context);
            let cursor = self.engine.cursor_of(subscriber);
            let to = Recipient::new(stream, form);
            return to.goaway(CloseReason::BadCommand, None, cursor, context);
        };
        let greeting = form == Delivery::Greeting;
        // The rate limit does not count the `auth` message, because it comes only once. It counts
        // no message of a client that has to authenticate first, because every other command of it
        // is refused.
        let counts = !greeting
            || !(self.engine.access.asks_first(&self.engine.namespaces)
                || matches!(command, Ok(Command::Auth { .. })));
        if counts && let Err(problem) = self.count_command(subscriber) {
            let id = command.as_ref().map_or_else(|it| it.id.as_ref(), Command::id);
            return self.refuse_command(subscriber, id, &problem, context);
        }
        match command {
            Ok(Command::Auth { id, credential }) if greeting => {
                self.greet(stream, subscriber, id.as_ref(), &credential, context);
            }
            Ok(command) => {
                if greeting {
                    let who = self.engine.anybody.clone();
                    self.let_in(subscriber, who, context);
                }
                self.obey(stream, subscriber, command, context);
            }
            Err(refused) => self.refuse_unread(stream, form, &refused, context),
        }
    }

    /// Reads a message as a command; `None` if the stream takes no such message. The subprotocol
    /// has no binary messages, and a stream without it takes none at all.
    fn read_command<'m>(
        &self,
        form: Delivery,
        message: Message<'m>,
    ) -> Option<Result<Command<'m>, Refused<'m>>> {
        let Message::Text(text) = message else { return None };
        let limits = &self.engine.limits.wire;
        match form {
            Delivery::Greeting if self.engine.access.asks_first(&self.engine.namespaces) => {
                Some(Command::parse_first(text.as_bytes(), limits))
            }
            Delivery::Greeting | Delivery::Commands => {
                Some(Command::parse(text.as_bytes(), limits))
            }
            Delivery::Bare | Delivery::Events(..) | Delivery::Poll | Delivery::CodedPoll => None,
        }
    }

    /// Refuses a message that could not be read as a command.
    fn refuse_unread(
        &mut self,
        stream: StreamKey,
        form: Delivery,
        Refused { id, problem }: &Refused<'_>,
        context: &mut Context<'_>,
    ) {
        self.engine.deliver_before(stream, context);
        let to = Recipient::new(stream, form);
        to.error(id.as_ref(), None, problem, context);
        if form == Delivery::Greeting
            && self.engine.access.asks_first(&self.engine.namespaces)
            && let Some(cursor) = self.engine.cursor_of_stream(stream)
        {
            // [service:auth-first] A first message has no second try.
            to.goaway(CloseReason::Unauthenticated, None, cursor, context);
        }
    }

    /// Takes the first message, which says who the client is.
    fn greet(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        id: Option<&Id<'_>>,
        credential: &Credential<'_>,
        context: &mut Context<'_>,
    ) {
        let now = (self.engine.moment(), &self.engine.sequencing);
        let shown = self.engine.access.of_command(credential, now);
        context.spend(shown.as_ref().map_or(units::TOKEN, Principal::units));
        let to = Recipient::socket(stream);
        let who = match shown {
            Ok(who) => who,
            Err(refusal) => {
                self.note_greeting(Some(refusal), context.peer(stream));
                let problem = Problem::from(refusal);
                to.error(id, None, &problem, context);
                let code = CloseCode::new(problem.close_code());
                return context.close(stream, code, problem.code.as_str());
            }
        };
        let Some(hash) = who.unredeemed() else {
            self.note_greeting(None, context.peer(stream));
            return self.greet_known(stream, subscriber, id, who, context);
        };
        // [service:redeem-first]
        let redeeming = Redeeming::greeting(hash, (subscriber, who), id);
        self.begin_to_redeem(stream, redeeming, context);
    }

    /// Lets a client in whose first message has said who it is.
    pub(super) fn greet_known(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        id: Option<&Id<'_>>,
        who: Principal,
        context: &mut Context<'_>,
    ) {
        let to = Recipient::socket(stream);
        if let Err(refusal) = self.engine.admit_own(&who) {
            let cursor = self.engine.cursor_of(subscriber);
            let retry = self.engine.retry_ms(stream) + refusal.wait_ms();
            return to.goaway(CloseReason::TooManyConnections, Some(retry), cursor, context);
        }
        self.let_in(subscriber, who, context);
        let cursor = to.cursor(self.engine.cursor_of(subscriber));
        to.control(&Control::Pong { id, cursor: &cursor }, context);
    }

    /// Gives the stream this principal from now on.
    fn let_in(&mut self, subscriber: SubscriberKey, who: Principal, context: &Context<'_>) {
        let Some(session) = self.engine.sessions.of_subscriber(subscriber) else { return };
        let who = who.where_is(&session.principal);
        let end = self.engine.lifetime_end(session.stream, context.now());
        self.engine.set_end(subscriber, end, End::Lifetime);
        self.engine.let_in(subscriber, &who, Delivery::Commands);
    }

    /// Counts a message of a stream.
    fn count_command(&mut self, subscriber: SubscriberKey) -> Result<(), Problem> {
        let Some(session) = self.engine.sessions.of_subscriber(subscriber) else { return Ok(()) };
        let who = session.principal.clone();
        let counted = self.engine.count_message(&who);
        let Some(session) = self.engine.sessions.of_subscriber_mut(subscriber) else {
            return Ok(());
        };
        match &counted {
            Ok(Before::Full) => session.refused = 0,
            Ok(Before::Used) => {}
            Err(_) => session.refused += 1,
        }
        counted.map(|_| ()).map_err(Problem::from)
    }

    /// Refuses a command above the rate limit. A client that goes on regardless is sent away.
    fn refuse_command(
        &mut self,
        subscriber: SubscriberKey,
        id: Option<&Id<'_>>,
        problem: &Problem,
        context: &mut Context<'_>,
    ) {
        self.engine.deliver_to(subscriber, context);
        let cursor = self.engine.cursor_of(subscriber);
        let Some(session) = self.engine.sessions.of_subscriber(subscriber) else { return };
        let (refused, retry) = (session.refused, self.engine.retry_ms(session.stream));
        let to = self.engine.recipient(session);
        to.error(id, None, problem, context);
        if refused >= self.engine.limits.messages_burst.max(1) {
            to.goaway(CloseReason::RateLimited, Some(retry + problem.wait_ms), cursor, context);
        }
    }

    fn obey(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        command: Command<'_>,
        context: &mut Context<'_>,
    ) {
        if !matches!(command, Command::Publish { .. }) {
            self.engine.deliver_to(subscriber, context);
        }
        let to = Recipient::socket(stream);
        match command {
            Command::Subscribe { id, channels, cursor, presence } => {
                // [service:cursor-empty]
                let cursor = cursor.filter(|cursor| !cursor.is_empty());
                let start = cursor.map_or(Start::Now, |cursor| Token::parse(&cursor).start);
                let from = (start, if presence { Watch::Yes } else { Watch::No });
                self.subscribe_command(stream, subscriber, id.as_ref(), &channels, from, context);
            }
            Command::Unsubscribe { id, channels } => {
                self.unsubscribe_command(stream, subscriber, id.as_ref(), &channels, context);
            }
            Command::Publish { id, publish } => {
                self.publish_command(stream, id, publish, context);
            }
            Command::Ping { id } => {
                let cursor = to.cursor(self.engine.cursor_of(subscriber));
                to.control(&Control::Pong { id: id.as_ref(), cursor: &cursor }, context);
            }
            Command::Auth { id, credential: _ } => {
                let problem = Problem::new(Code::BadCommand, "auth can only be the first message");
                to.error(id.as_ref(), None, &problem, context);
            }
        }
    }

    fn subscribe_command(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        id: Option<&Id<'_>>,
        channels: &[Cow<'_, str>],
        (start, watch): (Start, Watch),
        context: &mut Context<'_>,
    ) {
        let targets: Vec<&str> = channels.iter().map(|channel| &**channel).collect();
        let from = (start, watch);
        let how = How::Command(id.map(|id| id.clone().into_owned()));
        if self.awaits_cursor(subscriber, how, &targets, from) {
            // Its next commands come after this one.
            return context.pause(stream, u64::MAX);
        }
        self.subscribe_targets((stream, subscriber), id, &targets, from, context);
    }

    /// Subscribes a WebSocket to the targets of a command, which has just come, or has waited.
    pub(super) fn subscribe_targets(
        &mut self,
        (stream, subscriber): (StreamKey, SubscriberKey),
        id: Option<&Id<'_>>,
        targets: &[&str],
        (start, watch): (Start, Watch),
        context: &mut Context<'_>,
    ) {
        let to = Recipient::socket(stream);
        context.spend(targets.len() as u64 * units::TARGET);
        let Some(session) = self.engine.sessions.of_subscriber(subscriber) else { return };
        let who = session.principal.clone();
        let from = (start, watch);
        let taken = self.engine.subscribe(subscriber, &who, targets, from, |channel, refusal| {
            to.error(id, Some(channel), &Problem::of_target(channel, refusal), context);
        });
        if taken.targets.is_empty() {
            return;
        }
        // If a gap is to come, the cursor is of no epoch, as in an event stream's first frame.
        let known = self.engine.is_in_the_log(start);
        let cursor = if known { self.engine.cursor_of(subscriber) } else { NOWHERE };
        let (cursor, channels) = (to.cursor(cursor), &taken.targets);
        to.control(&Control::Subscribed { id, channels, cursor: &cursor }, context);
        self.engine.say_ended(subscriber, &taken, context);
        self.engine.catch_up(subscriber, context);
        self.engine.tell_owed(subscriber, context);
    }

    fn unsubscribe_command(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        id: Option<&Id<'_>>,
        channels: &[Cow<'_, str>],
        context: &mut Context<'_>,
    ) {
        let key = subscriber;
        let Some(mut subscriber) = self.engine.hub.subscriber(key) else { return };
        context.spend(channels.len() as u64 * units::TARGET);
        let to = Recipient::socket(stream);
        let mut gone = Vec::new();
        for channel in channels {
            let removed = target(channel).and_then(|target| {
                let known = subscriber.unsubscribe(target);
                known.then_some(()).ok_or_else(|| Problem::new(Code::NotFound, "not subscribed"))
            });
            match removed {
                Ok(()) => gone.push(&**channel),
                Err(problem) => to.error(id, Some(channel), &problem, context),
            }
        }
        if !gone.is_empty() {
            to.control(&Control::Unsubscribed { id, channels: &gone }, context);
        }
        for channel in gone {
            self.engine.leave_presence(key, channel);
        }
    }

    fn publish_command(
        &mut self,
        stream: StreamKey,
        id: Option<Id<'_>>,
        publish: Publish<'_>,
        context: &mut Context<'_>,
    ) {
        let asker = Asker::Socket { stream, id };
        let Some(session) = self.engine.sessions.of_stream(stream) else { return };
        let who = session.principal.clone();
        self.publish_one(asker, &who, publish, context);
    }

    /// Opens a WebSocket with the subprotocol.
    pub(crate) fn open_commands(
        &mut self,
        stream: StreamKey,
        who: Principal,
        context: &mut Context<'_>,
    ) {
        let (known, form) = match who.is_known() {
            true => (true, Delivery::Commands),
            false => (false, Delivery::Greeting),
        };
        let connected = self.engine.connect(stream, form, who, Start::Now, context);
        let Some(subscriber) = connected else { return };
        if !known && self.engine.access.asks_first(&self.engine.namespaces) {
            let end = context.now() + self.engine.limits.greeting_ms;
            self.engine.set_end(subscriber, end, End::Unidentified);
        }
        let to = Recipient::new(stream, form);
        let cursor = to.cursor(self.engine.cursor_of(subscriber));
        let session = format!("{:x}", stream.to_u128());
        let ping_ms = self.engine.limits.ping_ms;
        let welcome = Control::Welcome { cursor: &cursor, session: &session, ping_ms };
        to.control(&welcome, context);
    }
}
