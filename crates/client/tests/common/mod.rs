//! Servers that say exactly what a script says, on real sockets.

// Each test program takes what it needs.
#![allow(dead_code)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use sockeye_handshake::accept_key;

/// So long a script waits for a client at most, and a test for its end. Nothing that is asserted depends on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A listener on the loopback interface; each connection gets the script, on a thread of its own.
pub(crate) struct Server {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The script gets the connection's number, from 0, and the connection. That the client hangs up is no
    /// fault of a script's, so its errors say nothing.
    pub(crate) fn new(
        script: impl Fn(usize, &mut Client) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
        let addr = listener.local_addr().expect("it is bound");
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (its_stop, its_accepted) = (Arc::clone(&stop), Arc::clone(&accepted));
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                while let Ok((stream, _)) = listener.accept() {
                    if its_stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let number = its_accepted.fetch_add(1, Ordering::SeqCst);
                    let script = &script;
                    scope.spawn(move || script(number, &mut Client::new(stream)));
                }
            });
        });
        Self { addr, stop, accepted, thread: Some(thread) }
    }

    /// A server that reads the request and answers with these bytes, each time; then it ends the connection.
    pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |_, client| {
            client.read_request()?;
            client.send(&bytes)
        })
    }

    /// A server that completes the WebSocket handshake and goes on with the script.
    pub(crate) fn of_sockets(
        script: impl Fn(&mut Client) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(move |_, client| {
            client.accept_socket("")?;
            script(client)
        })
    }

    /// A URL on it: scheme and path.
    pub(crate) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.addr)
    }

    /// Connections that have come so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
        // Where a client hangs, its server does, too.
        if !std::thread::panicking() {
            let thread = self.thread.take().expect("it was started");
            thread.join().expect("no script panics");
        }
    }
}

/// A client's connection, from its server's side.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
            set(&stream, Some(PATIENCE)).expect("a duration that is not zero");
        }
        stream.set_nodelay(true).expect("it is a TCP socket");
        Self { stream }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends the same for ever, which ends when the client hangs up.
    pub(crate) fn send_for_ever(&mut self, bytes: &[u8]) -> io::Result<()> {
        let many = bytes.repeat((64 * 1024 / bytes.len()).max(1));
        loop {
            self.send(&many)?;
        }
    }

    /// Sends byte by byte, with a pause before each.
    pub(crate) fn drip(&mut self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        for byte in bytes.chunks(1) {
            std::thread::sleep(pause);
            self.send(byte)?;
        }
        Ok(())
    }

    /// Reads up to the end of a request's head, byte by byte, and gives the head.
    pub(crate) fn read_request(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        String::from_utf8(head).map_err(|_| ErrorKind::InvalidData.into())
    }

    /// Reads the request, and completes the handshake of a WebSocket with these header lines beside.
    pub(crate) fn accept_socket(&mut self, more: &str) -> io::Result<()> {
        let request = self.read_request()?;
        let key = header(&request, "Sec-WebSocket-Key").ok_or(ErrorKind::InvalidData)?;
        let accept = accept_key(key.as_bytes());
        let accept = str::from_utf8(&accept).expect("base64");
        self.send(switching(accept, more).as_bytes())
    }

    /// Reads exactly so many bytes.
    pub(crate) fn read(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads whatever comes until the client ends the connection.
    pub(crate) fn read_to_end(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_| ())
    }

    /// Ends the direction to the client, and reads what still comes, so that nothing is reset.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.read_to_end()
    }
}

/// The first value of a header in a head, by its name in any case.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

/// A 101 with this `Sec-WebSocket-Accept` and these header lines.
pub(crate) fn switching(accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// Runs `act` on a thread of its own, and fails the test if it hangs.
pub(crate) fn in_time<R: Send + 'static>(act: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || sender.send(act()).expect("the test waits"));
    match receiver.recv_timeout(PATIENCE) {
        Ok(found) => found,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}
