//! Several loops in one process. Each connection may come to any of them: what is asked of one
//! connection is asked of many.

mod archive;
mod guarded;
mod stream;

use std::sync::Barrier;

use crate::common::{Serving, run, serve, sockeye};
use rustix::process::Signal;
use stream::{Stream, ask, publish, seq_of};

/// Connections of which hardly ever all come to one loop.
const MANY: usize = 12;

fn serving(workers: &str) -> Serving {
    serve(sockeye(&["serve", "--listen", "127.0.0.1:0", "--workers", workers]))
}

#[test]
fn everybody_has_every_message_in_one_order_whoever_published_it() {
    for workers in ["2", "4"] {
        const EACH: usize = 25;
        let serving = serving(workers);
        let mut streams: Vec<Stream> =
            (0..MANY).map(|_| Stream::open(&serving, "a", "now")).collect();
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            for publisher in 0..4 {
                let (serving, barrier) = (&serving, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for n in 0..EACH {
                        publish(serving, "a", &format!("{publisher}-{n}"));
                    }
                });
            }
        });
        let first: Vec<(String, String)> = streams[0].messages(4 * EACH);
        for publisher in 0..4 {
            let of =
                first.iter().filter_map(|(_, data)| data.strip_prefix(&format!("{publisher}-")));
            let expected: Vec<String> = (0..EACH).map(|n| n.to_string()).collect();
            assert!(
                of.eq(expected.iter().map(String::as_str)),
                "each publisher's order: {first:?}"
            );
        }
        for stream in &mut streams[1..] {
            assert_eq!(stream.messages(4 * EACH), first, "one order for all");
        }
    }
}

#[test]
fn who_comes_back_to_any_loop_misses_nothing() {
    let serving = serving("4");
    let mut stream = Stream::open(&serving, "a", "now");
    let mut cursor = stream.cursor.clone();
    let mut expected = 0;
    for round in 0..3 * MANY {
        // Published while nobody is there, and once while somebody is.
        drop(stream);
        publish(&serving, "a", &format!("{round}-away"));
        stream = Stream::open(&serving, "a", &cursor);
        assert_eq!(stream.gaps, 0, "round {round}");
        publish(&serving, "a", &format!("{round}-there"));
        let mut got = core::mem::take(&mut stream.replayed);
        got.extend(stream.messages(2 - got.len()));
        let data: Vec<&str> = got.iter().map(|(_, data)| data.as_str()).collect();
        assert_eq!(data, [format!("{round}-away"), format!("{round}-there")]);
        cursor = got.last().expect("two").0.clone();
        expected += 2;
        // A receipt is good everywhere, and so is what was published.
        let history = ask(&serving, "GET", "/v1/channels/a/history?limit=1", "", "").1;
        assert_eq!(history["messages"][0]["data"], format!("{round}-there").as_str());
        let position = ask(&serving, "GET", "/v1/position", "", "").1;
        assert_eq!(position["cursor"], cursor.as_str());
    }
    assert_eq!(seq_of(&cursor), expected);
}

/// Keys, conditions and ends are decided once for all.
#[test]
fn conditions_hold_whichever_loop_is_asked() {
    const RACERS: usize = 8;
    let serving = serving("4");
    for round in 0..10 {
        let barrier = Barrier::new(RACERS);
        let race = |target: String| -> Vec<(u16, serde_json::Value)> {
            std::thread::scope(|scope| {
                let racers: Vec<_> = (0..RACERS)
                    .map(|_| {
                        let (serving, barrier, target) = (&serving, &barrier, &target);
                        scope.spawn(move || {
                            barrier.wait();
                            ask(serving, "POST", target, "", "x")
                        })
                    })
                    .collect();
                racers.into_iter().map(|it| it.join().expect("an answer")).collect()
            })
        };
        // One key: one message, and its place for everybody.
        let answers = race(format!("/v1/channels/keys?key=k{round}"));
        let first = answers.iter().filter(|(_, it)| it["duplicate"] == false).count();
        assert_eq!(first, 1, "{answers:?}");
        assert!(answers.iter().all(|(_, it)| it["seq"] == answers[0].1["seq"]), "{answers:?}");
        // One condition: one has it.
        let answers = race(format!("/v1/channels/room{round}?expect=0"));
        let taken = answers.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!(taken, 1, "{answers:?}");
        // An end is an end.
        let answers = race(format!("/v1/channels/room{round}/close"));
        assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1, "{answers:?}");
        for _ in 0..4 {
            let late = ask(&serving, "POST", &format!("/v1/channels/room{round}"), "", "late");
            assert_eq!(
                late.1["error"]["code"].as_str().or_else(|| late.1["code"].as_str()),
                Some("channel_ended"),
                "{late:?}"
            );
        }
    }
}

#[test]
fn a_page_of_figures_is_of_all() {
    let serving = serving("4");
    let _streams: Vec<Stream> = (0..MANY).map(|_| Stream::open(&serving, "a", "now")).collect();
    for n in 0..MANY {
        publish(&serving, "a", &n.to_string());
    }
    let before = figure(&serving, "sockeye_requests_total");
    for more in 1..=MANY as u64 {
        assert_eq!(
            figure(&serving, "sockeye_requests_total"),
            before + more,
            "each is counted once"
        );
    }
    assert_eq!(figure(&serving, "sockeye_published_total"), MANY as u64);
    assert_eq!(figure(&serving, "sockeye_streams{transport=\"sse\"}"), MANY as u64);
    assert_eq!(figure(&serving, "sockeye_history_messages"), MANY as u64);
    assert_eq!(figure(&serving, "sockeye_delivered_total"), (MANY * MANY) as u64);
}

fn figure(serving: &Serving, name: &str) -> u64 {
    let (head, page) = serving.connect().fetch("GET", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a number")
}

#[test]
fn a_signal_drains_all_loops_and_a_second_one_cuts_them() {
    let mut serving = serving("4");
    let streams: Vec<Stream> = (0..MANY).map(|_| Stream::open(&serving, "a", "now")).collect();
    serving.signal(Signal::TERM);
    for stream in streams {
        let rest = stream.rest();
        assert!(rest.contains("$goaway") && rest.contains("1012"), "{rest:?}");
    }
    assert_eq!(serving.wait().code(), Some(0));

    let mut serving = self::serving("4");
    let slow: Vec<_> = (0..MANY)
        .map(|_| {
            let mut slow = serving.connect();
            slow.send("GET / HTTP/1.1\r\n");
            slow
        })
        .collect();
    let stream = Stream::open(&serving, "a", "now");
    serving.signal(Signal::TERM);
    assert!(stream.rest().contains("$goaway"), "it drains");
    serving.signal(Signal::TERM);
    assert_eq!(serving.wait().code(), Some(0));
    drop(slow);
}

/// A process that wants the port for itself does not get a part of it.
#[test]
fn the_port_is_the_process_s() {
    let serving = serving("2");
    let addr = serving.addr.to_string();
    let other = run(&["serve", "--listen", &addr, "--workers", "1"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("another program listens there"));
}

#[test]
fn how_many_there_may_be() {
    for bad in ["0", "65", "x", ""] {
        let output = run(&["serve", "--workers", bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}: {output:?}");
    }
}
