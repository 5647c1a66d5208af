//! `sockeye testee`: a client that an Autobahn fuzzing server tests; it echoes every message.

use sockeye_client::sans_io::SocketEvent;
use sockeye_client::websocket::{Limits, Message, UsageError as FrameUsage};
use sockeye_client::{ConnectOptions, Error, Network, OwnedMessage, UsageError, WebSocket};
use sockeye_terminal::{Failure, OrFail, print};

/// The name under which the suite reports this client.
const AGENT: &str = "sockeye";
/// How long the server may be silent before a ping, and how long it may take to answer the ping.
const SILENCE_MS: u64 = 30_000;
/// How long the server may take to end the connection after the closing handshake.
const CLOSE_MS: u64 = 2_000;
/// Largest message: what the suite sends.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;
/// Bytes read at a time.
const READ_BYTES: usize = 128 * 1024;

const LIMITS: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.frame_bytes_max = MESSAGE_BYTES_MAX;
    limits.message_bytes_max = MESSAGE_BYTES_MAX;
    limits.fragments_max = 1 << 17;
    limits.overhead_bytes_max = 2 << 20;
    limits
};

/// Asks for the number of cases, echoes every message of each case, and has the server write its report.
pub fn run(url: &str) -> Result<(), Failure> {
    let count = case_count(url)?;
    print::say(format_args!("{count} cases"))?;
    let mut broken = 0;
    for case in 1..=count {
        let path = format!("/runCase?case={case}&agent={AGENT}");
        // Most cases end a connection in some unfriendly way; the suite is the judge of it.
        if let Err(error) = echo(url, &path) {
            log::debug!("case {case}: {error}");
            broken += 1;
        }
        if case % 50 == 0 || case == count {
            print::say(format_args!("{case} of {count}"))?;
        }
    }
    let path = format!("/updateReports?agent={AGENT}");
    let mut socket = open(url, &path).or_fail(|| format!("{url}{path}"))?;
    while socket.receive().or_fail(|| format!("{url}{path}"))?.is_some() {}
    log::debug!("{broken} cases ended without a closing handshake");
    Ok(())
}

fn case_count(url: &str) -> Result<usize, Failure> {
    let path = "/getCaseCount";
    let mut socket = open(url, path).or_fail(|| format!("{url}{path}"))?;
    let mut count = None;
    while let Some(message) = socket.receive().or_fail(|| format!("{url}{path}"))? {
        if let Message::Text(text) = message.as_message() {
            count = text.parse().ok();
        }
    }
    count.ok_or_else(|| Failure(format!("{url} did not tell how many cases there are")))
}

/// Sends every message back until the connection is over.
fn echo(url: &str, path: &str) -> Result<(), Error> {
    let mut socket = open(url, path)?;
    loop {
        let found = socket.receive_with(|event| match event {
            SocketEvent::Message(message) => Some(OwnedMessage::from(message)),
            _ => None,
        })?;
        let message = match found {
            Some(Some(message)) => message,
            Some(None) => continue,
            None => return Ok(()),
        };
        match socket.send(message.as_message()) {
            // The server closes first: receive what is left.
            Err(Error::Usage(UsageError::WebSocket(FrameUsage::Closed)) | Error::Ended) => {}
            other => other?,
        }
    }
}

fn open(url: &str, path: &str) -> Result<WebSocket, Error> {
    let mut options = ConnectOptions::new(&format!("{}{path}", url.trim_end_matches('/')))?;
    options.limits = LIMITS;
    // Whatever can be compressed is, so that the suite sees much of it.
    options.engine.message_bytes_min = 0;
    options.ping_ms = Some(SILENCE_MS);
    options.pong_ms = SILENCE_MS;
    options.close_ms = CLOSE_MS;
    let mut network = Network::default();
    network.limits.read_bytes = READ_BYTES;
    WebSocket::with(options, network)
}
