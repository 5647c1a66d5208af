//! The response 101 itself, and the bytes around it.

use crate::case::{Case, Miss, Outcome, Pace, Row, case, failed, table};
use crate::digest::{accept_key, base64, sha1};
use crate::http::{Request, Response};
use crate::peer::{Peer, Seen};
use crate::target::Target;
use crate::wire::{CLOSE, TEXT, text};

const RESPONSE: &str = "RFC 6455 §4.2.2";
const SLOW_HEAD_MAX_S: u64 = 60;

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS)
}

const ROWS: &[Row] = &[
    case(
        "response/sample-key",
        "RFC 6455 §1.3",
        "The sample key has the sample answer",
        sample_key,
    ),
    case("response/other-keys", RESPONSE, "Five other keys have their own answers", other_keys),
    case("response/accept-once", RESPONSE, "One Sec-WebSocket-Accept", |t| {
        exactly_one(t, "Sec-WebSocket-Accept")
    }),
    case("response/upgrade-once", RESPONSE, "One Upgrade, and it is websocket", |t| {
        exactly_one(t, "Upgrade")
    }),
    case("response/version", "RFC 9112 §2.3", "The 101 speaks HTTP/1.1", |t| {
        about(t, "HTTP/1.1", |r| (r.version != "HTTP/1.1").then(|| r.version.clone()))
    }),
    case("response/no-content-length", "RFC 9110 §8.6", "No Content-Length in a 101", |t| {
        without(t, "Content-Length")
    }),
    case("response/no-transfer-encoding", "RFC 9112 §6.1", "No Transfer-Encoding in a 101", |t| {
        without(t, "Transfer-Encoding")
    }),
    case("response/no-unasked-protocol", RESPONSE, "No subprotocol that nobody offered", |t| {
        without(t, "Sec-WebSocket-Protocol")
    }),
    case(
        "response/no-unasked-extension",
        "RFC 6455 §9.1",
        "No extension that nobody offered",
        |t| without(t, "Sec-WebSocket-Extensions"),
    ),
    case(
        "response/unknown-protocol",
        RESPONSE,
        "An unknown subprotocol is not confirmed blindly",
        unknown_protocol,
    )
    .policy("the server claims to speak what it has never heard of"),
    case(
        "response/head-byte-by-byte",
        "RFC 9112 §2.2",
        "A head that arrives byte by byte",
        byte_by_byte,
    ),
    case(
        "response/head-in-two",
        "RFC 9112 §2.2",
        "A head cut within its last line end",
        head_in_two,
    ),
    case(
        "response/early-frame",
        "RFC 6455 §4.1",
        "A frame right behind the head is answered or refused",
        early_frame,
    ),
    case(
        "response/refusal-ends",
        "RFC 9112 §6.3",
        "A refusal has a length or ends the connection",
        refusal_ends,
    ),
    case(
        "response/refusal-no-echo",
        "RFC 6455 §10.1",
        "A refusal does not repeat the request",
        refusal_no_echo,
    )
    .policy("an error page that repeats the request is a way to inject"),
    case(
        "response/eof-in-head",
        "RFC 9112 §8",
        "FIN within a head ends the connection",
        eof_in_head,
    )
    .policy("a half request can never be answered: the descriptor must not leak"),
    case(
        "response/slow-head",
        "RFC 6455 §10.4",
        "A head that never ends is cut within a minute",
        slow_head,
    )
    .policy("a head without a deadline is a connection held for nothing")
    .paced(Pace::Slow),
];

fn upgraded(target: &Target, edit: impl Fn(&mut Request)) -> Result<(Peer, Response), Miss> {
    let mut request = Request::upgrade(&target.echo);
    edit(&mut request);
    Peer::upgraded(target, &request)
}

/// Checks a plain 101: `fault` says what is wrong with it.
fn about(target: &Target, expected: &str, fault: impl Fn(&Response) -> Option<String>) -> Outcome {
    let (_, response) = upgraded(target, |_| {})?;
    fault(&response).map_or(Ok(()), |seen| failed(expected, seen))
}

fn exactly_one(target: &Target, name: &str) -> Outcome {
    about(target, &format!("one {name}"), |response| {
        let values = response.all(name);
        (values.len() != 1).then(|| format!("{values:?}"))
    })
}

fn without(target: &Target, name: &str) -> Outcome {
    about(target, &format!("no {name}"), |response| {
        response.has(name).then(|| format!("{:?}", response.all(name)))
    })
}

fn sample_key(target: &Target) -> Outcome {
    about(target, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", |response| {
        let accept = response.all("Sec-WebSocket-Accept");
        (accept != ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]).then(|| format!("{accept:?}"))
    })
}

fn other_keys(target: &Target) -> Outcome {
    for seed in 0..5u8 {
        let key = base64(&sha1(&[seed])[..16]);
        let mut request = Request::upgrade(&target.echo);
        request.set("Sec-WebSocket-Key", &key);
        let (_, response) = Peer::ask(&target.echo, target.timeout, &request)?;
        if response.all("Sec-WebSocket-Accept") != [accept_key(&key)] {
            let seen = format!("{:?}", response.all("Sec-WebSocket-Accept"));
            return failed(format!("{} for {key}", accept_key(&key)), seen);
        }
    }
    Ok(())
}

