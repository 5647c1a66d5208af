//! The headers of an answer to a poll: its label.

use sockeye_hub::{ChannelName, Epoch, Start};
use sockeye_server::{Reply, Status};

use super::{Asked, At};
use crate::Service;
use crate::dialect::caching::{Caching, Holds, poll_holds};
use crate::dialect::reply::{self, json_body};
use crate::wire::{CursorText, PollBody, Rest};

/// What an answer that did not wait for anything says besides its content.
pub(super) struct Label {
    /// The entity tag.
    tag: String,
    caching: Caching,
    start: Start,
    epoch: Epoch,
    /// The poll would have waited.
    waits: bool,
    /// `Vary` was said when the request was held.
    has_varied: bool,
}

impl Label {
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    pub(super) fn answer(
        &self,
        holds: Holds,
        body: PollBody,
        rest: Rest,
        cursor: &CursorText,
    ) -> Reply {
        let reply = json_body(Status::OK, body.finish(cursor, rest));
        let reply = self.mark(reply.header(reply::cursor(cursor)), holds);
        match rest {
            Rest::Nothing => reply.header(self.caching.tag(&self.tag)),
            // The next request has to get the rest, though nothing has changed.
            Rest::More => reply,
        }
    }

    /// The answer to a client that has what the tag stands for.
    pub(super) fn unchanged(&self) -> Reply {
        let holds = self.holds(&PollBody::new(), Rest::Nothing);
        let reply = self.mark(Reply::empty(Status::NOT_MODIFIED), holds);
        reply.header(self.caching.tag(&self.tag))
    }

    fn mark(&self, reply: Reply, holds: Holds) -> Reply {
        match self.has_varied {
            true => self.caching.mark_without_vary(reply, holds),
            false => self.caching.mark(reply, holds),
        }
    }

    pub(super) fn holds(&self, body: &PollBody, rest: Rest) -> Holds {
        match self.waits {
            true => Holds::Not,
            false => poll_holds(self.start, self.epoch, body, rest),
        }
    }
}

impl Service {
    /// What an answer to a poll says besides its content, if it waits for no message.
    pub(super) fn label(&self, asked: &Asked<'_>, at: At) -> Label {
        let (caching, epoch) = (asked.caching, self.engine.hub.position().epoch);
        let (start, waits) = (asked.start, asked.until.is_some());
        let has_varied = at == At::Turn && !waits;
        Label { tag: self.tag(asked.channels), caching, start, epoch, waits, has_varied }
    }

    /// The entity tag of what a poll over these channels would get: it changes when something in
    /// one of them does.
    fn tag(&self, channels: &[&str]) -> String {
        let names = channels.iter().map(|name| ChannelName::new(name));
        let seq = match names.collect::<Result<Vec<_>, _>>() {
            Ok(names) => self.engine.hub.changed(names),
            // Patterns: anything may be for them.
            Err(_) => self.engine.hub.position().seq,
        };
        format!("\"{}\"", self.engine.hub.at(seq))
    }
}
