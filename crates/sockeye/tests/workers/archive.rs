//! Each loop reads from the disk what no memory has any more.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::MANY;
use super::stream::{Stream, ask, publish};
use crate::common::Serving;
use crate::crash::clients::{Http, Socket};
use crate::operations::place::Place;

/// More than one page of an archive, one answer and one pull have.
const MESSAGES: usize = 900;

fn start(place: &Place) -> Serving {
    place.write("sockeye.toml", "[channels]\nhistory_messages = 2\npatterns = true\n");
    let data = place.path("data");
    place.serve(|command| {
        command.args(["--workers", "2", "--data", &data]);
    })
}

/// Publishes the numbers from 0 on; returns the cursor of the first.
fn publish_numbers(serving: &Serving) -> String {
    let (status, first) = ask(serving, "POST", "/v1/channels/a", "", "0");
    assert_eq!(status, 200, "{first}");
    let numbers: Vec<usize> = (1..MESSAGES).collect();
    for part in numbers.chunks(300) {
        let line = |it: &usize| json!({"channel": "a", "data": it.to_string()}).to_string();
        let lines: Vec<String> = part.iter().map(line).collect();
        let (status, answer) = ask(serving, "POST", "/v1/batch", "", &lines.join("\n"));
        assert_eq!((status, &answer["failed"]), (200, &json!(0)), "{answer}");
    }
    first["cursor"].as_str().expect("a cursor").to_owned()
}

fn check<'n>(numbers: impl IntoIterator<Item = &'n str>) {
    let numbers: Vec<&str> = numbers.into_iter().collect();
    let wanted: Vec<String> = (1..MESSAGES).map(|it| it.to_string()).collect();
    assert_eq!(numbers, wanted);
}

fn event_stream(serving: &Serving, cursor: &str) {
    let stream = Stream::open(serving, "a", cursor);
    assert_eq!(stream.gaps, 0);
    check(stream.replayed.iter().map(|(_, data)| data.as_str()));
}

fn socket(serving: &Serving, target: &str, cursor: &str) {
    let mut socket = Socket::open(serving.addr).expect("it listens");
    let command = json!({"type": "subscribe", "channels": [target], "cursor": cursor});
    socket.send(&command).expect("it lives");
    let (mut messages, mut sync) = (Vec::new(), Value::Null);
    while sync.is_null() {
        let said = socket.next().expect("it lives");
        match said["type"].as_str() {
            Some("message") => messages.push(said),
            Some("sync") => sync = said,
            _ => assert_eq!(said["type"], "subscribed", "{said}"),
        }
    }
    assert_eq!((&sync["gaps"], &sync["replayed"]), (&json!(0), &json!(MESSAGES - 1)));
    check(messages.iter().map(|it| it["data"].as_str().expect("a text")));
}

fn polls(serving: &Serving, cursor: &str) {
    let mut http = Http::connect(serving.addr).expect("it listens");
    let (mut cursor, mut messages, mut more) = (cursor.to_owned(), Vec::new(), true);
    while more {
        let poll = http.get(&format!("/v1/poll?channel=a&cursor={cursor}")).expect("it lives");
        assert_eq!(poll["gaps"], json!([]), "{poll}");
        messages.extend(poll["messages"].as_array().expect("messages").iter().cloned());
        poll["cursor"].as_str().expect("a cursor").clone_into(&mut cursor);
        more = poll["more"].as_bool().expect("whether there is more");
    }
    check(messages.iter().map(|it| it["data"].as_str().expect("a text")));
}

/// An old cursor resumes on each loop, over every transport, before and after a restart.
#[test]
fn an_old_cursor_resumes_whole_on_each_loop() {
    let place = Place::new();
    let mut serving = start(&place);
    let cursor = publish_numbers(&serving);
    for _ in 0..2 {
        for _ in 0..MANY {
            event_stream(&serving, &cursor);
            socket(&serving, "a", &cursor);
            polls(&serving, &cursor);
        }
        socket(&serving, ">", &cursor);
        serving.signal(Signal::TERM);
        assert!(serving.wait().success());
        serving = start(&place);
    }
    let mut live: Vec<Stream> = (0..MANY).map(|_| Stream::open(&serving, "a", &cursor)).collect();
    publish(&serving, "a", "live");
    for stream in &mut live {
        assert_eq!(stream.messages(1)[0].1, "live");
    }
}
