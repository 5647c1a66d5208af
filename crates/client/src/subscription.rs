//! The client that subscribes channels of a hub: its machine, and the machine with a loop of its own.

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

pub use blocking::Subscription;
pub use error::HubError;
pub use event::{Data, Gap, Publication, SubscriptionEvent, Target};
pub use machine::Subscription as SubscriptionMachine;
pub use options::{Credentials, SubscriptionOptions, Transport};

use crate::Limits;
use hearing::Hearing;
use preference::Preference;

/// The callback that takes an event.
type Take<'t, R> = &'t mut dyn FnMut(SubscriptionEvent<'_>) -> R;

/// The state of a subscription that its connections use.
struct Context {
    /// The time of the present call.
    now: Time,
    options: SubscriptionOptions,
    limits: Limits,
    hearing: Hearing,
    preference: Preference,
}
