//! A signal drains a server, a second one ends it at once; a load ends by it.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use crate::common::{serve, serve_anywhere, sockeye};
use rustix::process::{Pid, Signal, kill_process};

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xE9];

#[test]
fn everybody_is_told_and_the_program_succeeds() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut serving = serve_anywhere();
        let mut socket = serving.connect();
        assert!(socket.ask("GET", "/echo", UPGRADE).starts_with("HTTP/1.1 101 "));
        socket.send(b"\x81\x82\0\0\0\0hi");
        assert_eq!(socket.read(4), b"\x81\x02hi");
        let mut events = serving.connect();
        assert!(events.ask("GET", "/clock", "").starts_with("HTTP/1.1 200 "));
        // The first comment and the first tick are out, so the stream is open.
        while !events.read_line().starts_with("id: ") {}

        serving.signal(signal);
        assert_eq!(socket.read(4), GOING_AWAY);
        socket.send(b"\x88\x82\0\0\0\0\x03\xE9");
        assert_eq!(socket.read_to_end(), "");
        let rest = events.read_to_end();
        let retry = rest.lines().find_map(|line| line.strip_prefix("retry: ")).expect("a retry");
        let retry: u32 = retry.parse().expect("milliseconds");
        assert!((1_000..2_000).contains(&retry), "{retry}");
        assert!(rest.ends_with("\r\n0\r\n\r\n"), "the response is complete: {rest:?}");
        drop((socket, events));
        assert_eq!(serving.wait().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut serving = serve(sockeye(&["serve", "--listen", "127.0.0.1:0", "--drain", "600"]));
    // A request that is never finished would keep the drain waiting.
    let mut slow = serving.connect();
    slow.send(
        "POST /v1/channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\
         Expect: 100-continue\r\n\r\n",
    );
    assert_eq!(slow.read_line(), "HTTP/1.1 100 Continue\r\n");
    let mut socket = serving.connect();
    assert!(socket.ask("GET", "/echo", UPGRADE).starts_with("HTTP/1.1 101 "));
    serving.signal(Signal::TERM);
    assert_eq!(socket.read(4), GOING_AWAY);
    assert_eq!(serving.child.try_wait().expect("our child"), None, "it drains");
    let start = Instant::now();
    serving.signal(Signal::TERM);
    assert_eq!(serving.wait().code(), Some(0));
    // Without the second signal the slow body alone takes half a minute.
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

#[test]
fn the_drain_is_bounded() {
    let mut serving = serve(sockeye(&["serve", "--listen", "127.0.0.1:0", "--drain", "0"]));
    let mut slow = serving.connect();
    slow.send("GET / HTTP/1.1\r\n");
    let mut other = serving.connect();
    assert_eq!(other.fetch("GET", "/healthz").1, "ok\n");
    serving.signal(Signal::TERM);
    assert_eq!(serving.wait().code(), Some(0));
}

/// As `connect`, `events` and `subscribe` do, each in its own tests: shells see 128 more than the signal's number.
#[test]
fn a_load_ends_by_its_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}/", listener.local_addr().expect("bound"));
        let mut load = sockeye(&["bench", "idle", "--connections", "1", "--quiet", &url]);
        let mut load = load.spawn().expect("it starts");
        let _held = listener.accept().expect("it is at work");
        kill_process(Pid::from_child(&load), signal).expect("it is our child");
        let status = load.wait().expect("it ends");
        assert_eq!(status.signal(), Some(signal.as_raw()));
    }
}
