//! Requests to a hub beside a subscription: publications and tickets.

mod machine;

use core::fmt;

use sockeye_http::Status;

pub use machine::Requests as RequestsMachine;

use crate::{Blocking, Error, Network, Url};

/// Posts JSON to a hub, one request after the other on one connection, and waits for each answer.
///
/// After an error the value is used up: another one connects anew. Whether the hub has acted on the failed
/// request is unknown, so a publication that is repeated needs an idempotency key.
///
/// ```no_run
/// use sockeye_client::{Network, Requests, Url};
///
/// let hub = Url::parse("http://127.0.0.1:8080")?;
/// let headers = vec![("Authorization".to_owned(), "ApiKey …".to_owned())];
/// let mut requests = Requests::new(&hub, headers, Network::default())?;
/// let answer = requests.post("/v1/batch", br#"{"channel":"news","data":"hello","key":"1"}"#)?;
/// assert_eq!(answer.status.code(), 200);
/// # Ok::<(), sockeye_client::Error>(())
/// ```
pub struct Requests {
    inner: Blocking<RequestsMachine>,
}

impl Requests {
    /// A client of the hub at `url`. It connects when it has something to ask.
    ///
    /// # Errors
    /// [`Error::Usage`] for headers that cannot stand in a request, [`Error::System`] if there is no poller.
    pub fn new(url: &Url, headers: Vec<(String, String)>, network: Network) -> Result<Self, Error> {
        let machine = RequestsMachine::new(url, headers, network.limits)?;
        let inner = Blocking::new(machine, network).map_err(|error| Error::System(error.kind()))?;
        Ok(Self { inner })
    }

    /// Sends JSON to a path of the hub, and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    /// The failure of the connection or of the answer. A status is no error.
    pub fn post(&mut self, path: &str, json: &[u8]) -> Result<Response, Error> {
        self.inner.driver_mut().act(|machine, now, out| machine.post(path, json, now, out))?;
        self.inner.next(|response| response)?.ok_or(Error::Ended)
    }

    /// Whether the connection takes another request.
    pub const fn is_reusable(&self) -> bool {
        self.inner.driver().machine().is_reusable()
    }
}

/// An answer, with its whole body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: Status,
    /// The header lines, in their order. What is not UTF-8 in a value is replaced.
    pub headers: Vec<(String, String)>,
    /// The body. For a status that is no success it may be cut off where the connection broke.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Shows no values: they may hold credentials.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &names)
            .field("body_len", &self.body.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
