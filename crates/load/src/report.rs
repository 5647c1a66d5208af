//! Prints the report of a run, for a person or as one JSON object.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use sockeye_terminal::{Failure, print};

use super::chart;
use super::fault::Faults;
use super::histogram::Histogram;
use super::measure::{Meter, Span};

/// Percentiles of the table and the object: per mille, and their names in both.
const QUANTILES: [(u64, &str, &str); 4] =
    [(500, "p50", "p50"), (900, "p90", "p90"), (990, "p99", "p99"), (999, "p99.9", "p999")];

/// A figure with its unit.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Count(u64),
    PerSecond(f64),
    Bytes(u64),
    BytesPerSecond(f64),
    Nanos(u64),
    /// A part of one.
    Share(f64),
}

/// The latencies in the progress line; empty before the first.
pub(super) fn so_far(latencies: &Histogram) -> String {
    match latencies.count() {
        0 => String::new(),
        _ => format!(", p99 {}", Value::Nanos(latencies.quantile(990)).human()),
    }
}

/// How long one kind of thing took.
pub(super) struct Latency {
    /// In the table, for example `delivery`.
    pub(super) label: &'static str,
    /// In the object, for example `latency`.
    pub(super) key: &'static str,
    pub(super) histogram: Histogram,
}

/// The report of a run.
pub(super) struct Report {
    /// The scenario's name.
    scenario: &'static str,
    /// The description of the run, in a line.
    title: String,
    figures: Vec<(&'static str, &'static str, Value)>,
    notes: Vec<String>,
    latencies: Vec<Latency>,
    /// Fields that are only in the object.
    details: Vec<(String, Value)>,
    faults: Faults,
}

impl Report {
    pub(super) fn new(scenario: &'static str, title: String, faults: Faults) -> Self {
        Self {
            scenario,
            title,
            figures: Vec::new(),
            notes: Vec::new(),
            latencies: Vec::new(),
            details: Vec::new(),
            faults,
        }
    }

    /// A column of the table, and a field of the object.
    pub(super) fn figure(&mut self, label: &'static str, key: &'static str, value: Value) {
        self.figures.push((label, key, value));
    }

    /// A field of the object.
    pub(super) fn detail(&mut self, key: impl Into<String>, value: Value) {
        self.details.push((key.into(), value));
    }

    /// A line below the table.
    pub(super) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(super) fn latency(&mut self, label: &'static str, key: &'static str, of: &Histogram) {
        self.latencies.push(Latency { label, key, histogram: of.clone() });
    }

    /// Adds the usage of server and generator, for each of `count` things that are called `noun`.
    pub(super) fn usage(&mut self, meter: &Meter, span: &Span, count: u64, noun: &str) {
        let each = |nanos: u64| nanos.checked_div(count).unwrap_or(0);
        if let (Some(process), Some(usage)) = (meter.server(), span.server) {
            let ticks = (usage.user_ns + usage.system_ns).max(1) as f64;
            self.note(format!(
                "server      {} of processor time a {noun}, {} of a core ({} of it in the program); \
                 {} resident, process {}",
                Value::Nanos(each(usage.cpu_ns)).human(),
                Value::Share(span.share(usage.cpu_ns)).human(),
                Value::Share(usage.user_ns as f64 / ticks).human(),
                Value::Bytes(usage.rss_bytes).human(),
                process.pid(),
            ));
            self.detail("server_pid", Value::Count(u64::from(process.pid())));
            self.detail(format!("server_cpu_ns_per_{noun}"), Value::Nanos(each(usage.cpu_ns)));
            self.detail("server_cpu_ns", Value::Nanos(usage.cpu_ns));
            self.detail("server_user_ns", Value::Nanos(usage.user_ns));
            self.detail("server_system_ns", Value::Nanos(usage.system_ns));
            self.detail("server_page_faults", Value::Count(usage.faults));
            self.detail("server_rss_bytes", Value::Bytes(usage.rss_bytes));
        }
        self.note(format!(
            "generator   {} of processor time a {noun}, {} of a core",
            Value::Nanos(each(span.own.cpu_ns)).human(),
            Value::Share(span.share(span.own.cpu_ns)).human(),
        ));
        self.detail(format!("generator_cpu_ns_per_{noun}"), Value::Nanos(each(span.own.cpu_ns)));
        self.detail("generator_cpu_ns", Value::Nanos(span.own.cpu_ns));
    }

