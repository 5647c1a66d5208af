//! Messages that are larger than what is held.

use sockeye_tokio::{CloseCode, Error, Fin, Kind, Message, MessageRef, Part, Settings};

use crate::common::{pair, run};

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
