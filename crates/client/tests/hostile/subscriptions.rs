//! Hubs that harm a subscription.

use std::time::{Duration, Instant};

use sockeye_client::websocket::ProtocolError;
use sockeye_client::{
    Deadline, Error, HubError, Limits, Subscription, SubscriptionEvent, SubscriptionOptions,
    Transport, Url,
};

use super::{LIMITS, SOON_MS, Server, in_time};
use crate::common::{Client, PATIENCE};

type HttpError = sockeye_http1::Error;

const ALL: [Transport; 3] = [Transport::WebSocket, Transport::EventStream, Transport::LongPoll];

fn options(server: &Server, transport: Transport) -> SubscriptionOptions {
    let url = Url::parse(&server.url("http", "/")).expect("a URL");
    let mut options = SubscriptionOptions::new(url, &["a"]);
    options.transports = vec![transport];
    options.message_bytes_max = 10_000;
    options
}

/// The first `count` losses, or less and the error behind them; with the waits that are announced.
fn losses(options: SubscriptionOptions, limits: Limits, count: usize) -> Vec<(Error, Option<u64>)> {
    in_time(move || {
        let mut subscription = Subscription::new(options, limits.into()).expect("good options");
        let mut losses = Vec::new();
        let late = Instant::now() + PATIENCE * 3 / 4;
        while losses.len() < count {
            match subscription.receive_until(Some(late)) {
                Ok(Some(SubscriptionEvent::Lost { why, wait_ms })) => {
                    losses.push((why, Some(wait_ms)));
                }
                Ok(Some(_)) => {}
                Ok(None) => panic!("nothing is lost; {losses:?}"),
                Err(error) => {
                    losses.push((error, None));
                    return losses;
                }
            }
        }
        losses
    })
}

fn first_loss(options: SubscriptionOptions, limits: Limits) -> Error {
    losses(options, limits, 1).remove(0).0
}

fn text(said: &str) -> Vec<u8> {
    let len = u16::try_from(said.len()).expect("a short one").to_be_bytes();
    let header = if len[0] == 0 && len[1] < 126 {
        vec![0x81, len[1]]
    } else {
        vec![0x81, 126, len[0], len[1]]
    };
    [&header, said.as_bytes()].concat()
}

/// A hub on a WebSocket that says this, and then nothing.
fn saying(said: &[&str]) -> Server {
    let frames: Vec<u8> = said.iter().flat_map(|one| text(one)).collect();
    Server::new(move |_, client: &mut Client| {
        client.accept_socket("Sec-WebSocket-Protocol: sockeye.v1.json\r\n")?;
        client.send(&frames)?;
        client.read_to_end()
    })
}

const WELCOME: &str = r#"{"type":"welcome","cursor":"1mubbs7i8-15","session":"p","ping_ms":100}"#;

#[test]
fn heads_without_end() {
    for transport in ALL {
        let server = Server::new(|_, client| {
            client.read_request()?;
            client.send(b"HTTP/1.1 200 OK\r\n")?;
            client.send_for_ever(b"A: b\r\n")
        });
        let why = first_loss(options(&server, transport), LIMITS);
        assert_eq!(why, Error::Http(HttpError::TooManyHeaders), "{transport:?}");
    }
}

#[test]
fn silence() {
    let mut limits = LIMITS;
    limits.head_ms = SOON_MS;
    for transport in ALL {
        let server = Server::new(|_, client| client.read_to_end());
        let why = first_loss(options(&server, transport), limits);
        assert_eq!(why, Error::TimedOut(Deadline::Head), "{transport:?}");
    }
    // No welcome, and nothing behind it.
    for said in [&[][..], &[WELCOME]] {
        let why = first_loss(options(&saying(said), Transport::WebSocket), limits);
        assert!(matches!(why, Error::TimedOut(_)), "{said:?}: {why:?}");
    }
}

