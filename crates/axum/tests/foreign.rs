//! Somebody else's client: tungstenite, under tokio.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message as Theirs;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::common::{echo, run, serve_sockets};

#[test]
fn a_conversation_with_tungstenite() {
    run(async {
        let address = serve_sockets(|ws| ws.max_message_size(4 << 20), echo).await;
        let (mut socket, answer) = connect_async(format!("ws://{address}/ws")).await.unwrap();
        assert_eq!(answer.status(), 101);
        for len in [0, 1, 125, 126, 65_535, 65_536, 3 << 20] {
            for message in [Theirs::text("x".repeat(len)), Theirs::binary(vec![0xff; len])] {
                socket.send(message.clone()).await.unwrap();
                assert!(socket.next().await.unwrap().unwrap() == message, "{len} bytes");
            }
        }
        socket.send(Theirs::Ping(vec![1].into())).await.unwrap();
        let pair = [socket.next().await.unwrap().unwrap(), socket.next().await.unwrap().unwrap()];
        assert!(pair.contains(&Theirs::Pong(vec![1].into())), "{pair:?}");
        assert!(pair.contains(&Theirs::Ping(vec![1].into())), "{pair:?}");
        let frame = CloseFrame { code: 4000.into(), reason: "bye".into() };
        socket.close(Some(frame.clone())).await.unwrap();
        let mut last = None;
        while let Some(message) = socket.next().await {
            last = Some(message.unwrap());
        }
        assert_eq!(last, Some(Theirs::Close(Some(frame))));
    });
}
