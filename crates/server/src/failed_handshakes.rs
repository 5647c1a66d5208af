//! Handshakes of TLS that failed: counted by kind, and one of them at a time for a log.

use std::net::SocketAddr;

use sockeye_reactor::HandshakeFailure;

/// Numbers of failed handshakes, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedHandshakes([u64; HandshakeFailure::ALL.len()]);

impl FailedHandshakes {
    /// Each kind with its count.
    pub fn iter(&self) -> impl Iterator<Item = (HandshakeFailure, u64)> + '_ {
        HandshakeFailure::ALL.into_iter().zip(self.0)
    }

    /// How many were of this kind.
    pub const fn count(&self, kind: HandshakeFailure) -> u64 {
        self.0[kind as usize]
    }

    /// How many there were, those left out in which an authority validated a challenge.
    pub fn total(&self) -> u64 {
        self.0.iter().sum::<u64>() - self.count(HandshakeFailure::Challenge)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, other)| *count += other);
    }

    pub(crate) const fn note(&mut self, kind: HandshakeFailure) {
        self.0[kind as usize] += 1;
    }
}

/// A handshake that failed, and how many others did since the last one that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedHandshake {
    /// The peer.
    pub peer: SocketAddr,
    /// How it failed.
    pub kind: HandshakeFailure,
    /// How many more failed, of whatever kind.
    pub others: u64,
}

/// The first failure since the last one that was taken.
#[derive(Debug, Default)]
pub(crate) struct Untold(Option<FailedHandshake>);

impl Untold {
    /// Notes a failure, but one of daily business: peers that go away (health checks of balancers do), and
    /// challenges.
    pub(crate) fn note(&mut self, peer: SocketAddr, kind: HandshakeFailure) {
        if matches!(kind, HandshakeFailure::Cut | HandshakeFailure::Challenge) {
            return;
        }
        match &mut self.0 {
            Some(first) => first.others += 1,
            None => self.0 = Some(FailedHandshake { peer, kind, others: 0 }),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) const fn take(&mut self) -> Option<FailedHandshake> {
        self.0.take()
    }
}
