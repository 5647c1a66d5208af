//! The command line of `sockeye token`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use sockeye_auth::Algorithm;
use sockeye_terminal::{Secret, span::Span};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenAction {
    /// Make a key in a new file, and print what the server's configuration says about it.
    Key(KeyOptions),
    /// Make a JSON Web Token for a user: for development, tests and back ends.
    New(NewOptions),
    /// Say what a server with this configuration would make of a token.
    Check(CheckOptions),
}

const KEY_EXAMPLES: &str = "\
Examples:
  # A server that is guarded, from nothing:
  sockeye token key api-key --out shop.key > sockeye.toml
  sockeye token key HS256 --out users.key >> sockeye.toml
  sockeye token key tickets --out ticket.secret >> sockeye.toml
  sockeye config check sockeye.toml
  sockeye serve --config sockeye.toml

A file that exists is not touched. Only its owner may read the new one. Paths in the configuration are
relative to the configuration, so that they fit if it is written where the command runs.

RS256: openssl genrsa -out users.pem 2048; openssl rsa -in users.pem -pubout -out users.pub.pem";

#[derive(Debug, Args)]
#[command(after_help = KEY_EXAMPLES)]
pub(crate) struct KeyOptions {
    /// What the key is for.
    #[arg(value_enum, value_name = "KIND")]
    pub(super) kind: KeyKind,

    /// The file that it is written to; the public half of a pair is beside it, as FILE.pub.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,

    /// Name of an API key, which its publications and logs go by. [default: the file's, without
    /// its ending]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,

    /// The name by which tokens say that they are signed with this one.
    #[arg(long, value_name = "NAME")]
    pub(super) kid: Option<String>,
}

/// Keys that are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// For a back end; the configuration has only its hash.
    ApiKey,
    /// A secret for users' tokens; whoever has it can make them, and the server has it.
    #[value(name = "HS256")]
    Hs256,
    /// A pair for users' tokens; the server has only the half that cannot make them.
    #[value(name = "ES256")]
    Es256,
    /// The same, with Ed25519.
    #[value(name = "EdDSA")]
    EdDsa,
    /// The server's secret behind tickets.
    Tickets,
}

const NEW_EXAMPLES: &str = "\
Examples:
  sockeye token new --key users.key --algorithm HS256 --user ann --channel chat:7 --publish chat:7
  sockeye token key EdDSA --out users.pem >> sockeye.toml
  sockeye token new --key users.pem --algorithm EdDSA --user ann --channel news --life 15m --json
  SOCKEYE_TOKEN=\"$(sockeye token new --key users.key --algorithm HS256 --channel news)\" \\
    sockeye subscribe news

It is good from now on. Nobody can take a token back before its end: keep lives short.";

#[derive(Debug, Args)]
#[command(after_help = NEW_EXAMPLES)]
pub(crate) struct NewOptions {
    /// What it is signed with: the secret of HS256, or a private key as PEM (PKCS #8).
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,

    /// The key's algorithm.
    #[arg(long, value_parser = algorithm())]
    pub(super) algorithm: Algorithm,

    /// The key's name, if the server's configuration gives it one.
    #[arg(long, value_name = "NAME")]
    pub(super) kid: Option<String>,

    /// Whose token it is (`sub`).
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,

    /// A channel or pattern that the user may subscribe; can be repeated.
    #[arg(long, value_name = "CHANNEL")]
    pub(super) channel: Vec<String>,

    /// A channel or pattern that the user may publish to; can be repeated.
    #[arg(long, value_name = "CHANNEL")]
    pub(super) publish: Vec<String>,

    /// How long it is good.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(super) life: Span,

    /// Who says so (`iss`), if the server asks for it.
    #[arg(long, value_name = "NAME")]
    pub(super) issuer: Option<String>,

    /// For which server (`aud`), if the server asks for it.
    #[arg(long, value_name = "NAME")]
    pub(super) audience: Option<String>,

    /// Print a JSON object with what it allows, too, instead of the token alone.
    #[arg(long)]
    pub(super) json: bool,
}

fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    PossibleValuesParser::new(["HS256", "ES256", "EdDSA", "RS256"])
        .map(|name| Algorithm::by_name(&name).expect("each name is an algorithm's"))
}

const CHECK_EXAMPLES: &str = "\
Examples:
  sockeye token check --config sockeye.toml - < token
  SOCKEYE_TOKEN=eyJ… sockeye token check --config sockeye.toml

The exit status is 0 if the server would take the token, and 1 with the code of its refusal if not.";

#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct CheckOptions {
    /// The server's configuration.
    #[arg(long, env = "SOCKEYE_CONFIG", value_name = "FILE")]
    pub(super) config: PathBuf,

    /// The token; `-` or nothing reads it from standard input, as other users can see command lines.
    #[arg(env = "SOCKEYE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(super) token: Option<Secret>,

    /// Print a JSON object.
    #[arg(long)]
    pub(super) json: bool,
}
