//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::remote::args::{PublishOptions, SubscribeOptions};
use crate::remote::ticket::TicketOptions;
use crate::token::TokenAction;

/// Real-time delivery from first principles: WebSocket and server-sent events in one binary.
///
/// Without a command it serves the demo on the loopback interface.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeOptions,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(sockeye completions bash)
  sockeye completions zsh > ~/.zfunc/_sockeye
  sockeye completions fish > ~/.config/fish/completions/sockeye.fish";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the demo: a page at `/`, a WebSocket echo at `/echo`, server-sent events at `/clock`.
    Serve(ServeOptions),
    /// Print or check a configuration file.
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Publish messages to a channel of a running server.
    Publish(PublishOptions),
    /// Print the messages of channels of a running server.
    Subscribe(SubscribeOptions),
    /// Get a one-time ticket from a running server.
    Ticket(TicketOptions),
    /// Make keys for a server that asks who it is, and tokens for its users.
    Token {
        #[command(subcommand)]
        action: TokenAction,
    },
    /// Print a script that makes a shell complete this command line.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Play the client under test against an Autobahn fuzzing server.
    Testee {
        /// Where the fuzzing server listens, for example ws://127.0.0.1:9001
        url: String,
    },
}

/// Shells that completions are made for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print a file that has every setting at its default.
    Default,
    /// Say whether a file could be served: exit status 0, or the first problem and its line.
    Check {
        /// The file.
        file: std::path::PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Address and port to listen on; port 0 takes a free one and prints it.
    /// [default: 127.0.0.1:8080]
    #[arg(long, env = "SOCKEYE_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,

    /// Configuration file, as `sockeye config default` prints one; the environment and flags win.
    #[arg(long, env = "SOCKEYE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<std::path::PathBuf>,

    /// Directory for the durable log; without it, messages live in memory only.
    #[arg(long, env = "SOCKEYE_DATA", value_name = "DIR")]
    pub(crate) data: Option<std::path::PathBuf>,

    /// Seconds to let connections finish after SIGTERM or Ctrl-C; a second signal ends at once.
    /// [default: 10]
    #[arg(long, env = "SOCKEYE_DRAIN", value_name = "SECONDS")]
    pub(crate) drain: Option<u64>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
