//! `sockeye subscribe` over the end of its server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::command_line::program::{good, publish, publish_from};
use crate::command_line::subscriber::{Subscriber, TRANSPORTS};
use crate::common::{Serving, serve, sockeye};

/// A directory that is gone afterwards.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn serve_at(addr: &str, data: Option<&Path>) -> Serving {
    let mut command = sockeye(&["serve", "--listen", addr, "--drain", "1"]);
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    serve(command)
}

fn again(addr: SocketAddr, data: Option<&Path>) -> Serving {
    serve_at(&addr.to_string(), data)
}

/// While the subscriber is stopped, its server is killed, another one takes over, and more is published:
/// what it prints afterwards can only come out of the log.
#[test]
fn nothing_is_missing_after_the_server_was_killed() {
    for transport in TRANSPORTS {
        let room = Room::new(&format!("killed-{transport}"));
        let mut serving = serve_at("127.0.0.1:0", Some(&room.0));
        let addr = serving.addr;
        let mut subscriber =
            Subscriber::live(&serving, &["--transport", transport, "--quiet", "--count", "5", "r"]);
        good(&publish_from(&serving, &["r"], "1\n2\n"));
        assert_eq!([subscriber.data(), subscriber.data()], ["1", "2"], "{transport}");

        subscriber.signal(Signal::STOP);
        serving.signal(Signal::KILL);
        serving.wait();
        drop(serving);
        let serving = again(addr, Some(&room.0));
        good(&publish_from(&serving, &["r"], "3\n4\n"));
        subscriber.signal(Signal::CONT);
        assert_eq!([subscriber.data(), subscriber.data()], ["3", "4"], "{transport}");
        good(&publish(&serving, &["r", "5"]));
        assert_eq!(subscriber.data(), "5", "{transport}");
        subscriber.wait_for_good_end();
    }
}

#[test]
fn a_server_that_says_goodbye_is_come_back_to() {
    for transport in ["ws", "sse", "poll"] {
        let room = Room::new(&format!("goodbye-{transport}"));
        let mut serving = serve_at("127.0.0.1:0", Some(&room.0));
        let addr = serving.addr;
        let mut subscriber =
            Subscriber::live(&serving, &["--transport", transport, "--count", "2", "r"]);
        good(&publish(&serving, &["r", "1"]));
        assert_eq!(subscriber.data(), "1", "{transport}");
        serving.signal(Signal::TERM);
        assert_eq!(serving.wait().code(), Some(0), "{transport}");
        drop(serving);
        let serving = again(addr, Some(&room.0));
        good(&publish(&serving, &["r", "2"]));
        assert_eq!(subscriber.data(), "2", "{transport}");
        let (status, stderr) = subscriber.wait();
        assert_eq!(status.code(), Some(0));
        // It said that it was away, and that it came back. To polls the server may be back before the next one.
        for said in ["again in", "connected again"] {
            assert!(transport == "poll" || stderr.contains(said), "{transport}: {stderr}");
        }
    }
}

#[test]
fn a_server_that_has_forgotten_declares_a_gap() {
    for transport in TRANSPORTS {
        let serving = serve_at("127.0.0.1:0", None);
        let addr = serving.addr;
        let mut subscriber =
            Subscriber::live(&serving, &["--transport", transport, "--quiet", "--count", "2", "r"]);
        good(&publish(&serving, &["r", "1"]));
        assert_eq!(subscriber.data(), "1", "{transport}");
        drop(serving);
        let serving = again(addr, None);
        assert_eq!(subscriber.next_of("gap")["reason"], "epoch", "{transport}");
        subscriber.next_of("sync");
        good(&publish(&serving, &["r", "2"]));
        assert_eq!(subscriber.data(), "2", "{transport}");
        subscriber.wait_for_good_end();
    }
}
