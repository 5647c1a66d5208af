//! Somebody else's ends: tungstenite, in both roles.

use std::net::TcpStream;

use sockeye_blocking::{CloseCode, ConnectOptions, Message, Policy};
use tungstenite::Message as Theirs;
use tungstenite::protocol::CloseFrame;

use crate::common::{client, echo, serve, serve_stream};

const LENS: [usize; 6] = [0, 1, 125, 126, 65_536, 1 << 20];

#[test]
fn their_client() {
    let (address, serving) = serve(Policy::default(), echo);
    let stream = TcpStream::connect(address).unwrap();
    let url = format!("ws://{address}/chat");
    let (mut socket, answer) = tungstenite::client(url, stream).unwrap();
    assert_eq!(answer.status(), 101);
    for len in LENS {
        for message in [Theirs::text("x".repeat(len)), Theirs::binary(vec![0xff; len])] {
            socket.send(message.clone()).unwrap();
            assert!(socket.read().unwrap() == message, "{len} bytes");
        }
    }
    socket.send(Theirs::Ping(vec![1].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Theirs::Pong(vec![1].into()));
    let frame = CloseFrame { code: 4000.into(), reason: "bye".into() };
    socket.close(Some(frame.clone())).unwrap();
    assert_eq!(socket.read().unwrap(), Theirs::Close(Some(frame)));
    let error = socket.read().unwrap_err();
    assert!(matches!(error, tungstenite::Error::ConnectionClosed), "{error}");
    drop(socket);
    assert!(serving.join().unwrap().closed().unwrap().clean);
}

#[test]
fn their_server() {
    let (address, serving) = serve_stream(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        loop {
            match socket.read() {
                Ok(message) if message.is_text() || message.is_binary() => {
                    socket.send(message).unwrap();
                }
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    });
    let mut socket = client(address, &ConnectOptions::default());
    assert!(!socket.is_compressed(), "tungstenite has no compression");
    for len in LENS {
        let text = "x".repeat(len);
        socket.send(&text).unwrap();
        assert_eq!(socket.read_message().unwrap(), Some(Message::Text(text)));
    }
    assert!(socket.close(CloseCode::NORMAL, "").unwrap().clean);
    let error = serving.join().unwrap();
    assert!(matches!(error, tungstenite::Error::ConnectionClosed), "{error}");
}
