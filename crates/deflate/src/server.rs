//! The server's side of the negotiation.

use crate::parameter::ParameterList;
use crate::{ClientWindowOffer, Params, WindowBits};

/// A server's rules for negotiation.
///
/// The default asks clients for windows of 4 KiB, and keeps windows between messages: on
/// messages of a few kilobytes that costs little compression, and a fully used connection of a client that
/// agrees holds 5 KiB instead of 33 KiB. The server compresses with a window of 32 KiB, of which it holds 1 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The largest window that we compress with; announced where it is below the maximum.
    pub server_max_window_bits: WindowBits,
    /// The largest window that we want the client to compress with.
    pub client_max_window_bits: ClientWindow,
    /// We forget our window after each message, whether asked or not.
    pub server_no_context_takeover: bool,
    /// The client has to forget its window after each message, whether it hinted so or not.
    pub client_no_context_takeover: bool,
}

/// How strictly a server requires a limit of the client's window.
///
/// Only a client that offers `client_max_window_bits` can be limited (RFC 7692 §7.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientWindow {
    /// Limit the clients that allow it; accept 32 KiB from the others.
    Prefer(WindowBits),
    /// Decline the offer of a client that cannot be limited.
    Require(WindowBits),
}

/// The window that the default configuration asks clients for.
const WINDOW_DEFAULT: WindowBits = WindowBits::new(12).expect("12 lies between 8 and 15");

impl ServerConfig {
    /// The default, for constants.
    pub const DEFAULT: Self = Self {
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: ClientWindow::Prefer(WINDOW_DEFAULT),
        server_no_context_takeover: false,
        client_no_context_takeover: false,
    };
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Decides on one offer: the parameters to answer with, or `None` to decline it.
///
/// `params` are the parameters of one element named [`EXTENSION_NAME`](crate::EXTENSION_NAME),
/// quoted values already unescaped. A client lists its offers by preference (RFC 7692 §5.1): take
/// the first that is not declined. If all are, the handshake succeeds without the extension.
///
/// # Examples
/// ```
/// use sockeye_deflate::{ServerConfig, accept_offer};
///
/// // What a browser offers.
/// let offer = [("client_max_window_bits", None)];
/// let params = accept_offer(offer.into_iter(), &ServerConfig::default()).unwrap();
/// assert_eq!(
///     params.to_string(),
///     "permessage-deflate; client_max_window_bits=12",
/// );
/// assert_eq!(accept_offer([("fast", None)].into_iter(), &ServerConfig::default()), None);
/// ```
pub fn accept_offer<'o>(
    params: impl Iterator<Item = (&'o str, Option<&'o str>)>,
    config: &ServerConfig,
) -> Option<Params> {
    // [rfc7692:7-decline-offer] RFC 7692 §7: unknown, repeated or invalid declines the offer.
    let offer = ParameterList::read(params).ok()?;
    Some(Params {
        // [rfc7692:7.1.1.1-echo] RFC 7692 §7.1.1.1: a request is confirmed and then obeyed.
        server_no_context_takeover: offer.server_no_context_takeover
            || config.server_no_context_takeover,
        // §7.1.1.2: the client's is a hint; confirmed, it binds, and saves us the window.
        client_no_context_takeover: offer.client_no_context_takeover
            || config.client_no_context_takeover,
        server_max_window_bits: server_window(
            offer.server_max_window_bits,
            config.server_max_window_bits,
        ),
        client_max_window_bits: client_window(
            offer.client_max_window_bits,
            config.client_max_window_bits,
        )?,
    })
}

/// Our own window, or `None` if the response need not name it.
fn server_window(offered: Option<WindowBits>, willing: WindowBits) -> Option<WindowBits> {
    match offered {
        // [rfc7692:7.1.2.1-at-most-offered] RFC 7692 §7.1.2.1: confirmed, equal or smaller.
        Some(offered) => Some(offered.min(willing)),
        None => (willing < WindowBits::MAX).then_some(willing),
    }
}

/// The client's window, or `None` to decline.
fn client_window(offered: ClientWindowOffer, wanted: ClientWindow) -> Option<Option<WindowBits>> {
    let (ClientWindow::Prefer(limit) | ClientWindow::Require(limit)) = wanted;
    let limit_is_void = limit == WindowBits::MAX;
    match (offered, wanted) {
        // [rfc7692:7.1.2.2-only-if-offered] RFC 7692 §7.1.2.2: never in the response unasked.
        (ClientWindowOffer::Absent, ClientWindow::Prefer(_)) => Some(None),
        (ClientWindowOffer::Absent, ClientWindow::Require(_)) => limit_is_void.then_some(None),
        (ClientWindowOffer::Supported, _) => Some((!limit_is_void).then_some(limit)),
        // [rfc7692:7.1.2.2-at-most-offered] RFC 7692 §7.1.2.2: equal or smaller.
        (ClientWindowOffer::AtMost(offered), _) => Some(Some(offered.min(limit))),
    }
}
