//! Proxies that are trusted: the PROXY protocol, and header fields that name the client.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use sockeye_server::{
    Answer, App, Context, Hold, HopField, Limits, Listener, MioNet, ProxyLimits, ProxyNet,
    ProxyVersion, Reply, Request, Server, Stats, Status, Waker,
};

use crate::common::PATIENCE;

/// Answers with the client's address.
struct Who;

impl App for Who {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, context: &mut Context<'_>) -> Answer {
        let _ = context.now();
        if request.head.path() == "/hold" {
            return Answer::Hold(Hold::new(60_000), ());
        }
        Reply::text(Status::OK, format!("{} {}", request.peer, request.origin())).into()
    }

    fn on_half_close(&mut self, stream: sockeye_server::StreamKey, context: &mut Context<'_>) {
        let peer = context.peer(stream).expect("it is open").to_string();
        let _ = context.respond(stream, Reply::text(Status::OK, peer));
    }
}

type Running = Server<ProxyNet<MioNet>, Who>;
type Job = Box<dyn FnOnce(&mut Running) + Send>;

/// A server with one listener; dropped, it ends.
struct Proxied {
    addr: SocketAddr,
    jobs: Option<Sender<Job>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// Trusts proxies at 127.0.0.1, 10.0.0.0/8 and 2001:db8:aa::/48.
fn start(
    version: Option<ProxyVersion>,
    adjust: impl FnOnce(&mut Limits, &mut Listener),
) -> Proxied {
    let (mut limits, mut rules) = (Limits::default(), Listener::default());
    rules.proxy_protocol = version.is_some();
    rules.hop_field = Some(HopField::XForwardedFor);
    let trusted = ["127.0.0.1", "10.0.0.0/8", "2001:db8:aa::/48"];
    rules.trusted_proxies = trusted.map(|it| it.parse().expect("a network")).into();
    adjust(&mut limits, &mut rules);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    let net = MioNet::listen(listener).expect("a poller");
    let waker = net.waker();
    let mut net = ProxyNet::new(net, ProxyLimits::DEFAULT);
    if let Some(version) = version {
        net = net.with_proxy_protocol(0, version);
    }
    let (jobs, work): (Sender<Job>, Receiver<Job>) = channel();
    let thread = std::thread::spawn(move || {
        let mut server = Server::new(net, Who, limits).with_listeners(vec![rules]);
        loop {
            server.turn(None).expect("the poller works");
            loop {
                match work.try_recv() {
                    Ok(job) => job(&mut server),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
        }
    });
    Proxied { addr, jobs: Some(jobs), waker, thread: Some(thread) }
}

impl Proxied {
    fn stats(&self) -> Stats {
        let (tell, told) = channel();
        let job: Job = Box::new(move |server| tell.send(*server.stats()).expect("the test waits"));
        self.jobs.as_ref().expect("running").send(job).expect("the server lives");
        self.waker.wake().expect("the server lives");
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        stream
    }

    /// Sends all of these, one write each, and reads to the end. A reset is an end, too.
    fn talk(&self, pieces: &[&[u8]]) -> String {
        let mut stream = self.connect();
        for piece in pieces {
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).expect("text")
    }

    /// The client that the server sees behind these header lines.
    fn seen(&self, headers: &str) -> String {
        body(&self.talk(&[request(headers).as_bytes()]))
    }
}

impl Drop for Proxied {
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

fn request(headers: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n")
}

/// The body of an answer, without the port of an address on the loopback interface, which is any.
fn body(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer:?}");
    match body.strip_prefix("127.0.0.1:").and_then(|rest| rest.split_once(' ')) {
        Some((_, origin)) => format!("127.0.0.1 {origin}"),
        None => body.to_owned(),
    }
}

fn v2(source: [u8; 4]) -> Vec<u8> {
    let addresses = [&source[..], &[198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb]].concat();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec(), addresses].concat()
}

const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// [server:proxy-client] However the bytes come.
#[test]
fn a_header_names_the_client() {
    let ask = request("X-Forwarded-For: 203.0.113.9\r\n");
    let server = start(Some(ProxyVersion::V1), |_, _| {});
    let line = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    let whole = format!("{line}{ask}");
    assert_eq!(body(&server.talk(&[whole.as_bytes()])), "192.0.2.1:56324 192.0.2.1");
    for cut in [1, 20, line.len() - 1, line.len(), line.len() + 5] {
        let (one, other) = whole.as_bytes().split_at(cut);
        assert_eq!(body(&server.talk(&[one, other])), "192.0.2.1:56324 192.0.2.1");
    }
    let six = format!("PROXY TCP6 2001:db8::1:2 ::1 7 443\r\n{ask}");
    assert_eq!(body(&server.talk(&[six.as_bytes()])), "[2001:db8::1:2]:7 2001:db8::");
    let unknown = format!("PROXY UNKNOWN\r\n{ask}");
    assert_eq!(body(&server.talk(&[unknown.as_bytes()])), "127.0.0.1 127.0.0.1");
    let nobody = format!("PROXY TCP6 :: ::1 7 443\r\n{ask}");
    assert_eq!(body(&server.talk(&[nobody.as_bytes()])), "127.0.0.1 127.0.0.1");

    let server = start(Some(ProxyVersion::V2), |_, _| {});
    let whole = [&v2([192, 0, 2, 1]), ask.as_bytes()].concat();
    assert_eq!(body(&server.talk(&[&whole])), "192.0.2.1:56324 192.0.2.1");
    assert_eq!(body(&server.talk(&[LOCAL, ask.as_bytes()])), "127.0.0.1 127.0.0.1");
    // The announced address is another proxy that is trusted, so its field counts.
    let whole = [&v2([10, 0, 0, 9]), ask.as_bytes()].concat();
    assert_eq!(body(&server.talk(&[&whole])), "203.0.113.9:0 203.0.113.9");
    let stats = server.stats();
    assert_eq!((stats.proxies_refused, stats.handshakes, stats.accepted), (0, 0, 3));
}

/// [server:proxy-garbage] [server:proxy-plain-http]
#[test]
fn what_is_no_header_ends_the_connection() {
    let server = start(Some(ProxyVersion::V2), |_, _| {});
    let refused = server.talk(&[request("").as_bytes()]);
    assert!(
        refused.starts_with("HTTP/1.1 400 ") && refused.contains("PROXY protocol"),
        "{refused}"
    );
    let (_, text) = refused.split_once("\r\n\r\n").expect("a head");
    assert!(refused.contains(&format!("Content-Length: {}\r\n", text.len())), "{refused}");
    assert_eq!(server.talk(&[b"\x16\x03\x01\x02"]), "");
    assert_eq!(server.talk(&[&[v2([192, 0, 2, 1])[..12].to_vec(), vec![0x99]].concat()]), "");
    let stats = server.stats();
    assert_eq!((stats.proxies_refused, stats.requests, stats.handshakes_failed.total()), (3, 0, 0));
    // One that says nothing at all is no fault: a balancer looks whether somebody listens.
    drop(server.connect());
    while server.stats().closed < 4 {
        std::thread::yield_now();
    }
    assert_eq!(server.stats().proxies_refused, 3);
}

/// [server:proxy-strangers]
#[test]
fn who_is_no_proxy_is_refused_and_not_believed() {
    let nobody = |_: &mut Limits, rules: &mut Listener| rules.trusted_proxies.clear();
    let server = start(Some(ProxyVersion::V1), nobody);
    let whole = format!("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n{}", request(""));
    assert_eq!(server.talk(&[whole.as_bytes()]), "");
    let stats = server.stats();
    assert_eq!((stats.proxies_refused, stats.accepted, stats.requests), (1, 0, 0));
    let server = start(None, nobody);
    assert_eq!(server.seen("X-Forwarded-For: 192.0.2.1\r\n"), "127.0.0.1 127.0.0.1");
}

/// [server:handshake-deadline] A proxy that never sends its header is given up.
#[test]
fn a_header_has_a_deadline() {
    let server = start(Some(ProxyVersion::V1), |limits, _| limits.handshake_ms = 50);
    let mut silent = server.connect();
    silent.write_all(b"PROXY TCP4 ").expect("room");
    let mut answer = String::new();
    let _ = silent.read_to_string(&mut answer);
    assert_eq!(answer, "");
    let stats = server.stats();
    // [server:proxy-late]
    assert_eq!((stats.timeouts, stats.proxies_refused), (1, 1));
}

/// [server:forwarded-client]
#[test]
fn fields_name_the_client_of_each_request() {
    let server = start(None, |_, _| {});
    for (headers, client) in [
        ("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 192.0.2.1"),
        ("x-forwarded-for: 203.0.113.9, 192.0.2.1, 10.0.0.2\r\n", "192.0.2.1:0 192.0.2.1"),
        ("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 192.0.2.1"),
        ("X-Forwarded-For: 2001:db8::1:2:3:4\r\n", "[2001:db8::1:2:3:4]:0 2001:db8::"),
        ("X-Forwarded-For: 192.0.2.1, x\r\n", "127.0.0.1 127.0.0.1"),
        ("X-Forwarded-For: ::\r\n", "127.0.0.1 127.0.0.1"),
        ("Forwarded: for=192.0.2.1\r\n", "127.0.0.1 127.0.0.1"),
        ("", "127.0.0.1 127.0.0.1"),
    ] {
        assert_eq!(server.seen(headers), client, "{headers}");
    }
    let server = start(None, |_, rules| rules.hop_field = Some(HopField::Forwarded));
    let both = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=\"[2001:db8::7]\";proto=https\r\n";
    assert_eq!(server.seen(both), "[2001:db8::7]:0 2001:db8::");
}

/// A client inside the trusted networks forges a field that nobody was told to read.
/// [server:proxy-behind-proxy]
#[test]
fn a_client_of_the_proxy_protocol_is_no_proxy_unless_fields_are_read() {
    let ask = |field: Option<HopField>, client: [u8; 4]| {
        let server = start(Some(ProxyVersion::V2), |limits, rules| {
            rules.hop_field = field;
            limits.connections_per_address_max = 1;
        });
        let mut bytes = v2(client).to_vec();
        bytes.extend(b"GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
        let mut open: Vec<(TcpStream, Vec<u8>)> = Vec::new();
        for _ in 0..2 {
            let mut stream = server.connect();
            stream.write_all(&bytes).expect("room");
            // It is counted when it is served.
            let mut first = vec![0];
            if stream.read_exact(&mut first).is_err() {
                first.clear();
            }
            open.push((stream, first));
        }
        let (mut stream, mut answer) = open.swap_remove(0);
        stream.shutdown(std::net::Shutdown::Write).expect("once");
        stream.read_to_end(&mut answer).expect("an end");
        (body(&String::from_utf8(answer).expect("text")), server.stats().crowded_out)
    };
    assert_eq!(ask(None, [10, 0, 0, 9]), ("10.0.0.9:56324 10.0.0.9".into(), 1));
    let read = Some(HopField::XForwardedFor);
    assert_eq!(ask(read, [10, 0, 0, 9]), ("203.0.113.9:0 203.0.113.9".into(), 0));
    assert_eq!(ask(read, [192, 0, 2, 1]).1, 1);
}

/// [server:forwarded-client] Requests of one connection have clients of their own, and one without the field
/// is the proxy's.
#[test]
fn a_kept_connection_carries_many_clients() {
    let server = start(None, |_, _| {});
    let mut stream = server.connect();
    let mut ask = |headers: &str| {
        write!(stream, "GET / HTTP/1.1\r\nHost: test\r\n{headers}\r\n").expect("room");
        let mut answer = String::new();
        let mut byte = [0];
        while !answer.ends_with("\r\n\r\n") {
            stream.read_exact(&mut byte).expect("more");
            answer.push(char::from(byte[0]));
        }
        let len = answer.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut text = vec![0; len.expect("a length").parse().expect("a number")];
        stream.read_exact(&mut text).expect("more");
        body(&(answer + &String::from_utf8(text).expect("text")))
    };
    assert_eq!(ask("X-Forwarded-For: 192.0.2.1\r\n"), "192.0.2.1:0 192.0.2.1");
    assert_eq!(ask(""), "127.0.0.1 127.0.0.1");
    assert_eq!(ask("X-Forwarded-For: 192.0.2.2\r\n"), "192.0.2.2:0 192.0.2.2");
    assert_eq!(ask("X-Forwarded-For: 192.0.2.3, 10.0.0.1\r\n"), "192.0.2.3:0 192.0.2.3");
    // The stream of a held request keeps its client.
    write!(stream, "GET /hold HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.4\r\n\r\n")
        .expect("room");
    stream.shutdown(std::net::Shutdown::Write).expect("once");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(answer.ends_with("192.0.2.4:0"), "{answer}");
}

/// [server:proxy-uncounted] [server:proxy-client]
#[test]
fn connections_count_for_the_client_and_not_for_the_proxy() {
    let few = |limits: &mut Limits, _: &mut Listener| limits.connections_per_address_max = 2;
    let server = start(None, few);
    let _open: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
    assert_eq!(server.seen("X-Forwarded-For: 192.0.2.1\r\n"), "192.0.2.1:0 192.0.2.1");
    assert_eq!(server.stats().crowded_out, 0);

    let server = start(Some(ProxyVersion::V2), few);
    let one = v2([192, 0, 2, 1]);
    let keep = |header: &[u8]| {
        let mut stream = server.connect();
        stream.write_all(header).expect("room");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").expect("room");
        let mut byte = [0];
        let is_served = stream.read_exact(&mut byte).is_ok();
        (stream, is_served)
    };
    let (first, second, third) = (keep(&one), keep(&one), keep(&one));
    assert_eq!([first.1, second.1, third.1], [true, true, false]);
    assert!(keep(&v2([192, 0, 2, 2])).1, "another client has room");
    assert_eq!(server.stats().crowded_out, 1);
    drop(first);
    // The place of a client is free again when its connection has gone.
    while server.stats().closed < 3 {
        std::thread::yield_now();
    }
    assert!(keep(&one).1);
}
