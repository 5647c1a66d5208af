//! Opens connections: writes the opening request, and checks its answer.

use sockeye_client::Limits;
use sockeye_client::sans_io::Exchange;
use sockeye_deflate::{ClientOffer, EXTENSION_NAME, Params, Session};
use sockeye_frame::{MaskKey, Role};
use sockeye_handshake::{Accepted, Challenge, ClientRequest, Extensions, VerifyError};
use sockeye_http::{HeaderName, HeaderValue, Headers, Method, Status};
use sockeye_http1::{Body, RequestWriter, ResponseHead};
use sockeye_http2::{EndStream, FieldBlock, FieldBuffer, RequestLine, StreamId};
use sockeye_sse::{MIME_TYPE, is_event_stream};
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
    /// How many lines share a connection as streams of HTTP/2; `None`: each has a socket of its own.
    pub streams: Option<usize>,
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
    /// A stream whose request is not answered, or not sent.
    Asked,
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
        let is_stream = matches!(self.purpose, Purpose::WebSocket { .. } | Purpose::Events);
        if self.streams.is_some() && !is_stream {
            return Err(Failure("only WebSockets and event streams are carried by HTTP/2".into()));
        }
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
                opening.answer.with_head(|head| check_events(head.status(), head.headers()))?;
                let answer = core::mem::replace(&mut opening.answer, new_exchange());
                self.open_events(Some(answer))
            }
        };
        Ok(Some(opened))
    }

    fn open_websocket(
        &self,
        challenge: &Challenge,
        head: &ResponseHead<'_, '_>,
    ) -> Result<(Wire, Heard<'static>), Fault> {
        let verified = self.ask_again(|request| challenge.verify(head, request))?;
        self.open_frames(verified)
    }

    /// Does something with the request for a WebSocket, without the user's header lines.
    fn ask_again<R>(&self, act: impl FnOnce(&ClientRequest<'_>) -> R) -> Result<R, Fault> {
        match &self.purpose {
            Purpose::WebSocket { subprotocol, deflate } => {
                Ok(self.ask(subprotocol.as_deref(), *deflate, &[], act))
            }
            Purpose::Events | Purpose::Requests | Purpose::Bare(_) => Err(Fault::Sequence),
        }
    }

    /// Begins to read frames, if what was agreed on is what was asked for.
    fn open_frames(
        &self,
        verified: Result<Accepted<'_>, VerifyError>,
    ) -> Result<(Wire, Heard<'static>), Fault> {
        let Purpose::WebSocket { subprotocol, deflate } = &self.purpose else {
            return Err(Fault::Sequence);
        };
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

    fn open_events(&self, answer: Option<Exchange>) -> (Wire, Heard<'static>) {
        let events = Events::new(answer, self.bytes_max);
        (Wire::Events(Box::new(events)), Heard::Open { window: None })
    }

    /// Opens a stream of HTTP/2 and sends its request; [`Fault::Refused`] if the server takes none.
    pub(super) fn request(
        &self,
        protocol: &mut sockeye_http2::Connection,
        out: &mut Vec<u8>,
    ) -> Result<StreamId, Fault> {
        let Target { authority, path, tls, .. } = &self.target;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (mut line, mut fields) = (
            RequestLine { method: Method::GET, scheme, authority, path, protocol: None },
            FieldBlock::new(),
        );
        let mut add = |name: HeaderName<'_>, value: HeaderValue<'_>| {
            fields = core::mem::take(&mut fields).field(name, value);
        };
        let headers = self.headers().map_err(Fault::Http)?;
        let end = match &self.purpose {
            Purpose::WebSocket { subprotocol, deflate } => {
                (line.method, line.protocol) = (Method::CONNECT, Some("websocket"));
                let written = self.ask(subprotocol.as_deref(), *deflate, &headers, |request| {
                    request.connect_fields(&mut add)
                });
                written.map_err(|error| Fault::Http(error.to_string()))?;
                EndStream::No
            }
            Purpose::Events => {
                add(HeaderName::from_static("Accept"), HeaderValue::from_static(MIME_TYPE));
                headers.iter().for_each(|(name, value)| add(*name, *value));
                EndStream::Yes
            }
            Purpose::Requests | Purpose::Bare(_) => return Err(Fault::Sequence),
        };
        Ok(protocol.request(&line, &fields, end, out)?)
    }

    /// Reads the answer to [`request`](Self::request).
    pub(super) fn answered(
        &self,
        status: Status,
        fields: &FieldBuffer,
    ) -> Result<(Wire, Heard<'static>), Fault> {
        let lines = fields.lines();
        let headers = Headers::new(&lines);
        match &self.purpose {
            Purpose::WebSocket { .. } => {
                let verified = self.ask_again(|request| request.verify_connect(status, headers))?;
                self.open_frames(verified)
            }
            Purpose::Events => {
                check_events(status, headers)?;
                Ok(self.open_events(None))
            }
            Purpose::Requests | Purpose::Bare(_) => Err(Fault::Sequence),
        }
    }
}

/// Checks that an answer is an event stream.
fn check_events(status: Status, headers: Headers<'_, '_>) -> Result<(), Fault> {
    if status != Status::OK {
        return Err(Fault::Status(status.code()));
    }
    let content_type = headers.single("content-type")?.unwrap_or_default();
    if !is_event_stream(content_type.as_bytes()) {
        return Err(Fault::Http(format!("no event stream but {content_type:?}")));
    }
    // Nobody has asked for a coding, and in one there are no events to be seen.
    let coding = headers.single("content-encoding")?.unwrap_or("identity").trim();
    if !coding.eq_ignore_ascii_case("identity") {
        return Err(Fault::Http(format!("an event stream in a coding, {coding:?}")));
    }
    Ok(())
}

const fn new_exchange() -> Exchange {
    Exchange::new("GET", Limits::DEFAULT)
}
