//! The command lines of `sockeye bench`.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Subcommand};
use sockeye_terminal::{Failure, values};
use sockeye_tls::Connector;

use super::opening::Opener;
use super::payload::{Content, VARIANTS};
use super::stamp::STAMP_BYTES;
use super::target::{Reach, Scheme, split};
use super::trust::Trust;
use super::version::Versions;

/// Connections that one run may have.
const CONNECTIONS_MAX: usize = 100_000;
/// Streams that one connection may carry.
const STREAMS_MAX: usize = 10_000;
/// Lines that one run may have: connections, or streams on all of them.
const LINES_MAX: usize = 2_000_000;
/// A day, in seconds.
const SECONDS_MAX: f64 = 86_400.0;
/// Largest message of a load, in bytes.
const BYTES_MAX: usize = 64 << 20;
/// Channels of one run: what fits into the digits of their names.
const CHANNELS_MAX: usize = 1_000_000;
/// Messages on their way on one connection, or publications.
const FLIGHT_MAX: usize = 65_536;

const ECHO_EXAMPLES: &str = "\
Examples:
  sockeye bench echo ws://127.0.0.1:8080/echo
  sockeye bench echo --connections 500 --bytes 1024 --pipeline 32 ws://127.0.0.1:8080/echo
  sockeye bench echo --rate 20000 --duration 30 --pid $(pgrep -nx sockeye) ws://127.0.0.1:8080/echo
  sockeye bench echo --cacert dev/ca.pem wss://localhost:8443/echo
  sockeye bench echo --http2 ws://127.0.0.1:8080/echo

Every message is compared with what was sent. Without --rate each connection sends again as soon as
an echo is there, so a slow server is asked less often and its pauses are counted once. With --rate a
message has a time at which it should be sent, and its latency is counted from then, whether or not it
could be: what piles up behind a pause is counted with all of its waiting (no coordinated omission).
To meet those times the generator does not sleep for the last two milliseconds, which takes a core.

All frames are masked with one random key. tcp:// sends the payloads without any protocol, to measure
the floor. The exit status is 0 if every message came back as it was sent, 1 if not, and 2 for a bad
command line. Ctrl-C ends the measurement: what was measured is printed, and the status is 130.";

const IDLE_EXAMPLES: &str = "\
Examples:
  sockeye bench idle --connections 10000 --pid $(pgrep -nx sockeye) ws://127.0.0.1:8080/echo
  sockeye bench idle --touch 64 --ping 10 --duration 60 ws://127.0.0.1:8080/echo
  sockeye bench idle --subprotocol sockeye.v1.json \\
      --send '{\"type\":\"subscribe\",\"channels\":[\"bench\"]}' ws://127.0.0.1:8080/v1/ws
  sockeye bench idle 'http://127.0.0.1:8080/v1/sse?channel=bench'
  sockeye bench idle --connections 10000 --streams 100 ws://127.0.0.1:8080/echo

Memory is measured from one connection on, so that what a server has anyway is not counted. More than
8,000 connections to a loopback address come from several source addresses, 127.1.0.1 and on.";

const FANOUT_EXAMPLES: &str = "\
Examples:
  sockeye bench fanout --connections 1000 ws://127.0.0.1:8080/v1/ws
  sockeye bench fanout --bare --rate 50 ws://127.0.0.1:8080/v1/ws
  sockeye bench fanout --connections 100 --streams 100 ws://127.0.0.1:8080/v1/ws
  sockeye bench fanout --broadcast ws://127.0.0.1:9001/

It speaks `sockeye.v1.json` unless --bare or --broadcast is given. Before it counts, it publishes until
every subscriber has heard something. Then each has to hear every publication once and in order. A
hub that asks who it is needs --header 'Authorization: ApiKey …'; a user's or stranger's rate is bounded there by
`messages_per_second`, and a key's is not.

Without --rate the next publication goes out when all but --in-flight - 1 have reached everybody. With
it, latency is counted from the time at which a publication should have gone out.";

