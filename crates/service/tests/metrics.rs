//! What `/metrics` says is what was done, in the format that Prometheus reads.

use crate::common;

use std::collections::BTreeMap;

use common::{Events, Running, Socket, ask, guarded_by, publish, start};
use sockeye_auth::{Grants, Identity, Keys, Limits};
use sockeye_hub::OnOverrun;
use sockeye_service::Access;

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";

/// All samples, by name with labels. Every rule of the format that a scraper relies on is checked.
fn scrape(server: &Running) -> BTreeMap<String, f64> {
    let answered = ask(server.addr, "GET", "/metrics", "", "");
    assert_eq!(answered.status, 200);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answered.header("Content-Type"), Some(kind));
    parse(&answered.body)
}

fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line has an end, too");
    let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
    let (mut help, mut family, mut kind) = (None, "", "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').expect("a help text");
            assert!(!text.is_empty() && !text.contains('\\'), "{line}");
            assert!(help.replace(name).is_none(), "help without a type: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            (family, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(help.take(), Some(family), "help and type of one family: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(families.insert(family, kind).is_none(), "a family twice: {line}");
            check_name(family, kind);
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            check_series(family, kind, name);
            check_labels(labels.strip_suffix('}').expect("closed"));
            let value: f64 = value.parse().expect("a number");
            assert!(value >= 0.0, "{line}");
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    assert!(help.is_none() && families.len() > 30, "{families:?}");
    samples
}

fn check_name(family: &str, kind: &str) {
    assert!(family.starts_with("sockeye_"), "{family}");
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    assert!(family.bytes().all(is_good), "{family}");
    assert_eq!(family.ends_with("_total"), kind == "counter", "{family} {kind}");
}

fn check_series(family: &str, kind: &str, name: &str) {
    let rest = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} is not of {family}"));
    let parts: &[&str] = match kind {
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    assert!(parts.contains(&rest), "{name} is not of {family}");
}

fn check_labels(labels: &str) {
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once('=').expect("a value");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{label}");
        let value = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).expect("quoted");
        // What stands there is the program's, so that no client can make series.
        assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+".contains(&byte)));
    }
}

/// Waits until these samples are so.
fn expect(server: &Running, wanted: &[(&str, f64)]) {
    let start = std::time::Instant::now();
    loop {
        let samples = scrape(server);
        let wrong = wanted.iter().find(|(series, value)| samples.get(*series) != Some(value));
        let Some((series, value)) = wrong else { return };
        let found = samples.get(*series);
        assert!(start.elapsed() < common::PATIENCE, "{series}: {found:?}, not {value}");
        std::thread::yield_now();
    }
}

#[test]
fn before_anything_was_done() {
    let server = start(|_| ());
    let samples = scrape(&server);
    assert_eq!(samples["sockeye_build_info{version=\"0.1.0\"}"], 1.0);
    assert!(samples["sockeye_start_time_seconds"] > 1.6e9);
    // What an alert looks for is there before it has happened.
    let series = "sockeye_streams_closed_total{transport=\"sse\",by=\"server\",code=\"4202\"}";
    assert_eq!(samples[series], 0.0);
    assert_eq!(samples["sockeye_authentications_total{outcome=\"token_expired\"}"], 0.0);
    assert_eq!(samples["sockeye_publications_refused_total{code=\"too_large\"}"], 0.0);
    assert_eq!(samples["sockeye_requests_total"], 1.0);
}