#[test]
fn what_no_hub_says() {
    for said in [
        "{}",
        "[",
        "null",
        r#"{"type":7}"#,
        r#"{"type":"message","channel":"a"}"#,
        r#"{"type":"gap"}"#,
    ] {
        let why = first_loss(options(&saying(&[WELCOME, said]), Transport::WebSocket), LIMITS);
        assert_eq!(why, Error::Hub(HubError::Strange), "{said}");
    }
}

#[test]
fn nesting_that_would_take_the_stack() {
    let deep = format!(r#"{{"type":"message","channel":"a","data":{}"#, "[".repeat(9000));
    let why = first_loss(options(&saying(&[WELCOME, &deep]), Transport::WebSocket), LIMITS);
    assert_eq!(why, Error::Hub(HubError::Strange));
}

#[test]
fn another_subprotocol_than_ours() {
    let server = Server::of_sockets(Client::read_to_end);
    let why = first_loss(options(&server, Transport::WebSocket), LIMITS);
    assert_eq!(why, Error::Hub(HubError::Subprotocol));
}

#[test]
fn messages_over_the_limit() {
    let server = Server::new(|_, client| {
        client.accept_socket("Sec-WebSocket-Protocol: sockeye.v1.json\r\n")?;
        client.send(b"\x81\x7F\x00\x00\x00\x00\xC0\x00\x00\x00")?;
        client.read_to_end()
    });
    let why = first_loss(options(&server, Transport::WebSocket), LIMITS);
    let frame = sockeye_client::websocket::FrameError::FrameTooBig;
    assert_eq!(why, Error::WebSocket(ProtocolError::Frame(frame)));

    let server = Server::new(|_, client| {
        client.read_request()?;
        client.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
        client.send_for_ever(b"data: x\n")
    });
    let why = first_loss(options(&server, Transport::EventStream), LIMITS);
    assert_eq!(why, Error::EventTooLarge);

    let server = Server::new(|_, client| {
        client.read_request()?;
        client.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3221225472\r\n\r\n")?;
        client.send_for_ever(b" ")
    });
    let why = first_loss(options(&server, Transport::LongPoll), LIMITS);
    assert_eq!(why, Error::Hub(HubError::TooLarge));
}

/// A hub that sends everybody away at once, and says that they should come back at once.
#[test]
fn a_hub_that_sends_away_for_ever() {
    for code in [1012, 4200, 4299] {
        let goaway =
            format!(r#"{{"type":"goaway","code":{code},"reason":"restart","retry_ms":0}}"#);
        let server = saying(&[WELCOME, &goaway]);
        let waits = losses(options(&server, Transport::WebSocket), LIMITS, 5);
        let waited: u64 = waits.iter().filter_map(|(_, wait_ms)| *wait_ms).sum();
        assert!(waited >= 50, "{code}: {waits:?}");
    }
}

/// However long a hub wants to be left alone, the bound is ours.
#[test]
fn a_hub_that_wants_to_be_left_alone_for_ever() {
    let goaway =
        r#"{"type":"goaway","code":1012,"reason":"restart","retry_ms":18446744073709551615}"#;
    let server = saying(&[WELCOME, goaway]);
    let mut options = options(&server, Transport::WebSocket);
    options.retry_ms_max = 5000;
    let found = losses(options, LIMITS, 1).remove(0);
    assert!(found.1.is_some_and(|wait_ms| (5000..=10_000).contains(&wait_ms)), "{found:?}");
}

/// A poll that is answered at once with nothing, again and again.
#[test]
fn polls_that_are_not_held() {
    let server = Server::new(|_, client| {
        loop {
            client.read_request()?;
            let body =
                r#"{"cursor":"1mubbs7i8-15","messages":[],"gaps":[],"ended":[],"more":false}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
            client
                .send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        }
    });
    let options = options(&server, Transport::LongPoll);
    in_time(move || {
        let mut subscription = Subscription::new(options, LIMITS.into()).expect("good options");
        // It gives the caller a turn, whatever comes.
        let until = Instant::now() + Duration::from_millis(SOON_MS);
        while let Some(event) = subscription.receive_until(Some(until)).expect("nothing is wrong") {
            assert!(!matches!(event, SubscriptionEvent::Message(_)), "nobody published");
        }
    });
}
