//! Messages that are larger than what is held.

use sockeye_tokio::{CloseCode, Error, Fin, Kind, Message, MessageRef, Part, Settings, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, duplex};

use crate::common::{Choppy, client_on, pair, run, server_on};

const MIB: usize = 1 << 20;

/// 64 MiB go through a pipe of 64 KiB, and neither end holds more than that.
#[test]
fn a_message_larger_than_what_is_held_goes_through() {
    run(async {
        let mut settings = Settings::default();
        settings.limits.message_bytes_max = 64 << 20;
        settings.whole_bytes_max = 1000;
        let (mut client, mut server) = pair(1 << 16, settings);
        let sending = tokio::spawn(async move {
            let part = vec![7; MIB / 4];
            for n in 1..=256 {
                let fin = if n == 256 { Fin::Final } else { Fin::More };
                client.send_part(MessageRef::Binary(&part), fin).await.unwrap();
                assert_eq!(client.unsent_bytes(), 0);
            }
            client.send("and a small one").await.unwrap();
            client
        });
        let mut len = 0;
        loop {
            let part = server.receive_part().await.unwrap().unwrap();
            let Part { kind, first, last, payload, .. } = part;
            assert_eq!((kind, first), (Kind::Binary, len == 0));
            assert!(payload.len() <= 1 << 16 && payload.iter().all(|byte| *byte == 7));
            len += payload.len();
            if last {
                break;
            }
        }
        assert_eq!(len, 64 * MIB);
        assert_eq!(server.receive().await, Some(Ok("and a small one".into())));
        drop(sending.await.unwrap());
    });
}

/// Large messages that are handed over, between small ones and lent ones, in both directions and over streams that take
/// a few bytes, or several slices.
#[test]
fn large_messages_that_are_handed_over_keep_their_order() {
    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(from: WebSocket<S>, to: WebSocket<S>) {
        let (mut from, mut to) = (from, to);
        let sizes = [3, 20_000, 8_192, 0, 30_000, 100];
        let sending = async {
            for (n, len) in (0_u8..).zip(sizes) {
                from.ready().await.unwrap();
                from.queue(vec![n; len]).unwrap();
                from.ready().await.unwrap();
                from.queue(vec![n; len]).unwrap();
                from.queue_ping(&[n]).unwrap();
            }
            from.flush().await.unwrap();
        };
        let receiving = async {
            for (n, len) in (0_u8..).zip(sizes) {
                for _ in 0..2 {
                    let message = to.receive().await.unwrap().unwrap();
                    assert!(message == Message::Binary(vec![n; len]), "{n}");
                }
            }
        };
        tokio::join!(sending, receiving);
    }
    run(async {
        let mut settings = Settings::default();
        settings.unsent_bytes_max = 1 << 20;
        let (client, server) = pair(1 << 16, settings);
        exchange(client, server).await;
        let (client, server) = pair(1 << 16, settings);
        exchange(server, client).await;
        let (ours, theirs) = duplex(1 << 10);
        let client = client_on(Choppy::new(ours, 1), settings);
        exchange(client, server_on(Choppy::new(theirs, 2), settings)).await;
    });
}

/// A message that is wanted whole fails above its bound, with 1009.
#[test]
fn a_message_too_large_to_be_whole_fails_the_connection() {
    run(async {
        let mut settings = Settings::default();
        settings.whole_bytes_max = 1000;
        let (mut client, mut server) = pair(1 << 16, settings);
        for part in [600, 401] {
            client.send_part(MessageRef::Binary(&vec![0; part]), Fin::More).await.unwrap();
        }
        let (end, closed) = tokio::join!(server.receive(), client.receive());
        assert!(matches!(end, Some(Err(Error::Message(_)))), "{end:?}");
        assert_eq!(closed, None);
        assert_eq!(client.closed().unwrap().code, CloseCode::MESSAGE_TOO_BIG);
    });
}

/// The rest of a message that was begun in parts is not taken for a message; and a message that was begun whole stays so.
#[test]
fn the_two_ways_to_receive_mix() {
    run(async {
        let (mut client, mut server) = pair(1 << 16, Settings::default());
        for part in ["one ", "two "] {
            client.send_part(part, Fin::More).await.unwrap();
        }
        let part = server.receive_part().await.unwrap().unwrap();
        assert_eq!((part.first, part.last, &*part.payload), (true, false, &b"one "[..]));
        client.send_part("three", Fin::Final).await.unwrap();
        client.send("next").await.unwrap();
        assert_eq!(server.receive().await, Some(Ok("next".into())));

        client.send_part("begun ", Fin::More).await.unwrap();
        let waiting =
            tokio::time::timeout(std::time::Duration::from_secs(1), server.receive()).await;
        assert!(waiting.is_err());
        client.send_part("and ended", Fin::Final).await.unwrap();
        let part = server.receive_part().await.unwrap().unwrap();
        assert_eq!((part.first, part.last), (true, true));
        assert_eq!(part.payload, b"begun and ended");

        let mut bytes = &[0xff, 0xfe][..];
        client.send(bytes).await.unwrap();
        bytes = &[];
        client.send(bytes).await.unwrap();
        assert_eq!(server.receive().await, Some(Ok(Message::Binary(vec![0xff, 0xfe]))));
        assert_eq!(server.receive().await, Some(Ok(Message::Binary(Vec::new()))));
    });
}
