//! `sockeye connect` against the real program, and against servers that follow a script.

mod goodbyes;
mod proxies;
mod secure;
mod terminal;

use std::os::unix::process::ExitStatusExt as _;

use crate::common::child::{Running, bad, good, run_with, text};
use crate::common::scripted::{answer, serve_once};
use crate::common::{run, serve_anywhere};
use rustix::process::Signal;

#[test]
fn lines_come_back_as_they_went() {
    let server = serve_anywhere();
    let url = format!("ws://{}/echo", server.addr);
    let mut lines: String = (0..5000).map(|number| format!("line {number}\n")).collect();
    lines.push_str("\nÄ river, 流れ\n");
    let long = "x".repeat(10_000);
    lines.push_str(&format!("{long}\n"));
    for more in [&[][..], &["--no-compress"], &["--linger", "0"]] {
        let output = run_with(&[&["connect", "-q", &url], more].concat(), &lines);
        assert!(good(&output) == lines, "{more:?}: {:?}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
    }
    // The last line needs no end.
    let http = url.replace("ws://", "http://");
    let output = run_with(&["connect", "-1", &http], "hi");
    assert_eq!(good(&output), "hi\n");
    let said = "sockeye: connected; compressed\nsockeye: closed: 1000 (normal)\n";
    assert_eq!(text(&output.stderr), said);
}

#[test]
fn binary_messages_have_three_forms() {
    let server = serve_anywhere();
    let url = &format!("ws://{}/echo", server.addr);
    let connect = |more: &[&str], input: &[u8]| {
        run_with(&[&["connect", "-q", "--linger", "0", url], more].concat(), input)
    };
    assert_eq!(good(&connect(&["--hex"], b"00 ff:41\n\n")), "00ff41\n\n");
    let raw = connect(&["--binary"], b"\xff\xfe\nend\n");
    assert_eq!((raw.status.code(), &*raw.stdout), (Some(0), &b"\xff\xfeend"[..]));
    let json = connect(&["--binary", "--json"], b"\xff\n");
    let lines: Vec<&str> = good(&json).lines().collect();
    assert_eq!(lines[1], "{\"type\":\"binary\",\"base64\":\"/w==\",\"length\":1}");
    bad(&connect(&[], b"good\n\xff\n"), 1, "line 2 is not UTF-8, as texts are; --binary sends it");
    bad(&connect(&["--hex"], b"0\n"), 1, "line 1 has other than hex digits");
}

#[test]
fn everything_that_a_server_says_is_told() {
    let (addr, server) = serve_once(|mut client| {
        client.accept("Sec-WebSocket-Protocol: chat\r\n");
        client.frame(9, b"p");
        client.frame(1, "two\nlines".as_bytes());
        client.frame(2, &[7; 40]);
        client.close_frame(1011, "out of \u{7}luck");
        client.rest();
        client.head
    });
    let url = format!("ws://{addr}/x?y");
    let args =
        ["connect", "--json", "--stay", "--subprotocol", "talk,chat", "--origin", "http://a"];
    let more = ["-H", "X-A: b", "--user", "ann:secret", "--no-compress", &url];
    let output = run(&[&args[..], &more].concat());
    let printed = bad(&output, 1, "closed by the server: 1011 (internal error), out of \\u{7}luck");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "{\"type\":\"open\",\"subprotocol\":\"chat\",\"compressed\":false}");
    assert_eq!(lines[1], "{\"type\":\"ping\",\"base64\":\"cA==\",\"length\":1}");
    assert_eq!(lines[2], "{\"type\":\"text\",\"data\":\"two\\nlines\"}");
    assert!(lines[3].ends_with(",\"length\":40}"), "{}", lines[3]);
    let close =
        "{\"type\":\"close\",\"code\":1011,\"reason\":\"out of \\u0007luck\",\"clean\":true}";
    assert_eq!(lines[4..], [close]);
    assert!(!text(&output.stderr).contains("secret"));
    let head = server.join().expect("no panic");
    for line in [
        "GET /x?y HTTP/1.1",
        "Sec-WebSocket-Protocol: talk, chat",
        "Origin: http://a",
        "X-A: b",
        "Authorization: Basic YW5uOnNlY3JldA==",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
    }
    assert!(!head.contains("Extensions"), "{head}");
}

#[test]
fn binary_is_dumped_for_people_and_long_ones_in_part() {
    let (addr, server) = serve_once(|mut client| {
        client.accept("");
        client.frame(2, b"hi");
        client.frame(2, &[0xab; 33]);
        client.until_close()
    });
    let output = run_with(&["connect", "-q", &format!("ws://{addr}/")], "");
    let dumped = format!("[binary, 2 bytes: 68 69]\n[binary, 33 bytes: {}…]\n", "ab ".repeat(32));
    assert_eq!(good(&output), dumped);
    assert_eq!(server.join().expect("no panic"), 1000);
}

#[test]
fn the_first_message_is_waited_for() {
    for (code, more) in [(1000, &[][..]), (4001, &["--close", "4001"])] {
        let (addr, server) = serve_once(|mut client| {
            client.accept("");
            assert_eq!(client.next_frame(), (1, b"ask".to_vec()));
            client.frame(1, b"answer");
            client.frame(1, b"more");
            client.until_close()
        });
        let url = format!("ws://{addr}/");
        let output = run_with(&[&["connect", "-1", &url], more].concat(), "ask\n");
        assert_eq!(good(&output), "answer\n");
        assert_eq!(server.join().expect("no panic"), code);
    }
    let (addr, _) = serve_once(|mut client| {
        client.accept("");
        client.close_frame(1000, "");
        client.rest()
    });
    let output = run_with(&["connect", "-1", &format!("ws://{addr}/")], "ask\n");
    bad(&output, 1, "1000 (normal)");
}

