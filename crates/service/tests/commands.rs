//! Commands of `sockeye.v1.json`: what is taken, and what each wrong one is told.

use std::borrow::Cow;

use sockeye_hub::{Cursor, Epoch, Seq};
use sockeye_service::wire::{
    Channels, Code, Command, Credential, Data, Expect, Id, Limits, Problem, Refused,
};

const LIMITS: Limits = Limits::DEFAULT;

fn refused(text: &str) -> (Option<Id<'_>>, Code, String) {
    match Command::parse(text.as_bytes(), &LIMITS) {
        Ok(command) => panic!("{command:?}"),
        Err(Refused { id, problem: Problem { code, message, .. } }) => {
            (id, code, message.into_owned())
        }
    }
}

#[test]
fn what_is_taken() {
    let text = br#"{"type":"subscribe","id":"s1","channels":["chat:7","news:*"],"cursor":"10-7"}"#;
    let Ok(Command::Subscribe { id, channels, cursor, presence }) = Command::parse(text, &LIMITS)
    else {
        panic!("it is one");
    };
    assert_eq!((id, presence), (Some(Id::Text("s1".into())), false));
    assert_eq!(
        (channels, cursor.as_deref()),
        (vec!["chat:7".into(), "news:*".into()], Some("10-7"))
    );

    let text = br#" {"channel":"a:b","data":"x","type":"publish","event":"e","key":"k","expect":"10-7","ttl_ms":9} "#;
    let Ok(Command::Publish { id: None, publish }) = Command::parse(text, &LIMITS) else {
        panic!("it is one");
    };
    assert_eq!(publish.channels, Channels::One("a:b".into()));
    assert_eq!(publish.payload.data, Data::text("x"));
    assert_eq!(publish.expect, Some(Expect::At(Cursor::new(Epoch(0), Seq(7)))));
    assert_eq!((publish.key.as_deref(), publish.payload.ttl_ms), (Some("k"), Some(9)));
}

#[test]
fn what_has_no_escapes_is_borrowed() {
    let text = br#"{"type":"unsubscribe","channels":["plain","esc\u0061ped"]}"#;
    let Ok(Command::Unsubscribe { channels, .. }) = Command::parse(text, &LIMITS) else {
        panic!("it is one");
    };
    assert!(matches!(channels[..], [Cow::Borrowed("plain"), Cow::Owned(_)]), "{channels:?}");
    assert_eq!(channels[1], "escaped");
}

