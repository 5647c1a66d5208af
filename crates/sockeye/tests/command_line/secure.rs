//! The clients of a hub behind TLS.

use std::net::SocketAddr;
use std::process::Output;

use crate::command_line::guarded::{Room, guarded};
use crate::command_line::program::{
    client, complaint, good, history, json_lines, publish, publish_from, text,
};
use crate::command_line::subscriber::{Subscriber, TRANSPORTS};
use crate::common::tls::{
    Authority, Certificate, ELSEWHERE, EXPIRED, Ending, GOOD, UNTRUSTED, answer, forward,
};
use crate::common::{Serving, serve_anywhere};

const ISSUED: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"ticket\":\"t1\"}";

fn url(addr: SocketAddr) -> String {
    format!("https://localhost:{}", addr.port())
}

fn behind(certificates: &'static [Certificate], serving: &Serving) -> String {
    url(forward(certificates, serving.addr))
}

fn run(args: &[&[&str]]) -> Output {
    client(&args.concat()).output().expect("it starts")
}

#[test]
fn what_is_published_over_tls_arrives_over_each_transport() {
    let (serving, authority) = (serve_anywhere(), Authority::new());
    let url = behind(&[GOOD], &serving);
    let server = ["--url", &url, "--cacert", authority.path()];
    for transport in TRANSPORTS {
        let args = ["--transport", transport, "--quiet", "--count", "3", transport];
        let mut subscriber = Subscriber::live(&serving, &[&server[..], &args].concat());
        good(&publish(&serving, &[&server[..], &[transport, "a"]].concat()));
        // More than rustls holds at once.
        let long = "x".repeat(65_400);
        good(&publish(&serving, &[&server[..], &[transport, &long]].concat()));
        good(&publish(&serving, &[transport, "plain"]));
        for wanted in ["a", &*long, "plain"] {
            assert!(subscriber.data() == wanted, "{transport}: {wanted}");
        }
        subscriber.wait_for_good_end();
    }
}

#[test]
fn many_lines_are_published_over_tls_in_order() {
    let (serving, authority) = (serve_anywhere(), Authority::new());
    let url = behind(&[GOOD], &serving).replace("https", "wss");
    // More than fit into one batch, by number and by bytes.
    let lines: Vec<String> = (1..=700).map(|n| format!("{n} {}", "x".repeat(n % 300))).collect();
    let args = ["--url", &url, "--cacert", authority.path(), "--json", "lines"];
    let output = publish_from(&serving, &args, &lines.join("\n"));
    let receipts = json_lines(good(&output));
    let places = receipts.iter().map(|it| (it["line"].as_u64(), it["seq"].as_u64()));
    assert!(places.eq((1..=700).map(|n| (Some(n), Some(n)))));
    let kept = history(&serving, "lines");
    assert!(kept.len() > 100 && kept.iter().rev().zip(lines.iter().rev()).all(|(a, b)| a == b));
}

#[test]
fn a_server_behind_tls_gives_tickets() {
    let (room, authority) = (Room::new("secure"), Authority::new());
    let serving = guarded(&room);
    let url = behind(&[GOOD], &serving);
    let server = ["--url", &url, "--cacert", authority.path()];
    let key = ["--api-key-file", &room.file("shop.key")];
    let issued = run(&[&["ticket", "--channel", "a"], &server, &key]);
    let target = format!("/v1/poll?channel=a&cursor=now&wait=0&ticket={}", good(&issued).trim());
    assert!(serving.connect().ask("GET", &target, "").starts_with("HTTP/1.1 200 "));
    let nobody = run(&[&["ticket", "--channel", "a"], &server]);
    assert!(complaint(&nobody).contains("(credentials_required)"), "{nobody:?}");
}

