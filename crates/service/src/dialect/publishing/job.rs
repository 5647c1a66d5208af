//! A job: the publications of one request or command, and the answer to it.

use std::borrow::Cow;
use std::sync::Arc;

use sockeye_hub::Kind;
use sockeye_server::{Reply, Status, StreamKey};

use crate::dialect::reply::{json, problem};
use crate::engine::work::Payer;
use crate::engine::{Principal, Settled};
use crate::inlet::Line;
use crate::wire::reply::{Outcome, published, results};
use crate::wire::{Batch, Code, Id, Problem, Publish, Receipt};

/// The client that gets the results of a job.
#[derive(Debug)]
pub(crate) enum Asker<'p> {
    /// A request. Its stream is known once it is held.
    Request(Option<StreamKey>),
    /// A source of this process, which has given the publication this number.
    Source { line: Arc<Line>, ticket: u64 },
    /// A command on a WebSocket.
    Socket {
        /// The stream.
        stream: StreamKey,
        /// The command's ID.
        id: Option<Id<'p>>,
    },
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One publication.
    One,
    /// A list.
    Many,
}

/// The publications of one request or command, and their results so far. It borrows from the request
/// until it has to wait.
#[derive(Debug)]
pub(super) struct Job<'p> {
    pub(super) id: u64,
    pub(super) asker: Asker<'p>,
    pub(super) shape: Shape,
    pub(super) items: Vec<Item<'p>>,
    pub(super) unsettled: usize,
    /// The publications of later steps.
    pub(super) rest: Option<Box<Rest>>,
}

/// The publications that are left of a job that publishes in steps.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) who: Principal,
    pub(super) payer: Payer,
    pub(super) begun: Option<Begun<'static>>,
    /// The lines of a batch, and how many of their bytes are used.
    pub(super) lines: Vec<u8>,
    pub(super) used: usize,
    /// The number of the last line that was used.
    pub(super) line: u64,
    /// Bytes that are kept for it.
    pub(super) bytes: usize,
}

/// A publication to several channels, of which some are left.
#[derive(Debug)]
pub(super) struct Begun<'p> {
    /// The number of its line in a batch.
    pub(super) line: Option<u64>,
    pub(super) publish: Publish<'p>,
    /// Whether it ends its channels.
    pub(super) kind: Kind,
    /// The next one of its channels.
    pub(super) next: usize,
}

impl<'p> Begun<'p> {
    pub(super) const fn new(publish: Publish<'p>) -> Self {
        Self { line: None, publish, kind: Kind::Message, next: 0 }
    }

    /// The end of a channel.
    pub(super) const fn end(publish: Publish<'p>) -> Self {
        Self { line: None, publish, kind: Kind::End, next: 0 }
    }

    /// The channel of its next publication.
    pub(super) fn next_channel(&mut self) -> &str {
        &self.publish.channels.as_mut_slice()[self.next]
    }

    pub(super) fn into_owned(self) -> Begun<'static> {
        let Self { line, publish, kind, next } = self;
        Begun { line, publish: publish.into_owned(), kind, next }
    }
}

impl Job<'_> {
    /// Puts off publications to later steps. Returns their bytes.
    pub(super) fn set_aside(
        &mut self,
        (who, payer): (&Principal, Payer),
        begun: Option<Begun<'_>>,
        batch: Option<&Batch<'_>>,
    ) -> usize {
        let begun = begun.map(Begun::into_owned);
        let (lines, line) = batch.map_or((&[][..], 0), Batch::rest);
        let publish = begun.as_ref().map_or(0, |begun| begun.publish.cost());
        let bytes = size_of::<Rest>() + publish + lines.len();
        let (who, lines) = (who.clone(), lines.to_vec());
        self.rest = Some(Box::new(Rest { who, payer, begun, lines, used: 0, line, bytes }));
        bytes
    }

    /// Whether everything is published and has its outcome.
    pub(super) fn is_done(&self) -> bool {
        self.unsettled == 0 && self.rest.is_none()
    }

    pub(super) fn into_owned(self) -> Job<'static> {
        let Self { id, asker, shape, items, unsettled, rest } = self;
        let asker = match asker {
            Asker::Request(stream) => Asker::Request(stream),
            Asker::Source { line, ticket } => Asker::Source { line, ticket },
            Asker::Socket { stream, id } => Asker::Socket { stream, id: id.map(Id::into_owned) },
        };
        let owned = |Item { line, channel, result }: Item<'_>| Item {
            line,
            channel: channel.map(|name| Cow::Owned(name.into_owned())),
            result,
        };
        let items = items.into_iter().map(owned).collect();
        Job { id, asker, shape, items, unsettled, rest }
    }

    /// The refusal of the whole job, if every item was above the rate limit: that with the longest wait.
    fn refusal_of_all(&self) -> Option<&Problem> {
        let mut longest: Option<&Problem> = None;
        for item in &self.items {
            let refusal = item.receipt().err().filter(|it| it.code == Code::RateLimited)?;
            // The last one may wait less: the schedule of waits has begun anew.
            if longest.is_none_or(|it| it.wait_ms <= refusal.wait_ms) {
                longest = Some(refusal);
            }
        }
        longest
    }

    pub(super) fn reply(&self, retry_ms: u64) -> Reply {
        if let Some(refusal) = self.refusal_of_all() {
            return problem(refusal, retry_ms);
        }
        match (self.shape, self.items.as_slice()) {
            (Shape::One, [item]) => match item.receipt() {
                Ok(receipt) => json(Status::OK, published(&receipt)),
                Err(refusal) => problem(refusal, retry_ms),
            },
            (_, items) => {
                let outcomes: Vec<Outcome<'_>> = items
                    .iter()
                    .map(|item| Outcome {
                        line: item.line,
                        channel: item.channel.as_deref(),
                        result: item.receipt(),
                    })
                    .collect();
                json(Status::OK, results(&outcomes))
            }
        }
    }
}

/// One publication in one channel.
#[derive(Debug)]
pub(super) struct Item<'p> {
    pub(super) line: Option<u64>,
    pub(super) channel: Option<Cow<'p, str>>,
    /// `None` while it waits for its outcome.
    pub(super) result: Option<Result<Settled, Problem>>,
}

impl Item<'_> {
    pub(super) fn receipt(&self) -> Result<Receipt<'_>, &Problem> {
        let result = self.result.as_ref().expect("asked for once all is settled");
        let Settled { position, level, duplicate, subscribers } = *result.as_ref()?;
        let channel = self.channel.as_deref().unwrap_or_default();
        Ok(Receipt { channel, position, level, duplicate, subscribers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schedule of waits has begun anew before the last one.
    #[test]
    fn a_refusal_of_all_has_the_longest_wait() {
        let refused = |wait_ms: u64| Item {
            line: None,
            channel: None,
            result: Some(Err(Problem::new(Code::RateLimited, "later").with_wait(wait_ms))),
        };
        let items = [59_900, 60_000, 100].map(refused).into();
        let asker = Asker::Request(None);
        let job = Job { id: 1, asker, shape: Shape::Many, items, unsettled: 0, rest: None };
        assert_eq!(job.refusal_of_all().map(|it| it.wait_ms), Some(60_000));
    }
}
