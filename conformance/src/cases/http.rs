//! Plain HTTP on the same port: framing that no proxy may read otherwise (RFC 9112).

use crate::case::{Case, Miss, Outcome, Row, case, failed, skipped, table};
use crate::http::{Request, Response};
use crate::peer::{Peer, Seen};
use crate::target::Target;

const LENGTH: &str = "RFC 9112 §6.3";
const CODING: &str = "RFC 9112 §6.1";
const PERSISTENCE: &str = "RFC 9112 §9.3";
/// A second request in what may or may not be a body.
const HIDDEN: &[u8] = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// All cases of plain HTTP.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    let lengths = BAD_LENGTHS.map(|(name, title, lines)| {
        let id = format!("http/length-{name}");
        Case::new(id, LENGTH, title, move |target| {
            // 413 is as good for a number that is merely beyond all bounds.
            refused_once(target, &[400, 413], |request| {
                lines.iter().for_each(|line| request.line(line));
            })
        })
    });
    lengths.into_iter().chain(table(ROWS))
}

const BAD_LENGTHS: [(&str, &str, &[&str]); 8] = [
    ("twice", "Two different Content-Length lines", &["Content-Length: 0", "Content-Length: 5"]),
    ("list", "A list of different lengths", &["Content-Length: 0, 5"]),
    ("signed", "A Content-Length with a sign", &["Content-Length: +5"]),
    ("negative", "A negative Content-Length", &["Content-Length: -1"]),
    ("hexadecimal", "A hexadecimal Content-Length", &["Content-Length: 0x5"]),
    ("empty", "An empty Content-Length", &["Content-Length:"]),
    ("huge", "A Content-Length above 2^64", &["Content-Length: 18446744073709551621"]),
    ("spaced", "A Content-Length with a space inside", &["Content-Length: 1 0"]),
];

