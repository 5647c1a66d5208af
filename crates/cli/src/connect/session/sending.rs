//! Sends the lines of the input as messages, and carries out the commands that a person types.

use std::time::Instant;

use sockeye_client::UsageError;
use sockeye_client::websocket::Message;
use sockeye_terminal::plain::plain;

use super::Session;
use super::leaving::GOODBYE;
use crate::connect::input::Input;
use crate::connect::show;
use crate::connect::typed::{self, Typed};
use crate::endpoint::Problem;

/// While more than this waits to be sent, no more is read.
const UNSENT_BYTES_MAX: usize = 256 * 1024;

impl Session<'_> {
    /// Sends the lines that have come, as far as the network takes them.
    pub(super) fn send_all(&mut self) {
        while self.closing.is_none() && self.driver.unsent() < UNSENT_BYTES_MAX {
            let Some(line) = self.input.as_mut().and_then(Input::next) else { break };
            let line = line.to_vec();
            self.lines += 1;
            self.quiet_since = Instant::now();
            match (self.is_typed, str::from_utf8(&line)) {
                (true, Ok(text)) => self.typed(text),
                _ => self.send(&line),
            }
        }
        if self.driver.unsent() > 0 {
            self.quiet_since = Instant::now();
            if self.over_at.is_some() && !self.is_hurried {
                self.over_at = Some(self.quiet_since + GOODBYE);
            }
        }
        match self.input.as_ref().and_then(Input::end) {
            Some(Err(why)) if self.closing.is_none() => {
                let problem = Problem::Failed(why.to_owned());
                self.fail(problem);
            }
            _ => {}
        }
        if self.leave_at().is_some_and(|at| at <= Instant::now()) {
            self.leave();
        }
    }

    /// Carries out a typed line.
    fn typed(&mut self, line: &str) {
        match typed::read(line) {
            Typed::Message(text) => self.send(text.as_bytes()),
            Typed::Close(code, reason) => {
                self.close(code.unwrap_or_else(|| self.options.close_code()), reason);
            }
            Typed::Help => self.show(&format!("{}\n", typed::HELP)),
            Typed::Wrong(why) => self.notice(&plain(&why)),
            Typed::Ping(text) => {
                let sent = self.driver.act(|machine, _, out| machine.ping(text.as_bytes(), out));
                self.check(sent);
            }
        }
    }

    /// Sends a line as the kind of message that was asked for.
    fn send(&mut self, line: &[u8]) {
        let line_number = self.lines;
        let bytes;
        let message = if self.options.hex {
            match show::read_hex(line) {
                Some(read) => {
                    bytes = read;
                    Message::Binary(&bytes)
                }
                None => {
                    return self.refuse(format!("line {line_number} has other than hex digits"));
                }
            }
        } else if self.options.binary {
            Message::Binary(line)
        } else {
            match str::from_utf8(line) {
                Ok(text) => Message::Text(text),
                Err(_) => {
                    let why = "is not UTF-8, as texts are; --binary sends it";
                    return self.refuse(format!("line {line_number} {why}"));
                }
            }
        };
        let sent = self.driver.act(|machine, _, out| machine.send(message, out));
        self.check(sent);
    }

    /// A line cannot be sent: a person may try again.
    fn refuse(&mut self, why: String) {
        if self.is_typed {
            self.notice(&why);
        } else {
            self.fail(Problem::Failed(why));
        }
    }

    /// Ignores that the connection is not open any more: the server has closed it, and that is reported later.
    fn check(&mut self, sent: Result<(), UsageError>) {
        match sent {
            Ok(()) | Err(UsageError::NotOpen | UsageError::WebSocket(_)) => {}
            Err(error) => self.refuse(error.to_string()),
        }
    }
}
