//! What tests put behind and before a service: a log that waits, and who may do what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_auth::{Identity, Keys, Limits, Secret, Taken, Tickets};
use sockeye_hub::{ChannelName, Seq};
use sockeye_service::wire::Payload;
use sockeye_service::{Guard, Log, LogState, NoRoom, Record};

/// A log that is as far as it is said to be; `u64::MAX`: that has failed.
pub struct Slow(pub Arc<AtomicU64>);

impl Log for Slow {
    fn room(&self, _: ChannelName<'_>, _: Option<&str>, _: &Payload) -> Result<(), NoRoom> {
        Ok(())
    }

    fn append(&mut self, _: &Record<'_>) {}

    fn settled(&mut self) -> LogState {
        match self.0.load(Ordering::SeqCst) {
            u64::MAX => LogState::Failed,
            through => LogState::Through(Seq(through)),
        }
    }
}

/// Keys and nothing else; its entropy is never the same twice.
pub fn guarded_by(keys: Keys, everybody: Identity) -> Guard {
    let mut count = 0_u64;
    Guard {
        keys,
        tokens: None,
        tickets: None,
        taken: Taken::default(),
        everybody,
        entropy: Box::new(move |bytes| {
            count += 1;
            bytes[..8].copy_from_slice(&count.to_be_bytes());
        }),
    }
}

/// Tickets of a secret that all tests have.
pub fn tickets(limits: Limits) -> Tickets {
    let secret = Secret::new(&[1; 32]).expect("long enough");
    Tickets::new(vec![secret], limits).expect("one secret")
}
