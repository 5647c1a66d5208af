//! How connections end.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use sockeye_blocking::{
    CloseCode, ConnectOptions, Deadline, Error, Message, Policy, Role, Settings, UsageError,
    WebSocket,
};

use crate::common::{client, echo, serve, serve_stream};

#[test]
fn a_server_that_closes() {
    let (address, serving) =
        serve(Policy::default(), |mut socket| socket.close(CloseCode::new(4000), "enough"));
    let mut socket = client(address, &ConnectOptions::default());
    assert_eq!(socket.read_message(), Ok(None));
    assert_eq!(socket.read_message(), Ok(None));
    assert_eq!(socket.close_reason().unwrap().text(), "enough");
    assert!(socket.send("late").is_err());
    assert!(serving.join().unwrap().unwrap().clean);
}

/// The Close frame reaches a peer that has more to say: the server reads on, behind its end of the stream.
#[test]
fn a_violation_is_answered_though_input_is_unread() {
    let (address, serving) = serve(Policy::default(), |mut socket| {
        (socket.read_message().unwrap_err(), socket.read_message())
    });
    let socket = client(address, &ConnectOptions::default());
    let mut stream = socket.stream();
    // A frame without a mask, and much behind it.
    stream.write_all(b"\x81\x01x").unwrap();
    stream.write_all(&[0; 300_000]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[..4], [0x88, answer[1], 0x03, 0xea]);
    let (error, after) = serving.join().unwrap();
    assert!(matches!(error, Error::Protocol(_)), "{error}");
    assert_eq!(after, Ok(None));
}

#[test]
fn a_stream_that_ends_without_a_close_frame() {
    let (address, serving) = serve(Policy::default(), |mut socket| {
        (socket.read_message(), socket.read_message(), socket.closed().unwrap())
    });
    let mut socket = client(address, &ConnectOptions::default());
    socket.stream().shutdown(Shutdown::Write).unwrap();
    let (first, second, closed) = serving.join().unwrap();
    assert_eq!((first, second), (Err(Error::Ended), Ok(None)));
    assert_eq!((closed.code, closed.clean), (CloseCode::ABNORMAL, false));
    assert_eq!(socket.read_message(), Err(Error::Ended));
}

#[test]
fn a_message_above_the_bound() {
    let mut policy = Policy::default();
    policy.settings.whole_bytes_max = 1000;
    let (address, serving) = serve(policy, |mut socket| socket.read_message().unwrap_err());
    let mut socket = client(address, &ConnectOptions::default());
    socket.send("x".repeat(1001)).unwrap();
    assert_eq!(socket.read_message(), Ok(None));
    assert_eq!(socket.close_reason().unwrap().code(), CloseCode::MESSAGE_TOO_BIG);
    assert!(matches!(serving.join().unwrap(), Error::Message(_)));
}

#[test]
fn a_bound_that_was_raised() {
    let settings = Settings::default().with_message_bytes_max(2 << 20);
    let (mut policy, mut options) = (Policy::default(), ConnectOptions::default());
    (policy.settings, options.settings) = (settings, settings);
    let (address, serving) = serve(policy, echo);
    let mut socket = client(address, &options);
    let long = "x".repeat(2 << 20);
    socket.send(&long).unwrap();
    assert_eq!(socket.read_message(), Ok(Some(Message::from(long.clone()))));
    socket.send(long + "x").unwrap();
    assert_eq!(socket.read_message(), Ok(None));
    assert_eq!(socket.close_reason().unwrap().code(), CloseCode::MESSAGE_TOO_BIG);
    drop(serving.join());
}

/// Nobody answers the Close frame, or every answer is something else.
#[test]
fn a_peer_that_does_not_close_is_left() {
    for chatters in [false, true] {
        let mut settings = Settings::default();
        settings.close_ms = 200;
        let (address, serving) = serve_stream(move |stream| {
            let begun = Instant::now();
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let accepted = sockeye_blocking::accept(stream, &Policy::default()).unwrap();
            let stream = accepted.stream().try_clone().unwrap();
            // Only its read timeout bounds a stream that is not known to be one of TCP.
            let mut socket = WebSocket::after_handshake(stream, Role::Server, Vec::new(), settings);
            loop {
                match socket.close(CloseCode::NORMAL, "") {
                    Err(error) if error.is_timeout() => {}
                    other => return (other, begun.elapsed()),
                }
            }
        });
        let mut socket = client(address, &ConnectOptions::default());
        while chatters && socket.send("and another thing").is_ok() {}
        let (closed, lasted) = serving.join().unwrap();
        assert_eq!(closed, Err(Error::TimedOut(Deadline::Close)));
        assert!(lasted >= Duration::from_millis(200), "{lasted:?}");
    }
}

/// The same for a TCP stream without a timeout of its own.
#[test]
fn a_tcp_peer_that_does_not_close_is_left_without_a_timeout() {
    let mut options = ConnectOptions::default();
    options.settings.close_ms = 100;
    let (address, serving) = serve_stream(|stream| {
        let socket = sockeye_blocking::accept(stream, &Policy::default()).unwrap();
        let mut all = Vec::new();
        socket.stream().read_to_end(&mut all).map(|_| all)
    });
    let mut socket = client(address, &options);
    let own = Some(Duration::from_secs(7));
    socket.stream().set_read_timeout(own).unwrap();
    assert_eq!(socket.close(CloseCode::NORMAL, ""), Err(Error::TimedOut(Deadline::Close)));
    assert_eq!(socket.stream().read_timeout().unwrap(), own, "it is as it was");
    drop(socket);
    assert!(!serving.join().unwrap().unwrap().is_empty(), "the Close frame was sent");
}

#[test]
fn a_code_that_must_not_be_sent() {
    let (address, serving) = serve(Policy::default(), echo);
    let mut socket = client(address, &ConnectOptions::default());
    let refused = socket.close(CloseCode::ABNORMAL, "");
    assert_eq!(refused, Err(Error::Usage(UsageError::InvalidCloseCode)));
    let refused = socket.close(CloseCode::NORMAL, &"x".repeat(124));
    assert_eq!(refused, Err(Error::Usage(UsageError::ControlTooLong)));
    assert!(socket.close(CloseCode::NORMAL, "").unwrap().clean);
    drop(serving.join().unwrap());
}
