//! The publisher of a load: makes publications, sends them on its connection, and reads their answers.

use sockeye_frame::{MaskKey, Opcode, Rsv};
use sockeye_http::{HeaderName, HeaderValue};
use sockeye_http1::{Body, RequestWriter};
use sockeye_terminal::Failure;

use super::channels::DIGITS;
use super::fault::Fault;
use super::line::Outlet;
use super::opening::Opener;
use super::payload::frame;
use super::stamp::Stamps;
use super::wire::{Answer, Heard, Joiner};

/// Where the payload stands in a template.
pub(super) const PLACE: &str = "{payload}";

/// The way in which publications go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// In the hub's protocol; each is answered.
    Hub,
    /// As WebSocket messages that a server sends to all, perhaps the publisher included.
    Broadcast,
    /// As bytes on a TCP connection, without frames.
    Bare,
    /// By POST requests; each is answered.
    Post,
}

pub(super) struct Publisher {
    route: Route,
    /// The number of its connection.
    id: usize,
    /// The bytes of a publication, with number 0 in it.
    message: Vec<u8>,
    /// Where the payload is in it.
    payload_at: usize,
    /// Where the digits of the channel are in it, if there are many.
    channel_at: Option<usize>,
    key: MaskKey,
    sent: u64,
    answered: u64,
    parts: Joiner,
    is_open: bool,
}

impl Publisher {
    /// `body` is what is published, with [`PLACE`] in it once.
    pub(super) fn new(
        route: Route,
        id: usize,
        body: &str,
        content_type: &str,
        stamps: &Stamps,
        opener: &Opener,
    ) -> Result<Self, Failure> {
        if body.matches(PLACE).count() != 1 {
            return Err(Failure(format!("what is published has to have {PLACE} in it, once")));
        }
        let body = body.replace(PLACE, stamps.text());
        let message = match route {
            Route::Hub | Route::Broadcast | Route::Bare => body.into_bytes(),
            Route::Post => request(&body, content_type, opener).map_err(Failure)?,
        };
        let payload = stamps.text().as_bytes();
        let at = message.windows(payload.len()).position(|window| window == payload);
        let payload_at = at.expect("it was just put there");
        Ok(Self {
            route,
            id,
            message,
            payload_at,
            channel_at: None,
            key: opener.key,
            sent: 0,
            answered: 0,
            parts: Joiner::default(),
            is_open: false,
        })
    }

    /// Tells apart the channels that begin like the one in the message, which is called `name`.
    pub(super) fn with_channels(mut self, name: &str) -> Self {
        let name = name.as_bytes();
        let at = self.message.windows(name.len()).position(|window| window == name);
        self.channel_at = at.map(|at| at + name.len() - DIGITS);
        self
    }

    pub(super) const fn id(&self) -> usize {
        self.id
    }

    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) const fn end(&mut self) {
        self.is_open = false;
    }

    /// Publications whose answer has not come.
    pub(super) const fn unanswered(&self) -> u64 {
        match self.route {
            Route::Broadcast | Route::Bare => 0,
            Route::Hub | Route::Post => self.sent - self.answered,
        }
    }

    pub(super) fn publish(&mut self, number: u64, channel: usize, out: &mut Outlet<'_>) {
        Stamps::renumber(&mut self.message, self.payload_at, number);
        if let Some(at) = self.channel_at {
            let mut rest = channel;
            for digit in self.message[at..at + DIGITS].iter_mut().rev() {
                *digit = b"0123456789"[rest % 10];
                rest /= 10;
            }
        }
        match self.route {
            Route::Post | Route::Bare => out.tail().extend_from_slice(&self.message),
            Route::Hub | Route::Broadcast => {
                let frame = frame(Opcode::Text, Rsv::NONE, &self.message, self.key);
                out.tail().extend_from_slice(&frame);
            }
        }
        self.sent += 1;
    }

    /// Handles an event of the publisher's connection.
    pub(super) fn hear(&mut self, heard: &Heard<'_>) -> Result<(), Fault> {
        match heard {
            Heard::Answer(Answer { status: 200..=299, .. }) => self.answer(),
            Heard::Answer(Answer { status, .. }) => Err(Fault::Refused(format!("status {status}"))),
            Heard::Part(part) if self.route == Route::Hub => {
                let Some(reply) = self.parts.join(part) else { return Ok(()) };
                match Reply::of(&reply) {
                    Reply::Published => self.answer(),
                    reply => reply.into_refusal(),
                }
            }
            Heard::Open { .. } => {
                self.is_open = true;
                Ok(())
            }
            Heard::Close { code, .. } => Err(Fault::Closed(*code)),
            Heard::Part(_) | Heard::Item(_) | Heard::LastEventId(_) | Heard::Pong => Ok(()),
        }
    }

    fn answer(&mut self) -> Result<(), Fault> {
        self.answered += 1;
        if self.answered > self.sent { Err(Fault::Unasked) } else { Ok(()) }
    }
}

fn request(body: &str, content_type: &str, opener: &Opener) -> Result<Vec<u8>, String> {
    let content_type = HeaderValue::new(content_type).map_err(|error| error.to_string())?;
    let writer = RequestWriter::new("POST", &opener.target.path, &opener.target.authority);
    let writer = writer.map_err(|error| error.to_string())?;
    let writer = writer.header(HeaderName::from_static("Content-Type"), content_type);
    let headers = opener.headers()?;
    let writer = headers.iter().fold(writer, |to, (name, value)| to.header(*name, *value));
    let mut out = Vec::new();
    writer.write(Body::Bytes(body.as_bytes()), &mut out);
    Ok(out)
}

/// The kinds of a hub's messages that a load has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply<'m> {
    Published,
    /// Something was refused, lost or ended.
    Refusal(&'m [u8]),
    Other,
}

impl<'m> Reply<'m> {
    pub(super) fn of(message: &'m [u8]) -> Self {
        let is = |kind: &str| {
            let rest = message.strip_prefix(b"{\"type\":\"");
            rest.and_then(|rest| rest.strip_prefix(kind.as_bytes()))
                .is_some_and(|rest| rest.starts_with(b"\""))
        };
        if is("published") {
            Self::Published
        } else if ["error", "gap", "goaway", "end"].into_iter().any(is) {
            Self::Refusal(message)
        } else {
            Self::Other
        }
    }

    pub(super) fn into_refusal(self) -> Result<(), Fault> {
        match self {
            Self::Refusal(text) => {
                let text = &text[..text.len().min(200)];
                Err(Fault::Refused(String::from_utf8_lossy(text).into_owned()))
            }
            Self::Published | Self::Other => Ok(()),
        }
    }
}
