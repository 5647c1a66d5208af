//! A server-sent-events endpoint: its head, its framing, its events, its place in the stream.
//!
//! The endpoint should send an event at least every few seconds, each with an id.

mod stream;

use core::time::Duration;
use std::collections::BTreeSet;
use std::thread;
use std::time::Instant;

use crate::case::{Case, Miss, Outcome, Pace, Row, case, failed, skipped, table};
use crate::http::{Request, Response};
use crate::peer::{Peer, Seen};
use crate::target::{Target, Url};
use stream::Stream;

const HTML: &str = "HTML §9.2.3";
const NOTES: &str = "HTML §9.2.7";
const PROXIES: &str = "a proxy that stores, alters or holds back a stream breaks it";
const RESUME: &str =
    "the standard names the header; what a server makes of it decides whether events are lost";

/// All cases about server-sent events.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS)
}

const ROWS: &[Row] = &[
    case("sse/status", HTML, "A stream begins with status 200", |target| {
        about(target, "200", |r| (r.status != 200).then(|| r.status.to_string()))
    }),
    case("sse/content-type", HTML, "Its type is text/event-stream", |target| {
        about(target, "one text/event-stream", |response| {
            let types = response.all("content-type");
            let essence = types.first().and_then(|t| t.split(';').next()).unwrap_or_default();
            (types.len() != 1 || essence.trim() != "text/event-stream")
                .then(|| format!("{types:?}"))
        })
    }),
    case("sse/charset", "HTML §9.2.5", "No charset but UTF-8 is named", |target| {
        about(target, "no other charset", |response| {
            let types = response.all("content-type").join(",").to_ascii_lowercase();
            (types.contains("charset") && !types.contains("utf-8")).then_some(types)
        })
    }),
    case(
        "sse/no-content-length",
        "RFC 9112 §6.2",
        "A stream without end has no length",
        |target| without(target, "Content-Length"),
    ),
    case("sse/no-store", NOTES, "Caches are told not to store it", |target| {
        says(target, "cache-control", &["no-store", "no-cache"])
    })
    .policy(PROXIES),
    case("sse/no-transform", "RFC 9111 §5.2.2.6", "Proxies are told not to alter it", |target| {
        says(target, "cache-control", &["no-transform"])
    })
    .policy(PROXIES),
    case("sse/not-buffered", NOTES, "Proxies are told not to buffer it", |target| {
        says(target, "x-accel-buffering", &["no"])
    })
    .policy(PROXIES),
    case(
        "sse/not-compressed-unasked",
        "RFC 9110 §12.5.3",
        "No content coding that nobody accepted",
        |target| without(target, "Content-Encoding"),
    ),
    case(
        "sse/first-byte-at-once",
        NOTES,
        "The first byte of the body comes within a second",
        first_byte,
    )
    .policy("a head without a body does not leave every proxy"),
    case(
        "sse/chunks",
        "RFC 9112 §7.1",
        "Three events in sound chunks, or without chunks",
        |target| events(target, 3, |_| {}).map(drop),
    ),
    case("sse/utf-8", "HTML §9.2.5", "The stream is UTF-8", |target| {
        let (_, stream) = events(target, 3, |_| {})?;
        match core::str::from_utf8(stream.complete()) {
            Ok(_) => Ok(()),
            Err(error) => failed("UTF-8", error),
        }
    }),
    case("sse/fields", "HTML §9.2.6", "Every line is a known field or a comment", fields)
        .policy("an unknown field is ignored by clients, so it was meant to be something else"),
    case("sse/ids", NOTES, "Every event has an id, and no two the same", |target| {
        let (events, _) = events(target, 3, |_| {})?;
        let ids: BTreeSet<_> = events.iter().filter_map(|event| event.id.clone()).collect();
        match ids.len() == events.len() {
            true => Ok(()),
            false => failed(format!("{} ids", events.len()), format!("{ids:?}")),
        }
    })
    .policy(RESUME),
    case("sse/resume", HTML, "Last-Event-ID brings the event that came next", resume)
        .policy(RESUME),
    case(
        "sse/resume-latest",
        HTML,
        "Last-Event-ID of the newest event does not bring it again",
        resume_latest,
    )
    .policy(RESUME),
    case("sse/resume-garbage", HTML, "A Last-Event-ID that nobody gave is no error", |target| {
        streams(target, |request| request.add("Last-Event-ID", "\u{1f4a5} not an id"))
    })
    .policy(RESUME),
    case("sse/resume-empty", HTML, "An empty Last-Event-ID is no error", |target| {
        streams(target, |request| request.add("Last-Event-ID", ""))
    })
    .policy(RESUME),
    case("sse/resume-huge", HTML, "A Last-Event-ID of 6 KiB is answered", |target| {
        answered(target, &[200, 400, 431], |r| r.add("Last-Event-ID", "9".repeat(6144)))
    })
    .policy(RESUME),
    case("sse/http-1.0", "RFC 9112 §6.1", "HTTP/1.0 gets no chunks", |target| {
        let (_, response) = ask(target, |request| request.version = "HTTP/1.0".into())?;
        match (response.status, response.has("transfer-encoding")) {
            (200, true) => failed("a body until the end", "Transfer-Encoding"),
            (200 | 426 | 505, _) => Ok(()),
            (status, _) => failed("200, or a refusal of the version", status),
        }
    }),
    case("sse/head", "RFC 9110 §9.3.2", "HEAD gets no body", head),
    case("sse/post", "RFC 9110 §15.5.6", "POST is refused with 405 and Allow", |target| {
        let (_, response) = ask(target, |request| {
            request.method = "POST".into();
            request.add("Content-Length", "0");
        })?;
        match (response.status, response.list("allow").contains(&"get".to_owned())) {
            (405, true) => Ok(()),
            (status, _) => {
                failed("405 with Allow: GET", format!("{status}, {:?}", response.all("allow")))
            }
        }
    }),
    case("sse/no-host", "RFC 9112 §3.2", "A request without Host", |target| {
        answered(target, &[400], |request| request.remove("Host"))
    }),
    case("sse/unknown-path", "RFC 9110 §15.5.5", "Another path is not found", |target| {
        answered(target, &[404], |request| request.target = b"/no/such/path/here".to_vec())
    }),
    case("sse/crowd", NOTES, "50 subscribers at a time all get an event", crowd),
    case(
        "sse/client-half-closed",
        "RFC 9293 §3.6",
        "A client that sent FIN is let go",
        half_closed,
    )
    .policy("curl and browsers close both ways; a half-open reader is gone for all we know"),
    case(
        "sse/after-churn",
        NOTES,
        "100 subscribers that vanish leave the stream working",
        |target| {
            for _ in 0..100 {
                ask(target, |_| {})?;
            }
            events(target, 1, |_| {}).map(drop)
        },
    ),
    case("sse/idle-subscriber", NOTES, "In 20 seconds no silence is longer than 16", never_silent)
        .policy("the standard names 15 seconds, because proxies drop silent connections")
        .paced(Pace::Slow),
];

