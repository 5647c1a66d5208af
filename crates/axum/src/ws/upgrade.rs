//! The extractor.

use core::fmt;
use core::future::Future;
use std::borrow::Cow;

use axum_core::Error;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::HeaderValue;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sockeye_handshake::Reject;
use sockeye_tokio::{Origins, Params, Role, ServerConfig, Settings};

use crate::ws::WebSocket;
use crate::ws::rejection::WebSocketUpgradeRejection as Rejection;
use crate::ws::request::Request;

/// Extracts a request for a WebSocket, before the answer.
///
/// Over HTTP/1.1 the method is `GET`, over HTTP/2 `CONNECT` (feature `http2`): route it with `any`. A request that opens
/// no WebSocket is rejected by the fitting status.
///
/// Unlike axum's own, it serves pages of the same host only, unless [`origins`](Self::origins) says otherwise.
#[must_use = "without an answer nothing is opened"]
pub struct WebSocketUpgrade<F = DefaultOnFailedUpgrade> {
    request: Request,
    on_upgrade: OnUpgrade,
    is_origin_allowed: bool,
    selected: Option<HeaderValue>,
    compression: Option<ServerConfig>,
    settings: Settings,
    on_failed_upgrade: F,
}

impl<F> WebSocketUpgrade<F> {
    /// Sets the web pages that may connect. Default: those of the same host. Clients that are no pages always may.
    pub fn origins(mut self, origins: Origins<'_>) -> Self {
        self.is_origin_allowed = self.request.comes_from(origins);
        self
    }

    /// Sets the rules for permessage-deflate; `None` declines it. Default: clients are asked for windows of 4 KiB.
    pub const fn compression(mut self, rules: Option<ServerConfig>) -> Self {
        self.compression = rules;
        self
    }

    /// Sets all bounds and deadlines. Call it before the methods that set one of them.
    pub const fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the size of the greatest message, in bytes. Default 1 MiB.
    pub const fn max_message_size(mut self, bytes: usize) -> Self {
        self.settings.limits.message_bytes_max = bytes as u64;
        self.settings.whole_bytes_max = bytes as u64;
        self
    }

    /// Sets the size of the greatest frame, in bytes. Default: that of the greatest message.
    pub const fn max_frame_size(mut self, bytes: usize) -> Self {
        self.settings.limits.frame_bytes_max = bytes as u64;
        self
    }

    /// Sets how many bytes may wait to be sent before [`send`](WebSocket::send) waits. Default 64 KiB.
    pub const fn max_write_buffer_size(mut self, bytes: usize) -> Self {
        self.settings.unsent_bytes_max = bytes;
        self
    }

    /// Selects the first of these subprotocols that the client asks for.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator<Item: Into<Cow<'static, str>>>,
    {
        let requested = &self.request.subprotocols;
        self.selected = protocols.into_iter().map(Into::into).find_map(|one| {
            requested.iter().find(|name| name.as_bytes() == one.as_bytes()).cloned()
        });
        self
    }

    /// The subprotocols that the client asks for, the preferred one first.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.request.subprotocols.iter()
    }

    /// Selects a subprotocol. One that the client does not ask for is not selected: the client would have to fail the
    /// connection.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.selected = Some(protocol).filter(|one| self.request.subprotocols.contains(one));
    }

    /// The subprotocol that is selected.
    pub const fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.selected.as_ref()
    }

    /// Sets what is called if hyper does not hand the connection over. By default nothing is.
    pub fn on_failed_upgrade<C: OnFailedUpgrade>(self, callback: C) -> WebSocketUpgrade<C> {
        WebSocketUpgrade {
            request: self.request,
            on_upgrade: self.on_upgrade,
            is_origin_allowed: self.is_origin_allowed,
            selected: self.selected,
            compression: self.compression,
            settings: self.settings,
            on_failed_upgrade: callback,
        }
    }

    /// Accepts. The callback runs in a task of its own, once the answer is sent.
    ///
    /// The answer is 403 if the origin is not allowed; the callback does not run then.
    #[must_use = "the response opens the WebSocket, so the handler has to return it"]
    pub fn on_upgrade<C, Fut>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        let Self { request, on_upgrade, selected, settings, on_failed_upgrade, .. } = self;
        if !self.is_origin_allowed {
            return Rejection::from(Reject::OriginForbidden).into_response();
        }
        let compression = self.compression.and_then(|rules| request.compression(&rules));
        let response = request.answer(selected.as_ref(), compression);
        tokio::spawn(async move {
            match on_upgrade.await {
                Ok(upgraded) => {
                    let inner = open(TokioIo::new(upgraded), compression, settings);
                    callback(WebSocket::new(inner, selected)).await;
                }
                Err(error) => on_failed_upgrade.call(Error::new(error)),
            }
        });
        response
    }
}

fn open(
    stream: crate::ws::Stream,
    compression: Option<Params>,
    settings: Settings,
) -> sockeye_tokio::WebSocket<crate::ws::Stream> {
    use sockeye_tokio::WebSocket;

    let role = Role::Server;
    match compression {
        Some(params) => WebSocket::after_handshake_with(stream, role, Vec::new(), params, settings),
        None => WebSocket::after_handshake(stream, role, Vec::new(), settings),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let request = Request::read(parts)?;
        let on_upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(Rejection::NotUpgradable)?;
        let mut settings = Settings::default();
        // The bound on messages is enough.
        settings.limits.frame_bytes_max = u64::MAX;
        Ok(Self {
            is_origin_allowed: request.comes_from(Origins::SameHost),
            request,
            on_upgrade,
            selected: None,
            compression: Some(ServerConfig::DEFAULT),
            settings,
            on_failed_upgrade: DefaultOnFailedUpgrade,
        })
    }
}

impl<F> fmt::Debug for WebSocketUpgrade<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("selected", &self.selected)
            .field("compression", &self.compression)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The callback for a connection that hyper does not hand over.
pub trait OnFailedUpgrade: Send + 'static {
    /// Tells the reason.
    fn call(self, error: Error);
}

impl<F: FnOnce(Error) + Send + 'static> OnFailedUpgrade for F {
    fn call(self, error: Error) {
        self(error);
    }
}

/// Does nothing.
#[derive(Debug)]
#[non_exhaustive]
pub struct DefaultOnFailedUpgrade;

impl OnFailedUpgrade for DefaultOnFailedUpgrade {
    fn call(self, _: Error) {}
}
