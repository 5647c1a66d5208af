//! The client for single requests to a hub, without its network: the state machine.

use sockeye_http::{HeaderName, HeaderValue};
use sockeye_http1::{Body, RequestWriter};
use sockeye_reactor::Time;

use super::Response;
use crate::subscription::fetch::Fetch;
use crate::{Deadline, Error, Limits, Machine, Peer, Url, UsageError};

/// How long the hub may be silent, in milliseconds.
const SILENCE_MS: u64 = 30_000;
/// Largest body of an answer.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Posts JSON to a hub, one request after the other on one connection.
///
/// ```text
///          post              connected            the whole answer
/// Idle ──────────► Waiting ────────────► Asked ────────────────────► Idle (and closes, if the answer says so)
///   └─ post, still connected ────────────►│ └─ lost, silent ► Failed
/// ```
pub struct Requests {
    url: Url,
    headers: Vec<(String, String)>,
    limits: Limits,
    step: Step,
    is_connected: bool,
}

enum Step {
    Idle,
    /// The request, until there is a connection.
    Waiting(Vec<u8>),
    Asked(Box<Asked>),
    /// The error, until it is reported.
    Failed(Option<Error>),
}

struct Asked {
    fetch: Fetch,
    until: Time,
    /// Bytes of the request that the network had not taken at the last look.
    unsent: usize,
}

impl Requests {
    /// A client of the hub at `url`, which sends `headers` with each request.
    ///
    /// # Errors
    /// [`UsageError::Header`] if they cannot stand in a request.
    pub fn new(
        url: &Url,
        headers: Vec<(String, String)>,
        limits: Limits,
    ) -> Result<Self, UsageError> {
        for (name, value) in &headers {
            HeaderName::new(name).map_err(|_| UsageError::Header)?;
            HeaderValue::new(value).map_err(|_| UsageError::Header)?;
        }
        let url = url.to_http();
        Ok(Self { url, headers, limits, step: Step::Idle, is_connected: false })
    }

    /// Asks for `path`, behind the path of the hub's URL.
    ///
    /// # Errors
    /// [`UsageError::Url`] for a path that cannot stand in a request; [`Error::HungUp`] while another request
    /// waits for its answer, and after an error.
    pub fn post(
        &mut self,
        path: &str,
        json: &[u8],
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if !matches!(self.step, Step::Idle) {
            return Err(Error::HungUp);
        }
        let request = self.request(path, json)?;
        if self.is_connected {
            self.ask(&request, now, out);
        } else {
            self.step = Step::Waiting(request);
        }
        Ok(())
    }

    /// Whether the connection takes another request.
    pub const fn is_reusable(&self) -> bool {
        self.is_connected && matches!(self.step, Step::Idle)
    }

    fn request(&self, path: &str, json: &[u8]) -> Result<Vec<u8>, UsageError> {
        let target = format!("{}{path}", self.url.target().trim_end_matches('/'));
        let mut writer = RequestWriter::new("POST", &target, self.url.authority())
            .map_err(|_| UsageError::Url)?;
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::new(name), HeaderValue::new(value)) {
                writer = writer.header(name, value);
            }
        }
        let json_type = HeaderValue::from_static("application/json");
        writer = writer.header(HeaderName::from_static("Content-Type"), json_type);
        let mut request = Vec::new();
        writer.write(Body::Bytes(json), &mut request);
        Ok(request)
    }

    fn ask(&mut self, request: &[u8], now: Time, out: &mut Vec<u8>) {
        out.extend_from_slice(request);
        let fetch = Fetch::new(self.limits, BODY_BYTES_MAX);
        let until = now + SILENCE_MS;
        self.step = Step::Asked(Box::new(Asked { fetch, until, unsent: out.len() }));
    }

    /// Takes input; the answer, once it is whole.
    fn take(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        unsent: usize,
    ) -> Result<Option<Response>, Error> {
        let Step::Asked(asked) = &mut self.step else { return Ok(None) };
        // A long body on a slow line is no silence, in either direction.
        if !input.is_empty() || unsent < asked.unsent {
            (asked.until, asked.unsent) = (now + SILENCE_MS, unsent);
        }
        let is_whole = match asked.fetch.take(input) {
            Err(_) if asked.is_refused() => true,
            taken => taken?,
        };
        if !is_whole && now < asked.until {
            return Ok(None);
        }
        if !is_whole && !asked.is_refused() {
            return Err(Error::TimedOut(Deadline::Silence));
        }
        let (_, keep_alive) = asked.fetch.head();
        // Bytes that nobody asked for are no part of a later answer, and a request whose answer came before its end
        // would be followed by its rest.
        let is_clean = is_whole && !asked.is_refused() && input.is_empty() && unsent == 0;
        self.is_connected &= keep_alive && is_clean;
        Ok(self.answer())
    }

    /// The answer that has come, and no request any more.
    fn answer(&mut self) -> Option<Response> {
        match core::mem::replace(&mut self.step, Step::Idle) {
            Step::Asked(asked) => Some(asked.fetch.into_response()),
            _ => None,
        }
    }
}

impl Asked {
    /// Whether the status says that there will be nothing but a refusal. It counts though its body breaks off.
    fn is_refused(&self) -> bool {
        self.fetch.has_head() && !(200..300).contains(&self.fetch.head().0)
    }
}

impl Machine for Requests {
    type Event<'e> = Response;

    fn peer(&self) -> Option<&Peer> {
        let wants = match self.step {
            Step::Waiting(_) => true,
            // No answer comes on another connection than its request.
            Step::Asked(_) | Step::Idle => self.is_connected,
            Step::Failed(_) => false,
        };
        wants.then(|| self.url.peer())
    }

    fn deadline(&self) -> Time {
        match &self.step {
            Step::Asked(asked) => asked.until,
            Step::Idle | Step::Waiting(_) | Step::Failed(_) => Time::NEVER,
        }
    }

    fn connected(&mut self, now: Time, out: &mut Vec<u8>) {
        self.is_connected = true;
        if let Step::Waiting(request) = &mut self.step {
            let request = core::mem::take(request);
            self.ask(&request, now, out);
        }
    }

    fn disconnected(&mut self, now: Time, why: Error) {
        self.is_connected = false;
        match &mut self.step {
            Step::Asked(asked) => {
                // An end that TLS did not announce is none of the answer's.
                let is_whole = why == Error::Ended && asked.fetch.cut();
                if !is_whole && !asked.is_refused() {
                    let is_cut = why == Error::Ended && asked.fetch.has_head();
                    self.step = Step::Failed(Some(if is_cut { Error::Truncated } else { why }));
                } else {
                    asked.until = now;
                }
            }
            Step::Waiting(_) => self.step = Step::Failed(Some(why)),
            Step::Idle | Step::Failed(_) => {}
        }
    }

    fn next<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(Self::Event<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        if let Step::Failed(why) = &mut self.step {
            return why.take().map_or(Ok(None), Err);
        }
        match self.take(now, input, out.len()) {
            Ok(response) => Ok(response.map(take)),
            Err(error) => {
                self.step = Step::Failed(None);
                Err(error)
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.step, Step::Failed(None))
    }
}
