//! The syntax of a head and its bounds; bodies that do not belong to an upgrade.

use super::{Variant, accepted, bad_request, refused};

const FIELD: &str = "RFC 9112 §5.1";
const LINES: &str = "RFC 9112 §2.2";
const BODY: &str = "RFC 9112 §6";
const REPLACEABLE: &str = "the RFC lets a server replace it with a space; refusing hides nothing";
const SMUGGLE: &str = "what follows would be frames to us and a body to a proxy";
const BOUND: &str = "a head needs a bound, and the client a status that names it";
const TOO_LARGE: &[u16] = &[431, 414, 413, 400];

pub(super) const VARIANTS: &[Variant] = &[
    refused("space-before-colon", FIELD, "White space between name and colon", |r| {
        r.line("X-Test : 1");
    })
    .required_status(&[400]),
    bad_request("name-with-space", FIELD, "A space inside a header name", |r| r.line("X Test: 1")),
    bad_request("name-not-a-token", FIELD, "A header name that is not a token", |r| {
        r.line("X@Test: 1");
    }),
    bad_request("name-empty", FIELD, "A header line that begins with its colon", |r| r.line(": 1")),
    bad_request("line-without-colon", FIELD, "A header line without a colon", |r| r.line("X-Test")),
    bad_request("folded-line", "RFC 9112 §5.2", "A folded header line", |r| {
        r.line("X-Test: one\r\n two");
    })
    .policy(REPLACEABLE),
    bad_request("first-line-folded", LINES, "White space before the first header line", |r| {
        r.lines[0].insert(0, b' ');
    })
    .policy("the RFC lets a server skip the line; refusing hides nothing"),
    bad_request("bare-lf", LINES, "Lines that end with LF alone", |r| r.line_end = "\n")
        .policy("the RFC allows to take LF for a line end; two readings are one too many"),
    bad_request("bare-lf-in-head", LINES, "One line that ends with LF alone", |r| {
        r.line("X-Test: 1\nX-Other: 2");
    })
    .policy("the RFC allows to take LF for a line end; two readings are one too many"),
    bad_request("bare-cr", LINES, "A CR inside a header value", |r| r.line("X-Test: a\rb"))
        .policy(REPLACEABLE),
    bad_request("nul-in-value", "RFC 9110 §5.5", "A NUL inside a header value", |r| {
        r.line("X-Test: a\0b");
    })
    .policy(REPLACEABLE),
    bad_request(
        "control-in-value",
        "RFC 9110 §5.5",
        "A control byte inside a header value",
        |r| {
            r.line("X-Test: a\x01b");
        },
    )
    .policy("not in the grammar; the RFC lets a server keep it"),
    bad_request("two-spaces", "RFC 9112 §3", "Two spaces in the request line", |r| {
        r.method.push(' ');
    })
    .policy("the RFC allows to be lenient; a request line has one reading"),
    accepted("value-not-ascii", "RFC 9110 §5.5", "Bytes above 0x7f in a value are opaque", |r| {
        r.line(b"X-Test: caf\xe9");
    }),
    accepted("value-empty", "RFC 9110 §5.5", "An empty value", |r| r.line("X-Test:")),
    accepted("unknown-headers", "RFC 6455 §4.2.1", "Unknown headers are ignored", |r| {
        (0..20).for_each(|i| r.add(&format!("X-Unknown-{i}"), "some value of middling length"));
    }),
    accepted("leading-empty-line", LINES, "An empty line before the request line", |r| {
        r.before = b"\r\n".to_vec();
    }),
    accepted("content-length-zero", "RFC 6455 §4.2.1", "A Content-Length of nothing", |r| {
        r.add("Content-Length", "0");
    }),
    refused("content-length", BODY, "A body on the upgrade", |r| {
        r.add("Content-Length", "5");
        r.after = b"hello".to_vec();
    })
    .policy(SMUGGLE)
    .status(&[400, 413]),
    refused(
        "content-length-malformed",
        "RFC 9112 §6.3",
        "A Content-Length that is no number",
        |r| {
            r.add("Content-Length", "+0");
        },
    )
    .required_status(&[400]),
    refused("chunked", BODY, "A chunked body on the upgrade", |r| {
        r.add("Transfer-Encoding", "chunked");
        r.after = b"0\r\n\r\n".to_vec();
    })
    .policy(SMUGGLE)
    .status(&[400, 501]),
    refused("unknown-coding", BODY, "An unknown transfer coding on the upgrade", |r| {
        r.add("Transfer-Encoding", "x-nobody");
    })
    .policy(SMUGGLE)
    .status(&[501, 400]),
    refused("huge-value", "RFC 6455 §10.4", "A header of 1 MiB", |r| {
        r.add("X-Test", "a".repeat(1 << 20));
    })
    .policy(BOUND)
    .status(TOO_LARGE),
    refused("many-headers", "RFC 6455 §10.4", "2000 header lines", |r| {
        (0..2000).for_each(|i| r.add(&format!("X-{i}"), "1"));
    })
    .policy(BOUND)
    .status(TOO_LARGE),
    refused("long-target", "RFC 9112 §3", "A target of 128 KiB", |r| {
        r.target.push(b'?');
        r.target.extend(core::iter::repeat_n(b'a', 128 * 1024));
    })
    .policy(BOUND)
    .status(TOO_LARGE),
];
