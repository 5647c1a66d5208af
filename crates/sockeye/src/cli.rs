//! The arguments of the `sockeye` program, as clap parses them.

use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use sockeye_cli::{
    ConnectOptions, EventsOptions, NodesOptions, PublishOptions, SubscribeOptions, TicketOptions,
};
use sockeye_load::BenchAction;
use sockeye_terminal::values;

use crate::backbone::BackboneAction;
use crate::cert::CertOptions;
use crate::config::ListenAddress;
use crate::history::LogCommand;
#[cfg(feature = "postgres")]
use crate::source::SourceAction;
use crate::token::TokenAction;

/// Real-time delivery: ordered channels over WebSocket, server-sent events and polls, in one binary.
///
/// Without a command it serves, as `sockeye serve` does: on http://127.0.0.1:8080, if nothing else is
/// said.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(after_help = EXAMPLES, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeOptions,
}

const EXAMPLES: &str = "\
Examples:
  sockeye                                          # serve, and print what to try
  sockeye publish news 'hello, river'
  sockeye subscribe --from earliest news
  sockeye config default > sockeye.toml            # every setting, and what it means
  sockeye serve --config sockeye.toml --data data
  SOCKEYE_API_KEY=$KEY sockeye publish news hello  # to a guarded server";

const SERVE_EXAMPLES: &str = "\
Examples:
  sockeye serve --listen 127.0.0.1:9000
  sockeye serve --config sockeye.toml --data data
  sockeye serve --backbone redis://127.0.0.1              # one log for several of these
  sockeye serve --listen 127.0.0.1:8443 --dev-cert dev    # HTTPS, with a certificate for development
  sockeye serve --listen 127.0.0.1:8443 --cert cert.pem --key key.pem
  SOCKEYE_LOG=debug SOCKEYE_LOG_FORMAT=json sockeye serve 2> log

Then, from another terminal:
  curl -N 'http://127.0.0.1:8080/v1/sse?channel=news'
  curl -d 'hello' http://127.0.0.1:8080/v1/channels/news
A guarded server, with [access] in its configuration, also wants -H \"Authorization: ApiKey $KEY\" of curl, and
SOCKEYE_API_KEY in the environment of our own commands.

Signals:
  TERM, INT  drain: nobody new is let in, streams are told when to come back; a second one ends at once
  HUP        read the configuration file again; one that could not be served changes nothing

The exit status is 0 after a drain, 1 if it cannot start, and 2 for a bad command line.";

const CONFIG_EXAMPLES: &str = "\
Examples:
  sockeye config default > sockeye.toml
  sockeye config check sockeye.toml && kill -HUP $(pgrep -nx sockeye)";

const TOKEN_EXAMPLES: &str = "\
Examples:
  sockeye token key HS256 --out users.key >> sockeye.toml
  sockeye token new --key users.key --algorithm HS256 --user ann --channel chat:7 > ann.token
  sockeye token check --config sockeye.toml < ann.token";

const BENCH_EXAMPLES: &str = "\
Examples:
  sockeye bench echo ws://127.0.0.1:8080/echo
  sockeye bench idle --connections 10000 ws://127.0.0.1:8080/echo
  sockeye bench fanout --connections 1000 ws://127.0.0.1:8080/v1/ws
  sockeye bench sse --publish http://127.0.0.1:8080/v1/channels/bench \\
      'http://127.0.0.1:8080/v1/sse?channel=bench'

A guarded hub also wants -H 'Authorization: ApiKey KEY', behind the name of the load.";

const CERT_EXAMPLES: &str = "\
Examples:
  sockeye cert --out dev
  sockeye serve --listen 127.0.0.1:8443 --cert dev/cert.pem --key dev/key.pem
  curl --cacert dev/ca.pem https://localhost:8443/healthz";

#[cfg(feature = "postgres")]
const SOURCE_EXAMPLES: &str = "\
Examples:
  sockeye source sql | psql shop
  sockeye source sql --table events_out > migrations/7_events_out.sql";

#[cfg(feature = "man")]
const MAN_EXAMPLES: &str = "\
Examples:
  sockeye man ~/.local/share/man/man1 && man sockeye-serve";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(sockeye completions bash)
  sockeye completions zsh > ~/.zfunc/_sockeye
  sockeye completions fish > ~/.config/fish/completions/sockeye.fish";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the hub under /v1: publishing, event streams, WebSockets, polls, history
    ///
    /// Each message has a cursor; a client that comes back with it gets what it missed, on whatever
    /// transport, or is told that something is missing. /healthz, /readyz and /metrics are for probes
    /// and monitoring. Without `[access]` in the configuration everybody may do everything, so then it
    /// listens on a loopback address only, and there is a demo: a page at /, /admin, /echo, /clock.
    #[command(after_help = SERVE_EXAMPLES, verbatim_doc_comment)]
    Serve(ServeOptions),
    /// Print or check a configuration file.
    #[command(after_help = CONFIG_EXAMPLES)]
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Publish messages to a channel of a running server.
    Publish(PublishOptions),
    /// Print the messages of channels of a running server.
    Subscribe(SubscribeOptions),
    /// Talk to anybody's WebSocket server, a message a line.
    Connect(Box<ConnectOptions>),
    /// Print the events of anybody's event stream.
    Events(Box<EventsOptions>),
    /// Get a one-time ticket from a running server.
    Ticket(TicketOptions),
    /// Show the nodes that share the log of a running server.
    Nodes(NodesOptions),
    /// Put load on a server, ours or another, and measure it.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench {
        #[command(subcommand)]
        action: Box<BenchAction>,
    },
    /// Make a certificate for development, and an authority that vouches for it.
    #[command(after_help = CERT_EXAMPLES, verbatim_doc_comment)]
    Cert(CertOptions),
    /// Make keys for a server that asks who it is, and tokens for its users.
    #[command(after_help = TOKEN_EXAMPLES)]
    Token {
        #[command(subcommand)]
        action: TokenAction,
    },
    /// Look at the log on disk, check it, copy it.
    Log(LogCommand),
    /// Begin a log that several machines share with what one machine has.
    Backbone {
        #[command(subcommand)]
        action: BackboneAction,
    },
    /// Prepare what a source of the configuration reads.
    #[cfg(feature = "postgres")]
    #[command(after_help = SOURCE_EXAMPLES)]
    Source {
        #[command(subcommand)]
        action: SourceAction,
    },
    /// Print a script that makes a shell complete this command line.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell.
        #[arg(value_parser = shell())]
        shell: Shell,
    },
    /// Write the manual: a page for the program, and one for each command.
    #[cfg(feature = "man")]
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// The directory, which is made if it is not there.
        directory: std::path::PathBuf,
    },
    /// Play the client under test against an Autobahn fuzzing server.
    Testee {
        /// Where the fuzzing server listens, for example ws://127.0.0.1:9001
        url: String,
    },
}

