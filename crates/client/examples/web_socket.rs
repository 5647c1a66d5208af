//! A WebSocket client that waits: it sends, receives, and closes.
//!
//! `cargo run -p sockeye-client --example web_socket [URL]` goes to an echo server of yours; without a URL the example
//! has one of its own.

mod server;

use sockeye_client::WebSocket;
use sockeye_client::websocket::{CloseCode, Message};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        Some(url) => converse(&url),
        None => {
            let (url, thread) = server::start(1)?;
            converse(&url)?;
            thread.join().expect("the server does not panic")?;
            Ok(())
        }
    }
}

fn converse(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = WebSocket::connect(url)?;
    println!("open, compressed: {}", socket.opened().compressed);

    for text in ["one", "two", "three"] {
        socket.send(Message::Text(text))?;
        let Some(echo) = socket.receive()? else { break };
        println!("{text} came back as {:?}", String::from_utf8_lossy(echo.as_message().as_bytes()));
    }

    let closed = socket.close(CloseCode::NORMAL, "that is all")?;
    println!("closed with {}, clean: {}", closed.code, closed.clean);
    Ok(())
}