const SSE_EXAMPLES: &str = "\
Examples:
  sockeye bench sse --publish http://127.0.0.1:8080/v1/channels/bench \\
      'http://127.0.0.1:8080/v1/sse?channel=bench'
  sockeye bench sse --publish http://127.0.0.1:3000/publish --body '{\"text\":\"{payload}\"}' \\
      --content-type application/json http://127.0.0.1:3000/events
  sockeye bench sse --connections 100 http://127.0.0.1:8080/clock    # only counts what comes

Latency is told of what it publishes itself. Rates and bounds are those of `sockeye bench fanout`.";

/// A load, and its options.
#[derive(Debug, Subcommand)]
pub enum BenchAction {
    /// Messages that come back: rate, latency, and what the server spends on one.
    #[command(after_help = ECHO_EXAMPLES)]
    Echo(EchoOptions),
    /// Connections that do nothing: what one costs in memory, and all of them in processor time.
    #[command(after_help = IDLE_EXAMPLES)]
    Idle(IdleOptions),
    /// One publisher, many WebSockets: time from publication to delivery, and to the last delivery.
    #[command(after_help = FANOUT_EXAMPLES)]
    Fanout(FanoutOptions),
    /// One publisher, many event streams.
    #[command(after_help = SSE_EXAMPLES)]
    Sse(SseOptions),
}

/// What every load has.
#[derive(Debug, Args)]
pub(crate) struct CommonOptions {
    /// Connections, up to 100,000.
    #[arg(long, short, default_value = "64", value_name = "N", value_parser = connections)]
    pub(super) connections: NonZeroUsize,

    /// HTTP/2, with so many WebSockets (RFC 8441) or event streams on each connection.
    #[arg(long, value_name = "N", value_parser = streams)]
    pub(super) streams: Option<NonZeroUsize>,

    /// Speak HTTP/1.1. Without this, --http2 and --streams, a server behind TLS chooses (ALPN).
    #[arg(long = "http1.1", conflicts_with_all = ["http2", "streams"])]
    http1: bool,

    /// Speak HTTP/2: without TLS the server has to expect it. What is posted goes over HTTP/1.1.
    #[arg(long)]
    http2: bool,

    /// Seconds that are measured.
    #[arg(long, short, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub(super) duration: Nanos,

    /// Seconds before that; what happens in them is checked and not counted.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    pub(super) warm_up: Nanos,

    /// Connections that are opened a second; 0: as fast as the server takes them, 128 at a time.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) connect_rate: u64,

    /// Seconds without anything after which the server is given up.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    pub(super) patience: Nanos,

    /// A header line of the requests that open connections and publish; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub(super) headers: Vec<(String, String)>,

    /// Authorities of the server's certificate, in PEM, instead of the system's; for wss:// and https://.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(super) cacert: Option<std::path::PathBuf>,

    /// Take any certificate: whoever is in between can read and change everything.
    #[arg(long)]
    pub(super) insecure: bool,

    /// The server's process on this machine: its processor time and memory are measured (Linux).
    #[arg(long, value_parser = pid)]
    pub(super) pid: Option<u32>,

    /// Load another machine than this one. Have its owner's consent.
    #[arg(long)]
    pub(super) allow_remote: bool,

    /// Print one JSON object instead of the table; durations are in nanoseconds.
    #[arg(long)]
    pub(super) json: bool,

    /// No progress on standard error.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl CommonOptions {
    /// WebSockets or event streams in all.
    pub(super) fn lines(&self) -> Result<usize, Failure> {
        let streams = self.streams.map_or(1, NonZeroUsize::get);
        let lines = self.connections.get().saturating_mul(streams);
        if lines > LINES_MAX {
            return Err(Failure(format!("{lines} streams are more than {LINES_MAX}")));
        }
        Ok(lines)
    }

