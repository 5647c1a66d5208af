//! `sockeye log` beside a server, and what a log keeps over a restart.

use rustix::process::Signal;
use serde_json::Value;

use crate::common::child::{bad, good};
use crate::common::{Serving, run};
use crate::operations::place::{Place, request};

fn start(place: &Place, data: &str) -> Serving {
    let data = place.path(data);
    place.serve(|command| {
        command.args(["--data", &data]);
    })
}

fn stop(mut serving: Serving) {
    serving.signal(Signal::TERM);
    assert!(serving.wait().success());
}

fn publish(serving: &Serving, target: &str, body: &str) -> Value {
    let (status, answer) = request(serving, "POST", &format!("/v1/channels/{target}"), "", body);
    assert!(status == 200 || status == 201, "{status} {answer}");
    serde_json::from_str(&answer).expect("JSON")
}

fn log(place: &Place, action: &str, data: &str, more: &[&str]) -> std::process::Output {
    let data = place.path(data);
    run(&[&["log", action, "--data", &data], more].concat())
}

#[test]
fn a_log_is_looked_at_and_copied_while_it_is_written() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let serving = start(&place, "data");
    for at in 0..20 {
        publish(&serving, &format!("a:{}?key=k{at}", at % 3), "hello");
    }
    let stat = log(&place, "stat", "data", &[]);
    assert!(good(&stat).contains("20 messages of "), "{stat:?}");
    assert!(good(&stat).contains("a: 20 messages, "), "{stat:?}");
    let verify = log(&place, "verify", "data", &[]);
    assert!(good(&verify).contains("good: 20 messages, 3 channels, 20 keys"), "{verify:?}");
    let export = log(&place, "export", "data", &[]);
    assert_eq!(good(&export).lines().count(), 20);
    let first: Value = serde_json::from_str(good(&export).lines().next().unwrap()).unwrap();
    assert_eq!((&first["seq"], &first["channel"]), (&1.into(), &"a:0".into()));
    assert!(first["time"].as_u64().is_some_and(|ms| ms > 1_700_000_000_000), "a date: {first}");
    let copy = place.path("copy");
    let backup = log(&place, "backup", "data", &[&copy]);
    assert!(good(&backup).contains("20 messages copied"), "{backup:?}");
    bad(&log(&place, "backup", "data", &[&copy]), 1, "cannot copy");
    bad(&log(&place, "compact", "data", &[]), 1, "another process is using");
    bad(&log(&place, "stat", "nothing", &[]), 1, "cannot read the log");
    stop(serving);
    assert!(good(&log(&place, "compact", "data", &[])).contains("20 messages"));
}

/// A client that has seen more than the copy has is told.
#[test]
fn a_restored_log_does_not_pretend() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let serving = start(&place, "data");
    publish(&serving, "a", "one");
    let copy = place.path("copy");
    good(&log(&place, "backup", "data", &[&copy]));
    let lost = publish(&serving, "a", "two");
    stop(serving);
    good(&log(&place, "restore", "new", &[&copy]));
    let serving = start(&place, "new");
    let other = publish(&serving, "a", "three");
    assert_eq!(lost["seq"], other["seq"], "the position is given out again");
    let poll = |cursor: &Value| {
        let cursor = cursor.as_str().expect("a cursor");
        let target = format!("/v1/poll?channel=a&cursor={cursor}");
        request(&serving, "GET", &target, "", "").1
    };
    assert!(poll(&lost["cursor"]).contains("forked"), "{}", poll(&lost["cursor"]));
    publish(&serving, "a", "four");
    assert!(!poll(&other["cursor"]).contains("forked"));
}

#[test]
fn keys_and_ends_outlive_their_messages_and_a_restart() {
    let place = Place::new();
    place.write("sockeye.toml", "[channels]\nkeep_messages = 1\nhistory_messages = 1\n");
    let serving = start(&place, "data");
    let first = publish(&serving, "a?key=k", "hello");
    let (status, _) = request(&serving, "POST", "/v1/channels/b/close", "", "");
    assert_eq!(status, 200);
    for at in 0..40 {
        publish(&serving, "a", &format!("more {at}"));
    }
    stop(serving);
    let stat = log(&place, "stat", "data", &[]);
    assert!(!good(&stat).contains("42 messages"), "nothing was dropped: {stat:?}");
    let serving = start(&place, "data");
    let again = publish(&serving, "a?key=k", "hello");
    assert_eq!((&again["duplicate"], &again["seq"]), (&true.into(), &first["seq"]));
    let (status, answer) = request(&serving, "POST", "/v1/channels/b", "", "more");
    assert!(status == 409 && answer.contains("channel_ended"), "{status} {answer}");
}

#[test]
fn a_namespace_that_is_full_is_refused_by_name() {
    let place = Place::new();
    place.write("sockeye.toml", "[disk]\nbytes = 5000000\n[namespaces.b]\n");
    let serving = start(&place, "data");
    let body = "x".repeat(60_000);
    let mut taken = 0;
    let refused = loop {
        let (status, answer) = request(&serving, "POST", "/v1/channels/a", "", &body);
        if status != 200 {
            break (status, answer);
        }
        taken += 1;
        assert!(taken < 200, "nothing is refused");
    };
    assert!(refused.0 == 503 && refused.1.contains("log_full"), "{refused:?}");
    // A quarter of it is for `b` alone.
    publish(&serving, "b", &body);
}

#[test]
fn what_memory_has_no_more_is_read_from_disk() {
    let place = Place::new();
    place.write("sockeye.toml", "[channels]\nhistory_messages = 1\n");
    let serving = start(&place, "data");
    let first = publish(&serving, "a", "message 0");
    for at in 1..30 {
        publish(&serving, "a", &format!("message {at}"));
        publish(&serving, "b", "another");
    }
    let cursor = first["cursor"].as_str().expect("a cursor");
    let target = format!("/v1/poll?channel=a&cursor={cursor}");
    let (status, answer) = request(&serving, "GET", &target, "", "");
    let page: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(
        (status, page["messages"][0]["data"].as_str()),
        (200, Some("message 1")),
        "{answer}"
    );
    assert!(!answer.contains("trimmed"), "{answer}");
}
