//! Parts that drivers of engines share: addresses in URLs, and pauses between attempts.

mod address;
mod attempts;

pub use address::{AddressError, Server, percent_decoded};
pub use attempts::Attempts;
