//! `sockeye log export`: a log as lines of JSON.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;
use serde_json::value::RawValue;
use sockeye_hub::{Cursor, Epoch, Seq};
use sockeye_log::{ChannelState, End, Error, KeyState, Part, Record};
use sockeye_terminal::{Failure, OrFail as _};

use crate::disk;

/// Prints the log.
pub(super) fn export(dir: &Path) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let log = super::open(dir)?;
    let (mut epoch, mut messages) = (Epoch(0), 0_u64);
    let done = log.export(|part| {
        match &part {
            Part::Begin { epoch: found, .. } => epoch = Epoch(*found),
            Part::Record(_) => messages += 1,
            _ => {}
        }
        line(&part, epoch, messages, &mut out).map_err(Stopped::Output)
    });
    match done.and_then(|()| out.flush().map_err(Stopped::Output)) {
        Ok(()) => Ok(()),
        // Whoever read has enough.
        Err(Stopped::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stopped::Output(error)) => Err(error).or_fail(|| "cannot write".into()),
        Err(Stopped::Log(error)) => Err(super::failure("read", dir, error)),
    }
}

fn line(part: &Part, epoch: Epoch, messages: u64, out: &mut impl Write) -> std::io::Result<()> {
    let cursor = |seq| Cursor::new(epoch, Seq(seq)).to_string();
    let line = match part {
        Part::Begin { through, .. } => json!({ "log": cursor(*through) }),
        Part::Record(record) => message(record),
        Part::Channel(ChannelState { name, floor, last, ended }) => {
            json!({ "channel": name, "floor": floor, "last": last, "ended": ended })
        }
        Part::Key(KeyState { channel, key, seq, until_ms }) => {
            json!({ "key": key, "channel": channel, "seq": seq, "until_ms": until_ms })
        }
        Part::End(End { head, horizon, time_ms, runs }) => {
            let runs: Vec<_> = runs.iter().map(|run| (run.first, run.tag)).collect();
            let (end, horizon, log_ms) = (cursor(*head), *horizon, *time_ms);
            json!({ "end": end, "messages": messages, "horizon": horizon, "log_ms": log_ms,
                    "runs": runs })
        }
        _ => return Ok(()),
    };
    writeln!(out, "{line}")
}

fn message(record: &Record) -> serde_json::Value {
    let data = std::str::from_utf8(&record.body).ok();
    let data = data.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    json!({
        "seq": record.seq,
        "channel": record.channel,
        "time": disk::date_ms(record),
        "log_ms": record.time_ms,
        "kind": record.kind,
        "message": data,
    })
}

enum Stopped {
    Log(Error),
    Output(std::io::Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Log(error)
    }
}
