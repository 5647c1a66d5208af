//! The server: one connection, and everything that is said on it goes back.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};

use sockeye_handshake::{Extensions, Policy, decide};
use sockeye_http1::{Body, HeadEnd, HeaderStorage, Limits, Persistence, RequestHead, Response};
use sockeye_websocket::{Assembler, Closed, Config, Connection, Event, UsageError};

use crate::{Failure, read_some};

/// Serves the first client that comes, to its end.
pub(crate) fn serve_one(listener: &TcpListener) -> Result<Closed, Failure> {
    let (mut stream, _) = listener.accept()?;
    crate::prepare(&stream)?;
    // A client may send frames right behind its request; they came with the same read.
    let mut early = open(&mut stream)?;
    let mut echo = Echo::new();
    echo.take(&mut early)?;

    let mut buffer = [0; 4096];
    loop {
        stream.write_all(&echo.out)?;
        echo.out.clear();
        if echo.connection.expects_eof() {
            // The server ends the stream first. It still reads until the client has ended it too,
            // for closing with unread input might destroy our Close frame on its way.
            stream.shutdown(Shutdown::Write)?;
            while read_some(&mut stream, &mut buffer)? != 0 {}
            return Ok(echo.connection.receive_eof());
        }
        match read_some(&mut stream, &mut buffer)? {
            0 => return Ok(echo.connection.receive_eof()),
            len => echo.take(&mut buffer[..len])?,
        }
    }
}

/// Reads the request and answers it. Returns what came behind it.
fn open(stream: &mut TcpStream) -> Result<Vec<u8>, Failure> {
    let (mut head_end, mut received) = (HeadEnd::new(), Vec::new());
    let (mut out, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        let len = read_some(stream, &mut buffer)?;
        received.extend_from_slice(&buffer[..len]);
        // Looks at each byte once, however slowly they come, and bounds what we collect here.
        match head_end.find(&received, &Limits::DEFAULT) {
            Ok(None) if len == 0 => return Err("the client left inside its request".into()),
            Ok(None) => {}
            Ok(Some(head_len)) => {
                let answered = answer(&received[..head_len], &mut out);
                stream.write_all(&out)?;
                return answered.map(|()| received.split_off(head_len));
            }
            Err(error) => {
                refuse(error, &mut out);
                stream.write_all(&out)?;
                return Err(error.into());
            }
        }
    }
}

/// Appends the answer to a complete head. An error says that it refuses.
fn answer(head: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(head, &mut storage, &Limits::DEFAULT)
        .inspect_err(|&error| refuse(error, out))?;
    // No subprotocols, and pages of the same host only.
    let accept =
        decide(&head, &Policy::default()).inspect_err(|reject| reject.write_response(None, out))?;
    accept.write_response(&Extensions::new(), &[], out)?;
    Ok(())
}

fn refuse(error: sockeye_http1::Error, out: &mut Vec<u8>) {
    Response::new(error.status()).connection(Persistence::Close).write(Body::Empty, out);
}

/// The application: what it hears, it says.
struct Echo {
    connection: Connection,
    assembler: Assembler,
    /// Everything that this connection has to say and has not yet said: answers to pings, too.
    out: Vec<u8>,
}

impl Echo {
    fn new() -> Self {
        let config = Config::default();
        Self {
            connection: Connection::server(&config),
            assembler: Assembler::new(config.limits.message_bytes_max),
            out: Vec::new(),
        }
    }

    /// Works off what came from the client, down to the last byte.
    fn take(&mut self, mut input: &mut [u8]) -> Result<(), UsageError> {
        loop {
            let message = match self.connection.receive(&mut input, &mut self.out) {
                Ok(Some(Event::Message(message))) => message,
                Ok(Some(Event::Piece(piece))) => match self.assembler.push(piece, None) {
                    Ok(Some(message)) => message,
                    Ok(None) => continue,
                    Err(error) => {
                        self.connection.fail(error.close_code(), "", &mut self.out);
                        return Ok(());
                    }
                },
                Ok(Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_))) => continue,
                Ok(None) => return Ok(()),
                Err(error) => {
                    // No error of this program: the Close frame that says why is in `out`.
                    println!("server: {error}; closing with {}", error.close_code());
                    return Ok(());
                }
            };
            println!("server: {message:?}");
            self.connection.send(message, &mut self.out)?;
        }
    }
}
