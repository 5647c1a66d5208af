//! Abilities of a stream beside reading and writing.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long a read waits; `None` for ever.
type Patience = Option<Duration>;

/// The abilities of a stream beside reading and writing, as far as they are known.
pub(crate) struct Hooks<S> {
    /// A write of several slices is one write.
    pub(crate) is_vectored: bool,
    /// Ends our side of the stream.
    pub(crate) half_close: Option<fn(&mut S) -> io::Result<()>>,
    /// Tells how long a read waits.
    pub(crate) patience: Option<fn(&S) -> io::Result<Patience>>,
    /// Bounds the next reads.
    pub(crate) set_patience: Option<fn(&S, Patience) -> io::Result<()>>,
}

impl<S> Hooks<S> {
    /// Those of a stream that only reads and writes.
    pub(crate) const NONE: Self =
        Self { is_vectored: false, half_close: None, patience: None, set_patience: None };
}

impl Hooks<TcpStream> {
    pub(crate) const TCP: Self = Self {
        is_vectored: true,
        half_close: Some(|stream| stream.shutdown(Shutdown::Write)),
        patience: Some(TcpStream::read_timeout),
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
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
