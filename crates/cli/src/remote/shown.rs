//! Formats the messages and gaps of `sockeye subscribe` as lines for a person.

use super::plain;

/// A message: time of day (UTC), channel, event, data.
pub(super) fn message(time_ms: u64, channel: &str, event: Option<&str>, data: &str) -> String {
    let event = event.map_or(String::new(), |event| format!(" [{}]", plain(event)));
    format!("{} {}{event} {}", time_of_day(time_ms), plain(channel), plain(data))
}

/// A gap of a channel, a pattern or all.
pub(super) fn gap(what: Option<&str>, reason: &str) -> String {
    let what = what.unwrap_or("all channels");
    let why = match reason {
        "epoch" => "the log has begun anew",
        "ahead" => "the log has lost what was seen",
        "forked" => "the log was put back to an older state",
        "trimmed" => "history does not reach back so far",
        "limit" => "there are too many",
        "unreadable" => "the cursor could not be read",
        other => &plain(other),
    };
    format!("-- {}: messages may be missing: {why}", plain(what))
}

fn time_of_day(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lines_that_stay_lines() {
        for (event, data, line) in [
            (None, "hello", "12:34:56.789 a hello"),
            (None, "two\nlines \u{1b}[31m", "12:34:56.789 a two\\nlines \\u{1b}[31m"),
            (Some("sold"), r#"{"seat": 12}"#, r#"12:34:56.789 a [sold] {"seat": 12}"#),
        ] {
            assert_eq!(message(45_296_789, "a", event, data), line);
        }
    }

    #[test]
    fn gaps_say_whose_and_why() {
        assert_eq!(
            gap(Some("a:*"), "epoch"),
            "-- a:*: messages may be missing: the log has begun anew"
        );
        assert_eq!(gap(None, "new\u{1b}"), "-- all channels: messages may be missing: new\\u{1b}");
    }
}
