//! The targets of Sockeye, and the verdicts on them.

mod adapters;
mod http2;

use crate::ratio::{Spread, by_round, is_within};
use crate::sample::{Board, Figure};
use crate::scenario::Scenario;

/// A demand in one line of the table; it may have many loads.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) workload: &'static str,
    pub(crate) wanted: &'static str,
    pub(crate) demands: Vec<Demand>,
}

/// One demand on one load.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) scenario: String,
    /// The server that it is made on.
    ours: &'static str,
    figure: Figure,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    /// At most so many times the figure of the cheapest of these servers in the same load.
    TimesCheapest(&'static [&'static str], f64),
    /// At least so many times less than it.
    TimesLess(&'static str, f64),
    /// At most so many times our own figure in another load.
    TimesOwn(&'static str, f64),
    /// At the most so much.
    AtMost(f64),
    /// No further than this part from the mean of our own in these loads.
    Flat(&'static [&'static str], f64),
    /// Told, and not judged.
    Told(&'static [&'static str]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Hit,
    Miss,
    /// It could not be measured.
    Missing,
    /// Nothing was asked.
    Told,
}

/// The outcome of a demand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) load: String,
    /// In which unit, against whom.
    pub(crate) against: String,
    pub(crate) shown: String,
    pub(crate) verdict: Verdict,
}

impl Verdict {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Missing => "MISSING",
            Self::Told => "told",
        }
    }

    const fn of(is_hit: bool) -> Self {
        if is_hit { Self::Hit } else { Self::Miss }
    }

    /// Of a line with many: all have to be hit.
    pub(crate) fn all(verdicts: &[Self]) -> Self {
        let order = [Self::Missing, Self::Miss, Self::Hit];
        order.into_iter().find(|verdict| verdicts.contains(verdict)).unwrap_or(Self::Told)
    }
}

const OURS: &str = "sockeye";
const CRATES: &[&str] = &["tungstenite", "yawc", "sockudo", "tokio-websockets", "fastwebsockets"];
const OTHERS: &[&str] =
    &["uws", "tungstenite", "yawc", "sockudo", "tokio-websockets", "fastwebsockets"];
const NODE: &[&str] = &["node", "better-sse"];
const GROWTH: &[&str] = &["grow10", "grow100", "grow1000", "grow5000", "growcrowd"];
const CHANNELS: &[&str] = &["channels1", "channels1000", "channels100000"];
/// Both windows of a session, of 4 KiB each as Sockeye negotiates them, and what may be beside them.
const WINDOWS_BYTES: f64 = 2.0 * 4_096.0 + 256.0;

impl Demand {
    fn new(scenario: &str, figure: Figure, rule: Rule) -> Self {
        Self { scenario: scenario.to_owned(), ours: OURS, figure, rule }
    }

    /// Whether the servers that it compares took part at all.
    pub(crate) fn is_measurable(&self, board: &Board) -> bool {
        let has = |scenario: &str, peer| !board.figures(scenario, peer, self.figure).is_empty();
        match &self.rule {
            Rule::TimesCheapest(peers, _) => peers.iter().any(|peer| has(&self.scenario, peer)),
            Rule::TimesLess(peer, _) => has(&self.scenario, peer),
            Rule::TimesOwn(_, _) | Rule::AtMost(_) | Rule::Flat(_, _) | Rule::Told(_) => true,
        }
    }

