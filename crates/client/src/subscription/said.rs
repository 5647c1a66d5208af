//! The parser of a hub's JSON messages, which are the same on all transports.

use core::fmt;
use core::marker::PhantomData;
use std::borrow::Cow;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::event::{Data, Gap, Publication, Target};
use super::position::Position;
use crate::HubError;

/// A message of the hub of a known kind.
pub(super) enum Said<'t> {
    Welcome { ping_ms: u64 },
    Subscribed,
    Message(Publication<'t>),
    Gap(Gap<'t>),
    Sync { recovered: bool, gaps: u64, replayed: u64 },
    End { channel: Cow<'t, str> },
    Error { channel: Option<Cow<'t, str>>, code: Cow<'t, str>, message: Cow<'t, str> },
    Goaway { code: u16, reason: Cow<'t, str>, retry_ms: Option<u64> },
}

/// A message, and the cursor in it.
pub(super) type Heard<'t> = (Said<'t>, Option<Cow<'t, str>>);

/// A cursor as text, and its place.
pub(super) struct Cursor<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) at: Position,
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// All fields that a message of any kind may have.
#[derive(Deserialize)]
struct Object<'t> {
    #[serde(borrow)]
    channel: Option<Text<'t>>,
    #[serde(borrow)]
    pattern: Option<Text<'t>>,
    all: Option<bool>,
    #[serde(borrow)]
    cursor: Option<Text<'t>>,
    time: Option<u64>,
    #[serde(borrow)]
    event: Option<Text<'t>>,
    #[serde(borrow, default, deserialize_with = "there")]
    data: Option<&'t RawValue>,
    #[serde(borrow)]
    reason: Option<Text<'t>>,
    missed: Option<Missed>,
    ended: Option<bool>,
    recovered: Option<bool>,
    gaps: Option<u64>,
    replayed: Option<u64>,
    /// A word in an `error`, a number in a `goaway`.
    #[serde(borrow)]
    code: Option<&'t RawValue>,
    #[serde(borrow)]
    message: Option<Text<'t>>,
    retry_ms: Option<u64>,
    ping_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Missed {
    after: u64,
    through: u64,
}

#[derive(Deserialize)]
struct Kind<'t> {
    #[serde(borrow)]
    r#type: Text<'t>,
}

/// Reads a field that may be `null`, as a value like any other.
fn there<'t, D: Deserializer<'t>>(from: D) -> Result<Option<&'t RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

const KINDS: [&str; 8] =
    ["welcome", "subscribed", "message", "gap", "sync", "end", "error", "goaway"];

/// Reads the kind of a message of the subprotocol.
pub(super) fn kind(json: &str) -> Result<Cow<'_, str>, HubError> {
    let kind: Kind<'_> = serde_json::from_str(json).map_err(|_| HubError::Strange)?;
    Ok(kind.r#type.0)
}

/// Reads a message of this kind, with its own cursor. `None` for an unknown kind, which newer hubs may send.
pub(super) fn read<'t>(kind: &str, json: &'t str) -> Result<Option<Heard<'t>>, HubError> {
    if !KINDS.contains(&kind) {
        return Ok(None);
    }
    let mut object: Object<'t> = serde_json::from_str(json).map_err(|_| HubError::Strange)?;
    let cursor = object.cursor.take().map(|text| text.0);
    object.said(kind).map(|said| Some((said, cursor))).ok_or(HubError::Strange)
}

/// Chooses between a message's own cursor and the one that came beside it, which may have a proof.
pub(super) fn cursor<'t>(
    beside: Option<&'t str>,
    own: Option<Cow<'t, str>>,
) -> Result<Option<Cursor<'t>>, HubError> {
    let read = |text: Cow<'t, str>| {
        let at = Position::parse(&text).ok_or(HubError::Strange)?;
        Ok(Cursor { text, at })
    };
    let beside = beside.filter(|text| !text.is_empty()).map(|text| read(Cow::Borrowed(text)));
    match (beside.transpose()?, own.map(read).transpose()?) {
        (Some(beside), Some(own)) if beside.at != own.at => Ok(Some(own)),
        (Some(cursor), _) | (None, Some(cursor)) => Ok(Some(cursor)),
        (None, None) => Ok(None),
    }
}

