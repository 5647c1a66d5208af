//! Polls: each answer is everything until then.

use core::convert::Infallible;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::http::{Answer, Line};
use super::session::Session;
use super::{Break, Remote, known_ends};

/// How long the server may keep a poll, in seconds.
const WAIT_S: u64 = 25;
/// How long its answer may take.
const SILENCE: Duration = Duration::from_secs(WAIT_S + 20);
/// From one short poll to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// When polls are to be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Polls {
    /// When there is something.
    Long,
    /// At once.
    Short,
}

#[derive(Deserialize)]
struct Body<'t> {
    cursor: String,
    #[serde(borrow)]
    messages: Vec<&'t RawValue>,
    #[serde(borrow)]
    gaps: Vec<&'t RawValue>,
    #[serde(borrow)]
    sync: Option<&'t RawValue>,
    #[serde(borrow)]
    ended: Vec<&'t RawValue>,
    more: bool,
}

/// Polls until the connection ends.
pub(super) fn listen(
    polls: Polls,
    remote: &Remote,
    session: &mut Session,
) -> Result<Infallible, Break> {
    let mut line = Line::open(remote)?;
    known_ends::strike(&mut line, remote, session)?;
    line.expect_silence(SILENCE)?;
    let mut tag = None;
    loop {
        // Without a cursor, what comes while the first answer is on its way would be missed.
        let wait = if polls == Polls::Short || session.cursor().is_none() { 0 } else { WAIT_S };
        let path = session.query(&format!("/v1/poll?wait={wait}"));
        let mut answer = line.get(remote, &path, tag.as_deref())?;
        let keep_alive = answer.keep_alive;
        tag = answer.tag.take();
        let more = take(answer, &mut line, session)?;
        if !keep_alive {
            line = Line::open(remote)?;
            line.expect_silence(SILENCE)?;
        }
        if polls == Polls::Short && !more {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Takes in an answer; whether there is more.
fn take(mut answer: Answer, line: &mut Line, session: &mut Session) -> Result<bool, Break> {
    match answer.status {
        200 => {}
        204 | 304 => {
            session.opened();
            session.heartbeat(answer.cursor.as_deref());
            session.caught_up()?;
            return Ok(false);
        }
        _ => return Err(answer.refusal(line)),
    }
    session.opened();
    let body = answer.whole(line)?;
    let body: Body<'_> = serde_json::from_slice(&body)
        .map_err(|error| Break::Final(format!("the server says strange things: {error}")))?;
    for gap in body.gaps {
        session.hear_named("gap", gap.get(), None)?;
    }
    for message in body.messages {
        session.hear_named("message", message.get(), None)?;
    }
    if let Some(sync) = body.sync {
        session.hear_named("sync", sync.get(), Some(&body.cursor))?;
    }
    for end in body.ended {
        session.hear_named("end", end.get(), Some(&body.cursor))?;
    }
    session.heartbeat(Some(&body.cursor));
    if !body.more {
        session.caught_up()?;
    }
    Ok(body.more)
}
