//! `sockeye subscribe` at servers that are no hubs: one line that says what they are.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::command_line::program::{client, complaint, text};
use crate::command_line::subscriber::TRANSPORTS;
use crate::common::tls::{Authority, GOOD, forward};
use crate::common::{PATIENCE, serve_anywhere};

/// A server that does this with each connection.
pub(crate) fn serve(act: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a client");
            stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
            let act = act.clone();
            std::thread::spawn(move || act(stream));
        }
    });
    addr
}

/// The head of the next request; `None` at the end.
pub(crate) fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// A server that answers every request so, with a length or else once and then the end.
fn answering(status: &'static str, kind: &'static str, body: &'static str) -> [SocketAddr; 2] {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n");
    let (whole, len) = (format!("{head}\r\n{body}"), body.len());
    let lasting = format!("{head}Content-Length: {len}\r\n\r\n{body}");
    let once = serve(move |stream| {
        let mut stream = BufReader::new(stream);
        if self::head(&mut stream).is_some() {
            let _ = stream.get_mut().write_all(whole.as_bytes());
        }
    });
    let lasting = serve(move |stream| {
        let mut stream = BufReader::new(stream);
        while self::head(&mut stream).is_some() {
            let _ = stream.get_mut().write_all(lasting.as_bytes());
        }
    });
    [once, lasting]
}

/// A server of WebSockets that knows nothing of hubs.
fn sockets() -> SocketAddr {
    serve(|stream| {
        let mut stream = BufReader::new(stream);
        let head = head(&mut stream).unwrap_or_default();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let answer = match key {
            None => "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n".to_owned(),
            Some(key) => {
                let accept = sockeye_handshake::accept_key(key.as_bytes());
                let accept = text(&accept);
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                )
            }
        };
        let _ = stream.get_mut().write_all(answer.as_bytes());
        if key.is_some() {
            // Until the client has gone.
            let _ = stream.read_until(0, &mut Vec::new());
        }
    })
}

/// It fails on this transport with these words.
fn refused(url: &str, transport: &str, words: &str) {
    let args = ["subscribe", "--url", url, "--transport", transport, "a"];
    let output = client(&args).output().expect("it starts");
    assert!(complaint(&output).contains(words), "{transport}, {words}: {output:?}");
    assert_eq!(text(&output.stdout), "", "{transport}");
}

#[test]
fn other_servers_answers_are_told() {
    let page = "<!doctype html><title>a</title>";
    for (servers, words) in [
        (answering("404 Not Found", "text/html", page), "status 404 and no reason"),
        (answering("200 OK", "text/html", page), "status 200, content type text/html"),
        (answering("401 Unauthorized", "text/plain", "no"), "status 401, no"),
    ] {
        for addr in servers {
            for transport in TRANSPORTS {
                let words = format!("{words}; is that a Sockeye server?");
                refused(&format!("http://{addr}"), transport, &words);
            }
        }
    }
    for addr in answering("200 OK", "application/json", "{\"ok\":true}") {
        for (transport, words) in [
            ("auto", "answers, but not in the words of"),
            ("ws", "status 200, content type application/json; is that a Sockeye server?"),
            ("sse", "status 200, content type application/json; is that a Sockeye server?"),
            ("poll", "answers, but not in the words of"),
            ("short-poll", "answers, but not in the words of"),
        ] {
            refused(&format!("http://{addr}"), transport, words);
        }
    }
    let moved = serve(|stream| {
        let mut stream = BufReader::new(stream);
        while head(&mut stream).is_some() {
            let _ = stream
                .get_mut()
                .write_all(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n");
        }
    });
    for transport in TRANSPORTS {
        refused(&format!("http://{moved}"), transport, "status 302, it has moved to /login; is ");
    }
}

/// It would not learn HTTP/2 until the next attempt.
#[test]
fn a_server_without_http2_ends_the_run() {
    for addr in answering("505 HTTP Version Not Supported", "text/plain", "HTTP/1.1 only") {
        let url = format!("http://{addr}");
        for args in [&["publish", "a", "x"][..], &["subscribe", "a"]] {
            let output = client(&[args, &["--http2", "--url", &url]].concat()).output();
            let output = output.expect("it starts");
            let said = complaint(&output);
            assert!(said.contains("the server does not speak HTTP/2"), "{args:?}: {said}");
        }
    }
}

#[test]
fn servers_of_something_else_are_told() {
    let closing = serve(drop);
    let hanging_up = serve(|stream| drop(head(&mut BufReader::new(stream))));
    let ssh = serve(|stream| {
        let mut stream = BufReader::new(stream);
        let _ = stream.get_mut().write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
        head(&mut stream);
    });
    let tls = forward(&[GOOD], ssh);
    let ended = "ended the connection before it had answered; is that a Sockeye server, and";
    let no_http = "answers, but not in HTTP; is that a Sockeye server, and without TLS?";
    for (addr, words) in [(closing, ended), (hanging_up, ended), (ssh, no_http), (tls, no_http)] {
        for transport in TRANSPORTS {
            refused(&format!("http://{addr}"), transport, &format!("{addr} {words}"));
        }
    }
    let sockets = sockets();
    for transport in TRANSPORTS {
        let words = match transport {
            "ws" => "opens a WebSocket, but not for sockeye.v1.json; is that a Sockeye server?",
            _ => "status 426 and no reason; is that a Sockeye server?",
        };
        refused(&format!("http://{sockets}"), transport, words);
    }
}

#[test]
fn a_server_without_tls_is_told() {
    let (serving, authority) = (serve_anywhere(), Authority::new());
    let url = format!("https://localhost:{}", serving.addr.port());
    for transport in TRANSPORTS {
        let server = ["--url", &url, "--cacert", authority.path()];
        let args = [&["subscribe", "--transport", transport, "a"][..], &server].concat();
        let output = client(&args).output().expect("it starts");
        assert!(complaint(&output).contains("answers, but not in TLS"), "{transport}: {output:?}");
    }
}
