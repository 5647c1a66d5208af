//! The table, as Markdown.

use std::fmt::Write as _;

use crate::found::Found;
use crate::machine::Machine;
use crate::ratio::{Spread, by_round};
use crate::sample::{Board, Figure};
use crate::scenario::{Load, Scenario};
use crate::target::{Outcome, Target, Verdict, range};

/// All that was found out.
pub(crate) struct Table<'t> {
    pub(crate) board: &'t Board,
    pub(crate) found: &'t Found,
    pub(crate) scenarios: &'t [Scenario],
    /// Each target with the outcomes of its demands.
    pub(crate) judged: Vec<(Target, Vec<Outcome>)>,
    /// Rows that are told and not judged: what, and how much.
    pub(crate) told: Vec<(String, String)>,
    pub(crate) rounds: u32,
}

impl Table<'_> {
    /// One line a target.
    pub(crate) fn targets(&self) -> String {
        let mut out =
            String::from("| workload | target | median ratio (range) | |\n|---|---|---|---|\n");
        for (target, outcomes) in &self.judged {
            let verdicts: Vec<Verdict> = outcomes.iter().map(|it| it.verdict).collect();
            let shown = match &outcomes[..] {
                [] => "not measured".to_owned(),
                [one] => one.shown.clone(),
                many => summary(many),
            };
            let verdict = Verdict::all(&verdicts).name();
            line(&mut out, &[target.workload, target.wanted, &shown, verdict]);
        }
        for (what, how_much) in &self.told {
            line(&mut out, &[what, "told", how_much, Verdict::Told.name()]);
        }
        out
    }

    /// One line a demand, for targets of many loads.
    pub(crate) fn demands(&self) -> String {
        let mut out = String::new();
        for (target, outcomes) in self.judged.iter().filter(|(_, outcomes)| outcomes.len() > 1) {
            let _ = write!(out, "### {}: {}\n\n", target.workload, target.wanted);
            out.push_str("| load | against | median ratio (range) | |\n|---|---|---|---|\n");
            for outcome in outcomes {
                let cells =
                    [&*outcome.load, &*outcome.against, &*outcome.shown, outcome.verdict.name()];
                line(&mut out, &cells);
            }
            out.push('\n');
        }
        out
    }

    /// Every load with every server.
    pub(crate) fn rows(&self) -> String {
        let mut out = String::new();
        for scenario in self.scenarios {
            let columns = columns(scenario.load);
            let _ =
                write!(out, "### {}: {}\n\n| server | × sockeye |", scenario.name, scenario.title);
            for (head, _) in columns {
                let _ = write!(out, " {head} |");
            }
            out.push_str("\n|---|---|");
            out.push_str(&"---:|".repeat(columns.len()));
            out.push('\n');
            let other = self.found.servers.iter().filter(|server| server.name == "other");
            let other = other.filter(|server| scenario.suits(server)).map(|server| server.name);
            for name in scenario.servers.iter().copied().chain(other) {
                self.row(&mut out, scenario, name, columns);
            }
            out.push('\n');
        }
        out
    }

    fn row(
        &self,
        out: &mut String,
        scenario: &Scenario,
        name: &'static str,
        columns: &[(&str, Figure)],
    ) {
        let absent = self.found.absent.iter().find(|(absent, _)| *absent == name);
        let label = match (self.found.server(name), absent) {
            (Some(server), _) => &server.label,
            (None, Some(_)) => name,
            // Nobody asked for it.
            (None, None) => return,
        };
        let (_, first) = columns[0];
        let figures = |server| self.board.figures(&scenario.name, server, first);
        let ratio = Spread::of(&by_round(&figures(name), &figures(scenario.servers[0])));
        let ratio = ratio.map_or_else(|| "–".to_owned(), |ratio| ratio.to_string());
        let mut cells = vec![label.to_owned(), ratio];
        for (_, figure) in columns {
            let spread = Spread::of(&self.board.values(&scenario.name, name, *figure));
            cells.push(spread.map_or_else(|| "–".to_owned(), |spread| range(*figure, &spread)));
        }
        if let Some(why) = self.board.failure(&scenario.name, name) {
            cells[0] = format!("{label} (failed: {why})");
        } else if let Some((_, why)) = self.found.absent.iter().find(|(absent, _)| *absent == name)
        {
            cells[0] = format!("{label} (absent: {why})");
        }
        line(out, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Whether anything that was asked could not be measured.
    pub(crate) fn is_missing(&self) -> bool {
        let outcomes = self.judged.iter().flat_map(|(_, outcomes)| outcomes);
        outcomes.map(|outcome| outcome.verdict).any(|verdict| verdict == Verdict::Missing)
    }

    /// The whole record.
    pub(crate) fn record(
        &self,
        machine: &Machine,
        flags: &str,
        command: &str,
        minutes: f64,
    ) -> String {
        let peers: Vec<String> = self
            .found
            .servers
            .iter()
            .map(|server| format!("- `{}`: {}", server.name, server.label))
            .chain(self.found.absent.iter().map(|(name, why)| format!("- `{name}`: absent, {why}")))
            .collect();
        let flags = if flags.is_empty() { "none" } else { flags };
        format!(
            "# {date}, {processor}: Sockeye beside its peers under load\n\n\
             {cores} cores, Linux {kernel}, {rustc}, commit {commit}. Flags of all Rust programs: `{flags}`. {rounds} \
             interleaved rounds in {minutes:.0} minutes: every load to every server, then all again; each run with a \
             fresh server on core 0 and the generator, `sockeye bench`, on core 1.\n\n\
             ```console\n{command}\n```\n\n\
             A ratio is that of the server's processor time per message, delivery or connection in the same round; \
             shown is the median of the rounds and their range. It is judged as it is shown, with two digits.\n\n\
             ## Targets\n\n{targets}\n## Targets of many loads\n\n{demands}## Servers\n\n{peers}\n\n\
             ## All rows\n\nBusy: the part of its core that the server used. Below 95 % the generator or the \
             machine was the limit, and the rate says little; processor time per message is the figure.\n\n{rows}",
            date = machine.date,
            processor = machine.processor,
            cores = machine.cores,
            kernel = machine.kernel,
            rustc = machine.rustc,
            commit = machine.commit,
            rounds = self.rounds,
            targets = self.targets(),
            demands = self.demands(),
            peers = peers.join("\n"),
            rows = self.rows().trim_end().to_owned() + "\n",
        )
    }
}

/// Puts a table between the marks of a document; `None` without marks.
pub(crate) fn between_marks(document: &str, table: &str, record: &str) -> Option<String> {
    const BEGIN: &str = "<!-- targets -->\n";
    const END: &str = "<!-- end of targets -->";
    let (head, rest) = document.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    let source = format!("Every row: [{record}](../benches/record/{record}).");
    Some(format!("{head}{BEGIN}{table}\n{source}\n{END}{tail}"))
}

/// How many of many were hit, and where their medians lie.
fn summary(outcomes: &[Outcome]) -> String {
    let hits = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Hit).count();
    let medians: Option<Vec<f64>> = outcomes
        .iter()
        .filter(|outcome| outcome.verdict != Verdict::Missing)
        .map(|outcome| outcome.shown.split(' ').next()?.parse().ok())
        .collect();
    let spread = medians.and_then(|medians| Spread::of(&medians));
    let medians =
        spread.map_or_else(String::new, |it| format!("{:.2} to {:.2}; ", it.least, it.most));
    format!("{medians}{hits} of {} hit", outcomes.len())
}

