//! Event streams and answers in gzip: what is compressed, for whom, and what is said of it.

use std::sync::OnceLock;

use sockeye_hub::PatternUse;
use sockeye_service::{CompressedAnswers, Namespaces, Rules};

use crate::caching::{self, KEY};
use crate::common::{Answered, Events, Running, Setup, ask, publish, start};

const GZIP: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n";
const ACCEPT: &str = "Accept-Encoding";

/// Text of so many bytes that compresses well.
fn long(bytes: usize) -> String {
    r#"{"type":"order","state":"shipped","item":"blue chair"},"#.repeat(bytes / 54 + 1)
}

fn get(server: &Running, target: &str, headers: &str) -> Answered {
    let answered = ask(server.addr, "GET", target, headers, "");
    assert!(matches!(answered.status, 200 | 304), "{target}: {answered:?}");
    answered
}

fn is_coded(answered: &Answered) -> bool {
    answered.header("Content-Encoding") == Some("gzip")
}

/// Whether a response says that it depends on `Accept-Encoding`.
fn varies(head: &str) -> bool {
    let lines = head.lines().filter_map(|line| line.strip_prefix("Vary: "));
    lines.flat_map(|line| line.split(", ")).any(|name| name == ACCEPT)
}

/// A counter of the page of metrics.
fn counted(server: &Running, name: &str) -> u64 {
    let page = get(server, "/metrics", "").body;
    let line = page.lines().find(|line| line.starts_with(&format!("sockeye_{name} ")));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).expect("it is there")
}

/// [service:compress-events] [service:compress-metrics]
#[test]
fn an_event_is_compressed_once_for_all_streams() {
    let server = start(|_| ());
    let target = "/v1/sse?channel=a:1";
    let mut plain = Events::open(server.addr, target, "");
    let mut coded: Vec<_> = (0..5).map(|_| Events::open(server.addr, target, GZIP)).collect();
    assert!(!plain.gunzips(), "{}", plain.head);
    assert!(coded.iter().all(Events::gunzips));
    assert!(coded.iter().chain([&plain]).all(|it| varies(&it.head)));
    for bytes in [10, 1_000, 20, 3_000] {
        publish(server.addr, "a:1", &long(bytes));
        // Each event is there before the next one is published.
        let event = plain.next_message();
        coded.iter_mut().for_each(|it| assert_eq!(it.next_message(), event));
    }
    assert!(coded[0].body_bytes * 3 < plain.body_bytes, "{}", coded[0].body_bytes);
    // Replayed, they are not compressed again.
    let mut late = Events::open(server.addr, "/v1/sse?channel=a:1&cursor=earliest", GZIP);
    for bytes in [10, 1_000, 20, 3_000] {
        assert_eq!(late.next_message().data, long(bytes));
    }
    assert_eq!(counted(&server, "compressed_texts_total"), 2);
    assert_eq!(counted(&server, "compressed_streams_opened_total"), 6);
    let text = counted(&server, "compressed_bytes_total{form=\"text\"}");
    let gzip = counted(&server, "compressed_bytes_total{form=\"gzip\"}");
    assert!(text > 4_000 && gzip * 3 < text, "{text} {gzip}");
    server.run(sockeye_server::Server::drain);
    for it in coded.iter_mut().chain([&mut late, &mut plain]) {
        it.until("$goaway");
        assert!(it.next().is_none(), "the stream and its member are whole");
    }
}

/// [service:compress-events]
#[test]
fn a_stream_is_in_gzip_only_where_that_is_configured() {
    let server = start(|setup| {
        let mut rules = Rules::default();
        rules.compress = false;
        let named = vec![("secret".to_owned(), rules)];
        setup.namespaces = Namespaces { rules: Rules::default(), named };
        setup.hub.settings.patterns = PatternUse::Allowed;
    });
    // [service:compress-namespace]
    for (target, is_coded) in [
        ("channel=open:1", true),
        ("channel=open:*", true),
        ("channel=secret:1", false),
        ("channel=open:1&channel=secret:1", false),
        ("channel=*:1", false),
    ] {
        let stream = Events::open(server.addr, &format!("/v1/sse?{target}"), GZIP);
        assert_eq!(stream.gunzips(), is_coded, "{target}");
        assert_eq!(varies(&stream.head), is_coded, "{target}");
        let old = Events::open(server.addr, &format!("/v1/sse?{target}"), "");
        assert!(!old.gunzips());
    }
    for channel in ["open:1", "secret:1"] {
        (0..5).for_each(|_| drop(publish(server.addr, channel, &long(1_000))));
        let page = get(&server, &format!("/v1/channels/{channel}/history"), GZIP);
        assert_eq!(is_coded(&page), channel == "open:1");
    }
    let off = start(|setup| {
        setup.limits.compression.events = false;
        setup.limits.compression.answers = CompressedAnswers::None;
    });
    (0..5).for_each(|_| drop(publish(off.addr, "a", &long(1_000))));
    let stream = Events::open(off.addr, "/v1/sse?channel=a", GZIP);
    assert!(!stream.gunzips() && !varies(&stream.head));
    for target in ["/v1/channels/a/history", "/v1/poll?channel=a&cursor=earliest", "/metrics"] {
        let page = get(&off, target, GZIP);
        assert!(!is_coded(&page) && !varies(&page.head), "{target}");
    }
}

