//! Streams whose cursor is ahead of this service: they subscribe when it has read on, or their wait is over.
//!
//! A stream that waits is a session like any other, without its subscriptions. It counts against all bounds, and
//! it may end; the cursor that it is told then is the one that it came with. A WebSocket is not read meanwhile, so
//! that its commands keep their order.

use sockeye_hub::{Start, SubscriberKey};
use sockeye_server::{Context, StreamKey};

use crate::Service;
use crate::engine::openings::Opener;
use crate::engine::{Task, Watch};
use crate::wire::Id;

/// The subscription of a stream that waits.
#[derive(Debug)]
pub(crate) struct Opening {
    how: How,
    channels: Vec<Box<str>>,
    from: (Start, Watch),
}

/// How it asked for that.
#[derive(Debug)]
pub(crate) enum How {
    /// The request that opened it named the channels.
    Whole,
    /// By a command with this ID.
    Command(Option<Id<'static>>),
}

impl Service {
    /// Has a stream wait, if its cursor is ahead and there is room. [service:opening-waits]
    pub(super) fn awaits_cursor(
        &mut self,
        subscriber: SubscriberKey,
        how: How,
        targets: &[&str],
        from: (Start, Watch),
    ) -> bool {
        let Some(cursor) = self.engine.is_ahead(from.0) else { return false };
        let Some(session) = self.engine.sessions.of_subscriber(subscriber) else { return false };
        let holder = self.engine.holder(&session.principal);
        let (opener, names) = (Opener::Stream(subscriber), targets.iter().copied());
        if !self.engine.await_cursor(opener, (cursor, holder), names) {
            return false;
        }
        let channels = targets.iter().map(|name| (*name).into()).collect();
        self.openings.insert(subscriber, Opening { how, channels, from });
        true
    }

    /// Goes on with the openings whose wait is over. Each is a task of its account.
    pub(crate) fn end_waits(&mut self) {
        while let Some(opener) = self.engine.end_wait() {
            match opener {
                Opener::Stream(subscriber) => {
                    let Some(session) = self.engine.sessions.of_subscriber(subscriber) else {
                        continue;
                    };
                    let payer = self.engine.work.payer(&session.principal);
                    self.engine.work.add(payer, Task::Open(subscriber));
                }
                Opener::Request(id) => {
                    self.engine.openings.forget(opener);
                    self.line_up_again(id);
                }
            }
        }
    }

    /// Subscribes a stream that has waited.
    pub(super) fn open_late(&mut self, subscriber: SubscriberKey, context: &mut Context<'_>) {
        let Some(session) = self.engine.sessions.of_subscriber(subscriber) else { return };
        let (stream, who) = (session.stream, session.principal.clone());
        // The cursor that it came with is that of its end, if this ends it.
        let has_ended = self.engine.has_lost_rights(subscriber, context);
        self.engine.openings.forget(Opener::Stream(subscriber));
        let Some(Opening { how, channels, from }) = self.openings.remove(&subscriber) else {
            return;
        };
        if has_ended {
            return;
        }
        let targets: Vec<&str> = channels.iter().map(|name| &**name).collect();
        match how {
            How::Whole => {
                self.subscribe_opened(stream, (subscriber, &who), &targets, from, context);
            }
            How::Command(id) => {
                context.pause(stream, 0);
                self.engine.deliver_to(subscriber, context);
                let of = (stream, subscriber);
                self.subscribe_targets(of, id.as_ref(), &targets, from, context);
            }
        }
    }

    /// Forgets what a stream waits for, because it has closed.
    pub(crate) fn forget_opening(&mut self, stream: StreamKey) {
        if let Some(session) = self.engine.sessions.of_stream(stream) {
            self.openings.remove(&session.subscriber);
        }
    }
}
