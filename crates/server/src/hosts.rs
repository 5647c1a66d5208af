//! The hosts for which peers may ask on their connections (RFC 9110 §7.4).

use std::sync::Arc;

use sockeye_reactor::{Hosts, Key};

/// The hosts for which the peer of each socket may ask, by the index of its key, where a handshake has said.
#[derive(Default)]
pub(crate) struct HostsOfSockets(Vec<Option<Arc<dyn Hosts>>>);

impl HostsOfSockets {
    /// Whether no handshake has said anything.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A socket without hosts takes no memory.
    pub(crate) fn set(&mut self, socket: Key, hosts: Option<Arc<dyn Hosts>>) {
        let index = socket.index();
        if self.0.len() <= index && hosts.is_some() {
            self.0.resize(index + 1, None);
        }
        if let Some(place) = self.0.get_mut(index) {
            *place = hosts;
        }
    }

    pub(crate) fn of(&self, socket: Key) -> Option<&dyn Hosts> {
        self.0.get(socket.index())?.as_deref()
    }
}
