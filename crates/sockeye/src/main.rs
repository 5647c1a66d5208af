//! The `sockeye` program: real-time delivery over WebSocket and server-sent events.

mod bench;
mod cli;
mod config;
mod connect;
mod demo;
mod disk;
mod endpoint;
mod events;
mod front;
mod logging;
mod pages;
mod plain;
mod print;
mod reload;
mod remote;
mod serve;
mod signals;
mod span;
mod testee;
mod token;
mod values;
mod watch;
mod workers;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::cli::{Cli, Command, ConfigAction, Shell};
use crate::logging::LogConfig;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => return conclude(help(&error)),
        Err(error) => values::blame(error, &Cli::command(), std::env::args_os().skip(1)).exit(),
    };
    let logs = logging::apply(&LogConfig::default());
    conclude(match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        _ if logs.is_err() => logs,
        Command::Serve(options) => serve::run(&options),
        Command::Testee { url } => testee::run(&url),
        Command::Config { action } => config(&action),
        Command::Publish(options) => remote::publish::run(&options),
        Command::Subscribe(options) => remote::subscribe::run(&options),
        Command::Connect(options) => return connect::run(&options),
        Command::Events(options) => return events::run(&options),
        Command::Ticket(options) => remote::ticket::run(&options),
        Command::Bench { action } => bench::run(&action),
        Command::Token { action } => token::run(&action),
        Command::Completions { shell } => complete(shell),
    })
}

/// Says why it failed, if it did, and gives the program's status.
fn conclude(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be listening there either.
            let _ = writeln!(std::io::stderr(), "sockeye: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what was asked for by --help or --version.
fn help(error: &clap::Error) -> Result<(), Failure> {
    let text = error.render();
    match print::is_coloured(&std::io::stdout()) {
        true => print::text(&text.ansi().to_string()),
        false => print::text(&text.to_string()),
    }
}

fn config(action: &ConfigAction) -> Result<(), Failure> {
    match action {
        ConfigAction::Default => print::say(format_args!("{}", config::DEFAULT.trim_end())),
        ConfigAction::Check { file } => {
            config::Config::read(file)?.check()?;
            print::say(format_args!("{}: good", file.display()))
        }
    }
}

/// Prints what makes a shell complete our command line.
fn complete(shell: Shell) -> Result<(), Failure> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sockeye", &mut script);
    print::text(&String::from_utf8_lossy(&script))
}

/// Tells the person who started us something on standard error.
fn notice(text: core::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "sockeye: {text}");
}

/// Why the program ends: one line for the person who started it.
#[derive(Debug)]
struct Failure(String);

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds to an error what was being done.
trait OrFail<T> {
    fn or_fail(self, doing: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: core::fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, doing: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{}: {error}", doing())))
    }
}
