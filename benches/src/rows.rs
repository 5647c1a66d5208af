//! The groups, by concern.

mod decode;
mod deflate;
mod encode;
mod handshake;
mod masking;
mod sse;
mod tokio;
mod utf8;

use crate::Group;

/// A concern's name, what its rows include, and its groups.
pub type Concern = (&'static str, &'static str, fn() -> Vec<Group>);

/// Every concern.
pub const CONCERNS: [Concern; 8] = [
    (
        "decode",
        "From the \"socket\" to unmasked messages: every row copies the bytes once into its own \
         buffer, as a read does, and looks at each payload by its slice. The floor copies and XORs and looks at nothing. The peers give whole \
         messages; so does \"sockeye-websocket, whole messages\", which joins what a read cut, while \
         the other two rows of ours give the parts where they lie.",
        decode::groups,
    ),
    ("masking", "The XOR alone, in place, at an odd address; no copy.", masking::groups),
    (
        "encode",
        "An unmasked binary frame of a server, appended to a buffer that is used again, or written to \
         a socket that swallows it. tokio-websockets writes large payloads by reference: no copy.",
        encode::groups,
    ),
    ("utf8", "A whole text, valid, checked in one slice.", utf8::groups),
    (
        "handshake",
        "The accept key, and a complete request head in memory. Ours looks for the end of the head, \
         parses it and checks it for everything that HTTP requires; httparse finds lines and names.",
        handshake::groups,
    ),
    (
        "sse",
        "From chunks that lie in memory to events, and back. No row copies the chunks; the peers get \
         them as reference-counted `Bytes`, as HTTP clients give them. Every event is looked at.",
        sse::groups,
    ),
    (
        "deflate",
        "JSON with full windows, at level 1 unless the group says level 2. \"in turn\": two connections \
         share the engine, so that each message first primes it with a window. \"private stream\": \
         zlib-rs with a stream for each connection, which is 130 to 380 KiB each way.",
        deflate::groups,
    ),
    (
        "tokio",
        "The adapters, on a stream that is always ready. An echo is a message received, handed over and \
         queued; what one read brought is flushed at once, except by fastwebsockets, which has no queue. \
         Events are handed over, from chunks of 1448 B.",
        tokio::groups,
    ),
];
