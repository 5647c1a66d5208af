//! CONNECT (RFC 9113 §8.5) and extended CONNECT (RFC 8441).

use sockeye_cases::{Outcome, Seen, failed};

use crate::hpack::Block;
use crate::peer::Peer;
use crate::row::{Case, Row, free, seeing, sends, table};
use crate::socket::{Socket, announced};
use crate::target::{Site, Target};
use crate::want::Want;
use crate::wire::{ENABLE_CONNECT_PROTOCOL, END_HEADERS, PROTOCOL_ERROR, WHOLE, data, headers};

const EXTENDED: &str = "RFC 8441 §4";
const PLAIN: &str = "RFC 9113 §8.5";
const MALFORMED: Want = Want::Malformed(1);
/// A tunnel that is none of ours: any refusal.
const REFUSED: Want = Want::Any(&[
    Want::Status(1, &[400, 403, 404, 405, 501, 502, 503]),
    Want::Reset(1, &[1, 7, 8, 10]),
]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS)
}

const ROWS: &[Row] = &[
    free("connect/announced", "RFC 8441 §3", "SETTINGS_ENABLE_CONNECT_PROTOCOL is in the first SETTINGS", |target| {
        let peer = Peer::ready(target)?;
        announced(&peer)
    }),
    free("connect/opens", EXTENDED, "CONNECT with :protocol websocket is answered with 200", |target| {
        Socket::open(target).map(|_| ())
    }),
    free("connect/no-accept", "RFC 8441 §5", "The answer has none of HTTP/1.1's fields", |target| {
        let (peer, _) = Socket::open(target)?;
        let names: [&[u8]; 4] = [b"connection", b"upgrade", b"sec-websocket-accept", b"transfer-encoding"];
        let fields = peer.stream(1).map(|it| &it.fields[..]).unwrap_or_default();
        match fields.iter().find(|(name, _)| names.contains(&name.as_slice())) {
            Some((name, _)) => failed("no such field", String::from_utf8_lossy(name)),
            None => Ok(()),
        }
    }),
    free("connect/key-tolerated", "RFC 8441 §5", "Sec-WebSocket-Key is not needed, and no error", |target| {
        answered(target, |site| site.connect().field("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), &[200])
    }),
    free("connect/case-of-protocol", "RFC 9110 §7.8", ":protocol WebSocket, as gateways write it", |target| {
        answered(target, |site| {
            let block = site.request("CONNECT", &site.socket).field(":protocol", "WebSocket");
            block.field("sec-websocket-version", "13")
        }, &[200])
    })
    .policy("names of protocols are compared without regard to case, and a gateway passes on what it got"),
    seeing("connect/no-scheme", EXTENDED, "Without :scheme", |target| {
        bad(target, |site| connect(&[(":path", &site.socket), (":authority", &site.authority), WEB_SOCKET]), &MALFORMED)
    }),
    seeing("connect/no-path", EXTENDED, "Without :path", |target| {
        bad(target, |site| connect(&[(":scheme", site.scheme), (":authority", &site.authority), WEB_SOCKET]), &MALFORMED)
    }),
    seeing("connect/no-authority", EXTENDED, "Without :authority", |target| {
        bad(target, |site| connect(&[(":scheme", site.scheme), (":path", &site.socket), WEB_SOCKET]), &MALFORMED)
    }),
    seeing("connect/empty-path", EXTENDED, "With an empty :path", |target| {
        bad(target, |site| {
            connect(&[(":scheme", site.scheme), (":path", ""), (":authority", &site.authority), WEB_SOCKET])
        }, &MALFORMED)
    }),
    seeing("connect/protocol-twice", EXTENDED, "With two :protocol", |target| {
        bad(target, |site| {
            let fields = [(":scheme", site.scheme), (":path", site.socket.as_str()), (":authority", &site.authority)];
            connect(&[&fields[..], &[WEB_SOCKET, WEB_SOCKET]].concat())
        }, &MALFORMED)
    }),
    seeing("connect/protocol-late", EXTENDED, "With :protocol behind a field", |target| {
        bad(target, |site| site.request("CONNECT", &site.socket).field("x-a", "b").field(":protocol", "websocket"), &MALFORMED)
    }),
    seeing("connect/protocol-with-post", EXTENDED, "POST with :protocol", |target| {
        bad(target, |site| site.request("POST", &site.socket).field(":protocol", "websocket"), &MALFORMED)
    }),
    seeing("connect/protocol-empty", EXTENDED, "With an empty :protocol", |target| {
        bad(target, |site| site.request("CONNECT", &site.socket).field(":protocol", ""), &Want::Any(&[MALFORMED, REFUSED]))
    }),
    seeing("connect/protocol-unknown", "RFC 9220 §3", "With a :protocol that nobody knows", |target| {
        let want = Want::Any(&[
            Want::Status(1, &[501, 400, 404, 405, 502]),
            Want::Reset(1, &[PROTOCOL_ERROR, 7, 8]),
        ]);
        bad(target, |site| site.request("CONNECT", &site.socket).field(":protocol", "no-such-protocol"), &want)
    }),
    free("connect/protocol-unknown-501", "RFC 9220 §3", "With a :protocol that nobody knows: 501", |target| {
        answered(target, |site| site.request("CONNECT", &site.socket).field(":protocol", "no-such-protocol"), &[501])
    })
    .policy("RFC 9220 recommends 501, and RFC 8441 says nothing"),
    seeing("connect/upgrade-field", "RFC 9113 §8.2.2", "With upgrade: websocket", |target| {
        bad(target, |site| site.connect().field("upgrade", "websocket"), &MALFORMED)
    }),
    seeing("connect/connection-field", "RFC 9113 §8.2.2", "With connection: upgrade", |target| {
        bad(target, |site| site.connect().field("connection", "upgrade"), &MALFORMED)
    }),
    seeing("connect/version-missing", "RFC 6455 §4.2.1", "Without sec-websocket-version", |target| {
        let want = Want::Status(1, &[400, 426]);
        bad(target, |site| site.request("CONNECT", &site.socket).field(":protocol", "websocket"), &want)
    }),
    seeing("connect/version-12", "RFC 6455 §4.2.2", "With version 12", |target| {
        bad(target, |site| {
            let block = site.request("CONNECT", &site.socket).field(":protocol", "websocket");
            block.field("sec-websocket-version", "12")
        }, &Want::Status(1, &[400, 426]))
    }),
    seeing("connect/path-unknown", "RFC 9110 §15.5.5", "To a path that is none", |target| {
        bad(target, |site| {
            let block = site.request("CONNECT", "/no/such/path").field(":protocol", "websocket");
            block.field("sec-websocket-version", "13")
        }, &Want::Status(1, &[400, 403, 404, 405, 501, 502]))
    }),
    seeing("connect/end-stream", "RFC 8441 §5", "With END_STREAM: a WebSocket that ends at once", |target| {
        let mut peer = Peer::ready(target)?;
        announced(&peer)?;
        peer.send(&headers(1, WHOLE, target.site.connect()));
        peer.until(|peer| peer.is_done(1) || peer.stream(1).is_some_and(|it| it.reset.is_some()));
        peer.expect_alive()?;
        match peer.stream(1) {
            Some(it) if it.reset.is_some() => Ok("RST_STREAM".to_owned()),
            Some(it) if it.ended => Ok(format!("status {}, and the end", it.status.unwrap_or(0))),
            _ => failed("the end of the stream", peer.story()),
        }
    }),
    free("connect/our-setting-not-needed", "RFC 8441 §3", "A client need not send the setting itself", |target| {
        answered(target, Site::connect, &[200])
    }),
    free("connect/our-setting", "RFC 8441 §3", "A client may send the setting", |target| {
        let mut peer = Peer::ready_with(target, &[(ENABLE_CONNECT_PROTOCOL, 1)])?;
        Socket::open_on(&mut peer, target, 1)?.expect_echo(&mut peer, "with the setting")
    }),
    sends("connect/plain", PLAIN, "CONNECT without :protocol is refused", |site| {
        headers(1, END_HEADERS, connect(&[(":authority", &site.authority)]))
    }, REFUSED),
    sends("connect/plain-with-path", PLAIN, "CONNECT without :protocol, with :path and :scheme", |site| {
        headers(1, END_HEADERS, site.request("CONNECT", "/"))
    }, MALFORMED),
    sends("connect/plain-no-authority", PLAIN, "CONNECT without :authority", |_| {
        headers(1, END_HEADERS, connect(&[]))
    }, MALFORMED),
    sends("connect/plain-content", PLAIN, "Content behind a CONNECT that is refused", |site| {
        let head = headers(1, END_HEADERS, connect(&[(":authority", &site.authority)]));
        [head, data(1, 0, "a tunnel?")].concat()
    }, REFUSED),
];

const WEB_SOCKET: (&str, &str) = (":protocol", "websocket");

/// A CONNECT of these fields.
fn connect(fields: &[(&str, &str)]) -> Block {
    let block = Block::new().field(":method", "CONNECT");
    let block = fields.iter().fold(block, |block, (name, value)| block.field(name, value));
    match fields.contains(&WEB_SOCKET) {
        true => block.field("sec-websocket-version", "13"),
        false => block,
    }
}

/// A bad extended CONNECT, if the server has such at all.
fn bad(target: &Target, block: fn(&Site) -> Block, want: &Want) -> Seen {
    let mut peer = Peer::ready(target)?;
    announced(&peer)?;
    peer.send(&headers(1, END_HEADERS, block(&target.site)));
    want.judge(&mut peer, true)
}

fn answered(target: &Target, block: fn(&Site) -> Block, statuses: &'static [u16]) -> Outcome {
    bad(target, block, &Want::Status(1, statuses)).map(|_| ())
}
