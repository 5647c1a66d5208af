//! An event source asks again, from where it was, by the rules of the standard. The clock is the runtime's, which goes on
//! when everybody waits.

use std::collections::VecDeque;
use std::future::{Ready, pending, ready};
use std::sync::{Arc, Mutex};

use sockeye_tokio::EventSource;
use sockeye_tokio::events::{
    EventSourceOptions, Lost, OnBusy, Request, Response, SourceError, SourceEvent,
};
use tokio::time::Instant;

use crate::common::{Random, cut, run};
use crate::event_stream::Chunks;

type Body = Chunks<&'static str>;
type Answer = Result<Response<Body>, &'static str>;
type Asked = Arc<Mutex<Vec<Request>>>;

fn stream(chunks: &[&str]) -> Answer {
    let chunks = chunks.iter().map(|chunk| match *chunk {
        "reset" => Err("reset"),
        text => Ok(text.as_bytes().to_vec()),
    });
    Ok(Response::new(200, Some(b"text/event-stream"), Chunks::new(chunks)))
}

fn status(status: u16) -> Answer {
    Ok(Response::new(status, None, Chunks::new([])))
}

/// A client that gives these answers in turn, and notes what it was asked.
fn client(
    answers: impl IntoIterator<Item = Answer>,
) -> (impl FnMut(Request) -> Ready<Answer>, Asked) {
    let (asked, mut answers) = (Asked::default(), answers.into_iter().collect::<VecDeque<_>>());
    let noted = Arc::clone(&asked);
    let connect = move |request| {
        noted.lock().unwrap().push(request);
        ready(answers.pop_front().expect("no further request"))
    };
    (connect, asked)
}

fn ids(asked: &Asked) -> Vec<Option<String>> {
    asked.lock().unwrap().iter().map(|request| request.last_event_id.clone()).collect()
}

