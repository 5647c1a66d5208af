//! The floor: what the system takes for receiving and sending, without any protocol.
//!
//! `bare echo PORT` sends back whatever it receives. `bare fanout PORT` sends whatever one connection
//! says to all the others. One receive a ready connection into one buffer, one send each; what a socket
//! does not take is kept until it does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As large as that of uWebSockets.
const BUFFER_BYTES: usize = 512 * 1024;
const LISTENER: Token = Token(usize::MAX);
/// What one connection may leave unread before it is cut.
const HELD_BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Echo,
    Fanout,
}

struct Line {
    stream: TcpStream,
    /// What the socket did not take.
    held: Vec<u8>,
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let mode = match args.next().as_deref() {
        Some("echo") => Mode::Echo,
        Some("fanout") => Mode::Fanout,
        _ => return Err(io::Error::other("usage: bare echo|fanout PORT")),
    };
    let port: Option<u16> = args.next().and_then(|port| port.parse().ok());
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised shows as soon as it is reached.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    serve(mode, port.ok_or_else(|| io::Error::other("which port?"))?)
}

fn serve(mode: Mode, port: u16) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    rustix::net::listen(&listener, 4096)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut lines: Vec<Option<Line>> = Vec::new();
    let mut free = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    // A read that filled the buffer may have left something, and nobody says so again.
    let mut again: Vec<usize> = Vec::new();
    loop {
        let wait = if again.is_empty() { None } else { Some(std::time::Duration::ZERO) };
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        let due = core::mem::take(&mut again);
        let ready = events.iter().map(|event| (event.token(), event.is_writable()));
        for (token, writable) in ready.chain(due.into_iter().map(|at| (Token(at), false))) {
            if token == LISTENER {
                accept(&listener, &poll, &mut lines, &mut free)?;
                continue;
            }
            if writable && !flush(&mut lines, token.0) {
                end(&mut lines, &mut free, token.0);
                continue;
            }
            match turn(mode, &mut lines, token.0, &mut buffer) {
                Ok(true) => again.push(token.0),
                Ok(false) => {}
                Err(_) => end(&mut lines, &mut free, token.0),
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    lines: &mut Vec<Option<Line>>,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let at = free.pop().unwrap_or(lines.len());
        poll.registry().register(
            &mut stream,
            Token(at),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let line = Some(Line { stream, held: Vec::new() });
        if at == lines.len() {
            lines.push(line);
        } else {
            lines[at] = line;
        }
    }
}

/// Writes what is held; `false` if the connection has failed.
fn flush(lines: &mut [Option<Line>], at: usize) -> bool {
    let Some(Some(line)) = lines.get_mut(at) else { return true };
    while !line.held.is_empty() {
        match line.stream.write(&line.held) {
            Ok(count) => drop(line.held.drain(..count)),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}

/// Receives once and sends what came; `true` if there may be more.
fn turn(mode: Mode, lines: &mut [Option<Line>], at: usize, buffer: &mut [u8]) -> io::Result<bool> {
    let Some(Some(line)) = lines.get_mut(at) else { return Ok(false) };
    let count = match line.stream.read(buffer) {
        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(error),
    };
    let bytes = &buffer[..count];
    match mode {
        Mode::Echo => send(line, bytes)?,
        Mode::Fanout => {
            for other in lines.iter_mut().enumerate().filter(|(other, _)| *other != at) {
                // Who has gone is told so by its own event.
                let _ = other.1.as_mut().map(|line| send(line, bytes));
            }
        }
    }
    Ok(count == buffer.len())
}

fn send(line: &mut Line, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    if line.held.is_empty() {
        match line.stream.write(bytes) {
            Ok(count) => rest = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    if line.held.len() + rest.len() > HELD_BYTES_MAX {
        return Err(ErrorKind::OutOfMemory.into());
    }
    line.held.extend_from_slice(rest);
    Ok(())
}

fn end(lines: &mut [Option<Line>], free: &mut Vec<usize>, at: usize) {
    if lines.get_mut(at).is_some_and(|line| line.take().is_some()) {
        free.push(at);
    }
}
