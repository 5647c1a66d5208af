//! Parses values of the command line and the environment, and words the errors for bad ones.

use std::ffi::OsString;
use std::net::SocketAddr;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};

/// What an error message says that an address has to be.
pub const ADDRESS: &str = "an address with a port, as 127.0.0.1:8080";

/// Longest life of a message that a server allows: 30 days.
const TTL_MS_MAX: u64 = 2_592_000_000;

/// Parses an address to listen on. A port alone, as `:8080`, is `[::]` with that port: all addresses of the
/// machine. [listen:port-alone]
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let parsed = match text.strip_prefix(':') {
        Some(port) => format!("[::]:{port}").parse(),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("expected {ADDRESS}"))
}

/// The error message for a URL that [has a strange port](has_strange_port).
pub const STRANGE_PORT: &str = "its port is not one, as 1 to 65535 are";

/// Whether the port of a URL is a number outside of 1 to 65535. For such a URL the parser's own error says only
/// that it is no URL.
pub fn has_strange_port(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_number && port.parse::<u16>().ok().is_none_or(|port| port == 0)
}

/// Parses any whole number.
pub fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number, 0 or more".to_owned())
}

/// The most event loops of a process: all of them share one sequencer, which assigns the positions.
pub const WORKERS_MAX: usize = 64;

/// Parses a number of event loops.
pub fn workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| (1..=WORKERS_MAX).contains(workers));
    workers.ok_or_else(|| format!("expected a whole number, 1 to {WORKERS_MAX}"))
}

/// Parses a number of messages, at least 1.
pub fn count(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a whole number, at least 1".to_owned())
}

/// Parses a number of bytes, at least 1.
pub fn bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "expected a number of bytes, at least 1".to_owned())
}

/// Parses the life of a message in milliseconds.
pub fn ttl_ms(text: &str) -> Result<u64, String> {
    let ttl_ms = text.parse().ok().filter(|ttl_ms| (1..=TTL_MS_MAX).contains(ttl_ms));
    ttl_ms.ok_or_else(|| format!("expected a whole number, 1 to {TTL_MS_MAX} (30 days)"))
}

/// Puts the environment variable in the place of the flag in an error about a bad value, if the value came from
/// the variable: the user has not written the flag.
pub fn blame(
    mut error: clap::Error,
    command: &Command,
    mut args: impl Iterator<Item = OsString>,
) -> clap::Error {
    let Some(ContextValue::String(blamed)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let Some((flag, variable)) = variable(command, blamed) else { return error };
    let is_written = args.any(|arg| {
        let arg = arg.to_string_lossy();
        arg.strip_prefix(&*flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    if !is_written && std::env::var_os(&variable).is_some() {
        let blamed = format!("environment variable {variable}");
        error.insert(ContextKind::InvalidArg, ContextValue::String(blamed));
    }
    error
}

/// Returns the flag and the environment variable of an argument, if it has both.
fn variable(command: &Command, blamed: &str) -> Option<(String, String)> {
    let long = blamed.split_whitespace().next()?.strip_prefix("--")?;
    let variable_of = |arg: &Arg| arg.get_env()?.to_str().map(str::to_owned);
    let found = command.get_arguments().find(|arg| arg.get_long() == Some(long));
    let found = found.and_then(variable_of).map(|variable| (format!("--{long}"), variable));
    found.or_else(|| command.get_subcommands().find_map(|inner| variable(inner, blamed)))
}

#[cfg(test)]
mod tests {
    use super::address;

    /// [listen:port-alone]
    #[test]
    fn a_port_alone_is_for_all_addresses() {
        for (text, expected) in [
            (":8080", "[::]:8080"),
            (":0", "[::]:0"),
            ("[::]:1", "[::]:1"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("127.0.0.1:80", "127.0.0.1:80"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        for text in ["", ":", "::", "::1", ":x", ":+1", ":-1", ":65536", ": 80", ":80:80", "8080"] {
            let problem = "expected an address with a port, as 127.0.0.1:8080";
            assert_eq!(address(text).unwrap_err(), problem, "{text}");
        }
    }
}
