//! The addresses of a name. The system's resolver blocks, so it runs on a thread of its own.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use mio::{Interest, Registry, Token};

/// The lookups of one link that still run, also those that were given up: each thread holds a share.
#[derive(Default)]
pub(super) struct Running(Arc<()>);

impl Running {
    fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// A name being looked up.
pub(super) enum Lookup {
    /// It was an address.
    Address(Option<SocketAddr>),
    Running {
        answer: Receiver<io::Result<Vec<SocketAddr>>>,
        /// Its other end closes when the thread is done, which the registry reports.
        _bell: mio::net::UnixStream,
    },
}

impl Lookup {
    /// Starts a thread that looks the name up. The lookup cannot be cancelled, so an abandoned thread runs on. Fails
    /// with `ResourceBusy` if `max` threads run.
    pub(super) fn start(
        host: &str,
        port: u16,
        (running, max): (&Running, u8),
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Self::Address(Some(SocketAddr::new(address, port))));
        }
        if running.count() >= usize::from(max) {
            return Err(ErrorKind::ResourceBusy.into());
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut bell = mio::net::UnixStream::from_std(ours);
        registry.register(&mut bell, token, Interest::READABLE)?;
        let (sender, answer) = mpsc::sync_channel(1);
        let (host, share) = (host.to_owned(), Arc::clone(&running.0));
        std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            // Nobody may wait any more.
            let _ = sender.send(found);
            drop((theirs, share));
        })?;
        Ok(Self::Running { answer, _bell: bell })
    }

    /// The answer, once it is there; at least one address.
    pub(super) fn take(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        let found = match self {
            Self::Address(address) => address.take().map(|address| Ok(vec![address])),
            Self::Running { answer, .. } => match answer.try_recv() {
                Ok(found) => Some(found),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err(ErrorKind::Other.into())),
            },
        };
        found.map(|found| match found {
            Ok(addrs) if addrs.is_empty() => Err(ErrorKind::NotFound.into()),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_that_hang_are_not_joined_by_more_and_more() {
        let poll = mio::Poll::new().expect("a poller");
        let running = Running::default();
        // Two that the system has not answered.
        let hanging = [Arc::clone(&running.0), Arc::clone(&running.0)];
        let start = |max| Lookup::start("localhost", 1, (&running, max), poll.registry(), Token(1));
        let refused = start(2).err().map(|error| error.kind());
        assert_eq!(refused, Some(ErrorKind::ResourceBusy));
        let mut lookup = start(3).expect("there is room for one");
        let found = loop {
            match lookup.take() {
                Some(found) => break found,
                None => std::thread::yield_now(),
            }
        };
        assert!(found.expect("everybody knows it").iter().all(|addr| addr.ip().is_loopback()));
        drop(hanging);
        while running.count() > 0 {
            std::thread::yield_now();
        }
        assert!(start(1).is_ok());
    }
}
