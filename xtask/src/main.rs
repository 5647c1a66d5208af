//! Checks of the workspace on itself, which CI runs: `cargo xtask COMMAND`.
//!
//! Each prints what it found, then one closing line that says what it counted, and ends with
//! status 0 only if nothing was wrong.

mod arrows;
mod circles;
mod lines;
mod modules;
mod msrv;
mod nostd;
mod outcome;
mod packages;
mod release;
mod rust;
mod tally;
mod tidy;
mod trace;
mod workspace;

use std::process::ExitCode;

use outcome::{Check, Notes, Outcome};
use workspace::Workspace;

const USAGE: &str = "usage: cargo xtask COMMAND

  arrows              who may depend on whom, and how many external crates that costs
  circles [--notes]   no files of a crate import each other in a circle
  trace               each requirement has a line that enforces it and a test
  tidy [--notes]      circles, sizes, README, examples, lints, leftovers, forgotten files, paths, commits, changelog
  packages            what is published has licences, metadata, pages without links to elsewhere
  msrv                no published package asks for an older Rust than what it depends on
  release [VERSION]   versions and changelog are those of one release; with VERSION also what only a release needs
  nostd               the no_std crates link and run without std and without libc
  lines [COMMIT]      lines of Rust outside tests, code and comments apart, and the change since a commit

and for .ci/run:

  targets KIND...     the targets of these kinds, each behind the name of its package
  published           the names of the published packages
  features            each published package alone, and each of its features behind its name
  tally LOG SUITE...  how many tests or cases of these suites passed, as a log says";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(Some(status)) => status,
        Ok(None) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(why) => {
            eprintln!("{}: {why}", arguments.join(" "));
            ExitCode::from(2)
        }
    }
}

/// Does what the command line says; `None` if it says nothing that there is.
fn run(arguments: &[&str]) -> Outcome<Option<ExitCode>> {
    match arguments {
        ["tally", log, suites @ ..] => println!("{}", tally::run(log, suites)?),
        ["targets", kinds @ ..] => print!("{}", Workspace::find()?.targets(kinds)),
        ["published"] => print!("{}", Workspace::find()?.names()),
        ["features"] => print!("{}", Workspace::find()?.features()),
        _ => {
            let check = check(&Workspace::find()?, arguments)?;
            return Ok(check.map(|check| check.report(arguments[0])));
        }
    }
    Ok(Some(ExitCode::SUCCESS))
}

/// Makes the check that the command line names; `None` if it names none.
fn check(workspace: &Workspace, arguments: &[&str]) -> Outcome<Option<Check>> {
    let notes = if arguments.last() == Some(&"--notes") { Notes::Show } else { Notes::Hide };
    let check = match arguments {
        ["arrows"] => arrows::run(workspace),
        ["circles"] | ["circles", "--notes"] => circles::run(workspace, notes),
        ["trace"] => trace::run(workspace),
        ["tidy"] | ["tidy", "--notes"] => tidy::run(workspace, notes),
        ["packages"] => packages::run(workspace),
        ["msrv"] => msrv::run(workspace),
        ["release"] => release::run(workspace, None),
        ["release", version] => release::run(workspace, Some(version)),
        ["nostd"] => nostd::run(workspace),
        ["lines"] => lines::run(workspace, None),
        ["lines", commit] => lines::run(workspace, Some(commit)),
        _ => return Ok(None),
    };
    check.map(Some)
}
