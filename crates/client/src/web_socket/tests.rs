#[path = "tests/sending.rs"]
mod sending;

use sockeye_deflate::{Engine, EngineConfig, Params, Session as Windows, WindowBits};
use sockeye_handshake::{VerifyError, accept_key};
use sockeye_reactor::Time;
use sockeye_websocket::{
    CloseCode, CloseFrame, Compression, Config, Connection, Fin, Message, MessageCodec,
    MessageError, ProtocolError, Role,
};

use super::machine::{SocketEvent, WebSocket};
use super::{ConnectOptions, Delivery};
use crate::{Deadline, Entropy, Error, Limits, Machine, UsageError};

/// A machine, what it has said, and what it was told.
struct Bench {
    machine: WebSocket,
    now: u64,
    out: Vec<u8>,
    events: Vec<String>,
    failure: Option<Error>,
}

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::new("ws://example.com/chat?room=7").expect("a URL");
    options.subprotocols = vec!["b".to_owned(), "a".to_owned()];
    options
}

/// A source that gives other bytes each time, and the same in each test.
fn entropy() -> Entropy {
    let count = std::sync::atomic::AtomicU8::new(0);
    Entropy::from_fn(move |bytes| {
        bytes.fill(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    })
}

impl Bench {
    /// A machine that is connected and has sent its request.
    fn connected(options: ConnectOptions) -> Self {
        let machine = WebSocket::new(options, Limits::DEFAULT, entropy()).expect("good options");
        let mut bench =
            Self { machine, now: 1000, out: Vec::new(), events: Vec::new(), failure: None };
        assert_eq!(bench.machine.peer().map(|peer| peer.host.as_str()), Some("example.com"));
        bench.machine.connected(bench.time(), &mut bench.out);
        bench
    }

    /// A machine whose connection is open; what it sent is forgotten.
    fn open(options: ConnectOptions) -> Self {
        let mut bench = Self::connected(options);
        let head = bench.head("");
        bench.feed(&head);
        assert_eq!(bench.events.len(), 1, "{:?}", bench.failure);
        bench.events.clear();
        bench.out.clear();
        bench
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn request(&self) -> String {
        String::from_utf8(self.out.clone()).expect("a request is text")
    }

    fn accept(&self) -> String {
        let request = self.request();
        let (_, rest) = request.split_once("Sec-WebSocket-Key: ").expect("a key");
        let (key, _) = rest.split_once("\r\n").expect("a line");
        String::from_utf8_lossy(&accept_key(key.as_bytes())).into_owned()
    }

    /// The answer that fits, with more lines.
    fn head(&self, lines: &str) -> Vec<u8> {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{lines}\r\n",
            self.accept()
        )
        .into_bytes()
    }

    /// Gives it bytes in one piece and writes down what it says.
    fn feed(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        loop {
            let now = self.time();
            let told = self.machine.next(now, &mut input, &mut self.out, &mut |event| show(&event));
            match told {
                Ok(Some(event)) => self.events.push(event),
                Ok(None) => {
                    assert!(input.is_empty(), "None means that all is taken");
                    return;
                }
                Err(error) => {
                    assert_eq!(self.failure.replace(error), None, "an error is told once");
                }
            }
        }
    }

    fn end(&mut self, why: Error) {
        let now = self.time();
        self.machine.disconnected(now, why);
        self.feed(&[]);
    }

    /// The clock goes on, and the machine is asked.
    fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.feed(&[]);
    }

    fn send(&mut self, message: Message<'_>) -> Result<(), UsageError> {
        self.machine.send(message, &mut self.out)
    }

    fn close(&mut self, code: CloseCode) -> Result<(), UsageError> {
        let now = self.time();
        self.machine.close(now, code, "", &mut self.out)
    }

    /// What a server makes of what was sent.
    fn sent(&mut self) -> Vec<String> {
        let mut server = Connection::server(&Config::default());
        let mut bytes = core::mem::take(&mut self.out);
        let (mut input, mut replies, mut events) = (&mut bytes[..], Vec::new(), Vec::new());
        while let Some(event) = server.receive(&mut input, &mut replies).expect("good frames") {
            events.push(format!("{event:?}"));
        }
        events
    }
}

