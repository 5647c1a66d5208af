//! The `sockeye` program: real-time delivery over WebSocket and server-sent events.

mod acme;
mod archive;
mod backbone;
mod calendar;
mod cert;
mod cli;
mod config;
mod demo;
mod disk;
mod file;
mod front;
mod history;
mod listen;
mod logging;
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
mod login;
mod pages;
mod progress;
mod reload;
mod serve;
#[cfg(feature = "postgres")]
mod source;
mod sources;
mod tls;
mod token;
mod watch;
mod workers;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use sockeye_terminal::{Failure, notice, print, values};

use crate::cli::{Cli, Command, ConfigAction, ServeOptions};
use crate::file::Kind;
use crate::logging::LogConfig;

/// What packages ship. With the system's allocator memory grows for minutes under mixed loads, and work takes longer.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
        Command::Testee { url } => sockeye_cli::testee(&url),
        Command::Config { action } => config(&action),
        Command::Publish(options) => sockeye_cli::publish(&options),
        Command::Subscribe(options) => sockeye_cli::subscribe(&options),
        Command::Connect(options) => return sockeye_cli::connect(&options),
        Command::Events(options) => return sockeye_cli::events(&options),
        Command::Ticket(options) => sockeye_cli::ticket(&options),
        Command::Nodes(options) => sockeye_cli::nodes(&options),
        Command::Bench { action } => sockeye_load::run(&action),
        Command::Cert(options) => cert::run(&options),
        Command::Token { action } => token::run(&action),
        Command::Log(command) => history::run(&command),
        Command::Backbone { action } => backbone::run(&action),
        #[cfg(feature = "postgres")]
        Command::Source { action } => source::run(&action),
        Command::Completions { shell } => complete(shell),
        #[cfg(feature = "man")]
        Command::Man { directory } => manual(&directory),
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
        ConfigAction::Check { file, config, data } => {
            let file = file.as_ref().or(config.as_ref()).expect("clap asks for one of them");
            let mut options = ServeOptions::of_environment(file);
            options.data = data.clone().or(options.data);
            let config = serve::configure(&options, Kind::Given)?;
            for warning in config.tls.as_ref().map_or(Ok(Vec::new()), tls::check)? {
                notice(format_args!("{}: {warning}", file.display()));
            }
            let costs = disk::costs(&config);
            let warnings: String =
                config.warnings().iter().map(|it| format!("\nwarning: {it}")).collect();
            print::say(format_args!("{}: good\n{costs}{warnings}", file.display()))
        }
    }
}

/// Prints what makes a shell complete our command line.
fn complete(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sockeye", &mut script);
    print::text(&String::from_utf8_lossy(&script))
}

/// Writes the pages of the manual into a directory.
#[cfg(feature = "man")]
fn manual(directory: &std::path::Path) -> Result<(), Failure> {
    use sockeye_terminal::OrFail as _;

    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .or_fail(|| format!("cannot write the manual to {}", directory.display()))
}
