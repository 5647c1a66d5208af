//! How long the server's turns took, as it says itself, and how much of that was waiting for a processor.

use std::fmt;
use std::time::Duration;

use crate::Failure;
use crate::delays::{RunDelay, stolen_ms};
use crate::server::Server;

/// A turn may take so long, in microseconds.
pub(crate) const TURN_US_MAX: u64 = 10_000;

/// `sockeye_loop_turn_seconds` at some time.
struct Reading {
    /// The upper bounds, in microseconds, with the number of turns up to them.
    buckets: Vec<(u64, u64)>,
    sum_us: u64,
    units: u64,
    worked_us: u64,
    delay_us: u64,
    stolen_ms: u64,
}

/// Looks at the server's turns.
pub(crate) struct TurnWatch {
    delay: RunDelay,
    before: Reading,
}

/// The turns of a time.
pub(crate) struct Turns {
    /// By bucket: its lower and upper bound in microseconds, and its turns.
    buckets: Vec<(u64, u64, u64)>,
    sum_us: u64,
    /// Units that the loop has counted, and the time for which its thread had a processor.
    units: u64,
    worked_us: u64,
    /// The time for which the loop's thread waited for a processor.
    delay_us: u64,
    stolen_ms: u64,
}

fn microseconds(seconds: &str) -> Option<u64> {
    if seconds == "+Inf" {
        return Some(u64::MAX);
    }
    let time = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    u64::try_from(time.as_micros()).ok()
}

/// The buckets and the sum in the text of `/metrics`.
fn parse(metrics: &str) -> Option<(Vec<(u64, u64)>, u64)> {
    let bucket = |line: &str| {
        let (bound, count) =
            line.strip_prefix("sockeye_loop_turn_seconds_bucket{le=\"")?.split_once("\"} ")?;
        Some((microseconds(bound)?, count.parse().ok()?))
    };
    let sum = |line: &str| microseconds(line.strip_prefix("sockeye_loop_turn_seconds_sum ")?);
    Some((metrics.lines().filter_map(bucket).collect(), metrics.lines().find_map(sum)?))
}

fn read(server: &Server, delay: &RunDelay) -> Result<Reading, Failure> {
    let metrics = server.get("/metrics")?;
    let Some((buckets, sum_us)) = parse(&metrics) else {
        return Err(Failure("/metrics does not tell how long turns took".into()));
    };
    let units = metrics.lines().find_map(|line| line.strip_prefix("sockeye_loop_units_total "));
    let units = units.and_then(|units| units.parse().ok()).unwrap_or(0);
    let (worked_us, delay_us, stolen_ms) = (delay.worked_us(), delay.us(), stolen_ms());
    Ok(Reading { buckets, sum_us, units, worked_us, delay_us, stolen_ms })
}

impl TurnWatch {
    pub(crate) fn start(server: &Server) -> Result<Self, Failure> {
        // A server with one loop runs it on its first thread.
        let delay = RunDelay::of_thread(server.pid(), server.pid());
        let before = read(server, &delay)?;
        Ok(Self { delay, before })
    }

    /// The turns since the start.
    pub(crate) fn turns(&self, server: &Server) -> Result<Turns, Failure> {
        Ok(read(server, &self.delay)?.since(&self.before))
    }
}

impl Reading {
    fn since(&self, before: &Self) -> Turns {
        let now = self;
        let (mut lower, mut below, mut buckets) = (0, 0, Vec::new());
        for ((bound, count), (_, earlier)) in now.buckets.iter().zip(&before.buckets) {
            let up_to = count - earlier;
            buckets.push((lower, *bound, up_to - below));
            (lower, below) = (*bound, up_to);
        }
        Turns {
            buckets,
            sum_us: now.sum_us - before.sum_us,
            units: now.units.saturating_sub(before.units),
            worked_us: now.worked_us.saturating_sub(before.worked_us),
            delay_us: now.delay_us.saturating_sub(before.delay_us),
            stolen_ms: now.stolen_ms.saturating_sub(before.stolen_ms),
        }
    }
}

impl Turns {
    /// How many turns were too long.
    pub(crate) fn too_long(&self) -> u64 {
        self.buckets.iter().filter(|it| it.0 >= TURN_US_MAX).map(|it| it.2).sum()
    }

