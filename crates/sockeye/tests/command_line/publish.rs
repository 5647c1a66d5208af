//! `sockeye publish`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;

use crate::command_line::program::{
    client, client_of, complaint, good, history, json_lines, nobody, publish, publish_from, text,
};
use crate::common::scripted::serve_each;
use crate::common::serve_anywhere;

#[test]
fn an_argument_is_one_message_whatever_is_in_it() {
    let serving = serve_anywhere();
    let data = "two\nlines, \"quoted\" \\ and ünïcode";
    assert_eq!(good(&publish(&serving, &["a/b:1", data])), "published 1 message\n");
    assert_eq!(good(&publish(&serving, &["a/b:1", ""])), "published 1 message\n");
    let json = publish(&serving, &["--json-data", "a/b:1", "{\"price\":17.50,\n \"seat\": 12}"]);
    assert_eq!(good(&json), "published 1 message\n");
    let expected = [json!(data), json!(""), json!({"price": 17.50, "seat": 12})];
    assert_eq!(history(&serving, "a%2Fb:1"), expected);
}

#[test]
fn each_line_of_the_input_is_a_message_in_order() {
    let serving = serve_anywhere();
    // More than fit into one batch, by number and by bytes.
    let lines: Vec<String> = (1..=700).map(|n| format!("{n} {}", "x".repeat(n % 300))).collect();
    let output = publish_from(&serving, &["--json", "lines"], &(lines.join("\n") + "\n"));
    let receipts = json_lines(good(&output));
    let places = receipts.iter().map(|it| (it["line"].as_u64(), it["seq"].as_u64()));
    assert!(places.eq((1..=700).map(|n| (Some(n), Some(n)))));
    // As many as are kept.
    let (kept, lines) = (history(&serving, "lines"), lines.iter().map(|it| json!(it)));
    let lines: Vec<_> = lines.collect();
    assert!(kept.len() > 100 && lines.ends_with(&kept), "{} are kept", kept.len());

    let output = publish_from(&serving, &["--json-data", "values", "-"], "1\n\n[2]\r\n\"three\"");
    assert_eq!(good(&output), "published 3 messages\n");
    assert_eq!(history(&serving, "values"), [json!(1), json!([2]), json!("three")]);
    assert_eq!(good(&publish_from(&serving, &["none"], "")), "published 0 messages\n");
}

#[test]
fn a_bad_number_is_told_its_range() {
    for bad in ["-1", "0", "2592000001", "1.5", "soon"] {
        let output = client(&["publish", "--ttl-ms", bad, "c", "x"]).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = text(&output.stderr);
        let expected =
            format!("invalid value '{bad}' for '--ttl-ms <N>': expected a whole number, 1");
        assert!(said.contains(&expected) && said.contains(" to 2592000000 (30 days)"), "{said}");
    }
    for bad in ["-1", "0"] {
        let output = client(&["subscribe", "--count", bad, "c"]).output().expect("it starts");
        let said = text(&output.stderr);
        assert!(said.contains("'--count <N>': expected a whole number, at least 1"), "{said}");
    }
    let output = publish(&serve_anywhere(), &["--ttl-ms", "2592000000", "c", "x"]);
    assert_eq!(good(&output), "published 1 message\n");
}

#[test]
fn receipts_are_lines_of_json() {
    let serving = serve_anywhere();
    let output = publish_from(&serving, &["--json", "--event", "tick", "r"], "a\nb\n");
    let receipts = json_lines(good(&output));
    assert_eq!(receipts.len(), 2);
    for (at, receipt) in receipts.iter().enumerate() {
        assert_eq!(receipt["type"], "published");
        assert_eq!(receipt["line"], at + 1);
        assert_eq!(receipt["seq"], at + 1);
        assert_eq!((&receipt["channel"], &receipt["level"]), (&json!("r"), &json!("accepted")));
        assert_eq!(receipt["duplicate"], false);
    }
    let again = publish(&serving, &["--json", "r", "c"]);
    let receipt = &json_lines(good(&again))[0];
    assert_eq!((receipt.get("line"), &receipt["seq"]), (None, &json!(3)));
}

#[test]
fn a_key_makes_a_second_run_harmless() {
    let serving = serve_anywhere();
    assert_eq!(good(&publish(&serving, &["--key", "k", "once", "x"])), "published 1 message\n");
    let known = "published 1 message, 1 of them known already\n";
    assert_eq!(good(&publish(&serving, &["--key", "k", "once", "x"])), known);
    let import = |input| publish_from(&serving, &["--key", "import", "once"], input);
    assert_eq!(good(&import("a\nb\n")), "published 2 messages\n");
    assert_eq!(good(&import("a\nb\nc\n")), "published 3 messages, 2 of them known already\n");
    assert_eq!(history(&serving, "once"), [json!("x"), json!("a"), json!("b"), json!("c")]);
    // Without one, the same message is another one each time.
    assert_eq!(good(&publish(&serving, &["once", "x"])), "published 1 message\n");
    assert_eq!(good(&publish(&serving, &["once", "x"])), "published 1 message\n");
    assert_eq!(history(&serving, "once").len(), 6);
}

