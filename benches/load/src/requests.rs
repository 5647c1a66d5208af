//! Requests by nghttp2's `h2load`, on the generator's core.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::generator::{RUN_MAX, finish};
use crate::pinned::{GENERATOR_CORE, on_core};
use crate::process::cpu_ns;
use crate::sample::{Figure, Sample};
use crate::scenario::{Requests, Version};
use crate::server::{Running, Server, with_port};

/// Requests in a second of measurement. The number is the same for all servers, so that none has more of them
/// under way when the count ends.
const EACH_SECOND: f64 = 100_000.0;

/// Plays the load. The opening of the connections is in the processor time: a ten-thousandth of it.
pub(crate) fn play(
    server: &Server,
    running: &Running,
    load: Requests,
    measured_s: f64,
) -> Result<Sample, String> {
    let url = server.places.get.as_ref().ok_or("it has nothing to ask for")?;
    let count = (EACH_SECOND * measured_s).round();
    let mut command = Command::new("h2load");
    command.args(["-n", &count.to_string(), "-c", &load.connections.to_string()]);
    command.args(["-m", &load.in_flight.to_string()]);
    if load.version == Version::Http11 {
        command.arg("--h1");
    }
    command.arg(with_port(url, running.port));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let before = cpu_ns(running.pid)?;
    let child = on_core(GENERATOR_CORE, || command.spawn());
    let child = child.map_err(|error| format!("h2load (Debian: nghttp2-client): {error}"))?;
    let (out, _) = finish(child, RUN_MAX).map_err(|error| error.to_string())?;
    let cpu = (cpu_ns(running.pid)? - before) as f64;
    let report = Report::read(&out).ok_or("h2load said nothing")?;
    if report.succeeded < count {
        return Err(format!("{} of {count} requests succeeded", report.succeeded));
    }
    Ok(Sample::from([
        (Figure::Units, count),
        (Figure::Cpu, cpu / count),
        (Figure::Rate, count / report.seconds),
        (Figure::Busy, cpu / report.seconds / 1e9),
    ]))
}

/// What h2load says at its end.
#[derive(Debug, PartialEq)]
struct Report {
    seconds: f64,
    succeeded: f64,
}

impl Report {
    fn read(text: &str) -> Option<Self> {
        let line = |begin: &str| text.lines().find_map(|line| line.strip_prefix(begin));
        let (time, _) = line("finished in ")?.split_once(',')?;
        let succeeded =
            line("requests: ")?.split(", ").find_map(|it| it.strip_suffix(" succeeded"));
        Some(Self { seconds: seconds(time)?, succeeded: succeeded?.parse().ok()? })
    }
}

/// A duration as h2load writes it: `52.12ms`, `1.50s`, `2.03m`.
fn seconds(text: &str) -> Option<f64> {
    let unit = text.find(|it: char| it.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_h2load_is_read() {
        let text = "progress: 100% done\n\nfinished in 53.12ms, 37654.15 req/s, 2.48MB/s\n\
            requests: 2000 total, 2000 started, 2000 done, 1999 succeeded, 1 failed, 1 errored, 0 timeout\n";
        let wanted = Report { seconds: 0.053_12, succeeded: 1_999.0 };
        assert_eq!(Report::read(text), Some(wanted));
        assert_eq!(Report::read("nothing"), None);
        assert_eq!((seconds("1.50s"), seconds("7us"), seconds("2")), (Some(1.5), Some(7e-6), None));
    }
}
