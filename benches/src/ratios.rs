//! Ratios that hold on a machine that is not quiet.
//!
//! All rows of a group run in turn, round after round, and what counts is the ratio of two rows in
//! the same round: whatever slows the machine down slows both.

use std::time::Duration;

use crate::{Group, Row, Target, thread_cpu};

/// Rounds of each group. Odd, so that the median is one of them.
const ROUNDS: usize = 31;
/// Processor time of one row in one round.
const SLICE: Duration = Duration::from_millis(2);

/// Nanoseconds a unit of work, by round.
struct Times {
    name: &'static str,
    rounds: Vec<f64>,
}

/// Measures a group, prints its rows and the verdict on its targets; says whether all are hit.
pub fn measure(group: &mut Group) -> bool {
    let counts: Vec<u64> = group.rows.iter_mut().map(units_per_slice).collect();
    let mut times: Vec<Times> =
        group.rows.iter().map(|row| Times { name: row.name, rounds: Vec::new() }).collect();
    for round in 0..ROUNDS {
        // Nobody always runs in the wake of the same neighbour.
        for turn in 0..group.rows.len() {
            let at = (round + turn) % group.rows.len();
            let ns = time(&mut group.rows[at], counts[at]);
            times[at].rounds.push(ns);
        }
    }
    print_rows(group, &times);
    // Every verdict is printed, so none may be skipped.
    let missed = group.targets.iter().filter(|target| !judge(target, &times)).count();
    missed == 0
}

/// How many units fill a slice.
fn units_per_slice(row: &mut Row) -> u64 {
    let mut units = 1;
    loop {
        let ns = time(row, units) * units as f64;
        if ns >= SLICE.as_nanos() as f64 / 2.0 {
            let per_unit = ns / units as f64;
            return ((SLICE.as_nanos() as f64 / per_unit) as u64).max(1);
        }
        units *= 2;
    }
}

fn time(row: &mut Row, units: u64) -> f64 {
    let before = thread_cpu();
    (row.run)(units);
    (thread_cpu() - before).as_nanos() as f64 / units as f64
}

fn print_rows(group: &Group, times: &[Times]) {
    println!("\n### {}\n", group.name);
    println!("| row | ns | GB/s | speed of {} ÷ its speed |", times[0].name);
    println!("|---|---:|---:|---:|");
    for row in times {
        let unit_ns = median(&row.rounds);
        let (ns, rate) = (unit_ns / group.unit_parts as f64, group.unit_bytes as f64 / unit_ns);
        let ratio = if row.name == times[0].name {
            "1".to_owned()
        } else {
            show(&ratios(&row.rounds, &times[0].rounds))
        };
        println!("| {} | {ns:.1} | {rate:.2} | {ratio} |", row.name);
    }
}

/// Whether the speed of the target's row is at least its factor of the one it is held against.
fn judge(target: &Target, times: &[Times]) -> bool {
    let of = |name: &str| times.iter().find(|row| row.name == name).expect("a row of the group");
    let fastest = target
        .against
        .iter()
        .map(|name| of(name))
        .min_by(|a, b| median(&a.rounds).total_cmp(&median(&b.rounds)))
        .expect("a target names a row");
    let ratios = ratios(&fastest.rounds, &of(target.row).rounds);
    let hit = median(&ratios) >= target.factor;
    println!(
        "\n{}: {} runs at {} of the speed of {}; wanted {}",
        if hit { "HIT" } else { "MISS" },
        target.row,
        show(&ratios),
        fastest.name,
        target.factor,
    );
    hit
}

/// `upper / lower`, round by round.
fn ratios(upper: &[f64], lower: &[f64]) -> Vec<f64> {
    upper.iter().zip(lower).map(|(upper, lower)| upper / lower).collect()
}

/// The median, and the range of the rounds.
fn show(ratios: &[f64]) -> String {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2}–{most:.2})", median(ratios))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::{Times, judge, median};
    use crate::Target;

    fn row(name: &'static str, rounds: &[f64]) -> Times {
        Times { name, rounds: rounds.to_vec() }
    }

    #[test]
    fn the_fastest_peer_is_the_measure() {
        let times =
            [row("own", &[10.0, 20.0, 10.0]), row("a", &[20.0, 40.0, 20.0]), row("b", &[90.0; 3])];
        let target = |factor| Target { row: "own", against: &["b", "a"], factor };
        assert!(judge(&target(2.0), &times));
        assert!(!judge(&target(2.1), &times));
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
