//! How many instructions Sockeye's work takes, counted by valgrind's callgrind, and a gate on it.
//!
//! `benches/README.md` says what is counted and how to read it.

mod callgrind;
mod counting;
mod earlier;
mod inputs;
mod network;
mod scenarios;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use scenarios::{SCENARIOS, Scenario};
use table::{Comparison, Table};

const USAGE: &str = "usage: sockeye-instructions COMMAND

  compare          counts everything; fails where something takes 3 % more than in the baseline
  against COMMIT   the same with the code of a commit, built and counted here
  renew            counts everything and writes the baseline
  count [NAME]...  counts these scenarios, or all, and prints what a baseline is made of
  run NAME         runs one without counting: what callgrind is given";

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.txt");

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["compare"] => compare(),
        ["against", commit] => against(commit),
        ["renew"] => renew(),
        ["count", ref names @ ..] => count(names).map(|table| print!("{table}")),
        ["run", name] => run(name),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("instructions: {why}");
            ExitCode::FAILURE
        }
    }
}

/// With the committed baseline; where it was counted with other versions than this machine's, with its
/// code, counted here.
fn compare() -> Result<(), String> {
    let text = fs::read_to_string(BASELINE).map_err(|why| format!("{BASELINE}: {why}"))?;
    let committed: Table = text.parse()?;
    let counted = count(&[])?;
    if committed.versions == counted.versions {
        return judge(&committed, &counted);
    }
    println!("The baseline was counted with");
    println!("{}and here are", committed.versions);
    print!("{}", counted.versions);
    println!("so the code of the baseline is built and counted here.\n");
    let commit = earlier::commit_of(Path::new(BASELINE))?;
    let earlier = earlier::count(&commit)?;
    if !earlier.has_rows_of(&committed) {
        return Err(format!("the code of {commit} is not that of the baseline: renew it"));
    }
    judge(&earlier, &counted)?;
    println!("The baseline is good, and would be quicker with this machine's versions: renew it.");
    Ok(())
}

fn against(commit: &str) -> Result<(), String> {
    let earlier = earlier::count(commit)?;
    judge(&earlier, &count(&[])?)
}

fn renew() -> Result<(), String> {
    let counted = count(&[])?;
    if let Ok(before) = fs::read_to_string(BASELINE)
        && let Ok(before) = before.parse::<Table>()
    {
        print!("{}", Comparison::new(&before, &counted));
    }
    fs::write(BASELINE, counted.to_string()).map_err(|why| format!("{BASELINE}: {why}"))?;
    println!("{} rows are in {BASELINE}", counted.rows.len());
    Ok(())
}

fn count(names: &[&str]) -> Result<Table, String> {
    let known = |name: &&str| SCENARIOS.iter().any(|it| it.name == *name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        return Err(format!("there is no scenario {name}"));
    }
    let wanted = |it: &Scenario| names.is_empty() || names.contains(&it.name);
    let scenarios: Vec<Scenario> = SCENARIOS.into_iter().filter(wanted).collect();
    callgrind::count(&scenarios)
}

fn judge(before: &Table, counted: &Table) -> Result<(), String> {
    let comparison = Comparison::new(before, counted);
    print!("{comparison}");
    if comparison.better().next().is_some() {
        println!("What is better is kept by a renewed baseline only.");
    }
    let (passed, failed) = (comparison.passed(), comparison.failed());
    println!("instructions: {passed} passed, {failed} failed");
    if failed == 0 {
        return Ok(());
    }
    let profiles = callgrind::directory()?;
    Err(format!(
        "what takes more has to be found (callgrind_annotate {}/NAME.callgrind) and taken back, or \
         explained in the commit that renews the baseline (renew)",
        profiles.display()
    ))
}

fn run(name: &str) -> Result<(), String> {
    let scenario = SCENARIOS.iter().find(|it| it.name == name);
    let Some(Scenario { run, .. }) = scenario else {
        return Err(format!("there is no scenario {name}"));
    };
    println!("{}", callgrind::Report::new(run()));
    Ok(())
}
