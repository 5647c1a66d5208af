//! Tokens that somebody made, bent or found.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sockeye_auth::{Algorithm, SigningKey};

use crate::abuse::peer::{Answer, Peer, ask, raw};
use crate::abuse::world::{KEY, PUBLIC, World, now_ms, token_of};

const TARGET: &str = "/v1/position?channel=a";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Claims that would give everything.
fn claims() -> String {
    let exp = now_ms() / 1000 + 3600;
    format!(r#"{{"sub":"root","channels":[">"],"publish":[">"],"exp":{exp}}}"#)
}

fn hs256(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    format!("{message}.{}", b64(ring::hmac::sign(&key, message.as_bytes())))
}

fn bearer(world: &World, token: &str) -> Answer {
    ask(world.addr, "GET", TARGET, &format!("Authorization: Bearer {token}\r\n"), "")
}

/// It is refused wherever it is shown, with the same code.
fn refused(world: &World, token: &str, codes: &[&str]) {
    let answer = bearer(world, token);
    let code = answer.code();
    assert!(answer.status == 401 && codes.contains(&&*code), "{} {code}: {token}", answer.status);
    let mut socket = Peer::upgrade(world.addr, "/v1/ws", "").socket();
    socket.send(&format!(r#"{{"type":"auth","token":"{token}"}}"#));
    let (close, reason) = socket.closed();
    assert!((4300..4400).contains(&close), "{close} {reason}: {token}");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if token.bytes().all(plain) {
        let headers = format!("Cookie: session={token}\r\nOrigin: https://app.example\r\n");
        let answer = ask(world.addr, "GET", TARGET, &headers, "");
        assert_eq!((answer.status, answer.code()), (401, code), "{token}");
    }
}

/// `none` in every spelling, and public keys as the secret of HS256.
#[test]
fn no_algorithm_but_the_keys_own() {
    let world = World::start("algorithms");
    for key in 0..3 {
        assert_eq!(bearer(&world, &world.token(key, "ann", &["a"])).status, 200);
    }
    let kids = ["HS256", "ES256", "EdDSA", "rsa", "p256", "ed25519"];
    for kid in kids.into_iter().map(Some).chain([None]) {
        let kid = kid.map_or(String::new(), |kid| format!(r#","kid":"{kid}""#));
        for alg in ["none", "None", "NONE", "nOnE", "", "null", "HS384", "hs256", "HS256 "] {
            let unsigned =
                format!("{}.{}.", b64(format!(r#"{{"alg":"{alg}"{kid}}}"#)), b64(claims()));
            refused(&world, &unsigned, &["token_algorithm"]);
        }
        let header = format!(r#"{{"alg":"HS256"{kid}}}"#);
        for (_, pem) in PUBLIC {
            let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let der = base64::engine::general_purpose::STANDARD.decode(body).expect("base64");
            let own = [pem.as_bytes(), pem.trim().as_bytes(), &der, b""];
            for secret in own {
                let token = hs256(secret, &header, &claims());
                refused(&world, &token, &["token_algorithm", "token_signature"]);
            }
        }
        let wide = format!(r#"{{"alg":"\uff28\uff33256"{kid}}}"#);
        refused(&world, &hs256(b"", &wide, &claims()), &["token_algorithm"]);
    }
}

/// A `kid` is a name and nothing else, and a token's own keys are nobody's.
#[test]
fn what_a_header_points_to_is_not_looked_at() {
    let world = World::start("headers");
    for kid in [
        "nobody",
        "",
        "hs256",
        "HS256 ",
        "../HS256.pem",
        "/dev/null",
        "../../../../dev/null",
        "HS256\\u0000",
        "' OR '1'='1",
        "`id`",
        "|id",
        "HS256.pem",
        "*",
    ] {
        for secret in [&b""[..], KEY.as_bytes()] {
            let token = hs256(secret, &format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), &claims());
            refused(&world, &token, &["token_key_unknown"]);
        }
    }
    // Where it says that its key is, nobody is asked for it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}/keys", listener.local_addr().expect("bound"));
    let jwk = format!(r#"{{"kty":"oct","alg":"HS256","kid":"HS256","k":"{}"}}"#, b64([7; 32]));
    for more in [
        format!(r#""jwk":{jwk}"#),
        format!(r#""jwk":{jwk},"kid":"HS256""#),
        format!(r#""jku":"{url}","kid":"HS256""#),
        format!(r#""x5u":"{url}""#),
        format!(r#""x5c":["{}"]"#, b64([7; 32])),
    ] {
        let token = hs256(&[7; 32], &format!(r#"{{"alg":"HS256",{more}}}"#), &claims());
        refused(&world, &token, &["token_signature"]);
    }
    let nobody = listener.accept().expect_err("nobody was to come");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    // A pair of one's own, named like the server's.
    let own = SigningKey::generate(Algorithm::EdDsa).expect("a key");
    let own = SigningKey::from_pem(Algorithm::EdDsa, &own).expect("a key").with_kid("EdDSA");
    refused(&world, &token_of(&own, "root", &["a"]), &["token_signature"]);
}

/// Adds two numbers, the last byte first.
fn add(a: &mut [u8], b: &[u8]) {
    let mut carry = 0;
    for (a, b) in a.iter_mut().zip(b) {
        let sum = u16::from(*a) + u16::from(*b) + carry;
        (*a, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
}

/// The order of the group of P-256, the first byte first (SEC 2 §2.4.2).
const P256_N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// ECDSA has two right signatures for each: `s` and `n - s` (RFC 6979 does not change that). The
/// other one says the same. A token is not used up, and nothing goes by its text, so nobody wins
/// anything by writing it otherwise.
#[test]
fn the_other_signature_of_es256_gives_no_more_than_the_first() {
    let world = World::start("malleable");
    let token = world.token(1, "ann", &["a"]);
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    // n - s = n + !s + 1, without what is carried out.
    let mut other: Vec<u8> = bytes[32..].iter().rev().map(|byte| !byte).collect();
    add(&mut other, &P256_N.iter().rev().copied().collect::<Vec<_>>());
    let mut one = [0; 32];
    one[0] = 1;
    add(&mut other, &one);
    other.reverse();
    bytes[32..].copy_from_slice(&other);
    let header = format!("Authorization: Bearer {message}.{}\r\n", b64(bytes));
    assert_eq!(ask(world.addr, "GET", TARGET, &header, "").status, 200);
    for (method, target) in [("GET", "/v1/position?channel=b"), ("POST", "/v1/channels/b")] {
        let more = ask(world.addr, method, target, &header, "x");
        assert_eq!((more.status, more.code()), (403, "forbidden".to_owned()), "{target}");
    }
}

/// The order of the group of Ed25519, the last byte first (RFC 8032 §5.1).
const ED25519_L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn a_signature_is_good_as_it_is() {
    let world = World::start("signatures");
    for key in 0..3 {
        let token = world.token(key, "ann", &["a"]);
        let (message, signature) = token.rsplit_once('.').expect("three parts");
        let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        let with = |bytes: &[u8]| format!("{message}.{}", b64(bytes));
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        let longer = [&bytes[..], &[0]].concat();
        for changed in [&bytes[..bytes.len() - 1], &bytes[..16], &[], &flipped, &longer] {
            refused(&world, &with(changed), &["token_signature"]);
        }
        for zeros in [vec![0; bytes.len()], vec![0xff; bytes.len()]] {
            refused(&world, &with(&zeros), &["token_signature"]);
        }
        // The same bytes in another spelling, and parts that are too many.
        for spelled in [
            format!("{token}="),
            format!("{token}."),
            format!("{token}.{signature}"),
            format!(".{token}"),
            message.to_owned(),
            token.replacen('.', "..", 1),
        ] {
            refused(&world, &spelled, &["token_malformed"]);
        }
        // Another's claims under it.
        let [header, _] = message.split('.').collect::<Vec<_>>()[..] else { panic!("two parts") };
        refused(&world, &format!("{header}.{}.{signature}", b64(claims())), &["token_signature"]);
    }
    // Ed25519: S + L is the same number in the group, and no signature (RFC 8032 §5.1.7).
    let token = world.token(2, "ann", &["a"]);
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    add(&mut bytes[32..], &ED25519_L);
    refused(&world, &format!("{message}.{}", b64(bytes)), &["token_signature"]);
}

#[test]
fn times_and_repetitions() {
    let world = World::start("times");
    let secret = std::fs::read(world.file("HS256.pem")).expect("the secret");
    let now = now_ms() / 1000;
    let signed = |claims: &str| hs256(&secret, r#"{"alg":"HS256","kid":"HS256"}"#, claims);
    assert_eq!(bearer(&world, &signed(&claims().replace("root", "ann"))).status, 200);
    for (claims, code) in [
        (format!(r#"{{"exp":{now}}}"#), "token_expired"),
        (r#"{"exp":1}"#.to_owned(), "token_expired"),
        (r#"{"sub":"root"}"#.to_owned(), "token_without_exp"),
        (format!(r#"{{"exp":{},"nbf":{}}}"#, now + 99, now + 50), "token_not_yet_valid"),
        (format!(r#"{{"exp":{}}}"#, now_ms()), "token_claims"),
        (r#"{"exp":1e300}"#.to_owned(), "token_claims"),
        (format!(r#"{{"exp":1,"exp":{}}}"#, now + 99), "token_claims"),
        (format!(r#"{{"exp":{},"sub":"key:shop"}}"#, now + 99), "token_claims"),
        (format!(r#"{{"exp":{},"aud":"another"}}"#, now + 99), "token_audience"),
        (
            format!(r#"{{"exp":{},"x":{}{}}}"#, now + 99, "[".repeat(20), "]".repeat(20)),
            "token_malformed",
        ),
    ] {
        refused(&world, &signed(&claims), &[code]);
    }
    for header in [
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","typ":"logout+jwt"}"#,
    ] {
        refused(&world, &hs256(&secret, header, &claims()), &["token_claims"]);
    }
}

/// One credential, in one spelling, once.
#[test]
fn headers_that_two_readers_would_read_differently() {
    let world = World::start("ambiguous");
    let token = world.token(0, "ann", &["a"]);
    let ticket = world.ticket("{}");
    let shown = |headers: String, query: &str| {
        ask(world.addr, "GET", &format!("{TARGET}{query}"), &headers, "")
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (headers, query) in [
        (format!("{bearer}{bearer}"), String::new()),
        (format!("{bearer}authorization: ApiKey {KEY}\r\n"), String::new()),
        (bearer.clone(), format!("&ticket={ticket}")),
        (format!("{bearer}Sec-WebSocket-Protocol: sockeye.ticket.{ticket}\r\n"), String::new()),
        (String::new(), format!("&ticket={ticket}&ticket={ticket}")),
        (format!("Authorization: Bearer {token}, Bearer {token}\r\n"), String::new()),
        (format!("Authorization: Bearer\t{token}\r\n"), String::new()),
        (format!("Authorization: Bearer\u{a0}{token}\r\n"), String::new()),
        (format!("Authorization: Bearer {token}\u{200b}\r\n"), String::new()),
        (format!("Authorization: \u{ff22}earer {token}\r\n"), String::new()),
        (format!("Authorization: Bearer {token}\r\n x\r\n"), String::new()),
        (format!("Authorization : Bearer {token}\r\n"), String::new()),
    ] {
        let answer = shown(headers.clone(), &query);
        assert_eq!(answer.status, 400, "{headers}{query}: {}", answer.code());
    }
    // The ticket was not used up by any of that.
    assert_eq!(shown(String::new(), &format!("&ticket={ticket}")).code(), "forbidden");
    // Bytes that are no text.
    let mut bytes =
        format!("GET {TARGET} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ").into_bytes();
    bytes.extend(b"\xff\xfe\r\n\r\n");
    assert_eq!(raw(world.addr, &bytes).status, 400);
}
