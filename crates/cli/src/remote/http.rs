//! Requests and answers over a blocking socket.

use std::io::ErrorKind;
use std::time::Duration;

use serde::Deserialize;
use sockeye_http::{HeaderName, HeaderValue};
use sockeye_http1::chunked::{Decoder, Event, Limits as ChunkedLimits};
use sockeye_http1::{
    Body as Content, HeadEnd, HeaderStorage, Limits, RequestWriter, ResponseFraming, ResponseHead,
};

use super::stream::Stream;
use super::{Break, RETRY_MS_MAX, Remote, plain};

/// Size of a read.
const READ_BYTES: usize = 16 * 1024;
/// Largest answer that is taken as a whole.
const BODY_BYTES_MAX: usize = 16 << 20;
/// How long a server may be silent where it has nothing to wait for.
const SILENCE: Duration = Duration::from_secs(30);
const JSON: (HeaderName<'_>, HeaderValue<'_>) =
    (HeaderName::from_static("Content-Type"), HeaderValue::from_static("application/json"));

/// A connection, and what has been read from it but not looked at.
pub(super) struct Line {
    stream: Stream,
    pub(super) input: Vec<u8>,
    silence: Duration,
}

/// What a response's head says.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after_ms: u64,
    pub(super) keep_alive: bool,
    pub(super) body: Body,
}

/// How much of the body is still to come.
#[derive(Debug)]
pub(super) enum Body {
    Rest(u64),
    Chunked(Decoder),
    UntilClose,
}

impl Line {
    pub(super) fn open(remote: &Remote) -> Result<Self, Break> {
        let stream = remote.address.connect(&remote.network)?;
        let mut line = Self { stream, input: Vec::new(), silence: SILENCE };
        line.expect_silence(SILENCE)?;
        let socket = line.stream.socket();
        socket.set_write_timeout(Some(SILENCE)).map_err(|error| Break::lost(error.to_string()))?;
        Ok(line)
    }

    /// How long the server may be silent from now on.
    pub(super) fn expect_silence(&mut self, silence: Duration) -> Result<(), Break> {
        self.silence = silence;
        let set = self.stream.socket().set_read_timeout(Some(silence));
        set.map_err(|error| Break::lost(error.to_string()))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Break> {
        self.stream.write_all(bytes).map_err(|error| self.broken(&error))
    }

    /// Reads more; 0 at the end.
    pub(super) fn fill(&mut self) -> Result<usize, Break> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(len) => {
                    self.input.extend_from_slice(&buffer[..len]);
                    return Ok(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    fn broken(&self, error: &std::io::Error) -> Break {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                Break::lost(format!("the server has been silent for {:?}", self.silence))
            }
            // TLS says it when it ends.
            ErrorKind::UnexpectedEof => Break::lost("the connection ended before its time"),
            _ => Break::lost(plain(&error.to_string())),
        }
    }

    /// The bytes of the next head, up to its end.
    pub(super) fn head(&mut self) -> Result<Vec<u8>, Break> {
        let mut end = HeadEnd::for_response();
        loop {
            let found = end.find(&self.input, &Limits::DEFAULT).map_err(|e| not_http(&e))?;
            if let Some(len) = found {
                let behind = self.input.split_off(len);
                return Ok(core::mem::replace(&mut self.input, behind));
            }
            if self.fill()? == 0 {
                return Err(Break::lost("the server closed the connection without an answer"));
            }
        }
    }

    /// Sends JSON.
    pub(super) fn post(
        &mut self,
        remote: &Remote,
        path: &str,
        body: &[u8],
    ) -> Result<Answer, Break> {
        self.ask(remote, "POST", path, Some(JSON), Some(body))
    }

    /// Sends a request and reads the answer's head.
    fn ask(
        &mut self,
        remote: &Remote,
        method: &str,
        path: &str,
        header: Option<(HeaderName<'_>, HeaderValue<'_>)>,
        body: Option<&[u8]>,
    ) -> Result<Answer, Break> {
        let target = remote.address.target(path);
        let mut writer = RequestWriter::new(method, &target, &remote.address.authority)
            .map_err(|error| Break::Final(format!("cannot ask for that: {error}")))?;
        for (name, value) in remote.headers().into_iter().chain(header) {
            writer = writer.header(name, value);
        }
        let mut out = Vec::new();
        match body {
            Some(body) => writer.write(Content::Bytes(body), &mut out),
            None => writer.write(Content::Empty, &mut out),
        }
        // A server may answer before it has read everything, a refusal above all.
        let sent = self.send(&out);
        match (self.answer(method), sent) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
        }
    }

