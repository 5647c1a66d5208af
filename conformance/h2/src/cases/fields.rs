//! The fields of a request (RFC 9113 §8.2, §8.3): each of these is malformed, or is not.

use crate::hpack::Block;
use crate::row::{Case, Row, one, sends, table};
use crate::target::Site;
use crate::want::Want;
use crate::wire::{END_STREAM, WHOLE, data, headers};

const NAMES: &str = "RFC 9113 §8.2.1";
const PSEUDO: &str = "RFC 9113 §8.3";
const REQUEST: &str = "RFC 9113 §8.3.1";
const MALFORMED: Want = Want::Malformed(1);
const SERVED: Want = Want::Status(1, &[200]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    wrong_fields().chain(table(PSEUDO_FIELDS)).chain(table(TARGETS)).chain(right_fields())
}

/// Fields that make a request malformed.
fn wrong_fields() -> impl Iterator<Item = Case> {
    type Wrong = (&'static str, &'static str, &'static [u8], &'static [u8]);
    const CONNECTION: &str = "RFC 9113 §8.2.2";
    const WRONG: [Wrong; 39] = [
        ("name-upper-case", NAMES, b"X-Name", b"v"),
        ("name-upper-case-last", NAMES, b"x-namE", b"v"),
        ("name-empty", NAMES, b"", b"v"),
        ("name-space", NAMES, b"x name", b"v"),
        ("name-space-behind", NAMES, b"x-name ", b"v"),
        ("name-colon", NAMES, b"x:name", b"v"),
        ("name-nul", NAMES, b"x\0name", b"v"),
        ("name-cr", NAMES, b"x\rname", b"v"),
        ("name-lf", NAMES, b"x\nname", b"v"),
        ("name-tab", NAMES, b"x\tname", b"v"),
        ("name-del", NAMES, b"x\x7fname", b"v"),
        ("name-not-ascii", NAMES, b"x-n\xc3\xa4me", b"v"),
        ("name-ff", NAMES, b"x-\xff", b"v"),
        ("name-parenthesis", NAMES, b"x(name)", b"v"),
        ("value-nul", NAMES, b"x-name", b"a\0b"),
        ("value-cr", NAMES, b"x-name", b"a\rb"),
        ("value-lf", NAMES, b"x-name", b"a\nb"),
        ("value-crlf", NAMES, b"x-name", b"a\r\nx-other: b"),
        ("value-lf-last", NAMES, b"x-name", b"a\n"),
        ("value-space-before", NAMES, b"x-name", b" a"),
        ("value-space-behind", NAMES, b"x-name", b"a "),
        ("value-tab-before", NAMES, b"x-name", b"\ta"),
        ("value-tab-behind", NAMES, b"x-name", b"a\t"),
        ("connection", CONNECTION, b"connection", b"keep-alive"),
        ("connection-close", CONNECTION, b"connection", b"close"),
        ("keep-alive", CONNECTION, b"keep-alive", b"timeout=5"),
        ("proxy-connection", CONNECTION, b"proxy-connection", b"keep-alive"),
        ("transfer-encoding", CONNECTION, b"transfer-encoding", b"chunked"),
        ("upgrade", CONNECTION, b"upgrade", b"websocket"),
        ("te-gzip", CONNECTION, b"te", b"gzip"),
        ("te-list", CONNECTION, b"te", b"trailers, deflate;q=0.5"),
        ("status", PSEUDO, b":status", b"200"),
        ("pseudo-unknown", PSEUDO, b":unknown", b"v"),
        ("pseudo-empty", PSEUDO, b":", b"v"),
        ("method-late", PSEUDO, b":method", b"GET"),
        ("host-other", REQUEST, b"host", b"elsewhere.example"),
        ("content-length-word", "RFC 9110 §8.6", b"content-length", b"five"),
        ("content-length-negative", "RFC 9110 §8.6", b"content-length", b"-1"),
        ("content-length-plus", "RFC 9110 §8.6", b"content-length", b"+0"),
    ];
    WRONG.into_iter().map(|(name, section, field, value)| {
        let title = format!("The field {}: {}", field.escape_ascii(), value.escape_ascii());
        let bytes = move |site: &Site| headers(1, WHOLE, site.get().field(field, value));
        one(format!("fields/{name}"), section, title, bytes, MALFORMED)
    })
}

/// A request with these pseudo-fields, in this order.
fn pseudo(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(
        1,
        WHOLE,
        fields.iter().fold(Block::new(), |block, (name, value)| block.field(name, value)),
    )
}

