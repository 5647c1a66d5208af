//! Who speaks, as a server behind a proxy learns it: from the header of the PROXY protocol, then from a field of
//! the request.

use std::error::Error;
use std::net::IpAddr;

use sockeye_proxy::{Decoder, Header, HopField, Hops, Limits, Network, Version, trusts};

fn main() -> Result<(), Box<dyn Error>> {
    let proxies: [Network; 2] = ["10.0.0.0/8".parse()?, "2001:db8:aa::/48".parse()?];
    let peer: IpAddr = "10.0.0.1".parse()?;
    assert!(trusts(&proxies, peer), "nobody else may send the header");

    // The bytes arrive in two pieces, the second one with a request behind the header.
    let mut decoder = Decoder::new(Version::V1, Limits::DEFAULT);
    let mut client = peer;
    for mut piece in [&b"PROXY TCP4 10.0.0.2 10.0.0.9"[..], b" 56324 443\r\nGET / HTTP/1.1\r\n"] {
        match decoder.next(&mut piece)? {
            None => println!("more of the header is needed"),
            Some(Header::Client { source, .. }) => {
                client = source.ip();
                println!("{peer} speaks for {client}; {} bytes are the client's", piece.len());
            }
            Some(Header::Local | Header::Unknown) => println!("{peer} speaks for itself"),
        }
    }

    // That client is a proxy, too. What stands in front of its own hop is a stranger's word.
    let mut hops = Hops::new();
    hops.add(HopField::XForwardedFor, b"203.0.113.9, 192.0.2.7");
    let client = hops.client(client, &proxies);
    println!("the request is of {client}");
    assert_eq!(client, "192.0.2.7".parse::<IpAddr>()?);
    Ok(())
}
