//! The `Sec-WebSocket-*` headers of a request.

use super::{Variant, accepted, bad_request, refused};
use crate::http::KEY;

const KEYS: &str = "RFC 6455 §4.2.1";
const VERSION: &str = "RFC 6455 §4.2.1";
const VERSIONS: &str = "RFC 6455 §4.4";
const PROTOCOL: &str = "RFC 6455 §11.3.4";
const EXTENSIONS: &str = "RFC 6455 §9.1";
const NONCE: &str =
    "a client must send 16 bytes; a server need not look, but a broken client shows here";
const NUMBER: &str = "not the grammar of §11.3.5, so it is not a version that could be 13";
const KEY_NAME: &str = "Sec-WebSocket-Key";
const VERSION_NAME: &str = "Sec-WebSocket-Version";
const PROTOCOL_NAME: &str = "Sec-WebSocket-Protocol";
const EXTENSIONS_NAME: &str = "Sec-WebSocket-Extensions";

pub(super) const VARIANTS: &[Variant] = &[
    bad_request("key-absent", KEYS, "A request without a key", |r| r.remove(KEY_NAME)),
    bad_request("key-empty", KEYS, "An empty key", |r| r.set(KEY_NAME, "")),
    bad_request("key-twice", "RFC 6455 §11.3.1", "Two keys", |r| {
        r.add(KEY_NAME, "AAAAAAAAAAAAAAAAAAAAAA==");
    }),
    refused("key-short", KEYS, "A key of 15 bytes", |r| r.set(KEY_NAME, "AAAAAAAAAAAAAAAAAAAA"))
        .policy(NONCE),
    refused("key-long", KEYS, "A key of 17 bytes, also 24 characters long", |r| {
        r.set(KEY_NAME, "AAAAAAAAAAAAAAAAAAAAAAA=");
    })
    .policy(NONCE),
    refused("key-unpadded", KEYS, "A key without its padding", |r| {
        r.set(KEY_NAME, KEY.trim_end_matches('='));
    })
    .policy(NONCE),
    refused("key-not-base64", KEYS, "A key of other characters", |r| {
        r.set(KEY_NAME, "!!!!!!!!!!!!!!!!!!!!!!==");
    })
    .policy(NONCE),
    refused("key-url-alphabet", KEYS, "A key in the URL alphabet", |r| {
        r.set(KEY_NAME, "-_-_-_-_-_-_-_-_-_-_-Q==");
    })
    .policy(NONCE),
    refused("key-not-canonical", "RFC 4648 §3.5", "A key with bits beyond its end", |r| {
        r.set(KEY_NAME, "dGhlIHNhbXBsZSBub25jZR==");
    })
    .policy(NONCE),
    accepted(
        "key-in-white-space",
        "RFC 9110 §5.5",
        "White space around a key is not part of it",
        |r| {
            r.remove(KEY_NAME);
            r.line(format!("{KEY_NAME}:\t {KEY} \t"));
        },
    ),
    refused("version-missing", VERSION, "A request without a version", |r| r.remove(VERSION_NAME))
        .status(&[400, 426]),
    refused("version-empty", VERSION, "An empty version", |r| r.set(VERSION_NAME, ""))
        .status(&[400, 426]),
    refused("version-12", VERSIONS, "Version 12", |r| r.set(VERSION_NAME, "12"))
        .required_status(&[426, 400])
        .header(VERSION_NAME, "13"),
    refused("version-255", VERSIONS, "Version 255", |r| r.set(VERSION_NAME, "255"))
        .status(&[426])
        .header(VERSION_NAME, "13"),
    refused("version-0", VERSIONS, "Version 0", |r| r.set(VERSION_NAME, "0"))
        .status(&[426])
        .header(VERSION_NAME, "13"),
    refused("version-8", VERSIONS, "Version 8, a draft", |r| r.set(VERSION_NAME, "8"))
        .policy("the drafts expired in 2011; RFC 6455 is version 13 alone")
        .status(&[426])
        .header(VERSION_NAME, "13"),
    refused("version-leading-zero", "RFC 6455 §11.3.5", "Version 013", |r| {
        r.set(VERSION_NAME, "013");
    })
    .policy(NUMBER)
    .status(&[400, 426]),
    refused("version-signed", "RFC 6455 §11.3.5", "Version +13", |r| r.set(VERSION_NAME, "+13"))
        .policy(NUMBER)
        .status(&[400, 426]),
    refused("version-fraction", "RFC 6455 §11.3.5", "Version 13.0", |r| {
        r.set(VERSION_NAME, "13.0");
    })
    .status(&[400, 426]),
    refused("version-list", "RFC 6455 §11.3.5", "A list of versions", |r| {
        r.set(VERSION_NAME, "13, 8");
    })
    .status(&[400, 426]),
    bad_request("version-twice", "RFC 6455 §11.3.5", "Two versions", |r| {
        r.add(VERSION_NAME, "13");
    }),
    refused("origin-twice", "RFC 6454 §7.3", "Two Origin lines", |r| {
        r.add("Origin", "http://localhost");
        r.add("Origin", "http://other.example");
    })
    .policy("a client must not send two, and a check of one of them protects nobody")
    .status(&[400, 403]),
    bad_request("protocol-empty", PROTOCOL, "An empty list of subprotocols", |r| {
        r.set(PROTOCOL_NAME, "");
    })
    .policy("the grammar asks for one token at least; silence is how to offer none"),
    bad_request("protocol-not-a-token", PROTOCOL, "A subprotocol that is not a token", |r| {
        r.set(PROTOCOL_NAME, "chat room");
    })
    .policy("the grammar asks for tokens; what is not one must not be compared or sent back"),
    bad_request("protocol-twice", "RFC 6455 §4.1", "The same subprotocol twice", |r| {
        r.set(PROTOCOL_NAME, "chat, chat");
    })
    .policy("a client must name each once"),
    accepted("protocol-unknown", "RFC 6455 §4.2.2", "Unknown subprotocols are no error", |r| {
        r.set(PROTOCOL_NAME, "x-nobody-speaks-this");
    }),
    accepted("protocol-two-lines", PROTOCOL, "Subprotocols on two lines", |r| {
        r.add(PROTOCOL_NAME, "x-first");
        r.add(PROTOCOL_NAME, "x-second");
    }),
    bad_request("extension-empty-parameter", EXTENSIONS, "An empty extension parameter", |r| {
        r.set(EXTENSIONS_NAME, "permessage-deflate; ;");
    }),
    bad_request("extension-nameless-parameter", EXTENSIONS, "A parameter without a name", |r| {
        r.set(EXTENSIONS_NAME, "permessage-deflate; =10");
    }),
    bad_request(
        "extension-valueless-parameter",
        EXTENSIONS,
        "A parameter with = and no value",
        |r| {
            r.set(EXTENSIONS_NAME, "permessage-deflate; client_max_window_bits=");
        },
    ),
    bad_request("extension-nameless", EXTENSIONS, "Parameters without an extension", |r| {
        r.set(EXTENSIONS_NAME, "; client_max_window_bits");
    }),
    bad_request("extension-two-words", EXTENSIONS, "Two words without a separator", |r| {
        r.set(EXTENSIONS_NAME, "permessage-deflate client_max_window_bits");
    }),
    bad_request("extension-quoted-name", EXTENSIONS, "A quoted extension name", |r| {
        r.set(EXTENSIONS_NAME, "\"permessage-deflate\"");
    }),
    bad_request("extension-open-quote", EXTENSIONS, "A quote that is not closed", |r| {
        r.set(EXTENSIONS_NAME, "x-unknown; a=\"b");
    }),
    bad_request("extension-quoted-space", EXTENSIONS, "A quoted value that is not a token", |r| {
        r.set(EXTENSIONS_NAME, "x-unknown; a=\"b c\"");
    }),
    bad_request("extension-two-equals", EXTENSIONS, "A parameter with two values", |r| {
        r.set(EXTENSIONS_NAME, "x-unknown; a=b=c");
    }),
    accepted("extension-unknown", EXTENSIONS, "Unknown extensions are no error", |r| {
        r.set(EXTENSIONS_NAME, "x-unknown; a=b; c=\"d\\e\", x-other");
    }),
    accepted(
        "extension-unsuitable",
        "RFC 7692 §7",
        "Unsuitable parameters decline, not fail",
        |r| {
            r.set(EXTENSIONS_NAME, "permessage-deflate; server_max_window_bits=99");
        },
    ),
    accepted(
        "extension-unknown-parameter",
        "RFC 7692 §7",
        "Unknown parameters decline, not fail",
        |r| {
            r.set(EXTENSIONS_NAME, "permessage-deflate; x-unknown=1");
        },
    ),
];
