//! What a client sends, and what it refuses to send.

use sockeye_deflate::{Engine, EngineConfig, Params, Session as Windows};
use sockeye_websocket::{
    CloseCode, Compression, Config, Connection, Event, Fin, Message, Role, UsageError as FrameUsage,
};

use super::{Bench, entropy, options};
use crate::web_socket::ConnectOptions;
use crate::web_socket::machine::WebSocket;
use crate::{Error, Limits, Machine as _, Network, UsageError};

#[test]
fn what_is_sent_is_compressed_where_that_helps() {
    let mut bench = Bench::connected(options());
    let head = bench.head("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    bench.feed(&head);
    bench.out.clear();
    bench.send_part_ok(Message::Text("begun"), Fin::More);
    let text = "again ".repeat(100);
    let under_way = UsageError::WebSocket(FrameUsage::MessageUnderWay);
    assert_eq!(bench.send(Message::Text(&text)), Err(under_way));
    bench.send_part_ok(Message::Text(""), Fin::Final);
    bench.send(Message::Text(&text)).expect("open");
    bench.send(Message::Text(&text)).expect("open");
    assert!(bench.out.len() < 150, "{}", bench.out.len());

    // The server has a window of its own, and what was refused is not in it.
    let config = Config { compression: Compression::PerMessageDeflate, ..Config::default() };
    let mut server = Connection::server(&config);
    let mut windows = Windows::new(Role::Server, Params::default());
    let mut engine = Engine::new(EngineConfig::default());
    let mut assembler = sockeye_websocket::Assembler::new(1 << 20);
    let (mut input, mut got) = (&mut bench.out[..], Vec::new());
    while let Some(event) = server.receive(&mut input, &mut Vec::new()).expect("good frames") {
        let Event::Piece(piece) = event else { continue };
        let mut codec = windows.codec(&mut engine);
        if let Some(message) = assembler.push(piece, Some(&mut codec)).expect("good") {
            got.push(String::from_utf8_lossy(message.as_bytes()).into_owned());
        }
    }
    assert_eq!(got, ["begun", &text, &text]);
}

#[test]
fn nothing_is_sent_before_its_time_or_past_its_bound() {
    let mut bench = Bench::connected(options());
    let before = bench.out.len();
    assert_eq!(bench.send(Message::Text("x")), Err(UsageError::NotOpen));
    assert_eq!(bench.out.len(), before);

    let mut bench = Bench::open(options());
    bench.out.resize(Limits::DEFAULT.out_bytes_max, 0);
    assert_eq!(bench.send(Message::Text("x")), Err(UsageError::OutFull));
    bench.out.clear();
    bench.close(CloseCode::NORMAL).expect("open");
    let closed = UsageError::WebSocket(FrameUsage::Closed);
    assert_eq!(bench.send(Message::Text("x")), Err(closed));
    assert_eq!(bench.close(CloseCode::NORMAL), Err(closed));
    assert_eq!(bench.sent().len(), 1);
    bench.end(Error::Ended);
    assert_eq!(bench.send(Message::Text("x")), Err(UsageError::NotOpen));
    assert_eq!(bench.close(CloseCode::NORMAL), Err(UsageError::NotOpen));
}

#[test]
fn codes_that_must_not_be_sent() {
    let mut bench = Bench::open(options());
    for code in [1005, 1006, 1015, 1004, 999, 5000] {
        let now = bench.time();
        let told = bench.machine.close(now, CloseCode::new(code), "why", &mut bench.out);
        assert_eq!(told, Err(UsageError::Close), "{code}");
    }
    bench.close(CloseCode::NO_STATUS).expect("an empty frame");
    assert_eq!(bench.sent(), ["Close(None)"]);
}

#[test]
fn giving_up_before_it_is_open() {
    let machine = WebSocket::new(options(), Limits::DEFAULT, entropy()).expect("good options");
    let mut dialing = Bench { machine, now: 0, out: Vec::new(), events: Vec::new(), failure: None };
    for bench in [&mut dialing, &mut Bench::connected(options())] {
        bench.close(CloseCode::NORMAL).expect("not over");
        assert!(bench.machine.peer().is_none());
        bench.end(Error::HungUp);
        assert_eq!(bench.events, ["closed 1006 false"]);
        assert_eq!(bench.failure, None);
    }
}

#[test]
fn options_that_cannot_stand_in_a_request() {
    let refused = |change: &dyn Fn(&mut ConnectOptions)| {
        let mut options = options();
        change(&mut options);
        WebSocket::new(options, Network::default().limits, entropy()).err()
    };
    let header = |name: &str, value: &str| {
        refused(&|it| it.headers = vec![(name.to_owned(), value.to_owned())])
    };
    assert_eq!(header("X-A", "b"), None);
    assert_eq!(header("X-A", "b\r\nX-C: d"), Some(UsageError::Header));
    assert_eq!(header("X A", "b"), Some(UsageError::Header));
    assert_eq!(header("Sec-WebSocket-Key", "b"), Some(UsageError::Header));
    let twice = |it: &mut ConnectOptions| it.subprotocols = vec!["a".to_owned(), "a".to_owned()];
    assert_eq!(refused(&twice), Some(UsageError::Subprotocols));
    assert_eq!(refused(&|it| it.origin = Some("a b".to_owned())), Some(UsageError::Header));
    let scheme = |url| ConnectOptions::new(url).err();
    assert_eq!(scheme("http://example.com/"), Some(UsageError::Scheme));
    // [rfc6455:3-no-fragment]
    assert_eq!(scheme("ws://example.com/#a"), Some(UsageError::Fragment));
}

impl Bench {
    fn send_part_ok(&mut self, part: Message<'_>, fin: Fin) {
        self.machine.send_part(part, fin, &mut self.out).expect("open");
    }
}
