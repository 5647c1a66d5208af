//! The agreement of the opening handshake.

#[cfg(feature = "deflate")]
use sockeye_deflate::Params;
use sockeye_websocket::Role;

use crate::Settings;
use crate::compressor::Compressor;

/// The agreement of the opening handshake.
#[derive(Clone, Debug)]
pub struct Agreed {
    pub(crate) role: Role,
    pub(crate) subprotocol: Option<Box<str>>,
    #[cfg(feature = "deflate")]
    pub(crate) params: Option<Params>,
}

impl Agreed {
    /// No subprotocol, and no compression.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            subprotocol: None,
            #[cfg(feature = "deflate")]
            params: None,
        }
    }

    /// Sets the subprotocol.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: Option<&str>) -> Self {
        self.subprotocol = subprotocol.map(Box::from);
        self
    }

    /// Sets the parameters of permessage-deflate.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn with_compression(mut self, params: Option<Params>) -> Self {
        self.params = params;
        self
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn compressor(&self, settings: &Settings) -> Option<Compressor> {
        self.params.map(|params| Compressor::new(self.role, params, settings))
    }

    #[cfg(not(feature = "deflate"))]
    #[expect(clippy::unused_self, reason = "the other one needs it")]
    pub(crate) const fn compressor(&self, _: &Settings) -> Option<Compressor> {
        None
    }
}
