//! The state of the server's certificates, as an operator sees it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long before its end a certificate is trouble, in seconds: 14 days.
const SOON_S: u64 = 14 * 86_400;

/// The state of the certificates that the server shows, for `/metrics` and `/readyz`. The program that reloads
/// them notes it; all loops read it.
#[derive(Debug, Default)]
pub struct CertificateState {
    /// When the first of them ends, in seconds since 1970.
    not_after_s: AtomicU64,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
    is_stale: AtomicBool,
}

impl CertificateState {
    /// The state of certificates of which the first one ends at `not_after_s`, in seconds since 1970.
    pub fn new(not_after_s: u64) -> Self {
        Self { not_after_s: AtomicU64::new(not_after_s), ..Self::default() }
    }

    /// Notes that certificates were read again, and are in use.
    pub fn note_reloaded(&self, not_after_s: u64) {
        self.not_after_s.store(not_after_s, Ordering::Relaxed);
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.is_stale.store(false, Ordering::Relaxed);
    }

    /// Notes that certificates could not be read again. The old ones stay in use.
    pub fn note_failed(&self) {
        self.failed_reloads.fetch_add(1, Ordering::Relaxed);
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// When the first of them ends, in seconds since 1970.
    pub(crate) fn not_after_s(&self) -> u64 {
        self.not_after_s.load(Ordering::Relaxed)
    }

    /// Reloads that were good, and those that were not.
    pub(crate) fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.failed_reloads.load(Ordering::Relaxed))
    }

    /// Trouble that an operator should mend.
    pub(crate) fn trouble(&self, now_s: u64) -> Option<&'static str> {
        let not_after_s = self.not_after_s();
        if not_after_s < now_s {
            return Some("certificate_expired");
        }
        if self.is_stale.load(Ordering::Relaxed) {
            return Some("certificate_reload_failed");
        }
        (not_after_s < now_s.saturating_add(SOON_S)).then_some("certificate_expires_soon")
    }
}

#[cfg(test)]
mod tests {
    use super::{CertificateState, SOON_S};

    /// [service:certificates]
    #[test]
    fn trouble_is_an_old_certificate_or_one_that_ends() {
        let state = CertificateState::new(10 * SOON_S);
        assert_eq!(state.trouble(SOON_S), None);
        assert_eq!(state.trouble(9 * SOON_S), None);
        assert_eq!(state.trouble(9 * SOON_S + 1), Some("certificate_expires_soon"));
        assert_eq!(state.trouble(10 * SOON_S + 1), Some("certificate_expired"));
        state.note_failed();
        assert_eq!(state.trouble(0), Some("certificate_reload_failed"));
        state.note_reloaded(20 * SOON_S);
        assert_eq!((state.trouble(10 * SOON_S), state.reloads()), (None, (1, 1)));
    }
}
