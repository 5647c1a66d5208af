//! The options of a WebSocket client.

use core::fmt;

use sockeye_deflate::{ClientOffer, EngineConfig};
use sockeye_websocket::Limits;

use crate::{Url, UsageError};

/// How messages are handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Each in one piece.
    #[default]
    Whole,
    /// As they arrive, in pieces; only small and compressed ones come whole.
    Pieces,
}

/// Where a [`WebSocket`](crate::WebSocket) goes, what it offers, and how long it waits.
///
/// ```
/// use sockeye_client::ConnectOptions;
///
/// let mut options = ConnectOptions::new("wss://hub.example/v1/ws")?;
/// options.headers.push(("Authorization".to_owned(), "Bearer …".to_owned()));
/// options.subprotocols.push("sockeye.v1.json".to_owned());
/// options.compression = None;
/// # Ok::<(), sockeye_client::UsageError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// A URL with the scheme `ws` or `wss`.
    pub url: Url,
    /// Headers of the request beside those of the handshake: authorization, cookies.
    pub headers: Vec<(String, String)>,
    /// The subprotocols that the caller speaks, the preferred one first.
    pub subprotocols: Vec<String>,
    /// The origin of the page, for clients that act for one.
    pub origin: Option<String>,
    /// The offer of permessage-deflate; `None` for no compression. Default: what browsers offer.
    pub compression: Option<ClientOffer>,
    /// How messages are compressed once the server has agreed.
    pub engine: EngineConfig,
    /// What the server may send. Default: messages of 1 MiB.
    pub limits: Limits,
    /// How messages are handed over.
    pub delivery: Delivery,
    /// After so many milliseconds of the server's silence it is sent a Ping. Default 30 000.
    pub ping_ms: Option<u64>,
    /// Milliseconds in which something has to come after a Ping of `ping_ms`. Default 30 000.
    pub pong_ms: u64,
    /// Milliseconds for the peer's Close frame, and again for the end of the connection. Default 5000.
    pub close_ms: u64,
}

impl ConnectOptions {
    /// The defaults for a `ws` or `wss` URL.
    ///
    /// # Errors
    /// As [`Url::parse`], and [`UsageError::Scheme`] for `http` and `https`.
    pub fn new(url: &str) -> Result<Self, UsageError> {
        let url = Url::parse(url)?;
        if url.is_websocket() { Ok(Self::to(&url)) } else { Err(UsageError::Scheme) }
    }

    /// The defaults for a URL that was read already; `http` stands for `ws`, and `https` for `wss`.
    #[must_use]
    pub fn to(url: &Url) -> Self {
        Self {
            url: url.to_websocket(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            origin: None,
            compression: Some(ClientOffer::default()),
            engine: EngineConfig::default(),
            limits: Limits::DEFAULT,
            delivery: Delivery::Whole,
            ping_ms: Some(30_000),
            pong_ms: 30_000,
            close_ms: 5_000,
        }
    }
}

/// Shows no query and no values of headers: they hold credentials.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("url", &self.url)
            .field("headers", &self.headers.len())
            .field("subprotocols", &self.subprotocols.len())
            .field("origin", &self.origin)
            .field("compression", &self.compression.is_some())
            .field("limits", &self.limits)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}
