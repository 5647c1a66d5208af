//! `sockeye ticket`: asks a server for a one-time ticket.

use clap::Args;
use serde::Deserialize;
use sockeye_terminal::{Failure, plain::JsonLine, print, span::Span};

use super::args::ServerOptions;
use super::{Break, Remote};

const EXAMPLES: &str = "\
Examples:
  export SOCKEYE_API_KEY=\"$(cat shop.key)\"
  sockeye ticket --user ann --channel chat:7 --publish chat:7
  curl -N \"http://127.0.0.1:8080/v1/sse?channel=chat:7&ticket=$(sockeye ticket --channel chat:7)\"

A ticket opens one stream. An event stream or a poll that comes back with its last cursor is the same
session; a WebSocket needs another ticket. API keys give tickets for what the server's configuration
says in `tickets`; a user's token gives them for the same user and no more than the token allows.

The exit status is 0 and standard output has the ticket, or it is 1 and standard error says why not.";

/// The options of `sockeye ticket`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TicketOptions {
    #[command(flatten)]
    server: ServerOptions,

    /// Whose ticket it is; nobody's if it is not said.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// A channel or pattern that its holder may subscribe; can be repeated.
    #[arg(long, value_name = "CHANNEL")]
    channel: Vec<String>,

    /// A channel or pattern that its holder may publish to; can be repeated.
    #[arg(long, value_name = "CHANNEL")]
    publish: Vec<String>,

    /// How long it may wait to be used, a minute at the most. [default: 30s]
    #[arg(long, value_name = "TIME")]
    life: Option<Span>,

    /// How long what it opens may last, a day at the most. [default: a day]
    #[arg(long, value_name = "TIME")]
    session: Option<Span>,

    /// Print a JSON object with what was asked for, too, instead of the ticket alone.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Issued {
    ticket: String,
}

/// Asks once and prints what came.
pub fn run(options: &TicketOptions) -> Result<(), Failure> {
    let remote = Remote::new(&options.server)?;
    let ticket = ask(&remote, &wanted(options, None)).map_err(|end| explain(end, &remote))?;
    if options.json {
        print::say(format_args!("{}", wanted(options, Some(&ticket))))
    } else {
        print::say(format_args!("{ticket}"))
    }
}

/// The request for a ticket; with the ticket in it, it is also the output of `--json`.
fn wanted(options: &TicketOptions, ticket: Option<&str>) -> String {
    let ms = |span: &Option<Span>| span.map(|span| span.ms);
    JsonLine::default()
        .maybe("ticket", ticket)
        .maybe("user", options.user.as_deref())
        .field("channels", &options.channel)
        .field("publish", &options.publish)
        .maybe("life_ms", ms(&options.life).as_ref())
        .maybe("session_ms", ms(&options.session).as_ref())
        .end()
}

fn ask(remote: &Remote, body: &str) -> Result<String, Break> {
    let mut requests = remote.requests()?;
    let body = remote.post(&mut requests, "/v1/tickets", body.as_bytes(), &mut false)?;
    let issued: Issued = serde_json::from_slice(&body)
        .map_err(|error| Break::Final(format!("the server's answer is strange: {error}")))?;
    // Users put the ticket into URLs and shells.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if issued.ticket.is_empty() || !issued.ticket.bytes().all(is_plain) {
        return Err(Break::Final("the server's answer is strange: that is no ticket".into()));
    }
    Ok(issued.ticket)
}

fn explain(end: Break, remote: &Remote) -> Failure {
    let hint = match end {
        Break::Final(_) if remote.authorization.is_none() => {
            "; SOCKEYE_API_KEY or --api-key-file says who asks"
        }
        _ => "",
    };
    Failure(format!("{}{hint}", end.into_text()))
}
