//! Requests to a hub beside a subscription: publications and tickets.

mod machine;

pub use machine::Requests as RequestsMachine;

use crate::{Blocking, Error, Network, Url};

/// Posts JSON to a hub, one request after the other on one connection, and waits for each answer.
///
/// After an error other than [`Error::Usage`], make a new `Requests`. If the connection failed, the hub may have acted
/// on the request: give a publication that you repeat an idempotency key.
///
/// ```no_run
/// use sockeye_client::{Network, Requests, Url};
///
/// let hub = Url::parse("http://127.0.0.1:8080")?;
/// let headers = vec![("Authorization".to_owned(), "ApiKey …".to_owned())];
/// let mut requests = Requests::new(&hub, headers, Network::default())?;
/// let answer = requests.post("/v1/batch", br#"{"channel":"news","data":"hello","key":"1"}"#)?;
/// println!("{}", String::from_utf8_lossy(&answer));
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
        Ok(Self { inner: Blocking::new(machine, network)? })
    }

    /// Sends JSON to a path of the hub, waits for the whole answer, and returns its body.
    ///
    /// # Errors
    /// [`Error::Refused`] for another status than 200; the next request then gets a connection of its own. After
    /// any other error but [`Error::Usage`] this value is used up.
    pub fn post(&mut self, path: &str, json: &[u8]) -> Result<Vec<u8>, Error> {
        self.inner.driver_mut().act(|machine, now, out| machine.post(path, json, now, out))?;
        self.inner.next(|body| body)?.ok_or(Error::Ended)
    }

    /// Asks for a path of the hub; otherwise as [`post`](Self::post).
    ///
    /// # Errors
    /// As there.
    pub fn get(&mut self, path: &str) -> Result<Vec<u8>, Error> {
        self.inner.driver_mut().act(|machine, now, out| machine.get(path, now, out))?;
        self.inner.next(|body| body)?.ok_or(Error::Ended)
    }

    /// Whether the connection takes another request.
    pub const fn is_reusable(&self) -> bool {
        self.inner.driver().machine().is_reusable()
    }
}

#[cfg(test)]
mod tests;
