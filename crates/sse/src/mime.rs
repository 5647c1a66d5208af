//! Recognises the content type of an event stream.

/// The MIME type of an event stream, as a server sends it and a client asks for it in `Accept`.
pub const MIME_TYPE: &str = "text/event-stream";

/// Whether a `Content-Type` value names an event stream: `text/event-stream` in any case, with any
/// parameters. Join several header lines with a comma, in their order.
///
/// A `charset` parameter has no say: event streams are UTF-8.
///
/// # RFC
/// Fetch "extract a MIME type" (of a list, the last valid type counts) and MIME Sniffing §4.4.
///
/// ```
/// assert!(sockeye_sse::is_event_stream(b"Text/Event-Stream; charset=latin1"));
/// assert!(!sockeye_sse::is_event_stream(b"text/html"));
/// ```
#[must_use]
pub fn is_event_stream(content_type: &[u8]) -> bool {
    let mut quote = Quote::Outside;
    // [fetch:2.2.2-last-type-counts]
    let values = content_type.split(|&byte| {
        quote = quote.after(byte);
        byte == b',' && quote == Quote::Outside
    });
    // Fold instead of a reversed search: quotes are understood from left to right only.
    values.filter_map(essence).fold(false, |_, (kind, subtype)| {
        // [mimesniff:4.4-essence-any-case]
        kind.eq_ignore_ascii_case(b"text") && subtype.eq_ignore_ascii_case(b"event-stream")
    })
}

/// Type and subtype of one value; `None` if it is no MIME type, or `*/*`.
fn essence(value: &[u8]) -> Option<(&[u8], &[u8])> {
    // [mimesniff:4.4-parameters] What follows the first semicolon plays no part.
    let essence = trim(value.split(|&byte| byte == b';').next().unwrap_or_default());
    let mut parts = essence.splitn(2, |&byte| byte == b'/');
    let (kind, subtype) = (parts.next()?, parts.next()?);
    let is_type = is_token(kind) && is_token(subtype) && (kind, subtype) != (b"*", b"*");
    is_type.then_some((kind, subtype))
}

/// The state of a scan through a list of header values with quoted strings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Outside,
    Inside,
    Escaped,
}

impl Quote {
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Outside, b'"') | (Self::Escaped, _) => Self::Inside,
            (Self::Outside, _) | (Self::Inside, b'"') => Self::Outside,
            (Self::Inside, b'\\') => Self::Escaped,
            (Self::Inside, _) => Self::Inside,
        }
    }
}

/// Drops HTTP whitespace at both ends.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..]
    | [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = value
    {
        value = rest;
    }
    value
}

/// RFC 9110 §5.6.2.
fn is_token(value: &[u8]) -> bool {
    let in_token = |&byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !value.is_empty() && value.iter().all(in_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [mimesniff:4.4-essence-any-case] [mimesniff:4.4-parameters] [fetch:2.2.2-last-type-counts]
    #[test]
    fn judges_content_types() {
        let yes: &[&str] = &[
            "text/event-stream",
            "Text/Event-Stream",
            " \ttext/event-stream\t ",
            "text/event-stream;",
            "text/event-stream ;charset=utf-8",
            "text/event-stream;charset=windows-1252",
            "text/event-stream;a=\"x,text/html\"",
            "text/event-stream;a=\"\\\",text/html\"",
            "text/html, text/event-stream",
            "text/event-stream, */*",
            "text/event-stream, nonsense",
            "text/event-stream,",
        ];
        for value in yes {
            assert!(is_event_stream(value.as_bytes()), "{value:?}");
        }
        let no: &[&str] = &[
            "",
            "text",
            "/",
            "x bogus",
            "text/event-stream bogus",
            "text /event-stream",
            "text/ event-stream",
            "text/event-streams",
            "x-text/event-stream",
            "text/event-stream/x",
            "\u{a0}text/event-stream",
            "text/event-stream, text/html",
            "text/html;a=\"x,text/event-stream\"",
            "*/*",
        ];
        for value in no {
            assert!(!is_event_stream(value.as_bytes()), "{value:?}");
        }
    }
}