/// The figures that a row shows; ratios compare the first.
const fn columns(load: Load) -> &'static [(&'static str, Figure)] {
    match load {
        Load::Echo(_) => &[
            ("CPU a message", Figure::Cpu),
            ("busy", Figure::Busy),
            ("generator", Figure::Generator),
            ("messages/s", Figure::Rate),
            ("p99", Figure::P99),
        ],
        Load::Requests(_) => {
            &[("CPU a request", Figure::Cpu), ("busy", Figure::Busy), ("requests/s", Figure::Rate)]
        }
        Load::Secure(_) => &[
            ("CPU of each", Figure::Cpu),
            ("busy", Figure::Busy),
            ("generator", Figure::Generator),
            ("a second", Figure::Rate),
        ],
        Load::Half(_) => &[
            ("p99", Figure::P99),
            ("p50", Figure::P50),
            ("CPU a message", Figure::Cpu),
            ("busy", Figure::Busy),
            ("messages/s", Figure::Rate),
        ],
        Load::Deliver(_) => &[
            ("CPU a delivery", Figure::Cpu),
            ("busy", Figure::Busy),
            ("generator", Figure::Generator),
            ("deliveries/s", Figure::Rate),
            ("p50", Figure::P50),
            ("to the last", Figure::Last),
        ],
        Load::Channels(_) => &[
            ("CPU a delivery", Figure::Cpu),
            ("busy", Figure::Busy),
            ("generator", Figure::Generator),
            ("deliveries/s", Figure::Rate),
        ],
        Load::Idle(_) => &[
            ("memory of each", Figure::Memory),
            ("CPU to open one", Figure::Cpu),
            ("opened/s", Figure::Rate),
            ("idle, a million", Figure::IdleCores),
        ],
        Load::Calls(_) => &[("system calls", Figure::Calls), ("of them writes", Figure::Writes)],
        Load::Start => &[("to the first answer", Figure::Start)],
    }
}

fn line(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(shown: &str, verdict: Verdict) -> Outcome {
        Outcome { load: "a".into(), against: String::new(), shown: shown.into(), verdict }
    }

    #[test]
    fn a_document_has_the_newest_table() {
        let document = "a\n<!-- targets -->\nold\n<!-- end of targets -->\nb";
        let first = between_marks(document, "| new |\n", "r.md").expect("it has marks");
        assert!(first.starts_with("a\n<!-- targets -->\n| new |\n\nEvery row: [r.md]"), "{first}");
        assert!(first.ends_with("<!-- end of targets -->\nb") && !first.contains("old"), "{first}");
        assert_eq!(between_marks(&first, "| new |\n", "r.md").as_deref(), Some(&*first));
        assert_eq!(between_marks("a", "b", "c"), None);
    }

    #[test]
    fn many_loads_are_told_in_short() {
        let many = [
            outcome("1.02 (0.99–1.10)", Verdict::Miss),
            outcome("0.97 (0.90–1.00)", Verdict::Hit),
            outcome("gone", Verdict::Missing),
        ];
        assert_eq!(summary(&many), "0.97 to 1.02; 1 of 3 hit");
    }
}