const ROWS: &[Row] = &[
    case(
        "http/length-and-chunked",
        CODING,
        "Content-Length beside Transfer-Encoding: at most one answer, then the end",
        |target| one_answer(target, both_framings),
    ),
    case("http/length-and-chunked-400", CODING, "… and the answer is 400", |target| {
        refused_once(target, &[400], both_framings)
    })
    .policy("the RFC lets a server read the chunks; nobody honest sends both"),
    case("http/coding-unknown", CODING, "An unknown transfer coding is refused", |target| {
        refused_once(target, &[501, 400], |r| r.add("Transfer-Encoding", "x-nobody"))
    }),
    case("http/chunked-not-last", LENGTH, "chunked that is not the last coding", |target| {
        refused_once(target, &[400, 501], |r| r.add("Transfer-Encoding", "chunked, identity"))
    }),
    case("http/chunked-twice", CODING, "chunked applied twice", |target| {
        refused_once(target, &[400, 501], |r| r.add("Transfer-Encoding", "chunked, chunked"))
    }),
    case("http/chunked-look-alike", CODING, "A coding that only looks like chunked", |target| {
        refused_once(target, &[400, 501], |r| r.add("Transfer-Encoding", "xchunked"))
    }),
    case(
        "http/chunked-in-1.0",
        CODING,
        "Transfer-Encoding in HTTP/1.0: at most one answer, then the end",
        |target| {
            one_answer(target, |request| {
                request.version = "HTTP/1.0".into();
                request.add("Transfer-Encoding", "chunked");
                request.add("Connection", "keep-alive");
                request.after = [b"0\r\n\r\n", HIDDEN].concat();
            })
        },
    ),
    case(
        "http/chunk-size-malformed",
        "RFC 9112 §7.1",
        "A chunk size that is no number ends the connection",
        |target| one_answer(target, |request| chunked(request, b"zz\r\n")),
    ),
    case(
        "http/chunk-size-signed",
        "RFC 9112 §7.1",
        "A chunk size with a sign ends the connection",
        |target| one_answer(target, |request| chunked(request, b"+0\r\n\r\n")),
    ),
    case(
        "http/chunk-unterminated",
        "RFC 9112 §7.1",
        "A chunk without its line end ends the connection",
        |target| one_answer(target, |request| chunked(request, b"1\r\nab0\r\n\r\n")),
    ),
    case(
        "http/keep-alive",
        PERSISTENCE,
        "A second request on the connection is answered",
        keep_alive,
    ),
    case(
        "http/pipelined",
        "RFC 9112 §9.3.2",
        "Two requests in one packet are answered in order",
        pipelined,
    ),
    case(
        "http/close",
        "RFC 9112 §9.6",
        "Connection: close ends the connection after the answer",
        |target| {
            one_answer(target, |request| {
                request.add("Connection", "close");
                request.after = HIDDEN.to_vec();
            })
        },
    ),
    case(
        "http/1.0-closes",
        PERSISTENCE,
        "HTTP/1.0 ends the connection after the answer",
        |target| one_answer(target, |request| request.version = "HTTP/1.0".into()),
    ),
    case("http/head", "RFC 9110 §9.3.2", "HEAD is answered without a body", head),
    case(
        "http/no-upgrade",
        "RFC 9110 §15.5.22",
        "The echo endpoint asks for an upgrade with 426",
        |target| {
            let (_, response) = ask(target, |_| {})?;
            match (response.status, response.list("upgrade").contains(&"websocket".to_owned())) {
                (426, true) => Ok(()),
                (status, _) => {
                    let upgrade = response.all("upgrade");
                    failed(
                        "426 with Upgrade: websocket",
                        format!("{status} with Upgrade: {upgrade:?}"),
                    )
                }
            }
        },
    )
    .policy("426 names what is missing"),
    case("http/unknown-path", "RFC 9110 §15.5.5", "An unknown path is not found", |target| {
        refused_as(target, &[404], |r| r.target = b"/no/such/path/here".to_vec())
    })
    .policy("an upgrade anywhere hides mistakes of configuration"),
    case("http/unknown-method", "RFC 9110 §9.1", "An unknown method", |target| {
        refused_as(target, &[501, 405, 400, 404], |r| r.method = "FETCH".into())
    }),
    case("http/connect", "RFC 9110 §9.3.6", "CONNECT is refused", |target| {
        needs_http(target)?;
        let mut peer = Peer::connect(&target.echo, target.timeout)?;
        peer.send(b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n");
        match peer.take_when(|bytes| (bytes.len() >= 12).then_some(12)) {
            Ok(start) if !start.starts_with(b"HTTP/1.1 2") => Ok(()),
            Err(Seen::Fin | Seen::Reset) => Ok(()),
            Ok(start) => failed("a refusal or the end", crate::wire::excerpt(&start)),
            Err(seen) => failed("a refusal or the end", seen),
        }
    }),
    case("http/trace", "RFC 9110 §9.3.8", "TRACE does not repeat the request", |target| {
        refused_as(target, &[405, 501, 400, 404], |r| r.method = "TRACE".into())
    })
    .policy("TRACE hands cookies to scripts"),
    case("http/date", "RFC 9110 §6.6.1", "An answer says when it was made", |target| {
        let (_, response) = ask(target, |_| {})?;
        match response.all("date")[..] {
            [date] if date.ends_with(" GMT") && date.len() == 29 => Ok(()),
            ref dates => failed("one Date", format!("{dates:?}")),
        }
    }),
    case(
        "http/h2-preface",
        "RFC 9113 §3.4",
        "The preface of HTTP/2 is refused or ends the connection",
        |target| {
            needs_http(target)?;
            let mut peer = Peer::connect(&target.echo, target.timeout)?;
            peer.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            match peer.take_when(|bytes| (bytes.len() >= 10).then_some(10)) {
                Ok(start) if start.starts_with(b"HTTP/1.1 ") => Ok(()),
                // SETTINGS, the first frame of a server that speaks HTTP/2.
                Ok(start) if start[3..5] == [4, 0] => Ok(()),
                Err(Seen::Fin | Seen::Reset) => Ok(()),
                Ok(start) => failed("a refusal", start.escape_ascii()),
                Err(seen) => failed("a refusal or the end", seen),
            }
        },
    )
    .policy("a server that does not speak it must not wait for more"),
];

fn both_framings(request: &mut Request) {
    request.add("Content-Length", HIDDEN.len().to_string());
    request.add("Transfer-Encoding", "chunked");
    request.after = [b"0\r\n\r\n", HIDDEN].concat();
}

fn chunked(request: &mut Request, body: &[u8]) {
    request.method = "POST".into();
    request.add("Transfer-Encoding", "chunked");
    request.after = [body, HIDDEN].concat();
}

fn ask(target: &Target, edit: impl Fn(&mut Request)) -> Result<(Peer, Response), Miss> {
    needs_http(target)?;
    let mut request = Request::get(&target.echo);
    edit(&mut request);
    Peer::ask(&target.echo, target.timeout, &request)
}

fn refused_as(target: &Target, statuses: &[u16], edit: impl Fn(&mut Request)) -> Outcome {
    let (_, response) = ask(target, edit)?;
    response.expect_status(statuses)
}

/// The right refusal, after which nothing that follows is read as a request.
fn refused_once(target: &Target, statuses: &[u16], edit: impl Fn(&mut Request)) -> Outcome {
    refused_as(target, statuses, &edit)?;
    one_answer(target, edit)
}

/// One final answer, or none, and then the end of the connection.
fn one_answer(target: &Target, edit: impl Fn(&mut Request)) -> Outcome {
    let (mut peer, response) = ask(target, edit)?;
    skip_body(&mut peer, &response)?;
    match peer.take_when(|_| None) {
        Err(Seen::Fin | Seen::Reset) => {}
        Err(seen) if peer.waiting().is_empty() => {
            return failed("the end of the connection", seen);
        }
        Err(_) | Ok(_) => {}
    }
    match peer.waiting() {
        // A server that answered at the head may still say that the body was wrong.
        more if more.is_empty() || more.starts_with(b"HTTP/1.1 400 ") => Ok(()),
        more => failed("the end of the connection", crate::wire::excerpt(more)),
    }
}

/// Takes the body of a response to a GET, as its head frames it.
fn skip_body(peer: &mut Peer, response: &Response) -> Outcome {
    let length = response.all("content-length").first().and_then(|text| text.parse().ok());
    let taken = if response.list("transfer-encoding").contains(&"chunked".to_owned()) {
        peer.take_when(|bytes| {
            let end = b"0\r\n\r\n";
            bytes.windows(end.len()).position(|window| window == end).map(|at| at + end.len())
        })
    } else if let Some(length) = length {
        peer.take_when(|bytes| (bytes.len() >= length).then_some(length))
    } else {
        match peer.take_when(|_| None) {
            Err(Seen::Fin | Seen::Reset) => Ok(peer.take(peer.waiting().len())),
            other => other,
        }
    };
    taken.map(drop).or_else(|seen| failed("the body of the answer", seen))
}

fn keep_alive(target: &Target) -> Outcome {
    let (mut peer, first) = ask(target, |request| request.target = b"/".to_vec())?;
    if first.list("connection").contains(&"close".to_owned()) || first.version == "HTTP/1.0" {
        return skipped("the server closes after each answer, and says so");
    }
    skip_body(&mut peer, &first)?;
    let mut again = Request::get(&target.echo);
    again.target = b"/".to_vec();
    peer.send(&again.bytes());
    let second = peer.response()?;
    match second.status == first.status {
        true => Ok(()),
        false => failed(first.status.to_string(), second.status),
    }
}

fn pipelined(target: &Target) -> Outcome {
    let (mut peer, first) = ask(target, |request| {
        request.target = b"/".to_vec();
        request.after = request.bytes();
    })?;
    if first.list("connection").contains(&"close".to_owned()) || first.version == "HTTP/1.0" {
        return skipped("the server closes after each answer, and says so");
    }
    skip_body(&mut peer, &first)?;
    peer.response().map(drop)
}

fn head(target: &Target) -> Outcome {
    let (mut peer, _) = ask(target, |request| {
        request.method = "HEAD".into();
        request.add("Connection", "close");
    })?;
    peer.expect_no_bytes("no body")
}

/// Skips the case if the server answers nothing but upgrades.
fn needs_http(target: &Target) -> Result<(), Miss> {
    let speaks = match target.plain_http.get() {
        Some(&speaks) => speaks,
        None => {
            let mut peer = Peer::connect(&target.echo, target.timeout)?;
            peer.send(&Request::get(&target.echo).bytes());
            let speaks = peer.response().is_ok();
            *target.plain_http.get_or_init(|| speaks)
        }
    };
    if speaks { Ok(()) } else { skipped("the server does not answer plain HTTP") }
}
