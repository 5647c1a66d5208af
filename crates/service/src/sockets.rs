//! WebSockets: commands of `sockeye.v1.json` and their answers.

use std::borrow::Cow;

use sockeye_hub::{Start, SubscriberKey, Target, Token};
use sockeye_server::{Context, Message, StreamKey};

use crate::Service;
use crate::line::Line;
use crate::publishing::Asker;
use crate::session::{Form, Session};
use crate::wire::{CloseReason, Code, Command, Control, CursorText, Id, Problem, Publish, Refused};

impl Service {
    /// A message came on a WebSocket.
    pub(crate) fn take_message(
        &mut self,
        stream: StreamKey,
        message: Message<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(&Session { subscriber, form, .. }) = self.sessions.of_stream(stream) else {
            return;
        };
        // Neither does the subprotocol know binary messages, nor does a stream without it know any.
        let (Form::Commands, Message::Text(text)) = (form, message) else {
            let cursor = self.cursor_of(subscriber);
            let mut line = Line { stream, form, context };
            return line.goaway(CloseReason::BadCommand, None, &cursor);
        };
        match Command::parse(text.as_bytes(), &self.limits.wire) {
            Ok(command) => self.obey(stream, subscriber, command, context),
            Err(Refused { id, problem }) => {
                let error = Control::Error { id: id.as_ref(), channel: None, problem: &problem };
                // Whoever is gone is reported by itself, here and below.
                let _ = Line { stream, form, context }.control(&error);
            }
        }
    }

    fn obey(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        command: Command<'_>,
        context: &mut Context<'_>,
    ) {
        let form = Form::Commands;
        match command {
            Command::Subscribe { id, channels, cursor } => {
                let start = cursor.map_or(Start::Now, |cursor| Token::parse(&cursor).start);
                self.subscribe_command(stream, subscriber, id.as_ref(), &channels, start, context);
            }
            Command::Unsubscribe { id, channels } => {
                self.unsubscribe_command(stream, subscriber, id.as_ref(), &channels, context);
            }
            Command::Publish { id, publish } => {
                self.publish_command(stream, id, publish, context);
            }
            Command::Ping { id } => {
                let cursor = self.cursor_of(subscriber);
                let pong = Control::Pong { id: id.as_ref(), cursor: &cursor };
                let _ = Line { stream, form, context }.control(&pong);
            }
            Command::Auth { id, credential: _ } => {
                let problem = Problem::new(Code::BadCommand, "this server asks for no credentials");
                let error = Control::Error { id: id.as_ref(), channel: None, problem: &problem };
                let _ = Line { stream, form, context }.control(&error);
            }
        }
    }

    fn subscribe_command(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        id: Option<&Id<'_>>,
        channels: &[Cow<'_, str>],
        start: Start,
        context: &mut Context<'_>,
    ) {
        let mut line = Line { stream, form: Form::Commands, context };
        let targets: Vec<&str> = channels.iter().map(|channel| &**channel).collect();
        let taken = self.subscribe(subscriber, &targets, start, |channel, problem| {
            let error = Control::Error { id, channel: Some(channel), problem: &problem };
            let _ = line.control(&error);
        });
        if taken.targets.is_empty() {
            return;
        }
        let (cursor, channels) = (self.cursor_of(subscriber), &taken.targets);
        let _ = line.control(&Control::Subscribed { id, channels, cursor: &cursor });
        self.say_ended(subscriber, &taken.ended, context);
        self.catch_up(subscriber, context);
    }

    fn unsubscribe_command(
        &mut self,
        stream: StreamKey,
        subscriber: SubscriberKey,
        id: Option<&Id<'_>>,
        channels: &[Cow<'_, str>],
        context: &mut Context<'_>,
    ) {
        let Some(mut subscriber) = self.hub.subscriber(subscriber) else { return };
        let mut line = Line { stream, form: Form::Commands, context };
        let mut gone = Vec::new();
        for channel in channels {
            let removed = Target::new(channel).map_err(Problem::from).and_then(|target| {
                let known = subscriber.unsubscribe(target);
                known.then_some(()).ok_or_else(|| Problem::new(Code::NotFound, "not subscribed"))
            });
            match removed {
                Ok(()) => gone.push(&**channel),
                Err(problem) => {
                    let error = Control::Error { id, channel: Some(channel), problem: &problem };
                    let _ = line.control(&error);
                }
            }
        }
        if !gone.is_empty() {
            let _ = line.control(&Control::Unsubscribed { id, channels: &gone });
        }
    }

    fn publish_command(
        &mut self,
        stream: StreamKey,
        id: Option<Id<'_>>,
        publish: Publish<'_>,
        context: &mut Context<'_>,
    ) {
        let asker = Asker::Socket { stream, id: id.map(Id::into_owned) };
        self.publish(asker, publish, context);
    }

    /// A WebSocket with the subprotocol is open.
    pub(crate) fn open_commands(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let Some(subscriber) = self.connect(stream, Form::Commands, context) else { return };
        let cursor: CursorText = self.cursor_of(subscriber);
        let session = format!("{:x}", stream.to_u128());
        let ping_ms = self.limits.ping_ms;
        let welcome = Control::Welcome { cursor: &cursor, session: &session, ping_ms };
        let _ = Line { stream, form: Form::Commands, context }.control(&welcome);
    }
}
