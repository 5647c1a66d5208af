//! The client that subscribes channels of a hub: its machine, and the machine with a loop of its own.

mod backoff;
mod blocking;
mod end;
mod error;
mod event;
pub(crate) mod fetch;
mod hearing;
mod ledger;
mod machine;
mod options;
mod poll;
mod position;
mod preference;
mod probe;
mod request;
mod said;
mod socket;
mod stream;

use sockeye_reactor::Time;

pub use backoff::Backoff;
pub use blocking::Subscription;
pub use error::HubError;
pub use event::{Data, Gap, Publication, SubscriptionEvent, Target};
pub use machine::Subscription as SubscriptionMachine;
pub use options::{Credentials, SubscriptionOptions, Transport};

use crate::Limits;
use hearing::Hearing;

/// The callback that takes an event.
type Take<'t, R> = &'t mut dyn FnMut(SubscriptionEvent<'_>) -> R;

/// The state of the subscription that a connection needs.
struct Context<'c> {
    now: Time,
    /// Whether to try a better transport when that costs nothing.
    is_better_due: bool,
    options: &'c SubscriptionOptions,
    limits: Limits,
    credentials: Option<&'c Credentials>,
    hearing: &'c mut Hearing,
}
