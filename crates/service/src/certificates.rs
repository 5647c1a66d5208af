//! The state of the server's certificates, as an operator sees it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long before its end a certificate is trouble at the most, in seconds: 14 days.
const SOON_S: u64 = 14 * 86_400;

/// The part of its life that a certificate has before it when it becomes trouble: that of a short one is less
/// than 14 days. Whoever renews does so at a third.
const SOON_PART: u64 = 6;

/// The validity of certificates: the parts of their times that matter to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateTimes {
    /// When the first of them ends, in seconds since 1970.
    not_after_s: u64,
    /// When somebody has to be told.
    warn_s: u64,
}

impl CertificateTimes {
    /// The times of certificates that are valid from the first to the second moment, in seconds since 1970;
    /// `None` if there is none.
    pub fn of(validities: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        let one = |(not_before, not_after): (u64, u64)| {
            let soon = SOON_S.min(not_after.saturating_sub(not_before) / SOON_PART);
            Self { not_after_s: not_after, warn_s: not_after.saturating_sub(soon) }
        };
        validities.into_iter().map(one).reduce(|one, other| Self {
            not_after_s: one.not_after_s.min(other.not_after_s),
            warn_s: one.warn_s.min(other.warn_s),
        })
    }
}

/// How an order of a certificate by ACME ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderOutcome {
    /// The certificate is there.
    Issued,
    /// The authority does not answer.
    Unreachable,
    /// The authority wants to be left alone for a while.
    RateLimited,
    /// The authority did not find the answer to its challenge.
    ChallengeFailed,
    /// The authority refuses for another reason.
    Refused,
    /// This server cannot go on: a file cannot be written, or an answer makes no sense.
    Failed,
}