    pub(crate) fn judge(&self, board: &Board) -> Outcome {
        let ours = board.figures(&self.scenario, self.ours, self.figure);
        let found = match &self.rule {
            Rule::TimesCheapest(peers, bound) => self.times_cheapest(board, &ours, peers, *bound),
            Rule::TimesLess(peer, bound) => {
                let theirs = board.figures(&self.scenario, peer, self.figure);
                let ratio = Spread::of(&by_round(&theirs, &ours));
                ratio.map(|it| {
                    (format!("× {peer}"), it.to_string(), !is_within(it.median, bound - 0.01))
                })
            }
            Rule::TimesOwn(other, bound) => {
                let other_values = board.figures(other, OURS, self.figure);
                let ratio = Spread::of(&by_round(&ours, &other_values));
                ratio.map(|it| (format!("× {other}"), it.to_string(), is_within(it.median, *bound)))
            }
            Rule::AtMost(bound) => {
                let values: Vec<f64> = ours.iter().flatten().copied().collect();
                let spread = Spread::of(&values);
                spread.map(|it| (String::new(), range(self.figure, &it), it.median <= *bound))
            }
            Rule::Flat(all, within) => self.flat(board, &ours, all, *within),
            Rule::Told(servers) => {
                let values = |name: &&'static str| {
                    let spread = Spread::of(&board.values(&self.scenario, name, self.figure))?;
                    Some(format!("{name} {}", range(self.figure, &spread)))
                };
                let told: Vec<String> = servers.iter().filter_map(values).collect();
                let is_there = told.iter().any(|text| text.starts_with(OURS));
                let load = self.scenario.clone();
                let verdict = if is_there { Verdict::Told } else { Verdict::Missing };
                return Outcome { load, against: String::new(), shown: told.join("; "), verdict };
            }
        };
        let load = self.scenario.clone();
        match found {
            Some((against, shown, is_hit)) => {
                Outcome { load, against, shown, verdict: Verdict::of(is_hit) }
            }
            None => {
                let why =
                    board.failure(&self.scenario, self.ours).unwrap_or("not measured").to_owned();
                Outcome { load, against: String::new(), shown: why, verdict: Verdict::Missing }
            }
        }
    }

    fn times_cheapest(
        &self,
        board: &Board,
        ours: &[Option<f64>],
        peers: &[&'static str],
        bound: f64,
    ) -> Option<(String, String, bool)> {
        let cost = |peer: &&'static str| {
            let values = board.values(&self.scenario, peer, self.figure);
            Spread::of(&values).map(|spread| (*peer, spread.median))
        };
        let (peer, _) = peers.iter().filter_map(cost).min_by(|a, b| a.1.total_cmp(&b.1))?;
        let theirs = board.figures(&self.scenario, peer, self.figure);
        let ratio = Spread::of(&by_round(ours, &theirs))?;
        Some((format!("× {peer}"), ratio.to_string(), is_within(ratio.median, bound)))
    }

    fn flat(
        &self,
        board: &Board,
        ours: &[Option<f64>],
        all: &[&'static str],
        within: f64,
    ) -> Option<(String, String, bool)> {
        let rows: Vec<Vec<Option<f64>>> =
            all.iter().map(|name| board.figures(name, OURS, self.figure)).collect();
        let mean = |round: usize| {
            let values: Option<Vec<f64>> =
                rows.iter().map(|row| row.get(round).copied().flatten()).collect();
            values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
        };
        let means: Vec<Option<f64>> = (0..ours.len()).map(mean).collect();
        let ratio = Spread::of(&by_round(ours, &means))?;
        let is_flat = is_within((ratio.median - 1.0).abs(), within);
        Some(("× their mean".to_owned(), ratio.to_string(), is_flat))
    }
}

/// A figure as people read it, with its range.
pub(crate) fn range(figure: Figure, spread: &Spread) -> String {
    let show = |value| show(figure, value);
    if spread.count == 1 {
        return show(spread.median);
    }
    format!("{} ({}–{})", show(spread.median), show(spread.least), show(spread.most))
}

/// One value with its unit.
pub(crate) fn show(figure: Figure, value: f64) -> String {
    match figure {
        Figure::Cpu
        | Figure::Generator
        | Figure::P50
        | Figure::P99
        | Figure::Last
        | Figure::Start => nanos(value),
        Figure::Busy => format!("{:.0} %", value * 100.0),
        Figure::Rate => grouped(value),
        Figure::Units => grouped(value),
        Figure::Memory => format!("{} B", grouped(value)),
        Figure::IdleCores => format!("{value:.2} cores"),
        Figure::Calls | Figure::Writes => format!("{value:.4}"),
    }
}

fn nanos(value: f64) -> String {
    match value {
        value if value < 10_000.0 => format!("{} ns", grouped(value)),
        value if value < 10e6 => format!("{} µs", grouped(value / 1e3)),
        value => format!("{} ms", grouped(value / 1e6)),
    }
}

/// Three digits at least, and thousands apart.
fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The table of targets, without those that are measured in memory.
pub(crate) fn all() -> Vec<Target> {
    let mut all = echo();
    all.extend(deliver());
    all.extend(adapters::all());
    all.extend(http2::all());
    all.extend(hold());
    all
}

fn small_echoes() -> Vec<String> {
    let names = crate::scenario::all(100).into_iter().map(|it: Scenario| it.name);
    names
        .filter(|name| name.starts_with("echo") && !["echo64k", "echo1m"].contains(&&**name))
        .collect()
}