    /// Their name in a report.
    pub(super) const fn noun(&self) -> &'static str {
        if self.streams.is_some() { "streams" } else { "connections" }
    }

    /// How many of what `opener` opens share a connection of HTTP/2; `None`: they speak HTTP/1.1.
    pub(super) fn shared(&self, opener: &Opener) -> Result<Option<usize>, Failure> {
        let versions = match self {
            Self { http1: true, .. } => Versions::Http1,
            Self { http2: true, .. } | Self { streams: Some(_), .. } => Versions::Http2,
            Self { http1: false, http2: false, streams: None, .. } => Versions::Negotiated,
        };
        let is_http2 = versions.choose(opener, Duration::from_nanos(self.patience.0))?;
        Ok(is_http2.then_some(self.streams.map_or(1, NonZeroUsize::get)))
    }

    /// What a [`Target`](super::target::Target) needs: whom it may load, and how TLS begins.
    pub(super) fn to(&self) -> (Reach, impl FnOnce() -> Result<Connector, Failure> + '_) {
        let reach = if self.allow_remote { Reach::Anywhere } else { Reach::Loopback };
        let trust = match (&self.cacert, self.insecure) {
            (Some(path), _) => Trust::Authorities(path),
            (None, true) => Trust::Anybody,
            (None, false) => Trust::System,
        };
        (reach, move || trust.connector())
    }
}

/// The options of `sockeye bench echo`.
#[derive(Debug, Args)]
pub struct EchoOptions {
    /// Where messages come back: ws://HOST:PORT/PATH, wss://…, or tcp://HOST:PORT
    #[arg(value_parser = url(&[Scheme::WebSocket, Scheme::Tcp]))]
    pub(super) url: String,

    #[command(flatten)]
    pub(super) common: CommonOptions,

    /// Size of a message.
    #[arg(long, short, default_value = "125", value_name = "N", value_parser = within(0, BYTES_MAX))]
    pub(super) bytes: usize,

    /// What messages are made of.
    #[arg(long, value_enum, default_value = "binary")]
    pub(super) content: Content,

    /// Different messages that are sent in turn, 64 at most, and fewer of large ones. With one, mixed text
    /// looks several times cheaper than it is, and a message that is lost shows only at the end.
    #[arg(long, default_value = "64", value_name = "N", value_parser = within(1, VARIANTS))]
    pub(super) variants: usize,

    /// Messages on their way at a time, on each connection.
    #[arg(long, short, default_value = "1", value_name = "N", value_parser = within(1, FLIGHT_MAX))]
    pub(super) pipeline: usize,

    /// Messages a second, of all connections together; without it, as many as come back.
    #[arg(long, short, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,

    /// End after so many messages instead of after a time. Those that are on their way when it begins
    /// are of them; without a warm-up and with one connection it is exact.
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = values::count)]
    pub(super) messages: Option<u64>,

    /// Offer permessage-deflate; the server has to agree. Random bytes do not shrink: add --content text.
    #[arg(long)]
    pub(super) deflate: bool,

    /// Subprotocol to ask for.
    #[arg(long, value_name = "NAME")]
    pub(super) subprotocol: Option<String>,
}

/// The options of `sockeye bench idle`.
#[derive(Debug, Args)]
pub struct IdleOptions {
    /// What to open: ws://HOST:PORT/PATH, or http://HOST:PORT/PATH for an event stream
    #[arg(value_parser = url(&[Scheme::WebSocket, Scheme::Http]))]
    pub(super) url: String,

    #[command(flatten)]
    pub(super) common: CommonOptions,

    /// Send each connection a ping each so many seconds, and measure the answers.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) ping: Option<Nanos>,

    /// First exchange one message of so many bytes on each connection with a server that echoes it.
    #[arg(long, value_name = "BYTES", value_parser = within(0, BYTES_MAX))]
    pub(super) touch: Option<usize>,

    /// Offer permessage-deflate, and have what --touch sends compressed.
    #[arg(long, requires = "touch")]
    pub(super) deflate: bool,

    /// First send this text on each connection.
    #[arg(long, value_name = "TEXT")]
    pub(super) send: Option<String>,

    /// Subprotocol to ask for.
    #[arg(long, value_name = "NAME")]
    pub(super) subprotocol: Option<String>,
}

