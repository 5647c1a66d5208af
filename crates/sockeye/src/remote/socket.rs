//! A WebSocket with the subprotocol of commands.

use core::convert::Infallible;
use std::time::Duration;

use serde::Serialize;
use sockeye_handshake::{Challenge, ClientRequest, VerifyError};
use sockeye_http1::{HeaderStorage, Limits as HeadLimits, ResponseHead};
use sockeye_websocket::{
    Assembler, CloseReason, Config, Connection, Event, Limits, MaskKey, Message,
};

use super::http::{Answer, Line};
use super::said::Said;
use super::session::Session;
use super::{Break, Remote, known_ends};

const SUBPROTOCOL: &str = "sockeye.v1.json";
/// Largest message.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;
/// How long the server may be silent before it has said how often it pings.
const SILENCE_MS: u64 = 60_000;

#[derive(Serialize)]
struct Subscribe<'s> {
    r#type: &'static str,
    channels: &'s [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Listens until the connection ends.
pub(super) fn listen(remote: &Remote, session: &mut Session) -> Result<Infallible, Break> {
    let mut line = Line::open(remote)?;
    if session.cursor().is_some() {
        known_ends::strike(&mut line, remote, session)?;
    }
    shake_hands(&mut line, remote)?;
    line.expect_silence(Duration::from_millis(SILENCE_MS))?;
    let limits = Limits {
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..Limits::DEFAULT
    };
    let config = Config { limits, ..Config::default() };
    let mut socket = Socket {
        protocol: Connection::client(&config, Box::new(system_masks())),
        assembler: Assembler::new(MESSAGE_BYTES_MAX),
        out: Vec::new(),
    };
    let end = socket.converse(&mut line, session);
    // The server need not wait for what we would still say; whether it hears it does not matter.
    let _ = socket.protocol.close(None, &mut socket.out);
    let _ = line.send(&socket.out);
    end
}

/// Masking keys from the system's entropy (RFC 6455 §10.3), fetched many at a time.
fn system_masks() -> impl FnMut() -> MaskKey + Send {
    let mut keys = [0; 1024];
    let mut used = keys.len();
    move || {
        if used == keys.len() {
            getrandom::fill(&mut keys).expect("the system has entropy");
            used = 0;
        }
        let key = keys[used..].first_chunk().copied().expect("a multiple of four");
        used += 4;
        MaskKey::new(key)
    }
}

/// The opening handshake. What came behind it stays in the line.
fn shake_hands(line: &mut Line, remote: &Remote) -> Result<(), Break> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|error| Break::Final(format!("the system gives no random numbers: {error}")))?;
    let (target, headers) = (remote.address.target("/v1/ws"), remote.headers());
    let request = ClientRequest {
        subprotocols: &[SUBPROTOCOL],
        headers: &headers,
        ..ClientRequest::new(&remote.address.authority, &target)
    };
    let challenge = Challenge::new(nonce);
    let mut out = Vec::new();
    challenge
        .write_request(&request, &mut out)
        .map_err(|error| Break::Final(format!("cannot ask for that: {error}")))?;
    line.send(&out)?;
    let head = line.head()?;
    let mut storage = HeaderStorage::new();
    let strange = |error: &dyn core::fmt::Display| {
        Break::Final(format!("the server does not speak WebSocket as we do: {error}"))
    };
    let head = ResponseHead::parse(&head, &mut storage, &HeadLimits::DEFAULT)
        .map_err(|error| strange(&error))?;
    match challenge.verify(&head, &request) {
        Ok(accepted) if accepted.subprotocol == Some(SUBPROTOCOL) => Ok(()),
        Ok(_) => Err(strange(&"it does not know sockeye.v1.json")),
        Err(VerifyError::Status(_)) => Err(Answer::new(&head, "GET").refusal(line)),
        Err(error) => Err(strange(&error)),
    }
}

struct Socket {
    protocol: Connection,
    assembler: Assembler,
    out: Vec<u8>,
}

impl Socket {
    fn converse(&mut self, line: &mut Line, session: &mut Session) -> Result<Infallible, Break> {
        loop {
            let mut input = core::mem::take(&mut line.input);
            let heard = self.hear(&mut input, line, session);
            line.send(&self.out)?;
            self.out.clear();
            heard?;
            if line.fill()? == 0 {
                return Err(Break::lost("the server broke off"));
            }
        }
    }

    fn hear(
        &mut self,
        mut input: &mut [u8],
        line: &mut Line,
        session: &mut Session,
    ) -> Result<(), Break> {
        loop {
            let event = self.protocol.receive(&mut input, &mut self.out);
            let message = match event.map_err(|error| Break::lost(error.to_string()))? {
                None => return Ok(()),
                Some(Event::Message(message)) => Some(message),
                Some(Event::Piece(piece)) => self
                    .assembler
                    .push(piece, None)
                    .map_err(|error| Break::lost(error.to_string()))?,
                Some(Event::Close(reason)) => return Err(farewell(reason)),
                Some(Event::Ping(_) | Event::Pong(_)) => None,
            };
            let Some(Message::Text(text)) = message else { continue };
            let welcome = welcome(text);
            if let Some(ping_ms) = welcome {
                // Twice as long without a word, and the connection is dead.
                let silence_ms = ping_ms.clamp(1_000, SILENCE_MS * 10) * 2;
                line.expect_silence(Duration::from_millis(silence_ms))?;
                session.opened();
                let subscribe = Subscribe {
                    r#type: "subscribe",
                    channels: session.wanted(),
                    cursor: session.cursor(),
                };
                let command = serde_json::to_string(&subscribe)
                    .map_err(|error| Break::Final(error.to_string()))?;
                self.protocol
                    .send(Message::Text(&command), &mut self.out)
                    .map_err(|error| Break::lost(error.to_string()))?;
            } else {
                session.hear(text, None)?;
            }
        }
    }
}

/// How often the server pings, if this is its greeting.
fn welcome(text: &str) -> Option<u64> {
    let said: Said<'_> = serde_json::from_str(text).ok()?;
    (said.kind == "welcome").then(|| said.ping_ms.unwrap_or(SILENCE_MS))
}

/// A Close frame without a `goaway` before it: the word, and perhaps a time to wait.
fn farewell(reason: Option<CloseReason>) -> Break {
    let Some(reason) = reason else { return Break::lost("the server closed the connection") };
    let (word, rest) = reason.text().split_once(' ').unwrap_or_else(|| (reason.text(), ""));
    let retry_ms = rest.strip_prefix("retry_ms=").and_then(|text| text.parse().ok());
    Break::goaway(reason.code().into(), word, retry_ms)
}
