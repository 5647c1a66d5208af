//! The project's vectors, over a stream of chunks; and ends that come early.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde_json::Value;
use sockeye_sse::Parser;
use sockeye_tokio::EventStream;
use sockeye_tokio::events::{Event, MessageEvent, StreamError};

use crate::common::{Random, cut, run};
use crate::support::{Owned, base64, cut as cut_at, read};

/// A body of chunks that makes its reader wait before each, or before every third only.
pub(crate) struct Chunks<E> {
    chunks: VecDeque<Result<Vec<u8>, E>>,
    /// Chunks that come without a wait, and those of them that are left.
    at_once: (u8, u8),
    is_endless: bool,
}

impl<E> Chunks<E> {
    pub(crate) fn new(chunks: impl IntoIterator<Item = Result<Vec<u8>, E>>) -> Self {
        Self { chunks: chunks.into_iter().collect(), at_once: (1, 0), is_endless: false }
    }

    /// Its reader waits for ever behind the last chunk.
    fn without_end(chunks: impl IntoIterator<Item = Result<Vec<u8>, E>>) -> Self {
        Self { is_endless: true, ..Self::new(chunks) }
    }

    /// All of its chunks, and its end, come without a wait.
    fn at_once(chunks: impl IntoIterator<Item = Result<Vec<u8>, E>>) -> Self {
        Self { at_once: (u8::MAX, u8::MAX), ..Self::new(chunks) }
    }

    fn in_threes(chunks: impl IntoIterator<Item = Result<Vec<u8>, E>>) -> Self {
        Self { at_once: (3, 0), ..Self::new(chunks) }
    }
}

