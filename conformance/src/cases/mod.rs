//! All cases, one file for each concern.

mod close;
mod deflate;
mod delivery;
mod flood;
mod framing;
mod handshake;
mod http;
mod sse;
mod utf8;

use crate::case::Case;

/// Every case, in the order of the report.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(handshake::cases());
    cases.extend(http::cases());
    cases.extend(framing::cases());
    cases.extend(delivery::cases());
    cases.extend(utf8::cases());
    cases.extend(close::cases());
    cases.extend(deflate::cases());
    cases.extend(sse::cases());
    cases.extend(flood::cases());
    cases
}
