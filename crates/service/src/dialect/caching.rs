//! Caching: the answers that shared caches may keep, and for how long.
//!
//! An answer may be kept if a client without a credential gets it. Every such answer says through
//! which position it is complete, so a client that gets it late goes on from there and loses
//! nothing. All other answers are `no-store`.

use std::rc::Rc;

use sockeye_hub::{Cursor, Entry, Epoch, Page, Query, Start, Target};
use sockeye_server::{Coding, Header, Reply, Request};

use crate::Service;
use crate::dialect::reply::{self, NO_STORE};
use crate::engine::{Access, Principal};
use crate::payload::Payload;
use crate::wire::{PollBody, Rest};

/// For an answer to which something may be added at any time: a cache asks once a second for all of
/// its clients.
const MOMENT: Header = Header::from_static("Cache-Control", "public, max-age=1");
/// For an answer to which nothing can be added. An hour bounds how long a cache has messages that
/// the log has dropped, or a channel that is public no more.
const HOUR: Header = Header::from_static("Cache-Control", "public, max-age=3600, immutable");

/// How long the content of an answer stays true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// It is for one client, or has to be gone at a certain time.
    Not,
    /// Until there is something new.
    ForNow,
    /// For good.
    ForGood,
}

/// Whether caches may keep the answers to a request, by which of its headers they differ, and their coding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caching {
    is_public: bool,
    vary: &'static str,
    /// The coding of the answers; `None` if the request has no say in it.
    coding: Option<Coding>,
}

impl Service {
    /// Whether caches may keep what `who` gets of these targets.
    ///
    /// [service:cache-public] A principal that has shown no credential gets what everybody gets.
    /// Where presence is kept, each request has to reach the server.
    pub(crate) fn caching<'t>(
        &self,
        request: &Request<'_>,
        who: &Principal,
        targets: impl Iterator<Item = Target<'t>> + Clone,
    ) -> Caching {
        let keeps_presence = |target: Target<'_>| match target {
            Target::Channel(channel) => {
                self.engine.namespaces.of(channel.namespace()).presence_ms.is_some()
            }
            Target::Pattern(_) => false,
        };
        let is_public = !who.is_known() && !targets.clone().any(keeps_presence);
        let coding = self.coding_of_answer(request, who, targets);
        Caching { is_public, vary: vary(&self.engine.access), coding }
    }
}

/// The request headers that answers depend on. A cursor in a header outranks the one in the target.
///
/// [service:cache-vary]
fn vary(access: &Access) -> &'static str {
    match access.guard() {
        None => "Last-Event-ID",
        Some(_) if access.takes_cookies() => "Authorization, Cookie, Origin, Last-Event-ID",
        Some(_) => "Authorization, Origin, Last-Event-ID",
    }
}

impl Caching {
    /// Adds the headers for caches to an answer whose content holds for so long.
    pub(crate) fn mark(self, reply: Reply, holds: Holds) -> Reply {
        let reply = self.mark_without_vary(reply, holds);
        match holds {
            Holds::ForNow | Holds::ForGood if self.is_public => reply.header(self.vary()),
            Holds::Not | Holds::ForNow | Holds::ForGood => reply,
        }
    }

    /// The `Vary` header of an answer that is still to come. A held request has it from the start,
    /// so that no other header of that name is added.
    pub(crate) fn vary_early(self) -> Vec<Header> {
        self.is_public.then(|| self.vary()).into_iter().collect()
    }

    /// As [`mark`](Self::mark), where [`vary_early`](Self::vary_early) has said `Vary`.
    pub(crate) fn mark_without_vary(self, reply: Reply, holds: Holds) -> Reply {
        match holds {
            Holds::ForNow if self.is_public => reply.header(MOMENT),
            Holds::ForGood if self.is_public => reply.header(HOUR),
            Holds::Not | Holds::ForNow | Holds::ForGood => reply.header(NO_STORE),
        }
    }

    fn vary(self) -> Header {
        match self.coding {
            Some(_) => reply::text("Vary", &format!("{}, Accept-Encoding", self.vary)),
            None => reply::text("Vary", self.vary),
        }
    }

    /// The coding of the answers.
    pub(crate) const fn coding(self) -> Option<Coding> {
        self.coding
    }

    /// The entity tag of an answer: a weak one if the answer may be in gzip, because both forms have it
    /// (RFC 9110 §8.8.3.3). [service:compress-etag]
    pub(crate) fn tag(self, opaque: &str) -> Header {
        match self.coding {
            Some(Coding::Gzip) => reply::text("ETag", &format!("W/{opaque}")),
            Some(Coding::Identity) | None => reply::text("ETag", opaque),
        }
    }
}

/// How long the answer to a poll that does not wait holds.
///
/// [service:cache-for-good] An answer that leaves something for the next poll has all messages
/// between two positions of one epoch. A gap is for the client that has missed something, and a
/// message with a time to live must not be delivered after it.
pub(crate) fn poll_holds(start: Start, epoch: Epoch, body: &PollBody, rest: Rest) -> Holds {
    if body.has_gaps() || body.is_perishable() {
        return Holds::Not;
    }
    match (start, rest) {
        (Start::Now | Start::Unreadable, _) => Holds::Not,
        (Start::After(from), Rest::More) if from.epoch == epoch && !body.is_empty() => {
            Holds::ForGood
        }
        (Start::After(_) | Start::Earliest, Rest::Nothing | Rest::More) => Holds::ForNow,
    }
}

/// How long a page of history holds. `bound` is the cursor that bounds it, if a cursor does: a
/// sequence number does not say of which epoch it is.
///
/// [service:cache-for-good]
pub(crate) fn page_holds<M: AsRef<Payload>>(
    part: Query,
    bound: Option<Cursor>,
    page: &Page,
    entries: &[Rc<Entry<M>>],
    has_end: bool,
) -> Holds {
    if entries.iter().any(|entry| entry.body.as_ref().ttl_ms.is_some()) {
        return Holds::Not;
    }
    let is_closed = match part {
        Query::After(_) => page.more || has_end,
        Query::Before(seq) => seq <= page.position.seq.next(),
    };
    match bound {
        Some(bound) if is_closed && bound.epoch == page.position.epoch => Holds::ForGood,
        Some(_) | None => Holds::ForNow,
    }
}

/// Whether the client has what the tag stands for (RFC 9110 §13.1.2).
pub(crate) fn is_known(request: &Request<'_>, tag: &str) -> bool {
    let mut known = request.head.headers().elements("If-None-Match");
    known.any(|it| opaque(it) == opaque(tag.as_bytes()))
}

/// An entity tag without the mark of a weak one.
pub(crate) fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}
