//! The HTTP client of the orders: one request on one connection, whose caller waits.

use std::future::{self, Future};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName as Name, Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use sockeye_client::sans_io::Exchange;
use sockeye_client::{
    Blocking, Deadline, Error, Limits, Machine, Network, Peer, Time, Url, UsageError,
};
use sockeye_http::{HeaderName, HeaderValue};
use sockeye_http1::{Body, RequestWriter};
use sockeye_terminal::{Failure, OrFail as _};

use crate::file;

/// How long the authority may be silent, in milliseconds.
const SILENCE_MS: u64 = 30_000;

/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// Largest answer: a chain of certificates is a hundredth of it.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The headers of a request that are sent, and those of an answer that are read.
const SENT: [&str; 2] = ["Content-Type", "User-Agent"];
const READ: [&str; 3] = ["replay-nonce", "location", "retry-after"];

/// The client. It notes how long the authority wants no further request.
pub(super) struct Client {
    network: Network,
    /// No request begins later.
    until: Instant,
    asked: Arc<Asked>,
}

/// The last answer's wish to be left alone.
#[derive(Default)]
pub(super) struct Asked(Mutex<Option<Duration>>);

impl Asked {
    /// The wait that the last answer asked for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, wait: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = wait;
    }
}

/// Why no answer came, or one that says that the authority has trouble.
#[derive(Debug)]
pub(super) enum Away {
    /// The connection failed.
    Network(Error),
    /// The answer has a status from 500 on.
    Status(u16),
    /// The time of the order is over.
    Late,
}

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network(error) => write!(f, "{error}"),
            Self::Status(status) => write!(f, "the authority answers with status {status}"),
            Self::Late => f.write_str("the authority takes too long"),
        }
    }
}

impl std::error::Error for Away {}

impl Client {
    /// A client that trusts the authorities in the file, or those that the system trusts. After `until` it
    /// begins no request: an authority that answers slowly, or for ever, holds an order no longer.
    pub(super) fn new(
        ca_file: Option<&Path>,
        until: Instant,
    ) -> Result<(Self, Arc<Asked>), Failure> {
        let network = Network::new(Limits::DEFAULT);
        let network = match ca_file {
            Some(path) => network.with_tls(trusting(path)?),
            None => network,
        };
        let asked = Arc::new(Asked::default());
        Ok((Self { network, until, asked: Arc::clone(&asked) }, asked))
    }

    fn ask(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        // This is how the library gives the bytes of a body.
        let mut body = BytesResponse::from(Response::new(body)).body;
        let body = ready(body.into_bytes()).map_err(|_| Error::Ended)?;
        let url = Url::parse(&parts.uri.to_string())?;
        let method =
            if parts.method == http::Method::HEAD { "HEAD" } else { parts.method.as_str() };
        let writer = RequestWriter::new(method, url.target(), url.authority());
        let mut writer = writer.map_err(|_| UsageError::Url)?;
        for name in SENT {
            let value = parts.headers.get(name).map(|it| HeaderValue::from_bytes(it.as_bytes()));
            if let Some(value) = value.transpose().map_err(|_| UsageError::Header)? {
                writer = writer.header(HeaderName::from_static(name), value);
            }
        }
        let mut bytes = Vec::new();
        let is_post = parts.method == http::Method::POST;
        writer.write(if is_post { Body::Bytes(&body) } else { Body::Empty }, &mut bytes);
        let method = if method == "HEAD" { "HEAD" } else { "GET" };
        let one = OneRequest::new(url, method, bytes);
        let until = Instant::now() + REQUEST_MAX;
        let mut driver = Blocking::new(one, self.network.clone())?;
        let answer = driver.next_until(Some(until), |answer| answer)?;
        answer.ok_or(Error::TimedOut(Deadline::Silence))?.ok_or(Error::Ended)
    }
}

impl HttpClient for Client {
    /// The answer is there when this returns.
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        self.asked.set(None);
        // [acme:order-bounded]
        let is_late = Instant::now() >= self.until;
        let asked =
            if is_late { Err(Away::Late) } else { self.ask(request).map_err(Away::Network) };
        let answer = asked.and_then(|mut answer| {
            self.asked.set(retry_after(&answer));
            // The library would add it to the calendar, and panics if there is no such time.
            answer.parts.headers.remove(RETRY_AFTER);
            let status = answer.parts.status.as_u16();
            if status >= 500 { Err(Away::Status(status)) } else { Ok(answer) }
        });
        Box::pin(future::ready(answer.map_err(|why| instant_acme::Error::Other(Box::new(why)))))
    }
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(answer: &BytesResponse) -> Option<Duration> {
    let value = answer.parts.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = SystemTime::from(value.parse::<httpdate::HttpDate>().ok()?);
    date.duration_since(SystemTime::now()).ok()
}

/// The result of a future that never waits: the client blocks instead.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the client answers before it returns"),
    }
}

