//! The answers to HTTP-01 challenges (RFC 8555 §8.3), and a port of their own for them.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use sockeye_http::Method;
use sockeye_server::{
    Answer, App, Context, Header, Limits, MioNet, Reply, Request, Server, Status,
};
use sockeye_terminal::{Failure, OrFail as _};

use crate::config::{AcmeConfig, ListenAddress};
use crate::listen::cannot_listen;

/// Where an authority looks for the answer to a token.
const PATH: &str = "/.well-known/acme-challenge/";

/// Connections of the port for challenges: an authority needs a few.
const CONNECTIONS_MAX: usize = 256;
const CONNECTIONS_PER_ADDRESS_MAX: usize = 16;

const NO_STORE: Header = Header::from_static("Cache-Control", "no-store");
const ALLOW_GET: Header = Header::from_static("Allow", "GET, HEAD");

/// The answers by token. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<HashMap<String, String>>>);

impl Answers {
    /// Answers the token with this key authorization from now on.
    pub(super) fn set(&self, token: &str, key_authorization: &str) {
        self.all().insert(token.to_owned(), key_authorization.to_owned());
    }

    /// Answers no token any more.
    pub(super) fn clear(&self) {
        self.all().clear();
    }

    /// The answer to a request, if it is one of an authority.
    pub(crate) fn find(&self, request: &Request<'_>) -> Option<Reply> {
        let token = request.head.path().strip_prefix(PATH)?;
        let answer = self.all().get(token).cloned()?;
        if !matches!(request.head.method(), Method::GET | Method::HEAD) {
            let refusal = Reply::text(Status::METHOD_NOT_ALLOWED, "a challenge is read by GET\n");
            return Some(refusal.header(ALLOW_GET));
        }
        Some(Reply::text(Status::OK, answer).header(NO_STORE))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers challenges on the port of `config` as well, if it has one.
    pub(crate) fn listen(&self, config: &AcmeConfig) -> Result<(), Failure> {
        let Some(addr) = config.http else { return Ok(()) };
        let listener = TcpListener::bind(addr)
            .map_err(|error| cannot_listen(&ListenAddress::Tcp(addr), &error))?;
        let net = MioNet::listen(listener).or_fail(|| "cannot poll".into())?;
        let mut limits = Limits::default();
        limits.connections_max = CONNECTIONS_MAX;
        limits.connections_per_address_max = CONNECTIONS_PER_ADDRESS_MAX;
        let mut server = Server::new(net, Port(self.clone()), limits);
        let serve = move || {
            if let Err(problem) = server.run() {
                log::error!(problem:%; "the port for challenges is gone");
            }
        };
        let thread = thread::Builder::new().name("acme-http".into()).spawn(serve);
        thread.or_fail(|| "cannot start the thread that answers challenges".into()).map(drop)
    }
}

/// The application on the port for challenges.
struct Port(Answers);

impl App for Port {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer {
        let nothing =
            || Reply::text(Status::NOT_FOUND, "this port answers challenges of ACME only\n");
        self.0.find(request).unwrap_or_else(nothing).into()
    }
}