    fn answer(&mut self, method: &str) -> Result<Answer, Break> {
        loop {
            let head = self.head()?;
            let mut storage = HeaderStorage::new();
            let head = ResponseHead::parse(&head, &mut storage, &Limits::DEFAULT)
                .map_err(|e| not_http(&e))?;
            if !head.status().is_informational() {
                return Ok(Answer::new(&head, method));
            }
        }
    }
}

impl Answer {
    pub(super) fn new(head: &ResponseHead<'_, '_>, method: &str) -> Self {
        let single = |name| head.headers().single(name).ok().flatten();
        let seconds = single("Retry-After").and_then(|text| text.parse::<u64>().ok());
        Self {
            status: head.status().code(),
            retry_after_ms: seconds.unwrap_or_default().saturating_mul(1000).min(RETRY_MS_MAX),
            keep_alive: head.keep_alive(),
            body: match head.body(method) {
                ResponseFraming::None => Body::Rest(0),
                ResponseFraming::Length(len) => Body::Rest(len),
                ResponseFraming::Chunked => Body::Chunked(Decoder::new(ChunkedLimits::DEFAULT)),
                ResponseFraming::UntilClose => Body::UntilClose,
            },
        }
    }

    /// The whole body; after it, the connection is at the next answer.
    pub(super) fn whole(&mut self, line: &mut Line) -> Result<Vec<u8>, Break> {
        let mut whole = Vec::new();
        while self.body.next(line, &mut whole)? {
            if whole.len() > BODY_BYTES_MAX {
                return Err(Break::Final("the server's answer is too large".into()));
            }
        }
        Ok(whole)
    }

    /// What a status that is no success means for who asked.
    pub(super) fn refusal(mut self, line: &mut Line) -> Break {
        let body = self.whole(line).unwrap_or_default();
        let why = match serde_json::from_slice::<Refusal>(&body) {
            Ok(Refusal { error }) => error.to_string(),
            Err(_) => format!("status {} and no reason; is that a Sockeye server?", self.status),
        };
        let why = format!("the server refused: {why}");
        match self.status {
            413 => Break::TooLarge(why),
            429 | 500 | 502 | 503 | 504 => Break::Busy { why, retry_ms: self.retry_after_ms },
            _ => Break::Final(why),
        }
    }
}

impl Body {
    /// Appends the next piece to `out`; false at the end.
    pub(super) fn next(&mut self, line: &mut Line, out: &mut Vec<u8>) -> Result<bool, Break> {
        loop {
            match self {
                Self::Rest(0) => return Ok(false),
                Self::Rest(rest) if !line.input.is_empty() => {
                    let len = usize::try_from(*rest).unwrap_or(usize::MAX).min(line.input.len());
                    out.extend(line.input.drain(..len));
                    *rest -= len as u64;
                    return Ok(true);
                }
                Self::Chunked(decoder) => {
                    if let Some(more) = next_chunk(decoder, &mut line.input, out)? {
                        return Ok(more);
                    }
                }
                Self::UntilClose if !line.input.is_empty() => {
                    out.append(&mut line.input);
                    return Ok(true);
                }
                Self::Rest(_) | Self::UntilClose => {}
            }
            if line.fill()? == 0 {
                return match self {
                    Self::UntilClose => Ok(false),
                    _ => Err(Break::lost("the server broke off inside its answer")),
                };
            }
        }
    }
}

/// Everything of the body that is in `input`; `None` if that is nothing, false at the body's end.
fn next_chunk(
    decoder: &mut Decoder,
    input: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<Option<bool>, Break> {
    let mut rest = &input[..];
    let mut more = None;
    while let Some(event) = decoder.next(&mut rest).map_err(|e| not_http(&e))? {
        match event {
            Event::Data(data) => {
                out.extend_from_slice(data);
                more = Some(true);
            }
            // What is known to be there is given out first.
            Event::End => more = more.or(Some(false)),
        }
    }
    let used = input.len() - rest.len();
    input.drain(..used);
    if more.is_none() && decoder.is_complete() { Ok(Some(false)) } else { Ok(more) }
}

fn not_http(error: &sockeye_http1::Error) -> Break {
    Break::Final(format!("that is not an HTTP server that we understand: {error}"))
}

/// The body of an answer that refuses.
#[derive(Deserialize)]
struct Refusal {
    error: Problem,
}

/// What was wrong, as the server says it.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) message: String,
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", plain(&self.message), plain(&self.code))
    }
}
