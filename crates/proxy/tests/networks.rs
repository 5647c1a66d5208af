use std::net::IpAddr;

use sockeye_proxy::{Network, NetworkError, trusts};

fn network(text: &str) -> Network {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_network_has_the_addresses_with_its_prefix() {
    for (text, inside, outside) in [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
        ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.6", "::192.0.2.7"]),
        ("192.0.2.7/31", ["192.0.2.6", "192.0.2.7"], ["192.0.2.5", "192.0.2.8"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "2001:db8::1"]),
        ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db7::", "2001:db9::"]),
        ("2001:db8::1", ["2001:db8::1", "2001:db8:0::1"], ["2001:db8::", "2001:db8::2"]),
        ("::/0", ["::", "ffff::"], ["10.0.0.1", "::ffff:10.0.0.1"]),
        ("::ffff:10.0.0.0/104", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::10.1.2.3"]),
        ("::/128", ["::", "0::0"], ["0.0.0.0", "::1"]),
    ] {
        let Ok(network) = text.parse::<Network>() else {
            assert_eq!(text, "192.0.2.7/31", "it has a bit behind its prefix");
            continue;
        };
        for inside in inside {
            assert!(network.contains(address(inside)), "{text} {inside}");
            assert!(trusts(&[self::network("203.0.113.0/24"), network], address(inside)));
        }
        for outside in outside {
            assert!(!network.contains(address(outside)), "{text} {outside}");
        }
    }
    assert!(!trusts(&[], address("10.0.0.1")));
}

#[test]
fn what_is_no_network() {
    for (text, error) in [
        ("", NetworkError::Address),
        ("example.com", NetworkError::Address),
        ("10.0.0.0.0/8", NetworkError::Address),
        ("010.0.0.0/8", NetworkError::Address),
        ("10.0.0.0/", NetworkError::Prefix),
        ("10.0.0.0/33", NetworkError::Prefix),
        ("10.0.0.0/+8", NetworkError::Prefix),
        ("10.0.0.0/8/8", NetworkError::Prefix),
        ("10.0.0.0/1000", NetworkError::Prefix),
        ("2001:db8::/129", NetworkError::Prefix),
        ("::ffff:10.0.0.0/8", NetworkError::Prefix),
        ("10.0.0.1/8", NetworkError::HostBits),
        ("2001:db8::1/32", NetworkError::HostBits),
    ] {
        assert_eq!(text.parse::<Network>(), Err(error), "{text:?}");
    }
    assert_eq!(network("10.0.0.0/8").to_string(), "10.0.0.0/8");
    assert_eq!(network("::ffff:192.0.2.1").to_string(), "192.0.2.1/32");
    assert_eq!(Network::from(address("::ffff:192.0.2.1")), network("192.0.2.1"));
}
