//! Counts connections by the address that they come from.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

/// Open connections by address. An address without a connection has no entry.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    open: HashMap<u128, usize>,
    all: usize,
}

/// A quota of connections that several servers share: one bound on all of them, and one on those from
/// each address. A clone is the same quota.
#[derive(Clone, Debug, Default)]
pub struct ConnectionQuota(Arc<Mutex<Addresses>>);

/// The connections that count against the bounds: of one server, or of several that share a quota.
pub(crate) enum Quota {
    Own(Addresses),
    Shared(ConnectionQuota),
}

impl Quota {
    /// Connections that count against `connections_max`; `own` is how many this server has open.
    pub(crate) fn open(&self, own: usize) -> usize {
        match self {
            Self::Own(_) => own,
            Self::Shared(quota) => quota.lock().all,
        }
    }

    pub(crate) fn enter(&mut self, address: IpAddr, max: usize) -> bool {
        match self {
            Self::Own(addresses) => addresses.enter(address, max),
            Self::Shared(quota) => quota.lock().enter(address, max),
        }
    }

    pub(crate) fn leave(&mut self, address: IpAddr) {
        match self {
            Self::Own(addresses) => addresses.leave(address),
            Self::Shared(quota) => quota.lock().leave(address),
        }
    }
}

impl ConnectionQuota {
    fn lock(&self) -> MutexGuard<'_, Addresses> {
        self.0.lock().expect("nobody panics while holding it")
    }
}

impl Addresses {
    /// Counts a connection from `address`, unless `max` are open from there. Returns whether it did.
    pub(crate) fn enter(&mut self, address: IpAddr, max: usize) -> bool {
        match self.open.entry(origin_bits(address)) {
            Entry::Occupied(mut open) if *open.get() < max => *open.get_mut() += 1,
            Entry::Vacant(none) if max > 0 => {
                none.insert(1);
            }
            Entry::Occupied(_) | Entry::Vacant(_) => return false,
        }
        self.all += 1;
        true
    }

    /// Takes a connection from `address` off the count.
    pub(crate) fn leave(&mut self, address: IpAddr) {
        let Entry::Occupied(mut open) = self.open.entry(origin_bits(address)) else { return };
        *open.get_mut() -= 1;
        self.all -= 1;
        if *open.get() == 0 {
            open.remove();
        }
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
fn origin_bits(address: IpAddr) -> u128 {
    match origin(address) {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(network) => network.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::Addresses;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn counts_each_address_and_forgets_it() {
        let mut addresses = Addresses::default();
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        assert!(addresses.enter(one, 2) && addresses.enter(one, 2));
        assert!(!addresses.enter(one, 2));
        assert!(addresses.enter(other, 2), "the other has a count of its own");
        addresses.leave(one);
        assert!(addresses.enter(one, 2) && !addresses.enter(one, 2));
        for gone in [one, one, other] {
            addresses.leave(gone);
        }
        assert!(addresses.open.is_empty());
        assert!(!addresses.enter(one, 0));
        assert!(addresses.open.is_empty(), "who is not let in leaves nothing behind");
    }

    #[test]
    fn a_quota_is_shared_by_its_clones() {
        let quota = super::ConnectionQuota::default();
        let quotas = || super::Quota::Shared(quota.clone());
        let (mut one, mut other) = (quotas(), quotas());
        assert!(one.enter(address("192.0.2.1"), 1) && !other.enter(address("192.0.2.1"), 1));
        assert!(other.enter(address("192.0.2.2"), 1));
        assert_eq!((one.open(1), other.open(1)), (2, 2));
        one.leave(address("192.0.2.1"));
        assert_eq!(other.open(1), 1);
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
            let mut addresses = Addresses::default();
            assert!(addresses.enter(address(one), 1));
            assert_eq!(!addresses.enter(address(other), 1), same, "{one} and {other}");
        }
    }
}