const PSEUDO_FIELDS: &[Row] = &[
    sends(
        "fields/behind-field",
        PSEUDO,
        "A pseudo-field behind a field",
        |site| {
            let block = Block::new().field(":method", "GET").field(":scheme", site.scheme);
            let block = block.field("x-a", "b").field(":path", &site.page);
            headers(1, WHOLE, block.field(":authority", &site.authority))
        },
        MALFORMED,
    ),
    sends(
        "fields/method-missing",
        REQUEST,
        "No :method",
        |site| {
            pseudo(&[
                (":scheme", site.scheme),
                (":path", &site.page),
                (":authority", &site.authority),
            ])
        },
        MALFORMED,
    ),
    sends(
        "fields/scheme-missing",
        REQUEST,
        "No :scheme",
        |site| {
            pseudo(&[(":method", "GET"), (":path", &site.page), (":authority", &site.authority)])
        },
        MALFORMED,
    ),
    sends(
        "fields/path-missing",
        REQUEST,
        "No :path",
        |site| {
            pseudo(&[(":method", "GET"), (":scheme", site.scheme), (":authority", &site.authority)])
        },
        MALFORMED,
    ),
    sends(
        "fields/path-empty",
        REQUEST,
        "An empty :path",
        |site| headers(1, WHOLE, site.request("GET", "")),
        MALFORMED,
    ),
    sends(
        "fields/method-twice",
        PSEUDO,
        ":method twice",
        |site| twice(site, ":method", "GET"),
        MALFORMED,
    ),
    sends(
        "fields/scheme-twice",
        PSEUDO,
        ":scheme twice",
        |site| twice(site, ":scheme", site.scheme),
        MALFORMED,
    ),
    sends(
        "fields/path-twice",
        PSEUDO,
        ":path twice",
        |site| twice(site, ":path", &site.page),
        MALFORMED,
    ),
    sends(
        "fields/authority-twice",
        PSEUDO,
        ":authority twice",
        |site| twice(site, ":authority", &site.authority),
        MALFORMED,
    ),
    sends(
        "fields/name-pseudo-upper-case",
        NAMES,
        ":Method",
        |site| twice(site, ":Method", "GET"),
        MALFORMED,
    ),
    sends(
        "fields/method-upper-only",
        PSEUDO,
        ":METHOD instead of :method",
        |site| {
            let rest =
                [(":scheme", site.scheme), (":path", &site.page), (":authority", &site.authority)];
            pseudo(&[&[(":METHOD", "GET")][..], &rest].concat())
        },
        MALFORMED,
    ),
    sends(
        "fields/protocol-on-get",
        "RFC 8441 §4",
        ":protocol with GET",
        |site| twice(site, ":protocol", "websocket"),
        MALFORMED,
    ),
    sends(
        "fields/content-length-twice",
        "RFC 9110 §8.6",
        "Two lengths of the content",
        |site| {
            let block = site.post().field("content-length", "4").field("content-length", "5");
            [headers(1, 4, block), data(1, END_STREAM, "abcd")].concat()
        },
        MALFORMED,
    ),
];

fn twice(site: &Site, name: &str, value: &str) -> Vec<u8> {
    let first = Block::new().field(name, value);
    headers(1, WHOLE, first.raw(site.get()))
}

