//! A subscription for programs that may block.

use core::fmt;
use std::time::Instant;

use super::event::SubscriptionEvent;
use super::machine::Subscription as Machine;
use super::options::{Credentials, SubscriptionOptions, Transport};
use crate::{Blocking, Entropy, Error, Network};

type Renew = Box<dyn FnMut(&Error) -> Option<Credentials> + Send>;

/// Channels of a hub, for programs that may wait: an iterator over what comes, which ends with the channels.
///
/// ```no_run
/// use sockeye_client::{Data, Network, Subscription, SubscriptionEvent, SubscriptionOptions, Url};
///
/// let hub = Url::parse("http://127.0.0.1:8080")?;
/// let options = SubscriptionOptions::new(hub, &["chat:7"]);
/// for event in Subscription::new(options, Network::default())? {
///     match event? {
///         SubscriptionEvent::Message(message) => match message.data {
///             Data::Text(text) => println!("{}: {text}", message.channel),
///             Data::Json(json) => println!("{}: {json}", message.channel),
///         },
///         SubscriptionEvent::Gap(gap) => println!("load anew: {:?}", gap.target),
///         _ => {}
///     }
/// }
/// # Ok::<(), sockeye_client::Error>(())
/// ```
pub struct Subscription {
    inner: Blocking<Machine>,
    renew: Option<Renew>,
}

impl Subscription {
    /// A subscription. It connects when it is asked for its first event.
    ///
    /// # Errors
    /// [`Error::Usage`] for options that cannot stand in a request, [`Error::System`] if there is no poller.
    pub fn new(options: SubscriptionOptions, network: Network) -> Result<Self, Error> {
        let entropy = Entropy::system().map_err(Error::system)?;
        let machine = Machine::new(options, network.limits, entropy)?;
        Ok(Self { inner: Blocking::new(machine, network)?, renew: None })
    }

    /// Asks `renew` for other credentials whenever the hub wants them. The closure gets the reason, and may take its
    /// time. If it returns `None`, or there is no closure, the subscription ends with that error.
    #[must_use]
    pub fn renew_with(
        mut self,
        renew: impl FnMut(&Error) -> Option<Credentials> + Send + 'static,
    ) -> Self {
        self.renew = Some(Box::new(renew));
        self
    }

    /// The cursor after the last reported event. Another subscription goes on from it.
    pub fn cursor(&self) -> Option<&str> {
        self.inner.driver().machine().cursor()
    }

    /// The transport of the connection, or else of the next one.
    pub fn transport(&self) -> Transport {
        self.inner.driver().machine().transport()
    }

    /// Waits for the next event, but no longer than until `until`. `None`: nothing came by then, or the
    /// subscription [is over](Self::is_over).
    ///
    /// # Errors
    /// Why the subscription has ended before its channels, once: the hub says that coming back is of no use,
    /// or wants credentials that nobody has.
    pub fn receive_until(
        &mut self,
        until: Option<Instant>,
    ) -> Result<Option<SubscriptionEvent<'static>>, Error> {
        loop {
            let found = self.inner.next_until(until, |event| event.into_owned())?;
            match found.flatten() {
                Some(SubscriptionEvent::CredentialsNeeded { why }) => self.renew(why)?,
                found => return Ok(found),
            }
        }
    }

    /// Ends the subscription: nothing comes after that.
    pub fn close(&mut self) {
        let driver = self.inner.driver_mut();
        driver.act(Machine::close);
        // This ends the connection now instead of with the next call, and drops its events.
        let _ = driver.next(|_| ());
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        self.inner.driver().is_over()
    }

    fn renew(&mut self, why: Error) -> Result<(), Error> {
        let new = self.renew.as_mut().and_then(|renew| renew(&why));
        let driver = self.inner.driver_mut();
        let Some(new) = new else {
            driver.act(Machine::close);
            return Err(why);
        };
        Ok(driver.act(|machine, _, _| machine.set_credentials(Some(new)))?)
    }
}

/// What comes, until the subscription is over.
impl Iterator for Subscription {
    type Item = Result<SubscriptionEvent<'static>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receive_until(None).transpose()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.driver().machine().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::Url;

    #[test]
    fn the_connection_ends_with_the_subscription() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
        let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            let mut bytes = [0; 4096];
            let asked = stream.read(&mut bytes)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            Ok::<_, std::io::Error>((asked > 0, stream.read(&mut bytes)?))
        });
        let url = Url::parse(&url).expect("a URL");
        let mut options = SubscriptionOptions::new(url, &["a"]);
        options.transports = vec![Transport::EventStream];
        let subscription = Subscription::new(options, Network::default());
        let mut subscription = subscription.expect("good options");
        assert!(matches!(subscription.next(), Some(Ok(_))));
        subscription.close();
        assert!(subscription.is_over());
        let seen = server.join().expect("it does not panic").expect("the client ends it");
        assert_eq!(seen, (true, 0));
        // It is there still.
        assert!(subscription.next().is_none());
    }
}
