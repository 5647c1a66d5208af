//! sockeye-proxy with a bump allocator.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::net::IpAddr;

use sockeye_nostd::{expect, program};
use sockeye_proxy::{Decoder, Header, HopField, Hops, Limits, Network, Version};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 12]> = Bump::uninit();

program!(run);

fn run() -> Option<()> {
    let mut decoder = Decoder::new(Version::V1, Limits::DEFAULT);
    let mut input = black_box(&b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET"[..]);
    let Ok(Some(Header::Client { source, .. })) = decoder.next(&mut input) else { return None };
    expect(source.port() == 56324 && input == b"GET")?;

    let proxy = IpAddr::from([10, 0, 0, 1]);
    let mut hops = Hops::new();
    hops.add(HopField::XForwardedFor, black_box(b"203.0.113.9, 192.0.2.7"));
    expect(hops.client(proxy, &[Network::from(proxy)]) == IpAddr::from([192, 0, 2, 7]))
}
