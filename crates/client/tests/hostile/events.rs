//! Event streams that harm, and redirects that lead nowhere.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use sockeye_client::{Comments, Deadline, Error, EventSource, OwnedSourceEvent, Policy, Reconnect};

use super::{LIMITS, SOON_MS, Server, in_time, read_source, source, source_error};

type HttpError = sockeye_http1::Error;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";

fn stream_of(first: &'static str, then: &'static str) -> Server {
    Server::new(move |_, client| {
        client.read_request()?;
        client.send(format!("{HEAD}\r\n{first}").as_bytes())?;
        client.send_for_ever(then.as_bytes())
    })
}

fn answering(headers: &str, body: &str) -> Server {
    Server::answering(format!("{HEAD}{headers}\r\n{body}"))
}

#[test]
fn events_without_end() {
    for (first, then) in
        [("data: ", "x"), ("", "data: x\n"), ("", "data\n"), ("event: ", "x"), ("id: ", "x")]
    {
        let error = source_error(&stream_of(first, then));
        assert_eq!(error, Error::EventTooLarge, "{first:?}, then {then:?}");
    }
}

#[test]
fn a_comment_without_end_that_is_wanted() {
    let server = stream_of(": ", "x");
    let mut options = source(&server);
    options.comments = Comments::Report;
    assert_eq!(read_source(options, LIMITS), (Vec::new(), Some(Error::EventTooLarge)));
}

/// What is not wanted is not held, so it may be as long as it likes.
#[test]
fn lines_beyond_the_limit_that_nobody_wants() {
    for line in [":", "no_such_field", "retry: 1", "retry: x", "no_such_field: "] {
        let long = format!("{line}{}\ndata: after\n\n", "1".repeat(1_000_000));
        let (messages, error) = read_source(source(&answering("", &long)), LIMITS);
        assert_eq!((messages.len(), &*messages[0].data, error), (1, "after", None), "{line:?}");
    }
}

/// Nothing of it is to be told, but who waits until a time waits no longer.
#[test]
fn a_comment_without_end_that_nobody_wants() {
    let server = stream_of(":", "x");
    let options = source(&server);
    let found = in_time(move || {
        let mut source = EventSource::with(options, LIMITS.into()).expect("the options are good");
        let until = |ms| Instant::now() + Duration::from_millis(ms);
        let first = source.next_until(until(20_000)).expect("it is a stream");
        assert!(matches!(first, Some(OwnedSourceEvent::Open(_))));
        source.next_until(until(SOON_MS))
    });
    assert_eq!(found, Ok(None));
}

