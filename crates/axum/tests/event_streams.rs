//! Event streams, as they stand on the wire.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures_util::stream::{self, StreamExt};
use sockeye_axum::sse::{Event, KeepAlive, Sse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::common::{run, serve};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n";

/// The whole answer, and whether it came to a good end: HTTP/1.1 tells a cut from an end.
async fn read(app: Router) -> (String, bool) {
    let mut stream = TcpStream::connect(serve(app).await).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let ended = answer.ends_with("\r\n0\r\n\r\n");
    (answer, ended)
}

#[test]
fn an_event_has_its_fields_and_the_response_its_headers() {
    run(async {
        let handler = || async {
            let event = Event::default().comment("c").event("add").id("7").data("a\r\nb").data("c");
            let event = event.retry(Duration::from_secs(2));
            Sse::new(stream::iter([Ok::<_, Infallible>(event), Ok(Event::default().comment("d"))]))
        };
        let (answer, ended) = read(Router::new().route("/", get(handler))).await;
        for line in [
            "content-type: text/event-stream",
            "cache-control: no-store, no-transform",
            "x-accel-buffering: no",
        ] {
            assert!(answer.contains(&format!("\r\n{line}\r\n")), "{answer}");
        }
        let event = ": c\nevent: add\nid: 7\nretry: 2000\ndata: a\ndata: b\ndata: c\n\n";
        assert!(answer.contains(event) && answer.contains(": d\n") && ended, "{answer}");
    });
}

/// The bad event follows when the client has seen the good one: hyper drops what it has not sent at an error.
#[test]
fn what_cannot_be_written_ends_the_response() {
    run(async {
        let bad = [
            Ok(Event::default().event("a\nb")),
            Ok(Event::default().id("a\rb")),
            Ok(Event::default().id("\0")),
            Err("the source is gone"),
        ];
        for bad in bad {
            let seen = Arc::new(Notify::new());
            let waiting = Arc::clone(&seen);
            let handler = move || {
                let (bad, waiting) = (bad.clone(), Arc::clone(&waiting));
                let good = Event::default().data("good");
                let late = async move {
                    waiting.notified().await;
                    bad
                };
                async { Sse::new(stream::iter([Ok(good)]).chain(stream::once(late))) }
            };
            let address = serve(Router::new().route("/", get(handler))).await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(REQUEST.as_bytes()).await.unwrap();
            let answer = read_until(&mut stream, |answer| answer.contains("data: good\n\n")).await;
            seen.notify_one();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert!(!answer.ends_with("0\r\n\r\n") && !rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
        }
    });
}

/// Reads until the bytes so far are enough.
async fn read_until(stream: &mut TcpStream, is_enough: impl Fn(&str) -> bool) -> String {
    let mut answer = String::new();
    while !is_enough(&answer) {
        let mut piece = [0; 1024];
        let len = stream.read(&mut piece).await.unwrap();
        assert_ne!(len, 0, "{answer}");
        answer.push_str(std::str::from_utf8(&piece[..len]).unwrap());
    }
    answer
}

/// The stream goes on when the client has seen two beats.
#[test]
fn a_silence_is_filled() {
    run(async {
        let comment = KeepAlive::new().text("still here");
        let event = KeepAlive::new().event(Event::default().event("beat").data(""));
        for (keep_alive, beat) in [(comment, ": still here\n"), (event, "event: beat\ndata: \n\n")]
        {
            let keep_alive = keep_alive.interval(Duration::from_millis(10));
            let seen = Arc::new(Notify::new());
            let waiting = Arc::clone(&seen);
            let handler = move || {
                let (keep_alive, waiting) = (keep_alive.clone(), Arc::clone(&waiting));
                async move {
                    let late = stream::once(async move {
                        waiting.notified().await;
                        Ok::<_, Infallible>(Event::default().data("late"))
                    });
                    Sse::new(late).keep_alive(keep_alive)
                }
            };
            let address = serve(Router::new().route("/", get(handler))).await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(REQUEST.as_bytes()).await.unwrap();
            let mut answer =
                read_until(&mut stream, |answer| answer.matches(beat).count() >= 2).await;
            assert!(!answer.contains("late"), "{answer}");
            seen.notify_one();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("data: late\n\n") && answer.ends_with("\r\n0\r\n\r\n"));
        }
    });
}
