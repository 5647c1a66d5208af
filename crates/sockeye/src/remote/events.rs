//! Server-sent events.

use core::convert::Infallible;
use std::time::Duration;

use sockeye_sse::{Config, Item, Limits, Parser};

use super::http::Line;
use super::session::Session;
use super::{Break, Remote};

/// How long the server may be silent: four of its heartbeats.
const SILENCE: Duration = Duration::from_secs(60);
/// Largest event.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// Listens until the connection ends.
pub(super) fn listen(remote: &Remote, session: &mut Session) -> Result<Infallible, Break> {
    let mut line = Line::open(remote)?;
    let mut answer = line.get(remote, &session.query("/v1/sse?envelope=json"), None)?;
    match answer.status {
        // All channels have ended, and everything in them is known.
        204 => return Err(Break::Over),
        200 if answer.is_event_stream => {}
        _ => return Err(answer.refusal(&mut line)),
    }
    session.opened();
    line.expect_silence(SILENCE)?;
    let limits = Limits { bytes_held_max: EVENT_BYTES_MAX };
    let mut parser = Parser::new(Config { limits, ..Config::default() });
    let mut piece = Vec::new();
    loop {
        piece.clear();
        // The stream's own reconnection time is for exactly that.
        let retry_ms = parser.reconnection_ms().unwrap_or_default().min(super::RETRY_MS_MAX);
        match answer.body.next(&mut line, &mut piece) {
            Ok(true) => {}
            Ok(false) => {
                let why = "the server ended the stream".into();
                return Err(Break::Lost { why, retry_ms });
            }
            Err(Break::Lost { why, .. }) => return Err(Break::Lost { why, retry_ms }),
            Err(end) => return Err(end),
        }
        hear(&mut parser, &piece, session)?;
        session.heartbeat(Some(parser.last_event_id()));
    }
}

fn hear(parser: &mut Parser, mut input: &[u8], session: &mut Session) -> Result<(), Break> {
    while let Some(item) =
        parser.next(&mut input).map_err(|error| Break::Final(error.to_string()))?
    {
        let Item::Event(event) = item else { continue };
        let kind = event.event_type.strip_prefix('$').unwrap_or(event.event_type);
        // Names that are not words are none of the server's.
        if kind.bytes().all(|byte| byte.is_ascii_lowercase()) {
            session.hear_named(kind, event.data, Some(event.last_event_id))?;
        }
    }
    Ok(())
}
