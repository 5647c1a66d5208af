//! Publications of sources: other threads of the process offer them, and hear of their receipts.

use std::time::{Duration, Instant};

use sockeye_auth::{Grants, Limits};
use sockeye_service::wire::{self, Code, Options, publish_raw, publish_value};
use sockeye_service::{Inlet, InletAnswer, Publisher, SourceStanding};

use crate::common::{PATIENCE, Running, ask, start};

/// A service with an inlet, which wakes it.
fn service(inlet: &Inlet) -> Running {
    let theirs = inlet.clone();
    let server =
        start(|setup| setup.prepare = Some(Box::new(|service| service.with_inlet(theirs))));
    let waker = server.waker();
    inlet.wake_service(Box::new(move || waker.wake().expect("it can be woken")));
    server
}

fn grants(texts: &[&str]) -> Grants {
    Grants::new(texts.iter().copied(), &Limits::default()).expect("channels and patterns")
}

fn offer(publisher: &Publisher, ticket: u64, channel: &str, key: &str) {
    let options = Options { key: Some(key.into()), ..Options::default() };
    let text = ticket.to_string();
    let limits = wire::Limits::DEFAULT;
    let publish = publish_raw(channel.into(), None, text.as_bytes(), options, &limits);
    publisher.offer(ticket, publish.expect("a publication"));
}

/// The answers to so many offers.
fn answers(publisher: &Publisher, count: usize) -> Vec<InletAnswer> {
    let (mut all, late) = (Vec::new(), Instant::now() + PATIENCE);
    while all.len() < count {
        assert!(Instant::now() < late, "{all:?}");
        all.extend(publisher.answers(Duration::from_millis(50)));
    }
    all
}

/// [service:source-order]
#[test]
fn offers_are_published_in_their_order_and_answered() {
    let inlet = Inlet::new();
    let server = service(&inlet);
    let publisher = inlet.publisher("shop", grants(&["orders:*"]));
    for ticket in 0..1_000 {
        offer(&publisher, ticket, "orders:7", &format!("k{ticket}"));
    }
    offer(&publisher, 1_000, "orders:7", "k7");
    let all = answers(&publisher, 1_001);
    assert!(all.iter().map(|it| it.ticket).eq(0..=1_000));
    let mut places = all.iter().map(|it| it.result.as_ref().expect("a receipt"));
    assert!(places.clone().take(1_000).map(|it| it.position.seq.0).eq(1..=1_000));
    let repeat = places.next_back().expect("the last one");
    assert!(repeat.duplicate && repeat.position.seq.0 == 8);
    let page = ask(server.addr, "GET", "/v1/channels/orders:7/history?limit=1", "", "");
    assert!(page.body.contains("\"999\""), "{}", page.body);
}

/// [service:source-order]
#[test]
fn a_source_has_the_rights_of_its_mapping_alone() {
    let inlet = Inlet::new();
    let _server = service(&inlet);
    let publisher = inlet.publisher("shop", grants(&["orders:*"]));
    for (ticket, channel) in [(0, "news"), (1, "orders:1"), (2, "orders:1:2")] {
        offer(&publisher, ticket, channel, "k");
    }
    let codes = answers(&publisher, 3).into_iter();
    let codes: Vec<_> = codes.map(|it| it.result.err().map(|it| it.code)).collect();
    let forbidden = Some(Code::Access(sockeye_auth::Refusal::Forbidden));
    assert_eq!(codes, [forbidden, None, forbidden]);
}

/// [service:source-figures] [service:source-trouble]
#[test]
fn an_operator_sees_sources_and_their_troubles() {
    let inlet = Inlet::new();
    let server = service(&inlet);
    let metrics = || ask(server.addr, "GET", "/metrics", "", "").body;
    let ready = || ask(server.addr, "GET", "/readyz", "", "");
    assert!(!metrics().contains("sockeye_source_"));
    let publisher = inlet.publisher("shop", grants(&["news"]));
    assert!(ready().body.contains("source_away"), "nobody has said that it is there");
    let state = publisher.state();
    state.note_standing(SourceStanding::Active);
    state.note_published();
    state.note_repeat();
    state.note_load(3, Some(9));
    let page = metrics();
    for line in [
        "sockeye_source_up{source=\"shop\"} 1\n",
        "sockeye_source_active{source=\"shop\"} 1\n",
        "sockeye_source_stopped{source=\"shop\"} 0\n",
        "sockeye_source_published_total{source=\"shop\"} 1\n",
        "sockeye_source_repeats_total{source=\"shop\"} 1\n",
        "sockeye_source_in_flight{source=\"shop\"} 3\n",
        "sockeye_source_pending{source=\"shop\"} 9\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    assert_eq!(ready().body, "ready\n");
    state.note_standing(SourceStanding::Stopped);
    state.note_refused();
    assert_eq!(ready().status, 200);
    assert!(ready().body.contains("source_stopped"));
    assert!(metrics().contains("sockeye_source_stopped{source=\"shop\"} 1\n"));
    drop(publisher);
    assert!(!metrics().contains("sockeye_source_"), "it is no source any more");
    let again = inlet.publisher("shop", grants(&["news"]));
    assert!(metrics().contains("sockeye_source_refused_total{source=\"shop\"} 1\n"), "it goes on");
    let follower = inlet.publisher("shop", grants(&["news"]));
    drop(again);
    assert!(metrics().contains("sockeye_source_up{source=\"shop\"}"), "the follower is there");
    drop(follower);
    assert!(!inlet.is_open());
    assert!(!metrics().contains("sockeye_source_"));
}

#[test]
fn the_text_of_a_value_is_what_stands_as_data() {
    let limits = wire::Limits::DEFAULT;
    let read = |data: &str| {
        let publish = publish_value("c".into(), data, Options::default(), &limits);
        publish.map(|it| it.payload.data.as_str().to_owned()).map_err(|it| it.code)
    };
    assert_eq!(read(" {\"a\": 1.50} "), Ok("{\"a\": 1.50}".into()));
    assert_eq!(read("\"a\\u0062\""), Ok("ab".into()));
    for wrong in ["", "{", "a", "\"a\"b\"", "1 2"] {
        assert_eq!(read(wrong), Err(Code::BadJson), "{wrong}");
    }
}
