//! Compression: which event streams and which answers go in gzip.
//!
//! Compression and secrets do not mix (BREACH): if a secret and somebody else's text are compressed together,
//! the length tells whoever sees it on the network how much of the secret that text repeats. So text of
//! several publishers, or of a client and others, is compressed together only where it is for everybody:
//!
//! | text | compressed |
//! |---|---|
//! | an event with a message | by itself, once for all streams: it is of one publisher |
//! | an event of presence | never: it has the names of several users |
//! | text of one stream: cursors, notices, replays with a proof | never |
//! | an answer to a client that has shown no credential | as a whole |
//! | an answer to any other client | never, unless [`CompressedAnswers::All`] |
//! | an answer with a proof, a ticket, or to a publication | never |

use sockeye_hub::Target;
use sockeye_server::{Coding, Context, EventStream, Header, Reply, Request};

use crate::Service;
use crate::engine::Principal;
use crate::engine::limits::CompressedAnswers;

/// The request header that a page depends on, and an event stream of an open server.
const VARY: Header = Header::from_static("Vary", "Accept-Encoding");
/// The request headers that an event stream depends on where pages of other origins may ask.
const VARY_BY_ORIGIN: Header = Header::from_static("Vary", "Origin, Accept-Encoding");

impl Service {
    /// The head of an event stream over these targets.
    ///
    /// [service:compress-events]
    pub(crate) fn event_stream<'t>(
        &self,
        request: &Request<'_>,
        mut targets: impl Iterator<Item = Target<'t>>,
    ) -> EventStream {
        let is_compressed = self.engine.limits.compression.events
            && targets.all(|target| self.may_compress(target));
        if !is_compressed {
            return EventStream::default();
        }
        let vary = match self.engine.access.guard() {
            None => VARY,
            Some(_) => VARY_BY_ORIGIN,
        };
        EventStream::new(Coding::wanted(request.head.headers())).headers([vary])
    }

    /// The coding of an answer to `who` about these targets; `None` if the request has no say in it.
    ///
    /// [service:compress-public]
    pub(crate) fn coding_of_answer<'t>(
        &self,
        request: &Request<'_>,
        who: &Principal,
        mut targets: impl Iterator<Item = Target<'t>>,
    ) -> Option<Coding> {
        let is_for_all = match self.engine.limits.compression.answers {
            CompressedAnswers::None => false,
            CompressedAnswers::Public => !who.is_known(),
            // [service:compress-no-proof] Its cursor has the proof of a ticket.
            CompressedAnswers::All => !who.has_ticket(),
        };
        let is_compressed = is_for_all && targets.all(|target| self.may_compress(target));
        is_compressed.then(|| Coding::wanted(request.head.headers()))
    }

    /// [service:compress-namespace]
    fn may_compress(&self, target: Target<'_>) -> bool {
        self.engine.namespaces.all(target, |rules| rules.compress)
    }

    /// Compresses a page that everybody gets, of an application beside the service, as public answers are.
    pub fn compress_page(
        &self,
        request: &Request<'_>,
        page: Reply,
        context: &mut Context<'_>,
    ) -> Reply {
        let coding = self.coding_of_answer(request, &self.engine.anybody, [].into_iter());
        match coding {
            Some(_) => self.code(page.header(VARY), coding, context),
            None => page,
        }
    }

    /// Compresses an answer if its coding says so and it is long enough.
    pub(crate) fn code(
        &self,
        mut reply: Reply,
        coding: Option<Coding>,
        context: &mut Context<'_>,
    ) -> Reply {
        let is_long = reply.body.len() >= self.engine.limits.compression.answer_bytes_min;
        if coding == Some(Coding::Gzip) && is_long {
            context.compress(&mut reply);
        }
        reply
    }
}
