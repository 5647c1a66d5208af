//! Requests for history that wait for the archive.

use std::collections::BTreeMap;

use sockeye_hub::Cursor;
use sockeye_server::{Context, Request, StreamKey};

use super::{Vary, Wanted, no_archive};
use crate::Service;
use crate::dialect::caching::opaque;
use crate::dialect::reply;
use crate::engine::units;
use crate::sequencing::{Page, Unavailable};

/// Bytes of entity tags that are remembered of a request. A client that sends more gets the whole page.
const TAG_BYTES_MAX: usize = 1_024;

/// The requests that are held.
#[derive(Debug, Default)]
pub(crate) struct HeldPages {
    last: u64,
    by_id: BTreeMap<u64, HeldPage>,
    by_stream: BTreeMap<StreamKey, u64>,
}

/// A request that is held.
#[derive(Debug)]
pub(super) struct HeldPage {
    /// `None` until the request is held.
    pub(super) stream: Option<StreamKey>,
    pub(super) wanted: Wanted,
    /// The head when the archive was asked.
    pub(super) position: Cursor,
}

/// The entity tags of `If-None-Match`, without the marks of weak ones.
#[derive(Debug, Default)]
pub(super) struct KnownTags(Vec<Box<[u8]>>);

impl KnownTags {
    pub(super) fn of(request: &Request<'_>) -> Self {
        let mut bytes = 0;
        let tags = request.head.headers().elements("If-None-Match").map(opaque);
        let few = tags.take_while(|tag| {
            bytes += tag.len() + size_of::<Box<[u8]>>();
            bytes <= TAG_BYTES_MAX
        });
        Self(few.map(Into::into).collect())
    }

    /// Whether the client has what the tag stands for (RFC 9110 §13.1.2).
    pub(super) fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|it| **it == *opaque(tag.as_bytes()))
    }
}

impl HeldPages {
    pub(super) fn keep(&mut self, page: HeldPage) -> u64 {
        self.last += 1;
        self.by_id.insert(self.last, page);
        self.last
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<HeldPage> {
        let page = self.by_id.remove(&id)?;
        if let Some(stream) = page.stream {
            self.by_stream.remove(&stream);
        }
        Some(page)
    }

    /// Whether a stream is one of these requests.
    pub(crate) fn holds(&self, stream: StreamKey) -> bool {
        self.by_stream.contains_key(&stream)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

impl Service {
    /// Notes the stream of a request that is held now.
    pub(crate) fn hold_history(&mut self, id: u64, stream: StreamKey) {
        if let Some(page) = self.pages.by_id.get_mut(&id) {
            page.stream = Some(stream);
            self.pages.by_stream.insert(stream, id);
        }
    }

    /// Answers a request with its page.
    pub(crate) fn answer_history(
        &mut self,
        id: u64,
        found: Result<Page, Unavailable>,
        context: &mut Context<'_>,
    ) {
        let Some(HeldPage { stream, wanted, position }) = self.pages.remove(id) else { return };
        let Some(stream) = stream else { return };
        let found = found.ok().and_then(|found| self.in_archive(&wanted, position, found));
        let reply = match found {
            Some(found) => {
                let items = found.entries.len() as u64 * units::ITEM;
                let reply = self.history_reply(&wanted, found, Vary::SaidEarly);
                context.spend(units::PULL + items + units::of_text(reply.body.len()));
                reply
            }
            // [service:archive-unavailable]
            None => reply::problem(&no_archive(), self.engine.spread_ms()),
        };
        // A client that is gone is told nothing.
        let _ = context.respond(stream, reply);
    }

    /// Forgets a request whose stream has closed.
    pub(crate) fn forget_history(&mut self, stream: StreamKey) {
        if let Some(id) = self.pages.by_stream.get(&stream).copied() {
            self.forget_history_request(id);
        }
    }

    /// Forgets a request that is not to be answered.
    pub(crate) fn forget_history_request(&mut self, id: u64) {
        self.pages.remove(id);
        self.engine.reading.forget_request(id);
    }
}