fn echo() -> Vec<Target> {
    let cpu = |name: &str, rule| Demand::new(name, Figure::Cpu, rule);
    let cheapest = |peers, bound| move |name: &String| cpu(name, Rule::TimesCheapest(peers, bound));
    let small = small_echoes();
    let batched: Vec<String> = ["echo16x32", "echo125x32", "echo1kx32"].map(String::from).into();
    let large: Vec<String> = ["echo64k", "echo1m"].map(String::from).into();
    let calls = |name: &str, bound| Demand::new(name, Figure::Calls, Rule::AtMost(bound));
    let target = |workload, wanted, demands| Target { workload, wanted, demands };
    vec![
        target(
            "echo of 16 B, 125 B, 1 KiB; 64 and 500 connections; 1 and 32 in flight; binary, text",
            "≤ 1.0 × uWebSockets",
            small.iter().map(cheapest(&["uws"], 1.0)).collect(),
        ),
        target(
            "the same",
            "≤ 1.1 × bare epoll echo",
            small.iter().map(cheapest(&["bare"], 1.1)).collect(),
        ),
        target(
            "the same, 32 in flight",
            "≤ 0.70 × best Rust crate",
            batched.iter().map(cheapest(CRATES, 0.7)).collect(),
        ),
        target(
            "echo of 64 KiB and 1 MiB",
            "≤ 1.0 × best of all",
            large.iter().map(cheapest(OTHERS, 1.0)).collect(),
        ),
        target(
            "echo of 16 KiB text in mixed scripts",
            "≤ 1.0 × fastwebsockets",
            vec![cpu("mixed16k", Rule::TimesCheapest(&["fastwebsockets"], 1.0))],
        ),
        target("system calls per echoed message", "≤ 2.05", vec![calls("calls", 2.05)]),
        target(
            "the same, 32 in flight",
            "≤ 2/32 + 10 %",
            vec![calls("callsx32", 2.0 / 32.0 * 1.1)],
        ),
    ]
}

fn deliver() -> Vec<Target> {
    let cheapest = |name: &str, peers, bound| {
        Demand::new(name, Figure::Cpu, Rule::TimesCheapest(peers, bound))
    };
    let target = |workload, wanted, demands| Target { workload, wanted, demands };
    let both = |one: &str, other: &str, peers, bound| {
        vec![cheapest(one, peers, bound), cheapest(other, peers, bound)]
    };
    vec![
        target(
            "fan-out of 128 B to 1,000 and 10,000 WebSockets",
            "≤ 1.0 × uWebSockets' publish",
            both("fan1k", "fan10k", &["uws"], 1.0),
        ),
        target(
            "the same",
            "≤ 1.1 × bare loop of sends",
            both("fan1k", "fan10k", &["bare-fanout"], 1.1),
        ),
        target(
            "fan-out of 64 B to 100, 16 publications in flight",
            "≤ 1.0 × uWebSockets",
            vec![cheapest("fan100x16", &["uws"], 1.0)],
        ),
        target(
            "fan-out over event streams",
            "≤ 0.85 × nchan",
            both("sse1k", "sse10k", &["nchan"], 0.85),
        ),
        target("the same", "≤ 0.45 × best on Node", both("sse1k", "sse10k", NODE, 0.45)),
        target(
            "10 publications a turn to 10,000 subscribers",
            "one write each, so 0.1 per delivery (+ 5 %)",
            vec![Demand::new("callsfan", Figure::Writes, Rule::AtMost(0.105))],
        ),
        target(
            "fan-out with permessage-deflate, compressed once",
            "≤ 1.25 × the same without",
            vec![Demand::new("fandeflate", Figure::Cpu, Rule::TimesOwn("fantext", 1.25))],
        ),
    ]
}

