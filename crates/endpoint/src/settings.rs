//! How connections behave, what a server agrees to, and what a client asks for.

use core::fmt;

#[cfg(feature = "deflate")]
use sockeye_deflate::{ClientOffer, Level, ServerConfig};
use sockeye_websocket::Limits;

/// How a connection behaves in either role: bounds and deadlines.
///
/// The receiving half keeps the deadlines, so a connection from which nobody receives has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Bounds on the peer's frames and messages. Default: 1 MiB for each.
    pub limits: Limits,
    /// Greatest message that is handed over whole, in bytes; a compressed one always is. Above it the connection fails
    /// with 1009, unless the message is received in parts. Default 1 MiB.
    pub whole_bytes_max: u64,
    /// While so many bytes wait to be sent, no further message is queued. Default 64 KiB. One message may go beyond it,
    /// and so do the answers to the peer's Pings, by `limits.replies_bytes_max` at most.
    pub unsent_bytes_max: usize,
    /// Milliseconds for the whole opening handshake, connecting included. Default 10 000.
    pub handshake_ms: u64,
    /// After so many milliseconds of the peer's silence it is sent a Ping. Default 30 000.
    pub ping_ms: Option<u64>,
    /// Milliseconds in which something has to come after such a Ping. Default 30 000.
    pub pong_ms: u64,
    /// Milliseconds for the peer's Close frame after ours, and for the end of the stream after both. Default 5000.
    pub close_ms: u64,
    /// The effort of compression. Default: the fastest.
    #[cfg(feature = "deflate")]
    pub level: Level,
    /// Shorter messages are not compressed, in bytes. Default 256.
    #[cfg(feature = "deflate")]
    pub compressed_bytes_min: usize,
}

impl Settings {
    /// Lets the peer send messages of up to so many bytes, in one frame or several, and hands them over whole.
    #[must_use]
    pub const fn with_message_bytes_max(mut self, bytes: u64) -> Self {
        self.limits.frame_bytes_max = bytes;
        self.limits.message_bytes_max = bytes;
        self.whole_bytes_max = bytes;
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::DEFAULT,
            whole_bytes_max: Limits::DEFAULT.message_bytes_max,
            unsent_bytes_max: 64 * 1024,
            handshake_ms: 10_000,
            ping_ms: Some(30_000),
            pong_ms: 30_000,
            close_ms: 5_000,
            #[cfg(feature = "deflate")]
            level: Level::FASTEST,
            #[cfg(feature = "deflate")]
            compressed_bytes_min: 256,
        }
    }
}

/// What a server agrees to, and how its connections behave.
///
/// ```
/// use sockeye_endpoint::{Origins, Policy};
///
/// let mut policy = Policy::default();
/// policy.subprotocols = &["chat.v2", "chat"];
/// policy.origins = Origins::List(&["https://app.example"]);
/// policy.settings.ping_ms = Some(10_000);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Policy<'p> {
    /// The subprotocols spoken here, the preferred one first.
    pub subprotocols: &'p [&'p str],
    /// The web pages that may connect. Default: those of the same host.
    pub origins: sockeye_handshake::Origins<'p>,
    /// The bounds on the request's head.
    pub head: sockeye_http1::Limits,
    /// The rules for permessage-deflate; `None` declines it. Default: clients are asked for windows of 4 KiB.
    #[cfg(feature = "deflate")]
    pub compression: Option<ServerConfig>,
    /// How the connections behave.
    pub settings: Settings,
}

impl Default for Policy<'_> {
    fn default() -> Self {
        let sockeye_handshake::Policy { subprotocols, origins } =
            sockeye_handshake::Policy::default();
        Self {
            subprotocols,
            origins,
            head: sockeye_http1::Limits::DEFAULT,
            #[cfg(feature = "deflate")]
            compression: Some(ServerConfig::DEFAULT),
            settings: Settings::default(),
        }
    }
}

/// What a client asks for, and how its connection behaves.
///
/// ```
/// use sockeye_endpoint::ConnectOptions;
///
/// let mut options = ConnectOptions::default();
/// options.headers.push(("Authorization".to_owned(), "Bearer …".to_owned()));
/// options.subprotocols.push("chat".to_owned());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Headers of the request beside those of the handshake: authorization, cookies.
    pub headers: Vec<(String, String)>,
    /// The subprotocols that the caller speaks, the preferred one first.
    pub subprotocols: Vec<String>,
    /// The origin of the page, for clients that act for one.
    pub origin: Option<String>,
    /// The bounds on the answer's head.
    pub head: sockeye_http1::Limits,
    /// The offer of permessage-deflate; `None` for no compression. Default: what browsers offer.
    #[cfg(feature = "deflate")]
    pub compression: Option<ClientOffer>,
    /// How the connection behaves.
    pub settings: Settings,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            subprotocols: Vec::new(),
            origin: None,
            head: sockeye_http1::Limits::DEFAULT,
            #[cfg(feature = "deflate")]
            compression: Some(ClientOffer::default()),
            settings: Settings::default(),
        }
    }
}

/// Shows no values of headers: they hold credentials.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("headers", &self.headers.len())
            .field("subprotocols", &self.subprotocols.len())
            .field("origin", &self.origin)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
