//! Silence is asked after, and nobody waits for ever. The clock is the runtime's, which stands still while anybody works.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye_tokio::{CloseCode, Deadline, Error, OpenError, Policy, Settings, accept};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Join, ReadBuf, Sink, duplex, join, sink};
use tokio::time::{Instant, advance, timeout};

use crate::common::{client_on, pair, run, server_on};

/// A silent peer is sent a Ping; if nothing comes then, the connection has ended.
#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    run(async {
        let (mut ours, theirs) = duplex(1024);
        let mut server = server_on(theirs, Settings::default());
        let begin = Instant::now();
        let receiving = tokio::spawn(async move { (server.receive().await, server) });
        let mut ping = [0; 2];
        ours.read_exact(&mut ping).await.unwrap();
        assert_eq!((ping, begin.elapsed().as_secs()), ([0x89, 0], 30));
        let (end, mut server) = receiving.await.unwrap();
        assert_eq!(end, Some(Err(Error::TimedOut(Deadline::Pong))));
        assert_eq!(begin.elapsed().as_secs(), 60);
        assert_eq!(server.receive().await, None);
        assert_eq!(server.closed().unwrap().code, CloseCode::ABNORMAL);
        assert!(server.send("x").await.is_err());
    });
}

/// Whatever comes puts the Ping off, and a Pong keeps the connection.
#[test]
fn a_peer_that_lives_is_kept() {
    run(async {
        let (mut client, mut server) = pair(1024, Settings::default());
        let begin = Instant::now();
        let answering = tokio::spawn(async move { client.receive().await });
        let idle = timeout(Duration::from_secs(1000), server.receive()).await;
        assert!(idle.is_err());
        assert_eq!(begin.elapsed().as_secs(), 1000);
        server.send("still here").await.unwrap();
        assert_eq!(answering.await.unwrap(), Some(Ok("still here".into())));
    });
}

/// A peer that does not answer the Close frame has `close_ms`.
#[test]
fn a_close_that_is_not_answered_is_given_up() {
    run(async {
        let (_ours, theirs) = duplex(1024);
        let mut server = server_on(theirs, Settings::default());
        let begin = Instant::now();
        let closed = server.close(CloseCode::GOING_AWAY, "").await;
        assert_eq!(closed, Err(Error::TimedOut(Deadline::Close)));
        assert_eq!(begin.elapsed().as_secs(), 5);
    });
}

/// A client ends its side behind the server's, though its application keeps it: the server waits for that.
#[test]
fn a_server_does_not_wait_until_its_client_is_dropped() {
    for client_begins in [true, false] {
        run(async {
            let (mut client, mut server) = pair(1024, Settings::default());
            let begin = Instant::now();
            if client_begins {
                let closing = async { client.close(CloseCode::NORMAL, "").await.unwrap() };
                assert!(tokio::join!(closing, server.receive()).0.clean);
            } else {
                let closing = async { server.close(CloseCode::NORMAL, "").await.unwrap() };
                assert!(tokio::join!(closing, client.receive()).0.clean);
            }
            assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
            drop(client);
        });
    }
}

/// After the peer's Close frame, `close_ms` begins anew for the end of the stream.
#[test]
fn the_end_of_the_stream_has_its_own_time() {
    run(async {
        let (mut ours, theirs) = duplex(1024);
        let mut server = server_on(theirs, Settings::default());
        let begin = Instant::now();
        let closing = tokio::spawn(async move { server.close(CloseCode::NORMAL, "").await });
        tokio::time::sleep(Duration::from_secs(4)).await;
        ours.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
        assert!(closing.await.unwrap().unwrap().clean);
        assert_eq!(begin.elapsed().as_secs(), 9);
    });
}

/// A half that closes moves the deadline of the other, which waits already.
#[test]
fn a_receiver_that_waits_keeps_the_deadline_of_a_close() {
    run(async {
        let (_ours, theirs) = duplex(1024);
        let (mut receiver, mut sender) = server_on(theirs, Settings::default()).split();
        let begin = Instant::now();
        let receiving = tokio::spawn(async move { receiver.receive().await });
        tokio::task::yield_now().await;
        sender.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(receiving.await.unwrap(), Some(Err(Error::TimedOut(Deadline::Close))));
        assert_eq!(begin.elapsed().as_secs(), 5);
    });
}

