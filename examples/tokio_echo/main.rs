//! The connection under tokio: an echo server (`server.rs`) and three clients (`client.rs`) as tasks
//! of one thread. `end.rs` is what both ends have in common: a connection, the assembler for its
//! messages, and permessage-deflate if the handshake agreed on it.
//!
//! All connections of the thread share one compression engine, so each of them costs a window a
//! direction and not a codec.
//!
//! `cargo run -p sockeye-examples --example tokio_echo`

mod client;
mod end;
mod server;

use std::cell::RefCell;
use std::error::Error;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use sockeye_deflate::Engine;
use sockeye_websocket::{CloseCode, Closed};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

type Failure = Box<dyn Error>;
/// Borrowed for a message at a time and never over an `await`.
type SharedEngine = Rc<RefCell<Engine>>;

/// How long either end waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);
const CLIENTS: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    LocalSet::new().run_until(meet()).await
}

async fn meet() -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let engine = SharedEngine::default();

    let server = spawn_local(server::serve(listener, CLIENTS, Rc::clone(&engine)));
    let converse = |n| spawn_local(client::converse(address, n, Rc::clone(&engine)));
    let clients: Vec<_> = (0..CLIENTS).map(converse).collect();
    for client in clients {
        let tally = client.await??;
        println!("client: {tally:?}");
        // Each verse is spoken twice; the second time it is little more than a reference.
        assert!(tally.wire_bytes * 2 < tally.text_bytes);
    }
    let ends = server.await??;
    println!("server: {ends:?}");
    let goodbye = Closed { code: CloseCode::NORMAL, clean: true, truncated: false };
    assert_eq!(ends, [goodbye; CLIENTS]);
    Ok(())
}

#[test]
fn ends_well() -> Result<(), Failure> {
    main()
}
