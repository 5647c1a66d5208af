//! WebSocket over TLS: whom a client trusts, and that no byte waits for another.
#![cfg(feature = "rustls")]

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sockeye_client::sans_io::{self, SocketEvent};
use sockeye_client::websocket::{CloseCode, Message};
use sockeye_client::{
    CertificateError, ConnectOptions, Deadline, Driver, Entropy, Error, EventSource,
    EventSourceOptions, Limits, Network, OwnedMessage, OwnedSourceEvent, Proxy, Reconnect,
    Subscription, SubscriptionOptions, TlsError, Url, WebSocket,
};

use crate::peer::{LIMITS, Once, Peer, pattern, read_head};

type Secured = StreamOwned<ServerConnection, TcpStream>;

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("certificates/", $name, ".der")).as_slice()
    };
}

/// A certificate and its key.
type Identity = (&'static [u8], &'static [u8]);

const GOOD: Identity = (der!("good"), der!("good.key"));
const EXPIRED: Identity = (der!("expired"), der!("expired.key"));
const ELSEWHERE: Identity = (der!("elsewhere"), der!("elsewhere.key"));
const UNTRUSTED: Identity = (der!("untrusted"), der!("untrusted.key"));
const FUTURE: Identity = (der!("future"), der!("future.key"));
/// Has signed itself.
const OWN: Identity = (der!("own"), der!("own.key"));

fn secured((certificate, key): Identity, stream: TcpStream) -> Secured {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the defaults are supported")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::try_from(key).expect("a key"),
        )
        .expect("the key is the certificate's");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    StreamOwned::new(ServerConnection::new(Arc::new(config)).expect("a good config"), stream)
}

/// A server of that identity for one WebSocket.
fn server(
    identity: Identity,
    script: impl FnOnce(&mut Peer<Secured>) -> io::Result<()> + Send + 'static,
) -> Once {
    Once::new(move |stream| script(&mut Peer::accept(secured(identity, stream), "")?))
}

/// A client that trusts our own authority.
fn trusting() -> Network {
    trusting_in(der!("trusted"))
}

fn trusting_in(authority: &'static [u8]) -> Network {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority)).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the defaults are supported")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Network::default().with_tls(Arc::new(config))
}

fn options(host: &str, port: u16) -> ConnectOptions {
    let mut options = ConnectOptions::new(&format!("wss://{host}:{port}/")).expect("a URL");
    options.limits = LIMITS;
    options
}

fn connect(server: &Once, network: Network) -> Result<WebSocket, Error> {
    WebSocket::with(options("localhost", server.port), network)
}

