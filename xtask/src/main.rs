//! Checks of the workspace on itself, which CI runs: `cargo xtask arrows | trace | tidy | nostd`.
//!
//! Each prints what it found, then one closing line that says what it counted, and ends with
//! status 0 only if nothing was wrong.

mod arrows;
mod nostd;
mod outcome;
mod rust;
mod tidy;
mod trace;
mod workspace;

use std::process::ExitCode;

use outcome::{Check, Outcome};
use tidy::Notes;
use workspace::Workspace;

const USAGE: &str = "usage: cargo xtask COMMAND

  arrows           who may depend on whom, and how many external crates that costs
  trace            each requirement has a line that enforces it and a test
  tidy [--notes]   sizes, README, examples, lints, leftovers, paths, commits, changelog
  nostd            the no_std crates link and run without std and without libc";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let check: fn(&Workspace) -> Outcome<Check> = match arguments[..] {
        ["arrows"] => arrows::run,
        ["trace"] => trace::run,
        ["tidy"] => |workspace| tidy::run(workspace, Notes::Hide),
        ["tidy", "--notes"] => |workspace| tidy::run(workspace, Notes::Show),
        ["nostd"] => nostd::run,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match Workspace::find().and_then(|workspace| check(&workspace)) {
        Ok(check) => check.report(arguments[0]),
        Err(why) => {
            eprintln!("{}: could not be checked: {why}", arguments[0]);
            ExitCode::from(2)
        }
    }
}
