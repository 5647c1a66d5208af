//! `sockeye testee`: the client under test of an Autobahn fuzzing server.

use sockeye_websocket::Message;

use crate::client::{Client, Target};
use crate::{Failure, OrFail};

/// Under what name the suite reports us.
const AGENT: &str = "sockeye";

/// Asks how many cases there are, echoes every message of each, has the report written.
pub(crate) fn run(url: &str) -> Result<(), Failure> {
    let target = Target::parse(url)?;
    let mut client = Client::new().or_fail(|| "cannot poll".into())?;
    let count = case_count(&mut client, &target)?;
    crate::say(format_args!("{count} cases"));
    let mut broken = 0;
    for case in 1..=count {
        let path = format!("/runCase?case={case}&agent={AGENT}");
        // Most cases end a connection in some unfriendly way; the suite is the judge of it.
        if let Err(error) = client.converse(&target, &path, |message| Some(message)) {
            log::debug!("case {case}: {error}");
            broken += 1;
        }
        if case % 50 == 0 || case == count {
            crate::say(format_args!("{case} of {count}"));
        }
    }
    client.converse(&target, &format!("/updateReports?agent={AGENT}"), |_| None)?;
    log::debug!("{broken} cases ended without a closing handshake");
    Ok(())
}

fn case_count(client: &mut Client, target: &Target) -> Result<usize, Failure> {
    let mut count = None;
    client.converse(target, "/getCaseCount", |message| {
        if let Message::Text(text) = message {
            count = text.parse().ok();
        }
        None
    })?;
    count.ok_or_else(|| Failure(format!("{target} did not tell how many cases there are")))
}