/// A server ends its side first and waits for the peer's end; a client waits without that. [rfc6455:7.1.1-client-waits]
#[test]
fn the_end_of_the_stream_is_awaited() {
    run(async {
        let close = [0x88, 0x82, 0, 0, 0, 0, 3, 0xe8];
        let (mut ours, theirs) = duplex(1024);
        let mut server = server_on(theirs, Settings::default());
        ours.write_all(&close).await.unwrap();
        let begin = Instant::now();
        let receiving = tokio::spawn(async move { server.receive().await });
        let mut answer = Vec::new();
        ours.read_to_end(&mut answer).await.unwrap();
        assert_eq!((answer, begin.elapsed().as_secs()), (vec![0x88, 2, 3, 0xe8], 0));
        assert_eq!(receiving.await.unwrap(), None);
        assert_eq!(begin.elapsed().as_secs(), 5, "the peer did not end");

        let (mut ours, theirs) = duplex(1024);
        let mut client = client_on(theirs, Settings::default());
        ours.write_all(&[0x88, 0]).await.unwrap();
        let begin = Instant::now();
        let receiving = tokio::spawn(async move { client.receive().await });
        let mut answer = [0; 6];
        ours.read_exact(&mut answer).await.unwrap();
        let more = timeout(Duration::from_secs(2), ours.read(&mut answer)).await;
        assert!(more.is_err(), "the server ends first");
        drop(ours);
        assert_eq!(receiving.await.unwrap(), None);
        assert_eq!(begin.elapsed().as_secs(), 2);
    });
}

/// The Close frame of a failure reaches a peer that is still sending.
#[test]
fn a_failure_is_told_to_the_peer_and_then_to_the_caller() {
    run(async {
        let (mut ours, theirs) = duplex(64);
        let mut server = server_on(theirs, Settings::default());
        let receiving = tokio::spawn(async move { server.receive().await });
        // An unmasked frame, and much behind it.
        ours.write_all(&[0x81, 1]).await.unwrap();
        ours.write_all(&[b'x'; 10_000]).await.unwrap();
        let mut answer = Vec::new();
        ours.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, [0x88, 2, 3, 0xea]);
        drop(ours);
        assert!(matches!(receiving.await.unwrap(), Some(Err(Error::Protocol(_)))));
    });
}

#[test]
fn a_handshake_has_a_deadline() {
    run(async {
        let (mut ours, theirs) = duplex(64);
        ours.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let begin = Instant::now();
        let accepted = accept(theirs, &Policy::default()).await;
        assert_eq!(accepted.err(), Some(OpenError::TimedOut));
        assert_eq!(begin.elapsed().as_secs(), 10);
    });
}

/// A peer that always has sent more. Each read of it takes a millisecond.
struct Flood {
    /// What comes once, and then without end.
    first: &'static [u8],
    then: &'static [u8],
    reads: usize,
}

/// Two empty texts.
const TEXTS: &[u8] = &[0x81, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0];

impl Flood {
    /// The stream takes whatever is written.
    fn stream(first: &'static [u8], then: &'static [u8]) -> Join<Self, Sink> {
        join(Self { first, then, reads: 0 }, sink())
    }
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads += 1;
        assert!(self.reads < 20_000, "it is read without end");
        // The clock is moved by the first poll.
        let _ = pin!(advance(Duration::from_millis(1))).poll(cx);
        buf.put_slice(if self.reads == 1 { self.first } else { self.then });
        Poll::Ready(Ok(()))
    }
}

/// A peer that sends on and on instead of its Close frame has `close_ms`, too, whether its messages are dropped or
/// received. A part of a message counts as little.
#[test]
fn a_peer_that_keeps_sending_has_no_more_time_for_its_close() {
    run(async {
        let parts: (&[u8], &[u8]) = (&[0x01, 0x80, 0, 0, 0, 0], &[0x00, 0x80, 0, 0, 0, 0]);
        for (first, then) in [(TEXTS, TEXTS), parts] {
            let mut server = server_on(Flood::stream(first, then), Settings::default());
            let begin = Instant::now();
            let closed = server.close(CloseCode::NORMAL, "").await;
            assert_eq!(closed, Err(Error::TimedOut(Deadline::Close)));
            assert_eq!(begin.elapsed().as_secs(), 5);
        }
        let (mut receiver, mut sender) =
            server_on(Flood::stream(TEXTS, TEXTS), Settings::default()).split();
        let begin = Instant::now();
        sender.close(CloseCode::NORMAL, "").await.unwrap();
        let mut last = receiver.receive().await;
        while matches!(last, Some(Ok(_))) {
            last = receiver.receive().await;
        }
        assert_eq!(last, Some(Err(Error::TimedOut(Deadline::Close))));
        assert_eq!(begin.elapsed().as_secs(), 5);
    });
}

/// A peer that sends on and on instead of ending the stream has `close_ms`.
#[test]
fn a_peer_that_keeps_sending_does_not_put_off_the_end_of_the_stream() {
    run(async {
        let close = &[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8];
        let mut server = server_on(Flood::stream(close, TEXTS), Settings::default());
        let begin = Instant::now();
        assert_eq!(server.receive().await, None);
        assert_eq!(begin.elapsed().as_secs(), 5);
    });
}

/// Messages that nobody wants do not hold the thread.
#[test]
fn a_close_lets_others_run_while_the_peer_sends() {
    run(async {
        let mut server = server_on(Flood::stream(TEXTS, TEXTS), Settings::default());
        let mut closing = pin!(server.close(CloseCode::NORMAL, ""));
        let begin = Instant::now();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(closing.as_mut().poll(&mut cx).is_pending());
        assert!(begin.elapsed() < Duration::from_secs(1), "the first poll dropped too much");
    });
}
