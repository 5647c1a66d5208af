//! The connection preface of a client (RFC 9113 §3.4).

/// The bytes with which a client begins. No HTTP/1.1 server takes them for a request.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The verdict on the first bytes of a connection that may speak HTTP/1.1 or HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sniffed {
    /// The preface of HTTP/2, whole.
    Http2,
    /// Something else.
    Other,
    /// The bytes so far begin the preface: more are needed.
    Undecided,
}

/// Tells a client with prior knowledge of HTTP/2 (RFC 9113 §3.3) from one of HTTP/1.1, by the first
/// bytes of a connection. The bytes stay: give all of them to the connection that is chosen.
///
/// # Examples
/// ```
/// use sockeye_http2::{Sniffed, sniff};
/// assert_eq!(sniff(b"PRI * HT"), Sniffed::Undecided);
/// assert_eq!(sniff(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0"), Sniffed::Http2);
/// assert_eq!(sniff(b"PUT /"), Sniffed::Other);
/// ```
#[must_use]
pub fn sniff(received: &[u8]) -> Sniffed {
    // [http2:3.3-prior-knowledge]
    match received.split_at_checked(PREFACE.len()) {
        Some((first, _)) if first == PREFACE => Sniffed::Http2,
        None if PREFACE.starts_with(received) => Sniffed::Undecided,
        Some(_) | None => Sniffed::Other,
    }
}
