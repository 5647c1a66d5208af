//! A line of an export.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sockeye_hub::Cursor;
use sockeye_log::{ChannelState, KeyState, Run};
use sockeye_service::wire::{EventName, Payload};

/// A line that was read.
pub(super) enum Line<'l> {
    /// The log that follows, with its newest position.
    Begin(Cursor),
    Message(Message<'l>),
    Channel(ChannelState),
    Key(KeyState),
    End(Ended),
}

pub(super) struct Message<'l> {
    pub(super) seq: Option<u64>,
    pub(super) channel: Cow<'l, str>,
    /// The date that it shows.
    pub(super) time: Option<u64>,
    pub(super) log_ms: Option<u64>,
    pub(super) kind: u8,
    message: &'l RawValue,
}

/// What a message may have. A name that nobody knows, `event` in place of `e`, say, would be left out otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'l> {
    #[serde(borrow, rename = "e")]
    event: Option<&'l RawValue>,
    #[serde(borrow, rename = "t")]
    text: Option<&'l RawValue>,
    #[serde(borrow, rename = "j")]
    json: Option<&'l RawValue>,
    #[serde(borrow, rename = "l")]
    ttl_ms: Option<&'l RawValue>,
    #[serde(borrow, rename = "d")]
    date_ms: Option<&'l RawValue>,
}

impl Members<'_> {
    /// Names the member that no log could have.
    // [log:import]
    fn check(&self) -> Result<(), String> {
        if let Some(event) = text("e", self.event)? {
            EventName::new(&event).map_err(|why| format!("`e`: {}", why.message))?;
        }
        text("t", self.text)?;
        if let Some(json) = text("j", self.json)? {
            let value: Result<IgnoredAny, _> = serde_json::from_str(&json);
            value.map_err(|why| format!("`j`: its text is no JSON: {}", place_free(&why)))?;
        }
        number("l", self.ttl_ms)?;
        number("d", self.date_ms)
    }
}

fn text<'l>(name: &str, value: Option<&'l RawValue>) -> Result<Option<Cow<'l, str>>, String> {
    let text = value.map(|it| serde_json::from_str(it.get()).map(|Text(text)| text)).transpose();
    text.map_err(|_| format!("`{name}` is no text"))
}

fn number(name: &str, value: Option<&RawValue>) -> Result<(), String> {
    let number = value.map(|it| serde_json::from_str::<u64>(it.get())).transpose();
    number.map(drop).map_err(|_| format!("`{name}` is no whole number of milliseconds, 0 or more"))
}

#[derive(Deserialize)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

impl Message<'_> {
    /// What is published.
    pub(super) fn payload(&self) -> Result<Payload, String> {
        let text = self.message.get();
        if text.starts_with('{') {
            let members: Result<Members<'_>, _> = serde_json::from_str(text);
            let members = members.map_err(|why| format!("`message`: {}", place_free(&why)))?;
            members.check().map_err(|why| format!("`message`: {why}"))?;
        }
        Payload::from_log(text.as_bytes()).ok_or_else(|| {
            "`message` is no object with text (`{\"t\":\"hello\"}`) or with JSON as text \
             (`{\"j\":\"[1,2]\"}`); `e` names its event"
                .into()
        })
    }
}

/// The last line of a whole log.
pub(super) struct Ended {
    /// The highest position that was given out.
    pub(super) cursor: Cursor,
    pub(super) messages: u64,
    pub(super) horizon: u64,
    pub(super) log_ms: u64,
    pub(super) runs: Vec<Run>,
}

/// All names that a line may have.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Names<'l> {
    log: Option<&'l str>,
    end: Option<&'l str>,
    seq: Option<u64>,
    #[serde(borrow)]
    channel: Option<Cow<'l, str>>,
    time: Option<u64>,
    log_ms: Option<u64>,
    kind: Option<u8>,
    #[serde(borrow)]
    message: Option<&'l RawValue>,
    key: Option<String>,
    until_ms: Option<u64>,
    floor: Option<u64>,
    last: Option<u64>,
    ended: Option<u64>,
    messages: Option<u64>,
    horizon: Option<u64>,
    runs: Option<Vec<(u64, u32)>>,
}

impl<'l> Line<'l> {
    /// Reads a line; the problem says what was expected.
    pub(super) fn parse(text: &'l [u8]) -> Result<Self, String> {
        if !text.trim_ascii_start().starts_with(b"{") {
            return Err("no JSON object".into());
        }
        let names: Names<'l> = serde_json::from_slice(text).map_err(|why| problem(&why))?;
        Ok(match names {
            Names { log: Some(cursor), .. } => Self::Begin(cursor_of(cursor)?),
            Names { end: Some(_), .. } => Self::End(names.end()?),
            Names { channel: None, .. } => return Err("`channel` is missing".into()),
            Names { key: Some(_), .. } => Self::Key(names.key()?),
            Names { message: Some(_), .. } => Self::Message(names.message()?),
            Names { floor: Some(_), .. } => Self::Channel(names.channel()?),
            _ => return Err("neither a message nor a key nor a channel".into()),
        })
    }
}

impl<'l> Names<'l> {
    fn end(self) -> Result<Ended, String> {
        let runs = self.runs.unwrap_or_default();
        Ok(Ended {
            cursor: cursor_of(self.end.unwrap_or_default())?,
            messages: given("messages", self.messages)?,
            horizon: self.horizon.unwrap_or(0),
            log_ms: self.log_ms.unwrap_or(0),
            runs: runs.into_iter().map(|(first, tag)| Run { first, tag }).collect(),
        })
    }

    fn message(self) -> Result<Message<'l>, String> {
        let Self { seq, time, log_ms, .. } = self;
        let (channel, message) = (given("channel", self.channel)?, given("message", self.message)?);
        Ok(Message { seq, channel, time, log_ms, kind: self.kind.unwrap_or(0), message })
    }

    fn channel(self) -> Result<ChannelState, String> {
        let (name, ended) = (given("channel", self.channel)?.into_owned(), self.ended);
        let (floor, last) = (given("floor", self.floor)?, given("last", self.last)?);
        Ok(ChannelState { name, floor, last, ended })
    }

    fn key(self) -> Result<KeyState, String> {
        Ok(KeyState {
            channel: given("channel", self.channel)?.into_owned(),
            key: given("key", self.key)?,
            seq: given("seq", self.seq)?,
            until_ms: given("until_ms", self.until_ms)?,
        })
    }
}

/// Says what is wrong with a line, and at which column. The caller has the number of the line.
fn problem(why: &serde_json::Error) -> String {
    let text = why.to_string().replace(" at line 1 column ", " at column ");
    match why.is_syntax() || why.is_eof() {
        true => format!("no JSON: {text}"),
        false => text,
    }
}

/// What is wrong, without the place.
fn place_free(why: &serde_json::Error) -> String {
    let text = why.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn given<T>(name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("`{name}` is missing"))
}

fn cursor_of(text: &str) -> Result<Cursor, String> {
    Cursor::parse(text).ok_or_else(|| format!("{text:?} is no cursor"))
}
