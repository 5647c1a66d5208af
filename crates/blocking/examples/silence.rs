//! A server and a client on blocking sockets: several messages in one write, a silence that is asked after, and the end.
//!
//! `cargo run -p sockeye-blocking --example silence`

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use sockeye_blocking::{CloseCode, Closed, ConnectOptions, Error, Policy, accept, connect};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// So long a peer may be silent before it is asked.
const SILENCE: Duration = Duration::from_millis(50);

fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/river", listener.local_addr()?);
    let serving = thread::spawn(move || serve(listener.accept()?.0));

    let mut socket = connect(&url, &ConnectOptions::default())?;
    for verse in ["Dear river,", "I am coming home.", "Yours, S."] {
        socket.queue(verse)?;
    }
    socket.flush()?;
    for _ in 0..3 {
        println!("client: {:?}", socket.read_message()?.ok_or("the server left")?);
    }
    // The server asks after us in vain while we sleep. Its Pings wait, and are answered by `close`.
    thread::sleep(SILENCE * 3);
    let closed = socket.close(CloseCode::NORMAL, "the end")?;
    println!("client: {closed:?}");
    drop(socket);
    let (served, silences) = serving.join().map_err(|_| "the server panicked")??;
    println!("server: {served:?} after {silences} silences");
    assert!(closed.clean && served.clean && silences > 0);
    Ok(())
}

/// Serves one client; gives the end, and how often nothing came for a while.
fn serve(stream: TcpStream) -> Result<(Closed, u32), Failure> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut socket = accept(stream, &Policy::default())?;
    let mut silences = 0;
    loop {
        match socket.read_message() {
            Ok(Some(message)) => socket.send(&message)?,
            Ok(None) => break,
            Err(error) if error.is_timeout() && silences < 100 => {
                silences += 1;
                socket.ping(b"still there?")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((socket.closed().ok_or(Error::Ended)?, silences))
}
