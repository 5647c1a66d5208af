//! HTTP/2 over TLS (RFC 9113 §3.2, §9.2).

use sockeye_cases::{Outcome, failed};

use crate::link::Link;
use crate::peer::Peer;
use crate::row::{Case, Row, free, table};
use crate::target::Target;

const ALPN: &str = "RFC 9113 §3.2";

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS)
}

const ROWS: &[Row] = &[
    free("tls/alpn-h2", ALPN, "h2 is chosen where it is the only offer", |target| {
        Peer::ready(target)?.expect_page(target, 1)
    }),
    free(
        "tls/alpn-prefers-h2",
        ALPN,
        "h2 is chosen before http/1.1, in any order of the offer",
        |target| {
            chosen(target, &[b"h2", b"http/1.1"], Some(b"h2"))?;
            chosen(target, &[b"http/1.1", b"h2"], Some(b"h2"))
        },
    )
    .policy("RFC 7301 §3.2 leaves the choice to the server"),
    free("tls/alpn-http1", ALPN, "http/1.1 is chosen where it is the only offer", |target| {
        chosen(target, &[b"http/1.1"], Some(b"http/1.1"))
    })
    .policy("browsers open WebSockets by HTTP/1.1 first"),
    free("tls/alpn-none", ALPN, "Without ALPN the connection is none of h2", |target| {
        chosen(target, &[], None)
    }),
    free("tls/alpn-unknown", "RFC 7301 §3.2", "An unknown protocol is never agreed to", |target| {
        match Link::connect(target, &[b"spdy/3"]) {
            Err(_) => Ok(()),
            Ok(link) if link.protocol().is_none() => Ok(()),
            Ok(link) => failed("no such protocol", format!("{:?}", link.protocol())),
        }
    }),
];

fn chosen(target: &Target, offer: &[&[u8]], want: Option<&[u8]>) -> Outcome {
    let protocol = Link::connect(target, offer)?.protocol();
    match protocol.as_deref() == want {
        true => Ok(()),
        false => failed(
            format!("{:?}", want.map(String::from_utf8_lossy)),
            format!("{:?}", protocol.as_deref().map(String::from_utf8_lossy)),
        ),
    }
}