/// An event with its payload, in a form in which no split of a message shows.
fn show(event: &SocketEvent<'_>) -> String {
    match event {
        SocketEvent::Open(opened) => format!("open {:?} {}", opened.subprotocol, opened.compressed),
        SocketEvent::Message(Message::Text(text)) => format!("text {text}"),
        SocketEvent::Message(Message::Binary(bytes)) => format!("binary {bytes:?}"),
        SocketEvent::Piece(piece) => {
            format!("piece {:?} {} {} {:?}", piece.kind, piece.first, piece.last, piece.payload)
        }
        SocketEvent::Ping(payload) => format!("ping {:?}", &payload[..]),
        SocketEvent::Pong(payload) => format!("pong {:?}", &payload[..]),
        SocketEvent::Close(reason) => {
            format!("close {:?}", reason.map(|reason| reason.code().to_u16()))
        }
        SocketEvent::Closed(closed) => format!("closed {} {}", closed.code, closed.clean),
    }
}

/// The frames of a server that says a little of everything, with and without compression.
fn frames(compress: bool) -> Vec<u8> {
    let compression = if compress { Compression::PerMessageDeflate } else { Compression::Off };
    let mut server = Connection::server(&Config { compression, ..Config::default() });
    let mut out = Vec::new();
    server.send(Message::Text("grüße"), &mut out).expect("open");
    server.ping(b"there?", &mut out).expect("open");
    for (part, fin) in [(&[0xc3][..], Fin::More), (&[0xa9, b'!'][..], Fin::Final)] {
        let start = server.begin(sockeye_websocket::Kind::Text, part.len() as u64, fin);
        out.extend_from_slice(start.expect("open").header());
        out.extend_from_slice(part);
        server.pong(b"between", &mut out).expect("open");
    }
    if compress {
        let params = Params { server_max_window_bits: WindowBits::new(10), ..Params::default() };
        let mut windows = Windows::new(Role::Server, params);
        let config = EngineConfig { message_bytes_min: 0, ..EngineConfig::default() };
        let mut engine = Engine::new(config);
        for _ in 0..2 {
            let (text, mut deflated) = ("again and again and again", Vec::new());
            assert!(windows.codec(&mut engine).compress(text.as_bytes(), &mut deflated));
            server
                .send_compressed(sockeye_websocket::Kind::Text, &deflated, &mut out)
                .expect("agreed");
        }
    }
    server.send(Message::Binary(&[7; 300]), &mut out).expect("open");
    server.close(CloseFrame::new(CloseCode::NORMAL, "bye").ok(), &mut out).expect("open");
    out
}

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";

#[test]
fn every_split_gives_the_same_events() {
    for lines in ["Sec-WebSocket-Protocol: a\r\n", DEFLATE] {
        let bytes_of = |bench: &Bench| {
            let early = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n".to_vec();
            [early, bench.head(lines), frames(lines == DEFLATE)].concat()
        };
        let run = |cuts: &dyn Fn(&[u8]) -> Vec<usize>| {
            let mut bench = Bench::connected(options());
            let bytes = bytes_of(&bench);
            let mut at = 0;
            for cut in cuts(&bytes) {
                bench.feed(&bytes[at..cut]);
                at = cut;
            }
            bench.feed(&bytes[at..]);
            bench.end(Error::Ended);
            assert!(bench.machine.is_over() && bench.machine.peer().is_none());
            (bench.events, bench.failure)
        };
        let (whole, failure) = run(&|_| Vec::new());
        assert_eq!(failure, None);
        assert!(whole.len() > 7, "{whole:?}");
        assert!(whole.iter().any(|event| event == "text é!"), "{whole:?}");
        assert_eq!(whole.last().map(String::as_str), Some("closed 1000 true"));
        let len = bytes_of(&Bench::connected(options())).len();
        for cut in 1..len {
            assert_eq!(run(&|_| vec![cut]).0, whole, "cut at {cut}");
        }
        for size in 1..40 {
            assert_eq!(run(&|bytes| (size..bytes.len()).step_by(size).collect()).0, whole);
        }
    }
}

