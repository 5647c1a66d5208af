//! Counts what the log of a CI step says that passed.

use std::fs;

use crate::outcome::Outcome;
use crate::workspace::counts;

/// The name that stands for all test programs that cargo ran.
const TESTS: &str = "tests";

/// The sum of what `suites` say in the log at `path`; a suite that is named twice ran twice.
///
/// A suite's closing line is `NAME: N passed, 0 failed`, alone on a line.
pub(crate) fn run(path: &str, suites: &[&str]) -> Outcome<u64> {
    let log = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    let mut total = 0;
    for (suite, runs) in counts(suites) {
        let said = if *suite == TESTS { tests(&log)? } else { closing_lines(&log, suite) };
        if *suite != TESTS && said.len() != runs {
            return Err(format!("{suite}: {} closing lines instead of {runs}", said.len()).into());
        }
        if *suite != TESTS && said.contains(&0) {
            return Err(format!("{suite}: nothing passed").into());
        }
        total += said.iter().sum::<u64>();
    }
    if total == 0 {
        return Err(format!("{}: nothing passed", suites.join(" ")).into());
    }
    Ok(total)
}

fn closing_lines(log: &str, suite: &str) -> Vec<u64> {
    let passed = |line: &str| {
        let rest = line.strip_prefix(suite)?.strip_prefix(": ")?;
        rest.strip_suffix(" passed, 0 failed")?.parse().ok()
    };
    log.lines().filter_map(passed).collect()
}

/// What each test program says. An ignored test is one that does not run, and a filter that lets no test
/// through names tests that are gone.
fn tests(log: &str) -> Outcome<Vec<u64>> {
    let results = log.lines().filter_map(|line| line.strip_prefix("test result: "));
    results
        .map(|result| {
            let number = |what: &str| {
                let part = result.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
                part.and_then(|number| number.trim().parse::<u64>().ok())
            };
            let filtered = number(" filtered out").unwrap_or_default();
            match (number(" passed"), number(" failed"), number(" ignored")) {
                (Some(0), Some(0), Some(0)) if filtered > 0 => {
                    Err(format!("a filter that no test passes: {result}").into())
                }
                (Some(passed), Some(0), Some(0)) => Ok(passed),
                _ => Err(format!("failed or ignored tests: {result}").into()),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{closing_lines, tests};

    #[test]
    fn closing_lines_stand_alone() {
        let log = "a: 3 passed, 0 failed\nab: 4 passed, 0 failed\n a: 5 passed, 0 failed\n\
                   a: 6 passed, 1 failed\na: 7 passed, 0 failed, 2 skipped\na: 8 passed, 0 failed\n";
        assert_eq!(closing_lines(log, "a"), [3, 8]);
        assert_eq!(closing_lines(log, "b"), [0; 0]);
    }

    #[test]
    fn test_programs_are_added_up() {
        let line = |counts: &str| format!("x\ntest result: ok. {counts}; finished in 0.00s\n");
        let all = line("5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        let some = line("2 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out");
        let none = line("0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(tests(&(all + &some + &none)).expect("all passed"), [5, 2, 0]);
        for wrong in [
            "5 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            "5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "0 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out",
        ] {
            assert!(tests(&line(wrong)).is_err(), "{wrong}");
        }
        assert!(tests("test result: ?").is_err());
    }
}