impl<E: Unpin> Stream for Chunks<E> {
    type Item = Result<Vec<u8>, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_endless && self.chunks.is_empty() {
            return Poll::Pending;
        }
        let (all, left) = self.at_once;
        if left > 0 {
            self.at_once.1 -= 1;
            return Poll::Ready(self.chunks.pop_front());
        }
        self.at_once.1 = all;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(crate) fn owned(event: &Event) -> Owned {
    Owned {
        event_type: event.event_type().to_owned(),
        data: event.data.clone(),
        last_event_id: event.last_event_id().to_owned(),
    }
}

fn lent(event: MessageEvent<'_>) -> Owned {
    Owned {
        event_type: event.event_type.to_owned(),
        data: event.data.to_owned(),
        last_event_id: event.last_event_id.to_owned(),
    }
}

/// The input of a vector.
fn bytes_of(vector: &Value) -> Vec<u8> {
    let one = |part: &Value, text: &str, b64: &str| match (&part[text], &part[b64]) {
        (Value::String(text), Value::Null) => text.clone().into_bytes(),
        (Value::Null, Value::String(text)) => base64(text),
        _ => panic!("one of text and base64"),
    };
    match &vector["input_parts"] {
        Value::Array(parts) => parts
            .iter()
            .flat_map(|part| {
                let times = part["times"].as_u64().unwrap_or(1);
                one(part, "text", "b64").repeat(usize::try_from(times).unwrap())
            })
            .collect(),
        _ => one(vector, "input", "input_b64"),
    }
}

/// The events of chunks by the adapter, whose reader gives up waiting now and then.
async fn events(chunks: Vec<Vec<u8>>, random: &mut Random) -> Vec<Owned> {
    let chunks = chunks.into_iter().map(Ok::<_, Infallible>);
    let body = if random.below(2) == 0 { Chunks::new(chunks) } else { Chunks::in_threes(chunks) };
    let (mut stream, mut events) = (EventStream::new(body), Vec::new());
    loop {
        // Handed over or looked at: both in turn make no difference.
        let next = match random.below(2) {
            0 => cut(random, stream.next_event())
                .await
                .map(|it| it.map(|it| it.map(|it| owned(&it)))),
            _ => cut(random, stream.next_with(lent)).await,
        };
        match next {
            None => {}
            Some(Some(Ok(event))) => events.push(event),
            Some(Some(Err(StreamError::Truncated)) | None) => return events,
            Some(Some(Err(error))) => panic!("{error:?}"),
        }
    }
}

/// Each vector gives the events that the parser gives, which has its own tests on all of them, and those that are listed
/// in the file.
#[test]
fn the_vectors_over_a_stream_of_chunks() {
    let file: Value =
        serde_json::from_str(include_str!("../../sse/tests/vectors/event-stream.json")).unwrap();
    let (mut random, mut count) = (Random::new(7), 0);
    run(async {
        for vector in file["vectors"].as_array().unwrap() {
            if vector["initial_last_event_id"].is_string() {
                continue;
            }
            let (name, bytes) = (&vector["name"], bytes_of(vector));
            let expected = read(&mut Parser::default(), [&bytes[..]]);
            if let Some(listed) = vector["expected"]["events"].as_array() {
                let data: Vec<_> =
                    listed.iter().filter_map(|event| event["data"].as_str()).collect();
                if data.len() == listed.len() {
                    assert!(expected.iter().map(|event| &*event.data).eq(data), "{name}");
                }
            }
            let mut cuts: Vec<_> = (0..8).map(|_| random.len_below(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let pieces = cut_at(&bytes, &cuts).into_iter().map(<[u8]>::to_vec).collect();
            assert_eq!(events(vec![bytes.clone()], &mut random).await, expected, "{name}");
            assert_eq!(events(pieces, &mut random).await, expected, "{name} {cuts:?}");
            if bytes.len() < 1 << 12 {
                let single = bytes.iter().map(|byte| vec![*byte]).collect();
                assert_eq!(events(single, &mut random).await, expected, "{name}");
            }
            count += 1;
        }
    });
    assert!(count > 90, "{count} vectors");
}

/// Short and long events and IDs, text and broken bytes in turn: the stream reads them in different ways, and gives the events that
/// the parser gives.
#[test]
fn short_and_long_events_in_any_order_and_cut() {
    const PARTS: [&[u8]; 18] = [
        b"data: token\n\n",
        b"data:no space\n\n",
        b"data: one\ndata: two\ndata\ndata: four\n\n",
        "data: \u{65E5}\u{672C}\u{1F600}\n\n".as_bytes(),
        b"data: cr\r\r",
        b"data: crlf\r\ndata: two\r\n\r\n",
        b"event: an-event-type\nid: 42\n",
        b"id\n\n",
        b"id: a-long-id-0123456789012345678901234567890123456789012345678901234567890\n",
        b"id: b-long-id-0123456789012345678901234567890123456789012345678901234567890\n",
        b": comment\n\n",
        b"retry: 10\n",
        b"unknown: x\n",
        b"data: \xFF broken \xE2\x82\n\n",
        b"data: ",
        b"\n\n",
        &[b'x'; 700],
        &[b'y'; 5000],
    ];
    let mut random = Random::new(11);
    run(async {
        for round in 0..400 {
            let mut bytes = "\u{FEFF}".as_bytes().to_vec();
            for _ in 0..random.below(60) {
                bytes.extend_from_slice(PARTS[random.len_below(PARTS.len())]);
            }
            let expected = read(&mut Parser::default(), [&bytes[..]]);
            let mut cuts: Vec<_> =
                (0..random.below(20)).map(|_| random.len_below(bytes.len())).collect();
            cuts.sort_unstable();
            let pieces = cut_at(&bytes, &cuts).into_iter().map(<[u8]>::to_vec).collect();
            assert_eq!(events(pieces, &mut random).await, expected, "round {round}");
        }
    });
}

#[test]
fn ends_that_come_early_are_errors() {
    run(async {
        let chunk = |text: &str| Ok(text.as_bytes().to_vec());
        let body = Chunks::new([chunk("id: 7\ndata: whole\n\ndata: ha"), Err("reset")]);
        let mut stream = EventStream::new(body);
        assert_eq!(stream.next_event().await.unwrap().unwrap().data, "whole");
        assert_eq!(stream.next_event().await, Some(Err(StreamError::Body("reset"))));
        assert_eq!(stream.next_event().await, None);
        assert_eq!(stream.last_event_id(), "7");

        let body = Chunks::<Infallible>::new([Ok(b"data: whole

data: ha"
            .to_vec())]);
        let mut stream = EventStream::new(body);
        assert_eq!(stream.next_event().await.unwrap().unwrap().data, "whole");
        assert_eq!(stream.next_event().await, Some(Err(StreamError::Truncated)));
        assert_eq!(stream.next_event().await, None);

        let long = Ok::<_, Infallible>(format!("data: {}\n\n", "x".repeat(100)).into_bytes());
        let mut stream = EventStream::with_limit(Chunks::new([long]), 50);
        assert_eq!(stream.next_event().await, Some(Err(StreamError::TooLarge)));
        assert_eq!(stream.next_event().await, None);
    });
}

/// A line that waits for its end is too large as soon as it is, also if its end never comes.
#[test]
fn a_cut_line_that_is_too_large_is_told_before_the_end() {
    let whole: &[&[u8]] = &[b"data: a\n\ndata: 0123456789"];
    // The rest of a character is all that the last chunk has.
    let character: &[&[u8]] = &[b"data: a\n\ndata: 123456\xE2", b"\x82\xAC"];
    run(async {
        for chunks in [whole, character] {
            let chunks = || chunks.iter().map(|chunk| Ok::<_, Infallible>(chunk.to_vec()));
            // With the end at once, and where nothing more ever comes.
            let bodies = [Chunks::in_threes(chunks()), Chunks::without_end(chunks())];
            for body in bodies {
                let mut stream = EventStream::with_limit(body, 8);
                assert_eq!(stream.next_event().await.unwrap().unwrap().data, "a");
                assert_eq!(stream.next_event().await, Some(Err(StreamError::TooLarge)));
                assert_eq!(stream.next_event().await, None);
            }
        }
    });
}

/// A wait between a cut line that is too large and the failure of the body makes no difference.
#[test]
fn a_cut_line_that_is_too_large_was_so_before_its_body_failed() {
    run(async {
        let chunks = |cut: &str| [Ok(format!("data: a\n\ndata: {cut}").into_bytes()), Err("reset")];
        let cases = [("0123456789", StreamError::TooLarge), ("01234", StreamError::Body("reset"))];
        for (cut, error) in cases {
            for body in [Chunks::new(chunks(cut)), Chunks::at_once(chunks(cut))] {
                let mut stream = EventStream::with_limit(body, 8);
                assert_eq!(stream.next_event().await.unwrap().unwrap().data, "a");
                assert_eq!(stream.next_event().await, Some(Err(error)));
                assert_eq!(stream.next_event().await, None);
            }
        }
    });
}
