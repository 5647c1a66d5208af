//! The properties of `sockeye_handshake::properties` on generated input.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use sockeye_handshake::properties::{self, Handshake, PlainExtension};
use sockeye_handshake::{ClientRequest, Extensions, Origins, Policy};

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}"
}

fn plain_extension() -> impl Strategy<Value = PlainExtension> {
    (token(), vec((token(), proptest::option::of(token())), 0..4))
}

/// Pieces of the grammar, so that much of what is made of them is almost well-formed.
fn list_text() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"a",
        b"foo",
        b"permessage-deflate",
        b"1",
        b",",
        b", ",
        b";",
        b"; ",
        b"=",
        b"\"",
        b"\\",
        b" ",
        b"\t",
        b"\"b\"",
        b"\\\"",
        b"\n",
        b"; a=",
        b"; c=\"d\"",
        b"\xff",
        b"/",
        b"a=1",
    ];
    prop_oneof![
        4 => vec(select(pieces), 0..12).prop_map(|pieces| pieces.concat()),
        1 => vec(any::<u8>(), 0..24),
    ]
}

/// Lines of handshakes, good and bad, in any choice and order.
fn head(
    first_lines: &'static [&'static str],
    lines: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => select(lines).prop_map(|line| line.as_bytes().to_vec()),
        1 => list_text().prop_map(|text| [b"Sec-WebSocket-Extensions: ", &text[..]].concat()),
        1 => list_text().prop_map(|text| [b"Sec-WebSocket-Protocol: ", &text[..]].concat()),
        1 => vec(any::<u8>(), 0..16),
    ];
    // Most heads keep all the good lines, so that some get to the end of the decision.
    let kept = proptest::sample::subsequence(&lines[..4], 0..=4);
    let kept = prop_oneof![3 => proptest::strategy::Just(lines[..4].to_vec()), 1 => kept];
    (select(first_lines), kept, vec(line, 0..3)).prop_map(|(first, kept, lines)| {
        let kept = kept.iter().map(|line| line.as_bytes().to_vec());
        let all: Vec<_> =
            [first.as_bytes().to_vec()].into_iter().chain(kept).chain(lines).collect();
        [all.join(&b"\r\n"[..]), b"\r\n\r\n".to_vec()].concat()
    })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    head(
        &[
            "GET /chat HTTP/1.1\r\nHost: example.com",
            "GET http://example.com/ HTTP/1.1\r\nHost: other",
            "GET / HTTP/1.0",
            "POST / HTTP/1.1\r\nHost: example.com",
        ],
        &[
            "Upgrade: websocket",
            "Connection: keep-alive, Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Version: 8",
            "Sec-WebSocket-Protocol: a, chat",
            "Sec-WebSocket-Protocol: superchat",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            "Sec-WebSocket-Extensions: foo; a=\"b\"",
            "Origin: http://example.com",
            "Origin: null",
            "Content-Length: 0",
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            "Upgrade: h2c",
            "Connection: close",
        ],
    )
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    head(
        &[
            "HTTP/1.1 101 Switching Protocols",
            "HTTP/1.1 101 Switching Protocols",
            "HTTP/1.0 101 Switching Protocols",
            "HTTP/1.1 426 Upgrade Required",
        ],
        &[
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "Server: x",
            "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: chat",
            "Sec-WebSocket-Protocol: other",
            "Sec-WebSocket-Extensions: foo",
            "Sec-WebSocket-Extensions: foo, bar",
            "Sec-WebSocket-Version: 13, 8",
            "Upgrade: h2c",
            "Connection: close",
        ],
    )
}

/// Distinct tokens, of which the first so many are offered, and the last so many spoken.
fn subprotocols() -> impl Strategy<Value = (Vec<String>, usize, usize)> {
    (proptest::collection::hash_set(token(), 0..6), 0..6_usize, 0..6_usize).prop_map(
        |(names, offered, spoken)| {
            let names: Vec<_> = names.into_iter().collect();
            let (offered, spoken) = (offered.min(names.len()), spoken.min(names.len()));
            (names, offered, spoken)
        },
    )
}

fn written(extensions: &[PlainExtension]) -> Extensions {
    let one = |(name, params): &PlainExtension| {
        let params = params.iter().map(|(name, value)| match value {
            Some(value) => format!(";{name}={value}"),
            None => format!(";{name}"),
        });
        name.clone() + &params.collect::<String>()
    };
    let lines: Vec<_> = extensions.iter().map(one).collect();
    Extensions::parse(lines.iter().map(|line| line.as_bytes())).expect("well-formed")
}

proptest! {
    #[test]
    fn the_server_answers_whatever_comes(head in request()) {
        properties::server_answers(&head);
    }

    #[test]
    fn the_client_settles_whatever_comes(head in response()) {
        properties::client_settles(&head);
    }

    /// [rfc6455:9.1-grammar], [rfc6455:11.3.2-lines-join]
    #[test]
    fn extensions_are_read_as_a_naive_parser_reads_them(text in list_text()) {
        properties::extensions_agree(&text);
    }

    #[test]
    fn extensions_are_read_as_they_were_written(
        list in vec(plain_extension(), 0..4),
        style in vec(any::<u8>(), 1..16),
    ) {
        properties::extensions_round_trip(&list, &style);
    }

    #[test]
    fn a_handshake_completes(
        nonce in any::<[u8; 16]>(),
        (names, offered, spoken) in subprotocols(),
        extensions in vec(plain_extension(), 0..4),
        accepted in any::<u8>(),
        origins in select(&[Origins::Any, Origins::SameHost, Origins::List(&["https://a.example"])][..]),
        origin in select(&[None, Some("https://a.example")][..]),
    ) {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let offers = written(&extensions);
        let mut chosen = extensions;
        let mut bit = 0;
        chosen.retain(|_| { bit += 1; accepted >> bit & 1 == 1 });
        let request = ClientRequest {
            origin,
            subprotocols: &names[..offered],
            extensions: &offers,
            ..ClientRequest::new("a.example", "/x?y")
        };
        let policy = Policy { subprotocols: &names[names.len() - spoken..], origins };
        Handshake { nonce, request, policy, accepted: &written(&chosen) }.completes();
    }
}