#[test]
fn streams_by_transport_and_how_they_ended() {
    let server = start(|_| ());
    let mut events: Vec<Events> =
        (0..3).map(|_| Events::open(server.addr, "/v1/sse?channel=a", "")).collect();
    for stream in &mut events {
        stream.until("$sync");
    }
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["a","b"]}"#);
    socket.until("sync");
    let addr = server.addr;
    let polls = [(); 2].map(|()| {
        std::thread::spawn(move || ask(addr, "GET", "/v1/poll?channel=p&wait=20", "", ""))
    });
    server.wait_for_streams(6);
    expect(
        &server,
        &[
            ("sockeye_streams{transport=\"sse\"}", 3.0),
            ("sockeye_streams{transport=\"websocket\"}", 1.0),
            ("sockeye_streams{transport=\"poll\"}", 2.0),
            ("sockeye_streams_opened_total{transport=\"sse\"}", 3.0),
            ("sockeye_subscriptions", 7.0),
            // This request's own is one of them.
            ("sockeye_connections", 7.0),
        ],
    );
    publish(addr, "p", "x");
    for poll in polls {
        assert_eq!(poll.join().expect("an answer").status, 200);
    }
    // One leaves by itself; the others are told that their channel has ended.
    events.pop();
    server.wait_for_streams(3);
    assert_eq!(ask(addr, "POST", "/v1/channels/a/close", "", "").status, 200);
    for stream in &mut events {
        assert_eq!(stream.until("$goaway")["code"], 4000);
    }
    drop((events, socket));
    expect(
        &server,
        &[
            ("sockeye_streams{transport=\"sse\"}", 0.0),
            ("sockeye_streams_closed_total{transport=\"sse\",by=\"server\",code=\"4000\"}", 2.0),
            ("sockeye_streams_closed_total{transport=\"sse\",by=\"client\",code=\"1006\"}", 1.0),
            (
                "sockeye_streams_closed_total{transport=\"websocket\",by=\"client\",code=\"1006\"}",
                1.0,
            ),
            ("sockeye_streams_closed_total{transport=\"poll\",by=\"server\",code=\"1000\"}", 2.0),
            ("sockeye_streams{transport=\"poll\"}", 0.0),
            ("sockeye_subscriptions", 0.0),
        ],
    );
}

