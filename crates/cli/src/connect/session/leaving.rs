//! Ends a connection: decides when to close, how long to wait, and whether the end is a success.

use std::time::{Duration, Instant};

use sockeye_client::sans_io;
use sockeye_client::websocket::{CloseCode, Closed};
use sockeye_client::{Deadline, Error, Machine as _};
use sockeye_terminal::plain::{JsonLine, plain};

use super::Session;
use crate::connect::show::{self, Form};
use crate::endpoint::Problem;
use crate::endpoint::output::Stop;
use crate::endpoint::words::waiting;

/// The payload of the last Ping. A server that works in order has answered everything before it sends this Pong.
pub(super) const LAST_PING: &[u8] = b"the end";
/// How long the client waits for the Pong to its last Ping.
const LAST_PONG: Duration = Duration::from_secs(5);
/// How long the client waits for the server's Close frame after its own, and then for the connection's end.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// Reports a late answer or a violation, and ends a connection whose time is over.
    pub(super) fn look_at_time(&mut self) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.word_at) {
            self.word_at = None;
            self.notice(waiting(self.driver.is_connected()));
        }
        let failure = self.driver.machine().failure().filter(|_| !self.is_told);
        if let Some(words) = failure.map(|error| self.way.explain(error)) {
            // The client's Close frame names the violation, too, and the server may still read it.
            (self.is_told, self.over_at) = (true, Some(now + GOODBYE));
            self.tell(&words);
        }
        if is_due(self.over_at) {
            self.over_at = None;
            let why = Error::TimedOut(Deadline::Close);
            self.driver.act(|machine, now, _| machine.disconnected(now, why));
        }
    }

    /// Closes; in a pipe it sends a last Ping first and waits for the Pong. Messages behind the client's Close frame
    /// are not delivered any more, so all answers of the server have to come before it.
    pub(super) fn leave(&mut self) {
        let is_first = self.last_pong_until.is_none() && !self.is_typed;
        let ping =
            |machine: &mut sans_io::WebSocket, out: &mut Vec<u8>| machine.ping(LAST_PING, out);
        if is_first && self.driver.act(|machine, _, out| ping(machine, out)).is_ok() {
            self.last_pong_until = Some(Instant::now() + LAST_PONG);
        } else {
            self.close(self.options.close_code(), "");
        }
    }

    /// When the client closes, if nothing happens until then.
    pub(super) fn leave_at(&self) -> Option<Instant> {
        let is_over = self.input.as_ref().is_some_and(|input| input.end().is_some());
        if self.closing.is_some() || !is_over {
            return None;
        }
        if self.last_pong_until.is_some() {
            return self.last_pong_until;
        }
        let linger_ms = if self.is_typed { Some(0) } else { self.options.linger_ms() };
        self.quiet_since.checked_add(Duration::from_millis(linger_ms?))
    }

    pub(super) fn fail(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
        self.close(self.options.close_code(), "");
    }

    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        let closed = self.driver.act(|machine, now, out| machine.close(now, code, reason, out));
        if closed.is_ok() {
            (self.closing, self.over_at) = (Some(code), Some(Instant::now() + GOODBYE));
        }
    }

    /// Closes the connection after a signal, or when the reader of the output has left.
    pub(super) fn stopped(&mut self, stop: Stop) -> Result<(), Problem> {
        match stop {
            Stop::Failed(error) => return Err(Problem::failed("cannot write", error)),
            Stop::NoReader => {
                self.is_muted = true;
                self.output.bytes.clear();
            }
            Stop::Signal if !self.driver.machine().is_open() && self.input.is_none() => {
                return Err(Problem::Failed("interrupted before the connection was open".into()));
            }
            Stop::Signal => {}
        }
        self.is_hurried = true;
        self.close(self.options.close_code(), "");
        Ok(())
    }

    /// Returns the error of a connection that ended without a closing handshake. An error that made the client close
    /// comes before the error with which the connection then ended.
    pub(super) fn lost(&mut self, error: &Error) -> Problem {
        if self.is_told {
            return Problem::Told;
        }
        self.problem.take().unwrap_or_else(|| Problem::Failed(self.way.explain(error)))
    }

    /// Decides whether a closed connection is a success, by its close code and what happened before.
    pub(super) fn judge(&mut self, closed: Closed) -> Result<(), Problem> {
        let code = closed.code;
        if self.form == Form::Json && !self.is_muted {
            let reason = Some(self.reason.as_str()).filter(|reason| !reason.is_empty());
            let line = JsonLine::of("close").field("code", &code.to_u16()).maybe("reason", reason);
            line.field("clean", &closed.clean).push_to(&mut self.output.bytes);
        }
        let who = if self.closing.is_some() { "closed" } else { "closed by the server" };
        let mut words = format!("{who}: {}", show::code_words(code));
        if !self.reason.is_empty() {
            words.push_str(&format!(", {}", plain(&self.reason)));
        }
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        let good = [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::NO_STATUS];
        if !closed.clean || !(good.contains(&code) || self.closing == Some(code)) {
            return Err(Problem::Failed(words));
        }
        if self.options.one && !self.heard {
            return Err(Problem::Failed(format!("{words}; no message has come")));
        }
        let has_more = self.closing.is_none()
            && !self.is_typed
            && self.input.as_mut().is_some_and(|input| input.next().is_some());
        if has_more {
            return Err(Problem::Failed(format!("{words}; not all of the input was sent")));
        }
        self.notice(&words);
        Ok(())
    }
}
