//! The strict suite: what a WebSocket and server-sent-events server must do, beyond Autobahn.
//!
//! It shares no code with the servers it tests: frames, handshakes, SHA-1, Base64 and the inflater
//! are its own, over blocking sockets. A case is an entry of a table in [`cases`].

mod case;
mod cases;
mod digest;
mod http;
mod inflate;
mod peer;
mod squeeze;
mod target;
mod wire;

use core::time::Duration;
use std::process::ExitCode;

use clap::Parser;
use sockeye_cases::{matches, report, runner};

use crate::case::{Case, Pace};
use crate::target::{Target, Url};

/// Runs the strict suite against a WebSocket echo endpoint.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// The echo endpoint, as ws://host:port/path.
    #[arg(required_unless_present = "list")]
    url: Option<String>,
    /// A server-sent-events endpoint, as http://host:port/path; without it that group is left out.
    #[arg(long)]
    sse: Option<String>,
    /// Runs only the cases whose id begins with this, or matches it where it has a `*`.
    #[arg(long)]
    only: Vec<String>,
    /// Leaves out the cases whose id begins with this, or matches it where it has a `*`.
    #[arg(long)]
    except: Vec<String>,
    /// Lists the cases and stops.
    #[arg(long)]
    list: bool,
    /// Prints one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// How many cases run at a time.
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// How long to wait for the server, in seconds.
    #[arg(long, default_value_t = 5.0)]
    timeout: f64,
    /// Also runs the cases that wait for the server's own timers (up to a minute each).
    #[arg(long)]
    slow: bool,
    /// Counts a skipped case as a failed one.
    #[arg(long)]
    deny_skips: bool,
    /// Allows a server that is not on this machine. Some cases are floods: ask its owner.
    #[arg(long)]
    allow_remote: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cases = selected(&arguments);
    if arguments.list {
        println!("{}", report::list(&cases, arguments.json));
        return ExitCode::SUCCESS;
    }
    match target(&arguments) {
        Ok(target) => run(&arguments, &cases, &target),
        Err(why) => {
            eprintln!("sockeye-conformance: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments, cases: &[Case], target: &Target) -> ExitCode {
    if cases.is_empty() {
        eprintln!("sockeye-conformance: no case has such an id");
        return ExitCode::from(2);
    }
    let results = runner::run(cases, target, arguments.jobs.max(1), |result| {
        if !arguments.json {
            println!("{}", report::line(result));
        }
    });
    let tally = report::Tally::of(&results);
    if arguments.json {
        println!("{}", report::json(&url(target), &results, &tally));
    } else {
        println!("{}", report::summary("strict", &results, &tally));
    }
    let bad = tally.failed + if arguments.deny_skips { tally.skipped } else { 0 };
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn url(target: &Target) -> String {
    format!("ws://{}{}", target.echo.authority(), target.echo.target)
}

fn selected(arguments: &Arguments) -> Vec<Case> {
    let any_is = |patterns: &[String], case: &Case| {
        patterns.iter().any(|pattern| matches(pattern, &case.id))
    };
    let wanted = |case: &Case| {
        (arguments.only.is_empty() || any_is(&arguments.only, case))
            && !any_is(&arguments.except, case)
    };
    let mut cases = cases::all();
    cases.retain(|case| {
        let in_time = arguments.list || arguments.slow || case.pace != Pace::Slow;
        let in_scope = arguments.list || arguments.sse.is_some() || case.group() != "sse";
        wanted(case) && in_time && in_scope
    });
    cases
}

fn target(arguments: &Arguments) -> Result<Target, String> {
    let echo = Url::parse(arguments.url.as_deref().unwrap_or_default(), &["ws", "http"])?;
    let sse = arguments.sse.as_deref().map(|sse| Url::parse(sse, &["http"])).transpose()?;
    if !arguments.allow_remote {
        for url in [Some(&echo), sse.as_ref()].into_iter().flatten() {
            if url.resolve()?.iter().any(|address| !address.ip().is_loopback()) {
                return Err(format!("{} is not this machine; see --allow-remote", url.host));
            }
        }
    }
    if !(0.1..=600.0).contains(&arguments.timeout) {
        return Err("--timeout takes 0.1 to 600 seconds".to_owned());
    }
    Ok(Target::new(echo, sse, Duration::from_secs_f64(arguments.timeout)))
}

#[cfg(test)]
mod tests {
    use super::cases;

    #[test]
    fn ids_are_unique_and_sections_given() {
        let cases = cases::all();
        let ids: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.id).collect();
        assert_eq!(ids.len(), cases.len());
        assert!(cases.iter().all(|case| !case.section.is_empty() && case.id.contains('/')));
    }
}
