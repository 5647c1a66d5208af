//! What a hub says, on whichever transport.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::plain;

/// An object of the server's. What its `type` does not have is not there.
#[derive(Deserialize)]
pub(super) struct Said<'t> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) channel: Option<String>,
    pattern: Option<String>,
    pub(super) cursor: Option<String>,
    time: Option<u64>,
    event: Option<String>,
    #[serde(borrow)]
    data: Option<&'t RawValue>,
    pub(super) reason: Option<String>,
    /// A word in an `error`, a number in a `goaway`.
    #[serde(borrow)]
    pub(super) code: Option<&'t RawValue>,
    message: Option<String>,
    pub(super) retry_ms: Option<u64>,
    pub(super) gaps: Option<u64>,
    pub(super) replayed: Option<u64>,
    #[serde(default)]
    pub(super) ended: bool,
    pub(super) ping_ms: Option<u64>,
}

impl Said<'_> {
    /// A message as a line for a person: time of day (UTC), channel, event, data.
    pub(super) fn message_line(&self) -> String {
        let channel = plain(self.channel.as_deref().unwrap_or("?"));
        let event = self.event.as_deref();
        let event = event.map_or(String::new(), |event| format!(" [{}]", plain(event)));
        let data = self.data.map_or("null", RawValue::get);
        let data = match serde_json::from_str::<String>(data) {
            Ok(text) => plain(&text),
            Err(_) => plain(data),
        };
        format!("{} {channel}{event} {data}", time_of_day(self.time.unwrap_or_default()))
    }

    /// A gap as a line for a person.
    pub(super) fn gap_line(&self) -> String {
        let what = self.channel.as_deref().or(self.pattern.as_deref()).unwrap_or("all channels");
        let reason = self.reason.as_deref().unwrap_or("unknown");
        let why = match reason {
            "epoch" => "the log has begun anew",
            "ahead" => "the log has lost what was seen",
            "trimmed" => "history does not reach back so far",
            "limit" => "there are too many",
            "unreadable" => "the cursor could not be read",
            other => &plain(other),
        };
        format!("-- {}: messages may be missing: {why}", plain(what))
    }

    /// Why something was refused.
    pub(super) fn problem(&self) -> String {
        let code = self.code.map_or("", RawValue::get).trim_matches('"');
        let message = self.message.as_deref().unwrap_or("it was refused");
        format!("{} ({})", plain(message), plain(code))
    }
}

fn time_of_day(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said<'_> {
        serde_json::from_str(text).expect("an object")
    }

    #[test]
    fn messages_are_lines_that_stay_lines() {
        for (rest, line) in [
            (r#""data":"hello""#, "12:34:56.789 a hello"),
            (r#""data":"two\nlines \u001b[31m""#, "12:34:56.789 a two\\nlines \\u{1b}[31m"),
            (r#""event":"sold","data":{"seat": 12}"#, r#"12:34:56.789 a [sold] {"seat": 12}"#),
        ] {
            let text = format!(r#"{{"type":"message","channel":"a","time":45296789,{rest}}}"#);
            assert_eq!(said(&text).message_line(), line);
        }
    }

    #[test]
    fn gaps_say_whose_and_why() {
        let gap = said(r#"{"type":"gap","pattern":"a:*","reason":"epoch"}"#);
        assert_eq!(gap.gap_line(), "-- a:*: messages may be missing: the log has begun anew");
        let gap = said(r#"{"type":"gap","all":true,"reason":"new\u001b"}"#);
        assert_eq!(gap.gap_line(), "-- all channels: messages may be missing: new\\u{1b}");
    }
}
