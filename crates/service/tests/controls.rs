//! Control items, where the hub's own words become ours.

use std::rc::Rc;

use serde_json::{Value, json};
use sockeye_hub::{Cursor, Epoch, Reason, Scope, Seq, Span};
use sockeye_service::wire::{Code, Control, CursorText, Gap, PollBody, Problem, Rest};

fn written(control: Control<'_>) -> Value {
    let mut out = String::new();
    control.write_json(&mut out);
    serde_json::from_str(&out).expect("it is JSON")
}

#[test]
fn what_is_missing_is_said_only_where_it_is_known() {
    let missed = Span { after: Seq(3), through: Seq(9) };
    let known = json!({"after": 3, "through": 9});
    let cases = [
        (Reason::Epoch, "epoch", Value::Null),
        (Reason::Ahead, "ahead", Value::Null),
        (Reason::Forked, "forked", Value::Null),
        (Reason::Unreadable, "unreadable", Value::Null),
        (Reason::Trimmed, "trimmed", known.clone()),
        (Reason::Limit, "limit", known),
    ];
    for (reason, word, missing) in cases {
        let channel: Rc<str> = "a:b".into();
        let (channel, pattern) = (Scope::Channel(channel.clone()), Scope::Pattern(channel));
        for (scope, name) in [(channel, "channel"), (pattern, "pattern")] {
            let gap = sockeye_hub::Gap { scope, reason, missed, ended: false };
            let value = written(Control::Gap(Gap::from(&gap)));
            assert_eq!((&value["reason"], &value["missed"]), (&json!(word), &missing));
            assert_eq!(value[name], "a:b");
            let members = if missing.is_null() { 3 } else { 4 };
            assert_eq!(value.as_object().map(serde_json::Map::len), Some(members));
        }
    }
}

#[test]
fn of_a_name_that_is_none_a_start_is_echoed() {
    let problem = &Problem::new(Code::BadChannel, "a name has more than 200 bytes");
    let echoed = |name: &str| {
        let error = written(Control::Error { id: None, channel: Some(name), problem });
        error["channel"].as_str().expect("a string").to_owned()
    };
    let whole = "a".repeat(200);
    assert_eq!(echoed(&whole), whole);
    assert_eq!(echoed(&"a".repeat(10_000)), whole);
    assert_eq!(echoed(&"ä€".repeat(100)), "ä€".repeat(40), "and no character is cut");
    assert_eq!(echoed(&format!("a{}", "ä".repeat(200))), format!("a{}", "ä".repeat(99)));
}

#[test]
fn the_last_sync_of_a_poll_counts() {
    let at = |seq| CursorText::new(Cursor::new(Epoch(1), Seq(seq)));
    let mut poll = PollBody::new();
    poll.sync(&at(3), 1, 5);
    assert!(poll.is_empty(), "a sync wakes nobody");
    poll.sync(&at(4), 0, 0);
    let body: Value = serde_json::from_str(&poll.finish(&at(4), Rest::Nothing)).expect("JSON");
    let sync = json!({"cursor": "11-4", "recovered": true, "gaps": 0, "replayed": 0});
    assert_eq!(body["sync"], sync);
}
