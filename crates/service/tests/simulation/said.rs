//! What the service says, in whatever form, as one thing.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::simulation::truth::Position;

/// One thing that a subscriber was told.
#[derive(Debug)]
pub(crate) enum Said {
    /// A place, as a heartbeat, a first frame and a pong tell it.
    Cursor(Position),
    Message(Message),
    Gap(Gap),
    Sync {
        at: Position,
        gaps: u64,
    },
    End {
        channel: String,
        at: Position,
    },
    Goaway {
        code: u64,
        at: Position,
    },
    Subscribed {
        channels: Vec<String>,
        at: Position,
    },
    /// An answer to `publish`, or an error.
    Answer(Value),
    Welcome,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) at: Position,
    pub(crate) data: Data,
    /// A raw event does not say it.
    pub(crate) envelope: Option<Envelope>,
    /// An envelope may have it inside.
    pub(crate) event: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) channel: String,
    pub(crate) time_ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Text(String),
    Json(String),
    /// An event's data: either of the two.
    Bare(String),
}

#[derive(Debug)]
pub(crate) struct Gap {
    /// A channel, a pattern, or nothing for all.
    pub(crate) scope: Option<String>,
    pub(crate) reason: String,
    pub(crate) missed: Option<(u64, u64)>,
    pub(crate) ended: bool,
}

impl Gap {
    /// Whether nobody knows how much is missing.
    pub(crate) fn is_fault(&self) -> bool {
        ["epoch", "ahead", "forked", "unreadable"].contains(&&*self.reason)
    }
}

/// All fields that any of the service's words have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words<'j> {
    r#type: Option<String>,
    channel: Option<String>,
    pattern: Option<String>,
    all: Option<bool>,
    cursor: Option<String>,
    time: Option<u64>,
    event: Option<String>,
    #[serde(borrow)]
    data: Option<&'j RawValue>,
    reason: Option<String>,
    missed: Option<Missed>,
    ended: Option<bool>,
    recovered: Option<bool>,
    gaps: Option<u64>,
    replayed: Option<u64>,
    code: Option<Value>,
    #[serde(rename = "retry_ms")]
    _retry_ms: Option<u64>,
    channels: Option<Vec<String>>,
    #[serde(rename = "session")]
    _session: Option<String>,
    #[serde(rename = "ping_ms")]
    _ping_ms: Option<u64>,
    #[serde(rename = "id")]
    _id: Option<Value>,
    #[serde(rename = "message")]
    _message: Option<String>,
}

#[derive(Deserialize)]
struct Missed {
    after: u64,
    through: u64,
}

/// The answer to a poll.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<'j> {
    cursor: String,
    #[serde(borrow)]
    messages: Vec<Words<'j>>,
    #[serde(borrow)]
    gaps: Vec<Words<'j>>,
    #[serde(borrow)]
    sync: Option<Words<'j>>,
    #[serde(borrow)]
    ended: Vec<Words<'j>>,
    more: bool,
}

/// Reads a message of the subprotocol.
pub(crate) fn word(json: &str) -> Said {
    if json.starts_with(r#"{"type":"published""#) {
        return Said::Answer(serde_json::from_str(json).expect("JSON"));
    }
    let words: Words<'_> = serde_json::from_str(json).unwrap_or_else(|it| panic!("{it}: {json}"));
    let kind = words.r#type.clone().expect("a type");
    words.said(&kind, json)
}

/// Reads the data of a control event of that name.
pub(crate) fn control(name: &str, json: &str) -> Said {
    let words: Words<'_> = serde_json::from_str(json).unwrap_or_else(|it| panic!("{it}: {json}"));
    words.said(name.strip_prefix('$').expect("a word of the service"), json)
}

/// Reads an enveloped event.
pub(crate) fn envelope(json: &str) -> Said {
    let words: Words<'_> = serde_json::from_str(json).unwrap_or_else(|it| panic!("{it}: {json}"));
    words.said("message", json)
}

/// Reads a poll's answer: what it says in the order of the log, its cursor, and if there is more.
pub(crate) fn answer(json: &str) -> (Vec<Said>, Position, bool) {
    let answer: Answer<'_> = serde_json::from_str(json).unwrap_or_else(|it| panic!("{it}: {json}"));
    let mut said: Vec<Said> = answer.gaps.into_iter().map(|it| it.said("gap", json)).collect();
    let mut entries: Vec<(Position, Said)> = Vec::new();
    for (kind, list) in [("message", answer.messages), ("end", answer.ended)] {
        entries.extend(list.into_iter().map(|it| (it.at(), it.said(kind, json))));
    }
    entries.sort_by_key(|(at, _)| *at);
    said.extend(entries.into_iter().map(|(_, it)| it));
    said.extend(answer.sync.map(|it| it.said("sync", json)));
    (said, Position::parse(&answer.cursor), answer.more)
}

impl Words<'_> {
    fn at(&self) -> Position {
        Position::parse(self.cursor.as_deref().expect("a cursor"))
    }

    fn said(self, kind: &str, json: &str) -> Said {
        match kind {
            "welcome" => Said::Welcome,
            "pong" => Said::Cursor(self.at()),
            "subscribed" => {
                let at = self.at();
                Said::Subscribed { channels: self.channels.expect("channels"), at }
            }
            "message" => Said::Message(Message {
                at: self.at(),
                data: data(self.data.expect("data").get()),
                envelope: Some(Envelope {
                    channel: self.channel.expect("a channel"),
                    time_ms: self.time.expect("a time"),
                }),
                event: self.event,
            }),
            "gap" => {
                let scope = self.channel.or(self.pattern);
                assert_eq!(self.all.is_some(), scope.is_none(), "{json}");
                let missed = self.missed.map(|it| (it.after, it.through));
                let reason = self.reason.expect("a reason");
                Said::Gap(Gap { scope, reason, missed, ended: self.ended == Some(true) })
            }
            "sync" => {
                let (at, gaps) = (self.at(), self.gaps.expect("a count"));
                assert_eq!(self.recovered, Some(gaps == 0), "{json}");
                assert!(self.replayed.is_some(), "{json}");
                Said::Sync { at, gaps }
            }
            "end" => Said::End { at: self.at(), channel: self.channel.expect("a channel") },
            "goaway" => {
                let code = self.code.as_ref().and_then(Value::as_u64).expect("a number");
                Said::Goaway { code, at: self.at() }
            }
            "error" => Said::Answer(serde_json::from_str(json).expect("JSON")),
            other => panic!("nobody knows {other:?}: {json}"),
        }
    }
}

fn data(json: &str) -> Data {
    match json.starts_with('"') {
        true => Data::Text(serde_json::from_str(json).expect("a string")),
        false => Data::Json(json.to_owned()),
    }
}
