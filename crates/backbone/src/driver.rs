//! Parts that drivers of engines share: addresses in URLs, pauses between attempts, and queues.

mod address;
mod attempts;
mod queues;

pub use address::{AddressError, Authority, Server, percent_decoded};
pub use attempts::Attempts;
pub use queues::{Job, QueueLimits, Queues, Told, Trim, Turn};
