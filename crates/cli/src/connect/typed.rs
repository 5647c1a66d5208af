//! Parses a typed line: a message, or a command that begins with a slash.

use sockeye_client::websocket::{CloseCode, CloseFrame};

/// What `/help` says.
pub(super) const HELP: &str = "\
/ping [TEXT]            send a Ping
/close [CODE [REASON]]  close the connection
/quit                   the same as /close, and as Ctrl-D
/help                   this
//TEXT                  send /TEXT
A line that begins with a space is not kept in the history.";

/// Longest payload of a Ping.
const PING_BYTES_MAX: usize = 125;

/// The meaning of a typed line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed<'l> {
    Message(&'l str),
    Ping(&'l str),
    /// Close, with a code of the caller's and a reason.
    Close(Option<CloseCode>, &'l str),
    Help,
    /// An invalid command, and the reason.
    Wrong(String),
}

/// Parses a line.
pub(super) fn read(line: &str) -> Typed<'_> {
    let Some(command) = line.strip_prefix('/') else { return Typed::Message(line) };
    if command.starts_with('/') {
        return Typed::Message(command);
    }
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    let rest = rest.trim();
    match name {
        "ping" if rest.len() > PING_BYTES_MAX => {
            Typed::Wrong(format!("a Ping has at most {PING_BYTES_MAX} bytes"))
        }
        "ping" => Typed::Ping(rest),
        "close" => close(rest),
        "quit" => Typed::Close(None, ""),
        "help" => Typed::Help,
        _ => Typed::Wrong(format!(
            "there is no /{name}; /help names what there is, // sends a slash"
        )),
    }
}

fn close(rest: &str) -> Typed<'_> {
    if rest.is_empty() {
        return Typed::Close(None, "");
    }
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let reason = reason.trim_start();
    let Ok(number) = code.parse() else {
        return Typed::Wrong("a close code is a number: /close 1000 reason".to_owned());
    };
    let code = CloseCode::new(number);
    match CloseFrame::new(code, reason) {
        Ok(_) => Typed::Close(Some(code), reason),
        Err(_) if code.is_valid_on_wire() => {
            Typed::Wrong("a reason has at most 123 bytes".to_owned())
        }
        Err(_) => Typed::Wrong(format!("{number} cannot be sent as a close code")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_unless_it_begins_with_one_slash() {
        assert_eq!(read("hello /ping"), Typed::Message("hello /ping"));
        assert_eq!(read(""), Typed::Message(""));
        assert_eq!(read("//ping"), Typed::Message("/ping"));
        assert_eq!(read(" /ping"), Typed::Message(" /ping"));
    }

    #[test]
    fn commands() {
        assert_eq!(read("/ping"), Typed::Ping(""));
        assert_eq!(read("/ping  a b "), Typed::Ping("a b"));
        assert_eq!(read("/quit"), Typed::Close(None, ""));
        assert_eq!(read("/close"), Typed::Close(None, ""));
        let code = Some(CloseCode::new(4001));
        assert_eq!(read("/close 4001 good  bye"), Typed::Close(code, "good  bye"));
        assert_eq!(read("/help"), Typed::Help);
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let long = "é".repeat(63);
        for (line, why) in [
            ("/pong", "there is no /pong"),
            ("/close now", "is a number"),
            ("/close 1005", "1005 cannot be sent"),
            ("/close 99999", "is a number"),
            (&format!("/ping {long}"), "at most 125"),
            (&format!("/close 1000 {long}"), "at most 123"),
        ] {
            assert!(matches!(read(line), Typed::Wrong(text) if text.contains(why)), "{line}");
        }
    }
}