/// Trusts the authorities in a file of PEM.
pub(crate) fn trusting(path: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let shown = || format!("ca_file {}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&file::read(path).or_fail(shown)?) {
        let certificate = certificate.map_err(|_| Failure(format!("{}: no PEM", shown())))?;
        roots.add(certificate).or_fail(shown)?;
    }
    if roots.is_empty() {
        return Err(Failure(format!("{}: there is no certificate in it", shown())));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .or_fail(shown)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// One request, whose answer ends the connection.
struct OneRequest {
    url: Url,
    request: Vec<u8>,
    exchange: Exchange,
    body: Vec<u8>,
    until: Time,
    step: Step,
}

enum Step {
    UnderWay,
    /// The connection has ended, and its answer with it.
    Cut,
    Failed(Error),
    Over,
}

impl OneRequest {
    fn new(url: Url, method: &'static str, request: Vec<u8>) -> Self {
        let exchange = Exchange::new(method, Limits::DEFAULT);
        let (body, until) = (Vec::new(), Time::NEVER);
        Self { url, request, exchange, body, until, step: Step::UnderWay }
    }

    /// Takes input; true once the answer is whole.
    fn take(&mut self, input: &mut &mut [u8]) -> Result<bool, Error> {
        if !self.exchange.take_head(input)? {
            return Ok(false);
        }
        let mut rest: &[u8] = input;
        while let Some(piece) = self.exchange.body(&mut rest)? {
            if self.body.len() + piece.len() > BODY_BYTES_MAX {
                return Err(Error::EventTooLarge);
            }
            self.body.extend_from_slice(piece);
        }
        let taken = input.len() - rest.len();
        *input = &mut core::mem::take(input)[taken..];
        Ok(self.exchange.is_over() || matches!(self.step, Step::Cut))
    }

    fn answer(&mut self) -> BytesResponse {
        let body = BodyWrapper::from(core::mem::take(&mut self.body));
        let mut answer = Response::new(body);
        self.exchange.with_head(|head| {
            if let Ok(status) = head.status().code().try_into() {
                *answer.status_mut() = status;
            }
            for name in READ {
                let value = head.headers().single(name).ok().flatten();
                if let Some(value) = value.and_then(|it| it.parse().ok()) {
                    answer.headers_mut().insert(Name::from_static(name), value);
                }
            }
        });
        BytesResponse::from(answer)
    }
}

impl Machine for OneRequest {
    type Event<'e> = BytesResponse;

    fn peer(&self) -> Option<&Peer> {
        matches!(self.step, Step::UnderWay).then(|| self.url.peer())
    }

    fn deadline(&self) -> Time {
        self.until
    }

    fn connected(&mut self, now: Time, out: &mut Vec<u8>) {
        out.append(&mut self.request);
        self.until = now + SILENCE_MS;
    }

    fn disconnected(&mut self, now: Time, why: Error) {
        if matches!(self.step, Step::UnderWay) {
            let is_end = why == Error::Ended && self.exchange.at_eof() == Error::Ended;
            self.step = if is_end { Step::Cut } else { Step::Failed(why) };
            self.until = now;
        }
    }

    fn next<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        _: &mut Vec<u8>,
        take: &mut dyn FnMut(Self::Event<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        match &self.step {
            Step::Over => return Ok(None),
            Step::Failed(why) => {
                let why = why.clone();
                self.step = Step::Over;
                return Err(why);
            }
            Step::UnderWay | Step::Cut => {}
        }
        if !input.is_empty() {
            self.until = now + SILENCE_MS;
        }
        match self.take(input) {
            Ok(true) => {
                self.step = Step::Over;
                self.until = Time::NEVER;
                Ok(Some(take(self.answer())))
            }
            Ok(false) if now < self.until => Ok(None),
            Ok(false) => {
                self.step = Step::Over;
                Err(Error::TimedOut(Deadline::Silence))
            }
            Err(error) => {
                self.step = Step::Over;
                Err(error)
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.step, Step::Over)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use http::Request;
    use instant_acme::{BodyWrapper, Error, HttpClient as _};

    use super::{Away, Client, ready};

    /// [acme:order-bounded]
    #[test]
    fn no_request_begins_after_the_time_of_an_order() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let ask = |until| {
            let (client, _) = Client::new(None, until).unwrap();
            let request = Request::get(&url).body(BodyWrapper::<Bytes>::from(Vec::new())).unwrap();
            match ready(client.request(request)) {
                Err(Error::Other(why)) => why.downcast::<Away>().unwrap(),
                _ => panic!("nobody answers"),
            }
        };
        assert!(matches!(*ask(Instant::now()), Away::Late));
        assert!(listener.accept().is_err(), "nobody has connected");
        let addr = listener.local_addr().unwrap();
        drop(listener);
        let away = ask(Instant::now() + Duration::from_secs(3_600));
        assert!(matches!(*away, Away::Network(_)), "{addr}: {away:?}");
    }
}
