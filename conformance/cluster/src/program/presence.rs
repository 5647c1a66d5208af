//! Presence over nodes: who is at one is seen at all.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::users::{Files, KEY, post};
use super::{Stream, curl, wait};
use crate::server::LogServer;

const ROOM: &str = "room:1";

/// The grace time of the configuration, and as long as a change takes from node to node at the most.
const GRACE: Duration = Duration::from_secs(2);
const SPREADS: Duration = Duration::from_secs(3);

/// A stream of a user in the room, who watches who comes and goes.
fn enter(port: u16, user: &str) -> Stream {
    let wanted = format!(r#"{{"user":"{user}","channels":["{ROOM}"]}}"#);
    let answer = post(port, "/v1/tickets", &wanted);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ticket = answer.body.split('"').nth(3).expect("a ticket");
    let path = format!("/v1/sse?channel={ROOM}&presence=true&ticket={ticket}");
    let stream = Stream::open_at(port, &path, None);
    wait("the stream is told who is there", || told(&stream).contains("\"fresh\":true"));
    stream
}

/// The presence events of a stream.
fn told(stream: &Stream) -> String {
    let events = stream.events();
    let of = events.iter().filter(|event| event.kind == "$presence");
    of.map(|event| format!("{}\n", event.data)).collect()
}

/// The users in the room as a node lists them, each with the number of streams.
fn listed(port: u16) -> Vec<String> {
    let key = format!("Authorization: ApiKey {KEY}");
    let url = format!("http://127.0.0.1:{port}/v1/channels/{ROOM}/presence");
    let answer = curl(&["--header", &key, &url]).expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let members = answer.body.split("{\"user\":\"").skip(1);
    let member = |text: &str| {
        let (user, rest) = text.split_once('"').expect("a name");
        let streams: String = rest.chars().filter(char::is_ascii_digit).take(1).collect();
        format!("{user} {streams}")
    };
    members.map(member).collect()
}

fn wait_for(what: &str, ports: &[u16], users: &[&str]) {
    for port in ports {
        wait(&format!("{what}: {users:?} at {port}, not {:?}", listed(*port)), || {
            listed(*port) == users
        });
    }
}

fn has_left(watcher: &Stream, user: &str) -> bool {
    let left = format!("\"left\":[\"{user}\"]");
    told(watcher).lines().any(|line| line.contains(&left))
}

pub(super) fn seen(program: &Path, server: &dyn LogServer) {
    let files = Files::with("[namespaces.room]\npresence = true\npresence_seconds = 2\n");
    let one = files.start_with(program, server, "2");
    let other = files.start_with(program, server, "3");
    let both = [one.port, other.port];
    let bob = enter(other.port, "bob");
    wait_for("one comes", &both, &["bob 1"]);
    let ann = enter(one.port, "ann");
    wait("it is told at the other node", || told(&bob).contains("\"joined\":[\"ann\"]"));
    wait_for("two are there", &both, &["ann 1", "bob 1"]);
    // She goes on at the other node.
    let again = enter(other.port, "ann");
    wait_for("one is at both", &both, &["ann 2", "bob 1"]);
    drop(ann);
    wait_for("one is at the other", &both, &["ann 1", "bob 1"]);
    thread::sleep(GRACE + SPREADS);
    assert!(!has_left(&bob, "ann"), "{}", told(&bob));
    // Another node comes, knows them, and is killed.
    let mut third = files.start(program, server);
    let all = [one.port, other.port, third.port];
    wait_for("a node has come", &all, &["ann 1", "bob 1"]);
    let cyd = enter(third.port, "cyd");
    wait("it is told at another node", || told(&bob).contains("\"joined\":[\"cyd\"]"));
    wait_for("three are there", &all, &["ann 1", "bob 1", "cyd 1"]);
    let killed = Instant::now();
    third.kill();
    drop(cyd);
    wait("it is told at another node", || has_left(&bob, "cyd"));
    println!("presence: the user of a killed node has left after {:?}", killed.elapsed());
    wait_for("one is gone", &both, &["ann 1", "bob 1"]);
    drop(again);
    wait("she leaves", || has_left(&bob, "ann"));
    wait_for("one is left", &both, &["bob 1"]);
}