#[test]
fn a_certificate_that_is_trusted() {
    for host in ["localhost", "127.0.0.1"] {
        let server = server(GOOD, |peer| {
            assert_eq!(peer.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
            peer.echo()?;
            peer.stream.conn.send_close_notify();
            peer.stream.flush()?;
            // The client says inside that it ends, too: this is no `UnexpectedEof`.
            assert_eq!(peer.stream.read(&mut [0; 16])?, 0);
            Ok(())
        });
        let mut socket =
            WebSocket::with(options(host, server.port), trusting()).expect("it is trusted");
        socket.send(Message::Text("over TLS")).expect("open");
        assert_eq!(socket.receive(), Ok(Some(OwnedMessage::Text("over TLS".to_owned()))));
        let closed = socket.close(CloseCode::NORMAL, "").expect("open");
        assert!(closed.clean && socket.receive() == Ok(None));
        drop(socket);
        server.end().expect("every end was said");
    }
}

#[test]
fn certificates_that_are_not() {
    for (identity, network, why) in [
        (EXPIRED, trusting(), CertificateError::Expired),
        (FUTURE, trusting(), CertificateError::NotYetValid),
        (ELSEWHERE, trusting(), CertificateError::Name),
        (UNTRUSTED, trusting(), CertificateError::Issuer),
        (OWN, trusting(), CertificateError::Authority),
        (OWN, trusting_in(OWN.0), CertificateError::Authority),
    ] {
        let server = server(identity, |_| panic!("no byte of HTTP goes to such a server"));
        let error = connect(&server, network).err();
        assert_eq!(error, Some(Error::Tls(TlsError::Certificate(why))));
        assert!(server.end().is_err(), "the server is told by an alert");
    }
}

/// [html:9.2.3-futile] It would not become good by being asked for again and again.
#[test]
fn a_source_does_not_come_back_to_a_bad_certificate() {
    let server = server(EXPIRED, |_| panic!("no byte of HTTP goes to such a server"));
    let url = format!("https://localhost:{}/", server.port);
    let options = EventSourceOptions::new(&url).expect("a URL");
    let mut source = EventSource::with(options, trusting()).expect("good options");
    let why = TlsError::Certificate(CertificateError::Expired);
    assert_eq!(source.next(), Some(Err(Error::Tls(why))));
    assert_eq!(source.next(), None);
}

/// [client:hub-futile]
#[test]
fn a_subscription_does_not_come_back_to_a_bad_certificate() {
    let server = server(EXPIRED, |_| panic!("no byte of HTTP goes to such a server"));
    let url = Url::parse(&format!("https://localhost:{}/", server.port)).expect("a URL");
    let options = SubscriptionOptions::new(url, &["a"]);
    let mut subscription = Subscription::new(options, trusting()).expect("good options");
    let why = TlsError::Certificate(CertificateError::Expired);
    assert_eq!(subscription.next(), Some(Err(Error::Tls(why))));
    assert_eq!(subscription.next(), None);
}

#[test]
fn by_default_only_the_systems_authorities_are_trusted() {
    let server = server(GOOD, |_| panic!("no byte of HTTP goes to such a server"));
    let error = connect(&server, Network::default()).err();
    // A system may have no authorities at all, which is no reason to trust everybody.
    let unknown = TlsError::Certificate(CertificateError::Issuer);
    let refused = [unknown, TlsError::Roots].map(|why| Some(Error::Tls(why)));
    assert!(refused.contains(&error), "{error:?}");
}

#[test]
fn an_end_that_was_not_said_inside_is_truncated() {
    let server = server(GOOD, |peer| {
        peer.send(Message::Text("one"))?;
        peer.stream.sock.shutdown(std::net::Shutdown::Write)?;
        let _ = io::copy(&mut peer.stream, &mut io::sink());
        Ok(())
    });
    let mut socket = connect(&server, trusting()).expect("it is trusted");
    assert_eq!(socket.receive(), Ok(Some(OwnedMessage::Text("one".to_owned()))));
    assert_eq!(socket.receive(), Err(Error::Truncated));
    assert_eq!(socket.receive(), Ok(None));
}

/// What a source of a response without a length tells, and how it ends.
fn read_source(says_its_end: bool) -> (usize, Option<Error>) {
    let server = Once::new(move |stream| {
        let mut stream = secured(GOOD, stream);
        read_head(&mut stream)?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n")?;
        if says_its_end {
            stream.conn.send_close_notify();
        }
        stream.flush()?;
        stream.sock.shutdown(std::net::Shutdown::Write)?;
        io::copy(&mut stream.sock, &mut io::sink()).map(|_| ())
    });
    let mut options =
        EventSourceOptions::new(&format!("https://localhost:{}/", server.port)).expect("a URL");
    options.reconnect = Reconnect::Never;
    let (mut messages, mut failure) = (0, None);
    for event in EventSource::with(options, trusting()).expect("good options") {
        match event {
            Ok(OwnedSourceEvent::Message(_)) => messages += 1,
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
    }
    (messages, failure)
}

#[test]
fn only_an_end_that_was_said_ends_a_response_without_a_length() {
    assert_eq!(read_source(true), (1, None));
    assert_eq!(read_source(false), (1, Some(Error::Truncated)));
}

#[test]
fn what_tls_holds_to_send_is_sent_without_more_to_send() {
    let (told, count) = mpsc::channel::<usize>();
    let server = server(GOOD, move |peer| {
        // Nothing is read until the client can send no more.
        for _ in 0..count.recv().expect("the test waits") {
            peer.receive()?;
        }
        peer.close(CloseCode::NORMAL)?;
        peer.receive().map(|_| ())
    });
    let entropy = Entropy::system().expect("there is entropy");
    let mut options = options("localhost", server.port);
    options.compression = None;
    let machine = sans_io::WebSocket::new(options, Limits::DEFAULT, entropy).expect("good options");
    let mut poll = mio::Poll::new().expect("a poller");
    let mut driver =
        Driver::new(machine, trusting(), poll.registry(), mio::Token(0)).expect("a registry");
    let mut events = mio::Events::with_capacity(4);
    let mut wait = |driver: &mut Driver<_>| {
        let patience = Some(Duration::from_secs(20));
        poll.poll(&mut events, patience).expect("a poller");
        assert!(!events.is_empty(), "it waits for what does not come");
        events.iter().for_each(|event| driver.on_event(event));
    };
    while driver.next(|event| matches!(event, SocketEvent::Open(_))).expect("trusted").is_none() {
        wait(&mut driver);
    }
    let mut sent = 0;
    while driver.unsent() == 0 {
        let message = Message::Binary(&[0; 1000]);
        driver.act(|machine, _, out| machine.send(message, out)).expect("open");
        sent += 1;
        assert!(sent < 1 << 16, "sockets have an end");
    }
    assert_eq!(driver.unsent(), 1, "all is with TLS, and not all with the socket");
    told.send(sent).expect("the server waits");
    loop {
        match driver.next(|event| matches!(event, SocketEvent::Close(_))).expect("open") {
            Some(true) => break,
            Some(false) => {}
            None => wait(&mut driver),
        }
    }
    assert_eq!(driver.unsent(), 0);
}

#[test]
fn a_server_that_speaks_no_tls() {
    for answer in ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH_9\r\n"]
    {
        let server = Once::new(|mut stream| {
            stream.write_all(answer.as_bytes())?;
            io::copy(&mut stream, &mut io::sink()).map(|_| ())
        });
        assert_eq!(connect(&server, trusting()).err(), Some(Error::Tls(TlsError::NotTls)));
    }
    // An alert of TLS 1.2: handshake_failure.
    let server = Once::new(|mut stream| {
        stream.write_all(&[21, 3, 3, 0, 2, 2, 40])?;
        io::copy(&mut stream, &mut io::sink()).map(|_| ())
    });
    assert_eq!(connect(&server, trusting()).err(), Some(Error::Tls(TlsError::Alert(40))));
}

#[test]
fn a_server_that_ends_within_the_handshake() {
    // What lies unread when the socket is closed makes an end a reset.
    let server = Once::new(|mut stream| {
        assert_ne!(stream.read(&mut [0; 4096])?, 0);
        stream.shutdown(std::net::Shutdown::Write)?;
        io::copy(&mut stream, &mut io::sink()).map(|_| ())
    });
    assert_eq!(connect(&server, trusting()).err(), Some(Error::Tls(TlsError::Ended)));
}

#[test]
fn a_server_that_stops_to_speak_tls() {
    let server = server(GOOD, |peer| {
        peer.receive()?;
        peer.stream.sock.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
        let _ = io::copy(&mut peer.stream.sock, &mut io::sink());
        Ok(())
    });
    let mut socket = connect(&server, trusting()).expect("it is trusted");
    socket.send(Message::Text("over TLS")).expect("open");
    assert_eq!(socket.receive(), Err(Error::Tls(TlsError::Protocol)));
}

#[test]
fn the_handshake_has_its_time() {
    let server = Once::new(|mut stream| io::copy(&mut stream, &mut io::sink()).map(|_| ()));
    let mut network = trusting();
    network.limits.connect_ms = 200;
    let error = connect(&server, network).err();
    assert_eq!(error, Some(Error::TimedOut(Deadline::Connect)));
}

#[test]
fn what_was_decrypted_already_does_not_wait_for_more() {
    const COUNT: usize = 300;
    let server = server(GOOD, |peer| {
        // One record with many messages, and then silence.
        let frames = b"\x81\x03abc".repeat(COUNT);
        peer.stream.write_all(&frames)?;
        peer.stream.flush()?;
        peer.echo()
    });
    let mut network = trusting();
    network.limits.read_bytes = 7;
    let mut socket = connect(&server, network).expect("it is trusted");
    let until = Instant::now() + Duration::from_secs(20);
    for at in 0..COUNT {
        let message = socket.receive_until(until).expect("open");
        assert_eq!(message, Some(OwnedMessage::Text("abc".to_owned())), "message {at}");
    }
    socket.close(CloseCode::NORMAL, "").expect("open");
}

#[test]
fn big_messages_both_ways_at_once() {
    let big = pattern(12 << 20);
    let its_big = big.clone();
    let server = server(GOOD, move |peer| {
        // It reads only when it has written all.
        peer.send(Message::Binary(&its_big))?;
        let got = peer.receive()?;
        assert!(got == Some(OwnedMessage::Binary(its_big)), "it is what was sent");
        peer.close(CloseCode::NORMAL)?;
        assert_eq!(peer.receive()?, None);
        Ok(())
    });
    let mut options = options("localhost", server.port);
    options.compression = None;
    let mut socket = WebSocket::with(options, trusting()).expect("it is trusted");
    socket.send(Message::Binary(&big)).expect("the server reads in the end");
    assert!(socket.receive() == Ok(Some(OwnedMessage::Binary(big))), "it is what was sent");
    assert_eq!(socket.receive(), Ok(None));
    server.end().expect("both have come");
}

/// What is behind the tunnel is not the proxy's fault.
#[test]
fn no_tls_behind_a_proxy() {
    let proxy = Once::new(|mut client| {
        read_head(&mut client)?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        client.write_all(b"220 mail.example ESMTP\r\n")?;
        io::copy(&mut client, &mut io::sink()).map(|_| ())
    });
    let url = Url::parse(&format!("http://127.0.0.1:{}", proxy.port)).expect("a URL");
    let network = trusting().through(Proxy::new(url).expect("http"));
    let error = WebSocket::with(options("localhost", 1), network).err();
    assert_eq!(error, Some(Error::Tls(TlsError::NotTls)));
}

#[test]
fn through_a_proxy() {
    let server = server(GOOD, Peer::echo);
    let port = server.port;
    let proxy = Once::new(move |mut client| {
        let head = read_head(&mut client)?;
        assert!(head.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{head}");
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        let server = TcpStream::connect(("127.0.0.1", port))?;
        let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
        let back = std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            to.shutdown(std::net::Shutdown::Write)
        });
        let _ = io::copy(&mut client, &mut &server);
        let _ = server.shutdown(std::net::Shutdown::Write);
        let _ = back.join();
        Ok(())
    });
    let url = Url::parse(&format!("http://127.0.0.1:{}", proxy.port)).expect("a URL");
    let network = trusting().through(Proxy::new(url).expect("http"));
    let mut socket = connect(&server, network).expect("it is trusted");
    socket.send(Message::Text("through")).expect("open");
    assert_eq!(socket.receive(), Ok(Some(OwnedMessage::Text("through".to_owned()))));
    socket.close(CloseCode::NORMAL, "").expect("open");
}
