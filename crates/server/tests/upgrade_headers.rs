//! What an application may add to the closing and the opening handshake.

use crate::common::{CLOSE, start, upgrade_request};
use sockeye_server::{CloseCode, Header};

/// [server:upgrade-headers]
#[test]
fn the_response_that_accepts_has_the_applications_headers() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send(upgrade_request("/cookie"));
    let head = peer.read_head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for line in ["Set-Cookie: a=1", "Set-Cookie: b=2", "X-Room: 9"] {
        assert_eq!(head.lines().filter(|it| *it == line).count(), 1, "{line} in {head}");
    }
    let accepts = head.to_ascii_lowercase().matches("sec-websocket-accept").count();
    assert_eq!(accepts, 1, "the handshake's own headers are its own: {head}");
}

/// [server:close-no-status]
#[test]
fn a_close_without_a_code_has_none_on_the_wire() {
    let server = start(|_| {});
    let mut peer = server.open("/echo");
    let stream = server.next_opened();
    server.act(move |context| context.close(stream, CloseCode::NO_STATUS, ""));
    assert_eq!(peer.read_frame(), (CLOSE, Vec::new()));
}

#[test]
fn a_header_made_at_run_time_cannot_end_a_line_or_contradict_the_server() {
    assert!(Header::named("X-Room", "9").is_ok());
    for (name, value) in
        [("X-Room\r\nX", "9"), ("", "9"), ("X-Room", "9\r\nX: y"), ("content-length", "9")]
    {
        assert!(Header::named(name, value).is_err(), "{name:?}: {value:?}");
    }
}
