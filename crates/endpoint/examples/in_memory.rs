//! An adapter in small: both ends of a WebSocket on two vectors of bytes, which any transport could carry.
//!
//! `cargo run -p sockeye-endpoint --example in_memory`

use sockeye_endpoint::{Agreed, CloseCode, Endpoint, Incoming, MessageRef, Role, Settings};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let settings = Settings::default();
    let mut client = Endpoint::new(Agreed::new(Role::Client), &settings);
    let mut server = Endpoint::new(Agreed::new(Role::Server), &settings);
    let (mut up, mut down) = (Vec::new(), Vec::new());

    for line in ["one", "two", "three"] {
        client.send(MessageRef::Text(line), &mut up)?;
    }
    client.close(CloseCode::NORMAL, "that is all", &mut up)?;
    println!("{} bytes from the client", up.len());

    let (mut input, mut heard) = (&mut up[..], 0);
    while let Some(incoming) = server.receive(&mut input, &mut down) {
        println!("server: {incoming:?}");
        heard += 1;
        if let Incoming::Message(message) = incoming {
            server.send(message.as_message(), &mut down)?;
        }
    }
    assert!(heard == 4 && server.expects_eof());

    let mut input = &mut down[..];
    while let Some(incoming) = client.receive::<Incoming>(&mut input, &mut up) {
        println!("client: {incoming:?}");
    }
    assert!(client.end().clean && server.end().clean);
    Ok(())
}
