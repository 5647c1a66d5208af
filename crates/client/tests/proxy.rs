//! WebSocket through an HTTP proxy.

use std::io::{self, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;

use sockeye_client::websocket::{CloseCode, Message};
use sockeye_client::{
    ConnectOptions, Deadline, Error, Limits, Network, OwnedMessage, Proxy, ProxyError, Url,
    UsageError, WebSocket,
};

use crate::peer::{Once, Peer, read_head};

type HttpError = sockeye_http1::Error;

fn by(proxy: &Once) -> Proxy {
    let url = Url::parse(&format!("http://127.0.0.1:{}", proxy.port)).expect("a URL");
    Proxy::new(url).expect("the scheme is http")
}

fn connect(url: &str, proxy: Proxy) -> Result<WebSocket, Error> {
    let mut limits = Limits::DEFAULT;
    limits.connect_ms = 20_000;
    let options = ConnectOptions::new(url).expect("a URL");
    WebSocket::with(options, Network::new(limits).through(proxy))
}

/// Why no tunnel comes about through a proxy that answers like this, and then waits for the client to go.
fn refused(answer: impl Into<Vec<u8>>) -> Error {
    let answer = answer.into();
    let proxy = Once::new(move |mut client| {
        read_head(&mut client)?;
        client.write_all(&answer)?;
        io::copy(&mut client, &mut io::sink()).map(|_| ())
    });
    connect("ws://server.example/", by(&proxy)).expect_err("there is no server")
}

#[test]
fn a_tunnel_to_the_server() {
    let server = Once::of_sockets(Peer::echo);
    let (port, url) = (server.port, server.url());
    let (asked, request) = mpsc::channel();
    let proxy = Once::new(move |mut client| {
        asked.send(read_head(&mut client)?).expect("the test waits");
        // [rfc9110:9.3.6-any-2xx] Byte by byte; a body that is announced there means nothing.
        for byte in b"HTTP/1.1 299 Go on\r\nContent-Length: 5\r\n\r\n" {
            client.write_all(&[*byte])?;
        }
        let server = TcpStream::connect(("127.0.0.1", port))?;
        let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
        let back = std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            to.shutdown(Shutdown::Write)
        });
        let _ = io::copy(&mut client, &mut &server);
        let _ = server.shutdown(Shutdown::Write);
        let _ = back.join();
        Ok(())
    });
    let through = by(&proxy).header("Proxy-Authorization", "Basic eDp5").expect("a header");
    let mut socket = connect(&url, through).expect("the tunnel is open");
    socket.send(Message::Text("through")).expect("open");
    assert_eq!(socket.receive(), Ok(Some(OwnedMessage::Text("through".to_owned()))));
    assert!(socket.close(CloseCode::NORMAL, "").expect("open").clean);
    let request = request.recv().expect("it was asked");
    let target = format!("127.0.0.1:{port}");
    assert_eq!(
        request,
        format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
        )
    );
}

#[test]
fn what_stands_behind_the_proxys_head_is_the_servers() {
    // A server that speaks before it is spoken to: not a byte of it is lost.
    let answer = "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nwhy";
    let Error::Refused(refusal) = refused(answer) else { panic!("the server has refused") };
    assert_eq!((refusal.status.code(), &refusal.body[..]), (403, &b"why"[..]));
}

#[test]
fn a_proxy_that_refuses() {
    for code in [407, 502, 302, 101] {
        let error = refused(format!("HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n"));
        let Error::Proxy(ProxyError::Status(status)) = error else { panic!("{error}") };
        assert_eq!(status.code(), code);
    }
}

#[test]
fn a_proxy_that_is_none() {
    let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 40_000]].concat();
    for (answer, why) in [
        (b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec(), HttpError::FirstByte),
        (b"HTTP/1.1 200 OK\r\n folded\r\n\r\n".to_vec(), HttpError::LineFolding),
        (endless, HttpError::HeadTooLong),
    ] {
        assert_eq!(refused(answer), Error::Proxy(ProxyError::Http(why)));
    }
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10);
    assert_eq!(refused(interim), Error::Proxy(ProxyError::InterimResponses));
}

#[test]
fn a_proxy_that_ends_or_never_answers() {
    let proxy = Once::new(|mut client| {
        read_head(&mut client)?;
        client.write_all(b"HTTP/1.1 200")
    });
    let error = connect("ws://server.example/", by(&proxy)).err();
    assert_eq!(error, Some(Error::Proxy(ProxyError::Ended)));

    let proxy = Once::new(|mut client| io::copy(&mut client, &mut io::sink()).map(|_| ()));
    let mut limits = Limits::DEFAULT;
    limits.connect_ms = 1_000;
    let options = ConnectOptions::new("ws://server.example/").expect("a URL");
    let error = WebSocket::with(options, Network::new(limits).through(by(&proxy))).err();
    assert_eq!(error, Some(Error::Proxy(ProxyError::TimedOut)));
}

#[test]
fn a_proxy_that_cannot_be_had() {
    let through = |authority: &str| {
        let url = Url::parse(&format!("http://{authority}")).expect("a URL");
        connect("ws://server.example/", Proxy::new(url).expect("http")).err()
    };
    // An address that no connection takes for its own end meanwhile.
    let addr = TcpListener::bind("127.77.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = through(&addr.expect("it was bound").to_string());
    let refused = ProxyError::Connect(io::ErrorKind::ConnectionRefused);
    assert_eq!(nobody, Some(Error::Proxy(refused)));
    // A label of 64 characters is none that could be asked for, so nobody is asked.
    let unknown = through(&format!("{}.invalid", "a".repeat(64)));
    assert!(matches!(unknown, Some(Error::Proxy(ProxyError::Resolve(_)))), "{unknown:?}");
}

#[test]
fn a_server_that_says_nothing_behind_a_proxy_is_the_servers_fault() {
    let proxy = Once::new(|mut client| {
        read_head(&mut client)?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        io::copy(&mut client, &mut io::sink()).map(|_| ())
    });
    let mut limits = Limits::DEFAULT;
    limits.head_ms = 1_000;
    let options = ConnectOptions::new("ws://server.example/").expect("a URL");
    let error = WebSocket::with(options, Network::new(limits).through(by(&proxy))).err();
    assert_eq!(error, Some(Error::TimedOut(Deadline::Head)));
}

#[test]
fn what_cannot_be_asked_of_a_proxy() {
    let proxy = |url: &str| Proxy::new(Url::parse(url).expect("a URL"));
    for url in ["https://proxy.example", "ws://proxy.example", "wss://proxy.example"] {
        assert_eq!(proxy(url).err(), Some(UsageError::Scheme));
    }
    for (name, value) in [("Host", "x"), ("X Y", "z"), ("X", "y\r\nZ: z")] {
        let proxy = proxy("http://proxy.example").expect("http");
        assert_eq!(proxy.header(name, value).err(), Some(UsageError::Header), "{name}");
    }
}
