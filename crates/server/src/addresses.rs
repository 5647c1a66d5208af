//! How many connections come from where.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Open connections by address; no entry without a connection.
#[derive(Default)]
pub(crate) struct Addresses {
    open: HashMap<IpAddr, usize>,
}

impl Addresses {
    /// Counts a connection from `address`, unless as many as `max` are open from there.
    pub(crate) fn enter(&mut self, address: IpAddr, max: usize) -> bool {
        let origin = origin(address);
        let open = self.open.get(&origin).copied().unwrap_or(0);
        if open >= max {
            return false;
        }
        self.open.insert(origin, open + 1);
        true
    }

    /// A connection that entered is gone.
    pub(crate) fn leave(&mut self, address: IpAddr) {
        let origin = origin(address);
        let Some(open) = self.open.get_mut(&origin) else { return };
        *open -= 1;
        if *open == 0 {
            self.open.remove(&origin);
        }
    }
}

/// What counts as one address: an IPv4 address, in whichever form, or the network part of an IPv6
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
    fn what_is_one_address() {
        let table = [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ];
        for (one, other, same) in table {
            let mut addresses = Addresses::default();
            assert!(addresses.enter(address(one), 1));
            assert_eq!(!addresses.enter(address(other), 1), same, "{one} and {other}");
        }
    }
}
