//! One adapter per parser, each as its documentation shows the parser's use.
//!
//! Where a parser gives out raw blocks, the adapter keeps the last event ID as a user has to; what
//! a parser cannot say at all is not made up here, and `../peers.py` says that it is missing.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::executor::block_on;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::{Chunks, Peer, Seen};

pub(crate) fn named(name: &str) -> Option<Peer> {
    Some(match name {
        "sockeye-sse" => sockeye_sse,
        "async-sse" => async_sse,
        "eventsource-client" => eventsource_client,
        "eventsource-stream" => eventsource_stream,
        "sse-codec" => sse_codec,
        "sse-core" => sse_core,
        "sse-parse" => sse_parse,
        "sse-stream" => sse_stream,
        "sseer" => sseer,
        _ => return None,
    })
}

/// Far above every vector: a limit that a user sets is no fault of a parser.
const BYTES_MAX: usize = 1 << 30;

/// The chunks as a body that never fails.
fn body(chunks: Chunks) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
    stream::iter(chunks.map(Ok))
}

fn sockeye_sse(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    use sockeye_sse::{Item, Parser};
    let mut parser = Parser::default();
    parser.set_last_event_id(last_event_id);
    for chunk in chunks {
        let mut input = &chunk[..];
        loop {
            match parser.next(&mut input) {
                Ok(Some(Item::Event(event))) => {
                    seen.event(event.event_type, event.data, event.last_event_id);
                }
                Ok(Some(Item::Retry(ms))) => seen.retry(ms),
                Ok(Some(Item::Comment(_))) => {}
                Ok(None) => break,
                Err(error) => return seen.error(error),
            }
        }
    }
    parser.finish();
    seen.last_event_id(parser.last_event_id());
}

fn async_sse(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    let mut last = last_event_id.to_owned();
    let body = stream::iter(chunks.map(Ok::<_, std::io::Error>));
    let mut events = async_sse::decode(body.into_async_read());
    while let Some(event) = block_on(events.next()) {
        match event {
            Ok(async_sse::Event::Message(message)) => {
                last = message.id().clone().unwrap_or(last);
                seen.event(message.name(), &String::from_utf8_lossy(message.data()), &last);
            }
            Ok(async_sse::Event::Retry(time)) => seen.retry(time.as_millis()),
            Err(error) => return seen.error(error),
        }
    }
}

/// Answers the first request with the body. The client is told not to reconnect.
#[derive(Clone)]
struct Answer(Arc<Mutex<Option<Chunks>>>);

impl launchdarkly_sdk_transport::HttpTransport for Answer {
    fn request(
        &self,
        _: http::Request<Option<Bytes>>,
    ) -> launchdarkly_sdk_transport::ResponseFuture {
        let chunks = self.0.lock().ok().and_then(|mut chunks| chunks.take());
        let body = stream::iter(chunks.into_iter().flatten().map(Ok));
        let response = http::Response::builder()
            .header("content-type", "text/event-stream")
            .body(Box::pin(body) as launchdarkly_sdk_transport::ByteStream);
        let response = response.map_err(launchdarkly_sdk_transport::TransportError::new);
        Box::pin(std::future::ready(response))
    }
}

fn eventsource_client(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    use eventsource_client::{Client, ClientBuilder, Error, ReconnectOptions, SSE};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let mut last = last_event_id.to_owned();
    let client = ClientBuilder::for_url("http://127.0.0.1/")
        .expect("a URL")
        .last_event_id(last.clone())
        .reconnect(ReconnectOptions::reconnect(false).build())
        .build_with_transport(Answer(Arc::new(Mutex::new(Some(chunks)))));
    runtime.expect("a runtime").block_on(async {
        let mut items = client.stream();
        while let Some(item) = items.next().await {
            match item {
                Ok(SSE::Event(event)) => {
                    event.retry.into_iter().for_each(|ms| seen.retry(ms));
                    last = event.id.unwrap_or(std::mem::take(&mut last));
                    seen.event(&event.event_type, &event.data, &last);
                }
                Ok(SSE::Connected(_) | SSE::Comment(_)) => {}
                // Its way to say that the body ended.
                Err(Error::Eof | Error::UnexpectedEof) => break,
                Err(error) => return seen.error(error),
            }
        }
    });
}

