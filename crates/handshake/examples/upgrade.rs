//! A whole handshake in memory, with an extension and a subprotocol, and then some requests that
//! fail and the answers they get.
//!
//! `cargo run -p sockeye-handshake --example upgrade`

use sockeye_handshake::{
    Accept, Challenge, ClientRequest, Extensions, Origins, Policy, decide, supported_versions,
};
use sockeye_http1::{HeaderStorage, Limits, RequestHead, ResponseHead};
use std::error::Error;

const POLICY: Policy<'_> =
    Policy { subprotocols: &["chat.v2", "chat"], origins: Origins::List(&["https://example.com"]) };

fn main() -> Result<(), Box<dyn Error>> {
    // A real client draws these bytes from the system's entropy, for each attempt anew.
    let challenge = Challenge::new(*b"the sample nonce");
    let offer = Extensions::parse([&b"permessage-deflate; client_max_window_bits"[..]])?;
    let ask = ClientRequest {
        origin: Some("https://example.com"),
        subprotocols: &["chat", "chat.v2"],
        extensions: &offer,
        ..ClientRequest::new("example.com", "/rooms/7")
    };
    let mut request = Vec::new();
    challenge.write_request(&ask, &mut request)?;
    show("client", &request);

    let response = answer(&request)?;
    show("server", &response);

    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(&response, &mut storage, &Limits::DEFAULT)?;
    let accepted = challenge.verify(&head, &ask)?;
    println!("agreed: {:?}, [{}]\n", accepted.subprotocol, accepted.extensions);

    let text = String::from_utf8(request)?;
    for (good, bad) in [
        ("Connection: Upgrade", "Connection: notupgrade"),
        ("https://example.com", "https://evil.example"),
        ("Version: 13", "Version: 14"),
    ] {
        let response = answer(text.replace(good, bad).as_bytes())?;
        println!("with {bad}:");
        show("server", &response);
        let head =
            response.split_inclusive(|&byte| byte == b'\n').take_while(|line| *line != b"\r\n");
        let head = [&head.collect::<Vec<_>>().concat()[..], b"\r\n"].concat();
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(&head, &mut storage, &Limits::DEFAULT)?;
        if let Err(error) = challenge.verify(&head, &ask) {
            let versions: Vec<_> = supported_versions(&head).collect();
            println!("client: {error}; versions it could try: {versions:?}\n");
        }
    }
    Ok(())
}

/// What a server does with a complete head.
fn answer(request: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(request, &mut storage, &Limits::DEFAULT)?;
    let mut out = Vec::new();
    match decide(&head, &POLICY) {
        Ok(accept) => accept.write_response(&choose(&accept)?, &[], &mut out)?,
        Err(reject) => reject.write_response(None, &mut out),
    }
    Ok(out)
}

/// Accepts the first offer of permessage-deflate. A real server leaves this to its codec, which
/// reads the parameters too.
fn choose(accept: &Accept<'_>) -> Result<Extensions, Box<dyn Error>> {
    let mut offers = accept.offers().iter();
    Ok(match offers.find(|offer| offer.name() == "permessage-deflate") {
        Some(_) => Extensions::parse([&b"permessage-deflate; server_no_context_takeover"[..]])?,
        None => Extensions::new(),
    })
}

fn show(who: &str, bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        println!("{who}: {line}");
    }
}
