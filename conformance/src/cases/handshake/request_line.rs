//! Method, version, request-target and `Host`.

use super::{Variant, accepted, bad_request, not_upgraded, refused};

const LINE: &str = "RFC 6455 §4.2.1";
const HOST: &str = "RFC 9112 §3.2";
const ONE_TARGET: &str = "a target that two readers may understand differently is a way to smuggle";

pub(super) const VARIANTS: &[Variant] = &[
    refused("method-post", LINE, "POST cannot open a WebSocket", |r| r.method = "POST".into())
        .status(&[405])
        .header("Allow", "GET"),
    refused("method-head", LINE, "HEAD cannot open a WebSocket", |r| r.method = "HEAD".into())
        .status(&[405])
        .header("Allow", "GET"),
    refused("method-lowercase", "RFC 9110 §9.1", "Methods are case-sensitive", |r| {
        r.method = "get".into();
    })
    .status(&[405, 501, 400]),
    refused("method-not-a-token", "RFC 9110 §9.1", "A method that is not a token", |r| {
        r.method = "GE(T".into();
    })
    .status(&[400, 501]),
    not_upgraded("http-1.0", "RFC 9110 §7.8", "Upgrade in an HTTP/1.0 request is ignored", |r| {
        r.version = "HTTP/1.0".into();
    })
    .status(&[426, 505, 400]),
    accepted("http-1.2", "RFC 9110 §2.5", "A higher minor version is taken as HTTP/1.1", |r| {
        r.version = "HTTP/1.2".into();
    }),
    refused("http-2.0", "RFC 9110 §2.5", "A major version that was never spoken", |r| {
        r.version = "HTTP/2.0".into();
    })
    .policy("RFC 6455 says HTTP/1.1 or higher, but HTTP/2 has no such request line")
    .status(&[505]),
    refused("http-lowercase", "RFC 9112 §2.3", "The protocol name is case-sensitive", |r| {
        r.version = "http/1.1".into();
    })
    .status(&[400, 505]),
    refused("http-two-digits", "RFC 9112 §2.3", "A version has one digit on each side", |r| {
        r.version = "HTTP/1.10".into();
    })
    .status(&[400, 505]),
    refused("version-absent", "RFC 9112 §3", "A request line without a version", |r| {
        r.version = String::new();
    })
    .status(&[400, 505]),
    bad_request("target-without-slash", "RFC 9112 §3.2", "A target in no known form", |r| {
        r.target.remove(0);
    }),
    bad_request("target-asterisk", "RFC 9112 §3.2.4", "The form * belongs to OPTIONS", |r| {
        r.target = b"*".to_vec();
    }),
    bad_request(
        "target-authority",
        "RFC 9112 §3.2.3",
        "The form host:port belongs to CONNECT",
        |r| {
            r.target = b"127.0.0.1:80".to_vec();
        },
    ),
    bad_request("target-fragment", "RFC 6455 §3", "A fragment in the target", |r| {
        r.target.extend_from_slice(b"#part");
    })
    .policy("a fragment never belongs into a request, and servers disagree on where it ends"),
    bad_request("target-space", "RFC 9112 §3", "A space inside the target", |r| {
        r.target.extend_from_slice(b"?a b");
    })
    .policy("the RFC lets a server split at the last space; another splits at the first"),
    bad_request("target-control-byte", "RFC 9112 §3.2", "A control byte in the target", |r| {
        r.target.extend_from_slice(b"?a\x01b");
    }),
    bad_request("target-not-ascii", "RFC 3986 §2", "A byte above 0x7f in the target", |r| {
        r.target.extend_from_slice(b"?a\xe9");
    })
    .policy(ONE_TARGET),
    refused(
        "target-foreign-scheme",
        "RFC 6455 §4.2.1",
        "An absolute target that is not http",
        |r| {
            r.target = [b"ftp://127.0.0.1", r.target.as_slice()].concat();
        },
    )
    .policy(ONE_TARGET)
    .status(&[400, 421]),
    accepted("target-absolute", "RFC 9112 §3.2.2", "A server accepts the absolute form", |r| {
        let authority = r.lines[0]["Host: ".len()..].to_vec();
        r.target = [b"http://", authority.as_slice(), r.target.as_slice()].concat();
    }),
    refused("host-absent", HOST, "A request without Host", |r| r.remove("Host"))
        .required_status(&[400]),
    refused("host-twice", HOST, "Two Host lines", |r| r.add("Host", "other.example"))
        .required_status(&[400]),
    refused("host-twice-the-same", HOST, "Two equal Host lines", |r| {
        let host = r.lines[0].clone();
        r.line(host);
    })
    .required_status(&[400]),
    refused("host-with-space", HOST, "A Host that is no authority", |r| {
        r.set("Host", "a b");
    })
    .required_status(&[400]),
    refused("host-with-path", HOST, "A Host with a path", |r| r.set("Host", "localhost/x"))
        .required_status(&[400]),
    refused("host-with-user", HOST, "A Host with user information", |r| {
        r.set("Host", "user@localhost");
    })
    .required_status(&[400]),
    refused("host-bad-port", HOST, "A Host whose port is no number", |r| {
        r.set("Host", "localhost:8o");
    })
    .required_status(&[400]),
    refused("host-list", HOST, "A Host with two names", |r| r.set("Host", "a.example, b.example"))
        .required_status(&[400]),
    refused("host-absent-absolute", HOST, "An absolute target does not replace Host", |r| {
        r.target = [b"http://127.0.0.1", r.target.as_slice()].concat();
        r.remove("Host");
    })
    .required_status(&[400]),
];
