//! The properties as fuzz targets: bytes read as the arguments of each.
//!
//! A head is also taken for the further lines of a good one, so that an input need not hold the
//! key of the sample to be accepted.

use crate::{Extensions, properties};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[
    ("server_answers", server_answers),
    ("client_verifies", client_verifies),
    ("extension_header", extension_header),
];

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// A request head, or lines of one.
pub fn server_answers(data: &[u8]) {
    properties::server_answers(data);
    properties::server_answers(&[REQUEST, data, b"\r\n\r\n"].concat());
}

/// A response head, or lines of one.
pub fn client_verifies(data: &[u8]) {
    properties::client_settles(data);
    properties::client_settles(&[RESPONSE, data, b"\r\n\r\n"].concat());
}

/// Four choices of spelling; then the lines of a `Sec-WebSocket-Extensions`, parted by LF.
pub fn extension_header(data: &[u8]) {
    let Some((style, text)) = data.split_first_chunk::<4>() else { return };
    properties::extensions_agree(text);
    if let Ok(list) = Extensions::parse(text.split(|&byte| byte == b'\n')) {
        properties::extensions_round_trip(&properties::plain(&list), style);
    }
}
