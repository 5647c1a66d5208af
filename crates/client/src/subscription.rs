//! The client of a hub's own protocol: its machine, and the machine with a loop of its own.

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

/// Whom events are handed to.
type Take<'t, R> = &'t mut dyn FnMut(SubscriptionEvent<'_>) -> R;

/// What a connection needs to know of everything else.
struct Context<'c> {
    now: Time,
    /// A better transport should be tried, if that costs nothing.
    is_better_due: bool,
    options: &'c SubscriptionOptions,
    limits: Limits,
    credentials: Option<&'c Credentials>,
    hearing: &'c mut Hearing,
}
