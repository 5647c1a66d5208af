//! How long the end may take, with servers that have no part in it.

use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::common::child::{Running, bad, good, run_with, text};
use crate::common::scripted::{Client, serve_once};
use crate::common::serve_anywhere;

/// Longer than any client waits for such a server, and shorter than the protocol's own wait for a Close frame.
const SOON: Duration = Duration::from_secs(4);

/// A server that says this, waits for a Close frame, and then says nothing more; whether the client goes soon.
fn dumb(says: &'static [u8]) -> (SocketAddr, JoinHandle<bool>) {
    serve_once(move |mut client: Client| {
        client.accept("");
        client.say(says);
        while client.next_frame().0 != 8 {}
        client.socket.set_read_timeout(Some(SOON)).expect("a deadline");
        client.socket.read_to_end(&mut Vec::new()).is_ok_and(|len| len == 0)
    })
}

#[test]
fn who_has_the_message_that_was_wanted_does_not_wait_for_a_goodbye() {
    let (addr, server) = dumb(b"\x81\x02hi");
    let output = run_with(&["connect", "-q", "-1", &format!("ws://{addr}/")], "");
    assert_eq!(bad(&output, 1, "did not answer a Close frame"), "hi\n");
    assert!(server.join().expect("no panic"), "it stays");
}

#[test]
fn a_server_that_answers_no_ping_answers_no_close_either() {
    let (addr, server) = dumb(b"");
    let output = run_with(&["connect", "-q", "--linger", "0", &format!("ws://{addr}/")], "hi");
    bad(&output, 1, "did not answer a Close frame");
    assert!(server.join().expect("no panic"), "it stays");
}

/// What had us close is told, and not what became of that.
#[test]
fn a_wrong_line_is_told_where_a_server_answers_no_close() {
    let (addr, server) = dumb(b"");
    let output = run_with(&["connect", "-q", "--hex", &format!("ws://{addr}/")], "no digits");
    bad(&output, 1, "line 1 has other than hex digits");
    assert!(server.join().expect("no panic"), "it stays");
}

#[test]
fn a_signal_waits_for_no_goodbye() {
    let (addr, server) = dumb(b"\x81\x02hi");
    let mut running = Running::start(&["connect", "-q", "--stay", &format!("ws://{addr}/")]);
    assert_eq!(running.line(), "hi\n");
    running.interrupt();
    assert!(server.join().expect("no panic"), "it stays");
    assert_eq!(running.wait().signal(), Some(2), "SIGINT");
}

#[test]
fn a_broken_rule_is_not_waited_with() {
    for is_json in [false, true] {
        // The first byte is of a frame with reserved bits.
        let (addr, server) = dumb(b"\x81\x02hi\xf1");
        let url = format!("ws://{addr}/");
        let more = if is_json { &["--json"][..] } else { &[] };
        let output = run_with(&[&["connect", "-q", "--stay", &url], more].concat(), "");
        let printed = bad(&output, 1, "reserved");
        assert!(printed.contains("hi"), "{printed}");
        assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");
        assert!(server.join().expect("no panic"), "it stays");
    }
}

/// After both Close frames the server is to end the connection.
#[test]
fn a_connection_that_nobody_ends_is_ended() {
    let (addr, server) = serve_once(|mut client| {
        client.accept("");
        client.close_frame(1000, "");
        while client.next_frame().0 != 8 {}
        client.socket.set_read_timeout(Some(SOON)).expect("a deadline");
        client.socket.read_to_end(&mut Vec::new()).is_ok_and(|len| len == 0)
    });
    good(&run_with(&["connect", "-q", "--stay", &format!("ws://{addr}/")], ""));
    assert!(server.join().expect("no panic"), "it stays");
}

#[test]
fn what_is_a_command_at_a_prompt_is_text_in_a_pipe() {
    let server = serve_anywhere();
    let url = format!("ws://{}/echo", server.addr);
    let lines = "/quit\n//a\n/close 4001\nlast\n";
    assert_eq!(good(&run_with(&["connect", "-q", &url], lines)), lines);
}
