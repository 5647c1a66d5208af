//! Runs a machine on a loop of its own, for programs that may block.

use std::io::ErrorKind;
use std::time::Instant;

use mio::{Events, Poll, Token};

use crate::{Driver, Error, Machine, Network};

/// Runs a [`Machine`] on sockets, and waits where it has to.
pub struct Blocking<M> {
    driver: Driver<M>,
    poll: Poll,
    events: Events,
}

/// The poller has one source, so few events come at once.
const EVENTS: usize = 4;

impl<M: Machine> Blocking<M> {
    /// Gives a machine a poller of its own.
    ///
    /// # Errors
    /// [`Error::System`] if there is no poller.
    pub fn new(machine: M, network: impl Into<Network>) -> Result<Self, Error> {
        let poll = Poll::new().map_err(Error::system)?;
        let driver = Driver::new(machine, network, poll.registry(), Token(0));
        let driver = driver.map_err(Error::system)?;
        Ok(Self { driver, poll, events: Events::with_capacity(EVENTS) })
    }

    /// The machine on its sockets.
    pub const fn driver(&self) -> &Driver<M> {
        &self.driver
    }

    /// The machine on its sockets, to act on.
    pub const fn driver_mut(&mut self) -> &mut Driver<M> {
        &mut self.driver
    }

    /// Waits for the next event and hands it to `take`. `None`: the client is over.
    ///
    /// # Errors
    /// As [`Driver::next`].
    pub fn next<R>(&mut self, take: impl FnMut(M::Event<'_>) -> R) -> Result<Option<R>, Error> {
        self.next_until(None, take).map(|found| found.flatten())
    }

    /// The same, but waits no longer than until `until`. `None`: nothing came by then; `Some(None)`: the
    /// client is over.
    ///
    /// # Errors
    /// As [`Driver::next`].
    pub fn next_until<R>(
        &mut self,
        until: Option<Instant>,
        mut take: impl FnMut(M::Event<'_>) -> R,
    ) -> Result<Option<Option<R>>, Error> {
        loop {
            if let Some(event) = self.driver.next(&mut take)? {
                return Ok(Some(Some(event)));
            }
            if self.driver.is_over() {
                return Ok(Some(None));
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(None);
            }
            let at = [self.driver.deadline(), until].into_iter().flatten().min();
            self.wait(at)?;
        }
    }

    /// Waits until the network has something, or `until` passes. `until` has to include the machine's deadline.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> Result<(), Error> {
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(Error::system(error));
            }
            _ => {}
        }
        for event in &self.events {
            self.driver.on_event(event);
        }
        Ok(())
    }
}
