//! Prometheus' text format, version 0.0.4: families with their help, and nothing that would need
//! escaping, as names, labels and their values are all part of the program.

use std::fmt::Write as _;

use sockeye_server::Histogram;

/// A page of metrics under way.
#[derive(Debug, Default)]
pub(crate) struct Page {
    out: String,
}

/// What a family's numbers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

impl Page {
    /// A family of one number that only grows.
    pub(crate) fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.one(Kind::Counter, name, help, value);
    }

    /// A family of one number that goes up and down.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.one(Kind::Gauge, name, help, value);
    }

    fn one(&mut self, kind: Kind, name: &'static str, help: &'static str, value: u64) {
        self.head(kind.as_str(), name, help);
        self.line(format_args!("{name} {value}"));
    }

    /// A family with one label; `rows` are the label's values.
    pub(crate) fn by(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        rows: impl IntoIterator<Item = (&'static str, u64)>,
    ) {
        let rows = rows.into_iter().map(|(at, value)| (format!("{label}=\"{at}\""), value));
        self.labelled(kind, name, help, rows);
    }

    /// A family of which the caller writes the labels.
    pub(crate) fn labelled(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        rows: impl IntoIterator<Item = (String, u64)>,
    ) {
        self.head(kind.as_str(), name, help);
        for (labels, value) in rows {
            self.line(format_args!("{name}{{{labels}}} {value}"));
        }
    }

    /// A histogram, in seconds.
    pub(crate) fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        histogram: &Histogram,
    ) {
        self.head("histogram", name, help);
        for (bound_us, count) in histogram.cumulative() {
            match bound_us {
                Some(us) => {
                    let le = seconds(us);
                    self.line(format_args!("{name}_bucket{{le=\"{le}\"}} {count}"));
                }
                None => self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {count}")),
            }
        }
        self.line(format_args!("{name}_sum {}", seconds(histogram.sum_us())));
        self.line(format_args!("{name}_count {}", histogram.count()));
    }

    /// The whole page.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn head(&mut self, kind: &str, name: &'static str, help: &'static str) {
        self.line(format_args!("# HELP sockeye_{name} {help}"));
        self.line(format_args!("# TYPE sockeye_{name} {kind}"));
    }

    /// One line. A sample's begins with its name, which gets our prefix.
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let start = self.out.len();
        writeln!(self.out, "{line}").expect("a string takes all");
        if !self.out[start..].starts_with('#') {
            self.out.insert_str(start, "sockeye_");
        }
    }
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// Microseconds as seconds, in the shortest decimals.
fn seconds(us: u64) -> String {
    let (whole, rest) = (us / 1_000_000, us % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_as_the_format_wants_them() {
        let mut page = Page::default();
        page.gauge("things", "Things.", 3);
        page.by(Kind::Counter, "ends_total", "Ends.", "by", [("us", 1), ("them", 0)]);
        let mut histogram = Histogram::default();
        histogram.observe(2_000_000, 2);
        page.histogram("turn_seconds", "Turns.", &histogram);
        let text = page.finish();
        let wanted = "# HELP sockeye_things Things.\n# TYPE sockeye_things gauge\nsockeye_things 3\n\
             # HELP sockeye_ends_total Ends.\n# TYPE sockeye_ends_total counter\n\
             sockeye_ends_total{by=\"us\"} 1\nsockeye_ends_total{by=\"them\"} 0\n\
             # HELP sockeye_turn_seconds Turns.\n# TYPE sockeye_turn_seconds histogram\n\
             sockeye_turn_seconds_bucket{le=\"0.0001\"} 0\n";
        assert!(text.starts_with(wanted), "{text}");
        let end = "sockeye_turn_seconds_bucket{le=\"2.5\"} 2\nsockeye_turn_seconds_bucket{le=\"10\"} 2\n\
             sockeye_turn_seconds_bucket{le=\"+Inf\"} 2\nsockeye_turn_seconds_sum 4\n\
             sockeye_turn_seconds_count 2\n";
        assert!(text.ends_with(end), "{text}");
    }
}
