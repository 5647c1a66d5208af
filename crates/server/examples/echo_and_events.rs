//! A WebSocket echo and a stream of server-sent events in one loop, with two peers that talk to
//! it. Ends by itself: after three events the peers leave and the server drains.
//!
//! `cargo run -p sockeye-server --example echo_and_events`

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye_server::{
    Answer, App, CloseCause, Context, Event, EventStream, Limits, Message, MioNet, Opened, Origins,
    Reply, Request, Server, Status, StreamKey, Time, Upgrade,
};

/// Milliseconds between two events.
const TICK_MS: u64 = 100;

/// Echoes at `/echo`, counts for everybody at `/count`.
struct Demo {
    watchers: BTreeSet<StreamKey>,
    count: u32,
    deadline: Time,
}

impl App for Demo {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer {
        match request.head.path() {
            "/echo" => Answer::WebSocket(
                Upgrade {
                    subprotocols: &[],
                    origins: Origins::SameHost,
                    message_bytes_max: None,
                    compression: None,
                    headers: Vec::new(),
                },
                (),
            ),
            "/count" => Answer::EventStream(EventStream::default(), ()),
            _ => Reply::text(Status::NOT_FOUND, "try /echo or /count\n").into(),
        }
    }

    fn on_open(&mut self, stream: StreamKey, _: (), open: &Opened<'_>, context: &mut Context<'_>) {
        if *open == Opened::EventStream {
            self.watchers.insert(stream);
            self.deadline = context.now() + TICK_MS;
        }
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        // A peer that does not read its echo is cut by the server: nothing to do about an error.
        let _ = context.send(stream, message);
    }

    fn on_close(&mut self, stream: StreamKey, cause: CloseCause, _: &mut Context<'_>) {
        println!("server: a stream is over: {cause:?}");
        self.watchers.remove(&stream);
    }

    fn deadline(&self) -> Time {
        if self.watchers.is_empty() { Time::NEVER } else { self.deadline }
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        self.count += 1;
        for &watcher in &self.watchers {
            let _ = context.send_event(watcher, &Event::message(&self.count.to_string()));
        }
        self.deadline = context.now() + TICK_MS;
    }
}

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let net = MioNet::listen(listener)?;
    let waker = net.waker();
    let demo = Demo { watchers: BTreeSet::new(), count: 0, deadline: Time::NEVER };
    let mut server = Server::new(net, demo, Limits::default());

    let done = Arc::new(AtomicBool::new(false));
    let peers = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let talked = echo(addr).and_then(|()| watch(addr));
            // The loop looks each time it is woken.
            done.store(true, Ordering::Release);
            waker.wake().and(talked)
        }
    });
    while !server.is_drained() {
        server.turn(None)?;
        if done.load(Ordering::Acquire) {
            server.drain();
        }
    }
    println!("server: {} requests, {} events", server.stats().requests, server.stats().events_sent);
    peers.join().expect("the peers do not panic")
}

/// Says hello on a WebSocket; the masking key of zeros is for the eye, not for the world.
fn echo(addr: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(
        b"GET /echo HTTP/1.1\r\nHost: example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
          \x81\x85\0\0\0\0hello",
    )?;
    let mut reader = BufReader::new(stream);
    while reader.by_ref().lines().next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut frame = [0; 7];
    reader.read_exact(&mut frame)?;
    println!("peer: {}", String::from_utf8_lossy(&frame[2..]));
    reader.get_mut().write_all(b"\x88\x82\0\0\0\0\x03\xE8")
}

/// Watches three events. HTTP/1.0, for a body without chunks.
fn watch(addr: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(b"GET /count HTTP/1.0\r\n\r\n")?;
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    for line in lines.filter(|line| line.starts_with("data: ")).take(3) {
        println!("peer: {line}");
    }
    Ok(())
}
