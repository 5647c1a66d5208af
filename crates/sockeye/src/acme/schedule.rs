//! When the next order is due, and how long to wait after one that failed.

use std::time::{Duration, Instant};

use sockeye_service::OrderOutcome;
use sockeye_tls::Certificate;

use crate::config::AcmeConfig;
use crate::file;

/// The longest wait before another look at the calendar.
const LOOK: Duration = Duration::from_secs(3_600);

/// The longest wait of our own choice, its random part included: an authority may ask for a longer one.
const BACKOFF_MAX: Duration = Duration::from_secs(6 * 3_600);

/// The longest wait that an authority may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The wait after a rate limit for which the authority names no time.
const RATE_LIMITED: Duration = Duration::from_secs(3_600);

/// A challenge that failed is retried later than an authority that is away: authorities count such
/// failures, and Let's Encrypt allows five of a name in an hour.
const REFUSED_FACTOR: u32 = 5;

/// Doublings at the most.
const DOUBLINGS_MAX: u32 = 20;

/// When the certificate of `config` is to be renewed, in seconds since 1970; 0 if there is none, or one
/// for other names. `spread` comes from 0 to 255: servers that began together do not renew together.
pub(super) fn renewal_s(config: &AcmeConfig, spread: u8) -> u64 {
    let read = file::read(&config.certificate()).ok();
    let certificate = read.and_then(|pem| Certificate::from_pem(&pem, &pem).ok());
    let covers = |it: &Certificate| {
        config.names.iter().all(|name| it.names().contains(&name.to_ascii_lowercase()))
    };
    let Some(certificate) = certificate.filter(covers) else { return 0 };
    let life_s = certificate.not_after().saturating_sub(certificate.not_before());
    let early_s = life_s / 3 + life_s * u64::from(spread) / (60 * 256);
    certificate.not_after().saturating_sub(early_s)
}

/// The waits after orders that failed.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    failures: u32,
    /// No attempt before this.
    until: Option<Instant>,
    /// No attempt before this, whatever the settings are: the authority wants it.
    held_until: Option<Instant>,
    spread: u8,
}

impl Backoff {
    pub(super) fn new(first_seconds: u64) -> Self {
        let mut spread = [0];
        // Without random numbers everybody renews at the same time, and TLS does not work anyway.
        let _ = getrandom::fill(&mut spread);
        let first = Duration::from_secs(first_seconds).min(BACKOFF_MAX);
        Self { first, failures: 0, until: None, held_until: None, spread: spread[0] }
    }

    /// A number that is this process's own.
    pub(super) const fn spread(&self) -> u8 {
        self.spread
    }

    /// The wait for other settings, which may be better. An authority's own wait stays.
    pub(super) fn anew(&self, first_seconds: u64) -> Self {
        Self { held_until: self.held_until, ..Self::new(first_seconds) }
    }

    /// An order went well.
    pub(super) fn succeed(&mut self) {
        (self.failures, self.until, self.held_until) = (0, None, None);
    }

    /// An order failed. Returns how long the next one waits. [service:certificate-orders]
    pub(super) fn fail(
        &mut self,
        outcome: OrderOutcome,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> Duration {
        let factor = match outcome {
            OrderOutcome::Unreachable | OrderOutcome::Issued => 1,
            OrderOutcome::RateLimited
            | OrderOutcome::ChallengeFailed
            | OrderOutcome::Refused
            | OrderOutcome::Failed => REFUSED_FACTOR,
        };
        let doubled = 1 << self.failures.min(DOUBLINGS_MAX);
        self.failures = self.failures.saturating_add(1);
        let wait = self.first.saturating_mul(factor).saturating_mul(doubled);
        // Up to a quarter more, within the bound.
        let wait = wait.min(BACKOFF_MAX * 4 / 5);
        let own = wait + wait.mul_f64(f64::from(self.spread) / 1_024.0);
        let is_limited = outcome == OrderOutcome::RateLimited;
        let asked = retry_after.or_else(|| is_limited.then_some(RATE_LIMITED));
        let asked = asked.map(|it| it.min(RETRY_AFTER_MAX));
        self.held_until = asked.map(|it| now + it);
        self.until = Some(now + own);
        own.max(asked.unwrap_or_default())
    }

    /// Whether nothing forbids an order any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        [self.until, self.held_until].into_iter().flatten().all(|until| until <= now)
    }

    /// How long to wait for an order that is due in `due_s` seconds.
    pub(super) fn wait(&self, due_s: u64, now: Instant) -> Duration {
        let held = [self.until, self.held_until].into_iter().flatten().max();
        let held = held.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        held.max(Duration::from_secs(due_s)).min(LOOK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [service:certificate-orders]
    #[test]
    fn waits_double_to_a_bound_and_begin_again_after_a_success() {
        let (mut backoff, now) = (Backoff { spread: 0, ..Backoff::new(60) }, Instant::now());
        let away = OrderOutcome::Unreachable;
        let waits = [0; 12].map(|_| backoff.fail(away, None, now).as_secs());
        assert_eq!(waits[..4], [60, 120, 240, 480]);
        assert_eq!(waits[10..], [17_280, 17_280]);
        let mut scattered = Backoff { spread: 255, ..Backoff::new(60) };
        let most = [0; 12].map(|_| scattered.fail(away, None, now)).into_iter().max();
        assert!(most > Some(Duration::from_secs(21_000)) && most <= Some(BACKOFF_MAX), "{most:?}");
        assert!(!backoff.is_over(now) && backoff.is_over(now + BACKOFF_MAX));
        backoff.succeed();
        assert!(backoff.is_over(now));
        assert_eq!(backoff.fail(OrderOutcome::ChallengeFailed, None, now).as_secs(), 300);
        assert_eq!(backoff.wait(0, now).as_secs(), 300);
        assert_eq!(backoff.wait(1_000_000, now), LOOK);
        // Four in an hour at the most.
        let waits =
            [0; 3].map(|_| backoff.fail(OrderOutcome::ChallengeFailed, None, now).as_secs());
        assert_eq!(waits, [600, 1_200, 2_400]);
    }

    /// [service:certificate-orders]
    #[test]
    fn an_authoritys_own_wait_holds_even_for_other_settings() {
        let (mut backoff, now) = (Backoff::new(1), Instant::now());
        let asked = Some(Duration::from_secs(7_200));
        assert_eq!(backoff.fail(OrderOutcome::RateLimited, asked, now).as_secs(), 7_200);
        let mut backoff = backoff.anew(1);
        assert!(!backoff.is_over(now + Duration::from_secs(7_199)));
        assert!(backoff.is_over(now + Duration::from_secs(7_200)));
        assert_eq!(backoff.wait(0, now), LOOK, "a look at the calendar, and no order");
        assert_eq!(backoff.fail(OrderOutcome::RateLimited, None, now), RATE_LIMITED);
        let absurd = backoff.fail(OrderOutcome::RateLimited, Some(Duration::MAX), now);
        assert_eq!(absurd, RETRY_AFTER_MAX);
    }
}
