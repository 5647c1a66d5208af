//! Publications over HTTP, targets and cursors.

use std::borrow::Cow;

use sockeye_hub::{Check, Cursor, Epoch, Reason, Seq, Start, Token};
use sockeye_server::Time;
use sockeye_service::sequencing::LogClock;
use sockeye_service::wire::{
    Batch, Channels, Code, CursorText, Data, EventName, Expect, Limits, Options, Payload, Problem,
    Publish, Query, path_segment, publish_json, publish_raw, resume,
};

const LIMITS: Limits = Limits::DEFAULT;

fn query(text: &str) -> Query<'_> {
    Query::parse(Some(text), &LIMITS).expect("it can be decoded")
}

fn raw<'t>(media: &str, body: &[u8], options: Options<'t>) -> Result<Publish<'t>, Problem> {
    publish_raw(Cow::Borrowed("a:b"), Some(media.as_bytes()), body, options, &LIMITS)
}

/// [service:json-kept]
#[test]
fn a_raw_body_is_text_unless_its_media_type_says_json() {
    let body = br#" {"n":123456789012345678901234567890,"n":1.0, "e":1e999} "#;
    let kept = str::from_utf8(body).expect("ASCII").trim();
    for media in ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"] {
        let publish = raw(media, body, Options::default()).expect("it is JSON");
        assert!(matches!(publish.payload.data, Data::Json(_)), "{media}");
        assert_eq!(publish.payload.data.as_str(), kept);
    }
    for media in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/xjson", ""]
    {
        let publish = raw(media, b" {} ", Options::default()).expect("it is text");
        assert_eq!(publish.payload.data, Data::text(" {} "), "{media}");
    }
    for (media, body, code) in [
        ("application/json", &b"{]"[..], Code::BadJson),
        ("application/json", b"", Code::BadJson),
        ("application/json", br#"["\ud800"]"#, Code::BadJson),
        // [service:utf8-bodies]
        ("application/json", b"\"\xff\"", Code::BadJson),
        ("text/plain", b"\xff", Code::BadRequest),
    ] {
        assert_eq!(raw(media, body, Options::default()).expect_err("it is not").code, code);
    }
}

/// A header line as the parser gives it.
fn bytes<'h>((name, value): (&'h str, &'h [u8])) -> (&'h [u8], &'h [u8]) {
    (name.as_bytes(), value)
}

#[test]
fn options_stand_in_the_query_or_in_headers_once() {
    let text = query("event=sold&expect=1a-7");
    let headers = [("idempotency-key", &b"k 1"[..]), ("Sockeye-Ttl-Ms", b"250"), ("Accept", b"*")];
    let options = Options::read(&text, headers.map(bytes)).expect("they are fine");
    assert_eq!((options.event.as_deref(), options.key.as_deref()), (Some("sold"), Some("k 1")));
    assert_eq!(options.ttl_ms, Some(250));
    assert_eq!(options.expect, Some(Expect::At(Cursor::new(Epoch(10), Seq(7)))));
    let publish = raw("", b"x", options).expect("it is fine");
    assert_eq!(publish.payload.event, EventName::new("sold").ok());

    let wrong = |text: &str, headers: &[(&str, &[u8])]| {
        let query = query(text);
        let problem =
            Options::read(&query, headers.iter().copied().map(bytes)).expect_err("it is wrong");
        assert_eq!(problem.code, Code::BadQuery);
        problem.message.into_owned()
    };
    assert_eq!(wrong("key=a", &[("Idempotency-Key", b"a")]), "key is given twice");
    assert_eq!(wrong("key=a&key=a", &[]), "\"key\" is given twice");
    assert_eq!(wrong("", &[("Sockeye-Event", b"\xff")]), "Sockeye-Event is not UTF-8");
    assert_eq!(wrong("expect=-1", &[]), "expect has to be a sequence number or a cursor");
    assert_eq!(wrong("ttl_ms=007", &[]), "ttl_ms has to be a whole number");
    for ttl_ms in [0, Limits::DEFAULT.ttl_ms_max + 1] {
        let options = Options { ttl_ms: Some(ttl_ms), ..Options::default() };
        let problem = raw("text/plain", b"x", options).expect_err("out of range");
        assert_eq!(problem.code, Code::BadQuery);
        assert_eq!(problem.message, "ttl_ms has to be 1 to 2592000000");
    }
}

