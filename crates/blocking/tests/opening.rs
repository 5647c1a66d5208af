//! The opening handshake on sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use sockeye_blocking::{
    ConnectOptions, HeaderName, HeaderValue, OpenError, Policy, Status, Upgrade, accept, connect,
};

use crate::common::{client, serve, serve_stream};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: hub.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn requests_get_their_answers() {
    let table = [
        (REQUEST.to_owned(), 101),
        (REQUEST.replace("GET", "POST"), 405),
        (REQUEST.replace("13", "8"), 426),
        (
            REQUEST.replace(
                "Upgrade: websocket",
                "Origin: https://evil.example\r\nUpgrade: websocket",
            ),
            403,
        ),
        (REQUEST.replace("/chat", "/other"), 404),
        ("\u{16}\u{3}\u{1}".to_owned(), 400),
    ];
    for (request, status) in table {
        let (address, serving) = serve_stream(|stream| {
            let policy = Policy::default();
            let request = Upgrade::read(stream, &policy)?;
            if request.with_head(|head| head.path() != "/chat") {
                return Err(request.refuse(Status::NOT_FOUND));
            }
            let cookie = (HeaderName::from_static("Set-Cookie"), HeaderValue::from_static("a=b"));
            request.accept(&policy, &[cookie]).map(drop)
        });
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert_eq!(answer.contains("\r\nSet-Cookie: a=b\r\n"), status == 101, "{answer}");
        assert_eq!(serving.join().unwrap().is_ok(), status == 101);
    }
}

#[test]
fn subprotocols_and_the_sockets_own_timeout() {
    let mut policy = Policy::default();
    policy.subprotocols = &["chat"];
    let (address, serving) = serve_stream(move |stream| {
        stream.set_read_timeout(Some(Duration::from_secs(7))).unwrap();
        let socket = accept(stream, &policy).unwrap();
        // The handshake has given it back.
        (socket.subprotocol().map(str::to_owned), socket.stream().read_timeout().unwrap())
    });
    let mut options = ConnectOptions::default();
    options.subprotocols = vec!["chat".to_owned()];
    let socket = client(address, &options);
    assert_eq!(
        (socket.subprotocol(), socket.stream().read_timeout().unwrap()),
        (Some("chat"), None)
    );
    let served = serving.join().unwrap();
    assert_eq!(served, (Some("chat".to_owned()), Some(Duration::from_secs(7))));
}

#[test]
fn a_handshake_has_its_time() {
    // Nobody speaks; and somebody speaks slowly.
    for speaks in [false, true] {
        let mut policy = Policy::default();
        policy.settings.handshake_ms = 200;
        let (address, serving) = serve_stream(move |stream| {
            let begun = Instant::now();
            (accept(stream, &policy).err(), begun.elapsed())
        });
        let mut stream = TcpStream::connect(address).unwrap();
        while speaks && stream.write_all(b"GET").is_ok() && !serving.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let (error, lasted) = serving.join().unwrap();
        assert_eq!(error, Some(OpenError::TimedOut));
        assert!(lasted >= Duration::from_millis(200) && lasted < Duration::from_secs(30));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = ConnectOptions::default();
    options.settings.handshake_ms = 100;
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    assert_eq!(connect(&url, &options).err(), Some(OpenError::TimedOut));
}

#[test]
fn answers_that_open_nothing() {
    let moved = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n";
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(20);
    let mut errors = Vec::new();
    for answer in [moved.to_owned(), endless, "SSH-2.0-OpenSSH\r\n".to_owned(), String::new()] {
        let (address, serving) = serve_stream(move |mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        errors.push(connect(&format!("ws://{address}/"), &ConnectOptions::default()).unwrap_err());
        serving.join().unwrap();
    }
    let OpenError::Answer(answer) = &errors[0] else { panic!("{errors:?}") };
    assert_eq!((answer.status.code(), &*answer.headers[0].1), (302, "/new"));
    assert!(matches!(errors[1], OpenError::Http(_)), "{errors:?}");
    assert!(matches!(errors[2], OpenError::Http(_)), "{errors:?}");
    assert!(matches!(errors[3], OpenError::Ended), "{errors:?}");
}

#[test]
fn mistakes_of_the_caller() {
    let mut options = ConnectOptions::default();
    assert_eq!(connect("wss://hub.example/", &options).err(), Some(OpenError::Tls));
    assert_eq!(connect("http://hub.example/", &options).err(), Some(OpenError::Url));
    options.headers = vec![("X".to_owned(), "a\r\nb".to_owned())];
    let (address, serving) = serve_stream(|stream| accept(stream, &Policy::default()).err());
    let opened = connect(&format!("ws://{address}/"), &options);
    assert!(matches!(opened.err(), Some(OpenError::Usage(_))));
    assert_eq!(serving.join().unwrap(), Some(OpenError::Ended));
    let (address, serving) = serve(Policy::default(), drop);
    drop(client(address, &ConnectOptions::default()));
    serving.join().unwrap();
    assert!(matches!(
        connect(&format!("ws://{address}/"), &ConnectOptions::default()).err(),
        Some(OpenError::Transport(_))
    ));
}
