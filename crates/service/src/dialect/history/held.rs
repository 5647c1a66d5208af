//! Requests for history that wait for their turn, or for the archive.

use std::collections::{BTreeMap, BTreeSet};

use sockeye_hub::{Cursor, Holder};
use sockeye_server::{Answer, Context, Hold, Request, StreamKey};

use super::{Wanted, no_archive, too_many};
use crate::dialect::caching::opaque;
use crate::dialect::counters::count;
use crate::dialect::reply;
use crate::engine::work::Payer;
use crate::engine::{Principal, Task, units};
use crate::sequencing::{Page, Unavailable};
use crate::wire::Problem;
use crate::{Pending, Service};

/// Bytes of entity tags that are remembered of a request. A client that sends more gets the whole page.
const TAG_BYTES_MAX: usize = 1_024;

/// The requests that are held.
#[derive(Debug, Default)]
pub(crate) struct HeldPages {
    last: u64,
    by_id: BTreeMap<u64, HeldPage>,
    by_stream: BTreeMap<StreamKey, u64>,
    /// Those that wait for their turn, by the account that pays. An account is here as long as it has
    /// its [`Task::Page`], also if its last client is gone meanwhile.
    queues: BTreeMap<Payer, BTreeSet<u64>>,
}

/// A request that is held.
#[derive(Debug)]
struct HeldPage {
    /// `None` until the request is held.
    stream: Option<StreamKey>,
    /// The holder whose share of the requests that wait it counts against.
    holder: Holder,
    /// The account to which its work is charged.
    payer: Payer,
    wanted: Wanted,
    /// The head when the archive was asked; `None` before.
    asked: Option<Cursor>,
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
    fn keep(&mut self, page: HeldPage) -> u64 {
        self.last += 1;
        self.by_id.insert(self.last, page);
        self.last
    }

    /// Notes the stream of a request, and puts it behind the others of its account. Returns the account
    /// if it needs a task.
    fn enqueue(&mut self, id: u64, stream: StreamKey) -> Option<Payer> {
        let page = self.by_id.get_mut(&id)?;
        page.stream = Some(stream);
        self.by_stream.insert(stream, id);
        let mut is_new = false;
        let queue = self.queues.entry(page.payer).or_insert_with(|| {
            is_new = true;
            BTreeSet::new()
        });
        queue.insert(id);
        is_new.then_some(page.payer)
    }

    /// Takes the next request of an account out of its queue, and tells whether others are left in it.
    fn next_of(&mut self, payer: Payer) -> (Option<u64>, bool) {
        let Some(queue) = self.queues.get_mut(&payer) else { return (None, false) };
        let (next, is_left) = (queue.pop_first(), !queue.is_empty());
        if !is_left {
            self.queues.remove(&payer);
        }
        (next, is_left)
    }

    fn remove(&mut self, id: u64) -> Option<HeldPage> {
        let page = self.by_id.remove(&id)?;
        if let Some(stream) = page.stream {
            self.by_stream.remove(&stream);
        }
        if let Some(queue) = self.queues.get_mut(&page.payer) {
            queue.remove(&id);
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
    /// Holds a request until its page is built.
    pub(super) fn hold_page(
        &mut self,
        who: &Principal,
        wanted: Wanted,
    ) -> Result<Answer<Pending>, Problem> {
        let holder = self.engine.holder(who);
        // [service:bound-archive]
        if !self.engine.admit_reader(holder) {
            return Err(too_many());
        }
        self.engine.reading.enter_unasked(holder);
        let headers = wanted.caching.vary_early();
        let payer = self.engine.work.payer(who);
        let page = HeldPage { stream: None, holder, payer, wanted, asked: None };
        let (id, hold_ms) = (self.pages.keep(page), self.engine.limits.archive_ms_max);
        Ok(Answer::Hold(Hold { hold_ms, headers }, Pending::History(id)))
    }

    /// Lines up a request that is held now. The application's part follows in the same turn.
    /// [service:answer-tasks]
    pub(crate) fn hold_history(&mut self, id: u64, stream: StreamKey) {
        if let Some(payer) = self.pages.enqueue(id, stream) {
            self.engine.work.add(payer, Task::Page(payer));
        }
    }

    /// Builds the next page for an account.
    pub(crate) fn build_next_page(&mut self, payer: Payer, context: &mut Context<'_>) {
        let (next, is_left) = self.pages.next_of(payer);
        if let Some(id) = next {
            self.build_page(id, context);
        }
        if is_left {
            self.engine.work.add(payer, Task::Page(payer));
        }
    }

    /// Answers a request with its page, or has it wait for the archive.
    fn build_page(&mut self, id: u64, context: &mut Context<'_>) {
        let Some(mut page) = self.pages.by_id.remove(&id) else { return };
        self.engine.reading.leave_unasked(page.holder);
        let reply = match self.build(id, &page.wanted, page.holder, context) {
            Ok(Some(reply)) => reply,
            Ok(None) => {
                page.asked = Some(self.engine.hub.position());
                self.pages.by_id.insert(id, page);
                return;
            }
            Err(problem) => {
                count(&mut self.counters.requests_refused, problem.code);
                reply::problem(&problem, self.engine.spread_ms())
            }
        };
        context.spend(units::of_text(reply.body.len()));
        let Some(stream) = page.stream else { return };
        self.pages.by_stream.remove(&stream);
        // A client that is gone is told nothing.
        let _ = context.respond(stream, reply);
    }

    /// Answers a request with its page of the archive.
    pub(crate) fn answer_history(
        &mut self,
        id: u64,
        found: Result<Page, Unavailable>,
        context: &mut Context<'_>,
    ) {
        let Some(page) = self.pages.remove(id) else { return };
        let HeldPage { stream: Some(stream), asked: Some(position), wanted, .. } = page else {
            return;
        };
        let found = found.ok().and_then(|found| self.in_archive(&wanted, position, found));
        let reply = match found {
            Some(found) => {
                self.engine.count_pull(found.entries.len(), context);
                let reply = self.history_reply(&wanted, found);
                context.spend(units::of_text(reply.body.len()));
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
        let Some(page) = self.pages.remove(id) else { return };
        match page.asked {
            None => self.engine.reading.leave_unasked(page.holder),
            Some(_) => self.engine.reading.forget_request(id),
        }
    }
}
