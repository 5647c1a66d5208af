//! A server on a real socket in a thread of its own, and the peers that talk to it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sockeye_reactor::{Accepted, Key, Ready};
use sockeye_server::{
    Answer, App, CloseCause, Context, EventStream, Header, Hold, Limits, Message, MioNet, Net,
    Opened, Origins, Reply, Request, Server, ServerConfig, Status, StreamKey, Time, Upgrade, Waker,
};

/// A deadline is noticed late by so much at the most.
pub const TICK_MS: u64 = 16;

/// How long anything may take before a test gives it up.
pub const PATIENCE: Duration = Duration::from_secs(20);

const HELD: Header = Header::from_static("X-Held", "yes");

const BYTES: Header = Header::from_static("Content-Type", "application/octet-stream");

/// What the application was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Opened(StreamKey),
    Closed(StreamKey, CloseCause),
}

/// An echo at `/echo` (`/deflate` with compression, `/cookie` with headers, `/tunnel` of bytes), silent events at `/events`, the body back at
/// `/body`, so many bytes at `/bytes/…`, a request that is held at `/hold`.
pub struct TestApp {
    told: Sender<Told>,
    errands: VecDeque<Errand>,
}

type Errand = Box<dyn FnOnce(&mut Context<'_>) + Send>;
type Job = Box<dyn FnOnce(&mut Server<TestNet, TestApp>) + Send>;

impl App for TestApp {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer {
        let upgrade = Upgrade::new(Origins::Any);
        match request.head.path() {
            "/echo" => Answer::WebSocket(upgrade, ()),
            "/cookie" => Answer::WebSocket(upgrade.headers(cookies()), ()),
            "/tunnel" => Answer::Tunnel(()),
            "/deflate" => Answer::WebSocket(upgrade.compression(ServerConfig::default()), ()),
            "/events" => Answer::EventStream(EventStream::default(), ()),
            "/hold" => Answer::Hold(Hold::new(u64::MAX).headers([HELD]), ()),
            "/body" => Reply::new(Status::OK, BYTES, request.body.to_vec()).into(),
            path => match path.strip_prefix("/bytes/").and_then(|count| count.parse().ok()) {
                Some(count) => Reply::new(Status::OK, BYTES, vec![b'.'; count]).into(),
                None => Reply::text(Status::NOT_FOUND, path.to_owned()).into(),
            },
        }
    }

    fn on_open(&mut self, stream: StreamKey, _: (), _: &Opened<'_>, _: &mut Context<'_>) {
        let _ = self.told.send(Told::Opened(stream));
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        if message == Message::Text("rest") {
            context.pause(stream, u64::MAX);
        }
        let large = [b'.'; 8 << 10];
        let answer =
            if message == Message::Text("8 KiB") { Message::Binary(&large) } else { message };
        let _ = context.send(stream, answer);
    }

    fn on_bytes(&mut self, stream: StreamKey, bytes: &[u8], context: &mut Context<'_>) {
        let _ = context.send_bytes(stream, bytes);
    }

    fn on_close(&mut self, stream: StreamKey, cause: CloseCause, _: &mut Context<'_>) {
        let _ = self.told.send(Told::Closed(stream, cause));
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        while let Some(errand) = self.errands.pop_front() {
            errand(context);
        }
    }
}

/// Two lines of one name, a name that is made at run time, and one that only a handshake may write.
fn cookies() -> Vec<Header> {
    [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Room", "9"), ("sec-websocket-accept", "no")]
        .map(|(name, value)| Header::named(name, value).expect("a header"))
        .to_vec()
}

/// The machine's sockets, with the machine's clock or with one that stands still but for
/// [`Running::pass`].
pub struct TestNet {
    net: MioNet,
    still_ms: Option<Arc<AtomicU64>>,
}

impl Net for TestNet {
    type Socket = <MioNet as Net>::Socket;

    fn now(&self) -> Time {
        let still = self.still_ms.as_ref();
        still.map_or_else(|| self.net.now(), |ms| Time::from_millis(ms.load(Ordering::SeqCst)))
    }

    fn now_us(&self) -> u64 {
        if self.still_ms.is_none() { self.net.now_us() } else { self.now().as_millis() * 1_000 }
    }

    fn unix_ms(&self) -> u64 {
        self.net.unix_ms()
    }

    /// No deadline comes by waiting while the clock stands still.
    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = timeout.filter(|time| self.still_ms.is_none() || time.is_zero());
        self.net.poll(timeout, ready)
    }

    fn accept(&mut self) -> io::Result<Option<Accepted<Self::Socket>>> {
        self.net.accept()
    }

    fn accept_ready(&self) -> bool {
        self.net.accept_ready()
    }

    fn stop_listening(&mut self) {
        self.net.stop_listening();
    }

    fn register(&mut self, socket: &mut Self::Socket, key: Key) -> io::Result<()> {
        self.net.register(socket, key)
    }

    fn close(&mut self, socket: Self::Socket) {
        self.net.close(socket);
    }
}

/// A running server; dropped, it ends and passes its panic on.
pub struct Running {
    pub addr: SocketAddr,
    waker: Waker,
    still_ms: Option<Arc<AtomicU64>>,
    jobs: Option<Sender<Job>>,
    told: Receiver<Told>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a server whose limits are the defaults but for what `adjust` changes. Its clock stands
/// still but for [`Running::pass`]: however slow the machine is, nobody is late.
pub fn start(adjust: impl FnOnce(&mut Limits)) -> Running {
    run(Some(Arc::default()), adjust)
}

/// Starts a server as [`start`] does, with the machine's clock. For deadlines that end the test's
/// own wait: nothing may fail because one comes early.
pub fn start_timed(adjust: impl FnOnce(&mut Limits)) -> Running {
    run(None, adjust)
}

fn run(still_ms: Option<Arc<AtomicU64>>, adjust: impl FnOnce(&mut Limits)) -> Running {
    let mut limits = Limits::default();
    adjust(&mut limits);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let net = MioNet::listen(listener).expect("a poller");
    let waker = net.waker();
    let net = TestNet { net, still_ms: still_ms.clone() };
    let (jobs, work) = channel::<Job>();
    let (tell, told) = channel();
    let thread = std::thread::spawn(move || {
        let app = TestApp { told: tell, errands: VecDeque::new() };
        turn_for_ever(&mut Server::new(net, app, limits), &work);
    });
    Running { addr, waker, still_ms, jobs: Some(jobs), told, thread: Some(thread) }
}

fn turn_for_ever(server: &mut Server<TestNet, TestApp>, work: &Receiver<Job>) {
    loop {
        server.turn(None).expect("the poller works");
        loop {
            match work.try_recv() {
                Ok(job) => job(server),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            }
        }
    }
}

impl Running {
    /// Runs `ask` on the server between two turns.
    pub fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Server<TestNet, TestApp>) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = channel();
        let job: Job = Box::new(move |server| {
            let _ = answer.send(ask(server));
        });
        self.jobs.as_ref().expect("running").send(job).expect("the server lives");
        self.waker.wake().expect("the server lives");
        answered.recv_timeout(PATIENCE).expect("the server answers")
    }

    /// Runs `errand` as the application, within the next turn.
    pub fn act(&self, errand: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        self.ask(move |server| server.app_mut().errands.push_back(Box::new(errand)));
        self.waker.wake().expect("the server lives");
    }

    /// Lets `ms` go by on a clock that stands still, and the server take a turn at the new time.
    pub fn pass(&self, ms: u64) {
        self.still_ms.as_ref().expect("a clock of the test").fetch_add(ms, Ordering::SeqCst);
        let (tell, told) = channel();
        self.act(move |_| tell.send(()).expect("the test waits"));
        told.recv_timeout(PATIENCE).expect("a turn");
    }

    /// Waits until the server has read `len` bytes in all.
    pub fn until_received(&self, len: usize) {
        let len = len as u64;
        self.until("it is read", move |server| server.stats().bytes_received >= len);
    }

    /// Waits until `holds` does.
    pub fn until(
        &self,
        what: &str,
        holds: impl Fn(&Server<TestNet, TestApp>) -> bool + Copy + Send + 'static,
    ) {
        let start = Instant::now();
        while !self.ask(move |server| holds(server)) {
            assert!(start.elapsed() < PATIENCE, "never came true: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the application was told next.
    pub fn next_told(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("something happens")
    }

    /// The stream that was opened next.
    pub fn next_opened(&self) -> StreamKey {
        match self.told.recv_timeout(PATIENCE) {
            Ok(Told::Opened(stream)) => stream,
            other => panic!("{other:?} instead of an opened stream"),
        }
    }

    /// Why the next stream was closed.
    pub fn next_closed(&self) -> CloseCause {
        loop {
            match self.told.recv_timeout(PATIENCE) {
                Ok(Told::Opened(_)) => {}
                Ok(Told::Closed(_, cause)) => return cause,
                Err(error) => panic!("{error} instead of a closed stream"),
            }
        }
    }

    /// A plain connection.
    pub fn connect(&self) -> Peer {
        Peer::new(TcpStream::connect(self.addr).expect("the server listens"))
    }

    /// A WebSocket on `path`.
    pub fn open(&self, path: &str) -> Peer {
        let mut peer = self.connect();
        peer.send(upgrade_request(path));
        let head = peer.read_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.jobs = None;
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}

/// The request that opens a WebSocket, with the key of RFC 6455 §1.3.
pub fn upgrade_request(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// A frame from a client; its masking key is zero, which masks nothing.
pub fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    match payload.len() {
        len @ 0..126 => bytes.push(0x80 | u8::try_from(len).expect("less than 126")),
        len @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(len).expect("less than 2^16").to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;

/// A peer with blocking calls that give up after [`PATIENCE`].
pub struct Peer {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl Peer {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        stream.set_write_timeout(Some(PATIENCE)).expect("a deadline");
        stream.set_nodelay(true).expect("no Nagle");
        Self { stream, received: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server takes it");
    }

    /// Sends what the server takes without us reading, up to all of it, until `is_enough` is true and
    /// it takes no more, or until it has cut us off.
    pub fn stuff(&mut self, bytes: &[u8], is_enough: impl Fn() -> bool) -> usize {
        const STANDSTILL: Duration = Duration::from_millis(300);
        self.stream.set_write_timeout(Some(STANDSTILL)).expect("a deadline");
        let (start, mut moved, mut sent) = (Instant::now(), Instant::now(), 0);
        while sent < bytes.len() {
            assert!(start.elapsed() < PATIENCE, "it is never enough");
            match self.stream.write(&bytes[sent..]) {
                Ok(len) => (sent, moved) = (sent + len, Instant::now()),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted if moved.elapsed() < STANDSTILL => {}
                    ErrorKind::WouldBlock | ErrorKind::Interrupted if !is_enough() => {}
                    ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionReset => {
                        break;
                    }
                    _ => panic!("{error} after {sent} bytes"),
                },
            }
        }
        self.stream.set_write_timeout(Some(PATIENCE)).expect("a deadline");
        sent
    }

    pub fn end(&self) {
        self.stream.shutdown(Shutdown::Write).expect("our direction ends");
    }

    /// Reads more; false at the end of the server's stream.
    fn read_more(&mut self) -> bool {
        let mut room = [0; 65_536];
        let len = read_some(&mut self.stream, &mut room)
            .unwrap_or_else(|error| panic!("{error} after {:?}", self.as_text()));
        self.received.extend_from_slice(&room[..len]);
        len > 0
    }

    /// The next `len` bytes.
    pub fn read(&mut self, len: usize) -> Vec<u8> {
        while self.received.len() < len {
            assert!(self.read_more(), "the stream ended early: {:?}", self.as_text());
        }
        self.received.drain(..len).collect()
    }

    /// Everything up to and with `end`.
    pub fn read_until(&mut self, end: &str) -> String {
        let mut seen = 0;
        loop {
            let at = self.received[seen..].windows(end.len()).position(|w| w == end.as_bytes());
            if let Some(at) = at {
                let bytes = self.received.drain(..seen + at + end.len()).collect();
                return String::from_utf8(bytes).expect("text");
            }
            seen = self.received.len().saturating_sub(end.len());
            assert!(self.read_more(), "the stream ended before {end:?}: {:?}", self.as_text());
        }
    }

    pub fn read_head(&mut self) -> String {
        self.read_until("\r\n\r\n")
    }

    /// A whole response with a `Content-Length`: its head and its body.
    pub fn read_response(&mut self) -> (String, Vec<u8>) {
        let head = self.read_head();
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |len| len.parse().expect("a number"));
        let body = self.read(len);
        (head, body)
    }

    /// A frame from the server: its first byte and its payload.
    pub fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.read(2);
        assert_eq!(head[1] & 0x80, 0, "servers do not mask");
        let len = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.read(2).try_into().expect("two"))),
            127 => usize::try_from(u64::from_be_bytes(self.read(8).try_into().expect("eight")))
                .expect("a length"),
            len => usize::from(len),
        };
        (head[0], self.read(len))
    }

    /// Everything up to the orderly end of the server's stream.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.read_more() {}
        std::mem::take(&mut self.received)
    }

    /// Waits for the end of the server's stream, orderly or not.
    pub fn wait_for_end(&mut self) {
        let mut room = [0; 65_536];
        loop {
            match read_some(&mut self.stream, &mut room) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("{error} instead of the end"),
            }
        }
    }

    /// The end of what was received and not used yet.
    fn as_text(&self) -> String {
        let end = self.received.len().saturating_sub(500);
        String::from_utf8_lossy(&self.received[end..]).into_owned()
    }
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