/// Reads the name of a shell that completions are made for.
fn shell() -> impl TypedValueParser<Value = Shell> {
    PossibleValuesParser::new(["bash", "zsh", "fish"])
        .map(|name| name.parse().expect("each name is a shell's"))
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print a file that has every setting at its default.
    Default,
    /// Say whether a file could be served, with the keys and certificates that it names: exit status 0, or the first
    /// problem and its line. The environment counts, as for `sockeye serve`. Certificates that end within 7 days are
    /// warned of.
    Check {
        /// The file, or /dev/stdin.
        #[arg(required_unless_present = "config")]
        file: Option<std::path::PathBuf>,

        /// The same file, as `sockeye serve --config` has it.
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        config: Option<std::path::PathBuf>,

        /// Directory for the durable log, as `sockeye serve --data` has it.
        #[arg(long, value_name = "DIR")]
        data: Option<std::path::PathBuf>,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ServeOptions {
    /// Address and port to listen on; port 0 takes a free one and prints it. A port alone, as :443, is all
    /// addresses of the machine, in IPv6 and IPv4. Or unix:PATH.
    /// [default: 127.0.0.1:8080]
    #[arg(long, env = "SOCKEYE_LISTEN", value_name = "ADDRESS", value_parser = ListenAddress::parse)]
    pub(crate) listen: Option<ListenAddress>,

    /// Certificate of the server, in PEM, with its chain; turns TLS on, on every TCP listener without
    /// `tls = false`
    #[arg(long, env = "SOCKEYE_CERT", value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<std::path::PathBuf>,

    /// Private key of the certificate, in PEM, without a passphrase
    #[arg(long, env = "SOCKEYE_KEY", value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<std::path::PathBuf>,

    /// Speak HTTPS with the certificate for development in this directory. `sockeye serve` makes it for
    /// localhost if the directory has none, as `sockeye cert` does
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cert", "key"])]
    pub(crate) dev_cert: Option<std::path::PathBuf>,

    /// Configuration file, as `sockeye config default` prints one; the environment and flags win.
    #[arg(long, env = "SOCKEYE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<std::path::PathBuf>,

    /// Directory for the durable log; without it, messages live in memory only.
    #[arg(long, env = "SOCKEYE_DATA", value_name = "DIR")]
    pub(crate) data: Option<std::path::PathBuf>,

    /// The log that several machines share, on Redis or Valkey: redis://HOST or redis://HOST:PORT, rediss:// with TLS,
    /// redis-sentinel://HOST,HOST/NAME; or on NATS (with the feature nats): nats://HOST,HOST?stream=NAME, tls://;
    /// or on Kafka (with the feature kafka): kafka://HOST,HOST/TOPIC, kafkas://;
    /// or on RabbitMQ (with the feature amqp): amqp://USER@HOST,HOST/VHOST?stream=NAME, amqps://;
    /// or on PostgreSQL (with the feature postgres): postgres://USER@HOST/DATABASE. SOCKEYE_BACKBONE_PASSWORD has the
    /// password, SOCKEYE_BACKBONE_CREDENTIALS the credentials of NATS.
    #[arg(long, env = "SOCKEYE_BACKBONE", value_name = "URL")]
    pub(crate) backbone: Option<String>,

    /// Seconds to let connections finish after SIGTERM or Ctrl-C; a second signal ends at once.
    /// [default: 10]
    #[arg(
        long,
        env = "SOCKEYE_DRAIN",
        value_name = "SECONDS",
        value_parser = values::number,
        allow_negative_numbers = true
    )]
    pub(crate) drain: Option<u64>,

    /// Loops that serve together, each on a thread of its own; more than one needs Linux.
    /// [default: 1]
    #[arg(long, env = "SOCKEYE_WORKERS", value_name = "NUMBER", value_parser = values::workers)]
    pub(crate) workers: Option<usize>,
}

impl ServeOptions {
    /// The options of a server that is started with this file, without a flag. Ends the process with a message, as
    /// such a start does, if the environment has a wrong value.
    pub(crate) fn of_environment(config: &Path) -> Self {
        let options = match Cli::try_parse_from(["sockeye"]) {
            Ok(cli) => cli.serve,
            Err(error) => values::blame(error, &Cli::command(), std::iter::empty()).exit(),
        };
        Self { config: Some(config.to_owned()), ..options }
    }
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
