//! Answers that are no answers: both clients read them by the same code, and both are asked.

use std::time::Duration;

use sockeye_client::{Deadline, Error};
use sockeye_handshake::VerifyError;

use super::{
    LIMITS, SOON_MS, Server, read_socket, read_source, socket, socket_error, source, source_error,
};

type HttpError = sockeye_http1::Error;

/// Both clients fail with the same.
fn both_fail(server: &Server, why: &Error) {
    assert_eq!(&source_error(server), why, "EventSource");
    assert_eq!(&socket_error(server), why, "WebSocket");
}

fn endless(first: &'static str, then: &'static str) -> Server {
    Server::new(move |_, client| {
        client.read_request()?;
        client.send(first.as_bytes())?;
        client.send_for_ever(then.as_bytes())
    })
}

#[test]
fn heads_without_end() {
    for (first, then, why) in [
        ("HTTP/1.1 200 OK\r\n", "A: b\r\n", HttpError::TooManyHeaders),
        ("HTTP/1.1 200 OK\r\nA: ", "b", HttpError::HeadTooLong),
        ("HTTP/1.1 200 ", "O", HttpError::HeadTooLong),
        ("HTTP/1.1 200 OK\r\n", "A", HttpError::HeadTooLong),
    ] {
        both_fail(&endless(first, then), &Error::Http(why));
    }
}

#[test]
fn interim_responses_without_end() {
    let server = endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    both_fail(&server, &Error::InterimResponses);
}

#[test]
fn what_is_no_http() {
    for (answer, why) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], HttpError::FirstByte),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", HttpError::FirstByte),
        (b"HTTP/2.0 200 OK\r\n\r\n", HttpError::Version),
        (b"HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n", HttpError::LineEnd),
        (b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", HttpError::ControlByte),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", HttpError::LineFolding),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HttpError::Header),
        (b"HTTP/1.1 20 OK\r\n\r\n", HttpError::StatusLine),
    ] {
        both_fail(&Server::answering(answer), &Error::Http(why));
    }
}

#[test]
fn lengths_that_contradict() {
    for (headers, why) in [
        ("Content-Length: 18446744073709551616", HttpError::ContentLengthTooBig),
        ("Content-Length: 9223372036854775808000", HttpError::ContentLengthTooBig),
        ("Content-Length: -1", HttpError::ContentLength),
        ("Content-Length: 1\r\nContent-Length: 2", HttpError::ContentLength),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", HttpError::FramingConflict),
        ("Transfer-Encoding: chunked, gzip", HttpError::TransferEncoding),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n");
        both_fail(&Server::answering(answer), &Error::Http(why));
    }
}

#[test]
fn an_end_inside_the_head() {
    both_fail(&Server::answering("HTTP/1.1 200 OK\r\nContent-"), &Error::Truncated);
    both_fail(&Server::answering(""), &Error::Truncated);
}

#[test]
fn a_byte_now_and_then() {
    let server = Server::new(|_, client| {
        client.read_request()?;
        client.drip(&b"HTTP/1.1 200 OK\r\nA: ".repeat(100), Duration::from_millis(20))
    });
    let mut limits = LIMITS;
    limits.head_ms = SOON_MS;
    let why = Error::TimedOut(Deadline::Head);
    assert_eq!(read_source(source(&server), limits).1, Some(why.clone()));
    assert_eq!(read_socket(socket(&server), limits), Some(why));
}

#[test]
fn nothing_at_all() {
    let server = Server::new(|_, client| client.read_to_end());
    let mut limits = LIMITS;
    limits.head_ms = SOON_MS;
    let why = Error::TimedOut(Deadline::Head);
    assert_eq!(read_source(source(&server), limits).1, Some(why.clone()));
    assert_eq!(read_socket(socket(&server), limits), Some(why));
}

/// A socket that is closed with unread bytes in it resets the connection.
#[test]
fn a_reset_before_the_answer() {
    let server = Server::new(|_, client| client.read(1).map(|_| ()));
    both_fail(&server, &Error::Transport(std::io::ErrorKind::ConnectionReset));
}

/// Who refuses may say why, but not for ever: at the bound of the body it is told.
#[test]
fn a_refusal_without_end() {
    for (length, chunk) in
        [("Content-Length: 3221225472", ""), ("Transfer-Encoding: chunked", "64\r\n")]
    {
        let server = Server::new(move |_, client| {
            client.read_request()?;
            client.send(format!("HTTP/1.1 403 Forbidden\r\n{length}\r\n\r\n").as_bytes())?;
            let end = if chunk.is_empty() { "" } else { "\r\n" };
            client.send_for_ever(format!("{chunk}{}{end}", "no".repeat(50)).as_bytes())
        });
        for error in [source_error(&server), socket_error(&server)] {
            let Error::Refused(refusal) = error else { panic!("{error:?}") };
            assert_eq!(refusal.status.code(), 403);
            assert_eq!(refusal.body, "no".repeat(2048).as_bytes());
        }
    }
}

/// Who refuses slowly is told with what came in the time that an answer has.
#[test]
fn a_refusal_that_drips() {
    let server = Server::new(|_, client| {
        client.read_request()?;
        client.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4000\r\n\r\nwell")?;
        client.drip(&[b','; 1000], Duration::from_millis(20))
    });
    let mut limits = LIMITS;
    limits.head_ms = SOON_MS;
    let errors = [read_source(source(&server), limits).1, read_socket(socket(&server), limits)];
    for error in errors {
        let Some(Error::Refused(refusal)) = error else { panic!("{error:?}") };
        assert!(refusal.body.starts_with(b"well") && refusal.body.len() < 1000);
    }
}

/// What was said before the question cannot know the key. For an event stream the order does not matter.
#[test]
fn an_answer_before_the_request() {
    let server = Server::new(|number, client| {
        if number == 0 {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            client.send(format!("{head}data: early\n\n").as_bytes())?;
        } else {
            let answer = crate::common::switching("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "");
            client.send(answer.as_bytes())?;
        }
        client.read_request()?;
        client.finish()
    });
    let (messages, error) = read_source(source(&server), LIMITS);
    assert_eq!((messages.len(), &*messages[0].data, error), (1, "early", None));
    assert_eq!(socket_error(&server), Error::Handshake(VerifyError::AcceptMismatch));
}
