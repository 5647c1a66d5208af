//! permessage-deflate through the handshake, with all of its parameters.

use sockeye_tokio::{
    ClientOffer, ClientWindow, ClientWindowOffer, CloseCode, ConnectOptions, Error, Fin, Message,
    MessageRef, OpenError, Policy, ServerConfig, WebSocket, WindowBits, accept, client,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::common::run;

async fn open(
    options: &ConnectOptions,
    policy: &Policy<'_>,
) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (ours, theirs) = duplex(1 << 20);
    let (client, server) =
        tokio::join!(client(ours, "ws://hub.example/", options), accept(theirs, policy));
    (client.unwrap(), server.unwrap())
}

/// Messages that refer to those before them, in both directions.
async fn exchange(
    client: &mut WebSocket<DuplexStream>,
    server: &mut WebSocket<DuplexStream>,
) -> usize {
    let mut largest = 0;
    for n in 0..6_usize {
        let text = format!("{n} the salmon leaps the fall and falls, and leaps again. ")
            .repeat(n * 300 + 10);
        client.queue(&text).unwrap();
        if n > 0 {
            largest = largest.max(client.unsent_bytes() * 100 / text.len());
        }
        client.flush().await.unwrap();
        assert_eq!(server.receive().await, Some(Ok(Message::Text(text.clone()))));
        server.send(&text).await.unwrap();
        assert_eq!(client.receive().await, Some(Ok(Message::Text(text))));
    }
    largest
}

#[test]
fn every_window_and_takeover_works() {
    run(async {
        for bits in (8..=15).map(|bits| WindowBits::new(bits).unwrap()) {
            for no_takeover in [false, true] {
                let mut policy = Policy::default();
                policy.compression = Some(ServerConfig {
                    server_max_window_bits: bits,
                    client_max_window_bits: ClientWindow::Prefer(bits),
                    server_no_context_takeover: no_takeover,
                    client_no_context_takeover: !no_takeover,
                });
                let mut options = ConnectOptions::default();
                options.compression = Some(ClientOffer {
                    server_no_context_takeover: !no_takeover,
                    client_no_context_takeover: no_takeover,
                    server_max_window_bits: Some(WindowBits::MAX),
                    client_max_window_bits: ClientWindowOffer::AtMost(WindowBits::MAX),
                });
                let (mut client, mut server) = open(&options, &policy).await;
                assert!(client.is_compressed() && server.is_compressed());
                let percent = exchange(&mut client, &mut server).await;
                assert!(percent < 25, "{bits}: {percent} % of the text");
            }
        }
    });
}

#[test]
fn both_ends_have_to_agree() {
    run(async {
        let (mut options, mut policy) = (ConnectOptions::default(), Policy::default());
        for (offered, accepted) in [(true, true), (true, false), (false, true)] {
            options.compression = offered.then(ClientOffer::default);
            policy.compression = accepted.then_some(ServerConfig::DEFAULT);
            let (mut client, mut server) = open(&options, &policy).await;
            let agreed = offered && accepted;
            assert_eq!((client.is_compressed(), server.is_compressed()), (agreed, agreed));
            let percent = exchange(&mut client, &mut server).await;
            assert_eq!(percent < 100, agreed, "{percent} % of the text");
        }
    });
}

/// A small message that would be large fails the connection while it is inflated.
#[test]
fn a_bomb_is_refused() {
    run(async {
        let mut policy = Policy::default();
        policy.settings.whole_bytes_max = 10_000;
        let (mut client, mut server) = open(&ConnectOptions::default(), &policy).await;
        client.send(&"x".repeat(10_000)).await.unwrap();
        assert_eq!(server.receive().await, Some(Ok("x".repeat(10_000).into())));
        client.send(&"x".repeat(10_001)).await.unwrap();
        let (end, closed) = tokio::join!(server.receive(), client.close(CloseCode::NORMAL, ""));
        let Some(Err(Error::Message(error))) = end else { panic!("{end:?}") };
        assert_eq!(error.close_code(), CloseCode::MESSAGE_TOO_BIG);
        assert_eq!(closed.unwrap().code, CloseCode::MESSAGE_TOO_BIG);
    });
}

/// Parts go out uncompressed, between compressed messages; a compressed message comes as one part.
#[test]
fn parts_and_compressed_messages_mix() {
    run(async {
        let (mut client, mut server) = open(&ConnectOptions::default(), &Policy::default()).await;
        let text = "leaps again and ".repeat(50);
        let texts = [1, 2, 3].map(|n| format!("{n} salmon and {n} ").repeat(50));
        for (n, own) in texts.iter().enumerate() {
            client.send(own).await.unwrap();
            client.send_part(MessageRef::Text(&text), Fin::More).await.unwrap();
            // It is refused before it is compressed: later messages do not refer to it.
            let refused = client.queue(texts.get(n + 1).unwrap_or(own));
            assert!(refused.is_err(), "a message is under way");
            client.send_part(MessageRef::Text("end"), Fin::Final).await.unwrap();
        }
        for own in texts {
            let part = server.receive_part().await.unwrap().unwrap();
            assert_eq!((part.first, part.last, part.payload), (true, true, own.into_bytes()));
            let mut whole = Vec::new();
            loop {
                let part = server.receive_part().await.unwrap().unwrap();
                whole.extend(part.payload);
                if part.last {
                    break;
                }
            }
            assert_eq!(whole, format!("{text}end").into_bytes());
        }
    });
}

/// A client fails the connection if the server agrees to what was not offered.
#[test]
fn an_answer_beyond_the_offer_is_refused() {
    run(async {
        let (ours, mut theirs) = duplex(4096);
        let answering = tokio::spawn(async move {
            let mut request = vec![0; 4096];
            let len = theirs.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..len]).into_owned();
            let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            let accept = sockeye_handshake::accept_key(key.unwrap().as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n\
                 Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\r\n\r\n",
                String::from_utf8_lossy(&accept),
            );
            theirs.write_all(answer.as_bytes()).await.unwrap();
            theirs
        });
        let opened = client(ours, "ws://hub.example/", &ConnectOptions::default()).await;
        assert_eq!(opened.err(), Some(OpenError::Compression));
        drop(answering.await);
    });
}
