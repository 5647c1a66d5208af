//! `sockeye events` against the real program, and against servers that follow a script.

use crate::common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::common::child::{Running, bad, good, run_with, text};
use crate::common::scripted::{answer, serve_each, serve_once};
use common::{run, serve_anywhere};
use rustix::process::Signal;

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const GONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A stream that ends with the server's word that there is no more.
fn stream(body: &'static str) -> String {
    let (addr, _) = serve_each(2, move |index, mut client| {
        client.say(if index == 0 {
            format!("{STREAM}retry: 1\n\n{body}")
        } else {
            GONE.to_owned()
        });
    });
    format!("http://{addr}/events")
}

#[test]
fn events_in_each_form() {
    let body =
        ": hello\nid: 7\nevent: tick\ndata: one\ndata:  two\n\ndata: {\"a\":1}\n\nid\ndata: ü\n\n";
    for (args, expected) in [
        (
            &[][..],
            "id: 7\nevent: tick\ndata: one\ndata:  two\n\nid: 7\ndata: {\"a\":1}\n\nid: \ndata: ü\n\n",
        ),
        (&["--data"], "one\n two\n{\"a\":1}\nü\n"),
        (
            &["--json", "--comments"],
            "{\"comment\":\"hello\"}\n\
             {\"id\":\"7\",\"event\":\"tick\",\"data\":\"one\\n two\"}\n\
             {\"id\":\"7\",\"event\":\"message\",\"data\":\"{\\\"a\\\":1}\"}\n\
             {\"event\":\"message\",\"data\":\"ü\"}\n",
        ),
        (&["--comments", "--limit", "1"], ": hello\nid: 7\nevent: tick\ndata: one\ndata:  two\n\n"),
    ] {
        let output = run(&[&["events", "-q", &stream(body)], args].concat());
        assert_eq!(good(&output), expected, "{args:?}");
        assert_eq!(text(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn the_stream_s_own_form_can_be_read_again() {
    let output = run(&["events", "-q", &stream("id: 1\nevent: a\ndata: x\ndata:\ndata: y\n\n")]);
    let first = good(&output).to_owned();
    let again = answer(format!("{STREAM}{first}"));
    let output = run(&["events", "-q", "--limit", "1", &format!("http://{again}/")]);
    assert_eq!(good(&output), first);
}

#[test]
fn a_place_is_kept_over_cuts_and_runs() {
    let file = std::env::temp_dir().join(format!("sockeye-place-{}", std::process::id()));
    let _ = fs::remove_file(&file);
    let path = file.to_str().expect("text");
    let (addr, server) = serve_each(4, |index, mut client| {
        let asked = client.header("Last-Event-ID").map(str::to_owned);
        match index {
            0 => client.say(format!("{STREAM}retry: 1\n\nid: 1\ndata: a\n\nid: 2\ndata: cut")),
            1 => client.say(format!("{STREAM}id: 2\ndata: b\n\nid: 3\n\n")),
            2 => client.say(GONE),
            _ => client.say(format!("{STREAM}id: 4\ndata: d\n\n")),
        }
        assert_eq!(asked.as_deref(), [Some("0"), Some("1"), Some("3"), Some("3")][index]);
    });
    let url = format!("http://{addr}/");
    let args = ["events", "--data", "--resume", path, "--last-event-id", "0", &url];
    let output = run(&args);
    assert_eq!(good(&output), "a\nb\n");
    let said: Vec<&str> = text(&output.stderr).lines().collect();
    assert!(said[0].starts_with("sockeye: the connection ended; again in 0."), "{said:?}");
    assert_eq!(said[1], "sockeye: connected again");
    assert_eq!(said.last(), Some(&"sockeye: the server has no more (204 No Content)"));
    assert_eq!(fs::read_to_string(&file).expect("it is kept"), "3\n");
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    let output = run(&[&args[..], &["--limit", "1"]].concat());
    assert_eq!(good(&output), "d\n");
    assert_eq!(fs::read_to_string(&file).expect("it is kept"), "4\n");
    server.join().expect("what was asked is right");
    fs::remove_file(&file).expect("it is there");
}

#[test]
fn a_place_may_be_a_link_and_nothing_but_a_file() {
    let dir = std::env::temp_dir().join(format!("sockeye-places-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("far")).expect("a directory");
    let path = |name: &str| dir.join(name).into_os_string().into_string().expect("text");
    fs::write(path("far/place"), "7\n").expect("written");
    std::os::unix::fs::symlink("far/place", path("link")).expect("a link");
    std::os::unix::fs::symlink("nowhere", path("nothing")).expect("a link");
    let (addr, server) = serve_once(|mut client| {
        client.say(format!("{STREAM}id: 8\ndata: a\n\n"));
        client.header("Last-Event-ID").map(str::to_owned)
    });
    let url = format!("http://{addr}/");
    good(&run(&["events", "-q", "-n", "1", "--resume", &path("link"), &url]));
    assert_eq!(server.join().expect("no panic").as_deref(), Some("7"));
    assert!(fs::symlink_metadata(path("link")).expect("it is there").is_symlink());
    assert_eq!(fs::read_to_string(path("far/place")).expect("it is kept"), "8\n");
    let pipe = std::process::Command::new("mkfifo").arg(path("pipe")).status().expect("a tool");
    assert!(pipe.success());
    for (name, why) in [
        ("pipe", "this is no regular file"),
        ("far", "this is no regular file"),
        ("nothing", "this is a link to nothing"),
    ] {
        bad(&run(&["events", "--resume", &path(name), &url]), 2, why);
    }
    fs::remove_dir_all(&dir).expect("it is there");
}

#[test]
fn who_waits_for_an_answer_is_told() {
    let (told, was_told) = std::sync::mpsc::channel();
    let (addr, _) = serve_once(move |mut client| {
        was_told.recv().expect("the test is there");
        client.say(format!("{STREAM}data: a\n\n"));
        client.rest();
    });
    let url = format!("http://{addr}/");
    let mut command = common::sockeye(&["events", "--data", "-n", "1", &url]);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a start");
    let mut said = String::new();
    let stderr = child.stderr.take().expect("piped");
    BufReader::new(stderr).read_line(&mut said).expect("text");
    assert_eq!(said, "sockeye: connected; waiting for an answer\n");
    told.send(()).expect("the server waits");
    assert_eq!(good(&child.wait_with_output().expect("it ends")), "a\n");
}

#[test]
fn redirects_that_lead_nowhere_are_told() {
    let (addr, _) = serve_each(21, |_, mut client| {
        client.say("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
        client.rest();
    });
    let output = run(&["events", &format!("http://{addr}/")]);
    bad(&output, 1, "redirected more than 20 times, and no answer");
    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: ftp://a/\r\nContent-Length: 0\r\n\r\n";
    let output = run(&["events", &format!("http://{}/", answer(elsewhere))]);
    bad(&output, 1, "the server redirects to what is not one http:// or https:// URL");
}

#[test]
fn the_clock_goes_on_where_it_was() {
    let server = serve_anywhere();
    let url = format!("http://{}/clock", server.addr);
    let first = run(&["events", "-q", "--limit", "1", "--json", &url]);
    let id = |line: &str| -> u64 {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        event["id"].as_str().expect("an ID").parse().expect("a number")
    };
    let start = id(good(&first));
    let from = (start - 5).to_string();
    let output = run(&["events", "-q", "-n", "4", "--json", "--last-event-id", &from, &url]);
    let ids: Vec<u64> = good(&output).lines().map(id).collect();
    assert_eq!(ids, [start - 4, start - 3, start - 2, start - 1]);
}

#[test]
fn an_answer_that_ends_is_taken_once() {
    let body = "{\"stream\":true}";
    let asked = |args: &[&str], input: &str, answer: String| {
        let (addr, server) = serve_once(move |mut client| {
            let len = client.header("Content-Length").map_or(0, |it| it.parse().expect("a number"));
            let body = client.read(len);
            client.say(answer);
            (client.head, String::from_utf8(body).expect("text"))
        });
        let url = format!("http://{addr}/v1/chat");
        let output = run_with(&[&["events", "--once", "--data", &url], args].concat(), input);
        let (head, body) = server.join().expect("no panic");
        (output, head, body)
    };
    let whole = format!("{STREAM}data: Hel\n\ndata: lo\n\n");
    for (args, input) in [(["-d", body], ""), (["-d", "-"], body)] {
        let (output, head, sent) = asked(&args, input, whole.clone());
        assert_eq!((good(&output), &*sent), ("Hel\nlo\n", body));
        assert!(head.starts_with("POST /v1/chat HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Content-Type: application/json\r\n"), "{head}");
    }
    let (output, head, _) = asked(&["-d", "a=b", "-X", "PUT"], "", whole);
    assert_eq!(good(&output), "Hel\nlo\n");
    assert!(head.starts_with("PUT ") && !head.contains("Content-Type"), "{head}");
    let (output, _, _) = asked(&[], "", format!("{STREAM}data: Hel\n\ndata: l"));
    assert_eq!(bad(&output, 1, "the answer ended too early"), "Hel\n");
}

#[test]
fn what_is_no_stream_is_told_in_words() {
    let say = |status: &str, headers: &str, body: &str| {
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        format!("http://{}/", answer(head + body))
    };
    let kind = "Content-Type: text/event-stream\r\n";
    for (url, words) in [
        (
            say("200 OK", &format!("{kind}Content-Encoding: gzip\r\n"), "x"),
            "the answer is compressed (gzip), which was not asked for",
        ),
        (say("200 OK", "Content-Type: text/html\r\n", "x"), "is no event stream but text/html"),
        (say("200 OK", "", "x"), "does not say that it is an event stream"),
        (say("404 Not Found", kind, "no such river"), "404 Not Found: no such river"),
        (say("500 Internal Server Error", "", ""), "500 Internal Server Error"),
        (say("302 Found", "", ""), ""),
        ("http://127.0.0.1:1/".to_owned(), "cannot connect to 127.0.0.1, port 1"),
        (format!("http://{}/", answer("SSH-2.0-OpenSSH\r\n\r\n")), ""),
        (
            format!("http://{}/", answer(format!("{STREAM}data: {}\n\n", "x".repeat(2000)))),
            "larger than 1000",
        ),
    ] {
        let output = run(&["events", "--max-event", "1000", "-H", "X-Key: sesame", &url]);
        assert_eq!(bad(&output, 1, words), "");
        let said = text(&output.stderr);
        assert!(!said.contains("sesame") && said.lines().count() == 1, "{url}: {said}");
    }
}

#[test]
fn a_busy_server_is_asked_again_if_that_is_wanted() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
    let (addr, _) = serve_each(2, move |index, mut client| match index {
        0 => client.say(busy),
        _ => client.say(format!("{STREAM}data: a\n\n")),
    });
    let url = format!("http://{addr}/");
    let output = run(&["events", "--retry-on-busy", "--data", "--limit", "1", &url]);
    assert_eq!(good(&output), "a\n");
    assert!(text(&output.stderr).contains("503 Service Unavailable"), "{output:?}");
}

#[test]
fn a_silent_stream_is_lost() {
    let (addr, _) = serve_each(2, |index, mut client| {
        client.say(format!("{STREAM}retry: 1\n\ndata: {index}\n\n"));
        client.rest();
    });
    let url = format!("http://{addr}/");
    let output = run(&["events", "--silence", "1", "--data", "--limit", "2", &url]);
    assert_eq!(good(&output), "0\n1\n");
    assert!(text(&output.stderr).contains("silent for too long; again in"), "{output:?}");
}

#[test]
fn a_reader_that_leaves_is_a_good_end_and_a_signal_is_its_own() {
    for ends_by in [None, Some(Signal::INT), Some(Signal::TERM)] {
        let (addr, _) = serve_once(|mut client| {
            client.say(format!("{STREAM}id: a\ndata: first\n\n"));
            client.rest();
        });
        let url = format!("http://{addr}/");
        let mut running = Running::start(&["events", "--data", &url]);
        assert_eq!(running.line(), "first\n");
        if let Some(signal) = ends_by {
            running.signal(signal);
            assert_eq!(running.line(), "");
        }
        let output = running.leave();
        let said = if ends_by.is_none() { "" } else { "sockeye: last event ID: a\n" };
        assert_eq!(text(&output.stderr), said);
        assert_eq!(output.status.signal(), ends_by.map(Signal::as_raw));
        assert_eq!(output.status.code(), ends_by.is_none().then_some(0));
    }
}

#[test]
fn a_flood_ends_by_a_signal_and_by_its_reader() {
    let flood = || {
        let (addr, _) = serve_once(|mut client| {
            client.say(STREAM);
            let events = "data: x\n\n".repeat(10_000);
            while std::io::Write::write_all(&mut client.socket, events.as_bytes()).is_ok() {}
        });
        format!("http://{addr}/")
    };
    let mut running = Running::start(&["events", "--data", &flood()]);
    assert_eq!(running.line(), "x\n");
    assert_eq!(running.leave().status.code(), Some(0));
    // The pipe is full, and nobody reads: the signal is heard all the same.
    let mut running = Running::start(&["events", "--data", &flood()]);
    assert_eq!(running.line(), "x\n");
    running.interrupt();
    assert_eq!(running.wait().signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn what_cannot_be_asked_for_has_status_2() {
    let long = std::env::temp_dir().join(format!("sockeye-no-place-{}", std::process::id()));
    fs::write(&long, "a\nb\n").expect("written");
    let no_place: &str = PathBuf::as_path(&long).to_str().expect("text");
    for (args, words) in [
        (&["localhost:8080"][..], "it begins with ws://"),
        (&["http://a/", "-H", "sesame"], "header number 1"),
        (&["http://a/", "-H", "A: b\nC: sesame"], "header number 1 has a line end"),
        (&["http://a/", "--last-event-id", "a\nb"], "has a control character"),
        (&["http://a/", "-H", "Last-Event-ID: 1"], "(Last-Event-ID: --last-event-id gives it)"),
        (&["gopher://a/"], "no such scheme, gopher://"),
        (&["http://a/", "-X", "HEAD"], "a method that is none"),
        (&["http://a/", "-X", "GET", "-d", "x"], "a method that is none"),
        (&["http://a/", "-d", "@/nowhere"], "cannot read /nowhere"),
        (&["http://a/", "--resume", no_place], "has no event ID in it"),
    ] {
        let output = run(&[&["events"], args].concat());
        bad(&output, 2, words);
        assert!(!text(&output.stderr).contains("sesame"), "{output:?}");
    }
    fs::remove_file(&long).expect("it is there");
    let nowhere = run(&["events", "--resume", "/nowhere/place", "http://127.0.0.1:1/"]);
    bad(&nowhere, 1, "cannot keep the place in /nowhere/place");
}