#[test]
fn the_request_is_what_the_standard_asks_for() {
    let mut options = options();
    options.headers.push(("Authorization".to_owned(), "Bearer t".to_owned()));
    options.origin = Some("https://page.example".to_owned());
    let request = Bench::connected(options).request();
    assert!(request.starts_with("GET /chat?room=7 HTTP/1.1\r\nHost: example.com\r\n"), "{request}");
    for line in [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: b, a",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Authorization: Bearer t",
        "Origin: https://page.example",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
}

#[test]
fn each_attempt_has_a_nonce_of_its_own() {
    // [rfc6455:4.1-nonce-fresh]
    let entropy = entropy();
    let key = || {
        let mut machine =
            WebSocket::new(options(), Limits::DEFAULT, entropy.clone()).expect("good options");
        let mut out = Vec::new();
        machine.connected(Time::default(), &mut out);
        let request = String::from_utf8(out).expect("text");
        request.split("Sec-WebSocket-Key: ").nth(1).expect("a key")[..24].to_owned()
    };
    assert_ne!(key(), key());
}

#[test]
fn an_answer_that_does_not_fit_fails_the_handshake() {
    let cases = [
        ("Upgrade: websocket", "X: y", VerifyError::Upgrade),
        ("Upgrade: websocket", "Upgrade: h2c", VerifyError::Upgrade),
        ("Connection: Upgrade", "Connection: notupgrade", VerifyError::Connection),
        ("Sec-WebSocket-Accept: ", "X-Accept: ", VerifyError::AcceptMissing),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x", VerifyError::AcceptMismatch),
        ("HTTP/1.1 101", "HTTP/1.0 101", VerifyError::HttpVersion),
        ("\r\n\r\n", "\r\nSec-WebSocket-Accept: x\r\n\r\n", VerifyError::AcceptRepeated),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: c\r\n\r\n", VerifyError::SubprotocolNotRequested),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n\r\n",
            VerifyError::SubprotocolRepeated,
        ),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Extensions: x-own\r\n\r\n",
            VerifyError::ExtensionNotRequested,
        ),
        ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: ;\r\n\r\n", VerifyError::ExtensionsMalformed),
    ];
    for (from, to, error) in cases {
        let mut bench = Bench::connected(options());
        let head = String::from_utf8(bench.head("")).expect("text").replacen(from, to, 1);
        bench.feed(head.as_bytes());
        assert_eq!(bench.failure, Some(Error::Handshake(error)), "{head}");
        assert!(bench.events.is_empty() && bench.machine.is_over());
    }
}

#[test]
fn compression_has_to_answer_the_offer() {
    for (value, offered, ok) in [
        ("permessage-deflate", true, true),
        ("permessage-deflate; server_max_window_bits=16", true, false),
        ("permessage-deflate; x", true, false),
        // [rfc7692:6-rsv1-conflict]
        ("permessage-deflate, permessage-deflate", true, false),
        ("permessage-deflate", false, false),
    ] {
        let mut options = options();
        if !offered {
            options.compression = None;
        }
        let mut bench = Bench::connected(options);
        let head = bench.head(&format!("Sec-WebSocket-Extensions: {value}\r\n"));
        bench.feed(&head);
        let expected = match (ok, offered) {
            (true, _) => None,
            (false, true) => Some(Error::Compression),
            (false, false) => Some(Error::Handshake(VerifyError::ExtensionNotRequested)),
        };
        assert_eq!(bench.failure, expected, "{value}");
    }
}

