//! What an operator hears of a running server, and no more often than it helps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sockeye_server::{MioNet, Server, Time};

use crate::front::Front;

/// Milliseconds between two notices that nobody more can be let in.
const FULL_NOTICE_MS: u64 = 10_000;

/// Milliseconds between two notices of refused credentials.
const REFUSED_NOTICE_MS: u64 = 1_000;

/// What was said already, and when something may be said again.
#[derive(Default)]
pub(crate) struct Watch {
    full: FullNotice,
    /// When a refused credential may be told of next, in milliseconds of the loops' time.
    refused_next: Arc<AtomicU64>,
    closing: bool,
}

impl Watch {
    /// One for another loop: what may be said once in a time is said by one of them.
    pub(crate) fn for_another(&self) -> Self {
        Self { refused_next: Arc::clone(&self.refused_next), ..Self::default() }
    }

    /// Looks at the server after a turn.
    pub(crate) fn look(&mut self, server: &mut Server<MioNet, Front>) {
        let now = server.now();
        self.look_at_room(server, now);
        self.look_at_refused(server, now);
        if server.is_closing() && !self.closing {
            self.closing = true;
            log::info!(connections = server.connections(); "nobody is let in any more");
        }
    }

    /// How long the next turn may wait: something may be left to say.
    pub(crate) fn patience(&self, server: &mut Server<MioNet, Front>) -> Option<Duration> {
        let waits = server.app_mut().service().has_refused();
        waits.then(|| Duration::from_millis(REFUSED_NOTICE_MS))
    }

    /// That accepting has to rest is the one thing that an operator would otherwise see only as
    /// clients that hang.
    fn look_at_room(&mut self, server: &Server<MioNet, Front>, now: Time) {
        if self.full.is_due(server.stats().accept_pauses, now) {
            log::warn!(connections = server.connections(); "nobody more is let in for now");
        }
    }

    /// A line a second at the most, however many come.
    fn look_at_refused(&mut self, server: &mut Server<MioNet, Front>, now: Time) {
        let service = server.app_mut().service();
        if !service.has_refused() || !self.may_tell_of_refused(now.as_millis()) {
            return;
        }
        let Some(refused) = service.take_refused() else { return };
        let peer = refused.peer.map_or_else(String::new, |peer| peer.to_string());
        let (code, path, others) = (refused.code, refused.target.as_str(), refused.others);
        log::warn!(code, path, peer, others; "credentials refused");
    }

    /// Whether it is time, and no other loop has just said something.
    fn may_tell_of_refused(&self, now_ms: u64) -> bool {
        let next = self.refused_next.load(Ordering::Relaxed);
        let after = now_ms.saturating_add(REFUSED_NOTICE_MS);
        let take = |next, after| {
            self.refused_next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
        };
        now_ms >= next && take(next, after).is_ok()
    }
}

/// When to say that nobody more can be let in.
#[derive(Default)]
struct FullNotice {
    /// How often accepting has rested, said or not.
    pauses: u64,
    next: Time,
}

impl FullNotice {
    /// Whether it is to be said now, in the turn in which it is so. What was not said then is not made
    /// up for: later it may not be true any more.
    fn is_due(&mut self, pauses: u64, now: Time) -> bool {
        let is_news = core::mem::replace(&mut self.pauses, pauses) < pauses;
        let is_due = is_news && now >= self.next;
        if is_due {
            self.next = now + FULL_NOTICE_MS;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_it_is_full_is_said_while_it_is() {
        let (mut notice, start) = (FullNotice::default(), Time::default());
        let mut at = |ms, pauses| notice.is_due(pauses, start + ms);
        assert!(!at(0, 0), "there is room");
        assert!(at(1, 1), "at once");
        assert!(!at(2, 2), "and then not too often");
        assert!(!at(FULL_NOTICE_MS + 1, 2), "there is room again: too late to say it");
        assert!(at(FULL_NOTICE_MS + 2, 3));
        assert!(!at(2 * FULL_NOTICE_MS + 1, 9));
        assert!(at(2 * FULL_NOTICE_MS + 2, 10), "it still is");
    }
}
