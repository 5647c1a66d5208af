//! Opens connections: writes the opening request, and checks its answer.

use sockeye_client::Limits;
use sockeye_client::sans_io::Exchange;
use sockeye_deflate::{ClientOffer, EXTENSION_NAME, Params, Session};
use sockeye_frame::{MaskKey, Role};
use sockeye_handshake::{Challenge, ClientRequest, Extensions, VerifyError};
use sockeye_http::{HeaderName, HeaderValue, Status};
use sockeye_http1::{Body, RequestWriter, ResponseHead};
use sockeye_sse::is_event_stream;
use sockeye_terminal::{Failure, OrFail};

use super::fault::Fault;
use super::http::Answers;
use super::target::Target;
use super::wire::{Bare, Events, Frames, Heard};

/// The common properties of some connections: their target, purpose and headers.
pub struct Opener {
    /// The server, and the path of the request.
    pub target: Target,
    /// What they carry.
    pub purpose: Purpose,
    /// Header lines of the user's.
    pub headers: Vec<(String, String)>,
    /// Largest message that is taken, in bytes.
    pub bytes_max: usize,
    /// Masks every frame: what a server has to do does not depend on the key.
    pub key: MaskKey,
}

/// The purpose of a connection: what it carries.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// A WebSocket.
    WebSocket {
        /// The subprotocol, which has to be agreed on.
        subprotocol: Option<String>,
        /// Compression is offered, and has to be agreed on.
        deflate: Deflate,
    },
    /// An event stream.
    Events,
    /// Requests, one after the other.
    Requests,
    /// Messages of so many bytes, without a protocol.
    Bare(usize),
}

/// Whether compression is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deflate {
    /// It is not.
    Off,
    /// It is.
    Offered,
}

/// Where a connection is in its life, as far as what comes on it is concerned.
pub(super) enum Wire {
    Opening(Box<Opening>),
    Frames(Box<Frames>),
    Events(Box<Events>),
    Answers(Box<Answers>),
    Bare(Bare),
}

/// A request that is not answered yet.
pub(super) struct Opening {
    challenge: Option<Challenge>,
    answer: Exchange,
}