#[test]
fn an_answer_of_another_status_is_the_callers() {
    let answers: [(&str, &str, bool); 4] = [
        (
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 4\r\n\r\nwho?",
            "who?",
            true,
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /there\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n0\r\n\r\n",
            "go",
            true,
        ),
        ("HTTP/1.1 503 No\r\n\r\nuntil the end", "until the end", false),
        ("HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\ncut off", "cut off", false),
    ];
    for (answer, body, has_end) in answers {
        for size in 1..answer.len() {
            let mut bench = Bench::connected(options());
            for piece in answer.as_bytes().chunks(size) {
                assert_eq!(bench.failure, None, "told before its end");
                bench.feed(piece);
            }
            assert_eq!(bench.failure.is_some(), has_end);
            bench.end(Error::Ended);
            let Some(Error::Refused(refusal)) = bench.failure else { panic!("{answer}") };
            assert_eq!(String::from_utf8_lossy(&refusal.body), body);
            assert_eq!(refusal.status.code(), answer[9..12].parse::<u16>().expect("digits"));
        }
    }
}

#[test]
fn no_more_of_a_refusal_is_kept_than_its_bound() {
    let mut bench = Bench::connected(options());
    bench.feed(b"HTTP/1.1 200 OK\r\n\r\n");
    for _ in 0..Limits::DEFAULT.refusal_bytes_max / 1024 {
        assert_eq!(bench.failure, None);
        bench.feed(&[b'x'; 1024]);
    }
    let Some(Error::Refused(refusal)) = bench.failure else { panic!("it is told at the bound") };
    assert_eq!(refusal.body.len(), Limits::DEFAULT.refusal_bytes_max);
}

#[test]
fn a_handshake_has_its_time() {
    let mut bench = Bench::connected(options());
    let head = bench.head("");
    bench.feed(&head[..30]);
    bench.pass(Limits::DEFAULT.head_ms - 1);
    assert_eq!(bench.failure, None);
    assert_eq!(bench.machine.deadline(), Time::from_millis(bench.now + 1));
    bench.pass(1);
    assert_eq!(bench.failure, Some(Error::TimedOut(Deadline::Head)));

    let mut bench = Bench::connected(options());
    bench.feed(b"HTTP/1.1 403 No\r\n\r\nwhy");
    bench.pass(2_999);
    assert_eq!(bench.failure, None, "more of it may come");
    bench.pass(1);
    assert!(matches!(bench.failure, Some(Error::Refused(_))), "a slow body is no reason to wait");
}

#[test]
fn a_connection_that_ends_early_is_an_error() {
    for (why, told) in [
        (Error::Ended, Error::Truncated),
        (Error::Truncated, Error::Truncated),
        (
            Error::Transport(std::io::ErrorKind::ConnectionReset),
            Error::Transport(std::io::ErrorKind::ConnectionReset),
        ),
    ] {
        let mut opening = Bench::connected(options());
        opening.end(why.clone());
        assert_eq!(opening.failure.as_ref(), Some(&told));
        let mut open = Bench::open(options());
        open.end(why);
        assert_eq!(open.failure.as_ref(), Some(&told));
        assert!(open.events.is_empty() && open.machine.is_over());
    }
}

#[test]
fn a_silent_server_is_pinged_and_then_given_up() {
    let mut bench = Bench::open(options());
    bench.pass(29_999);
    assert!(bench.out.is_empty());
    bench.pass(1);
    assert_eq!(bench.sent(), ["Ping(Control(0 bytes))"]);
    bench.pass(29_999);
    bench.feed(&[0x8a]);
    // Any byte is a sign of life, a whole pong is not needed.
    bench.pass(29_999);
    assert_eq!((bench.sent().len(), bench.failure.as_ref()), (0, None));
    bench.pass(1);
    assert_eq!(bench.sent().len(), 1);
    bench.pass(30_000);
    assert_eq!(bench.failure, Some(Error::TimedOut(Deadline::Pong)));
}

#[test]
fn the_server_ends_the_connection() {
    // [rfc6455:7.1.1-client-waits]
    let close = [0x88, 2, 3, 0xe8];
    let mut bench = Bench::open(options());
    bench.close(CloseCode::NORMAL).expect("open");
    bench.feed(&close);
    assert_eq!(bench.events, ["close Some(1000)"]);
    assert!(bench.machine.peer().is_some(), "it waits for the end");
    let mut patient = bench;
    patient.end(Error::Ended);
    assert_eq!(patient.events[1..], ["closed 1000 true"]);

    let mut bench = Bench::open(options());
    bench.feed(&close);
    bench.pass(4_999);
    assert!(bench.machine.peer().is_some());
    bench.pass(1);
    assert_eq!(bench.events, ["close Some(1000)", "closed 1000 true"]);
    assert!(bench.machine.peer().is_none(), "it hangs up");
    bench.end(Error::HungUp);
    assert_eq!((bench.events.len(), bench.failure), (2, None));
}

