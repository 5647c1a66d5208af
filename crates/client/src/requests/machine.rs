//! The client for single requests to a hub, without its network: the state machine.

use sockeye_http::{HeaderName, HeaderValue};
use sockeye_http1::{Body, RequestWriter};
use sockeye_reactor::Time;

use crate::subscription::fetch::Fetch;
use crate::{Deadline, Error, Limits, Machine, Peer, Url, UsageError, headers};

/// How long the hub may be silent, in milliseconds.
const SILENCE_MS: u64 = 30_000;
/// Largest body of an answer.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Posts JSON to a hub, one request after the other on one connection.
///
/// ```text
///          post              connected            the whole answer
/// Idle ──────────► Waiting ────────────► Asked ────────────────────► Idle (and closes, if the answer says so)
///   └─ post, still connected ────────────►│ └─ refused, lost, silent ► Failed
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
        headers.iter().try_for_each(|line| headers::parse(line).map(drop))?;
        let url = url.to_http();
        Ok(Self { url, headers, limits, step: Step::Idle, is_connected: false })
    }

    /// Posts JSON to `path`, which is appended to the path of the hub's URL.
    ///
    /// # Errors
    /// [`UsageError::Url`] for a path that cannot stand in a request; [`Error::HungUp`] while another request
    /// waits for its answer, and after any error but [`Error::Refused`] and [`Error::Usage`].
    pub fn post(
        &mut self,
        path: &str,
        json: &[u8],
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.begin(("POST", path), Some(json), now, out)
    }

    /// Asks for `path`; otherwise as [`post`](Self::post).
    ///
    /// # Errors
    /// As there.
    pub fn get(&mut self, path: &str, now: Time, out: &mut Vec<u8>) -> Result<(), Error> {
        self.begin(("GET", path), None, now, out)
    }

    fn begin(
        &mut self,
        line: (&str, &str),
        json: Option<&[u8]>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if !matches!(self.step, Step::Idle) {
            return Err(Error::HungUp);
        }
        let request = self.request(line, json)?;
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

    fn request(
        &self,
        (method, path): (&str, &str),
        json: Option<&[u8]>,
    ) -> Result<Vec<u8>, UsageError> {
        let target = format!("{}{path}", self.url.target().trim_end_matches('/'));
        let writer = RequestWriter::new(method, &target, self.url.authority());
        let writer = headers::add(writer.map_err(|_| UsageError::Url)?, self.headers.iter())?;
        let mut request = Vec::new();
        let Some(json) = json else {
            writer.write(Body::Empty, &mut request);
            return Ok(request);
        };
        let json_type = HeaderValue::from_static("application/json");
        let writer = writer.header(HeaderName::from_static("Content-Type"), json_type);
        writer.write(Body::Bytes(json), &mut request);
        Ok(request)
    }

    fn ask(&mut self, request: &[u8], now: Time, out: &mut Vec<u8>) {
        out.extend_from_slice(request);
        let fetch = Fetch::new(self.limits, BODY_BYTES_MAX);
        let until = now + SILENCE_MS;
        self.step = Step::Asked(Box::new(Asked { fetch, until, unsent: out.len() }));
    }

    /// Takes input; the body of the answer, once it is whole.
    fn take(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        unsent: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Step::Asked(asked) = &mut self.step else { return Ok(None) };
        // A long body on a slow line is no silence, in either direction.
        if !input.is_empty() || unsent < asked.unsent {
            (asked.until, asked.unsent) = (now + SILENCE_MS, unsent);
        }
        let taken = asked.fetch.take(input);
        let is_refused = asked.is_refused();
        let is_whole = if is_refused { taken.unwrap_or(true) } else { taken? };
        match is_whole {
            false if now < asked.until => return Ok(None),
            false if !is_refused => return Err(Error::TimedOut(Deadline::Silence)),
            _ => {}
        }
        let Step::Asked(asked) = core::mem::replace(&mut self.step, Step::Idle) else {
            return Ok(None);
        };
        if is_refused {
            return Err(Error::Refused(asked.fetch.into_refusal()));
        }
        // The connection is not used again if input is left over, or if the answer came before the request was sent
        // completely: its rest would follow.
        let (_, keep_alive) = asked.fetch.head();
        self.is_connected &= keep_alive && input.is_empty() && unsent == 0;
        Ok(Some(asked.fetch.into_body()))
    }
}

impl Asked {
    /// Whether the status refuses the request. It counts though its body breaks off.
    fn is_refused(&self) -> bool {
        self.fetch.has_head() && self.fetch.head().0 != 200
    }
}

impl Machine for Requests {
    /// The body of an answer with status 200.
    type Event<'e> = Vec<u8>;

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
                // A connection that ends without close_notify does not complete the answer.
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
            Ok(body) => Ok(body.map(take)),
            Err(error) => {
                // A server that refuses may take the next request, on another connection.
                self.is_connected = false;
                if !matches!(error, Error::Refused(_)) {
                    self.step = Step::Failed(None);
                }
                Err(error)
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.step, Step::Failed(None))
    }
}