fn url(target: &Target) -> Result<&Url, Miss> {
    target.sse.as_ref().map_or_else(|| skipped("no --sse endpoint was given"), Ok)
}

fn ask(target: &Target, edit: impl Fn(&mut Request)) -> Result<(Peer, Response), Miss> {
    let url = url(target)?;
    let mut request = Request::get(url);
    request.add("Accept", "text/event-stream");
    request.add("Cache-Control", "no-cache");
    edit(&mut request);
    Peer::ask(url, target.timeout, &request)
}

fn answered(target: &Target, statuses: &[u16], edit: impl Fn(&mut Request)) -> Outcome {
    let (_, response) = ask(target, edit)?;
    response.expect_status(statuses)
}

fn about(target: &Target, expected: &str, fault: impl Fn(&Response) -> Option<String>) -> Outcome {
    let (_, response) = ask(target, |_| {})?;
    fault(&response).map_or(Ok(()), |seen| failed(expected, seen))
}

fn without(target: &Target, name: &str) -> Outcome {
    about(target, &format!("no {name}"), |response| {
        response.has(name).then(|| format!("{:?}", response.all(name)))
    })
}

fn says(target: &Target, name: &str, any: &[&str]) -> Outcome {
    about(target, &format!("{name}: {}", any.join(" or ")), |response| {
        let said = response.list(name);
        let found = said.iter().any(|element| any.contains(&element.as_str()));
        (!found).then(|| format!("{:?}", response.all(name)))
    })
}

