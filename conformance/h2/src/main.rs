//! Our suite of HTTP/2: the frames that RFC 9113, RFC 7541 and RFC 8441 forbid and allow, and the error code
//! that has to be on the wire.
//!
//! It shares no protocol code with the servers it tests: frames, field blocks and their decoder are its own. A
//! case is an entry of a table in [`cases`].

mod cases;
mod hpack;
mod huffman;
mod link;
mod peer;
mod row;
mod socket;
mod target;
mod want;
mod wire;

use core::time::Duration;
use std::process::ExitCode;

use clap::Parser;
use sockeye_cases::{Pace, Url, matches, report, runner};

use crate::row::Case;
use crate::target::Target;

/// Runs the HTTP/2 suite against a server: with prior knowledge at http://, by ALPN at https://.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// A page of the server, whose content has at least four bytes.
    #[arg(required_unless_present = "list")]
    url: Option<String>,
    /// A path that takes content by POST; the page's, unless told.
    #[arg(long)]
    post: Option<String>,
    /// A path that echoes messages of WebSockets.
    #[arg(long, default_value = "/echo")]
    socket: String,
    /// Runs only the cases whose id begins with this, or matches it where it has a `*`.
    #[arg(long)]
    only: Vec<String>,
    /// Lists the cases and stops.
    #[arg(long)]
    list: bool,
    /// Prints one JSON object instead of lines; it has the bytes that the cases send.
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
            eprintln!("sockeye-h2: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments, cases: &[Case], target: &Target) -> ExitCode {
    if cases.is_empty() {
        eprintln!("sockeye-h2: no case has such an id");
        return ExitCode::from(2);
    }
    let results = runner::run(cases, target, arguments.jobs.max(1), |result| {
        if !arguments.json {
            println!("{}", report::line(result));
        }
    });
    let tally = report::Tally::of(&results);
    if arguments.json {
        println!(
            "{}",
            report::json(arguments.url.as_deref().unwrap_or_default(), &results, &tally)
        );
    } else {
        println!("{}", report::summary(target.suite(), &results, &tally));
    }
    let bad = tally.failed + if arguments.deny_skips { tally.skipped } else { 0 };
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn selected(arguments: &Arguments) -> Vec<Case> {
    let is_tls = arguments.url.as_deref().is_some_and(|url| url.starts_with("https:"));
    let wanted = |case: &Case| {
        arguments.only.is_empty() || arguments.only.iter().any(|only| matches(only, &case.id))
    };
    let mut cases = cases::all();
    cases.retain(|case| {
        let in_time = arguments.list || arguments.slow || case.pace != Pace::Slow;
        let in_scope = match case.group() {
            "tls" => is_tls,
            "h2c" => !is_tls,
            _ => true,
        };
        wanted(case) && in_time && (arguments.list || in_scope)
    });
    cases
}

fn target(arguments: &Arguments) -> Result<Target, String> {
    let text = arguments.url.as_deref().unwrap_or_default();
    let is_tls = text.starts_with("https:");
    let url = Url::parse(text, &["http", "https"])?;
    if !arguments.allow_remote && url.resolve()?.iter().any(|it| !it.ip().is_loopback()) {
        return Err(format!("{} is not this machine; see --allow-remote", url.host));
    }
    if !(0.1..=600.0).contains(&arguments.timeout) {
        return Err("--timeout takes 0.1 to 600 seconds".to_owned());
    }
    let post = arguments.post.clone().unwrap_or_else(|| url.target.clone());
    let paths = [post, arguments.socket.clone()];
    Ok(Target::new(url, is_tls, Duration::from_secs_f64(arguments.timeout), paths))
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
        assert!(cases.len() >= 200, "{} cases", cases.len());
    }
}
