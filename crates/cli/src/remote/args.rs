//! The command lines of the clients.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sockeye_terminal::{Secret, values};

use crate::endpoint::args::HttpOptions;

/// Where the hub is, and who asks.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// Where the hub is: http://HOST:PORT, or https:// for TLS
    #[arg(
        long,
        env = "SOCKEYE_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        help_heading = "Server"
    )]
    pub(super) url: String,

    /// API key; better given in the environment, where other users cannot see it.
    #[arg(
        long,
        env = "SOCKEYE_API_KEY",
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "Server"
    )]
    pub(super) api_key: Option<Secret>,

    /// JSON Web Token; better given in the environment, where other users cannot see it.
    #[arg(
        long,
        env = "SOCKEYE_TOKEN",
        hide_env_values = true,
        value_name = "JWT",
        help_heading = "Server"
    )]
    pub(super) token: Option<Secret>,

    /// File that has the API key; it wins over the two above.
    #[arg(long, value_name = "FILE", help_heading = "Server", conflicts_with = "token_file")]
    pub(super) api_key_file: Option<PathBuf>,

    /// File that has the token; the same.
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(super) token_file: Option<PathBuf>,

    /// For https://, trust the authorities in this PEM file, instead of the system's.
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(super) cacert: Option<PathBuf>,

    #[command(flatten)]
    pub(super) http: HttpOptions,
}

const PUBLISH_EXAMPLES: &str = "\
Examples:
  sockeye publish news 'hello, river'
  sockeye publish --json-data --event sold seats:7 '{\"seat\":12,\"price\":17.50}'
  tail -f app.log | sockeye publish logs:app
  sockeye publish --key import-7 orders < orders.txt

Each message has an idempotency key, so one that is sent again after a lost connection is published
once. With --key, that holds over runs: the lines of standard input get the keys KEY-1, KEY-2, …

The exit status is 0 if every message was published, and 1 if one was not.";

/// The options of `sockeye publish`.
#[derive(Debug, Args)]
#[command(after_help = PUBLISH_EXAMPLES)]
pub struct PublishOptions {
    #[command(flatten)]
    pub(super) server: ServerOptions,

    /// Name of the event; subscribers of an event stream listen by it.
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,

    /// Idempotency key, instead of a random one.
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,

    /// Publish only if this is the channel's newest message: its number or cursor, 0 for none.
    #[arg(long, value_name = "SEQ", requires = "data")]
    pub(super) expect: Option<String>,

    /// After so many milliseconds the message is not delivered any more.
    #[arg(long, value_name = "N", value_parser = values::ttl_ms, allow_negative_numbers = true)]
    pub(super) ttl_ms: Option<u64>,

    /// The data is JSON, not text.
    #[arg(long)]
    pub(super) json_data: bool,

    /// Print a receipt for each message, a line of JSON each, instead of how many there were.
    #[arg(long)]
    pub(super) json: bool,

    /// Do not tell on standard error of attempts that failed and are made again.
    #[arg(long, short)]
    pub(super) quiet: bool,

    /// Where to publish.
    pub(super) channel: String,

    /// What to publish; without it, or with `-`, each line of standard input is a message.
    pub(super) data: Option<String>,
}

const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  sockeye subscribe news
  sockeye subscribe --from earliest --count 10 orders | jq .data
  sockeye subscribe --transport sse chat:7 news
  sockeye subscribe --cursor 1mubbs7i8-15 news      # the cursor that another run told

In a pipe, each line is a JSON object with a `type`: message, gap, sync (all that was missed is there),
end (of a channel) or error (a channel was refused). Gaps say where messages may be missing.

A lost connection is taken up again where it was. When it is interrupted, it tells the last cursor, with
which another run goes on. Its output then ends behind a whole line, the one with that cursor: a line of
up to 4096 bytes is written whole or not at all, and a longer one that was begun is finished if the reader
takes the rest within 2 seconds.

The exit status is 0 when all channels have ended, --count is reached or nobody reads any more; 1 if it
failed; 130 after Ctrl-C, 143 after SIGTERM.";

/// The options of `sockeye subscribe`.
#[derive(Debug, Args)]
#[command(after_help = SUBSCRIBE_EXAMPLES)]
pub struct SubscribeOptions {
    #[command(flatten)]
    pub(super) server: ServerOptions,

    /// How the messages come.
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) transport: Transport,

    /// Go on after this cursor, which an earlier message or run has told.
    #[arg(long, value_name = "CURSOR", conflicts_with = "from")]
    pub(super) cursor: Option<String>,

    /// Where to begin.
    #[arg(long, value_enum, default_value = "now")]
    pub(super) from: From,

    /// End after so many messages.
    #[arg(long, value_name = "N", value_parser = values::count, allow_negative_numbers = true)]
    pub(super) count: Option<u64>,

    /// Print lines of JSON, also on a terminal.
    #[arg(long)]
    pub(super) json: bool,

    /// No notices on standard error; errors and the last cursor are still told.
    #[arg(long, short)]
    pub(super) quiet: bool,

    /// Channels, and patterns where the server allows them.
    #[arg(required = true, value_name = "CHANNEL")]
    pub(super) channels: Vec<String>,
}

/// How messages come.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Transport {
    /// A WebSocket; where there is none, server-sent events; where those do not come through, polls.
    Auto,
    /// A WebSocket.
    Ws,
    /// Server-sent events.
    Sse,
    /// Requests that are answered when there is something.
    Poll,
    /// A request each second.
    ShortPoll,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum From {
    /// With the oldest message that is still there.
    Earliest,
    /// With the next message.
    Now,
}
