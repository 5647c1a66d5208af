//! A server for the examples: it sends every message back, to as many clients as are told, and ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use sockeye_client::websocket::{Config, Connection, Event};
use sockeye_handshake::accept_key;

/// Starts it on the loopback interface; gives its URL and the thread to wait for.
pub(crate) fn start(clients: usize) -> io::Result<(String, JoinHandle<io::Result<()>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/echo", listener.local_addr()?);
    let thread = std::thread::spawn(move || {
        let serve = |_| {
            Ok(std::thread::spawn({
                let (stream, _) = listener.accept()?;
                move || echo(stream)
            }))
        };
        let threads: io::Result<Vec<_>> = (0..clients).map(serve).collect();
        threads?.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    });
    Ok((url, thread))
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    shake_hands(&mut stream)?;
    let mut protocol = Connection::server(&Config::default());
    let (mut buffer, mut out) = ([0; 4096], Vec::new());
    // Once both Close frames were exchanged, the server is the one who ends the connection.
    while !protocol.expects_eof() {
        let len = stream.read(&mut buffer)?;
        let mut input = &mut buffer[..len];
        while let Some(event) = protocol.receive(&mut input, &mut out).map_err(io::Error::other)? {
            if let Event::Message(message) = event {
                protocol.send(message, &mut out).map_err(io::Error::other)?;
            }
        }
        stream.write_all(&out)?;
        out.clear();
        if len == 0 {
            break;
        }
    }
    Ok(())
}

fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = accept_key(key.ok_or(ErrorKind::InvalidData)?.as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        String::from_utf8_lossy(&accept)
    )
}
