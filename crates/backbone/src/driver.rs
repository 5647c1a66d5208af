//! Parts that drivers of engines share: addresses in URLs, pauses between attempts, bounds, queues, and ends. With the feature `tokio`
//! also sessions on its runtimes.

mod address;
mod attempts;
mod ends;
mod fenced;
mod limits;
mod queues;
#[cfg(feature = "tokio")]
pub mod sessions;
#[cfg(feature = "tokio")]
pub mod stream;
#[cfg(feature = "tokio")]
mod tasks;

pub use address::{AddressError, Authority, Server, UrlParts, percent_decoded, url_options};
pub use attempts::Attempts;
pub use ends::KnownEnds;
pub use fenced::{FencedAppend, FencedWork};
pub use limits::DriverLimits;
pub use queues::{Append, Job, QueueLimits, Queues, Told, Trim, Turn};
#[cfg(feature = "tokio")]
pub use tasks::{Taken, Tasks};

/// The characters of a server's text that are repeated.
const QUOTE_CHARS_MAX: usize = 200;

/// The beginning of a server's text, safe to print.
pub fn quoted(text: &str) -> String {
    text.trim_end().chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect()
}
