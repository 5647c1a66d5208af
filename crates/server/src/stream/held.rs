//! A request between its last byte and its response.

use sockeye_http::Method;
use sockeye_http1::{Persistence, RequestHead};
use sockeye_reactor::Time;

use crate::answer::Header;

/// A request that the application answers later.
pub(crate) struct HeldRequest {
    pub(crate) terms: Terms,
    /// When the server answers by itself.
    pub(crate) until: Time,
    /// Headers of the response beside its own.
    pub(crate) headers: Vec<Header>,
    /// The client has ended its direction.
    pub(crate) half_closed: bool,
}

/// The properties of a request that its response depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) is_head: bool,
    pub(crate) persistence: Persistence,
}

impl Terms {
    pub(crate) fn of(head: &RequestHead<'_, '_>) -> Self {
        Self { is_head: head.method() == Method::HEAD, persistence: head.connection() }
    }
}
