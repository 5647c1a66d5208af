//! The figures of one run of one load against one server, and of all runs.

use std::collections::BTreeMap;

use serde_json::Value;

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// Nanoseconds of the server's processor time for a message, a delivery or a connection opened.
    Cpu,
    /// The part of its core that the server used.
    Busy,
    /// Nanoseconds of the generator's processor time for the same.
    Generator,
    /// Messages, deliveries or connections a second.
    Rate,
    /// Latencies in nanoseconds.
    P50,
    P99,
    /// From publication to the last delivery: the median, in nanoseconds.
    Last,
    /// Bytes of resident memory for a connection.
    Memory,
    /// Cores for a million idle connections.
    IdleCores,
    /// System calls for a message or delivery: all, and those that write.
    Calls,
    Writes,
    /// Messages or deliveries that were counted.
    Units,
    /// From the start of the process to the first answer, in nanoseconds.
    Start,
}

/// The figures of one run.
pub(crate) type Sample = BTreeMap<Figure, f64>;

/// All samples: by scenario, server and round.
#[derive(Debug, Default)]
pub(crate) struct Board {
    samples: BTreeMap<(String, &'static str), Vec<Result<Sample, String>>>,
}

impl Board {
    /// Adds the sample of a round. Rounds are added in order.
    pub(crate) fn add(
        &mut self,
        scenario: &str,
        server: &'static str,
        sample: Result<Sample, String>,
    ) {
        self.samples.entry((scenario.to_owned(), server)).or_default().push(sample);
    }

    /// A figure by round; `None` where a round failed.
    pub(crate) fn figures(
        &self,
        scenario: &str,
        server: &'static str,
        figure: Figure,
    ) -> Vec<Option<f64>> {
        let rounds = self.samples.get(&(scenario.to_owned(), server));
        let one = |sample: &Result<Sample, String>| sample.as_ref().ok()?.get(&figure).copied();
        rounds.map(|rounds| rounds.iter().map(one).collect()).unwrap_or_default()
    }

    /// The figure's values, without those that failed.
    pub(crate) fn values(&self, scenario: &str, server: &'static str, figure: Figure) -> Vec<f64> {
        self.figures(scenario, server, figure).into_iter().flatten().collect()
    }

    /// Why the first round that failed did.
    pub(crate) fn failure(&self, scenario: &str, server: &'static str) -> Option<&str> {
        let rounds = self.samples.get(&(scenario.to_owned(), server))?;
        rounds.iter().find_map(|sample| sample.as_ref().err()).map(|why| &**why)
    }

    /// The last value of a figure.
    pub(crate) fn last(&self, scenario: &str, server: &'static str, figure: Figure) -> Option<f64> {
        self.figures(scenario, server, figure).last().copied().flatten()
    }
}

/// Reads a report of `sockeye bench`; `unit` is the noun that it counts.
pub(crate) fn read(report: &Value, unit: &str) -> Result<Sample, String> {
    let number = |key: &str| report.get(key).and_then(Value::as_f64);
    if number("errors").is_none_or(|errors| errors > 0.0) {
        let why = report.get("first_error").and_then(Value::as_str).unwrap_or("no report");
        return Err(why.to_owned());
    }
    let mut sample = Sample::new();
    let mut put = |figure, value: Option<f64>| {
        if let Some(value) = value {
            sample.insert(figure, value);
        }
    };
    let nanos = number("duration_ns").filter(|nanos| *nanos > 0.0);
    // The whole count is in the object, and the quotient there is rounded to nanoseconds.
    let count = ["messages", "deliveries"].iter().find_map(|key| number(key));
    let count = count.filter(|count| *count > 0.0);
    if unit == "connection" {
        put(Figure::Cpu, number("server_cpu_ns_per_opening"));
        put(Figure::Rate, number("open_rate"));
        put(Figure::Memory, number("server_rss_bytes_per_connection"));
        let (cpu, connections) = (number("server_cpu_ns"), number("connections"));
        let cores = |cpu: f64| Some(cpu / nanos? / connections? * 1e6);
        put(Figure::IdleCores, cpu.and_then(cores));
        return Ok(sample);
    }
    let each = |key: &str| Some(number(key)? / count?);
    put(Figure::Units, count);
    put(Figure::Cpu, each("server_cpu_ns"));
    put(Figure::Generator, each("generator_cpu_ns"));
    put(Figure::Busy, number("server_cpu_ns").and_then(|cpu| Some(cpu / nanos?)));
    put(Figure::Rate, count.and_then(|count| Some(count * 1e9 / nanos?)));
    put(Figure::P50, number("latency_p50_ns"));
    put(Figure::P99, number("latency_p99_ns"));
    put(Figure::Last, number("last_delivery_p50_ns"));
    if count.is_none() {
        return Err(format!("not one {unit}"));
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_read() {
        let report = json!({"errors": 0, "messages": 1000, "duration_ns": 1_000_000, "server_cpu_ns": 500_500,
            "generator_cpu_ns": 900_000, "latency_p99_ns": 77, "first_error": null});
        let sample = read(&report, "message").expect("it is whole");
        assert_eq!(sample[&Figure::Cpu], 500.5);
        assert_eq!(sample[&Figure::Busy], 0.5005);
        assert_eq!(sample[&Figure::Rate], 1e6);
        assert_eq!(sample[&Figure::P99], 77.0);
        assert!(!sample.contains_key(&Figure::Last));
    }

    #[test]
    fn errors_and_silence_are_no_samples() {
        let failed = json!({"errors": 1, "messages": 5, "first_error": "it differs"});
        assert_eq!(read(&failed, "message"), Err("it differs".to_owned()));
        assert!(read(&json!({}), "message").is_err());
        assert!(read(&json!({"errors": 0, "messages": 0, "duration_ns": 1}), "message").is_err());
    }

    #[test]
    fn idle_connections_are_extrapolated_to_a_million() {
        let report = json!({"errors": 0, "connections": 1000, "duration_ns": 10_000_000_000_u64,
            "server_cpu_ns": 10_000_000, "server_rss_bytes_per_connection": 270});
        let sample = read(&report, "connection").expect("it is whole");
        assert_eq!(sample[&Figure::Memory], 270.0);
        assert!((sample[&Figure::IdleCores] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_board_keeps_rounds_in_their_places() {
        let mut board = Board::default();
        let sample = |value| Ok(Sample::from([(Figure::Cpu, value)]));
        board.add("a", "sockeye", sample(1.0));
        board.add("a", "sockeye", Err("gone".into()));
        board.add("a", "sockeye", sample(3.0));
        assert_eq!(board.figures("a", "sockeye", Figure::Cpu), [Some(1.0), None, Some(3.0)]);
        assert_eq!(board.values("a", "sockeye", Figure::Cpu), [1.0, 3.0]);
        assert_eq!(board.failure("a", "sockeye"), Some("gone"));
        assert_eq!(board.figures("b", "sockeye", Figure::Cpu), [] as [Option<f64>; 0]);
    }
}