impl<'t> Object<'t> {
    fn said(self, kind: &str) -> Option<Said<'t>> {
        Some(match kind {
            "welcome" => Said::Welcome { ping_ms: self.ping_ms? },
            "subscribed" => Said::Subscribed,
            "message" => Said::Message(Publication {
                channel: self.channel?.0,
                // The caller puts the cursor here.
                cursor: Cow::Borrowed(""),
                time_ms: self.time?,
                event: self.event.map(|text| text.0),
                data: data(self.data?)?,
            }),
            "gap" => Said::Gap(Gap {
                target: match (self.channel, self.pattern, self.all) {
                    (Some(name), None, None) => Target::Channel(name.0),
                    (None, Some(name), None) => Target::Pattern(name.0),
                    (None, None, Some(true)) => Target::All,
                    _ => return None,
                },
                reason: self.reason?.0,
                missed: self.missed.map(|it| (it.after, it.through)),
                ended: self.ended.unwrap_or(false),
            }),
            "sync" => Said::Sync {
                recovered: self.recovered?,
                gaps: self.gaps?,
                replayed: self.replayed?,
            },
            "end" => Said::End { channel: self.channel?.0 },
            "error" => Said::Error {
                channel: self.channel.map(|text| text.0),
                code: text(self.code?)?,
                message: self.message?.0,
            },
            "goaway" => Said::Goaway {
                code: serde_json::from_str(self.code?.get()).ok()?,
                reason: self.reason?.0,
                retry_ms: self.retry_ms,
            },
            _ => return None,
        })
    }
}

fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(json.get()).ok().map(|text| text.0)
}

fn data(json: &RawValue) -> Option<Data<'_>> {
    if json.get().starts_with('"') {
        text(json).map(Data::Text)
    } else {
        Some(Data::Json(Cow::Borrowed(json.get())))
    }
}

/// The most entries of one list. A bound on bytes is not enough, because a small entry needs more memory here than in
/// JSON.
const ENTRIES_MAX: usize = 32 * 1024;

/// [client:hub-bounds] Reads a list of at most [`ENTRIES_MAX`] entries.
fn list<'t, D: Deserializer<'t>, T: Deserialize<'t>>(from: D) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);

    impl<'t, T: Deserialize<'t>> Visitor<'t> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {ENTRIES_MAX}")
        }

        fn visit_seq<A: SeqAccess<'t>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(entry) = entries.next_element()? {
                if list.len() == ENTRIES_MAX {
                    return Err(A::Error::invalid_length(ENTRIES_MAX + 1, &self));
                }
                list.push(entry);
            }
            Ok(list)
        }
    }

    from.deserialize_seq(List(PhantomData))
}

/// The answer to a poll.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) cursor: String,
    #[serde(deserialize_with = "list")]
    pub(super) messages: Vec<Box<RawValue>>,
    #[serde(deserialize_with = "list")]
    pub(super) gaps: Vec<Box<RawValue>>,
    pub(super) sync: Option<Box<RawValue>>,
    #[serde(deserialize_with = "list")]
    pub(super) ended: Vec<Box<RawValue>>,
    pub(super) more: bool,
}

/// The cursor of an object in an answer, as a place.
pub(super) fn place(json: &RawValue) -> Result<Position, HubError> {
    #[derive(Deserialize)]
    struct Place<'t> {
        #[serde(borrow)]
        cursor: Text<'t>,
    }
    let place: Place<'_> = serde_json::from_str(json.get()).map_err(|_| HubError::Strange)?;
    Position::parse(&place.cursor.0).ok_or(HubError::Strange)
}

/// The answer to a probe: the newest place of the log, and of some channels.
#[derive(Deserialize)]
pub(super) struct Positions {
    pub(super) cursor: String,
    /// The gap with which a subscription from the client's cursor begins.
    pub(super) gap: Option<String>,
    #[serde(deserialize_with = "list")]
    pub(super) channels: Vec<ChannelPosition>,
}

#[derive(Deserialize)]
pub(super) struct ChannelPosition {
    pub(super) channel: String,
    pub(super) last: u64,
    pub(super) ended: bool,
}

/// The body of a refusal.
#[derive(Deserialize)]
pub(super) struct Problem {
    pub(super) error: ProblemText,
}

#[derive(Deserialize)]
pub(super) struct ProblemText {
    pub(super) code: String,
}

/// The command `subscribe` of a WebSocket.
#[derive(Serialize)]
pub(super) struct Subscribe<'s> {
    pub(super) r#type: &'static str,
    pub(super) channels: &'s [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<&'s str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [client:hub-bounds]
    #[test]
    fn an_answers_lists_have_a_bound() {
        let answer = |gaps: usize, ended: usize| {
            let list = |len| vec!["0"; len].join(",");
            let (gaps, ended) = (list(gaps), list(ended));
            let json = format!(
                r#"{{"cursor":"","messages":[],"gaps":[{gaps}],"ended":[{ended}],"more":true}}"#
            );
            serde_json::from_str::<Answer>(&json).map(|it| (it.gaps.len(), it.ended.len()))
        };
        assert_eq!(answer(ENTRIES_MAX, 1).ok(), Some((ENTRIES_MAX, 1)));
        assert_eq!(answer(ENTRIES_MAX + 1, 1).ok(), None);
        assert_eq!(answer(1, ENTRIES_MAX + 1).ok(), None);
    }
}
