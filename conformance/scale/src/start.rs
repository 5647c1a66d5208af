//! The run `start`: what a start costs does not depend on the number of messages in the log.
//!
//! No check compares a time by the clock: the processor time of a start with many messages is compared with that of a
//! start with few, in the same channels.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;
use crate::checks::Checks;
use crate::server::{Place, Server, Settings};

const CHANNELS: usize = 100;

const FEW: usize = 1_000;

/// To read all of these takes some seconds of processor time.
const MANY: usize = 300_000;

/// Processor time that a start with many messages may have above twice that with few, in microseconds.
const MORE_US_MAX: u64 = 150_000;

const CONFIG: &str = "\
[channels]
keep_messages = \"forever\"
keep_bytes = \"forever\"
keep_seconds = \"forever\"
[disk]
bytes = 1073741824
";

pub(crate) fn run(program: &Path, checks: &mut Checks) -> Result<(), Failure> {
    println!("start: {MANY} messages in the log, and {FEW}");
    let few_us = start(program, FEW, checks)?.into_iter().max().unwrap_or(0);
    let most_us = few_us * 2 + MORE_US_MAX;
    for (how, cpu_us) in ["the import", "kill -9"].into_iter().zip(start(program, MANY, checks)?) {
        let (few_ms, cpu_ms, most_ms) = (few_us / 1000, cpu_us / 1000, most_us / 1000);
        checks.that(
            cpu_us <= most_us,
            format_args!(
                "start after {how}: {cpu_ms} ms of processor time until it listens, at most {most_ms} \
                 (with few messages {few_ms})"
            ),
        );
    }
    Ok(())
}

/// Starts a server after an import of so many messages, and again after it was killed. Gives the processor time of both.
fn start(program: &Path, messages: usize, checks: &mut Checks) -> Result<[u64; 2], Failure> {
    let place = Place::new(&format!("start-{messages}"))?;
    import(program, &place, messages)?;
    let settings = Settings::new(program, &place, CONFIG, [127, 0, 48, 2]);
    let mut cpu_us = [0; 2];
    for cpu_us in &mut cpu_us {
        let server = Server::start(&settings)?;
        *cpu_us = server.cpu_us()?;
        // The oldest message is there, and is read when it is asked for.
        let page = server.get("/v1/channels/room:0/history?after=0&limit=1")?;
        checks.that(
            page.contains("\"the message 0 \""),
            format_args!("start: the oldest of {messages} is there"),
        );
        // Dropping it is kill -9.
    }
    Ok(cpu_us)
}

/// Writes messages of 200 bytes to a new log.
fn import(program: &Path, place: &Place, messages: usize) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(["log", "import", "--data"]).arg(place.data());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut lines = child.stdin.take().ok_or_else(|| Failure("no standard input".into()))?;
    let rest = "x".repeat(180);
    for first in (0..messages).step_by(1_000) {
        let mut text = String::new();
        for number in first..messages.min(first + 1_000) {
            let rest = if number == 0 { "" } else { &rest };
            writeln!(
                text,
                "{{\"channel\":\"room:{}\",\"message\":{{\"t\":\"the message {number} {rest}\"}}}}",
                number % CHANNELS
            )?;
        }
        lines.write_all(text.as_bytes())?;
    }
    drop(lines);
    let done = child.wait_with_output()?;
    match done.status.success() {
        true => Ok(()),
        false => Err(Failure(format!("no import: {}", String::from_utf8_lossy(&done.stderr)))),
    }
}