const TARGETS: &[Row] = &[
    sends(
        "fields/path-without-slash",
        REQUEST,
        "A :path without a slash",
        |site| headers(1, WHOLE, site.request("GET", "healthz")),
        MALFORMED,
    ),
    sends(
        "fields/path-absolute",
        REQUEST,
        "A :path that is a URI",
        |site| headers(1, WHOLE, site.request("GET", "http://localhost/")),
        MALFORMED,
    ),
    sends(
        "fields/path-asterisk",
        REQUEST,
        "The path * with GET",
        |site| headers(1, WHOLE, site.request("GET", "*")),
        MALFORMED,
    ),
    sends(
        "fields/path-space",
        "RFC 9113 §8.2.1",
        "A space in :path",
        |site| headers(1, WHOLE, site.request("GET", "/a b")),
        MALFORMED,
    )
    .policy("a space in a target splits a request line behind a gateway"),
    sends(
        "fields/path-lf",
        NAMES,
        "A line feed in :path",
        |site| headers(1, WHOLE, site.request("GET", "/a\nb")),
        MALFORMED,
    ),
    sends(
        "fields/method-space",
        "RFC 9110 §9.1",
        "A method that is no token",
        |site| headers(1, WHOLE, site.request("GET /", &site.page)),
        MALFORMED,
    ),
    sends(
        "fields/method-empty",
        "RFC 9110 §9.1",
        "An empty method",
        |site| headers(1, WHOLE, site.request("", &site.page)),
        MALFORMED,
    ),
    sends(
        "fields/method-lf",
        NAMES,
        "A line feed in the method",
        |site| headers(1, WHOLE, site.request("GET\n", &site.page)),
        MALFORMED,
    ),
    sends(
        "fields/scheme-wrong",
        REQUEST,
        "A scheme that is none",
        |site| {
            pseudo(&[
                (":method", "GET"),
                (":scheme", "ht tp"),
                (":path", &site.page),
                (":authority", &site.authority),
            ])
        },
        MALFORMED,
    ),
    sends(
        "fields/authority-userinfo",
        REQUEST,
        "An :authority with a user",
        |site| {
            let authority = format!("user@{}", site.authority);
            pseudo(&[
                (":method", "GET"),
                (":scheme", site.scheme),
                (":path", &site.page),
                (":authority", &authority),
            ])
        },
        MALFORMED,
    ),
    sends(
        "fields/authority-path",
        REQUEST,
        "An :authority with a path",
        |site| {
            let authority = format!("{}/path", site.authority);
            pseudo(&[
                (":method", "GET"),
                (":scheme", site.scheme),
                (":path", &site.page),
                (":authority", &authority),
            ])
        },
        MALFORMED,
    ),
    sends(
        "fields/authority-space",
        NAMES,
        "An :authority with a space",
        |site| {
            pseudo(&[
                (":method", "GET"),
                (":scheme", site.scheme),
                (":path", &site.page),
                (":authority", "a b"),
            ])
        },
        MALFORMED,
    ),
    sends(
        "fields/options-asterisk",
        REQUEST,
        "OPTIONS * is well-formed",
        |site| headers(1, WHOLE, site.request("OPTIONS", "*")),
        Want::Status(1, &[200, 204, 400, 403, 404, 405, 501]),
    ),
    sends(
        "fields/head",
        "RFC 9110 §9.3.2",
        "HEAD has the answer of GET without its content",
        |site| headers(1, WHOLE, site.request("HEAD", &site.page)),
        Want::Status(1, &[200, 204]),
    ),
    sends(
        "fields/method-unknown",
        "RFC 9110 §9.1",
        "An unknown method is well-formed",
        |site| headers(1, WHOLE, site.request("BREW", &site.page)),
        Want::Status(1, &[200, 400, 403, 404, 405, 501]),
    ),
    sends(
        "fields/host-instead",
        REQUEST,
        "host instead of :authority",
        |site| {
            let block = Block::new().field(":method", "GET").field(":scheme", site.scheme);
            headers(1, WHOLE, block.field(":path", &site.page).field("host", &site.authority))
        },
        SERVED,
    ),
    sends(
        "fields/path-query",
        REQUEST,
        "A :path with a query",
        |site| {
            let path = format!("{}?a=b&c", site.page);
            headers(1, WHOLE, site.request("GET", &path))
        },
        Want::Status(1, &[200, 400]),
    ),
];

/// Fields that are right, however odd.
fn right_fields() -> impl Iterator<Item = Case> {
    type Right = (&'static str, &'static str, &'static [u8], &'static [u8]);
    const RIGHT: [Right; 9] = [
        ("te-trailers", "RFC 9113 §8.2.2", b"te", b"trailers"),
        ("value-empty", "RFC 9110 §5.5", b"x-name", b""),
        ("value-tab-inside", "RFC 9110 §5.5", b"x-name", b"a\tb"),
        ("value-not-ascii", "RFC 9110 §5.5", b"x-name", b"\xc3\xa4\xff"),
        ("name-all-symbols", "RFC 9110 §5.1", b"x!#$%&'*+-.^_`|~0a", b"v"),
        ("content-length-0", "RFC 9113 §8.1.1", b"content-length", b"0"),
        ("expect-nothing", "RFC 9110 §10.1.1", b"x-expect", b"100-continue"),
        ("priority", "RFC 9218 §4", b"priority", b"u=1, i"),
        ("cookie", "RFC 9113 §8.2.3", b"cookie", b"a=b; c=d"),
    ];
    let right = RIGHT.into_iter().map(|(name, section, field, value)| {
        let title = format!("{}: {} is allowed", field.escape_ascii(), value.escape_ascii());
        let bytes = move |site: &Site| headers(1, WHOLE, site.get().field(field, value));
        one(format!("fields/{name}"), section, title, bytes, SERVED)
    });
    right.chain(table(CRUMBS))
}

const CRUMBS: &[Row] = &[
    sends(
        "fields/cookie-crumbs",
        "RFC 9113 §8.2.3",
        "A cookie in three crumbs",
        |site| site.ask_with(&[("cookie", b"a=b"), ("cookie", b"c=d"), ("cookie", b"e=f")]),
        SERVED,
    ),
    sends(
        "fields/host-same",
        REQUEST,
        "host with the value of :authority",
        |site| site.ask_with(&[("host", site.authority.as_bytes())]),
        SERVED,
    ),
    sends(
        "fields/repeated",
        "RFC 9110 §5.3",
        "A field that is there ten times",
        |site| site.ask_with(&[("x-a", b"1".as_slice()); 10]),
        SERVED,
    ),
];