/// An answer that goes on to the end of the connection is whole only if its end was said inside.
#[test]
fn a_ticket_comes_over_tls_and_a_truncated_one_does_not() {
    let authority = Authority::new();
    let ticket = |ending| {
        let url = url(answer(GOOD, ISSUED, ending));
        run(&[&["ticket", "--cacert", authority.path(), "--url", &url]])
    };
    assert_eq!(good(&ticket(Ending::Said)), "t1\n");
    let truncated = ticket(Ending::Truncated);
    assert_eq!(complaint(&truncated), "the connection ended before its time");
    assert_eq!(text(&truncated.stdout), "");
}

#[test]
fn the_systems_authorities_are_trusted_unless_one_is_named() {
    let (serving, authority) = (serve_anywhere(), Authority::new());
    let url = behind(&[GOOD], &serving);
    let publish = |args: &[&str], system: &Authority| {
        let mut command = client(&[&["publish", "--url", &url], args, &["a", "x"]].concat());
        command.env("SSL_CERT_FILE", system.path()).env_remove("SSL_CERT_DIR");
        command.output().expect("it starts")
    };
    let stranger = Authority::stranger();
    good(&publish(&[], &authority));
    assert!(complaint(&publish(&[], &stranger)).contains("is not trusted"));
    let named = publish(&["--cacert", stranger.path()], &authority);
    assert!(complaint(&named).contains("is not trusted"));
    assert_eq!(history(&serving, "a").len(), 1);
}

#[test]
fn a_bad_certificate_ends_each_client_in_one_line() {
    let (serving, authority) = (serve_anywhere(), Authority::new());
    good(&publish(&serving, &["a", "only"]));
    for (certificates, what) in [
        (&[UNTRUSTED], "its authority is unknown; --cacert names one"),
        (&[ELSEWHERE], "it is for another name"),
        (&[EXPIRED], "it has expired"),
    ] {
        let url = behind(certificates, &serving);
        let server = ["--url", &url, "--cacert", authority.path()];
        let refused = |args: &[&str], more: &[&str]| {
            let output = run(&[args, &server, more]);
            let why = format!("the certificate of localhost is not trusted: {what}");
            assert!(complaint(&output).starts_with(&why), "{output:?}");
            assert!(!text(&output.stdout).contains("sync"), "{output:?}");
        };
        refused(&["publish"], &["a", "x"]);
        refused(&["ticket"], &[]);
        for transport in TRANSPORTS {
            refused(&["subscribe", "--transport", transport], &["a"]);
        }
    }
    assert_eq!(history(&serving, "a"), ["only"]);
}

/// A subscription that has been there ends as well, instead of knocking for ever.
#[test]
fn a_certificate_that_becomes_bad_ends_the_subscription() {
    let authority = Authority::new();
    for transport in ["ws", "sse", "poll"] {
        let mut serving = serve_anywhere();
        let url = behind(&[GOOD, UNTRUSTED], &serving);
        let args = ["--url", &url, "--cacert", authority.path(), "--transport", transport, "a"];
        let subscriber = Subscriber::live(&serving, &args);
        serving.child.kill().expect("our child");
        serving.wait();
        let (status, said) = subscriber.wait();
        assert_eq!(status.code(), Some(1), "{transport}: {said}");
        assert!(
            said.contains("the certificate of localhost is not trusted"),
            "{transport}: {said}"
        );
    }
}

#[test]
fn what_cannot_be_tls_is_told() {
    let (serving, authority) = (serve_anywhere(), Authority::new());
    let plain = url(serving.addr);
    let output = run(&[&["publish", "--url", &plain, "--cacert", authority.path(), "a", "x"]]);
    assert!(complaint(&output).contains("answers, but not in TLS"), "{output:?}");
    for command in [&["publish", "a", "x"][..], &["ticket"], &["subscribe", "a"]] {
        let output = run(&[command, &["--url", &plain, "--cacert", "/dev/null"]]);
        assert!(complaint(&output).contains("there is no certificate in it"), "{output:?}");
    }
}