/// [service:strict-fields]
#[test]
fn a_wrong_command_is_told_its_field_and_its_id() {
    let seven = Some(Id::Number(7));
    let cases = [
        (r#"{"id":7,"type":"ping","x\n":1}"#, r#"unknown field "x\n""#),
        (r#"{"id":7,"type":"nope"}"#, r#"unknown type "nope""#),
        (r#"{"id":7}"#, "type is missing"),
        (r#"{"id":7,"type":1}"#, "type has to be a string"),
        (r#"{"id":7,"type":"subscribe"}"#, "channels is missing"),
        (
            r#"{"id":7,"type":"subscribe","channels":["a"],"presence":1}"#,
            "presence has to be true or false",
        ),
        (r#"{"id":7,"type":"subscribe","channels":[]}"#, "channels is empty"),
        (r#"{"id":7,"type":"subscribe","channels":"a"}"#, "channels has to be an array of strings"),
        (
            r#"{"id":7,"type":"subscribe","channels":["a",2]}"#,
            "channels has to be an array of strings",
        ),
        (
            r#"{"id":7,"type":"subscribe","channels":["a"],"cursor":null}"#,
            "cursor has to be a string",
        ),
        (r#"{"id":7,"type":"publish","data":1}"#, "channel is missing"),
        (r#"{"id":7,"type":"publish","channel":"a"}"#, "data is missing"),
        (
            r#"{"id":7,"type":"publish","channel":"a","data":1,"ttl_ms":1.0}"#,
            "ttl_ms has to be a whole number",
        ),
        (
            r#"{"id":7,"type":"publish","channel":"a","data":1,"expect":"1"}"#,
            "expect has to be a sequence number or a cursor",
        ),
        (r#"{"id":7,"type":"publish","channels":["a"],"data":1}"#, "unknown field \"channels\""),
        (r#"{"id":7,"type":"subscribe","chanels":["a"]}"#, "unknown field \"chanels\""),
        (
            r#"{"id":7,"type":"auth","token":"a","ticket":"b"}"#,
            "auth has to have one of token, ticket and api_key",
        ),
        (r#"{"id":7,"type":"auth"}"#, "auth has to have one of token, ticket and api_key"),
        (r#"{"id":7,"type":"ping","type":"auth"}"#, "field \"type\" twice at line 1 column 28"),
        (r#"{"id":7,"type":"#, "not JSON at line 1, column 15"),
        (r#"{"id":7,"type":"ping"} {}"#, "not JSON at line 1, column 24"),
    ];
    for (text, message) in cases {
        assert_eq!(refused(text), (seven.clone(), Code::BadCommand, message.to_owned()), "{text}");
    }
    for (text, message) in [("", "not a JSON object"), ("[]", "not a JSON object")] {
        assert_eq!(refused(text), (None, Code::BadCommand, message.to_owned()));
    }
    let binary = Command::parse(b"{\xff", &LIMITS).expect_err("it is not text");
    assert_eq!(binary.problem.message, "not UTF-8");
}

#[test]
fn what_is_wrong_in_a_publication_has_its_own_code() {
    let cases = [
        (r#"{"type":"publish","channel":"a b","data":1}"#, Code::BadChannel),
        (r#"{"type":"publish","channel":"$a","data":1}"#, Code::BadChannel),
        (r#"{"type":"publish","channel":"a","data":1,"event":"$gap"}"#, Code::BadEvent),
        (r#"{"type":"publish","channel":"a","data":1,"key":""}"#, Code::BadKey),
        (r#"{"type":"publish","channel":"a","data":"\ud800"}"#, Code::BadJson),
        (r#"{"type":"publish","channel":"a","data":1,"ttl_ms":0}"#, Code::BadCommand),
    ];
    for (text, code) in cases {
        assert_eq!(refused(text).1, code, "{text}");
    }
}

#[test]
fn ids() {
    let long = "x".repeat(64);
    for good in ["0", "9007199254740991", r#""a""#, &format!("\"{long}\"")] {
        let text = format!(r#"{{"type":"ping","id":{good}}}"#);
        assert!(Command::parse(text.as_bytes(), &LIMITS).is_ok(), "{text}");
    }
    for bad in ["-1", "1.0", "9007199254740992", r#""""#, "null", "[1]", &format!("\"{long}x\"")] {
        let text = format!(r#"{{"type":"ping","id":{bad}}}"#);
        let (id, code, message) = refused(&text);
        assert_eq!((id, code), (None, Code::BadCommand), "{text}");
        assert_eq!(message, "id has to be a string of 1 to 64 bytes or a whole number below 2^53");
    }
}

/// [service:bound-channels]
#[test]
fn channels_are_bounded() {
    let command = |count| {
        let names: Vec<_> = (0..count).map(|at| format!("\"c{at}\"")).collect();
        format!(r#"{{"type":"subscribe","id":1,"channels":[{}]}}"#, names.join(","))
    };
    assert!(Command::parse(command(128).as_bytes(), &LIMITS).is_ok());
    let text = command(129);
    let (id, code, message) = refused(&text);
    assert_eq!((id, code), (Some(Id::Number(1)), Code::TooManyChannels));
    assert_eq!(message, "more than 128 channels at once");
}

/// [service:bound-fields]
#[test]
fn fields_are_bounded() {
    let many: Vec<_> = (0..17).map(|at| format!("\"f{at}\":0")).collect();
    let text = format!("{{{}}}", many.join(","));
    assert!(refused(&text).2.starts_with("more than 16 fields"));
}

/// [service:bound-depth]
#[test]
fn depth_is_bounded() {
    let command = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"type":"publish","channel":"a","data":{open}{close}}}"#)
    };
    assert!(Command::parse(command(64).as_bytes(), &LIMITS).is_ok());
    for depth in [65, 100_000] {
        let text = command(depth);
        let (_, code, message) = refused(&text);
        assert_eq!((code, &*message), (Code::BadJson, "the JSON is more than 64 levels deep"));
    }
    // Where no depth is allowed, none is walked into.
    let deep = format!(r#"{{"type":"ping","id":{}"#, "[".repeat(100_000));
    assert_eq!(refused(&deep).1, Code::BadCommand);
}

/// [service:auth-first]
#[test]
fn before_auth_nothing_else_is_read() {
    let first = |text: &str| {
        let parsed = Command::parse_first(text.as_bytes(), &LIMITS);
        parsed.map(|command| format!("{command:?}")).map_err(|refused| refused.problem.code)
    };
    let auth = r#"{"type":"auth","ticket":"secret"}"#;
    let shown = first(auth).expect("it is one");
    assert_eq!(shown, "Auth { id: None, credential: Ticket(…) }", "and the secret is not shown");
    assert_eq!(
        Command::parse(auth.as_bytes(), &LIMITS).map(|command| match command {
            Command::Auth { credential, .. } => credential,
            other => panic!("{other:?}"),
        }),
        Ok(Credential::Ticket("secret".into()))
    );
    assert_eq!(first(r#"{"type":"ping"}"#), Err(Code::Unauthenticated));
    assert_eq!(
        first(r#"{"type":"publish","channel":" ","data":"\ud800"}"#),
        Err(Code::Unauthenticated)
    );
    let long = format!(r#"{{"type":"auth","token":"{}"}}"#, "x".repeat(4096));
    assert_eq!(first(&long), Err(Code::TooLarge));
}