impl Opener {
    /// Checks that the requests can be written at all.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.begin(&mut Vec::new()).or_fail(|| "the request cannot be written".into()).map(drop)
    }

    /// Writes what a connection begins with.
    pub(super) fn begin(&self, out: &mut Vec<u8>) -> Result<Wire, String> {
        let headers = self.headers()?;
        let mut challenge = None;
        match &self.purpose {
            Purpose::WebSocket { subprotocol, deflate } => {
                let mut nonce = [0; 16];
                getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
                let attempt = Challenge::new(nonce);
                let written = self.ask(subprotocol.as_deref(), *deflate, &headers, |request| {
                    attempt.write_request(request, out)
                });
                written.map_err(|error| error.to_string())?;
                challenge = Some(attempt);
            }
            Purpose::Events => {
                let target = &self.target;
                let accept = HeaderValue::from_static("text/event-stream");
                let request = RequestWriter::new("GET", &target.path, &target.authority)
                    .map_err(|error| error.to_string())?
                    .header(HeaderName::from_static("Accept"), accept);
                let request =
                    headers.iter().fold(request, |to, (name, value)| to.header(*name, *value));
                request.write(Body::Empty, out);
            }
            Purpose::Requests => return Ok(Wire::Answers(Box::new(Answers::new()))),
            Purpose::Bare(bytes) => return Ok(Wire::Bare(Bare::new(*bytes))),
        }
        Ok(Wire::Opening(Box::new(Opening { challenge, answer: new_exchange() })))
    }

    /// The user's header lines, as they are written.
    pub(super) fn headers(&self) -> Result<Vec<(HeaderName<'_>, HeaderValue<'_>)>, String> {
        self.headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::new(name).map_err(|error| error.to_string())?;
                let value = HeaderValue::new(value).map_err(|error| error.to_string())?;
                Ok((name, value))
            })
            .collect()
    }

    /// Does something with the request for a WebSocket.
    fn ask<R>(
        &self,
        subprotocol: Option<&str>,
        deflate: Deflate,
        headers: &[(HeaderName<'_>, HeaderValue<'_>)],
        act: impl FnOnce(&ClientRequest<'_>) -> R,
    ) -> R {
        let mut text = Vec::new();
        if deflate == Deflate::Offered {
            ClientOffer::default().write(&mut text);
        }
        let offered = (!text.is_empty()).then_some(&*text);
        let extensions = Extensions::parse(offered).expect("our own offer is well formed");
        let subprotocols: Vec<&str> = subprotocol.into_iter().collect();
        act(&ClientRequest {
            extensions: &extensions,
            subprotocols: &subprotocols,
            headers,
            ..ClientRequest::new(&self.target.authority, &self.target.path)
        })
    }

    /// Reads the next part of the answer. Once it is complete, returns the input behind it.
    pub(super) fn advance(
        &self,
        opening: &mut Opening,
        input: &mut &mut [u8],
    ) -> Result<Option<(Wire, Heard<'static>)>, Fault> {
        if !opening.answer.take_head(input)? {
            return Ok(None);
        }
        let opened = match &opening.challenge {
            Some(challenge) => {
                opening.answer.with_head(|head| self.open_websocket(challenge, head))?
            }
            None => {
                opening.answer.with_head(check_events)?;
                let answer = core::mem::replace(&mut opening.answer, new_exchange());
                let events = Events::new(answer, self.bytes_max);
                (Wire::Events(Box::new(events)), Heard::Open { window: None })
            }
        };
        Ok(Some(opened))
    }

    fn open_websocket(
        &self,
        challenge: &Challenge,
        head: &ResponseHead<'_, '_>,
    ) -> Result<(Wire, Heard<'static>), Fault> {
        let Purpose::WebSocket { subprotocol, deflate } = &self.purpose else {
            return Err(Fault::Sequence);
        };
        let verified = self
            .ask(subprotocol.as_deref(), *deflate, &[], |request| challenge.verify(head, request));
        let accepted = verified.map_err(|error| match error {
            VerifyError::Status(status) => Fault::Status(status.code()),
            error => Fault::Handshake(error),
        })?;
        if subprotocol.is_some() && accepted.subprotocol.is_none() {
            return Err(Fault::Refused("the server does not speak the subprotocol".into()));
        }
        let agreed = accepted.extensions.iter().find(|it| it.name() == EXTENSION_NAME);
        let params: Option<Params> = agreed
            .map(|agreed| ClientOffer::default().accept_response(agreed.params()))
            .transpose()
            .map_err(|error| Fault::Refused(error.to_string()))?;
        if *deflate == Deflate::Offered && params.is_none() {
            return Err(Fault::Refused("the server does not compress".into()));
        }
        let window = params.map(|params| Session::new(Role::Client, params).tx_window());
        let frames = Frames::new(self.bytes_max, self.key, params);
        Ok((Wire::Frames(Box::new(frames)), Heard::Open { window }))
    }
}

/// Checks that an answer is an event stream.
fn check_events(head: &ResponseHead<'_, '_>) -> Result<(), Fault> {
    if head.status() != Status::OK {
        return Err(Fault::Status(head.status().code()));
    }
    let content_type = head.headers().single("content-type")?.unwrap_or_default();
    if !is_event_stream(content_type.as_bytes()) {
        return Err(Fault::Http(format!("no event stream but {content_type:?}")));
    }
    // Nobody has asked for a coding, and in one there are no events to be seen.
    let coding = head.headers().single("content-encoding")?.unwrap_or("identity").trim();
    if !coding.eq_ignore_ascii_case("identity") {
        return Err(Fault::Http(format!("an event stream in a coding, {coding:?}")));
    }
    Ok(())
}

const fn new_exchange() -> Exchange {
    Exchange::new("GET", Limits::DEFAULT)
}
