//! `sockeye subscribe` through proxies that do not let everything through.

use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use crate::command_line::foreign::{head, serve};
use crate::command_line::program::{good, publish};
use crate::command_line::subscriber::Subscriber;
use crate::common::{Serving, serve_anywhere};

/// What becomes of a request.
#[derive(Clone, Copy)]
enum Pass {
    Whole,
    /// Without its `Upgrade`.
    Stripped,
    /// Answered so by the proxy.
    Answered(&'static str),
    /// Its connection is closed.
    Cut,
}

/// What a proxy does with WebSockets and with event streams, and its connections.
struct Proxy {
    rules: Mutex<[Pass; 2]>,
    open: Mutex<Vec<TcpStream>>,
    server: SocketAddr,
}

impl Proxy {
    fn start(serving: &Serving, sockets: Pass, streams: Pass) -> (Arc<Self>, String) {
        let (rules, open) = (Mutex::new([sockets, streams]), Mutex::default());
        let proxy = Arc::new(Self { rules, open, server: serving.addr });
        let shared = Arc::clone(&proxy);
        let addr = serve(move |client| drop(shared.carry(client)));
        (proxy, format!("http://{addr}"))
    }

    fn carry(&self, client: TcpStream) -> io::Result<()> {
        let mut server = TcpStream::connect(self.server)?;
        self.open.lock().expect("no panic").extend([client.try_clone()?, server.try_clone()?]);
        let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
        let mut client = BufReader::new(client);
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            to.shutdown(Shutdown::Both)
        });
        while let Some(head) = head(&mut client) {
            let [sockets, streams] = *self.rules.lock().expect("no panic");
            let is_socket = head.contains("\r\nUpgrade: websocket\r\n");
            let pass = match () {
                () if is_socket => sockets,
                () if head.starts_with("GET /v1/sse?") => streams,
                () => Pass::Whole,
            };
            match pass {
                Pass::Whole => server.write_all(head.as_bytes())?,
                // As proxies do that know nothing of it: it is for one hop.
                Pass::Stripped => {
                    let lines = head.split_inclusive("\r\n");
                    let kept: String = lines.filter(|it| !is_of_hop(it)).collect();
                    server.write_all(kept.as_bytes())?;
                }
                Pass::Answered(answer) => client.get_mut().write_all(answer.as_bytes())?,
                Pass::Cut => break,
            }
            if is_socket && matches!(pass, Pass::Whole) {
                io::copy(&mut client, &mut server)?;
            }
        }
        server.shutdown(Shutdown::Both)?;
        client.get_mut().shutdown(Shutdown::Both)
    }

    /// From now on it does this, and nobody is left who came before.
    fn change(&self, sockets: Pass, streams: Pass) {
        *self.rules.lock().expect("no panic") = [sockets, streams];
        for stream in self.open.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn is_of_hop(line: &str) -> bool {
    line.starts_with("Upgrade: ") || line.starts_with("Connection: ")
}

const FORBIDDEN: Pass =
    Pass::Answered("HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\n<title>x");
const BAD_GATEWAY: Pass = Pass::Answered("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
const NO_STREAM: Pass =
    Pass::Answered("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx");

/// What it says on standard error, when two messages have come without a transport being named.
fn heard(sockets: Pass, streams: Pass, more: &[&str]) -> String {
    let serving = serve_anywhere();
    let (_proxy, url) = Proxy::start(&serving, sockets, streams);
    let args = [&["--url", &url, "--count", "2", "a"], more].concat();
    let mut subscriber = Subscriber::live(&serving, &args);
    for text in ["one", "two"] {
        good(&publish(&serving, &["a", text]));
        assert_eq!(subscriber.data(), text);
    }
    let (status, said) = subscriber.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

#[test]
fn without_hindrance_it_is_a_websocket_and_nothing_is_said() {
    assert_eq!(heard(Pass::Whole, Pass::Cut, &[]), "");
}

#[test]
fn without_websockets_messages_come_by_event_stream() {
    for (pass, why) in [
        (Pass::Stripped, "the server refused: "),
        (FORBIDDEN, "the server refused: status 403 and no reason; is that a Sockeye server?"),
        (BAD_GATEWAY, "the server refused: status 502 and no reason; is that a Sockeye server?"),
        (Pass::Cut, "ended the connection before it had answered"),
    ] {
        let said = heard(pass, Pass::Whole, &[]);
        let last = said.lines().last().unwrap_or_default();
        let wanted = "sockeye: connected by event stream; no WebSocket: ";
        assert!(last.starts_with(wanted) && last.contains(why), "{said}");
        // A server that has no room is waited for, and that is told.
        assert!(
            said.lines().count() == 1 || matches!(pass, Pass::Answered(it) if it.contains("502"))
        );
        assert_eq!(heard(pass, Pass::Whole, &["--quiet"]), "");
    }
}

#[test]
fn without_event_streams_they_come_by_long_poll() {
    for (sockets, streams) in
        [(Pass::Stripped, FORBIDDEN), (FORBIDDEN, NO_STREAM), (Pass::Cut, Pass::Cut)]
    {
        let said = heard(sockets, streams, &[]);
        assert!(said.starts_with("sockeye: connected by long poll; no WebSocket: "), "{said}");
        assert!(said.contains("; no event stream: ") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn one_cursor_goes_through_all_transports() {
    let serving = serve_anywhere();
    let (proxy, url) = Proxy::start(&serving, Pass::Whole, Pass::Whole);
    let mut subscriber = Subscriber::live(&serving, &["--url", &url, "--count", "4", "a"]);
    good(&publish(&serving, &["a", "socket"]));
    assert_eq!(subscriber.data(), "socket");
    for (sockets, streams, text) in
        [(FORBIDDEN, Pass::Whole, "stream"), (FORBIDDEN, FORBIDDEN, "poll")]
    {
        proxy.change(sockets, streams);
        // Only the log has it.
        good(&publish(&serving, &["a", text]));
        assert_eq!(subscriber.data(), text);
    }
    good(&publish(&serving, &["a", "last"]));
    assert_eq!(subscriber.data(), "last");
    let (status, said) = subscriber.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    for words in [
        "403 and no reason; is that a Sockeye server?; again in 0.",
        " s, by event stream\n",
        "connected again, by event stream\n",
        " s, by long poll\n",
        "connected again, by long poll\n",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_transport_that_is_named_is_the_only_one() {
    let serving = serve_anywhere();
    let (_proxy, url) = Proxy::start(&serving, FORBIDDEN, Pass::Whole);
    let subscriber = Subscriber::start(&serving, &["--url", &url, "--transport", "ws", "a"]);
    let (status, said) = subscriber.wait();
    assert_eq!(status.code(), Some(1), "{said}");
    let wanted =
        "sockeye: the server refused: status 403 and no reason; is that a Sockeye server?\n";
    assert_eq!(said, wanted);
}