fn hold() -> Vec<Target> {
    let target = |workload, wanted, demands| Target { workload, wanted, demands };
    let flat = |names: &'static [&'static str]| {
        let one = |name: &&str| Demand::new(name, Figure::Cpu, Rule::Flat(names, 0.1));
        names.iter().map(one).collect()
    };
    vec![
        target(
            "10,000 idle WebSockets after one message each",
            "≤ 1.0 × uWebSockets' memory",
            vec![Demand::new("idle", Figure::Memory, Rule::TimesCheapest(&["uws"], 1.0))],
        ),
        target(
            "a crowd of idle WebSockets with a subscription each",
            "≤ 512 B each",
            vec![Demand::new("idlesub", Figure::Memory, Rule::AtMost(512.0))],
        ),
        target(
            "the same",
            "≤ 0.5 core per million",
            vec![Demand::new("idlesub", Figure::IdleCores, Rule::AtMost(0.5))],
        ),
        target(
            "idle WebSockets with permessage-deflate used",
            "≤ windows + 256 B",
            vec![Demand::new("idledeflate", Figure::Memory, Rule::AtMost(WINDOWS_BYTES))],
        ),
        target(
            "accept and handshake, per CPU second",
            "≥ 1.5 × uWebSockets' rate",
            vec![Demand::new("open", Figure::Cpu, Rule::TimesLess("uws", 1.5))],
        ),
        target("growth from 10 connections to a crowd", "flat ± 10 %", flat(GROWTH)),
        target("growth from 1 to 100,000 channels", "flat ± 10 %", flat(CHANNELS)),
        target(
            "p99 at half of the maximum rate",
            "≤ uWebSockets'",
            vec![Demand::new("half", Figure::P99, Rule::TimesCheapest(&["uws"], 1.0))],
        ),
        target(
            "from a publication to the last of 10,000 deliveries",
            "told",
            vec![Demand::new(
                "fan10k",
                Figure::Last,
                Rule::Told(&["sockeye", "uws", "bare-fanout"]),
            )],
        ),
        target(
            "from the start to the first answer",
            "told",
            vec![Demand::new(
                "start",
                Figure::Start,
                Rule::Told(&["sockeye", "uws", "nchan", "ws"]),
            )],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn board(rows: &[(&str, &'static str, &[f64])]) -> Board {
        let mut board = Board::default();
        for (scenario, server, values) in rows {
            for value in *values {
                board.add(scenario, server, Ok(Sample::from([(Figure::Cpu, *value)])));
            }
        }
        board
    }

    #[test]
    fn the_cheapest_peer_is_the_measure() {
        let board = board(&[
            ("a", "sockeye", &[10.0, 20.0, 10.0]),
            ("a", "uws", &[20.0, 40.0, 20.0]),
            ("a", "yawc", &[90.0, 90.0, 90.0]),
        ]);
        let judge = |bound| {
            let rule = Rule::TimesCheapest(&["yawc", "uws"], bound);
            Demand::new("a", Figure::Cpu, rule).judge(&board)
        };
        assert_eq!(judge(0.5).verdict, Verdict::Hit);
        assert_eq!(judge(0.49).verdict, Verdict::Miss);
        assert_eq!((&*judge(0.5).against, &*judge(0.5).shown), ("× uws", "0.50 (0.50–0.50)"));
    }

    #[test]
    fn what_was_not_measured_is_missing() {
        let board = board(&[("a", "sockeye", &[10.0])]);
        let rule = || Rule::TimesCheapest(&["uws"], 1.0);
        assert_eq!(Demand::new("a", Figure::Cpu, rule()).judge(&board).verdict, Verdict::Missing);
        assert_eq!(Demand::new("b", Figure::Cpu, rule()).judge(&board).verdict, Verdict::Missing);
        let told = Demand::new("b", Figure::Cpu, Rule::Told(&["sockeye"])).judge(&board);
        assert_eq!(told.verdict, Verdict::Missing);
        let all = [Verdict::Hit, Verdict::Missing, Verdict::Miss];
        assert_eq!(Verdict::all(&all), Verdict::Missing);
        assert_eq!(Verdict::all(&[Verdict::Hit, Verdict::Miss]), Verdict::Miss);
        assert_eq!(Verdict::all(&[Verdict::Told, Verdict::Hit]), Verdict::Hit);
    }

    #[test]
    fn less_own_and_flat() {
        let board = board(&[
            ("a", "sockeye", &[10.0, 10.0]),
            ("a", "uws", &[15.0, 15.0]),
            ("b", "sockeye", &[12.0, 12.0]),
        ]);
        let judge = |name, rule| Demand::new(name, Figure::Cpu, rule).judge(&board).verdict;
        assert_eq!(judge("a", Rule::TimesLess("uws", 1.5)), Verdict::Hit);
        assert_eq!(judge("a", Rule::TimesLess("uws", 1.51)), Verdict::Miss);
        assert_eq!(judge("b", Rule::TimesOwn("a", 1.2)), Verdict::Hit);
        assert_eq!(judge("b", Rule::TimesOwn("a", 1.1)), Verdict::Miss);
        assert_eq!(judge("b", Rule::Flat(&["a", "b"], 0.1)), Verdict::Hit);
        assert_eq!(judge("b", Rule::Flat(&["a", "b"], 0.08)), Verdict::Miss);
        assert_eq!(judge("a", Rule::AtMost(10.0)), Verdict::Hit);
        assert_eq!(judge("a", Rule::AtMost(9.9)), Verdict::Miss);
    }

    #[test]
    fn every_demand_names_a_load() {
        let names: Vec<String> =
            crate::scenario::all(17_900).into_iter().map(|it| it.name).collect();
        for demand in all().iter().flat_map(|target| &target.demands) {
            assert!(names.contains(&demand.scenario), "{}", demand.scenario);
            if let Rule::TimesOwn(other, _) = demand.rule {
                assert!(names.iter().any(|name| name == other), "{other}");
            }
        }
        assert_eq!(small_echoes().len(), 24);
    }

    #[test]
    fn figures_have_units() {
        assert_eq!(show(Figure::Cpu, 155.4), "155 ns");
        assert_eq!(show(Figure::Cpu, 23_260.0), "23.3 µs");
        assert_eq!(show(Figure::Last, 23_260_000.0), "23.3 ms");
        assert_eq!(show(Figure::Rate, 6_123_629.0), "6,123,629");
        assert_eq!(show(Figure::Memory, 272.0), "272 B");
    }
}