    /// Prints it on standard output, and says how many faults there were.
    pub(super) fn print(&self, as_json: bool) -> Result<u64, Failure> {
        let colour = print::is_coloured(&std::io::stdout());
        let mut text = if as_json {
            serde_json::to_string(self).expect("names and numbers are JSON")
        } else {
            self.human(colour)
        };
        text.push('\n');
        print::text(&text)?;
        Ok(self.faults.total())
    }

    fn human(&self, colour: bool) -> String {
        let mut out = format!("{}\n\n", self.title);
        let errors = (self.faults.total() > 0, Value::Count(self.faults.total()).human());
        let mut heads: Vec<String> = self.figures.iter().map(|it| it.0.to_owned()).collect();
        let mut cells: Vec<String> = self.figures.iter().map(|it| it.2.human()).collect();
        heads.push("errors".to_owned());
        cells.push(errors.1);
        out.push_str(&table(&[heads, cells]));
        if self.latencies.iter().any(|latency| latency.histogram.count() > 0) {
            let heads = QUANTILES.iter().map(|it| it.1.to_owned());
            let mut rows = vec![["".to_owned()].into_iter().chain(heads).collect::<Vec<_>>()];
            rows[0].push("max".to_owned());
            rows.extend(self.latencies.iter().map(Latency::cells));
            out.push('\n');
            out.push_str(&table(&rows));
        }
        out.push('\n');
        for note in &self.notes {
            out.push_str(&format!("  {note}\n"));
        }
        if errors.0 {
            out.push_str(&format!("  errors      {}\n", self.faults_in_words()));
        }
        for latency in self.latencies.iter().filter(|it| it.histogram.count() > 0) {
            out.push('\n');
            out.push_str(&chart::draw(latency.label, &latency.histogram, colour));
        }
        out.truncate(out.trim_end().len());
        out
    }

    fn faults_in_words(&self) -> String {
        let counts: Vec<String> =
            self.faults.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let first = self.faults.first.as_deref().unwrap_or_default();
        format!("{}; the first: {first}", counts.join(", "))
    }
}

impl Latency {
    fn cells(&self) -> Vec<String> {
        let quantiles = QUANTILES.iter().map(|it| self.histogram.quantile(it.0));
        let times =
            quantiles.chain([self.histogram.max()]).map(|nanos| Value::Nanos(nanos).human());
        core::iter::once(self.label.to_owned()).chain(times).collect()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("scenario", self.scenario)?;
        for (_, key, value) in &self.figures {
            map.serialize_entry(key, value)?;
        }
        for (key, value) in &self.details {
            map.serialize_entry(key, value)?;
        }
        for Latency { key, histogram, .. } in &self.latencies {
            map.serialize_entry(&format!("{key}_count"), &histogram.count())?;
            map.serialize_entry(&format!("{key}_mean_ns"), &histogram.mean())?;
            for (per_mille, _, name) in QUANTILES {
                map.serialize_entry(&format!("{key}_{name}_ns"), &histogram.quantile(per_mille))?;
            }
            map.serialize_entry(&format!("{key}_max_ns"), &histogram.max())?;
        }
        map.serialize_entry("errors", &self.faults.total())?;
        map.serialize_entry("errors_by_kind", &self.faults.counts)?;
        map.serialize_entry("first_error", &self.faults.first)?;
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(number) | Self::Bytes(number) | Self::Nanos(number) => {
                serializer.serialize_u64(*number)
            }
            Self::PerSecond(rate) | Self::BytesPerSecond(rate) => {
                serializer.serialize_f64((rate * 10.0).round() / 10.0)
            }
            Self::Share(share) => serializer.serialize_f64((share * 1e4).round() / 1e4),
        }
    }
}

impl Value {
    /// So many.
    pub(super) const fn of(count: usize) -> Self {
        Self::Count(count as u64)
    }

