//! One source, compiled twice: with axum's own types and with ours. Only the imports differ.

use axum::Router;
use sockeye_tokio::{CloseCode, ConnectOptions, EventStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{client, run, serve};

macro_rules! application {
    ($name:ident, $ws:path, $sse:path) => {
        mod $name {
            use axum::Router;
            use axum::response::Response;
            use axum::routing::{any, get};
            use futures_util::SinkExt;
            use futures_util::stream::{self, Stream, StreamExt};
            use sse::{Event, KeepAlive, Sse};
            use std::convert::Infallible;
            use std::time::Duration;
            use ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
            use $sse as sse;
            use $ws as ws;

            pub(crate) fn app() -> Router {
                Router::new().route("/ws", any(chat)).route("/events", get(events))
            }

            async fn chat(ws: WebSocketUpgrade) -> Response {
                let ws = ws.protocols(["chat.v2", "chat"]);
                assert_eq!(ws.selected_protocol().unwrap(), "chat");
                assert_eq!(ws.requested_protocols().count(), 2);
                ws.max_message_size(1 << 16)
                    .max_frame_size(1 << 15)
                    .on_failed_upgrade(|error| panic!("{error}"))
                    .on_upgrade(converse)
            }

            async fn converse(mut socket: WebSocket) {
                assert_eq!(socket.protocol().unwrap(), "chat");
                socket.send(Message::Text("welcome".into())).await.unwrap();
                socket.send("who is there?".into()).await.unwrap();
                socket.send(Message::Ping(vec![1, 2].into())).await.unwrap();
                let (mut sender, mut receiver) = socket.split();
                let mut heard = Vec::new();
                while let Some(Ok(message)) = receiver.next().await {
                    match message {
                        Message::Text(text) => heard.push(text),
                        Message::Binary(bytes) => heard.push(Utf8Bytes::try_from(bytes).unwrap()),
                        Message::Ping(payload) => {
                            heard.push(format!("ping {}", payload.len()).into())
                        }
                        Message::Pong(payload) => {
                            heard.push(format!("pong {}", payload.len()).into())
                        }
                        Message::Close(_) => return,
                    }
                    if heard.len() == 4 {
                        heard.sort_by(|a, b| a.as_str().cmp(b.as_str()));
                        let all: Vec<&str> = heard.iter().map(Utf8Bytes::as_str).collect();
                        sender.send(Message::text(all.join(", "))).await.unwrap();
                        let reason = Utf8Bytes::from_static("enough");
                        let frame = CloseFrame { code: close_code::POLICY, reason };
                        sender.send(Message::Close(Some(frame))).await.unwrap();
                    }
                }
            }

            async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
                let events = [
                    Event::default().event("add").id("1").data("one\ntwo"),
                    Event::default().comment("nothing").retry(Duration::from_millis(700)),
                    Event::default().json_data(vec![1, 2]).unwrap(),
                ];
                let keep_alive = KeepAlive::new().interval(Duration::from_secs(9)).text("beat");
                Sse::new(stream::iter(events.map(Ok))).keep_alive(keep_alive)
            }
        }
    };
}

application!(before, axum::extract::ws, axum::response::sse);
application!(after, sockeye_axum::ws, sockeye_axum::sse);

/// All that a client hears of the chat, and how it ends.
async fn chat(app: Router) -> (Vec<String>, u16, String) {
    let address = serve(app).await;
    let mut options = ConnectOptions::default();
    options.subprotocols = vec!["x".to_owned(), "chat".to_owned()];
    let mut socket = client(address, &options).await;
    assert_eq!(socket.subprotocol(), Some("chat"));
    socket.send("hello").await.unwrap();
    socket.send(&b"bytes"[..]).await.unwrap();
    socket.ping(b"123").await.unwrap();
    let mut heard = Vec::new();
    while let Some(message) = socket.receive().await {
        heard.push(String::from_utf8(message.unwrap().as_message().as_bytes().to_vec()).unwrap());
    }
    let reason = *socket.close_reason().unwrap();
    assert!(socket.closed().unwrap().clean);
    (heard, reason.code().to_u16(), reason.text().to_owned())
}

#[test]
fn a_chat_is_the_same_with_either() {
    run(async {
        let before = chat(before::app()).await;
        let heard = ["welcome", "who is there?", "bytes, hello, ping 3, pong 2"];
        assert_eq!(before.0, heard);
        assert_eq!((before.1, &*before.2), (CloseCode::POLICY_VIOLATION.to_u16(), "enough"));
        assert_eq!(chat(after::app()).await, before);
    });
}

/// The events of the body, as a strict reader sees them.
async fn events(app: Router) -> Vec<(String, String, String)> {
    let address = serve(app).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /events HTTP/1.0\r\nHost: hub.example\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\ncontent-type: text/event-stream"), "{head}");
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(body.as_bytes().to_vec())]);
    let mut stream = EventStream::new(chunks);
    let mut events = Vec::new();
    while let Some(event) = stream.next_event().await {
        let event = event.unwrap();
        let kind = event.event_type().to_owned();
        events.push((kind, event.last_event_id().to_owned(), event.data));
    }
    events
}

#[test]
fn events_are_the_same_with_either() {
    run(async {
        let before = events(before::app()).await;
        let expected = [("add", "1", "one\ntwo"), ("message", "1", "[1,2]")];
        let seen = before.iter().map(|(kind, id, data)| (&**kind, &**id, &**data));
        assert!(seen.eq(expected), "{before:?}");
        assert_eq!(events(after::app()).await, before);
    });
}