/// Targets of answers above 1 KiB, and of one below, about `open:1` and others.
const TARGETS: [(&str, bool); 6] = [
    ("/v1/channels/open:1/history", true),
    ("/v1/poll?channel=open:1&cursor=earliest", true),
    ("/v1/poll?channel=open:1&cursor=earliest&wait=5", true),
    ("/v1/channels/open:1/history?limit=1", true),
    ("/metrics", true),
    ("/v1/position?channel=open:1", false),
];

/// An open server with messages.
fn open() -> &'static Running {
    static SERVER: OnceLock<Running> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = start(|_| ());
        (0..5).for_each(|_| drop(publish(server.addr, "open:1", &long(1_200))));
        server
    })
}

/// [service:compress-public]
#[test]
fn long_answers_are_compressed_for_who_takes_it() {
    let server = open();
    for (target, is_long) in TARGETS {
        let (plain, coded) = (get(server, target, ""), get(server, target, GZIP));
        assert!(!is_coded(&plain) && plain.body_bytes == plain.body.len());
        assert_eq!(is_coded(&coded), is_long, "{target}");
        if is_long {
            assert!(coded.body_bytes * 3 < coded.body.len(), "{target}: {}", coded.body_bytes);
        }
        if target != "/metrics" {
            assert_eq!(coded.body, plain.body, "{target}");
        }
        let refused = get(server, target, "Accept-Encoding: gzip;q=0\r\n");
        assert!(!is_coded(&refused), "{target}");
        let head = ask(server.addr, "HEAD", target, GZIP, "");
        assert_eq!((is_coded(&head), head.body_bytes), (is_long, 0), "{target}");
        if target != "/metrics" {
            assert_eq!(head.header("Content-Length"), coded.header("Content-Length"), "{target}");
        }
    }
}

/// [service:compress-public] A poll that waits is told of its coding when it asks.
#[test]
fn the_answer_to_a_poll_that_waited_is_compressed() {
    let server = start(|_| ());
    let addr = server.addr;
    let target = "/v1/poll?channel=a&wait=60";
    let poll = std::thread::spawn(move || ask(addr, "GET", target, GZIP, ""));
    server.wait_for_streams(1);
    publish(addr, "a", &long(5_000));
    let answered = poll.join().expect("an answer");
    assert!(is_coded(&answered) && answered.body_bytes < 1_000, "{answered:?}");
    assert_eq!(answered.json()["messages"][0]["data"].as_str(), Some(&*long(5_000)));
    // A position of many channels waits for its turn.
    let many: Vec<String> = (0..60).map(|at| format!("channel=many:{at}")).collect();
    let position = get(&server, &format!("/v1/position?{}", many.join("&")), GZIP);
    assert!(is_coded(&position), "{}", position.head);
    assert_eq!(position.json()["channels"].as_array().map(Vec::len), Some(60));
}

/// [service:compress-public] A page that is cut at the bytes of an answer is a little longer than these.
#[test]
fn a_full_page_is_compressed_and_a_longer_text_is_not() {
    let server = start(|setup| setup.server.body_bytes_max = 1 << 20);
    publish(server.addr, "a", &"word ".repeat(13_080));
    let page = get(&server, "/v1/channels/a/history", GZIP);
    assert!(page.body.len() > 64 * 1_024, "{}", page.body.len());
    assert!(is_coded(&page), "{} bytes", page.body.len());
    // Each byte of this text is six bytes of JSON.
    publish(server.addr, "b", &"\u{1}".repeat(30_000));
    let page = get(&server, "/v1/channels/b/history", GZIP);
    assert!(page.body.len() > 150_000 && !is_coded(&page), "{}", page.body.len());
}

