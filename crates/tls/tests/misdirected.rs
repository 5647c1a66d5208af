//! Requests for hosts for which the certificate shown is not good (RFC 9110 §7.4), on all versions of HTTP.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sockeye_http::{HeaderName, HeaderValue, Method};
use sockeye_http2::{
    Config, Connection, EndStream, Event, FieldBlock, FieldBuffer, FieldReader, RequestLine,
    StreamId,
};
use sockeye_server::{
    Answer, App, Context, Limits, Listener, MioNet, Origins, Reply, Request, Server, Status,
    Upgrade,
};
use sockeye_tls::properties::{certificate, client_config};
use sockeye_tls::{
    Acceptor, AcceptorOptions, Certificate, Protocol, SharedAcceptor, Tickets, TlsNet,
};

use crate::server::PATIENCE;

type Stream = StreamOwned<ClientConnection, TcpStream>;

struct Hello;

impl App for Hello {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer {
        match request.head.path() {
            "/socket" => Answer::WebSocket(Upgrade::new(Origins::Any), ()),
            _ => Reply::text(Status::OK, "hello").into(),
        }
    }
}

/// A server with certificates for `localhost` and for `elsewhere.example`, in this order.
fn serve(adjust: fn(&mut AcceptorOptions, &mut Listener)) -> SocketAddr {
    let der = |path: &str| {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../client/tests/certificates");
        std::fs::read(format!("{dir}/{path}")).expect("a committed file")
    };
    let elsewhere = Certificate::from_der(vec![der("elsewhere.der")], der("elsewhere.key.der"));
    let certificates = vec![certificate(), elsewhere.expect("good")];
    let mut options = AcceptorOptions::new(certificates, Tickets::new().expect("random numbers"));
    options.protocols = vec![Protocol::Http2, Protocol::Http11];
    let mut rules = Listener::default();
    adjust(&mut options, &mut rules);
    let acceptor = SharedAcceptor::new(Acceptor::new(&options).expect("good"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    thread::spawn(move || {
        let net = TlsNet::new(MioNet::listen(listener).expect("a poller")).with_tls(0, acceptor);
        let mut server = Server::new(net, Hello, Limits::default()).with_listeners(vec![rules]);
        server.run().expect("a poller");
    });
    addr
}

fn connect(addr: SocketAddr, config: ClientConfig, name: &'static str) -> Stream {
    let socket = TcpStream::connect(addr).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let name = ServerName::try_from(name).expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    StreamOwned::new(session, socket)
}

/// The status of a request for this authority. The connection stays open.
fn ask(stream: &mut Stream, target: &str, host: &str, more: &str) -> u16 {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |it| it.parse().expect("a length"))];
    stream.read_exact(&mut body).expect("a body");
    head[9..12].parse().expect("a status")
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// [rfc9110:7.4-misdirected] The certificate for `localhost` is good for 127.0.0.1, too.
#[test]
fn another_host_is_refused_and_the_connection_goes_on() {
    let addr = serve(|_, _| {});
    let mut stream = connect(addr, client_config(&[&TLS13], &["http/1.1"]), "localhost");
    for (host, status) in [
        ("localhost", 200),
        ("elsewhere.example", 421),
        ("LocalHost:8443", 200),
        ("127.0.0.1:443", 200),
        ("127.0.0.2", 421),
        ("[::1]:443", 421),
        ("unknown.example", 421),
    ] {
        assert_eq!(ask(&mut stream, "/", host, ""), status, "{host}");
    }
    // The target outranks `Host` (RFC 9112 §3.2.2).
    assert_eq!(ask(&mut stream, "https://elsewhere.example/", "localhost", ""), 421);
    assert_eq!(ask(&mut stream, "/socket", "elsewhere.example", UPGRADE), 421);
    assert_eq!(ask(&mut stream, "/socket", "localhost", UPGRADE), 101);
}

/// Each name has its own connection: nobody gets to a host behind the certificate of another.
/// [rfc9110:7.4-misdirected]
#[test]
fn the_certificate_shown_counts() {
    let addr = serve(|_, _| {});
    let config = || client_config(&[&TLS13], &["http/1.1"]);
    let mut elsewhere = connect(addr, config(), "elsewhere.example");
    assert_eq!(ask(&mut elsewhere, "/", "elsewhere.example", ""), 200);
    assert_eq!(ask(&mut elsewhere, "/", "localhost", ""), 421);
    // The first certificate is shown to a client that asks for no name. It may ask for any host.
    let mut unnamed = config();
    unnamed.enable_sni = false;
    let mut unnamed = connect(addr, unnamed, "localhost");
    for host in ["192.0.2.1", "elsewhere.example", "localhost"] {
        assert_eq!(ask(&mut unnamed, "/", host, ""), 200, "{host}");
    }
}

/// [rfc9110:7.4-misdirected]
#[test]
fn trusted_proxies_and_a_setting_let_any_host_in() {
    let by_proxy: fn(&mut AcceptorOptions, &mut Listener) =
        |_, rules| rules.trusted_proxies = vec!["127.0.0.1".parse().expect("a network")];
    let by_setting: fn(&mut AcceptorOptions, &mut Listener) =
        |options, _| options.is_for_any_host = true;
    for adjust in [by_proxy, by_setting] {
        let addr = serve(adjust);
        let mut stream = connect(addr, client_config(&[&TLS13], &["http/1.1"]), "localhost");
        assert_eq!(ask(&mut stream, "/", "app.example", ""), 200);
        assert_eq!(ask(&mut stream, "/socket", "app.example", UPGRADE), 101);
    }
}

/// [rfc9110:7.4-misdirected] Coalescing across hosts (RFC 9113 §9.1.1): the streams for other hosts are refused, and
/// those beside them are served.
#[test]
fn streams_are_refused_one_by_one() {
    let addr = serve(|_, _| {});
    let mut stream = connect(addr, client_config(&[&TLS13], &["h2"]), "localhost");
    let mut out = Vec::new();
    let mut protocol = Connection::client(&Arc::new(Config::default()), &mut out);
    // Extended CONNECT is for servers that have announced it.
    let mut statuses = BTreeMap::new();
    while !exchange(&mut stream, &mut protocol, &mut out, &mut statuses) {}
    let mut request = |method, authority, is_socket: bool| {
        let protocol_name = is_socket.then_some("websocket");
        let path = if is_socket { "/socket" } else { "/" };
        let method = Method::new(method).expect("a method");
        let line =
            RequestLine { method, scheme: "https", authority, path, protocol: protocol_name };
        let version = HeaderName::from_static("Sec-WebSocket-Version");
        let fields = FieldBlock::new().field(version, HeaderValue::from_static("13"));
        let end = if is_socket { EndStream::No } else { EndStream::Yes };
        protocol.request(&line, &fields, end, &mut out).expect("it is open")
    };
    let asked = [
        (request("GET", "elsewhere.example", false), 421),
        (request("GET", "localhost", false), 200),
        (request("CONNECT", "elsewhere.example:443", true), 421),
        (request("CONNECT", "localhost", true), 200),
        (request("GET", "127.0.0.1", false), 200),
    ];
    while statuses.len() < asked.len() {
        exchange(&mut stream, &mut protocol, &mut out, &mut statuses);
    }
    for (number, (stream, status)) in asked.into_iter().enumerate() {
        assert_eq!(statuses[&stream], status, "{number}");
    }
}

/// Sends what waits, and takes in what one read brings. Returns whether the server's settings were among it.
fn exchange(
    stream: &mut Stream,
    protocol: &mut Connection,
    out: &mut Vec<u8>,
    statuses: &mut BTreeMap<StreamId, u16>,
) -> bool {
    let mut has_settings = false;
    stream.write_all(&std::mem::take(out)).expect("it is taken");
    let mut bytes = [0; 16_384];
    let len = stream.read(&mut bytes).expect("an answer");
    assert!(len > 0, "the connection stays open");
    let (mut input, mut reader) = (&mut bytes[..len], FieldReader::<FieldBuffer>::default());
    while let Some(event) = protocol.receive(&mut input, &mut reader, out).expect("a good server") {
        match event {
            Event::Response { stream, status, .. } => {
                statuses.insert(stream, status.code());
            }
            Event::Reset { stream, .. } => panic!("{stream:?} was reset"),
            Event::Goaway { code, .. } => panic!("the server goes away: {code:?}"),
            Event::Settings => has_settings = true,
            _ => {}
        }
    }
    has_settings
}
