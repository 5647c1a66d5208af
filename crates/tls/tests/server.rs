//! A server of which one listener speaks TLS and the other does not.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sockeye_server::{
    Answer, App, Context, Limits, Listener, ProxyLimits, ProxyNet, ProxyVersion, Reply, Request,
    Server, Status,
};
use sockeye_tls::properties::{acceptor, client_config};
use sockeye_tls::{SharedAcceptor, TlsNet};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

struct Hello;

impl App for Hello {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, context: &mut Context<'_>) -> Answer {
        if request.head.path() == "/failed" {
            let failed = context.stats().handshakes_failed;
            let rows = failed.iter().filter(|(_, count)| *count > 0);
            let rows = rows.map(|(kind, count)| format!("{} {count}\n", kind.as_str()));
            return Reply::text(Status::OK, rows.collect::<String>()).into();
        }
        if request.head.path() == "/refused" {
            let refused = context.stats().proxies_refused;
            return Reply::text(Status::OK, format!("{refused} proxies")).into();
        }
        let len = if request.head.path() == "/long" { 300_000 } else { 5 };
        Reply::text(Status::OK, "hello ".repeat(len / 5)[..len].to_owned()).into()
    }
}

/// The addresses with TLS and without.
fn serve(adjust: fn(&mut Limits)) -> (SocketAddr, SocketAddr) {
    let [secure, plain, _] = serve_all(adjust);
    (secure, plain)
}

/// The addresses with TLS, without, and with TLS behind the PROXY protocol.
fn serve_all(adjust: fn(&mut Limits)) -> [SocketAddr; 3] {
    let [secure, plain, proxied] =
        [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let addresses = [&secure, &plain, &proxied].map(|it| it.local_addr().expect("bound"));
    thread::spawn(move || {
        let mut net = sockeye_server::MioNet::listen(secure).expect("a poller");
        net.add_listener(plain).expect("a second one");
        net.add_listener(proxied).expect("a third one");
        let net = ProxyNet::new(net, ProxyLimits::DEFAULT).with_proxy_protocol(2, ProxyVersion::V2);
        let acceptor = SharedAcceptor::new(acceptor());
        let net = TlsNet::new(net).with_tls(0, acceptor.clone()).with_tls(2, acceptor);
        let mut behind_proxy = Listener::default();
        behind_proxy.proxy_protocol = true;
        behind_proxy.trusted_proxies = vec!["127.0.0.1".parse().expect("a network")];
        let mut limits = Limits::default();
        adjust(&mut limits);
        let rules = vec![Listener::default(), Listener::default(), behind_proxy];
        Server::new(net, Hello, limits).with_listeners(rules).run().expect("a poller");
    });
    addresses
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    stream
}

fn ask(mut stream: impl std::io::Read + std::io::Write, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an orderly end, with close_notify");
    answer
}

/// [tls:close-notify]
#[test]
fn requests_are_answered_with_tls_and_without() {
    let (secure, plain) = serve(|_| {});
    for path in ["/", "/long"] {
        for version in [&TLS12, &TLS13] {
            let config = Arc::new(client_config(&[version], &["http/1.1"]));
            let name = ServerName::try_from("localhost").expect("a name");
            let session = ClientConnection::new(config, name).expect("a session");
            let answer = ask(StreamOwned::new(session, connect(secure)), path);
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\n\r\nhello"));
            assert_eq!(answer.len() > 300_000, path == "/long");
        }
        let answer = ask(connect(plain), path);
        assert!(answer.starts_with("HTTP/1.1 200 "));
    }
}

/// [tls:plain-http]
#[test]
fn a_request_without_tls_reads_its_answer() {
    let (secure, _) = serve(|_| {});
    let answer = ask(connect(secure), "/");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
}

#[test]
fn half_a_hello_has_a_deadline() {
    let (secure, _) = serve(|limits| limits.handshake_ms = 200);
    let mut peer = connect(secure);
    peer.write_all(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196]).expect("it is taken");
    let mut rest = Vec::new();
    // The end, or a reset: in any case before our patience is over.
    let end = peer.read_to_end(&mut rest);
    assert!(end.is_ok() || end.is_err_and(|it| it.kind() == std::io::ErrorKind::ConnectionReset));
    assert_eq!(rest, b"");
}

/// [server:proxy-late] TLS has not begun before the header is there.
#[test]
fn half_a_header_of_a_proxy_is_no_handshake_of_tls() {
    let [_, plain, proxied] = serve_all(|limits| limits.handshake_ms = 200);
    let local = [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x20, 0, 0, 0]].concat();
    let hello = [&local[..], &[0x16, 3, 1, 0, 200, 1, 0, 0, 196]].concat();
    for (sent, refused, failed) in
        [(&local[..10], "1 proxies", ""), (&hello[..], "1 proxies", "timeout 1\n")]
    {
        let mut peer = connect(proxied);
        peer.write_all(sent).expect("it is taken");
        // The end, or a reset.
        let _ = peer.read_to_end(&mut Vec::new());
        let body = |path| {
            let answer = ask(connect(plain), path);
            answer.split_once("\r\n\r\n").expect("an answer").1.to_owned()
        };
        assert_eq!((body("/refused").as_str(), body("/failed").as_str()), (refused, failed));
    }
}

/// [server:handshake-failures] Each failure has its reason, a deadline too.
#[test]
fn failed_handshakes_are_counted_by_reason() {
    let (secure, plain) = serve(|limits| limits.handshake_ms = 200);
    let until_failed = |reasons: &[&str]| {
        let start = Instant::now();
        loop {
            let answer = ask(connect(plain), "/failed");
            let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
            if body.lines().eq(reasons.iter().copied()) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{reasons:?} are not counted: {body}");
        }
    };
    until_failed(&[]);
    let speak = |bytes: &[u8]| {
        let mut peer = connect(secure);
        peer.write_all(bytes).expect("it is taken");
        peer.shutdown(Shutdown::Write).expect("it is open");
        let _ = peer.read_to_end(&mut Vec::new());
    };
    let shake = |protocol: &str, authority: RootCertStore| {
        let provider = client_config(&[&TLS13], &[]).crypto_provider().clone();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("ring has it")
            .with_root_certificates(authority)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let failed = StreamOwned::new(session, connect(secure)).read_to_end(&mut Vec::new());
        assert!(failed.is_err());
    };
    speak(b"GET / HTTP/1.1\r\n");
    speak(&[0, 1, 2, 3, 4, 5, 6, 7]);
    speak(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196]);
    shake("spdy/3", RootCertStore::empty());
    shake("http/1.1", RootCertStore::empty());
    let rows = ["garbage 1", "plain_http 1", "no_protocol 1", "certificate_refused 1", "cut 1"];
    until_failed(&rows);
    let mut late = connect(secure);
    late.write_all(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196]).expect("it is taken");
    let with_timeout = [&rows[..4], &["timeout 1", "cut 1"]].concat();
    until_failed(&with_timeout);
}
