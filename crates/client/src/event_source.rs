//! EventSource: the machine, and the blocking type around it.

mod answer;
pub(crate) mod event;
pub(crate) mod machine;
mod options;
mod owned;
mod request;

use core::fmt;
use std::time::Instant;

pub use self::event::SourceOpened;
pub use self::options::{EventSourceOptions, Reconnect};
pub use self::owned::{OwnedSourceEvent, SourceMessage};
use crate::sans_io::{self, SourceEvent};
use crate::{Blocking, Entropy, Error, Network};

/// A stream of server-sent events that finds its place again after each loss, for programs that may wait.
///
/// It connects when its first event is asked for. As an iterator it gives owned events and ends when the source is
/// over; [`next_with`](Self::next_with) lends them without a copy. It reads only when an event is asked for, so a slow
/// program makes the server wait.
///
/// A program that has to act on a source while it waits (from another thread, on a signal) gives
/// [`sans_io::EventSource`] to a [`Driver`](crate::Driver) in a loop with a waker.
///
/// ```no_run
/// use sockeye_client::{EventSource, OwnedSourceEvent};
///
/// for event in EventSource::connect("http://localhost:8080/v1/sse?channel=news")? {
///     match event? {
///         OwnedSourceEvent::Message(message) => println!("{}", message.data),
///         OwnedSourceEvent::Lost { why, wait_ms } => eprintln!("{why}; again in {wait_ms} ms"),
///         _ => {}
///     }
/// }
/// # Ok::<(), sockeye_client::Error>(())
/// ```
///
/// # RFC
/// WHATWG HTML §9.2.
pub struct EventSource {
    blocking: Blocking<sans_io::EventSource>,
}

impl EventSource {
    /// A source with the defaults.
    ///
    /// # Errors
    /// [`Error::Usage`] for a URL that is invalid, or not `http` or `https`; [`Error::System`] if there is no poller or
    /// no entropy.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::with(EventSourceOptions::new(url)?, Network::default())
    }

    /// A source with these options and this network configuration.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn with(options: EventSourceOptions, network: Network) -> Result<Self, Error> {
        let entropy = Entropy::system().map_err(Error::system)?;
        let machine = sans_io::EventSource::new(options, network.limits, entropy)?;
        Ok(Self { blocking: Blocking::new(machine, network)? })
    }

    /// Waits for the next event and lends it to `take`. `None`: the source is over.
    ///
    /// # Errors
    /// Why the source has failed, once: [`Error::Refused`] for an answer that is no event stream,
    /// [`Error::EventTooLarge`], and whatever ends a connection with [`Reconnect::Never`]. It is over then.
    pub fn next_with<R>(
        &mut self,
        take: impl FnMut(SourceEvent<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        self.blocking.next(take)
    }

    /// The next event, if it comes by then. `None`: it has not, or the source [is over](Self::is_over).
    ///
    /// # Errors
    /// As [`next_with`](Self::next_with).
    pub fn next_until(&mut self, until: Instant) -> Result<Option<OwnedSourceEvent>, Error> {
        Ok(self.blocking.next_until(Some(until), |event| OwnedSourceEvent::from(event))?.flatten())
    }

    /// The last event ID string: what a later run begins with.
    pub fn last_event_id(&self) -> &str {
        self.blocking.driver().machine().last_event_id()
    }

    /// Whether nothing will come any more.
    pub fn is_over(&self) -> bool {
        self.blocking.driver().is_over()
    }

    /// Ends the source. It gives no event after that, not even one that has come already.
    pub fn close(&mut self) {
        let driver = self.blocking.driver_mut();
        driver.act(|machine, _, _| machine.close());
        // This ends the connection now instead of with the next call, and drops its events.
        let _ = driver.next(|_| ());
    }

    /// Gives up the connection or the wait, and asks for the stream at once, from the last event ID on.
    pub fn restart(&mut self) {
        self.blocking.driver_mut().act(|machine, _, _| machine.restart());
    }
}

impl Iterator for EventSource {
    type Item = Result<OwnedSourceEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_with(|event| OwnedSourceEvent::from(event)).transpose()
    }
}

impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource")
            .field("machine", self.blocking.driver().machine())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_connection_ends_with_the_source() {
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
        let mut source = EventSource::connect(&url).expect("a URL");
        assert!(matches!(source.next(), Some(Ok(_))));
        source.close();
        assert!(source.is_over());
        let seen = server.join().expect("it does not panic").expect("the client ends it");
        assert_eq!(seen, (true, 0));
        // It is there still.
        assert!(source.next().is_none());
    }
}