#[test]
fn what_is_refused_is_said_in_one_line() {
    let serving = serve_anywhere();
    let refused = publish(&serving, &["no spaces", "x"]);
    assert!(complaint(&refused).starts_with("not published: "), "{refused:?}");
    assert!(complaint(&refused).ends_with("(bad_channel)"), "{refused:?}");
    good(&publish(&serving, &["--expect", "0", "e", "first"]));
    let refused = publish(&serving, &["--expect", "0", "e", "second"]);
    assert!(complaint(&refused).ends_with("(expect_failed)"), "{refused:?}");
    let refused = publish(&serving, &["--json-data", "e", "{"]);
    assert!(complaint(&refused).starts_with("not JSON: "), "{refused:?}");
    let big = "x".repeat(100_000);
    let refused = publish(&serving, &["e", &big]);
    assert_eq!(complaint(&refused).matches("(too_large)").count(), 1, "{refused:?}");
    assert_eq!(history(&serving, "e"), [json!("first")]);

    // One bad line does not stop the others.
    let input = format!("1\n{{\n2\n\"{big}\"\n3\n");
    let refused = publish_from(&serving, &["--json-data", "--json", "some"], &input);
    let said = complaint(&refused);
    assert!(said.starts_with("2 of 5 messages were not published; line 2: not JSON"), "{said}");
    let kinds = json_lines(text(&refused.stdout));
    let kinds: Vec<_> = kinds.iter().map(|it| (&it["line"], it["type"].as_str())).collect();
    let (good, bad) = (Some("published"), Some("error"));
    let mut expected =
        [(1, good), (2, bad), (3, good), (4, bad), (5, good)].map(|(n, k)| (json!(n), k));
    expected.sort_by_key(|(n, _)| n.as_u64());
    let mut kinds: Vec<_> = kinds.into_iter().map(|(n, k)| (n.clone(), k)).collect();
    kinds.sort_by_key(|(n, _)| n.as_u64());
    assert_eq!(kinds, expected);
    assert_eq!(history(&serving, "some"), [json!(1), json!(2), json!(3)]);
}

#[test]
fn a_server_that_is_not_there_and_urls_that_are_none() {
    let addr = nobody();
    for (url, words) in [
        (format!("http://{addr}"), "Is the server running?"),
        (format!("https://{addr}"), "Is the server running?"),
        ("http://127.0.0.1:99999".to_owned(), "its port is not one, as 1 to 65535 are"),
        (format!("ftp://{addr}"), "the URL has to begin with http:// or https://"),
    ] {
        let output = client(&["publish", "--url", &url, "a", "b"]).output().expect("it starts");
        assert!(complaint(&output).contains(words), "{output:?}");
    }
}

/// The server is a script: it takes the first request and breaks off, and answers the second.
#[test]
fn what_had_no_answer_is_sent_again_with_the_same_key() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let server = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        for answer in [None, Some("{\"results\":[{\"line\":1},{\"line\":2}]}")] {
            let (socket, _) = listener.accept().expect("a client");
            let mut socket = BufReader::new(socket);
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let start = head.len();
                socket.read_line(&mut head).expect("text");
                let found = head[start..].strip_prefix("Content-Length: ");
                length = found.map_or(length, |text| text.trim().parse().expect("a number"));
            }
            assert!(head.starts_with("POST /hub/v1/batch HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("\r\nAuthorization: Bearer jot\r\n"), "{head}");
            let mut body = vec![0; length];
            socket.read_exact(&mut body).expect("a body");
            bodies.push(String::from_utf8(body).expect("text"));
            if let Some(answer) = answer {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
                socket.get_mut().write_all((head + answer).as_bytes()).expect("it reads");
            }
        }
        bodies
    });
    // Both lines are there before the first is read: the input is a file.
    let path = std::env::temp_dir().join(format!("sockeye-publish-{}", std::process::id()));
    std::fs::write(&path, "one\ntwo\n").expect("a file");
    let mut command = client(&["publish", "--url", &(url + "/hub/"), "--token", "jot", "c"]);
    let output = command.stdin(std::fs::File::open(&path).expect("it is there")).output();
    std::fs::remove_file(&path).expect("it is there");
    let bodies = server.join().expect("it served");
    // How many lines went together is the reader thread's luck; whatever it was, it is the same again.
    assert_eq!(bodies[0], bodies[1]);
    let lines = json_lines(&bodies[0]);
    let keys: Vec<_> = lines.iter().map(|line| line["key"].as_str().expect("a key")).collect();
    assert!(keys[0].starts_with("cli-") && keys[0].ends_with("-1"), "{keys:?}");
    let output = output.expect("it starts");
    if lines.len() == 2 {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(text(&output.stdout), "published 2 messages\n");
        let said = text(&output.stderr);
        assert!(said.starts_with("sockeye: ") && said.ends_with("; again in 0.0 s\n"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// Each attempt that is made again is told, with how long it takes until then.
#[test]
fn what_is_tried_again_is_told() {
    const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"results\":[{}]}";
    for quiet in [false, true] {
        let (addr, server) = serve_each(3, |index, mut client| {
            client.say(if index < 2 { BUSY } else { DONE });
            client.rest();
        });
        let url = format!("http://{addr}");
        let mut command = client(&["publish", "--url", &url, "a", "b"]);
        command.args(quiet.then_some("-q"));
        let output = command.output().expect("it starts");
        server.join().expect("it served");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(text(&output.stdout), "published 1 message\n");
        let said: Vec<&str> = text(&output.stderr).lines().collect();
        assert_eq!(said.len(), if quiet { 0 } else { 2 }, "{said:?}");
        for line in said {
            assert!(line.starts_with("sockeye: the server refused: status 503"), "{line}");
            assert!(line.contains("; again in 0."), "{line}");
        }
    }
}

/// As most programs have it: what is empty was not set.
#[test]
fn an_empty_variable_is_none() {
    let serving = serve_anywhere();
    for name in ["SOCKEYE_API_KEY", "SOCKEYE_TOKEN"] {
        let mut command = client_of(&serving, &["publish", "a", "b"]);
        let output = command.env(name, "").output().expect("it starts");
        assert_eq!(good(&output), "published 1 message\n", "{name}");
    }
}