fn eventsource_stream(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    let mut events = eventsource_stream::EventStream::new(body(chunks));
    events.set_last_event_id(last_event_id);
    while let Some(event) = block_on(events.next()) {
        match event {
            Ok(event) => {
                event.retry.into_iter().for_each(|time| seen.retry(time.as_millis()));
                seen.event(&event.event, &event.data, &event.id);
            }
            // It goes on after an error.
            Err(error) => seen.error(error),
        }
    }
    seen.last_event_id(events.last_event_id());
}

fn sse_codec(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    let mut last = last_event_id.to_owned();
    let body = stream::iter(chunks.map(Ok::<_, std::io::Error>));
    let mut events = sse_codec::decode_stream(body.into_async_read());
    while let Some(event) = block_on(events.next()) {
        match event {
            Ok(sse_codec::Event::Message { id, event, data }) => {
                last = id.unwrap_or(last);
                seen.event(&event, &data, &last);
            }
            Ok(sse_codec::Event::Retry { retry }) => seen.retry(retry),
            Err(error) => return seen.error(error),
        }
    }
}

fn sse_core(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    use sse_core::{SseDecoder, SseEvent};
    let limit = BYTES_MAX.try_into().expect("not zero");
    let mut decoder = SseDecoder::with_limit(limit);
    decoder.reconnect_with_id((!last_event_id.is_empty()).then(|| last_event_id.into()));
    for mut chunk in chunks {
        while let Some(event) = decoder.next(&mut chunk) {
            match event {
                Ok(SseEvent::Message(event)) => {
                    let id = event.last_event_id.as_deref().unwrap_or_default();
                    seen.event(&event.event, &event.data, id);
                }
                Ok(SseEvent::Retry(ms)) => seen.retry(ms),
                Err(error) => seen.error(error),
            }
        }
    }
    seen.last_event_id(decoder.last_event_id().map_or("", |id| id));
}

fn sse_parse(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    let mut parser = sse_parse::SseParser::with_last_event_id(last_event_id);
    for chunk in chunks {
        parser.feed(&chunk);
        while let Some(event) = parser.next_event() {
            seen.event(&event.event, &event.data, &event.id);
        }
    }
    parser.finish();
    while let Some(event) = parser.next_event() {
        seen.event(&event.event, &event.data, &event.id);
    }
    parser.retry().into_iter().for_each(|time| seen.retry(time.as_millis()));
    seen.last_event_id(parser.last_event_id());
}

struct Body(Chunks);

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}

fn sse_stream(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    let mut last = last_event_id.to_owned();
    let mut blocks = sse_stream::SseStream::new(Body(chunks));
    while let Some(block) = block_on(blocks.next()) {
        match block {
            Ok(block) => {
                block.retry.into_iter().for_each(|ms| seen.retry(ms));
                last = block.id.unwrap_or(last);
                if let Some(data) = &block.data {
                    // Raw too: a type that was set empty is the default.
                    let named = block.event.as_deref().filter(|name| !name.is_empty());
                    seen.event(named.unwrap_or("message"), data, &last);
                }
            }
            Err(error) => return seen.error(error),
        }
    }
    seen.last_event_id(&last);
}

fn sseer(chunks: Chunks, last_event_id: &str, seen: &mut Seen<'_>) {
    let mut events = sseer::event_stream::EventStream::new(body(chunks));
    events.set_last_event_id(bytes_utils::Str::from(last_event_id));
    while let Some(event) = block_on(events.next()) {
        match event {
            Ok(event) => {
                event.retry.into_iter().for_each(|time| seen.retry(time.as_millis()));
                seen.event(&event.event, &event.data, &event.id);
            }
            // It goes on after an error.
            Err(error) => seen.error(error),
        }
    }
    seen.last_event_id(events.last_event_id());
}
