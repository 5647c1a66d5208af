//! Conversations of our client with an axum server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::FusedStream;
use sockeye_axum::ws::{CloseFrame, Message, Settings, WebSocket};
use sockeye_tokio::{CloseCode, ConnectOptions, Error, Incoming, Message as Whole};
use tokio::sync::mpsc;

use crate::common::{client, echo, run, serve_sockets};

#[test]
fn compressed_messages_refer_to_those_before() {
    run(async {
        let address = serve_sockets(|ws| ws, echo).await;
        for compressed in [true, false] {
            let mut options = ConnectOptions::default();
            if !compressed {
                options.compression = None;
            }
            let mut socket = client(address, &options).await;
            assert_eq!(socket.is_compressed(), compressed);
            for n in 0..20 {
                let text = format!("{n} the salmon leaps the fall. ").repeat(n * 50 + 1);
                socket.send(&text).await.unwrap();
                assert_eq!(socket.receive().await, Some(Ok(Whole::Text(text))));
            }
            let bytes = vec![0xff; 5000];
            socket.send(&bytes).await.unwrap();
            assert_eq!(socket.receive().await, Some(Ok(Whole::Binary(bytes))));
            assert!(socket.close(CloseCode::NORMAL, "").await.unwrap().clean);
        }
    });
}

#[test]
fn pings_go_both_ways() {
    run(async {
        let address = serve_sockets(|ws| ws, echo).await;
        let mut socket = client(address, &ConnectOptions::default()).await;
        socket.ping(b"one").await.unwrap();
        // The answer; and the echo of the Ping, which the server's application has seen, too.
        let mut seen = [socket.receive_any().await, socket.receive_any().await].map(|it| match it
            .unwrap()
            .unwrap()
        {
            Incoming::Ping(payload) => ("ping", payload.to_vec()),
            Incoming::Pong(payload) => ("pong", payload.to_vec()),
            other => panic!("{other:?}"),
        });
        seen.sort();
        assert_eq!(seen, [("ping", b"one".to_vec()), ("pong", b"one".to_vec())]);
    });
}

/// A handler that stops at the Close frame has answered it.
#[test]
fn a_close_is_answered_before_the_application_sees_it() {
    run(async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let handle = move |mut socket: WebSocket| {
            let sender = sender.clone();
            async move { sender.send(socket.recv().await.unwrap().unwrap()).unwrap() }
        };
        let address = serve_sockets(|ws| ws, handle).await;
        let mut socket = client(address, &ConnectOptions::default()).await;
        let closed = socket.close(CloseCode::new(4001), "bye").await.unwrap();
        assert!(closed.clean && closed.code == CloseCode::new(4001), "{closed:?}");
        let frame = CloseFrame { code: 4001, reason: "bye".into() };
        assert_eq!(receiver.recv().await, Some(Message::Close(Some(frame))));
    });
}

#[test]
fn an_application_that_closes_hears_the_answer_and_the_end() {
    run(async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let handle = move |mut socket: WebSocket| {
            let sender = sender.clone();
            async move {
                socket.send(Message::Close(None)).await.unwrap();
                assert!(socket.send("late".into()).await.is_err());
                while let Some(message) = socket.recv().await {
                    assert!(!socket.is_terminated());
                    sender.send(Ok(message.unwrap())).unwrap();
                }
                assert!(socket.is_terminated());
                sender.send(Err(socket.into_inner().closed().unwrap().clean)).unwrap();
            }
        };
        let address = serve_sockets(|ws| ws, handle).await;
        let mut socket = client(address, &ConnectOptions::default()).await;
        assert_eq!(socket.receive().await, None);
        assert_eq!(socket.closed().map(|closed| closed.code), Some(CloseCode::NO_STATUS));
        // The server waits for the end of our stream.
        drop(socket);
        assert_eq!(receiver.recv().await, Some(Ok(Message::Close(None))));
        assert_eq!(receiver.recv().await, Some(Err(true)), "a clean end");
    });
}

#[test]
fn a_message_above_the_bound_fails_the_connection() {
    run(async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let handle = move |mut socket: WebSocket| {
            let sender = sender.clone();
            async move {
                while let Some(message) = socket.recv().await {
                    sender.send(message.map(|message| message.into_data().len())).unwrap();
                }
            }
        };
        let address = serve_sockets(|ws| ws.max_message_size(3 << 20), handle).await;
        for compressed in [false, true] {
            let mut options = ConnectOptions::default();
            if !compressed {
                options.compression = None;
            }
            let mut socket = client(address, &options).await;
            socket.send(&"x".repeat(3 << 20)).await.unwrap();
            assert_eq!(receiver.recv().await.unwrap().unwrap(), 3 << 20);
            socket.send(&"x".repeat((3 << 20) + 1)).await.unwrap();
            assert_eq!(socket.receive().await, None);
            assert_eq!(socket.close_reason().unwrap().code(), CloseCode::MESSAGE_TOO_BIG);
            // The error is told when the connection has ended.
            drop(socket);
            let error = receiver.recv().await.unwrap().unwrap_err().into_inner();
            let error = *error.downcast::<Error>().unwrap();
            assert!(matches!(error, Error::Protocol(_) | Error::Message(_)), "{error}");
        }
    });
}

/// A peer that does not read stops the sender, and loses nothing once it reads.
#[test]
fn a_slow_reader_stops_the_sender() {
    run(async {
        const COUNT: usize = 4096;
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let handle = move |mut socket: WebSocket| {
            let sent = Arc::clone(&counted);
            async move {
                for n in 0..COUNT {
                    socket.send(format!("{n} {}", "x".repeat(8192)).into()).await.unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                while let Some(Ok(_)) = socket.recv().await {}
            }
        };
        let address = serve_sockets(|ws| ws.compression(None), handle).await;
        let mut socket = client(address, &ConnectOptions::default()).await;
        let mut last = 0;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let now = sent.load(Ordering::Relaxed);
            if now > 0 && now == last {
                break;
            }
            last = now;
        }
        assert!(last < COUNT, "32 MiB do not fit into sockets and a buffer of 64 KiB");
        for n in 0..COUNT {
            let Whole::Text(text) = socket.receive().await.unwrap().unwrap() else { panic!() };
            assert!(text.starts_with(&format!("{n} ")));
        }
        assert!(socket.close(CloseCode::NORMAL, "").await.unwrap().clean);
    });
}

#[test]
fn a_peer_that_is_dead_is_noticed() {
    run(async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let handle = move |mut socket: WebSocket| {
            let sender = sender.clone();
            async move { sender.send(socket.recv().await.unwrap().unwrap_err()).unwrap() }
        };
        let mut settings = Settings::default();
        settings.ping_ms = Some(20);
        settings.pong_ms = 20;
        let address = serve_sockets(move |ws| ws.settings(settings), handle).await;
        // It is connected, and nobody receives.
        let socket = client(address, &ConnectOptions::default()).await;
        let error = *receiver.recv().await.unwrap().into_inner().downcast::<Error>().unwrap();
        assert_eq!(error, Error::TimedOut(sockeye_tokio::Deadline::Pong));
        drop(socket);
    });
}
