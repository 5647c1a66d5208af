//! The command line of `sockeye connect`.

use clap::Args;
use sockeye_client::websocket::{CloseCode, CloseFrame};
use sockeye_client::{ConnectOptions as Asked, UsageError};
use sockeye_terminal::values;

use crate::endpoint::Problem;
use crate::endpoint::args::{EndpointOptions, url};

const EXAMPLES: &str = "\
Examples:
  sockeye connect ws://127.0.0.1:8080/echo
  echo hi | sockeye connect -1 ws://127.0.0.1:8080/echo
  sockeye connect --subprotocol sockeye.v1.json -H @credentials wss://hub.example/v1/ws
  sockeye connect --json --stay 'ws://127.0.0.1:8080/v1/ws?channel=news' < /dev/null | jq .data

Each line is a message. On a terminal there is a line editor with a history; /help names what else can be
typed. The history is kept in sockeye/connect_history under $XDG_STATE_HOME (~/.local/state), without lines
that begin with a space.

In a pipe, the connection is closed when the input has ended, the server has been silent for --linger
seconds, and has then answered a last Ping, for which it has 5 seconds. For its Close frame, and again for
the connection's end, it has one second each, also with -1, and counted from when all was sent, unless a signal
has asked for the end; a second signal ends at once. A reader that is slow makes the server wait.

Text is printed as it is, but on a terminal without control characters. Binary messages are told by length
and first bytes; with --hex they are lines of hexadecimal digits, and with --binary, in a pipe, the bytes
themselves.

The exit status is 0 if the connection was closed by both sides with code 1000, 1001, none or the one that
we sent; 1 if it was refused, lost or closed with another code; 2 for a bad command line; 130 after
SIGINT and 143 after SIGTERM, behind the closing handshake. At the prompt Ctrl-C is a key, like Ctrl-D.";

/// The options of `sockeye connect`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConnectOptions {
    #[command(flatten)]
    pub(super) endpoint: EndpointOptions,

    /// Offer this subprotocol; several in the order of preference.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Request")]
    subprotocol: Vec<String>,

    /// Origin of the page that we act for.
    #[arg(long, value_name = "ORIGIN", help_heading = "Request")]
    origin: Option<String>,

    /// Offer no compression.
    #[arg(long, help_heading = "Request")]
    no_compress: bool,

    /// Send a Ping when the server was silent for so many seconds, and again as long for the answer; 0 for
    /// never.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "30",
        value_parser = values::number,
        allow_negative_numbers = true
    )]
    ping: u64,

    /// Largest message that is received, in bytes.
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "67108864",
        value_parser = values::bytes,
        allow_negative_numbers = true
    )]
    max_message: usize,

    /// Send lines as binary messages.
    #[arg(long, short, conflicts_with = "text")]
    pub(super) binary: bool,

    /// Send lines of hexadecimal digits as binary messages, and print binary ones so.
    #[arg(long, conflicts_with_all = ["text", "binary"])]
    pub(super) hex: bool,

    /// Send lines as text, which is the default.
    #[arg(long)]
    text: bool,

    /// Print a line of JSON for each message, Ping, Pong and the end.
    #[arg(long)]
    pub(super) json: bool,

    /// End when the first message has come.
    #[arg(short = '1', long = "one")]
    pub(super) one: bool,

    /// After the end of a piped input: seconds of silence until a last Ping, and then we close. [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    linger: Option<f64>,

    /// Do not close after the end of a piped input; the server will.
    #[arg(long, conflicts_with = "linger")]
    stay: bool,

    /// Close with this code.
    #[arg(
        long,
        value_name = "CODE",
        default_value = "1000",
        value_parser = close_code,
        allow_negative_numbers = true
    )]
    close: u16,

    /// Neither read nor write the history of what was typed.
    #[arg(long)]
    pub(super) no_history: bool,

    /// Where the server is; http:// and https:// stand for ws:// and wss://.
    url: String,
}

impl ConnectOptions {
    /// The options of the connection.
    pub(super) fn asked(&self) -> Result<Asked, Problem> {
        let mut asked = Asked::to(&url(&self.url)?);
        asked.headers = self.endpoint.headers()?;
        asked.subprotocols.clone_from(&self.subprotocol);
        asked.origin.clone_from(&self.origin);
        if self.no_compress {
            asked.compression = None;
        }
        let ping_ms = self.ping.saturating_mul(1000);
        asked.ping_ms = (ping_ms > 0).then_some(ping_ms);
        if let Some(ping_ms) = asked.ping_ms {
            asked.pong_ms = ping_ms;
        }
        asked.limits.message_bytes_max = self.max_message as u64;
        asked.limits.frame_bytes_max = self.max_message as u64;
        Ok(asked)
    }

    /// The code that we close with.
    pub(super) const fn close_code(&self) -> CloseCode {
        CloseCode::new(self.close)
    }

    /// Milliseconds of silence after the input's end; `None` for any silence.
    pub(super) fn linger_ms(&self) -> Option<u64> {
        // With -1 the client waits for a message, so it does not close for silence by default.
        let default = if self.one { None } else { Some(1.0) };
        let linger = if self.stay { None } else { self.linger.or(default) };
        // The parser of the command line has checked the value.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a day")]
        linger.map(|seconds| (seconds * 1000.0) as u64)
    }
}

/// Words a mistake in the options of a connection.
pub(super) fn usage(error: UsageError) -> Problem {
    let hint = match error {
        UsageError::Header => {
            " (a -H with Origin, Expect or Sec-WebSocket-…, or an --origin that is none)"
        }
        _ => "",
    };
    Problem::usage(format_args!("{error}{hint}"))
}

fn close_code(text: &str) -> Result<u16, String> {
    let code = text.parse().ok().filter(|code| CloseFrame::new(CloseCode::new(*code), "").is_ok());
    code.ok_or_else(|| "expected a close code: 1000 to 1003, 1007 to 1014, 3000 to 4999".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds, 0 to 86400".to_owned())
}
