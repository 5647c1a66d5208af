//! A chat: what one client says, all hear. A client that reads too slowly is closed, and holds up nobody.
//!
//! `cargo run -p sockeye-axum --example chat`

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use sockeye_axum::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use sockeye_tokio::{CloseCode, ConnectOptions, connect};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, error::RecvError};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The room. A message is one text, which all recipients share.
type Room = broadcast::Sender<Utf8Bytes>;

/// So many messages a client may be behind.
const BEHIND_MAX: usize = 16;
/// So many large messages go by while one client sleeps: more than its sockets and `BEHIND_MAX` hold.
const MESSAGES: usize = 300;

async fn open(State(room): State<Room>, ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(|socket| chat(socket, room))
}

/// Both directions in one task. Neither future loses anything when the other one is first.
async fn chat(mut socket: WebSocket, room: Room) {
    let mut others = room.subscribe();
    if socket.send(Message::text("welcome")).await.is_err() {
        return;
    }
    loop {
        let heard = tokio::select! {
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Text(text))) => {
                    // Nobody may be there to hear it.
                    let _ = room.send(text);
                    continue;
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
            heard = others.recv() => heard,
        };
        let message = match heard {
            Ok(text) => Message::Text(text),
            Err(RecvError::Lagged(_) | RecvError::Closed) => {
                let reason = Utf8Bytes::from_static("too slow");
                Message::Close(Some(CloseFrame { code: close_code::AGAIN, reason }))
            }
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/chat", listener.local_addr()?);
    let room = Room::new(BEHIND_MAX);
    let app = Router::new().route("/chat", any(open)).with_state(room);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let mut options = ConnectOptions::default();
    options.compression = None;
    let (mut talker, mut sleeper) =
        (connect(&url, &options).await?, connect(&url, &options).await?);
    for client in [&mut talker, &mut sleeper] {
        assert_eq!(client.receive().await, Some(Ok("welcome".into())));
    }
    let text = "the salmon leaps ".repeat(4000);
    for n in 0..MESSAGES {
        let said = format!("{n}: {text}");
        talker.send(&said).await?;
        assert_eq!(talker.receive().await, Some(Ok(said.into())));
    }
    println!("the talker heard all of {MESSAGES} messages");

    let mut count = 0;
    while let Some(message) = sleeper.receive().await {
        let message = message?;
        assert!(message.as_message().as_bytes().starts_with(format!("{count}: ").as_bytes()));
        count += 1;
    }
    let reason = sleeper.close_reason().ok_or("no Close frame")?;
    println!("the sleeper heard {count}, and then: {:?} {}", reason.code(), reason.text());
    assert_eq!(reason.code(), CloseCode::TRY_AGAIN_LATER);
    talker.close(CloseCode::NORMAL, "").await?;
    Ok(())
}
