//! A handle ends a server from another thread.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use sockeye_server::{
    Answer, App, Context, EventStream, Handle, Limits, MioNet, Request, Server, StreamKey,
};

use crate::common::PATIENCE;

/// An event stream that outlasts its goodbye: only a bound or `drain_now` ends it.
struct Stubborn;

impl App for Stubborn {
    type Pending = ();

    fn on_request(&mut self, _: &Request<'_>, _: &mut Context<'_>) -> Answer {
        Answer::EventStream(EventStream::default(), ())
    }

    fn on_goodbye(&mut self, _: StreamKey, _: &mut Context<'_>) {}
}

/// A server in [`Server::run`] whose end is reported, and a stream that is open.
fn run(limits: Limits) -> (SocketAddr, Handle, Receiver<std::io::Result<()>>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let (tell, told) = channel();
    let (report, running) = channel();
    thread::spawn(move || {
        let net = MioNet::listen(listener).expect("a poller");
        let mut server = Server::new(net, Stubborn, limits);
        tell.send(server.handle()).expect("the test waits");
        // A test that has failed does not wait.
        let _ = report.send(server.run());
    });
    let handle = told.recv_timeout(PATIENCE).expect("a handle");
    let mut stream = TcpStream::connect(addr).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").expect("a request");
    stream.read_exact(&mut [0; 4]).expect("an answer");
    (addr, handle, running, stream)
}

fn ends(running: &Receiver<std::io::Result<()>>) {
    running.recv_timeout(PATIENCE).expect("the loop ends").expect("no failure of the poller");
}

/// [server:ended-by-handle]
#[test]
fn a_handle_drains_a_waiting_server() {
    let mut limits = Limits::default();
    limits.drain_ms = 1;
    let (addr, handle, running, _stream) = run(limits);
    handle.drain().expect("the loop wakes");
    ends(&running);
    assert!(TcpStream::connect(addr).is_err());
    // It may outlive the server.
    for asked in [handle.wake(), handle.drain(), handle.drain_now()] {
        asked.expect("nothing happens");
    }
}

/// [server:ended-by-handle] The accepting before the drain would take an hour.
#[test]
fn a_handle_cuts_a_drain_short() {
    let mut limits = Limits::default();
    limits.drain_accept_ms = 3_600_000;
    limits.drain_ms = 1;
    let (addr, handle, running, _stream) = run(limits);
    handle.drain().expect("the loop wakes");
    let mut late = TcpStream::connect(addr).expect("a drain still accepts");
    late.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    late.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").expect("a request");
    late.read_exact(&mut [0; 4]).expect("an answer");
    handle.drain_now().expect("the loop wakes");
    ends(&running);
}

/// The stronger word wins, whichever was said last before the turn.
#[test]
fn a_drain_does_not_weaken_a_short_one() {
    let mut limits = Limits::default();
    limits.drain_accept_ms = 3_600_000;
    limits.drain_ms = 1;
    let net = MioNet::listen(TcpListener::bind("127.0.0.1:0").expect("a port")).expect("a poller");
    let mut server = Server::new(net, Stubborn, limits);
    let handle = server.handle();
    handle.drain_now().expect("the loop wakes");
    handle.drain().expect("the loop wakes");
    server.turn(Some(Duration::ZERO)).expect("a turn");
    assert!(server.is_closing());
}
