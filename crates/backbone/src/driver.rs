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

/// The beginning of a server's text, safe to print. Quotes stay as they are: whoever puts the text into quotes escapes them.
pub fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim_end().chars().take(QUOTE_CHARS_MAX) {
        match c {
            '"' | '\'' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{QUOTE_CHARS_MAX, quoted};

    #[test]
    fn a_text_of_a_server_is_safe_and_readable() {
        let text = "relation \"a\" of 'b'\r\n\u{1b}[31m\u{202e}\\ end \n";
        assert_eq!(quoted(text), "relation \"a\" of 'b'\\r\\n\\u{1b}[31m\\u{202e}\\\\ end");
        assert_eq!(quoted(&"x".repeat(1_000)).len(), QUOTE_CHARS_MAX);
    }
}