#[test]
fn refusals_are_told_in_words() {
    let refuse = |status: &str, headers: &str, body: &str| {
        let len = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {len}\r\n\r\n{body}");
        format!("ws://{}/", answer(head))
    };
    for (url, words) in [
        (
            refuse("401 Unauthorized", "WWW-Authenticate: Basic realm=\"a\"\r\n", "who?"),
            "401 Unauthorized; it asks for credentials (Basic realm=\"a\"): --user or -H gives them: who?",
        ),
        (refuse("302 Found", "Location: /else\r\n", ""), "302 Found; it has moved to /else"),
        (refuse("404 Not Found", "", "no\nroom"), "the server answers 404 Not Found: no room"),
        (
            refuse("503 Service Unavailable", "Retry-After: 7\r\n", ""),
            "503 Service Unavailable; to be asked again after 7 s",
        ),
        (refuse("200 OK", "Content-Type: text/html\r\n", "<title>Hi</title>"), "200 OK: Hi"),
    ] {
        let output = run(&["connect", "-H", "Authorization: Bearer sesame", &url]);
        bad(&output, 1, words);
        assert!(!text(&output.stderr).contains("sesame"));
        assert_eq!(text(&output.stderr).lines().count(), 1);
    }
}

#[test]
fn servers_that_break_the_rules_are_failures_of_one_line() {
    let frames = |frames: &'static [u8]| {
        let (addr, _) = serve_once(move |mut client| {
            client.accept("");
            client.say(frames);
            // Our Close frame has come; its sender waits for the end.
            client.read(2)
        });
        format!("ws://{addr}/")
    };
    for url in [
        format!("ws://{}/", answer("SSH-2.0-OpenSSH\r\n\r\n")),
        format!("ws://{}/", answer("HTTP/1.1 101 Switching Protocols\r\n\r\n")),
        frames(b"\x81\x85maskhello"),
        frames(b"\x81\x01\xff"),
        frames(b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
        frames(b"\xc1\x01x"),
        frames(b"\x88\x02\x03\xed"),
    ] {
        let output = run(&["connect", "-q", "--stay", &url]);
        bad(&output, 1, "");
        assert_eq!(text(&output.stderr).lines().count(), 1, "{url}");
    }
    let (addr, _) = serve_once(|mut client| {
        client.accept("");
        client.frame(1, b"before");
        client.say(b"\x81\x05he");
    });
    let output = run(&["connect", "--stay", &format!("ws://{addr}/")]);
    assert_eq!(bad(&output, 1, "ended before its time"), "before\n");
    let nobody = "ws://127.0.0.1:1/";
    bad(&run(&["connect", nobody]), 1, "cannot connect to 127.0.0.1, port 1");
}

#[test]
fn a_message_over_the_bound_is_refused() {
    let (addr, _) = serve_once(|mut client| {
        client.accept("");
        client.frame(1, &[b'x'; 1000]);
        client.frame(1, &[b'x'; 1001]);
        client.rest()
    });
    let output = run(&["connect", "--stay", "--max-message", "1000", &format!("ws://{addr}/")]);
    assert_eq!(bad(&output, 1, "").len(), 1001);
}

#[test]
fn a_reader_that_leaves_is_a_good_end_and_a_signal_is_its_own() {
    for ends_by in [None, Some(Signal::INT), Some(Signal::TERM)] {
        let (addr, server) = serve_once(|mut client| {
            client.accept("");
            client.frame(1, b"first");
            client.until_close()
        });
        let mut running = Running::start(&["connect", "-q", "--stay", &format!("ws://{addr}/")]);
        assert_eq!(running.line(), "first\n");
        if let Some(signal) = ends_by {
            running.signal(signal);
        }
        let output = running.leave();
        assert_eq!(
            (output.status.signal(), text(&output.stderr)),
            (ends_by.map(Signal::as_raw), "")
        );
        assert_eq!(output.status.code(), ends_by.is_none().then_some(0));
        // The server is told either way.
        assert_eq!(server.join().expect("no panic"), 1000);
    }
}

#[test]
fn what_cannot_be_asked_for_has_status_2() {
    for (args, words) in [
        (&["localhost:8080"][..], "it begins with ws://"),
        (&["ftp://a/"], "no such scheme, ftp://: it begins with ws://"),
        (&["ws://ann:sesame@a/"], "--user gives them"),
        (&["ws://a/#b"], "no fragment"),
        (&["ws://a:99999/"], "its port is not one, as 1 to 65535 are"),
        (&["ws://a/", "-H", "sesame"], "header number 1 is not like 'Name: value'"),
        (
            &["ws://a/", "-H", "A: b", "-H", "Host: sesame"],
            "header number 2 is one that the request has itself",
        ),
        (
            &["ws://a/", "-H", "A: sesame\u{7}"],
            "header number 1 has a control character in its value",
        ),
        (
            &["ws://a/", "-H", "Sec-WebSocket-Key: sesame"],
            "cannot stand in this request (a -H with",
        ),
        (&["ws://a/", "-H", "@/nowhere"], "cannot read /nowhere"),
        (&["ws://a/", "--user", "sesame"], "NAME:PASSWORD"),
        (&["ws://a/", "--proxy", "socks5://b"], "http://HOST:PORT"),
        (&["wss://a/", "--cacert", "/dev/null"], "no certificate in it"),
        (&["ws://a/", "--subprotocol", "a b"], "no token"),
    ] {
        let output = run(&[&["connect"], args].concat());
        bad(&output, 2, words);
        assert!(!text(&output.stderr).contains("sesame"), "{output:?}");
    }
    for args in [&["--close", "1005"][..], &["--hex", "--binary"], &["--linger", "-1"]] {
        let output = run(&[&["connect", "ws://a/"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