    /// By how much turns exceeded what they may take, at the least and together, in microseconds.
    pub(crate) fn excess_us(&self) -> u64 {
        self.buckets.iter().map(|it| it.0.saturating_sub(TURN_US_MAX) * it.2).sum()
    }

    /// Work above what turns may do, at the least and together, in microseconds. It is zero if no turn works for
    /// longer than it may, however busy the machine is. There are two bounds, and the higher one counts:
    ///
    /// - the excess that cannot be a wait for a processor,
    /// - the processor time that the thread cannot have used in short turns, without what long ones may use.
    pub(crate) fn overwork_us(&self) -> u64 {
        let waited_us = self.delay_us + self.stolen_ms * 1000;
        let may_work_us: u64 = self.buckets.iter().map(|it| it.1.min(TURN_US_MAX) * it.2).sum();
        let excess_us = self.excess_us().saturating_sub(waited_us);
        excess_us.max(self.worked_us.saturating_sub(may_work_us))
    }

    /// A bound that no turn exceeded, in microseconds.
    fn longest_us(&self) -> u64 {
        self.buckets.iter().filter(|it| it.2 > 0).map(|it| it.1).max().unwrap_or(0)
    }
}

impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: u64 = self.buckets.iter().map(|it| it.2).sum();
        let mean_us = self.sum_us.checked_div(count).unwrap_or(0);
        write!(f, "{count} turns, {mean_us} µs on average, none above ")?;
        match self.longest_us() {
            u64::MAX => write!(f, "all bounds")?,
            us => write!(f, "{} ms", us / 1000)?,
        }
        let long = self.buckets.iter().filter(|it| it.0 >= TURN_US_MAX && it.2 > 0);
        for (lower, _, turns) in long {
            write!(f, ", {turns} above {} ms", lower / 1000)?;
        }
        let (worked_ms, delay_ms) = (self.worked_us / 1000, self.delay_us / 1000);
        let unit_ns = (self.worked_us * 1000).checked_div(self.units).unwrap_or(0);
        write!(f, "; the loop had a processor for {worked_ms} ms, {unit_ns} ns for each unit, ")?;
        write!(f, "and waited {delay_ms} ms for one")?;
        match self.stolen_ms {
            0 => Ok(()),
            ms => write!(f, ", and {ms} ms were taken from the machine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(counts: [u64; 4], delay_us: u64, worked_us: u64) -> Reading {
        let bounds = ["0.01", "0.025", "0.1", "+Inf"];
        let bucket = |(bound, count)| {
            format!("sockeye_loop_turn_seconds_bucket{{le=\"{bound}\"}} {count}\n")
        };
        let text: String = bounds.into_iter().zip(counts).map(bucket).collect();
        let (buckets, sum_us) =
            parse(&format!("{text}sockeye_loop_turn_seconds_sum 1.5\n")).expect("it has both");
        Reading { buckets, sum_us, units: 0, worked_us, delay_us, stolen_ms: 0 }
    }

    #[test]
    fn turns_above_the_bound_are_overwork_unless_they_waited() {
        let before = reading([5, 6, 6, 7], 1_000, 500);
        for (after, too_long, excess_us, overwork_us) in [
            (reading([9, 10, 10, 11], 1_000, 500), 0, 0, 0),
            // One of at least 10 ms may have waited for a moment.
            (reading([9, 11, 11, 12], 1_000, 500), 1, 0, 0),
            (reading([9, 10, 12, 13], 1_000, 500), 2, 30_000, 30_000),
            (reading([9, 10, 12, 13], 21_000, 500), 2, 30_000, 10_000),
            (reading([9, 10, 12, 13], 99_000, 500), 2, 30_000, 0),
            (reading([9, 10, 10, 12], 1_000, 500), 1, 90_000, 90_000),
            // However long it waited, it has worked more than six turns may.
            (reading([9, 10, 12, 13], 99_000, 60_500), 2, 30_000, 0),
            (reading([9, 10, 12, 13], 99_000, 65_500), 2, 30_000, 5_000),
        ] {
            let turns = after.since(&before);
            let found = (turns.too_long(), turns.excess_us(), turns.overwork_us());
            assert_eq!(found, (too_long, excess_us, overwork_us), "{turns}");
        }
    }
}
