//! A request between its last byte and its response.

use sockeye_http::Method;
use sockeye_http1::{Persistence, RequestHead, Version};
use sockeye_reactor::Time;

use crate::answer::Header;
use crate::framing::Framing;

/// A request that the application answers later.
pub(crate) struct HeldRequest {
    pub(crate) terms: Terms,
    /// When the server answers by itself, unless the request is put off.
    until: Time,
    /// Since when the request has been put off; `NEVER` if it is not.
    put_off: Time,
    /// Headers of the response beside its own.
    pub(crate) headers: Vec<Header>,
    /// The client has ended its direction.
    pub(crate) half_closed: bool,
}

impl HeldRequest {
    /// A request that is held until then.
    pub(crate) const fn new(terms: Terms, until: Time, headers: Vec<Header>) -> Self {
        Self { terms, until, put_off: Time::NEVER, headers, half_closed: false }
    }

    /// When the server answers by itself.
    pub(crate) fn deadline(&self) -> Time {
        if self.put_off == Time::NEVER { self.until } else { Time::NEVER }
    }

    /// The application may not answer at present. The time of the hold stands still.
    pub(crate) fn put_off(&mut self, now: Time) {
        if self.put_off == Time::NEVER {
            self.put_off = now;
        }
    }

    /// The application may answer. Returns whether the request was put off.
    pub(crate) fn go_on(&mut self, now: Time) -> bool {
        let since = core::mem::replace(&mut self.put_off, Time::NEVER);
        if since == Time::NEVER {
            return false;
        }
        self.until = self.until + now.since(since);
        true
    }
}

/// The properties of a request that its response depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) is_head: bool,
    pub(crate) persistence: Persistence,
    /// That of a body of unknown length.
    pub(crate) framing: Framing,
}

impl Terms {
    pub(crate) fn of(head: &RequestHead<'_, '_>) -> Self {
        let framing = match head.version() {
            Version::Http11 => Framing::Chunked,
            Version::Http10 => Framing::Bare,
        };
        Self { is_head: head.method() == Method::HEAD, persistence: head.connection(), framing }
    }
}