fn unknown_protocol(target: &Target) -> Outcome {
    let name = "Sec-WebSocket-Protocol";
    let (_, response) = upgraded(target, |request| request.add(name, "x-nobody-speaks-this"))?;
    match response.has(name) {
        true => failed("no subprotocol", format!("{:?}", response.all(name))),
        false => Ok(()),
    }
}

fn byte_by_byte(target: &Target) -> Outcome {
    let mut peer = Peer::connect(&target.echo, target.timeout)?;
    peer.trickle(&Request::upgrade(&target.echo).bytes());
    working(peer)
}

fn head_in_two(target: &Target) -> Outcome {
    let bytes = Request::upgrade(&target.echo).bytes();
    for cut in 1..=4 {
        let mut peer = Peer::connect(&target.echo, target.timeout)?;
        let (head, tail) = bytes.split_at(bytes.len() - cut);
        peer.send(head);
        std::thread::sleep(core::time::Duration::from_millis(20));
        peer.send(tail);
        working(peer)?;
    }
    Ok(())
}

fn working(mut peer: Peer) -> Outcome {
    let response = peer.response()?;
    match response.status {
        101 => peer.expect_alive(),
        status => failed("status 101", format!("status {status}")),
    }
}

fn early_frame(target: &Target) -> Outcome {
    let mut request = Request::upgrade(&target.echo);
    request.after = text("early").bytes();
    let mut peer = Peer::connect(&target.echo, target.timeout)?;
    peer.send(&request.bytes());
    match peer.response() {
        Ok(response) if response.status == 101 => {}
        Ok(_) => return Ok(()),
        // The client broke the rule, so hanging up is an answer; silence is none.
        Err(Miss::Failed { seen, .. }) if seen == "FIN" || seen == "RST" => return Ok(()),
        Err(miss) => return Err(miss),
    }
    match peer.next() {
        Seen::Frame(frame) if frame.opcode == TEXT && frame.payload == b"early" => Ok(()),
        Seen::Frame(frame) if frame.opcode == CLOSE => Ok(()),
        Seen::Fin | Seen::Reset => Ok(()),
        seen @ (Seen::Frame(_) | Seen::Broken(_) | Seen::Silence(_)) => {
            failed("the echo, or the end of the connection", seen)
        }
    }
}

fn refused(target: &Target) -> Result<(Peer, Response), Miss> {
    let mut request = Request::upgrade(&target.echo);
    request.remove("Sec-WebSocket-Key");
    request.add("X-Test", "<script>reflected</script>");
    Peer::ask(&target.echo, target.timeout, &request)
}

fn refusal_ends(target: &Target) -> Outcome {
    let (mut peer, response) = refused(target)?;
    let length = response.all("Content-Length").first().and_then(|text| text.parse().ok());
    if let Some(length) = length {
        let body = peer.take_when(|bytes| (bytes.len() >= length).then_some(length));
        return body.map(drop).or_else(|seen| failed("the whole body", seen));
    }
    let chunked = response.list("Transfer-Encoding").contains(&"chunked".to_owned());
    let end = |bytes: &[u8]| bytes.ends_with(b"0\r\n\r\n").then_some(bytes.len());
    match peer.take_when(|bytes| if chunked { end(bytes) } else { None }) {
        Ok(_) | Err(Seen::Fin) => Ok(()),
        Err(seen) => failed("a body that ends", seen),
    }
}

fn refusal_no_echo(target: &Target) -> Outcome {
    let (mut peer, _) = refused(target)?;
    peer.timeout = peer.timeout.min(core::time::Duration::from_secs(1));
    let found = |bytes: &[u8]| {
        let needle = b"reflected";
        bytes.windows(needle.len()).position(|window| window == needle)
    };
    match peer.take_when(found) {
        Ok(_) => failed("an answer of the server's own words", "the value of a header"),
        Err(_) => Ok(()),
    }
}

fn eof_in_head(target: &Target) -> Outcome {
    let mut peer = Peer::connect(&target.echo, target.timeout)?;
    let bytes = Request::upgrade(&target.echo).bytes();
    peer.send(&bytes[..bytes.len() / 2]);
    peer.finish();
    match peer.take_when(|_| None) {
        Err(Seen::Fin | Seen::Reset) => Ok(()),
        Err(seen) => failed("the end of the connection", seen),
        Ok(_) => failed("the end of the connection", "more"),
    }
}

fn slow_head(target: &Target) -> Outcome {
    let mut peer = Peer::connect(&target.echo, target.timeout)?;
    peer.timeout = core::time::Duration::from_millis(500);
    let bytes = Request::upgrade(&target.echo).bytes();
    let endless = bytes[..bytes.len() - 2].iter().chain(b"X-Slow: ").chain([b'a'; 4096].iter());
    for &byte in endless.take(2 * usize::try_from(SLOW_HEAD_MAX_S).unwrap_or(0)) {
        peer.send(&[byte]);
        match peer.take_when(|bytes| (!bytes.is_empty()).then_some(0)) {
            Err(Seen::Silence(_)) => {}
            Ok(_) | Err(Seen::Fin | Seen::Reset) => return Ok(()),
            Err(seen @ (Seen::Frame(_) | Seen::Broken(_))) => {
                return failed("the end of the connection", seen);
            }
        }
    }
    failed("the end of the connection", format!("it was held for {SLOW_HEAD_MAX_S} s"))
}