#[test]
fn a_close_that_is_not_answered() {
    let mut bench = Bench::open(options());
    bench.close(CloseCode::GOING_AWAY).expect("open");
    bench.pass(5_000);
    assert_eq!(bench.failure, Some(Error::TimedOut(Deadline::Close)));

    let mut bench = Bench::open(options());
    bench.close(CloseCode::GOING_AWAY).expect("open");
    bench.end(Error::Ended);
    assert_eq!(bench.events, ["closed 1006 false"], "the server just ended, as was wanted");
}

#[test]
fn a_rule_that_the_server_breaks_fails_the_connection() {
    let cases: [(&[u8], &str, Error); 4] = [
        (
            &[0x81, 0x80, 0, 0, 0, 0],
            "1002",
            Error::WebSocket(ProtocolError::Frame(sockeye_websocket::FrameError::MaskUnexpected)),
        ),
        (&[0x80, 0], "1002", Error::WebSocket(ProtocolError::NothingToContinue)),
        (&[0x81, 1, 0xff], "1007", Error::WebSocket(ProtocolError::InvalidUtf8)),
        (
            &[0x82, 127, 0, 0, 0, 0, 0xc0, 0, 0, 0],
            "1009",
            Error::WebSocket(ProtocolError::Frame(sockeye_websocket::FrameError::FrameTooBig)),
        ),
    ];
    for (bytes, code, error) in cases {
        let mut bench = Bench::open(options());
        bench.feed(bytes);
        assert_eq!(bench.failure, None, "the Close frame shall arrive first");
        assert_eq!(bench.machine.failure(), Some(&error), "but it is known already");
        let sent = bench.sent().join(" ");
        assert!(sent.contains("Close") && sent.contains(code), "{sent}");
        bench.feed(b"whatever else");
        bench.end(Error::Ended);
        assert_eq!(bench.failure, Some(error.clone()));

        let mut bench = Bench::open(options());
        bench.feed(bytes);
        bench.pass(5_000);
        assert_eq!(bench.failure, Some(error), "or its time is over");
    }
}

#[test]
fn a_bomb_is_defused() {
    let mut options = options();
    options.limits.message_bytes_max = 1000;
    let mut bench = Bench::connected(options);
    let head = bench.head("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    bench.feed(&head);
    bench.out.clear();
    let mut engine = Engine::new(EngineConfig::default());
    let mut windows = Windows::new(Role::Server, Params::default());
    let mut deflated = Vec::new();
    assert!(windows.codec(&mut engine).compress(&[b'0'; 100_000], &mut deflated));
    assert!(deflated.len() < 1000);
    let config = Config { compression: Compression::PerMessageDeflate, ..Config::default() };
    let mut frame = Vec::new();
    Connection::server(&config)
        .send_compressed(sockeye_websocket::Kind::Text, &deflated, &mut frame)
        .expect("open");
    bench.feed(&frame);
    assert!(bench.sent().join("").contains("1009"));
    bench.end(Error::Ended);
    assert_eq!(bench.failure, Some(Error::Message(MessageError::TooBig)));
}

#[test]
fn pieces_are_handed_on_as_they_come() {
    let mut options = options();
    options.delivery = Delivery::Pieces;
    let mut bench = Bench::open(options);
    bench.feed(&[0x02, 2, 1]);
    bench.feed(&[2, 0x80, 1]);
    bench.feed(&[3]);
    bench.feed(&[0x82, 1, 9]);
    let pieces = ["true false [1]", "false false [2]", "false true [3]"];
    let pieces = pieces.map(|piece| format!("piece Binary {piece}"));
    assert_eq!(bench.events[..3], pieces);
    assert_eq!(bench.events[3], "binary [9]");
}
