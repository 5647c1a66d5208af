//! Whom it trusts.

use crate::child::{bad, text};
use crate::common::run;
use crate::tls::{Authority, Ending, GOOD, answer};

const REFUSAL: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\nover TLS";

#[test]
fn an_authority_is_trusted_when_it_is_named() {
    let authority = Authority::new();
    for (command, scheme) in [("connect", "wss"), ("events", "https")] {
        // It has no WebSocket and no events, and says so to whoever trusts it.
        let url =
            || format!("{scheme}://localhost:{}/", answer(GOOD, REFUSAL, Ending::Said).port());
        bad(&run(&[command, "--cacert", authority.path(), &url()]), 1, "404 Not Found: over TLS");
        let stranger = run(&[command, &url()]);
        bad(&stranger, 1, "");
        assert!(!text(&stranger.stderr).contains("over TLS"), "{stranger:?}");
    }
    let url = format!("wss://localhost:{}/", answer(GOOD, REFUSAL, Ending::Said).port());
    let other = run(&["connect", "--cacert", Authority::stranger().path(), &url]);
    bad(&other, 1, "the certificate of localhost is not trusted");
}
