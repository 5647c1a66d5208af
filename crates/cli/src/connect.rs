//! `sockeye connect`: a WebSocket for a person or a pipe, a message a line.

pub(crate) mod args;
mod editor;
mod history;
mod input;
mod screen;
mod session;
mod show;
mod turns;
mod typed;

use std::process::ExitCode;

use self::args::ConnectOptions;
use self::session::Session;
use crate::endpoint::status;

/// Connects, sends what is typed or piped in, and prints what comes.
pub fn run(options: &ConnectOptions) -> ExitCode {
    status(Session::open(options).and_then(Session::run))
}
