//! The clients over HTTP/2, with prior knowledge and by the choice of TLS.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::command_line::program::{client, good, json_lines, publish, publish_from, text};
use crate::command_line::subscriber::{Subscriber, TRANSPORTS};
use crate::common::child::{self, run_with};
use crate::common::{Serving, run, serve_anywhere, sockeye};
use crate::operations::place::Place;

/// Has each transport deliver what is published, with these options for all commands.
fn deliver(serving: &Serving, server: &[&str]) {
    for transport in TRANSPORTS {
        let args = ["--transport", transport, "--quiet", "--count", "3", transport];
        let mut subscriber = Subscriber::live(serving, &[server, &args].concat());
        good(&publish(serving, &[server, &[transport, "a"]].concat()));
        // Several frames.
        let long = "x".repeat(65_400);
        good(&publish(serving, &[server, &[transport, &long]].concat()));
        good(&publish(serving, &[server, &[transport, "end"]].concat()));
        for wanted in ["a", &*long, "end"] {
            assert!(subscriber.data() == wanted, "{transport}: {wanted}");
        }
        subscriber.wait_for_good_end();
    }
}

#[test]
fn each_transport_delivers_over_http2() {
    deliver(&serve_anywhere(), &["--http2"]);
}

#[test]
fn many_lines_are_published_over_http2_in_order() {
    let serving = serve_anywhere();
    let lines: Vec<String> = (1..=700).map(|n| format!("{n} {}", "x".repeat(n % 300))).collect();
    let output = publish_from(&serving, &["--http2", "--json", "lines"], &lines.join("\n"));
    let receipts = json_lines(good(&output));
    let places = receipts.iter().map(|it| (it["line"].as_u64(), it["seq"].as_u64()));
    assert!(places.eq((1..=700).map(|n| (Some(n), Some(n)))));
}

#[test]
fn a_web_socket_echoes_over_http2() {
    let server = serve_anywhere();
    let url = format!("ws://{}/echo", server.addr);
    let mut lines: String = (0..3000).map(|number| format!("line {number}\n")).collect();
    lines.push_str(&format!("{}\n", "x".repeat(15_000)));
    for more in [&[][..], &["--no-compress"], &["--linger", "0"]] {
        let output = run_with(&[&["connect", "-q", "--http2", &url], more].concat(), &lines);
        assert!(good(&output) == lines, "{more:?}: {:?}", text(&output.stderr));
    }
    let output = run_with(&["connect", "-1", "--http2", &url], "hi");
    let said = "sockeye: connected over HTTP/2; compressed\nsockeye: closed: 1000 (normal)\n";
    assert_eq!((child::good(&output), text(&output.stderr)), ("hi\n", said));
}

#[test]
fn events_come_over_http2() {
    let server = serve_anywhere();
    good(&publish(&server, &["news", "hello"]));
    let url = format!("http://{}/v1/sse?channel=news&cursor=earliest", server.addr);
    let output = run(&["events", "-q", "--http2", "--data", "--limit", "1", &url]);
    assert!(good(&output).contains("hello"), "{output:?}");
    let missing = format!("http://{}/nothing", server.addr);
    let output = run(&["events", "-q", "--http2", &missing]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("404"), "{output:?}");
}

/// A server that is ended with the test.
struct Secured(Child);

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with a certificate for `localhost`, its port and the authority.
fn secured(place: &Place) -> (Secured, String, String) {
    let dir = place.path("cert");
    child::good(&run(&["cert", "--out", &dir]));
    let (cert, key) = (format!("{dir}/cert.pem"), format!("{dir}/key.pem"));
    let mut command =
        sockeye(&["serve", "--listen", "127.0.0.1:0", "--cert", &cert, "--key", &key]);
    let log = File::create(place.path("log")).expect("our directory");
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
    let port = line.trim().rsplit_once(':').expect("a port").1.to_owned();
    (Secured(child), port, format!("{dir}/ca.pem"))
}

#[test]
fn tls_chooses_the_version() {
    let place = Place::new();
    let (_server, port, authority) = secured(&place);
    let (url, echo) = (format!("https://localhost:{port}"), format!("wss://localhost:{port}/echo"));
    for (more, over) in
        [(&[][..], " over HTTP/2"), (&["--http2"], " over HTTP/2"), (&["--http1.1"], "")]
    {
        let args = [&["connect", "-1", "--cacert", &authority, &echo], more].concat();
        let output = run_with(&args, "hi");
        assert_eq!(child::good(&output), "hi\n");
        let said = format!("sockeye: connected{over}; compressed\n");
        assert!(text(&output.stderr).starts_with(&said), "{more:?}: {output:?}");
    }
    let other = serve_anywhere();
    deliver(&other, &["--url", &url, "--cacert", &authority]);
    let output =
        client(&["publish", "--http1.1", "--http2", "a", "b"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
