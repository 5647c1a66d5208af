//! A stream of server-sent events, with a peer that watches it. Ends by itself: after three events the
//! peer leaves and the server drains.
//!
//! `cargo run -p sockeye-server --example events`

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye_server::{
    Answer, App, CloseCause, Context, Event, EventStream, Limits, MioNet, Opened, Reply, Request,
    Server, Status, StreamKey, Time,
};

/// Milliseconds between two events.
const TICK_MS: u64 = 100;

/// Counts for everybody at `/count`.
struct Demo {
    watchers: BTreeSet<StreamKey>,
    count: u32,
    deadline: Time,
}

impl App for Demo {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer {
        match request.head.path() {
            "/count" => Answer::EventStream(EventStream::default(), ()),
            _ => Reply::text(Status::NOT_FOUND, "try /count\n").into(),
        }
    }

    fn on_open(&mut self, stream: StreamKey, _: (), _: &Opened<'_>, context: &mut Context<'_>) {
        self.watchers.insert(stream);
        self.deadline = context.now() + TICK_MS;
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
            // A peer that does not read is cut by the server: there is nothing to do about an error.
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
    let peer = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let watched = watch(addr);
            // The loop looks each time it is woken.
            done.store(true, Ordering::Release);
            waker.wake().and(watched)
        }
    });
    while !server.is_drained() {
        server.turn(None)?;
        if done.load(Ordering::Acquire) {
            server.drain();
        }
    }
    println!("server: {} requests, {} events", server.stats().requests, server.stats().events_sent);
    peer.join().expect("the peer does not panic")
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
