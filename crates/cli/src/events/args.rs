//! The command line of `sockeye events`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use sockeye_client::{Comments, EventSourceOptions, OnBusy, Reconnect};
use sockeye_terminal::{Secret, values};

use crate::endpoint::Problem;
use crate::endpoint::args::{EndpointOptions, read_file, url};

/// Largest body of a request.
const BODY_BYTES_MAX: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  sockeye events http://127.0.0.1:8080/clock
  sockeye events --json --limit 10 'http://127.0.0.1:8080/v1/sse?channel=news' | jq .data
  sockeye events --resume place 'http://127.0.0.1:8080/v1/sse?channel=orders' >> orders
  sockeye events --data --once -H @key -d '{\"model\":\"m\",\"stream\":true,\"messages\":[]}' \\
      https://api.example/v1/chat/completions

Without --json or --data, events are printed in the form of the stream itself, so that other readers of
event streams can read them. A lost stream is taken up again where it was, as the standard says; --once
is for answers that end, as those of language models.

The exit status is 0 after --limit, an end with --once, the server's word that there is no more (204), or
when nobody reads any more; 1 if the server refuses, sends something else or cannot be had in the first
place; 2 for a bad command line; 130 after Ctrl-C, 143 after SIGTERM.";

/// The options of `sockeye events`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EventsOptions {
    #[command(flatten)]
    pub(crate) endpoint: EndpointOptions,

    /// Method of the request. [default: GET, or POST with a body]
    #[arg(short = 'X', long, value_name = "METHOD", help_heading = "Request")]
    method: Option<String>,

    /// Body of the request; @FILE takes it from a file, and - from standard input.
    #[arg(short = 'd', long, value_name = "BODY", help_heading = "Request")]
    body: Option<Secret>,

    /// Go on after the event with this ID.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(super) last_event_id: String,

    /// Keep the last event ID in this file, and go on from there if it has one already.
    #[arg(long, value_name = "FILE")]
    pub(super) resume: Option<PathBuf>,

    /// End where the answer ends, and never ask again.
    #[arg(long, visible_alias = "no-reconnect")]
    once: bool,

    /// Ask again also when the server is too busy: status 429, 500, 502, 503 or 504.
    #[arg(long, conflicts_with = "once")]
    retry_on_busy: bool,

    /// A stream that is silent for so many seconds counts as lost.
    #[arg(long, value_name = "SECONDS", value_parser = values::count, allow_negative_numbers = true)]
    silence: Option<u64>,

    /// Largest event, in bytes.
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "67108864",
        value_parser = values::bytes,
        allow_negative_numbers = true
    )]
    pub(super) max_event: usize,

    /// End after so many events.
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        value_parser = values::count,
        allow_negative_numbers = true
    )]
    pub(super) limit: Option<u64>,

    /// Print a line of JSON for each event.
    #[arg(long, conflicts_with = "data")]
    pub(super) json: bool,

    /// Print the data only, and a line end behind it.
    #[arg(long)]
    pub(super) data: bool,

    /// Print comments, too.
    #[arg(long, conflicts_with = "data")]
    pub(super) comments: bool,

    /// Where the stream is.
    pub(super) url: String,
}

impl EventsOptions {
    /// What is to be asked.
    pub(super) fn source(&self, last_event_id: &str) -> Result<EventSourceOptions, Problem> {
        let mut asked = EventSourceOptions::to(&url(&self.url)?);
        asked.headers = self.endpoint.headers()?;
        asked.body = self.body.as_ref().map(|body| read_body(body.reveal())).transpose()?;
        if let Some(body) = &asked.body {
            "POST".clone_into(&mut asked.method);
            let is_named = |(name, _): &(String, String)| name.eq_ignore_ascii_case("Content-Type");
            if !asked.headers.iter().any(is_named) && is_json(body) {
                let value = "application/json".to_owned();
                asked.headers.push(("Content-Type".to_owned(), value));
            }
        }
        if let Some(method) = &self.method {
            asked.method.clone_from(method);
        }
        if last_event_id.contains(|letter: char| letter.is_control() && letter != '\t') {
            return Err(Problem::usage("the last event ID has a control character in it"));
        }
        last_event_id.clone_into(&mut asked.last_event_id);
        if self.once {
            asked.reconnect = Reconnect::Never;
        }
        if self.retry_on_busy {
            asked.policy.on_busy = OnBusy::Reconnect;
        }
        if self.comments {
            asked.comments = Comments::Report;
        }
        asked.event_bytes_max = self.max_event;
        asked.silence_ms = self.silence.map(|seconds| seconds.saturating_mul(1000));
        Ok(asked)
    }
}

fn read_body(text: &str) -> Result<Vec<u8>, Problem> {
    if text == "-" {
        let mut body = Vec::new();
        let read = std::io::stdin().take(BODY_BYTES_MAX + 1).read_to_end(&mut body);
        read.map_err(|error| Problem::failed("cannot read standard input", error))?;
        if body.len() as u64 > BODY_BYTES_MAX {
            let why = format_args!("the body is larger than {BODY_BYTES_MAX} bytes").to_string();
            return Err(Problem::usage(why));
        }
        return Ok(body);
    }
    match text.strip_prefix('@') {
        Some(path) => read_file(Path::new(path), BODY_BYTES_MAX),
        None => Ok(text.as_bytes().to_vec()),
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}
