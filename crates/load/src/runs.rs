//! Runs a load: checks its limits, opens the connections, plays the scenario, and prints the report.

mod delivery;
mod echo;
mod idle;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sockeye_frame::MaskKey;
use sockeye_terminal::{Failure, OrFail, notice, signals};

use super::args::{BenchAction, CommonOptions};
use super::load::{Lines, Scenario};
use super::measure::Meter;
use super::opening::Opener;
use super::process::Process;
use super::progress::Progress;
use super::report::Value;

/// Bytes in flight at a time, of all connections together.
const FLIGHT_BYTES_MAX: usize = 1 << 30;
/// Descriptors of the program itself.
const OWN_DESCRIPTORS: u64 = 32;
/// Bytes that a server may put around a message.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// Runs the load of a command line, prints its report, and fails if the server did something wrong.
pub fn run(action: &BenchAction) -> Result<(), Failure> {
    signals::note().or_fail(|| "cannot watch for signals".into())?;
    let done = match action {
        BenchAction::Echo(options) => echo::run(options),
        BenchAction::Idle(options) => idle::run(options),
        BenchAction::Fanout(options) => delivery::fanout(options),
        BenchAction::Sse(options) => delivery::sse(options),
    };
    if signals::is_asked() {
        if let Err(why) = &done {
            notice(format_args!("{why}"));
        }
        signals::end();
    }
    match done? {
        0 => Ok(()),
        1 => Err(Failure("the server did 1 thing wrong; see the report".into())),
        errors => Err(Failure(format!("the server did {errors} things wrong; see the report"))),
    }
}

/// Opens the connections and plays the scenario on them.
fn play(
    common: &CommonOptions,
    openers: Vec<Opener>,
    wanted: &[(usize, usize)],
    scenario: &mut impl Scenario,
) -> Result<Lines, Failure> {
    let lines = Lines::new().or_fail(|| "the system gives no poller".into())?;
    let mut lines = lines.with_ramp(openers, common.connect_rate, common.patience.0)?;
    for (opener, count) in wanted {
        lines.want(*opener, *count);
    }
    let mut progress = Progress::new(common.quiet);
    let played = lines.run(scenario, &mut progress);
    progress.finish();
    played?;
    lines.close_all(scenario)?;
    Ok(lines)
}

/// Makes sure that there are descriptors for the connections, and memory for the bytes in flight on each of
/// the `lines`.
fn prepare(connections: usize, lines: usize, flight_bytes: usize) -> Result<(), Failure> {
    let bytes = lines.saturating_mul(flight_bytes);
    if bytes > FLIGHT_BYTES_MAX {
        let (bytes, most) = (Value::Bytes(bytes as u64), Value::Bytes(FLIGHT_BYTES_MAX as u64));
        let (bytes, most) = (bytes.human(), most.human());
        return Err(Failure(format!(
            "{bytes} would be on their way at a time; at most {most} may be"
        )));
    }
    let needed = connections as u64 + OWN_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(most) = limit.maximum.filter(|most| *most < needed) {
        return Err(Failure(format!(
            "{connections} connections need {needed} descriptors, and the system gives {most} at most; \
             raise the limit (`ulimit -Hn`, as root) or take fewer connections"
        )));
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised)
        .or_fail(|| format!("cannot have {needed} descriptors (`ulimit -n`)"))
}

fn meter(common: &CommonOptions) -> Result<Meter, Failure> {
    let find = |pid| Process::new(pid).or_fail(|| format!("cannot look at process {pid}"));
    common.pid.map(find).transpose().map(Meter::new)
}

/// Makes the masking key of all frames of a run. RFC 6455 asks for keys that the author of a payload cannot
/// predict; here this program is the author of all payloads, so one key suffices.
fn mask_key() -> Result<MaskKey, Failure> {
    let mut key = [0; 4];
    getrandom::fill(&mut key).or_fail(|| "the system gives no random numbers".into())?;
    Ok(MaskKey::new(key))
}
