//! The log's health: whether it takes records.

use sockeye_hub::Seq;

/// How long `/readyz` reports a refusal, in milliseconds. After that a balancer sends publications
/// again: only a publication can show that the log has room.
const TRY_AGAIN_MS: u64 = 10_000;

/// Whether the log takes records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It took the last record.
    #[default]
    Good,
    /// It refused the last records.
    Refusing {
        /// The position of the last refused record.
        through: Seq,
        /// When it refused, in log time.
        at_ms: u64,
    },
    /// A log that is shared with other machines cannot be used now, for this reason. Publications are refused.
    Away(&'static str),
    /// It has failed and takes no more records.
    Failed,
}

impl Health {
    /// Notes that the log has answered for every record up to `through`.
    pub(crate) fn taken(&mut self, through: Seq) {
        match *self {
            Self::Refusing { through: refused, .. } if through > refused => *self = Self::Good,
            Self::Refusing { .. } | Self::Good | Self::Away(_) | Self::Failed => {}
        }
    }

    /// Why a balancer should send no clients here, if it should not.
    pub(crate) const fn objection(self, now_ms: u64) -> Option<&'static str> {
        match self {
            Self::Good => None,
            // [service:ready-again]
            Self::Refusing { at_ms, .. } if now_ms >= at_ms.saturating_add(TRY_AGAIN_MS) => None,
            Self::Refusing { .. } => Some("log_refusing"),
            Self::Away(reason) => Some(reason),
            Self::Failed => Some("log_failed"),
        }
    }

    pub(crate) const fn has_failed(self) -> bool {
        matches!(self, Self::Failed)
    }

    pub(crate) const fn is_refusing(self) -> bool {
        matches!(self, Self::Refusing { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [service:ready-again]
    #[test]
    fn good_again_by_a_success_and_worth_a_try_after_a_while() {
        let mut health = Health::Refusing { through: Seq(5), at_ms: 1_000 };
        health.taken(Seq(4));
        assert_eq!(health.objection(10_999), Some("log_refusing"), "that was before");
        assert_eq!(health.objection(11_000), None);
        assert!(health.is_refusing(), "nobody has seen it take anything");
        health.taken(Seq(6));
        assert_eq!((health, health.objection(0)), (Health::Good, None));
        let mut failed = Health::Failed;
        failed.taken(Seq(9));
        assert_eq!(failed.objection(u64::MAX), Some("log_failed"));
    }
}
