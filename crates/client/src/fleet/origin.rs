//! The servers that members want to be connected to, and who waits for a connection.

use std::collections::VecDeque;

use sockeye_reactor::Time;

use super::connections::ConnectionId;
use super::member::MemberId;
use crate::{Backoff, HttpVersions, Peer};

/// A server, and the versions of HTTP by which it is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) peer: Peer,
    /// Its members were told to use HTTP/1.1.
    pub(super) wants_http1: bool,
}

/// What is known of an origin.
pub(super) struct Known {
    /// Members without a connection, in their order.
    pub(super) waiting: VecDeque<MemberId>,
    /// Connections that members may share.
    pub(super) shared: Vec<ConnectionId>,
    /// Connections that are being made.
    pub(super) dials: usize,
    /// The members that the next connection is likely to carry.
    pub(super) room: usize,
    pub(super) backoff: Backoff,
    /// No connection is made before this time.
    pub(super) not_before: Time,
}

impl Origin {
    pub(super) const fn versions(&self, allowed: HttpVersions) -> HttpVersions {
        if self.wants_http1 { HttpVersions::Http1 } else { allowed }
    }
}

impl Known {
    pub(super) fn new(room: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            shared: Vec::new(),
            dials: 0,
            room,
            backoff: Backoff::default(),
            not_before: Time::default(),
        }
    }

    /// Whether a further connection has to be made for those that wait.
    pub(super) fn lacks(&self) -> bool {
        self.waiting.len() > self.dials * self.room
    }

    /// Whether it has to be remembered.
    pub(super) fn is_used(&self, now: Time) -> bool {
        let has_some = !self.waiting.is_empty() || !self.shared.is_empty() || self.dials > 0;
        has_some || self.not_before > now
    }

    /// Puts the next attempt off. Those who have lost a connection together come back at their own times, but the
    /// first of many comes at once: so the connection has a random wait of its own. [client:shared-redial]
    pub(super) fn put_off(&mut self, now: Time, bits: u64) {
        self.not_before = now + self.backoff.when_busy(0, bits);
    }
}
