//! What belongs to somebody, or is forbidden, whichever loop is asked.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Serving, serve, sockeye};
use crate::workers::MANY;
use crate::workers::stream::{Stream, ask};

const KEY: &str = "sk_a_back_end_s_key_of_a_good_length_01";
const OTHER: &str = "sk_a_back_end_s_key_of_a_good_length_02";

struct World {
    serving: Serving,
    dir: PathBuf,
}

impl World {
    fn start(name: &str, more: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("workers-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a temporary directory");
        let config = format!(
            "workers = 4\n{more}\n[channels]\npresence = true\npresence_seconds = 0\n\
             [access]\n[[access.api_keys]]\nname = \"shop\"\nkey_file = \"shop.key\"\n\
             subscribe = [\">\"]\npublish = [\">\"]\ntickets = [\">\"]\n\
             [access.tickets]\nsecret_file = \"ticket.secret\"\n"
        );
        let write = |file: &str, text: &str| std::fs::write(dir.join(file), text).expect(file);
        write("shop.key", KEY);
        write("ticket.secret", &"s".repeat(40));
        write("sockeye.toml", &config);
        let file = dir.join("sockeye.toml");
        let args = ["serve", "--listen", "127.0.0.1:0", "--config", file.to_str().expect("UTF-8")];
        Self { serving: serve(sockeye(&args)), dir }
    }

    fn as_shop(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        ask(&self.serving, method, target, &with_key(KEY), body)
    }

    fn ticket(&self, user: &str) -> String {
        let wanted = format!(r#"{{"user":"{user}","channels":["a"],"publish":["a"]}}"#);
        let (status, answer) = self.as_shop("POST", "/v1/tickets", &wanted);
        assert_eq!(status, 200, "{answer}");
        answer["ticket"].as_str().expect("a ticket").to_owned()
    }

    fn open(&self, user: &str, more: &str) -> Stream {
        let ticket = self.ticket(user);
        Stream::open_with(&self.serving, &format!("/v1/sse?channel=a&ticket={ticket}{more}"), "")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn with_key(key: &str) -> String {
    format!("Authorization: ApiKey {key}\r\n")
}

#[test]
fn a_ticket_is_good_at_every_loop_and_once_at_all() {
    let world = World::start("tickets", "");
    for _ in 0..MANY {
        let ticket = world.ticket("ann");
        let target = format!("/v1/sse?channel=a&ticket={ticket}");
        let stream = Stream::open_with(&world.serving, &target, "");
        for _ in 0..3 {
            let again = ask(&world.serving, "GET", &target, "", "");
            assert_eq!(again.0, 401, "{again:?}");
        }
        // Its session goes on anywhere.
        let target = format!("{target}&cursor={}", stream.cursor);
        drop(stream);
        Stream::open_with(&world.serving, &target, "");
    }
}

#[test]
fn who_is_there_is_there_for_all() {
    let world = World::start("presence", "");
    let mut watcher = world.open("watcher", "&presence=true");
    let mut last = 0;
    let mut told = |watcher: &mut Stream, joined: bool, user: &str| {
        let field = if joined { "joined" } else { "left" };
        loop {
            let event = watcher.until("$presence");
            let version = event["version"].as_u64().expect("a version");
            assert!(version >= last, "versions of one channel go up: {event}");
            last = version;
            let names = event[field].as_array().into_iter().flatten();
            if names.into_iter().any(|name| name == user) {
                return;
            }
        }
    };
    told(&mut watcher, true, "watcher");
    for round in 0..6 {
        let user = format!("user{round}");
        // Twice there, through whichever loops: one member.
        let streams = [world.open(&user, ""), world.open(&user, "")];
        told(&mut watcher, true, &user);
        for _ in 0..4 {
            let page = world.as_shop("GET", "/v1/channels/a/presence", "").1;
            assert_eq!((&page["users"], &page["streams"]), (&2.into(), &3.into()), "{page}");
        }
        drop(streams);
        told(&mut watcher, false, &user);
    }
}

#[test]
fn bounds_are_of_all_loops_together() {
    let more = "[limits]\nconnections_per_user = 3\nmessages_per_second = 1\n";
    let world = World::start("bounds", more);
    let streams: Vec<Stream> = (0..3).map(|_| world.open("ann", "")).collect();
    for _ in 0..MANY {
        let ticket = world.ticket("ann");
        let target = format!("/v1/sse?channel=a&ticket={ticket}");
        let mut peer = world.serving.connect();
        assert!(peer.ask("GET", &target, "").starts_with("HTTP/1.1 200 "));
        assert!(peer.read_to_end().contains("$goaway"), "a fourth stream");
    }
    drop(streams);
    // Five at once, and one more for each second that this takes.
    let begin = std::time::Instant::now();
    let publish = |_| {
        let ticket = world.ticket("bob");
        let target = format!("/v1/channels/a?ticket={ticket}");
        u64::from(ask(&world.serving, "POST", &target, "", "x").0 == 200)
    };
    let taken: u64 = (0..40).map(publish).sum();
    assert!(taken >= 5 && taken <= 6 + begin.elapsed().as_secs(), "{taken}");
}

/// Strangers of one address have one share at all loops, and leave room for clients that are known.
#[test]
fn shares_are_of_all_loops_together() {
    let more = "[limits]\nconnections = 100\naddress_percent = 10\n[namespaces.open]\nsubscribe = \"anyone\"\n";
    let world = World::start("shares", more);
    let mut streams = Vec::new();
    let mut refused = 0;
    for _ in 0..30 {
        let mut peer = world.serving.connect();
        assert!(peer.ask("GET", "/v1/sse?channel=open:a", "").starts_with("HTTP/1.1 200 "));
        let is_out = loop {
            let line = peer.read_line();
            assert!(!line.is_empty(), "it says one or the other");
            if line.contains("$sync") || line.contains("\"code\":4102") {
                break line.contains("4102");
            }
        };
        refused += usize::from(is_out);
        streams.push(peer);
    }
    assert_eq!(refused, 20, "a tenth of the places is for one address");
    let known = world.open("ann", "");
    let back_end = Stream::open_with(&world.serving, "/v1/sse?channel=a", &with_key(KEY));
    drop((streams, known, back_end));
}

#[test]
fn a_reload_is_for_all_loops() {
    let world = World::start("reload", "");
    let streams: Vec<Stream> = (0..MANY)
        .map(|_| Stream::open_with(&world.serving, "/v1/sse?channel=a", &with_key(KEY)))
        .collect();
    let old_ticket = world.ticket("ann");
    std::fs::write(world.dir.join("shop.key"), OTHER).expect("the key");
    world.serving.signal(Signal::HUP);
    for stream in streams {
        let rest = stream.rest();
        assert!(rest.contains("4303"), "revoked: {rest:?}");
    }
    // What was outstanding is so in all of them.
    let target = format!("/v1/sse?channel=a&ticket={old_ticket}");
    Stream::open_with(&world.serving, &target, "");
    assert_eq!(ask(&world.serving, "GET", &target, "", "").0, 401);
    for _ in 0..MANY {
        assert_eq!(ask(&world.serving, "GET", "/v1/position", &with_key(KEY), "").0, 401);
        assert_eq!(ask(&world.serving, "GET", "/v1/position", &with_key(OTHER), "").0, 200);
    }
}
