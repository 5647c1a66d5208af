//! The generator: `sockeye bench` on the other core.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::pinned::{GENERATOR_CORE, on_core};
use crate::sample::{Sample, read};
use crate::scenario::{Before, Deliver, Echo, Idle, Way};
use crate::server::{Running, Server, with_port};

/// Longer than any run lasts.
pub(crate) const RUN_MAX: Duration = Duration::from_secs(120);

pub(crate) struct Generator {
    pub(crate) program: PathBuf,
    /// Seconds that are measured, and those before.
    pub(crate) measured_s: f64,
    pub(crate) warm_up_s: f64,
}

/// How long, or how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Extent {
    Usual,
    Seconds(f64),
    Messages(u64),
}

impl Generator {
    pub(crate) fn echo(
        &self,
        server: &Server,
        running: &Running,
        echo: Echo,
        rate: Option<f64>,
        extent: Extent,
    ) -> Result<Sample, String> {
        let url = server.places.echo.as_ref().ok_or("it has no echo")?;
        let mut args = vec![
            "echo".to_owned(),
            with_port(url, running.port),
            format!("--connections={}", echo.connections),
            format!("--bytes={}", echo.bytes),
            format!("--content={}", echo.content),
            format!("--pipeline={}", echo.pipeline),
        ];
        if echo.streams > 0 {
            args.push(format!("--streams={}", echo.streams));
        }
        if echo.deflate {
            args.push("--deflate".into());
        }
        args.extend(rate.map(|rate| format!("--rate={rate:.0}")));
        self.lengthen(&mut args, extent);
        read(&self.run(args, running.pid)?, "message")
    }

    pub(crate) fn deliver(
        &self,
        server: &Server,
        running: &Running,
        deliver: Deliver,
        extent: Extent,
    ) -> Result<Sample, String> {
        let (command, places) = match deliver.way {
            Way::WebSocket => ("fanout", &server.places.fanout),
            Way::Events => ("sse", &server.places.events),
        };
        if places.is_empty() {
            return Err(format!("it has no {command}"));
        }
        let mut args = vec![
            command.to_owned(),
            format!("--connections={}", deliver.subscribers / deliver.streams.max(1)),
            format!("--bytes={}", deliver.bytes),
            format!("--in-flight={}", deliver.in_flight),
        ];
        if deliver.deflate {
            args.push("--deflate".into());
        }
        if deliver.streams > 0 {
            args.push(format!("--streams={}", deliver.streams));
        }
        args.extend(places.iter().map(|place| with_port(place, running.port)));
        self.lengthen(&mut args, extent);
        read(&self.run(args, running.pid)?, "delivery")
    }

    pub(crate) fn idle(
        &self,
        server: &Server,
        running: &Running,
        idle: Idle,
    ) -> Result<Sample, String> {
        let mut args = vec![
            "idle".to_owned(),
            format!("--connections={}", idle.connections),
            format!("--duration={}", idle.hold_s),
        ];
        let echo = || server.places.echo.as_ref().ok_or("it has no echo");
        let url = match idle.before {
            Before::Nothing => echo()?,
            Before::Echo { bytes, deflate } => {
                args.push(format!("--touch={bytes}"));
                if deflate {
                    args.push("--deflate".into());
                }
                echo()?
            }
            Before::Subscription => {
                args.push("--subprotocol=sockeye.v1.json".into());
                args.push(r#"--send={"type":"subscribe","channels":["bench"]}"#.into());
                server.places.fanout.last().ok_or("it has no channels")?
            }
        };
        args.push(with_port(url, running.port));
        read(&self.run(args, running.pid)?, "connection")
    }

    /// Publications to so many channels in turn, with one subscriber of all of them by a pattern.
    pub(crate) fn channels(
        &self,
        server: &Server,
        running: &Running,
        channels: usize,
    ) -> Result<Sample, String> {
        let mut args = vec![
            "fanout".to_owned(),
            "--pattern".into(),
            "--connections=1".into(),
            format!("--channels={channels}"),
            "--in-flight=64".into(),
            "--bytes=64".into(),
            // Until every channel is there.
            "--warm-up=1".into(),
            format!("--duration={}", self.measured_s),
        ];
        args.extend(server.places.fanout.iter().map(|place| with_port(place, running.port)));
        read(&self.run(args, running.pid)?, "delivery")
    }

    fn lengthen(&self, args: &mut Vec<String>, extent: Extent) {
        let (warm_up, length) = match extent {
            Extent::Usual => (self.warm_up_s, format!("--duration={}", self.measured_s)),
            Extent::Seconds(seconds) => (0.0, format!("--duration={seconds}")),
            Extent::Messages(count) => (0.0, format!("--messages={count}")),
        };
        args.extend([format!("--warm-up={warm_up}"), length]);
    }

    /// Runs it to its end, and gives its report.
    fn run(&self, args: Vec<String>, pid: u32) -> Result<Value, String> {
        let mut command = Command::new(&self.program);
        command.arg("bench").args(args).args(["--json", "--quiet", "--pid", &pid.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = on_core(GENERATOR_CORE, || command.spawn());
        let child = child.map_err(|error| format!("{}: {error}", self.program.display()))?;
        let (out, err) = finish(child, RUN_MAX).map_err(|it| it.to_string())?;
        serde_json::from_str(&out).map_err(|_| {
            let why = err.lines().last().unwrap_or("it said nothing");
            format!("the generator: {why}")
        })
    }
}

/// Waits for a process whose output is short; ends it if it takes too long.
pub(crate) fn finish(mut child: Child, patience: Duration) -> io::Result<(String, String)> {
    let end = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other("the generator did not end"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let (mut out, mut err) = (String::new(), String::new());
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut out)?;
    }
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut err)?;
    }
    Ok((out, err))
}

/// The program that was built, under a target directory.
pub(crate) fn program(target: &Path, name: &str) -> PathBuf {
    target.join("release").join(name)
}