#[test]
fn a_stream_that_ends_before_its_time() {
    for (headers, body) in [
        ("Content-Length: 3221225472\r\n", "data: one\n\n"),
        ("Transfer-Encoding: chunked\r\n", "b\r\ndata: one\n\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "B;x=y\r\ndata: one\n\n\r\n0\r\n"),
        ("", "data: one\n\ndata: tw"),
    ] {
        let (messages, error) = read_source(source(&answering(headers, body)), LIMITS);
        assert_eq!(messages.len(), 1, "{headers:?} {body:?}");
        assert_eq!(error, Some(Error::Truncated), "{headers:?} {body:?}");
    }
}

#[test]
fn chunks_that_are_none() {
    for (body, why) in [
        ("10000000000000000\r\nx", HttpError::ChunkSize),
        ("-1\r\nx", HttpError::ChunkSize),
        ("x\r\n", HttpError::ChunkSize),
        ("1\r\n:1\r\n", HttpError::ChunkEnd),
        ("1\n:\r\n", HttpError::ChunkSize),
    ] {
        let error = source_error(&answering("Transfer-Encoding: chunked\r\n", body));
        assert_eq!(error, Error::Http(why), "{body:?}");
    }
}

#[test]
fn chunks_without_end() {
    for (first, then, why) in [
        ("1;", "x", HttpError::ChunkExtension),
        ("", "1;ext=val\r\n:\r\n", HttpError::ChunkExtension),
        ("", "0", HttpError::ChunkSize),
    ] {
        let server = Server::new(move |_, client| {
            client.read_request()?;
            let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{first}");
            client.send(head.as_bytes())?;
            client.send_for_ever(then.as_bytes())
        });
        assert_eq!(source_error(&server), Error::Http(why), "{first:?}, then {then:?}");
    }
}

#[test]
fn trailers_without_end() {
    let server = Server::new(|_, client| {
        client.read_request()?;
        client.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n").as_bytes())?;
        client.send_for_ever(b"A: b\r\n")
    });
    assert_eq!(source_error(&server), Error::Http(HttpError::TrailersTooLong));
}

#[test]
fn silence_in_a_stream() {
    let server = Server::new(|_, client| {
        client.read_request()?;
        client.send(format!("{HEAD}\r\ndata: one\n\n: ").as_bytes())?;
        client.read_to_end()
    });
    let mut options = source(&server);
    options.silence_ms = Some(SOON_MS);
    let (messages, error) = read_source(options, LIMITS);
    assert_eq!((messages.len(), error), (1, Some(Error::TimedOut(Deadline::Silence))));
}

/// The deadline is one between any two bytes: a slow server is not a silent one.
#[test]
fn a_byte_now_and_then_is_a_stream() {
    let server = Server::new(|_, client| {
        client.read_request()?;
        client.send(format!("{HEAD}\r\n").as_bytes())?;
        client.drip(b"data: slow\n\n", Duration::from_millis(20))?;
        client.finish()
    });
    let mut options = source(&server);
    // Far above the pauses, so that a busy machine makes no silence.
    options.silence_ms = Some(10_000);
    let (messages, error) = read_source(options, LIMITS);
    assert_eq!((messages.len(), error), (1, None));
}

/// A socket that is closed with unread bytes in it resets the connection.
#[test]
fn a_reset_in_the_middle() {
    let (told, was_told) = mpsc::channel();
    let was_told = Mutex::new(was_told);
    let server = Server::new(move |_, client| {
        client.read(1)?;
        client.send(format!("{HEAD}\r\ndata: one\n\ndata: t").as_bytes())?;
        // What was not read yet would be lost with the connection.
        was_told.lock().expect("no panic").recv().expect("the client hears of one");
        Ok(())
    });
    let options = source(&server);
    let error = in_time(move || {
        let source = EventSource::with(options, LIMITS.into()).expect("the options are good");
        for event in source {
            match event {
                Ok(OwnedSourceEvent::Message(one)) => {
                    assert_eq!(one.data, "one");
                    told.send(()).expect("the server waits");
                }
                Ok(_) => {}
                Err(error) => return Some(error),
            }
        }
        None
    });
    assert_eq!(error, Some(Error::Transport(std::io::ErrorKind::ConnectionReset)));
}

#[test]
fn answers_that_are_no_event_stream() {
    for headers in [
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: identity, br\r\n",
        "Content-Type: text/html\r\n",
    ] {
        let error = source_error(&answering(headers, "data: one\n\n"));
        let Error::Refused(refusal) = error else { panic!("{headers}: {error:?}") };
        // Told at the head: the body may have no end.
        assert_eq!((refusal.status.code(), refusal.body.len()), (200, 0), "{headers}");
    }
}

#[test]
fn redirects_in_a_circle() {
    let server = Server::new(|_, client| {
        client.read_request()?;
        client.send(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
        )
    });
    assert_eq!(source_error(&server), Error::Redirects);
    assert_eq!(server.accepted(), 21, "the first request, and 20 redirects as browsers follow");
}

#[test]
fn redirects_to_nowhere() {
    for location in [
        "ftp://127.0.0.1/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ws://127.0.0.1/",
        "http://",
        "http://[::1",
        "http://user:password@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "",
        "/a\r\nLocation: /b",
    ] {
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
        let server = Server::answering(answer);
        let error = source_error(&server);
        assert!(matches!(error, Error::Redirect), "{location:?}: {error:?}");
        assert_eq!(server.accepted(), 1, "{location:?}");
    }
}

#[test]
fn a_redirect_that_is_no_text() {
    let server = Server::answering(&b"HTTP/1.1 302 Found\r\nLocation: /\xFE\r\n\r\n"[..]);
    assert_eq!(source_error(&server), Error::Redirect);
}

/// Who comes back does so with a pause, whatever the stream says.
#[test]
fn a_server_that_cuts_each_stream_at_once() {
    let server = answering("", "retry: 0\n\n");
    let mut options = source(&server);
    options.reconnect = Reconnect::Standard;
    options.policy = Policy { wait_ms_min: 50, backoff_ms: 1, ..Policy::default() };
    let waits: Vec<u64> = in_time(move || {
        let source = EventSource::with(options, LIMITS.into()).expect("the options are good");
        let lost = source.filter_map(|event| match event.expect("it comes back") {
            OwnedSourceEvent::Lost { why, wait_ms } => Some((why, wait_ms)),
            _ => None,
        });
        lost.take(5).map(|(why, wait_ms)| (assert_eq!(why, Error::Ended), wait_ms).1).collect()
    });
    assert!(waits.iter().all(|ms| *ms >= 50), "{waits:?}");
}