    /// As a person reads it.
    pub(super) fn human(&self) -> String {
        match self {
            Self::Count(count) => grouped(*count),
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            Self::PerSecond(rate) if *rate >= 100.0 => grouped(rate.round() as u64),
            Self::PerSecond(rate) => format!("{rate:.1}"),
            Self::Bytes(bytes) => scaled(*bytes as f64, &[" B", " kB", " MB", " GB", " TB"]),
            Self::BytesPerSecond(rate) => scaled(*rate, &[" B/s", " kB/s", " MB/s", " GB/s"]),
            Self::Nanos(nanos) => scaled(*nanos as f64, &[" ns", " µs", " ms", " s"]),
            Self::Share(share) => format!("{:.0} %", share * 100.0),
        }
    }
}

/// Three significant digits, with the unit that makes them short.
fn scaled(value: f64, units: &[&str]) -> String {
    let (mut value, mut at) = (value, 0);
    while value >= 999.5 && at + 1 < units.len() {
        value /= 1000.0;
        at += 1;
    }
    let digits = match value {
        _ if at == 0 => 0,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{}", units[at])
}

/// With a comma each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Rows with their columns aligned at the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            out.push_str(&format!("  {cell:>width$}"));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;

    #[test]
    fn figures_are_short_and_have_units() {
        for (value, text) in [
            (Value::Count(1_234_567), "1,234,567"),
            (Value::Count(12), "12"),
            (Value::PerSecond(1_999.6), "2,000"),
            (Value::PerSecond(2.25), "2.2"),
            (Value::Nanos(999), "999 ns"),
            (Value::Nanos(1_000), "1.00 µs"),
            (Value::Nanos(9_996), "10.0 µs"),
            (Value::Nanos(123_456), "123 µs"),
            (Value::Nanos(999_600), "1.00 ms"),
            (Value::Nanos(61_000_000_000), "61.0 s"),
            (Value::Nanos(4_000_000_000_000), "4000 s"),
            (Value::Bytes(272), "272 B"),
            (Value::BytesPerSecond(30_864_197.0), "30.9 MB/s"),
            (Value::Share(0.345), "34 %"),
        ] {
            assert_eq!(value.human(), text);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["", "p50", "max"]), row(["delivery", "1.00 µs", "12 s"])];
        assert_eq!(table(&rows), "                p50   max\n  delivery  1.00 µs  12 s\n");
    }

    fn report(faults: Faults) -> Report {
        let mut report = Report::new("echo", "echo of nothing".to_owned(), faults);
        report.figure("messages", "messages", Value::Count(1_000));
        report.figure("per second", "rate", Value::PerSecond(100.25));
        let mut histogram = Histogram::new();
        histogram.record(100);
        report.latency("echo", "latency", &histogram);
        report
    }

    #[test]
    fn a_person_is_told() {
        let mut faults = Faults::default();
        faults.add(&Fault::Lost(2));
        faults.add(&Fault::Differs);
        let text = report(faults).human(false);
        let expected = "echo of nothing\n\n  messages  per second  errors\n     1,000         100       3\n\n           p50     p90     p99   p99.9     max\n  echo  100 ns  100 ns  100 ns  100 ns  100 ns\n\n  errors      1 differs, 2 lost; the first: 2 messages never came\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains('\x1b') && report(Faults::default()).human(true).contains('\x1b'));
    }

    #[test]
    fn what_was_not_measured_yet_is_not_shown() {
        let mut histogram = Histogram::new();
        assert_eq!(so_far(&histogram), "");
        histogram.record(100);
        assert_eq!(so_far(&histogram), ", p99 100 ns");
    }

    #[test]
    fn a_program_is_told() {
        let json = serde_json::to_string(&report(Faults::default())).expect("JSON");
        let expected = r#"{"scenario":"echo","messages":1000,"rate":100.3,"latency_count":1,"latency_mean_ns":100,"latency_p50_ns":100,"latency_p90_ns":100,"latency_p99_ns":100,"latency_p999_ns":100,"latency_max_ns":100,"errors":0,"errors_by_kind":{},"first_error":null}"#;
        assert_eq!(json, expected);
    }
}