/// [html:9.2.3-reestablish] [html:9.2.3-last-event-id-header] [html:9.2.3-fail] [html:9.2.6-eof-discards]
/// [html:9.2.6-retry-sets-time]
#[test]
fn a_source_comes_back_from_where_it_was_until_it_is_told_not_to() {
    run(async {
        let (connect, asked) = client([
            stream(&["retry: 50\nid: 1\nda", "ta: one\n\nid: 2\ndata: two\n\nid: 3\ndata: thr"]),
            Err("no route"),
            Err("no route"),
            stream(&["id: 3\ndata: three\n\n", "reset"]),
            status(204),
        ]);
        let mut source = EventSource::new(connect, EventSourceOptions::default());
        let begin = Instant::now();
        let mut seen = Vec::new();
        let end = loop {
            match source.next().await.expect("an error ends it") {
                Ok(SourceEvent::Open) => seen.push("open".to_owned()),
                Ok(SourceEvent::Message(event)) => seen.push(event.data),
                Ok(SourceEvent::Lost { why, .. }) => seen.push(format!("{why:?}")),
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        let lost = "Failed(\"no route\")";
        let expected =
            ["open", "one", "two", "Ended", lost, lost, "open", "three", "Failed(\"reset\")"];
        assert_eq!(seen, expected);
        assert_eq!(end, SourceError::Refused(204));
        assert_eq!(source.next().await, None);
        let id = |id: &str| Some(id.to_owned());
        assert_eq!(ids(&asked), [None, id("2"), id("2"), id("2"), id("3")]);
        let lines: Vec<_> = asked.lock().unwrap()[4]
            .headers()
            .skip(2)
            .map(|(name, value)| (name, value.to_vec()))
            .collect();
        assert_eq!(lines, [("Last-Event-ID", b"3".to_vec())]);
        assert_eq!(asked.lock().unwrap()[0].headers().count(), 2);
        assert_eq!(source.last_event_id(), "3");
        // Four waits of 50 ms, and what the second failure in a row adds.
        assert!((200..1300).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    });
}

/// The answers that end a source, and those that do not.
#[test]
fn what_an_answer_means() {
    async fn first(answers: Vec<Answer>, busy: OnBusy) -> (Vec<Request>, String) {
        let (connect, asked) = client(answers);
        let mut options = EventSourceOptions::default();
        options.policy.on_busy = busy;
        let mut source = EventSource::new(connect, options);
        let told = source.next().await.unwrap();
        let asked = asked.lock().unwrap().clone();
        (asked, format!("{told:?}"))
    }
    run(async {
        let html = Ok(Response::new(200, Some(b"text/html"), Chunks::new([])));
        assert_eq!(first(vec![html], OnBusy::Fail).await.1, "Err(Refused(200))");
        assert_eq!(first(vec![status(503)], OnBusy::Fail).await.1, "Err(Refused(503))");
        let busy = first(vec![status(503)], OnBusy::Reconnect).await.1;
        assert_eq!(busy, "Ok(Lost { why: Refused(503), wait_ms: 3000 })");

        let mut moved = Response::new(307, None, Chunks::new([]));
        moved.location = Some(b"/new".to_vec());
        let (asked, told) = first(vec![Ok(moved), stream(&[])], OnBusy::Fail).await;
        assert_eq!(told, "Ok(Open)");
        assert_eq!(asked[0].location, None);
        assert_eq!(asked[1].location.as_deref(), Some(&b"/new"[..]));
    });
}

/// A server that says nothing is left, before its answer and behind it.
#[test]
fn silence_is_a_loss() {
    run(async {
        let mut requests = 0;
        let connect = move |_| {
            requests += 1;
            let answer = if requests == 1 { None } else { Some(stream(&["data: x\n\n"])) };
            async move {
                match answer {
                    None => pending().await,
                    Some(Ok(Response { status, content_type, body, .. })) => {
                        let endless = Endless { body, over: false };
                        Ok(Response::new(status, content_type.as_deref(), endless))
                    }
                    Some(Err(error)) => Err(error),
                }
            }
        };
        let mut options = EventSourceOptions::default();
        options.silence_ms = Some(10_000);
        let mut source = EventSource::new(connect, options);
        let begin = Instant::now();
        let silent = SourceEvent::Lost { why: Lost::Silent, wait_ms: 3000 };
        assert_eq!(source.next().await, Some(Ok(silent.clone())));
        assert_eq!(begin.elapsed().as_secs(), 30);
        assert_eq!(source.next().await, Some(Ok(SourceEvent::Open)));
        assert_eq!(begin.elapsed().as_secs(), 33);
        assert_eq!(source.next_message().await.unwrap().unwrap().data, "x");
        assert_eq!(source.next().await, Some(Ok(silent)));
        assert_eq!(begin.elapsed().as_secs(), 43);
    });
}

/// A body that never ends.
struct Endless {
    body: Body,
    over: bool,
}

impl futures_core::Stream for Endless {
    type Item = Result<Vec<u8>, &'static str>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use std::task::Poll;
        if self.over {
            return Poll::Pending;
        }
        match std::pin::Pin::new(&mut self.body).poll_next(cx) {
            Poll::Ready(None) => {
                self.over = true;
                Poll::Pending
            }
            other => other,
        }
    }
}

/// A reader that gives up waiting at any place gets each event once.
#[test]
fn no_event_is_lost_or_doubled() {
    for seed in 0..50 {
        run(async {
            let mut random = Random::new(seed);
            let answers = (0..20).map(|n| {
                let text = format!("retry: 0\nid: {n}\ndata: {n}\n\nid: x\ndata: cut off");
                let (head, tail) = text.split_at(random.len_below(text.len()));
                stream(&[head, tail])
            });
            let (connect, _) = client(answers.chain([status(204)]).collect::<Vec<_>>());
            let mut source = EventSource::new(connect, EventSourceOptions::default());
            let mut heard = Vec::new();
            loop {
                match cut(&mut random, source.next_message()).await {
                    None => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
                    Some(Some(Ok(event))) => heard.push(event.data),
                    Some(Some(Err(error))) => break assert_eq!(error, SourceError::Refused(204)),
                    Some(None) => panic!("the error comes first"),
                }
            }
            assert!(heard.iter().eq(&(0..20).map(|n| n.to_string()).collect::<Vec<_>>()));
        });
    }
}

/// The same ID would bring the line again: a source does not ask for it.
#[test]
fn a_cut_line_that_is_too_large_ends_a_source() {
    run(async {
        for chunks in
            [&["data: a\n\ndata: 0123456789"][..], &["data: a\n\ndata: 0123456789", "reset"]]
        {
            let (connect, _) = client([stream(chunks)]);
            let mut options = EventSourceOptions::default();
            options.event_bytes_max = 8;
            let mut source = EventSource::new(connect, options);
            assert_eq!(source.next_message().await.unwrap().unwrap().data, "a");
            assert_eq!(source.next_message().await, Some(Err(SourceError::TooLarge)));
            assert_eq!(source.next_message().await, None);
        }
    });
}