#[test]
fn an_expected_position_is_of_one_life_of_the_log() {
    let at = Expect::At(Cursor::new(Epoch(1), Seq(7)));
    for reason in [None, Some(Reason::Ahead)] {
        assert_eq!(at.in_log(|_| reason), Ok(Seq(7)));
    }
    for reason in [Reason::Epoch, Reason::Forked] {
        let refused = at.in_log(|_| Some(reason)).map_err(|it| it.code);
        assert_eq!(refused, Err(Code::ExpectFailed));
        assert_eq!(Expect::Seq(Seq(7)).in_log(|_| Some(reason)), Ok(Seq(7)));
    }
}

/// [service:event-names]
#[test]
fn event_names() {
    let long = "x".repeat(64);
    for good in ["a", "sold out", "größe", "a$", &long] {
        assert!(EventName::new(good).is_ok(), "{good}");
    }
    let longer = format!("{long}x");
    for bad in ["", "$", "$gap", "a\n", "a\rdata: x", "\0", "a\u{7f}", "a\u{85}", &longer] {
        assert_eq!(EventName::new(bad).map_err(|it| it.code), Err(Code::BadEvent), "{bad:?}");
    }
}

/// [service:keys]
#[test]
fn keys_have_no_control_characters() {
    for key in ["", "a\nb", "\u{9b}"] {
        let options = Options { key: Some(key.into()), ..Options::default() };
        assert_eq!(raw("", b"", options).map_err(|it| it.code), Err(Code::BadKey), "{key:?}");
    }
}

