//! The properties as fuzz targets: bytes read as the arguments of each.
//!
//! Flags and five cuts stand at the front, so that what follows them can be any capture. An input that is too
//! short for them says nothing.

use super::{Handshake, event_source, http2, url, web_socket};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[
    ("client_event_source", client_event_source),
    ("client_http2", client_http2),
    ("client_web_socket", client_web_socket),
    #[cfg(feature = "hub")]
    ("client_subscription", client_subscription),
    ("client_url", client_url),
];

/// Flag 1: it reconnects. Then five cuts and a response.
pub fn client_event_source(data: &[u8]) {
    let Some(([flags, cuts @ ..], wire)) = data.split_first_chunk::<6>() else { return };
    event_source(wire, cuts, flags & 1 != 0);
}

/// Five cuts and the frames of a server of HTTP/2, behind its SETTINGS.
pub fn client_http2(data: &[u8]) {
    let Some((cuts, wire)) = data.split_first_chunk::<5>() else { return };
    http2(wire, cuts);
}

/// Flags modulo 3: what was answered to the handshake. Then five cuts and what comes.
pub fn client_web_socket(data: &[u8]) {
    let Some(([flags, cuts @ ..], wire)) = data.split_first_chunk::<6>() else { return };
    let handshake = match flags % 3 {
        0 => Handshake::Ahead,
        1 => Handshake::Done,
        _ => Handshake::Compressed,
    };
    web_socket(wire, cuts, handshake);
}

/// Flags modulo 4: the transport; flag 128: from a cursor. Then five cuts, and frames or a response.
#[cfg(feature = "hub")]
pub fn client_subscription(data: &[u8]) {
    use crate::Transport;
    let Some(([flags, cuts @ ..], wire)) = data.split_first_chunk::<6>() else { return };
    let transport = match flags % 4 {
        0 => Transport::WebSocket,
        1 => Transport::EventStream,
        2 => Transport::LongPoll,
        _ => Transport::ShortPoll,
    };
    let cursor = (flags & 128 != 0).then_some("1mubbs7i8-15");
    super::subscription(wire, cuts, transport, cursor);
}

/// A URL and a reference to another, parted by a byte 0xFF.
pub fn client_url(data: &[u8]) {
    let mut texts = data.splitn(2, |&byte| byte == 0xFF).map(String::from_utf8_lossy);
    let (base, reference) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    url(&base, &reference);
}
