//! Abilities of a stream beside reading and writing.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long a read or a write waits; `None` for ever.
pub(crate) type Patience = Option<Duration>;

/// The abilities of a stream beside reading and writing, as far as they are known.
pub(crate) struct Hooks<S> {
    /// A write of several slices is one write.
    pub(crate) is_vectored: bool,
    /// Ends our side of the stream.
    pub(crate) half_close: Option<fn(&mut S) -> io::Result<()>>,
    /// Tells how long a read waits.
    pub(crate) patience: Option<fn(&S) -> io::Result<Patience>>,
    /// Tells how long a write waits.
    pub(crate) write_patience: Option<fn(&S) -> io::Result<Patience>>,
    /// Bounds the next reads.
    pub(crate) set_patience: Option<fn(&S, Patience) -> io::Result<()>>,
}

impl<S> Hooks<S> {
    /// Those of a stream that only reads and writes.
    pub(crate) const NONE: Self = Self {
        is_vectored: false,
        half_close: None,
        patience: None,
        write_patience: None,
        set_patience: None,
    };
}

impl Hooks<TcpStream> {
    pub(crate) const TCP: Self = Self {
        is_vectored: true,
        half_close: Some(|stream| stream.shutdown(Shutdown::Write)),
        patience: Some(TcpStream::read_timeout),
        write_patience: Some(TcpStream::write_timeout),
        set_patience: Some(|stream, patience| stream.set_read_timeout(patience)),
    };
}

impl<S> Clone for Hooks<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Hooks<S> {}

/// Whether the stream only had nothing to give, or no room, in its time.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::WouldBlock => true,
        // On Unix the system says this of a connection that TCP has given up.
        io::ErrorKind::TimedOut => cfg!(not(unix)) || error.raw_os_error().is_none(),
        _ => false,
    }
}

/// Whether a signal, or a pause of the machine, ended a read or write that did nothing.
pub(crate) fn is_interruption(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// Since when reads or writes are interrupted and nothing else. A socket's timeout begins anew with each of them: signals
/// would put it off for ever.
#[derive(Default)]
pub(crate) struct Interrupted(Option<Instant>);

impl Interrupted {
    /// After an interruption: whether they have lasted for the timeout of the stream, if that is known.
    pub(crate) fn outlasts<S>(
        &mut self,
        patience: Option<fn(&S) -> io::Result<Patience>>,
        stream: &S,
    ) -> bool {
        let since = *self.0.get_or_insert_with(Instant::now);
        let patience = patience.and_then(|patience| patience(stream).ok().flatten());
        patience.is_some_and(|patience| since.elapsed() >= patience)
    }

    /// Something came, or went.
    pub(crate) fn end(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`TcpStream`]'s own timeouts are those of its socket; a connection that TCP gave up is no timeout.
    #[test]
    fn a_dead_connection_is_no_timeout() {
        assert!(is_timeout(&io::ErrorKind::WouldBlock.into()));
        // A stream of the caller's that says it so.
        assert!(is_timeout(&io::ErrorKind::TimedOut.into()));
        // ETIMEDOUT
        #[cfg(target_os = "linux")]
        assert!(!is_timeout(&io::Error::from_raw_os_error(110)));
        assert!(!is_timeout(&io::ErrorKind::ConnectionReset.into()));
    }
}