#[test]
fn one_channel_or_several() {
    let publish = publish_json(br#"{"channels":["a:b","c"],"data":{"x":1}}"#, &LIMITS);
    let publish = publish.expect("it is fine");
    assert_eq!(publish.channels, Channels::Many(vec!["a:b".into(), "c".into()]));
    let names: Vec<_> = publish.channels.names().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(names, ["a:b", "c"]);
    let cases = [
        (r#"{"channels":["a","a"],"data":1}"#, Code::BadRequest, r#"channel "a" is named twice"#),
        (
            r#"{"channel":"a","channels":["b"],"data":1}"#,
            Code::BadRequest,
            "channel and channels exclude each other",
        ),
        (r#"{"data":1}"#, Code::BadRequest, "channel is missing"),
        (
            r#"{"channels":["a"],"data":1,"expect":0}"#,
            Code::BadRequest,
            "expect goes with one channel",
        ),
        (
            r#"{"channels":["a","\n"],"data":1}"#,
            Code::BadChannel,
            r#"invalid channel name "\n": '\n' at byte 1 is not allowed (allowed: A-Z a-z 0-9 _ . : ~ @ / -)"#,
        ),
        (r#"{"channel":"a","data":1,"dat":2}"#, Code::BadRequest, r#"unknown field "dat""#),
        (r#"{"channel":"a","data":}"#, Code::BadJson, "not JSON at line 1, column 23"),
    ];
    // [service:utf8-bodies]
    let binary = publish_json(b"{\"channel\":\"\xff\"}", &LIMITS).expect_err("it is not text");
    assert_eq!((binary.code, &*binary.message), (Code::BadJson, "the body is not UTF-8"));
    for (body, code, message) in cases {
        let problem = publish_json(body.as_bytes(), &LIMITS).expect_err("it is wrong");
        assert_eq!((problem.code, &*problem.message), (code, message), "{body}");
    }
}

#[test]
fn a_string_is_a_text_and_every_other_value_is_itself() {
    let data = |value: &str| {
        let body = format!(r#"{{"channel":"a","data":{value}}}"#);
        publish_json(body.as_bytes(), &LIMITS).expect("it is fine").payload.data
    };
    assert_eq!(data(r#""\u0041\n""#), Data::text("A\n"));
    for value in ["1.50", "null", r#"["\u0041" , 1]"#, r#"{"a":1,"a":2}"#] {
        assert_eq!(data(value), Data::json(value, &LIMITS).expect("it is JSON"));
        assert_eq!(data(value).as_str(), value);
    }
}

/// [service:json-unicode]
#[test]
fn half_a_surrogate_pair_is_refused() {
    for good in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#"["\ud83d\uDE00\u0041"]"#, r#""é😀""#] {
        assert!(Data::json(good, &LIMITS).is_ok(), "{good}");
    }
    for bad in
        [r#""\ud83d""#, r#""\ude00""#, r#"{"\ud83dx":1}"#, r#""\ud83d\u0041""#, r#""\ud83d\ud83d""#]
    {
        assert_eq!(Data::json(bad, &LIMITS).map_err(|it| it.code), Err(Code::BadJson), "{bad}");
    }
}

/// [service:batch-goes-on]
#[test]
fn a_bad_line_of_a_batch_does_not_stop_the_others() {
    let body = b"{\"channel\":\"a\",\"data\":1}\n\r\nnonsense\n\xff\n{\"channel\":\"b\",\"data\":\"x\"}\r\n{\"channels\":[\"b\"],\"data\":1}";
    let items: Vec<_> = Batch::new(body, &LIMITS)
        .expect("it is one")
        .map(|(line, item)| (line, item.map(|it| it.channels).map_err(|it| (it.code, it.message))))
        .collect();
    assert_eq!(
        items,
        [
            (1, Ok(Channels::One("a".into()))),
            (3, Err((Code::BadJson, "not JSON at line 1, column 2".into()))),
            // [service:utf8-bodies]
            (4, Err((Code::BadJson, "the line is not UTF-8".into()))),
            (5, Ok(Channels::One("b".into()))),
            (6, Err((Code::BadRequest, "unknown field \"channels\"".into()))),
        ]
    );
}

/// [service:bound-batch]
#[test]
fn a_batch_is_bounded_before_its_first_line_is_read() {
    let code = |body: &str| Batch::new(body.as_bytes(), &LIMITS).map(drop).map_err(|it| it.code);
    assert_eq!(code(&"x\n\n".repeat(1000)), Ok(()));
    assert_eq!(code(&"x\n".repeat(1001)), Err(Code::TooManyItems));
    assert_eq!(code(" \n\n"), Err(Code::BadRequest));
}

/// [service:strict-escapes]
#[test]
fn escapes_are_strict() {
    assert_eq!(path_segment("a%2Fb+c%c3%A4"), Ok(Cow::Borrowed("a/b+cä")));
    for bad in ["%", "%4", "%zz", "a%+1", "%ff", "%c3", "%ed%a0%80"] {
        assert_eq!(path_segment(bad).map_err(|it| it.code), Err(Code::BadQuery), "{bad}");
        let value = format!("channel={bad}");
        let name = format!("{bad}=x");
        for query in [&value, &name] {
            let parsed = Query::parse(Some(query), &LIMITS);
            assert_eq!(parsed.map_err(|it| it.code), Err(Code::BadQuery), "{query}");
        }
    }
    assert_eq!(query("event=a+b%2Bc&&x").one("event"), Ok(Some("a b+c")));
}

/// [service:bound-channels] [service:bound-query]
#[test]
fn parameters_are_bounded() {
    let many = |count| "channel=a&".repeat(count);
    let names = |count| {
        let text = many(count);
        query(&text).channels(&LIMITS).map(|it| it.len()).map_err(|it| it.code)
    };
    assert_eq!(names(128), Ok(128));
    assert_eq!(names(129), Err(Code::TooManyChannels));
    let (text, over) = (many(160), many(161));
    assert!(Query::parse(Some(&text), &LIMITS).is_ok());
    assert_eq!(Query::parse(Some(&over), &LIMITS).map_err(|it| it.code), Err(Code::BadQuery));
    assert_eq!(query("").channels(&LIMITS).map_err(|it| it.code), Err(Code::BadQuery));
}

#[test]
fn parameters_that_nobody_reads_are_named() {
    let query = query("channel=a&chanel=b&wait=x");
    assert_eq!(query.only(&["channel", "chanel", "wait"]), Ok(()));
    let problem = query.only(&["channel", "wait"]).expect_err("one is unknown");
    assert_eq!(problem.message, "unknown parameter \"chanel\"");
    let problem = query.number("wait").expect_err("it is none");
    assert_eq!(problem.message, "\"wait\" has to be a whole number");
    assert_eq!(format!("{query:?}"), r#"["channel", "chanel", "wait"]"#, "no values");
}

/// [service:cursor-sources]
#[test]
fn where_a_cursor_is_looked_for() {
    let id = |value: &'static str| ("last-event-id", value.as_bytes());
    let all = query("cursor=c&lastEventId=l&last_event_id=u");
    assert_eq!(resume([("Accept", &b"*"[..]), id("h")].map(bytes), &all), Some("h"));
    assert_eq!(resume([], &all), Some("u"));
    for (text, found) in
        [("cursor=c&lastEventId=l", Some("l")), ("cursor=c", Some("c")), ("a", None)]
    {
        assert_eq!(resume([], &query(text)), found);
    }
    // What is said twice, or not in UTF-8, is no silent start but a declared gap.
    let twice = query("cursor=10-7&cursor=10-7");
    let garbage = [
        resume([id("10-7"), id("10-7")].map(bytes), &all),
        resume([("Last-Event-ID", &b"\xff"[..])].map(bytes), &all),
        resume([], &twice),
    ];
    for text in garbage {
        assert_eq!(text.map(|text| Token::parse(text).start), Some(Start::Unreadable));
    }
}

/// [service:cursor-empty]
#[test]
fn an_empty_cursor_is_none() {
    let empty = ("Last-Event-ID", &b""[..]);
    for text in ["cursor", "cursor=", "last_event_id=&cursor="] {
        assert_eq!(resume([empty].map(bytes), &query(text)), None, "{text}");
    }
    assert_eq!(resume([empty].map(bytes), &query("last_event_id=&cursor=c")), Some("c"));
}

/// [service:cursor-text]
#[test]
fn a_cursor_stands_anywhere_and_comes_back() {
    let cursor = Cursor::new(Epoch(u64::MAX), Seq(u64::MAX));
    let cursor = Cursor { check: Check::new(u32::MAX), ..cursor };
    let text = CursorText::with_proof(cursor, "s_1~A.b-").expect("plain");
    let token = Token::parse(text.as_str());
    assert_eq!((token.start, token.proof), (Start::After(cursor), Some("s_1~A.b-")));
    assert_eq!(format!("{text:?}"), format!("CursorText({cursor})"), "no proof in logs");
    for bad in ["a b", "a\n", "é", "\"", "%0a"] {
        assert_eq!(CursorText::with_proof(cursor, bad), None, "{bad:?}");
    }
    let longest = "x".repeat(Token::BYTES_MAX - cursor.to_string().len() - 1);
    assert!(CursorText::with_proof(cursor, &longest).is_some());
    assert_eq!(CursorText::with_proof(cursor, &format!("{longest}x")), None);
}

#[test]
fn a_payload_knows_its_cost_and_its_time() {
    let event = EventName::new("sold").ok();
    let payload = Payload { event, ttl_ms: Some(10), ..Payload::new(Data::text("héllo")) };
    assert_eq!(payload.cost(), 10);
    let clock = LogClock::new();
    let first = clock.look(Time::from_millis(0), 1_000_000);
    let after = |ms| clock.look(Time::from_millis(ms), 5);
    assert!(!payload.is_expired(first.ms + 1, &after(10)));
    assert!(payload.is_expired(first.ms + 1, &after(11)));
    assert!(!Payload { ttl_ms: None, ..payload }.is_expired(0, &after(u64::MAX)));
}