/// [service:compress-etag] [service:cache-vary]
#[test]
fn both_forms_of_an_answer_have_a_weak_tag() {
    let server = open();
    for target in ["/v1/channels/open:1/history", "/v1/poll?channel=open:1&cursor=earliest"] {
        let (plain, coded) = (get(server, target, ""), get(server, target, GZIP));
        let tag = |answered: &Answered| answered.header("ETag").map(str::to_owned);
        let (plain_tag, coded_tag) = (tag(&plain).expect("a tag"), tag(&coded).expect("a tag"));
        assert!(coded_tag.starts_with("W/"), "{coded_tag}");
        assert_eq!(coded_tag.trim_start_matches("W/"), plain_tag.trim_start_matches("W/"));
        for (accept, own) in [(GZIP, &coded_tag), ("", &plain_tag)] {
            for known in [&coded_tag, &plain_tag] {
                let known = get(server, target, &format!("{accept}If-None-Match: {known}\r\n"));
                assert_eq!((known.status, known.body_bytes), (304, 0), "{target}");
                assert_eq!(tag(&known).as_ref(), Some(own), "the tag that a 200 would have");
                assert!(varies(&known.head) && !is_coded(&known), "{}", known.head);
                assert_eq!(known.header("Cache-Control"), plain.header("Cache-Control"));
            }
        }
        for answered in [&plain, &coded] {
            let lines = answered.head.lines().filter(|line| line.starts_with("Vary: "));
            assert_eq!(lines.count(), 1, "{}", answered.head);
            assert!(varies(&answered.head), "{}", answered.head);
        }
    }
}

/// [service:compress-public] [service:compress-no-proof]
#[test]
fn an_answer_to_somebody_is_compressed_only_if_that_is_configured() {
    for answers in [CompressedAnswers::Public, CompressedAnswers::All, CompressedAnswers::None] {
        let server = start(|setup: &mut Setup| {
            caching::guarded(setup);
            setup.limits.compression.answers = answers;
            setup.limits.compression.answer_bytes_min = 0;
        });
        let text = long(3_000);
        ask(server.addr, "POST", "/v1/channels/news:1", KEY, &text);
        let ticket = r#"{"channels":["news:>"],"session_ms":60000}"#;
        let headers = format!("{KEY}{GZIP}");
        // The answers that hold a credential, or an outcome: never.
        let issued = ask(server.addr, "POST", "/v1/tickets", &headers, ticket);
        let receipt = ask(server.addr, "POST", "/v1/channels/news:1", &headers, &text);
        for answered in [&issued, &receipt] {
            assert!(answered.status == 200 && !is_coded(answered), "{answered:?}");
        }
        let issued = issued.json();
        let ticket = format!("&ticket={}", issued["ticket"].as_str().expect("a ticket"));
        let poll = "/v1/poll?channel=news:1&cursor=earliest";
        let with = get(&server, &format!("{poll}{ticket}"), GZIP);
        assert!(with.json()["cursor"].as_str().is_some_and(|it| it.contains('~')), "a proof");
        for (answered, wanted) in [
            (get(&server, poll, GZIP), answers != CompressedAnswers::None),
            (get(&server, poll, &headers), answers == CompressedAnswers::All),
            (with, false),
        ] {
            assert_eq!(is_coded(&answered), wanted, "{answers:?} {}", answered.head);
            assert_eq!(answered.json()["messages"].as_array().map(Vec::len), Some(2));
        }
    }
}

/// [service:compress-events] One line of `Vary` names all that a stream depends on.
#[test]
fn a_stream_for_a_page_of_another_origin_varies_by_both() {
    let server = start(caching::guarded);
    for origin in ["", "Origin: https://app.example\r\n"] {
        let headers = format!("{KEY}{GZIP}{origin}");
        let stream = Events::open(server.addr, "/v1/sse?channel=news:1", &headers);
        let lines: Vec<_> = stream.head.lines().filter(|it| it.starts_with("Vary: ")).collect();
        assert_eq!(lines, ["Vary: Origin, Accept-Encoding"], "{}", stream.head);
        assert!(stream.gunzips());
    }
}

/// [service:compress-presence] The names of several users are never compressed together.
#[test]
fn an_event_of_presence_is_stored() {
    let server = start(|setup| setup.namespaces.rules.presence_ms = Some(0));
    let mut watcher = Events::open(server.addr, "/v1/sse?channel=a&presence=true", GZIP);
    assert!(watcher.gunzips());
    server.run(|server| {
        let mut limits = sockeye_server::Limits::default();
        limits.gzip.text_bytes_min = 0;
        server.set_limits(limits);
    });
    let _other = Events::open(server.addr, "/v1/sse?channel=a", "");
    while watcher.until("$presence")["streams"] != 2 {}
    assert_eq!(counted(&server, "compressed_texts_total"), 0);
    publish(server.addr, "a", "text");
    assert_eq!(watcher.next_message().data, "text");
    assert_eq!(counted(&server, "compressed_texts_total"), 1);
}