/// What is published, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct PublishingOptions {
    /// Size of what is published, at least 20.
    #[arg(long, short, default_value = "128", value_name = "N", value_parser = within(STAMP_BYTES, BYTES_MAX))]
    pub(super) bytes: usize,

    /// Publications a second; without it, the next goes out when one has reached everybody.
    #[arg(long, short, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,

    /// Publications that have not reached everybody, at a time.
    /// [default: 1, or with --rate 65536]
    #[arg(long, value_name = "N", value_parser = within(1, FLIGHT_MAX))]
    pub(super) in_flight: Option<usize>,

    /// Publish by POST requests to http://…, or by broadcast messages to ws://…
    #[arg(long, value_name = "URL", value_parser = url(&[Scheme::WebSocket, Scheme::Http]))]
    pub(super) publish: Option<String>,

    /// What is posted; `{payload}` stands for the payload, which is ASCII without quotes.
    #[arg(long, default_value = "{payload}", value_name = "TEMPLATE")]
    pub(super) body: String,

    /// Content type of what is posted.
    #[arg(long, default_value = "text/plain", value_name = "TYPE")]
    pub(super) content_type: String,
}

/// The options of `sockeye bench fanout`.
#[derive(Debug, Args)]
pub struct FanoutOptions {
    /// Where subscribers connect: ws://HOST:PORT/PATH, or with --broadcast tcp://HOST:PORT
    #[arg(value_parser = url(&[Scheme::WebSocket, Scheme::Tcp]))]
    pub(super) url: String,

    #[command(flatten)]
    pub(super) common: CommonOptions,

    #[command(flatten)]
    pub(super) publishing: PublishingOptions,

    /// Channel of the hub.
    #[arg(long, default_value = "bench", value_name = "NAME")]
    pub(super) channel: String,

    /// Subscribe without a subprotocol, so that only the data comes.
    #[arg(long)]
    pub(super) bare: bool,

    /// So many channels, NAME:000000 and on, published to in turn; the connections share them out.
    #[arg(long, default_value = "1", value_name = "N", value_parser = within(1, CHANNELS_MAX))]
    pub(super) channels: usize,

    /// Subscribe them by a pattern, on one connection; the server's configuration has to allow patterns.
    #[arg(long)]
    pub(super) pattern: bool,

    /// Offer permessage-deflate; the server has to agree.
    #[arg(long)]
    pub(super) deflate: bool,

    /// No hub: a server that sends what one connection says to all.
    #[arg(long, conflicts_with_all = ["bare", "channel", "channels", "pattern"])]
    pub(super) broadcast: bool,
}

/// The options of `sockeye bench sse`.
#[derive(Debug, Args)]
pub struct SseOptions {
    /// The event stream: http://HOST:PORT/PATH
    #[arg(value_parser = url(&[Scheme::Http]))]
    pub(super) url: String,

    #[command(flatten)]
    pub(super) common: CommonOptions,

    #[command(flatten)]
    pub(super) publishing: PublishingOptions,
}

/// A duration in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nanos(pub(super) u64);

fn seconds(text: &str) -> Result<Nanos, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    let seconds: f64 = seconds.ok_or("expected seconds, 0 to 86400")?;
    let duration = Duration::from_secs_f64(seconds);
    Ok(Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
}

fn pid(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| "expected the number of one process".to_owned())
}

/// Takes URLs with one of these schemes.
fn url(
    schemes: &'static [Scheme],
) -> impl Fn(&str) -> Result<String, &'static str> + Clone + Send + Sync {
    move |text| split(text, schemes).map(|_| text.to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1e9).contains(rate));
    rate.ok_or_else(|| "expected so many a second, 0.001 to 1000000000".to_owned())
}

fn connections(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse().ok().filter(|count: &NonZeroUsize| count.get() <= CONNECTIONS_MAX);
    count.ok_or_else(|| format!("expected a whole number, 1 to {CONNECTIONS_MAX}"))
}

fn streams(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse().ok().filter(|count: &NonZeroUsize| count.get() <= STREAMS_MAX);
    count.ok_or_else(|| format!("expected a whole number, 1 to {STREAMS_MAX}"))
}

/// Takes whole numbers from `min` to `max`.
fn within(min: usize, max: usize) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| format!("expected a whole number, {min} to {max}"))
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
