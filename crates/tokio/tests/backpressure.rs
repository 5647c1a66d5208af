//! A bound on what waits to be sent, and few writes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use sockeye_tokio::{CloseCode, Error, Message, Settings, WebSocket};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::time::timeout;

use crate::common::{client_on, pair, run, server_on};

const SECOND: Duration = Duration::from_secs(1);

/// A peer that does not read holds up the sender at the bound, and the sender goes on as soon as it reads.
#[test]
fn a_slow_reader_holds_up_the_sender() {
    run(async {
        let mut settings = Settings::default();
        settings.unsent_bytes_max = 1000;
        let (mut client, mut server) = pair(100, settings);
        let message = "x".repeat(50);
        let mut sent = 0;
        while timeout(SECOND, server.send(&message)).await.is_ok() {
            sent += 1;
        }
        while let Ok(ready) = timeout(SECOND, server.ready()).await {
            ready.unwrap();
            server.queue(&message).unwrap();
        }
        assert!((1000..1060).contains(&server.unsent_bytes()), "{}", server.unsent_bytes());
        assert_eq!(server.queue(&message), Err(Error::Full));
        let queued = server.queued();
        assert!(queued > sent);

        let sender = tokio::spawn(async move {
            server.send("last").await.unwrap();
            server
        });
        for _ in 0..queued {
            assert_eq!(client.receive().await, Some(Ok(Message::Text(message.clone()))));
        }
        assert_eq!(client.receive().await, Some(Ok("last".into())));
        assert_eq!(sender.await.unwrap().unsent_bytes(), 0);
    });
}

/// Pings of a peer that does not read: their answers have a bound of their own, and only the latest waits for room.
#[test]
fn answers_to_pings_are_bounded() {
    run(async {
        let mut settings = Settings::default();
        settings.limits.replies_bytes_max = 500;
        settings.ping_ms = None;
        let (ours, theirs) = duplex(64);
        let (mut from_server, mut to_server) = tokio::io::split(ours);
        let mut server = server_on(theirs, settings);
        let writing = tokio::spawn(async move {
            for n in 0..1000_u16 {
                let ping = [&[0x89, 0x82, 0, 0, 0, 0], &n.to_be_bytes()[..]].concat();
                to_server.write_all(&ping).await.unwrap();
            }
            to_server
        });
        assert!(timeout(SECOND, server.receive()).await.is_err());
        assert!((500..600).contains(&server.unsent_bytes()), "{}", server.unsent_bytes());
        drop(writing.await.unwrap());
        let reading = tokio::spawn(async move {
            let mut answers = vec![0; 4];
            let mut last = Vec::new();
            while from_server.read_exact(&mut answers).await.is_ok() {
                assert_eq!(answers[..2], [0x8a, 2]);
                last = answers[2..].to_vec();
            }
            last
        });
        assert!(timeout(SECOND, server.receive()).await.is_err());
        drop(server);
        assert_eq!(reading.await.unwrap(), 999_u16.to_be_bytes());
    });
}

/// Counts the writes of a stream.
struct Counting {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn counted() -> (WebSocket<DuplexStream>, WebSocket<Counting>, Arc<AtomicUsize>) {
    let (ours, theirs) = duplex(1 << 16);
    let writes = Arc::new(AtomicUsize::new(0));
    let stream = Counting { stream: theirs, writes: Arc::clone(&writes) };
    (client_on(ours, Settings::default()), server_on(stream, Settings::default()), writes)
}

/// Messages that are queued before a flush go out in one write, and so do those of an echo that never flushes: the
/// receiver does it when it has to wait.
#[test]
fn queued_messages_are_one_write() {
    run(async {
        let (mut client, mut server, writes) = counted();
        for n in 0..32 {
            server.queue(format!("{n}")).unwrap();
        }
        assert_eq!(writes.load(Ordering::Relaxed), 0);
        server.flush().await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 1);
        for n in 0..32 {
            assert_eq!(client.receive().await, Some(Ok(format!("{n}").into())));
            client.queue(format!("{n} again")).unwrap();
        }
        client.flush().await.unwrap();
        for _ in 0..32 {
            let message = server.receive().await.unwrap().unwrap();
            server.queue(&message).unwrap();
        }
        let idle = timeout(SECOND, server.receive()).await;
        assert!(idle.is_err());
        assert_eq!(writes.load(Ordering::Relaxed), 2);
        assert_eq!(client.receive().await, Some(Ok("0 again".into())));
    });
}

/// The traits are those that `StreamExt` and `SinkExt` build on.
#[test]
fn a_web_socket_is_a_stream_and_a_sink() {
    run(async {
        let (mut client, mut server) = pair(1 << 16, Settings::default());
        poll_fn(|cx| Pin::new(&mut client).poll_ready(cx)).await.unwrap();
        Pin::new(&mut client).start_send(Message::Binary(vec![1, 2, 3])).unwrap();
        poll_fn(|cx| Sink::poll_flush(Pin::new(&mut client), cx)).await.unwrap();
        let message = poll_fn(|cx| Pin::new(&mut server).poll_next(cx)).await;
        assert_eq!(message, Some(Ok(Message::Binary(vec![1, 2, 3]))));

        poll_fn(|cx| Sink::poll_close(Pin::new(&mut client), cx)).await.unwrap();
        let answering = tokio::spawn(async move {
            assert_eq!(poll_fn(|cx| Pin::new(&mut server).poll_next(cx)).await, None);
            server.closed().unwrap()
        });
        assert_eq!(poll_fn(|cx| Pin::new(&mut client).poll_next(cx)).await, None);
        for closed in [client.closed().unwrap(), answering.await.unwrap()] {
            assert!(closed.clean && closed.code == CloseCode::NORMAL);
        }
    });
}
