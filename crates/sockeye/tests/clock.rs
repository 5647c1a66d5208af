//! The clock's ids are seconds, so they go on across connections and restarts.

use crate::common::{Peer, serve_anywhere};

/// The ids of the next `count` ticks.
fn ids(peer: &mut Peer, count: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let line = peer.read_line();
        assert!(!line.is_empty(), "the stream ended after {ids:?}");
        ids.extend(line.strip_prefix("id: ").map(|id| id.trim().parse::<u64>().expect("an id")));
    }
    ids
}

fn watch(peer: &mut Peer, headers: &str) {
    watch_at(peer, "/clock", headers);
}

fn watch_at(peer: &mut Peer, target: &str, headers: &str) {
    let head = peer.ask("GET", target, headers);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
}

#[test]
fn ids_go_on_without_gap_or_repetition_after_a_restart() {
    let first = serve_anywhere();
    let mut peer = first.connect();
    watch(&mut peer, "");
    let before = ids(&mut peer, 2);
    assert_eq!(before[1], before[0] + 1);
    drop(first);

    let second = serve_anywhere();
    // Somebody else is there already, so the clock is running when we come back.
    let mut other = second.connect();
    watch(&mut other, "");
    ids(&mut other, 2);
    let mut peer = second.connect();
    watch(&mut peer, &format!("Last-Event-ID: {}\r\n", before[1]));
    let after = ids(&mut peer, 4);
    let expected: Vec<u64> = (before[1] + 1..).take(4).collect();
    assert_eq!(after, expected);
}

#[test]
fn the_query_says_it_where_no_header_can() {
    let serving = serve_anywhere();
    let mut peer = serving.connect();
    watch(&mut peer, "");
    let now = ids(&mut peer, 1)[0];
    let mut peer = serving.connect();
    watch_at(&mut peer, &format!("/clock?last_event_id={}", now - 10), "");
    assert_eq!(ids(&mut peer, 10), Vec::from_iter(now - 9..=now));
    // EventSource keeps the URL when it comes back: the header is the newer of the two.
    let header = format!("Last-Event-ID: {}\r\n", now - 2);
    let mut peer = serving.connect();
    watch_at(&mut peer, &format!("/clock?last_event_id={}", now - 10), &header);
    assert_eq!(ids(&mut peer, 2), [now - 1, now]);
}

#[test]
fn a_cursor_that_is_none_starts_at_the_present() {
    let serving = serve_anywhere();
    let mut fresh = serving.connect();
    watch(&mut fresh, "");
    let now = ids(&mut fresh, 1)[0];
    for cursor in ["", "yesterday", "-1", "99999999999999999999999", "18446744073709551615"] {
        let mut peer = serving.connect();
        watch(&mut peer, &format!("Last-Event-ID: {cursor}\r\n"));
        let first = ids(&mut peer, 1)[0];
        assert!((now..now + 10).contains(&first), "{cursor:?} leads to {first}, now is {now}");
    }
    // Too old a one gets what is kept: an hour.
    let mut peer = serving.connect();
    watch(&mut peer, "Last-Event-ID: 1\r\n");
    let first = ids(&mut peer, 1)[0];
    assert!((now - 3_600..now - 3_590).contains(&first), "{first}, now is {now}");
}
