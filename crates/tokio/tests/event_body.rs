//! Event streams as bodies.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use http_body::Body;
use sockeye_sse::{Event, EventId};
use sockeye_tokio::EventStream;
use sockeye_tokio::events::{EncodedEvent, EventBody};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::common::run;

struct Events(mpsc::Receiver<EncodedEvent>);

impl Stream for Events {
    type Item = EncodedEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<EncodedEvent>> {
        self.0.poll_recv(cx)
    }
}

/// The frames of a body as chunks.
struct Frames(EventBody<Events>);

impl Stream for Frames {
    type Item = Result<bytes::Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = Pin::new(&mut self.0).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())))
    }
}

#[test]
fn events_of_a_body_are_those_that_went_in() {
    run(async {
        let (sender, receiver) = mpsc::channel(10);
        let mut stream = EventStream::new(Frames(EventBody::new(Events(receiver))));
        let id = Some(EventId::new("7").unwrap());
        sender.send((&Event { id, ..Event::message("one\ntwo") }).into()).await.unwrap();
        sender.send(EncodedEvent::comment("data: no event")).await.unwrap();
        sender.send("three".into()).await.unwrap();
        drop(sender);
        let one = stream.next_event().await.unwrap().unwrap();
        assert_eq!((&*one.data, one.last_event_id()), ("one\ntwo", "7"));
        assert_eq!(stream.next_event().await.unwrap().unwrap().data, "three");
        assert_eq!(stream.next_event().await, None);
    });
}

#[test]
fn a_silence_has_heartbeats_and_an_end_is_final() {
    run(async {
        let (sender, receiver) = mpsc::channel(10);
        let silence = Some(Duration::from_secs(5));
        let mut body = EventBody::with_heartbeat(Events(receiver), silence);
        let begin = Instant::now();
        let mut next = async || {
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            frame.map(|frame| frame.unwrap().into_data().unwrap())
        };
        for n in 1..=3 {
            assert_eq!(next().await.as_deref(), Some(&b": \n"[..]));
            assert_eq!(begin.elapsed().as_secs(), 5 * n);
        }
        sender.send("x".into()).await.unwrap();
        assert_eq!(next().await.as_deref(), Some(&b"data: x\n\n"[..]));
        drop(sender);
        assert_eq!(next().await, None);
        assert_eq!(next().await, None);
        assert!(body.is_end_stream());
    });
}

#[test]
fn a_heartbeat_that_never_comes_is_none() {
    run(async {
        let (sender, receiver) = mpsc::channel(10);
        let mut body = EventBody::with_heartbeat(Events(receiver), Some(Duration::MAX));
        let mut next = async || poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let silence = tokio::time::timeout(Duration::from_secs(1_000), next()).await;
        assert!(silence.is_err(), "nothing was sent");
        sender.send("x".into()).await.unwrap();
        let frame = next().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, b"data: x\n\n"[..]);
    });
}