#[test]
fn messages_and_their_way() {
    let server = start(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=a", "");
    events.until("$sync");
    let first = publish(server.addr, "a", "1");
    publish(server.addr, "a", "2");
    publish(server.addr, "nobody", "3");
    events.next_message();
    events.next_message();
    let resumed = format!("/v1/poll?channel=a&cursor={first}");
    assert_eq!(ask(server.addr, "GET", &resumed, "", "").status, 200);
    let garbage = "/v1/poll?channel=a&cursor=garbage";
    assert_eq!(ask(server.addr, "GET", garbage, "", "").status, 200);
    let refused = ask(server.addr, "POST", "/v1/channels/$a", "", "x");
    assert_eq!(refused.json()["error"]["code"], "bad_channel");
    assert_eq!(ask(server.addr, "GET", "/v1/nothing", "", "").status, 404);
    let samples = scrape(&server);
    for (series, value) in [
        ("sockeye_published_total", 3.0),
        ("sockeye_delivered_total", 2.0),
        ("sockeye_replayed_total", 1.0),
        ("sockeye_resumes_total{outcome=\"complete\"}", 1.0),
        ("sockeye_resumes_total{outcome=\"gap\"}", 1.0),
        ("sockeye_gaps_total{reason=\"unreadable\"}", 1.0),
        ("sockeye_history_messages", 3.0),
        ("sockeye_requests_refused_total{code=\"not_found\"}", 1.0),
        ("sockeye_requests_refused_total{code=\"bad_channel\"}", 1.0),
        ("sockeye_responses_refused_total", 2.0),
        // Two messages had a live stream, one had none.
        ("sockeye_delivery_lag_seconds_count", 2.0),
        ("sockeye_delivery_lag_seconds_bucket{le=\"+Inf\"}", 2.0),
        ("sockeye_slow_readers_total{action=\"lagged\"}", 0.0),
        ("sockeye_queue_bytes", 0.0),
        ("sockeye_authentications_total{outcome=\"none\"}", 7.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
    assert!(samples["sockeye_loop_turn_seconds_count"] > 8.0);
    assert!(samples["sockeye_bytes_sent_total"] > 1_000.0);
    assert!(samples["sockeye_history_bytes"] > 3.0);
}

#[test]
fn slow_readers_by_what_became_of_them() {
    let text = "x".repeat(16 * 1024);
    for (policy, action) in [(OnOverrun::Close, "closed"), (OnOverrun::Gap, "skipped")] {
        let server = start(|setup| {
            setup.hub.settings.history_messages_max = 8;
            setup.hub.settings.on_overrun = policy;
            // The reader answers no ping. It is to lag first, however slow the machine is.
            setup.server.ping_ms = 3_600_000;
        });
        let mut socket = Socket::commands(server.addr);
        socket.send(r#"{"type":"subscribe","channels":["a"]}"#);
        socket.until("sync");
        while server.run(|server| server.app().hub_stats().lagged) == 0 {
            publish(server.addr, "a", &text);
            let streams = server.run(|server| server.app().hub_stats().subscribers);
            assert_eq!(streams, 1, "the reader is gone before it lags");
        }
        assert!(scrape(&server)["sockeye_queue_bytes"] > 16_384.0, "it waits for the reader");
        for _ in 0..9 {
            publish(server.addr, "a", &text);
        }
        let by_action = format!("sockeye_slow_readers_total{{action=\"{action}\"}}");
        if policy == OnOverrun::Close {
            socket.until("goaway");
            assert_eq!(socket.closed().0, 4202);
            let closed =
                "sockeye_streams_closed_total{transport=\"websocket\",by=\"server\",code=\"4202\"}";
            expect(&server, &[(&by_action, 1.0), (closed, 1.0)]);
        } else {
            socket.until("gap");
            socket.until("sync");
            let caught_up = "sockeye_slow_readers_total{action=\"caught_up\"}";
            expect(&server, &[(&by_action, 1.0), (caught_up, 1.0)]);
            // What it fetched late is in the lag, beside what it got live.
            let samples = scrape(&server);
            let seen = samples["sockeye_delivered_total"] + samples["sockeye_replayed_total"];
            assert_eq!(samples["sockeye_delivery_lag_seconds_count"], seen);
        }
    }
}

#[test]
fn credentials_by_what_was_wrong_with_them() {
    let server = start(|setup| {
        let mut keys = Keys::new(Limits::default());
        let all = Identity { publish: Grants::everything(), ..Identity::anonymous() };
        keys.add_text("back", KEY, all).expect("a good key");
        setup.access = Some(Access::Guarded(Box::new(guarded_by(keys, Identity::anonymous()))));
    });
    let publish = |credential: &str| {
        let header = format!("Authorization: {credential}\r\n");
        ask(server.addr, "POST", "/v1/channels/a", &header, "x").status
    };
    assert_eq!(publish(&format!("ApiKey {KEY}")), 200);
    assert_eq!(publish("ApiKey nobody_has_this_key_that_I_know"), 401);
    assert_eq!(publish("Bearer a.b.c"), 401);
    assert_eq!(ask(server.addr, "POST", "/v1/channels/a", "", "x").status, 401);
    // A first message that says it.
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"auth","api_key":"nobody_has_this_key_that_I_know"}"#);
    assert_eq!(socket.closed().0, 4300);
    expect(
        &server,
        &[
            ("sockeye_authentications_total{outcome=\"ok\"}", 1.0),
            ("sockeye_authentications_total{outcome=\"none\"}", 2.0),
            ("sockeye_authentications_total{outcome=\"api_key_unknown\"}", 2.0),
            ("sockeye_authentications_total{outcome=\"token_key_unknown\"}", 1.0),
            ("sockeye_publications_refused_total{code=\"credentials_required\"}", 1.0),
            ("sockeye_requests_refused_total{code=\"api_key_unknown\"}", 1.0),
            (
                "sockeye_streams_closed_total{transport=\"websocket\",by=\"server\",code=\"4300\"}",
                1.0,
            ),
        ],
    );
    // Of all of them an operator hears once, until somebody has asked.
    let heard = server.run(|server| server.app_mut().take_refused()).expect("one");
    assert_eq!((heard.code, heard.target.as_str()), ("api_key_unknown", "/v1/channels/a"));
    assert_eq!((heard.others, heard.peer.map(|it| it.ip().is_loopback())), (2, Some(true)));
    assert_eq!(server.run(|server| server.app_mut().take_refused()), None);
}
