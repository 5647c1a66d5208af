//! Makes the head of an HTTP/2 answer one in the form of HTTP/1.1.

use sockeye_http::{Headers, Status};

/// How the content of an answer is given to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// As it comes: the head says its length, or it is a WebSocket's.
    Plain,
    /// In chunks.
    Chunked,
}

/// Appends the head of an answer, and returns the form of its content.
///
/// `accept` is the proof of a WebSocket's handshake, which HTTP/2 does without: any 2xx agrees to it.
pub(super) fn write(
    status: Status,
    headers: Headers<'_, '_>,
    accept: Option<&[u8]>,
    end_stream: bool,
    out: &mut Vec<u8>,
) -> Body {
    let code = status.code();
    let accept = accept.filter(|_| (200..300).contains(&code));
    let mut has_length = false;
    match accept {
        Some(accept) => {
            out.extend_from_slice(
                b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            );
            line("Sec-WebSocket-Accept", accept, out);
        }
        None => {
            out.extend_from_slice(format!("HTTP/1.1 {code} {}\r\n", status.reason()).as_bytes());
        }
    }
    for (name, value) in headers.iter() {
        let is_length = name.eq_ignore_ascii_case("content-length");
        has_length |= is_length;
        if !(accept.is_some() && (is_length || name.eq_ignore_ascii_case("sec-websocket-accept"))) {
            line(name, value, out);
        }
    }
    let body = match () {
        () if accept.is_some() || has_length || status.is_bodiless() => Body::Plain,
        () if end_stream => {
            line("content-length", b"0", out);
            Body::Plain
        }
        () => {
            line("transfer-encoding", b"chunked", out);
            Body::Chunked
        }
    };
    out.extend_from_slice(b"\r\n");
    body
}

fn line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
