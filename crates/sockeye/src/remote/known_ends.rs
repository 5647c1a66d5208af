//! Channels that had ended before they were asked for: who has their end already is told it no more,
//! and would wait for it.

use serde::Deserialize;
use sockeye_hub::Cursor;

use super::address::encode;
use super::http::Line;
use super::session::Session;
use super::{Break, Remote};

#[derive(Deserialize)]
struct Position {
    cursor: String,
    channels: Vec<Channel>,
}

#[derive(Deserialize)]
struct Channel {
    channel: String,
    last: u64,
    ended: bool,
}

/// Strikes out what has ended at or before the session's cursor. Says nothing of what cannot be found
/// out: subscribing will.
pub(super) fn strike(line: &mut Line, remote: &Remote, session: &mut Session) -> Result<(), Break> {
    let names = session.wanted().iter().filter(|name| !name.contains(['*', '>']));
    let mut path = "/v1/position?".to_owned();
    for name in names {
        path.push_str("channel=");
        encode(name, &mut path);
        path.push('&');
    }
    let mut answer = line.get(remote, path.trim_end_matches(['&', '?']), None)?;
    let body = answer.whole(line)?;
    if !answer.keep_alive {
        *line = Line::open(remote)?;
    }
    let Ok(position) = serde_json::from_slice::<Position>(&body) else { return Ok(()) };
    let at = session.cursor().unwrap_or_else(|| position.cursor.clone());
    let parse = |text: &str| Cursor::parse(text.split('~').next().unwrap_or_default());
    let (Some(at), Some(head)) = (parse(&at), parse(&position.cursor)) else { return Ok(()) };
    for channel in position.channels {
        if channel.ended && at.epoch == head.epoch && at.seq.0 >= channel.last {
            session.end(Some(&channel.channel))?;
        }
    }
    Ok(())
}
