//! The connection under blocking sockets of the standard library: an echo server for one client
//! (`server.rs`) and a client (`client.rs`), each complete, from the first byte of the request to
//! the end of the TCP connection. They meet on a loopback port, say what they hear, and end.
//!
//! `cargo run -p sockeye-examples --example blocking_std`

mod client;
mod server;

use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use sockeye_websocket::{CloseCode, Closed};

type Failure = Box<dyn Error + Send + Sync>;

/// No read and no write takes longer than this: the protocol crates know no clock, so the sockets
/// have to. (A server that must withstand slow peers bounds whole heads and messages, too.)
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || server::serve_one(&listener));

    let echoes = client::converse(address)?;
    let closed = server.join().map_err(|_| "the server panicked")??;

    let letter = client::LETTER.concat();
    assert_eq!(echoes, ["Hello, salmon!", &letter]);
    assert_eq!(closed, Closed { code: CloseCode::NORMAL, clean: true, truncated: false });
    Ok(())
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)
}

/// Reads once. A read that has a timeout may be interrupted, by a signal or where the machine pauses; that one
/// is repeated.
fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[test]
fn ends_well() -> Result<(), Failure> {
    main()
}
