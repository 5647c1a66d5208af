//! The command lines of the clients.

use core::fmt;
use core::str::FromStr;

use clap::Args;

/// Where the hub is, and who asks.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// Where the hub is: http://HOST:PORT
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
}

/// What must not be shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = core::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
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

#[derive(Debug, Args)]
#[command(after_help = PUBLISH_EXAMPLES)]
pub(crate) struct PublishOptions {
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
    #[arg(long, value_name = "N")]
    pub(super) ttl_ms: Option<u64>,

    /// The data is JSON, not text.
    #[arg(long)]
    pub(super) json_data: bool,

    /// Print a receipt for each message, a line of JSON each, instead of how many there were.
    #[arg(long)]
    pub(super) json: bool,

    /// Where to publish.
    pub(super) channel: String,

    /// What to publish; without it, or with `-`, each line of standard input is a message.
    pub(super) data: Option<String>,
}