fn subscribe(target: &Target, edit: impl Fn(&mut Request)) -> Result<Stream, Miss> {
    let (peer, response) = ask(target, edit)?;
    match response.status {
        200 => Ok(Stream::new(peer, &response)),
        status => failed("status 200", status),
    }
}

fn streams(target: &Target, edit: impl Fn(&mut Request)) -> Outcome {
    let mut stream = subscribe(target, edit)?;
    stream.event().map(drop)
}

/// Subscribes and waits for some events.
fn events(
    target: &Target,
    count: usize,
    edit: impl Fn(&mut Request),
) -> Result<(Vec<stream::Event>, Stream), Miss> {
    let mut stream = subscribe(target, edit)?;
    let events = (0..count).map(|_| stream.event()).collect::<Result<_, _>>()?;
    Ok((events, stream))
}

fn first_byte(target: &Target) -> Outcome {
    let mut stream = subscribe(target, |_| {})?;
    let begun = Instant::now();
    stream.bytes()?;
    match begun.elapsed() {
        late if late > Duration::from_secs(1) => failed("a byte within 1 s", format!("{late:.1?}")),
        _ => Ok(()),
    }
}

fn fields(target: &Target) -> Outcome {
    let (_, stream) = events(target, 3, |_| {})?;
    let text = String::from_utf8_lossy(stream.complete()).replace("\r\n", "\n");
    for line in text.split(['\n', '\r']) {
        let name = line.split(':').next().unwrap_or_default();
        if !["", "data", "event", "id", "retry"].contains(&name) {
            return failed("data, event, id, retry or a comment", format!("{line:?}"));
        }
    }
    Ok(())
}

fn id_of(event: &stream::Event) -> Result<String, Miss> {
    event.id.clone().map_or_else(|| skipped("the events have no ids"), Ok)
}

fn resume(target: &Target) -> Outcome {
    let (seen, stream) = events(target, 3, |_| {})?;
    drop(stream);
    let (first, second) = (id_of(&seen[0])?, id_of(&seen[1])?);
    let (again, _) = events(target, 2, |request| request.add("Last-Event-ID", &first))?;
    let ids: Vec<_> = again.iter().map(id_of).collect::<Result<_, _>>()?;
    match (ids[0] == second, again[0].data == seen[1].data, ids[1] == id_of(&seen[2])?) {
        (true, true, true) => Ok(()),
        _ => failed(format!("the events {second:?} and {:?}", seen[2].id), format!("{ids:?}")),
    }
}

fn resume_latest(target: &Target) -> Outcome {
    let (seen, stream) = events(target, 2, |_| {})?;
    drop(stream);
    let latest = id_of(&seen[1])?;
    thread::sleep(Duration::from_millis(50));
    let (again, _) = events(target, 1, |request| request.add("Last-Event-ID", &latest))?;
    match id_of(&again[0])? {
        id if id == latest => failed("a later event", format!("{id:?} again")),
        _ => Ok(()),
    }
}

fn head(target: &Target) -> Outcome {
    let (mut peer, response) = ask(target, |request| {
        request.method = "HEAD".into();
        request.add("Connection", "close");
    })?;
    peer.timeout = peer.timeout.min(Duration::from_secs(3));
    peer.expect_no_bytes(&format!("no body behind {}", response.status))
}

fn crowd(target: &Target) -> Outcome {
    let mut crowd = Vec::new();
    for _ in 0..50 {
        crowd.push(subscribe(target, |_| {})?);
    }
    crowd.iter_mut().try_for_each(|stream| stream.event().map(drop))
}

fn half_closed(target: &Target) -> Outcome {
    let mut stream = subscribe(target, |_| {})?;
    stream.peer.finish();
    let until = Instant::now() + target.timeout;
    while Instant::now() < until {
        match stream.peer.take_when(|bytes| (!bytes.is_empty()).then_some(bytes.len())) {
            Ok(_) => {}
            Err(Seen::Fin | Seen::Reset) => return Ok(()),
            Err(seen) => return failed("the end of the stream", seen),
        }
    }
    failed("the end of the stream", format!("it goes on for {:?}", target.timeout))
}

fn never_silent(target: &Target) -> Outcome {
    let mut stream = subscribe(target, |_| {})?;
    stream.peer.timeout = Duration::from_secs(16);
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        stream.bytes()?;
    }
    Ok(())
}
