//! The counts, and their comparison with the baseline.

use std::fmt;
use std::str::FromStr;

/// So much more is too much: what code generation does by itself stays below it most of the time.
const WORSE_PERCENT: f64 = 3.0;

/// A counted scenario.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) per_unit: f64,
    pub(crate) unit: String,
}

/// The tools that the counts depend on: compiler, counter, C library, processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions(pub(crate) Vec<String>);

/// The form of the baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) versions: Versions,
    /// Sorted by name.
    pub(crate) rows: Vec<Row>,
}

impl Table {
    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Whether it is of the same scenarios.
    pub(crate) fn has_rows_of(&self, other: &Self) -> bool {
        self.rows.len() == other.rows.len()
            && self.rows.iter().all(|row| other.row(&row.name).is_some())
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|it| writeln!(f, "# with {it}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:28} {:>10.1} {}", self.name, self.per_unit, self.unit)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Instructions per unit: benches/README.md")?;
        write!(f, "{}", self.versions)?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl FromStr for Table {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        for line in text.lines() {
            if let Some(version) = line.strip_prefix("# with ") {
                table.versions.0.push(version.to_owned());
            } else if !line.starts_with('#') {
                table.rows.push(row(line).ok_or_else(|| format!("no row of a table: {line}"))?);
            }
        }
        Ok(table)
    }
}

fn row(line: &str) -> Option<Row> {
    let mut words = line.split_ascii_whitespace();
    let (name, per_unit, unit) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let row = Row { name: name.to_owned(), per_unit, unit: unit.to_owned() };
    words.next().is_none().then_some(row)
}

/// Two tables side by side.
pub(crate) struct Comparison {
    lines: Vec<(String, Option<f64>, Option<f64>, Verdict)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    Better,
    Worse,
    /// Only one of the two has it, which is no comparison: the gate fails.
    Alone,
}

impl Comparison {
    pub(crate) fn new(before: &Table, counted: &Table) -> Self {
        let mut names: Vec<&str> =
            before.rows.iter().chain(&counted.rows).map(|row| row.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let line = |name: &str| {
            let per_unit = |table: &Table| table.row(name).map(|row| row.per_unit);
            let (before, now) = (per_unit(before), per_unit(counted));
            (name.to_owned(), before, now, verdict(before, now))
        };
        Self { lines: names.into_iter().map(line).collect() }
    }

    fn count(&self, is: impl Fn(Verdict) -> bool) -> usize {
        self.lines.iter().filter(|line| is(line.3)).count()
    }

    pub(crate) fn failed(&self) -> usize {
        self.count(|it| matches!(it, Verdict::Worse | Verdict::Alone))
    }

    pub(crate) fn passed(&self) -> usize {
        self.count(|it| matches!(it, Verdict::Same | Verdict::Better))
    }

    pub(crate) fn better(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(|line| line.3 == Verdict::Better).map(|line| line.0.as_str())
    }
}

fn verdict(before: Option<f64>, now: Option<f64>) -> Verdict {
    let (Some(before), Some(now)) = (before, now) else { return Verdict::Alone };
    match percent(before, now) {
        more if more >= WORSE_PERCENT => Verdict::Worse,
        more if more <= -WORSE_PERCENT => Verdict::Better,
        // What is no number is not the same.
        more if more.is_nan() => Verdict::Worse,
        _ => Verdict::Same,
    }
}

fn percent(before: f64, now: f64) -> f64 {
    (now / before - 1.0) * 100.0
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, before, now, verdict) in &self.lines {
            let number = |it: &Option<f64>| it.map_or("-".into(), |it| format!("{it:.1}"));
            let change = match (before, now) {
                (Some(before), Some(now)) => format!("{:+.1} %", percent(*before, *now)),
                _ => String::new(),
            };
            let word = match verdict {
                Verdict::Same => "",
                Verdict::Better => "better",
                Verdict::Worse => "WORSE",
                Verdict::Alone => "NOT IN BOTH",
            };
            let (before, now) = (number(before), number(now));
            let line = format!("{name:28} {before:>10} {now:>10} {change:>9}  {word}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, f64)]) -> Table {
        let row = |&(name, per_unit): &(&str, f64)| Row {
            name: name.into(),
            per_unit,
            unit: "message".into(),
        };
        Table {
            versions: Versions(vec!["rustc 1".into(), "valgrind-3".into()]),
            rows: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let written = table(&[("decode-16", 151.1), ("idle-minute", 123_456.7)]);
        assert_eq!(written.to_string().parse(), Ok(written));
        for broken in ["decode-16 151.1", "decode-16 many frame", "", "a 1 b c"] {
            assert!(format!("{broken}\n").parse::<Table>().is_err(), "{broken:?}");
        }
    }

    #[test]
    fn three_percent_more_fails_and_three_less_is_told() {
        let before = table(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("d", 100.0)]);
        let counted = table(&[("a", 102.9), ("b", 103.0), ("c", 97.1), ("d", 97.0)]);
        let comparison = Comparison::new(&before, &counted);
        assert_eq!((comparison.passed(), comparison.failed()), (3, 1));
        assert_eq!(comparison.better().collect::<Vec<_>>(), ["d"]);
        assert!(comparison.to_string().contains("103.0    +3.0 %  WORSE\n"), "{comparison}");
    }

    #[test]
    fn a_row_without_its_other_fails() {
        let (one, both) = (table(&[("a", 1.0)]), table(&[("a", 1.0), ("b", 1.0)]));
        for (before, counted) in [(&one, &both), (&both, &one)] {
            let comparison = Comparison::new(before, counted);
            assert_eq!((comparison.passed(), comparison.failed()), (1, 1));
            assert!(!before.has_rows_of(counted));
        }
        assert_eq!(Comparison::new(&table(&[("a", 0.0)]), &table(&[("a", 0.0)])).failed(), 1);
    }
}
