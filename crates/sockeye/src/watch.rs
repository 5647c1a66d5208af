//! Logs notices about a running server for its operator, each at a bounded rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sockeye_http::Date;
use sockeye_server::{Net, Server, Time};
use sockeye_service::sequencing::{ClockNotice, ClockTrouble, LogClock};

use crate::front::Front;

/// Milliseconds between two notices that the server accepts no more connections.
const FULL_NOTICE_MS: u64 = 10_000;

/// Milliseconds between two notices of refused credentials.
const REFUSED_NOTICE_MS: u64 = 1_000;

/// Milliseconds between two notices of failed handshakes.
const HANDSHAKE_NOTICE_MS: u64 = 10_000;

/// The notices of one event loop: which were logged, and when the next may be.
#[derive(Default)]
pub(crate) struct Watch {
    full: FullNotice,
    refused: Pace,
    handshakes: Pace,
    closing: bool,
}

impl Watch {
    /// Makes the watch of another loop, which shares the rates of refused credentials and failed handshakes.
    pub(crate) fn for_another(&self) -> Self {
        let (refused, handshakes) = (self.refused.clone(), self.handshakes.clone());
        Self { refused, handshakes, ..Self::default() }
    }

    /// Looks at the server after a turn.
    pub(crate) fn look<N: Net>(&mut self, server: &mut Server<N, Front>) {
        let now = server.now();
        self.look_at_room(server, now);
        self.look_at_refused(server, now);
        self.look_at_handshakes(server, now);
        tell_of_clock(server.app_mut().service().clock());
        if server.is_closing() && !self.closing {
            self.closing = true;
            log::info!(connections = server.connections(); "nobody is let in any more");
        }
    }

    /// How long the next turn may wait, if a notice is still to be logged.
    pub(crate) fn patience<N: Net>(&self, server: &mut Server<N, Front>) -> Option<Duration> {
        let refused = server.app_mut().service().has_refused().then_some(REFUSED_NOTICE_MS);
        let failed = server.has_failed_handshake().then_some(HANDSHAKE_NOTICE_MS);
        refused.or(failed).map(Duration::from_millis)
    }

    /// Logs that the server accepts no connections for now. Without this notice an operator would only see
    /// clients that hang.
    fn look_at_room<N: Net>(&mut self, server: &Server<N, Front>, now: Time) {
        if self.full.is_due(server.stats().accept_pauses, now) {
            log::warn!(connections = server.connections(); "nobody more is let in for now");
        }
    }

    /// Logs refused credentials, one line a second at the most.
    fn look_at_refused<N: Net>(&mut self, server: &mut Server<N, Front>, now: Time) {
        let service = server.app_mut().service();
        if !service.has_refused() || !self.refused.may_tell(now, REFUSED_NOTICE_MS) {
            return;
        }
        let Some(refused) = service.take_refused() else { return };
        let peer = refused.peer.map_or_else(String::new, |peer| peer.to_string());
        let (code, path, others) = (refused.code, refused.target.as_str(), refused.others);
        log::warn!(code, path, peer, others; "credentials refused");
    }

    /// Logs failed handshakes of TLS, one line in ten seconds at the most. Scans are daily business on the Internet.
    /// [server:handshake-failures]
    fn look_at_handshakes<N: Net>(&self, server: &mut Server<N, Front>, now: Time) {
        if !server.has_failed_handshake() || !self.handshakes.may_tell(now, HANDSHAKE_NOTICE_MS) {
            return;
        }
        let Some(failed) = server.take_failed_handshake() else { return };
        let (reason, others) = (failed.kind.as_str(), failed.others);
        log::info!(reason, peer:% = failed.peer, others; "a TLS handshake failed");
    }
}

/// When the next notice may be logged, in milliseconds of the loops' time. A clone is the same, for another loop.
#[derive(Clone, Default)]
struct Pace(Arc<AtomicU64>);

impl Pace {
    /// Whether a notice may be logged now. If so, it takes the turn of all loops.
    fn may_tell(&self, now: Time, every_ms: u64) -> bool {
        let (next, now_ms) = (self.0.load(Ordering::Relaxed), now.as_millis());
        let after = now_ms.saturating_add(every_ms);
        let take = || self.0.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed);
        now_ms >= next && take().is_ok()
    }
}

/// Logs that the calendar was set, or that the log is ahead of it.
pub(crate) fn tell_of_clock(clock: &LogClock) {
    let Some(ClockNotice { trouble, expected_ms, calendar_ms, .. }) = clock.take_notice() else {
        return;
    };
    let (calendar, expected) = (date(calendar_ms), date(expected_ms));
    match trouble {
        ClockTrouble::CalendarJumped => {
            log::warn!(calendar, expected; "the calendar has jumped");
        }
        ClockTrouble::LogAhead => {
            log::warn!(calendar, newest = expected; "the newest message in the log is from the future");
        }
    }
}

/// A date in the form of HTTP.
fn date(unix_ms: u64) -> String {
    String::from_utf8_lossy(Date::from_unix(unix_ms / 1_000).as_bytes()).into_owned()
}

/// When to log that the server accepts no more connections.
#[derive(Default)]
struct FullNotice {
    /// How often accepting has rested, whether it was logged or not.
    pauses: u64,
    next: Time,
}

impl FullNotice {
    /// Whether to log the notice in this turn. A notice that was left out is not made up for, because it may not
    /// be true any more.
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
