//! The addresses of a name. The system's resolver blocks, so it runs on a thread of its own.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use mio::{Interest, Registry, Token};

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
    /// Begins. The thread ends when the system has answered, also if nobody waits for it any more.
    pub(super) fn start(
        host: &str,
        port: u16,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Self::Address(Some(SocketAddr::new(address, port))));
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut bell = mio::net::UnixStream::from_std(ours);
        registry.register(&mut bell, token, Interest::READABLE)?;
        let (sender, answer) = mpsc::sync_channel(1);
        let host = host.to_owned();
        std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            // Nobody may wait any more.
            let _ = sender.send(found);
            drop(theirs);
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
