//! A server and a client negotiate, talk with and without compression, and share one message.
//!
//! `cargo run -p sockeye-deflate --example negotiation`

use sockeye_deflate::{ClientOffer, Engine, EngineConfig, ServerConfig, Session, accept_offer};
use sockeye_websocket::{MessageCodec, Role};

fn main() {
    // The handshake. Splitting headers into parameters is `sockeye-handshake`'s work.
    let offer = ClientOffer::default();
    println!("offer    {offer}");
    let offered = [("client_max_window_bits", None)];
    let params = accept_offer(offered.into_iter(), &ServerConfig::default()).expect("acceptable");
    println!("response {params}");

    // One engine a loop, one session a connection.
    let mut engine = Engine::new(EngineConfig { message_bytes_min: 16, ..EngineConfig::default() });
    let mut server = Session::new(Role::Server, params);
    let mut client = Session::new(Role::Client, params);
    let mut wire = Vec::new();
    for n in 0..5 {
        let message = format!(r#"{{"id":{n},"text":"the salmon leap upstream, the salmon leap"}}"#);
        wire.clear();
        if server.codec(&mut engine).compress(message.as_bytes(), &mut wire) {
            let mut received = Vec::new();
            client
                .codec(&mut engine)
                .decompress(&wire, 1 << 20, &mut received)
                .expect("what we sent");
            assert_eq!(received, message.as_bytes());
            println!("{:>3} bytes as {:>2}  {message}", message.len(), wire.len());
        } else {
            println!("{:>3} bytes as is {message}", message.len());
        }
    }

    // A publication is compressed once, whatever each connection said before.
    let publication = br#"{"event":"tide","text":"high tide, high tide, high tide"}"#;
    wire.clear();
    assert!(engine.compress_shared(publication, server.tx_window(), &mut wire));
    server.note_shared(publication);
    let mut received = Vec::new();
    client.codec(&mut engine).decompress(&wire, 1 << 20, &mut received).expect("what we sent");
    assert_eq!(received, publication);
    println!("{:>3} bytes as {:>2}  for everyone", publication.len(), wire.len());
    println!("{} bytes of windows at each end", server.windows_bytes());
}
