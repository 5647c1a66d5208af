//! Counts connections by the address that they come from.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A quota of connections: one bound on all of them, and one on those from each address. A clone is the
/// same quota, so several servers can share it.
#[derive(Clone, Debug, Default)]
pub struct ConnectionQuota(Arc<Open>);

/// The open connections.
#[derive(Debug, Default)]
struct Open {
    all: AtomicUsize,
    /// An address without a connection has no entry.
    by_address: Mutex<HashMap<u128, usize>>,
}

impl ConnectionQuota {
    fn by_address(&self) -> MutexGuard<'_, HashMap<u128, usize>> {
        self.0.by_address.lock().expect("nobody panics while holding it")
    }

    /// Connections that count against the bound on all of them.
    pub(crate) fn open(&self) -> usize {
        self.0.all.load(Ordering::Relaxed)
    }

    /// Counts a connection from `address`, unless `max` are open from there. Returns whether it did.
    pub(crate) fn enter(&self, address: IpAddr, max: usize) -> bool {
        match self.by_address().entry(origin_bits(address)) {
            Entry::Occupied(mut open) if *open.get() < max => *open.get_mut() += 1,
            Entry::Vacant(none) if max > 0 => {
                none.insert(1);
            }
            Entry::Occupied(_) | Entry::Vacant(_) => return false,
        }
        self.0.all.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Counts a connection against the bound on all of them only.
    pub(crate) fn enter_uncounted(&self) {
        self.0.all.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes such a connection off the count.
    pub(crate) fn leave_uncounted(&self) {
        self.0.all.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a connection from `address` off the count.
    pub(crate) fn leave(&self, address: IpAddr) {
        let mut by_address = self.by_address();
        let Entry::Occupied(mut open) = by_address.entry(origin_bits(address)) else { return };
        *open.get_mut() -= 1;
        if *open.get() == 0 {
            open.remove();
        }
        self.0.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The address that counts: an IPv4 address, in whichever form, or the network part of an IPv6
/// address.
pub(crate) fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The address that counts, as one number. An IPv4 address becomes `::ffff:a.b.c.d`; no network part of
/// an IPv6 address is such a number, because the lower half of a network part is zero.
pub(crate) fn origin_bits(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & u128::MAX << 64,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::ConnectionQuota;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn counts_each_address_and_forgets_it() {
        let quota = ConnectionQuota::default();
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        assert!(quota.enter(one, 2) && quota.enter(one, 2));
        assert!(!quota.enter(one, 2));
        assert!(quota.enter(other, 2), "the other has a count of its own");
        quota.leave(one);
        assert!(quota.enter(one, 2) && !quota.enter(one, 2));
        for gone in [one, one, other] {
            quota.leave(gone);
        }
        assert!(quota.by_address().is_empty());
        assert!(!quota.enter(one, 0));
        assert!(quota.by_address().is_empty(), "who is not let in leaves nothing behind");
    }

    #[test]
    fn a_quota_is_shared_by_its_clones() {
        let one = ConnectionQuota::default();
        let other = one.clone();
        assert!(one.enter(address("192.0.2.1"), 1) && !other.enter(address("192.0.2.1"), 1));
        assert!(other.enter(address("192.0.2.2"), 1));
        assert_eq!((one.open(), other.open()), (2, 2));
        one.leave(address("192.0.2.1"));
        assert_eq!(other.open(), 1);
    }

    #[test]
    fn what_is_one_address() {
        let table = [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:c000:201", "192.0.2.1", true),
            ("0:0:0:ffff::", "0.0.0.0", false),
            ("::1", "0.0.0.0", false),
            ("::1", "127.0.0.1", false),
        ];
        for (one, other, same) in table {
            let quota = ConnectionQuota::default();
            assert!(quota.enter(address(one), 1));
            assert_eq!(!quota.enter(address(other), 1), same, "{one} and {other}");
        }
    }
}