impl OrderOutcome {
    const ALL: [Self; 6] = [
        Self::Issued,
        Self::Unreachable,
        Self::RateLimited,
        Self::ChallengeFailed,
        Self::Refused,
        Self::Failed,
    ];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Unreachable => "unreachable",
            Self::RateLimited => "rate_limited",
            Self::ChallengeFailed => "challenge_failed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// The state of the certificates that the server shows, for `/metrics` and `/readyz`. The program that reloads
/// them notes it; all loops read it.
#[derive(Debug, Default)]
pub struct CertificateState {
    /// When the first of them ends, in seconds since 1970; 0 if there is none.
    not_after_s: AtomicU64,
    warn_s: AtomicU64,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
    is_stale: AtomicBool,
    /// Whether certificates are ordered by ACME.
    is_ordered: AtomicBool,
    orders: [AtomicU64; OrderOutcome::ALL.len()],
    order_failed: AtomicBool,
}

/// The figures of a [`CertificateState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFigures {
    /// When the first certificate ends, in seconds since 1970; 0 if there is none.
    pub(crate) not_after_s: u64,
    /// Reloads that were good, and those that were not.
    pub(crate) reloads: (u64, u64),
    /// Orders by outcome, if certificates are ordered.
    pub(crate) orders: Option<[(&'static str, u64); OrderOutcome::ALL.len()]>,
}

impl CertificateState {
    /// The state of certificates with these times; `None` while there is none yet.
    pub fn new(times: Option<CertificateTimes>) -> Self {
        let state = Self::default();
        state.set(times);
        state
    }

    fn set(&self, times: Option<CertificateTimes>) {
        self.not_after_s.store(times.map_or(0, |it| it.not_after_s), Ordering::Relaxed);
        self.warn_s.store(times.map_or(0, |it| it.warn_s), Ordering::Relaxed);
    }

    /// Notes that certificates were read again, and are in use.
    pub fn note_reloaded(&self, times: Option<CertificateTimes>) {
        self.set(times);
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.is_stale.store(false, Ordering::Relaxed);
    }

    /// Notes that certificates could not be read again. The old ones stay in use.
    pub fn note_failed(&self) {
        self.failed_reloads.fetch_add(1, Ordering::Relaxed);
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// Notes that certificates are ordered by ACME.
    pub fn note_ordering(&self) {
        self.is_ordered.store(true, Ordering::Relaxed);
    }

    /// Notes how an order ended.
    pub fn note_order(&self, outcome: OrderOutcome) {
        self.orders[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.order_failed.store(outcome != OrderOutcome::Issued, Ordering::Relaxed);
    }

    /// Reloads that were good, and those that failed.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.failed_reloads.load(Ordering::Relaxed))
    }

    pub(crate) fn figures(&self) -> CertificateFigures {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let orders = OrderOutcome::ALL.map(|it| (it.as_str(), count(&self.orders[it as usize])));
        CertificateFigures {
            not_after_s: count(&self.not_after_s),
            reloads: self.reloads(),
            orders: self.is_ordered.load(Ordering::Relaxed).then_some(orders),
        }
    }

    /// Whether the server has no certificate yet, so that nobody can speak TLS with it.
    pub(crate) fn is_missing(&self) -> bool {
        self.not_after_s.load(Ordering::Relaxed) == 0
    }

    /// The troubles that an operator should mend, the worst one first.
    pub(crate) fn troubles(&self, now_s: u64) -> impl Iterator<Item = &'static str> + use<> {
        let is_there = !self.is_missing();
        let is_over = is_there && self.not_after_s.load(Ordering::Relaxed) < now_s;
        let is_soon = is_there && !is_over && self.warn_s.load(Ordering::Relaxed) < now_s;
        let troubles = [
            (is_over, "certificate_expired"),
            (self.is_stale.load(Ordering::Relaxed), "certificate_reload_failed"),
            (self.order_failed.load(Ordering::Relaxed), "certificate_order_failed"),
            (is_soon, "certificate_expires_soon"),
        ];
        troubles.into_iter().filter_map(|(is_true, name)| is_true.then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::{CertificateState, CertificateTimes, OrderOutcome, SOON_S};

    fn until(not_after: u64) -> Option<CertificateTimes> {
        CertificateTimes::of([(0, not_after)])
    }

    fn troubles(state: &CertificateState, now_s: u64) -> String {
        state.troubles(now_s).collect::<Vec<_>>().join(" ")
    }

    /// [service:certificates]
    #[test]
    fn trouble_is_an_old_certificate_or_one_that_ends() {
        let state = CertificateState::new(until(10 * SOON_S));
        assert_eq!(troubles(&state, SOON_S), "");
        assert_eq!(troubles(&state, 9 * SOON_S), "");
        assert_eq!(troubles(&state, 9 * SOON_S + 1), "certificate_expires_soon");
        assert_eq!(troubles(&state, 10 * SOON_S + 1), "certificate_expired");
        state.note_failed();
        assert_eq!(troubles(&state, 0), "certificate_reload_failed");
        let both = "certificate_expired certificate_reload_failed";
        assert_eq!(troubles(&state, 10 * SOON_S + 1), both);
        let both = "certificate_reload_failed certificate_expires_soon";
        assert_eq!(troubles(&state, 9 * SOON_S + 1), both);
        state.note_reloaded(until(20 * SOON_S));
        assert_eq!(
            (troubles(&state, 10 * SOON_S), state.figures().reloads),
            (String::new(), (1, 1))
        );
    }

    /// [service:certificates]
    #[test]
    fn the_first_end_of_several_counts_and_a_short_life_has_a_short_warning() {
        let day = 86_400;
        let times = CertificateTimes::of([(0, 90 * day), (0, 6 * day), (0, 900 * day)]);
        let state = CertificateState::new(times);
        assert_eq!(state.figures().not_after_s, 6 * day);
        assert_eq!(troubles(&state, 5 * day), "");
        assert_eq!(troubles(&state, 5 * day + 1), "certificate_expires_soon");
        assert_eq!(CertificateTimes::of([]), None);
    }

    /// [service:certificates]
    #[test]
    fn orders_are_counted_and_the_last_one_is_trouble_if_it_failed() {
        let state = CertificateState::new(None);
        assert!(state.is_missing() && state.figures().orders.is_none());
        state.note_ordering();
        state.note_order(OrderOutcome::Unreachable);
        state.note_order(OrderOutcome::Unreachable);
        assert_eq!(troubles(&state, SOON_S), "certificate_order_failed", "none is there to expire");
        state.note_reloaded(until(10 * SOON_S));
        assert!(!state.is_missing());
        assert_eq!(troubles(&state, 0), "certificate_order_failed");
        state.note_order(OrderOutcome::Issued);
        assert_eq!(troubles(&state, 0), "");
        let orders = state.figures().orders.expect("they are ordered");
        assert_eq!(orders[..3], [("issued", 1), ("unreachable", 2), ("rate_limited", 0)]);
    }
}
