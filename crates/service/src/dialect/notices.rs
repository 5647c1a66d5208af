//! Refused credentials: counts them, and keeps one for an operator's log.

use std::net::SocketAddr;

use sockeye_auth::{Refusal, redacted};
use sockeye_server::Request;

use crate::Service;
use crate::dialect::counters::count;
use crate::engine::Principal;

/// Longest target that is kept for a log, in bytes.
const TARGET_BYTES_MAX: usize = 256;

/// A refused credential, and how many more were refused after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedCredential {
    /// The code of the refusal.
    pub code: &'static str,
    /// What was asked for, as logs may show it: without secrets. Whatever else a peer may send
    /// can stand in it; escape it.
    pub target: String,
    /// Where from.
    pub peer: Option<SocketAddr>,
    /// So many more were refused after this one.
    pub others: u64,
}

impl Service {
    /// The first credential that was refused since this was asked last. Only that one is kept, so a
    /// flood costs a number.
    pub fn take_refused(&mut self) -> Option<RefusedCredential> {
        self.refused.take()
    }

    /// Whether [`take_refused`](Self::take_refused) has something.
    pub const fn has_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// A request's target as logs may show it: without secrets, and not all of a long one.
    pub fn redacted(&self, path: &str, query: Option<&str>) -> String {
        let mut target = path.to_owned();
        if let Some(query) = query {
            target.extend(["?", query]);
        }
        let mut shown = redacted(&target, self.engine.access.query_token()).into_owned();
        if shown.len() > TARGET_BYTES_MAX {
            let fits = (0..=TARGET_BYTES_MAX).rev().find(|at| shown.is_char_boundary(*at));
            shown.truncate(fits.unwrap_or(0));
            shown.push('…');
        }
        shown
    }

    /// Counts a request by its credential: none, a good one, or a refused one.
    pub(crate) fn note_shown(
        &mut self,
        shown: &Result<Option<Principal>, Refusal>,
        request: &Request<'_>,
    ) {
        match shown {
            // The log has still to redeem its ticket.
            Ok(Some(who)) if who.unredeemed().is_some() => {}
            Ok(Some(_)) => self.counters.authenticated += 1,
            Ok(None) => self.counters.nothing_shown += 1,
            Err(refusal) => {
                let (path, query) = (request.head.path(), request.head.query());
                self.note_refused(*refusal, path, query, Some(request.peer));
            }
        }
    }

    /// Counts a first message by its credential, which was refused or not.
    pub(crate) fn note_greeting(&mut self, refusal: Option<Refusal>, peer: Option<SocketAddr>) {
        match refusal {
            None => self.counters.authenticated += 1,
            Some(refusal) => self.note_refused(refusal, "/v1/ws", None, peer),
        }
    }

    pub(super) fn note_refused(
        &mut self,
        refusal: Refusal,
        path: &str,
        query: Option<&str>,
        peer: Option<SocketAddr>,
    ) {
        count(&mut self.counters.not_authenticated, refusal.code());
        match &mut self.refused {
            Some(refused) => refused.others += 1,
            None => {
                let (code, target) = (refusal.code(), self.redacted(path, query));
                self.refused = Some(RefusedCredential { code, target, peer, others: 0 });
            }
        }
    }
}
