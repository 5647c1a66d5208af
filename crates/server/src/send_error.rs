//! Why a send failed.

use sockeye_websocket::UsageError;

/// Why a send failed. With [`Backpressure`](Self::Backpressure) and [`Invalid`](Self::Invalid) nothing was
/// sent, and the stream goes on. With the others it ends or has ended, and
/// [`App::on_close`](crate::App::on_close) hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The key names no open stream, or one of another kind.
    Gone,
    /// Our Close is sent already.
    Closing,
    /// The peer does not read: more waits for it than
    /// [`Limits::outbox_bytes_max`](crate::Limits::outbox_bytes_max), and it is cut. A part may have been
    /// sent.
    Full,
    /// At least as many bytes wait for the peer as the caller allows. Nothing was sent, and the stream
    /// goes on.
    Backpressure,
    /// The message must not be sent as the caller gave it.
    Invalid(UsageError),
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Gone => f.write_str("no such open stream"),
            Self::Closing => f.write_str("the stream is closing"),
            Self::Full => f.write_str("the peer does not read"),
            Self::Backpressure => f.write_str("too much waits for the peer"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}
