//! `sockeye bench` against the real program, against honest servers of a few lines, and against liars.

mod peers;

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Output, Stdio};

use crate::common::scripted::answer;
use crate::common::tls::{self, without_connect_protocol};
use crate::common::{run, serve, serve_anywhere, sockeye, unused_addr};
use crate::operations::place::Place;
use peers::{Manner, Spread, bare, bare_broadcast, broadcast, echo};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Runs a load to its end; gives the report and what was said on standard error.
fn bench(args: &[&str]) -> (Option<i32>, Value, String) {
    let output: Output = run(&[&["bench"], args, &["--json", "--quiet"]].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let said = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), report, said)
}

/// A load at which nothing is wrong.
fn good(args: &[&str]) -> Value {
    let (status, report, said) = bench(args);
    assert_eq!((status, &*said), (Some(0), ""), "{args:?}: {report}");
    assert_eq!(number(&report, "errors"), 0, "{report}");
    report
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// A server with a certificate, its authority, and its address with the name that the certificate has.
fn serve_secure(place: &Place) -> (Secure, String, String) {
    let dir = place.path("dev");
    assert!(run(&["cert", "--out", &dir]).status.success());
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| format!("{dir}/{name}"));
    let mut command =
        sockeye(&["serve", "--listen", "127.0.0.1:0", "--cert", &cert, "--key", &key]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("text");
    let (_, port) = line.trim().rsplit_once(':').expect("an address");
    (Secure(child), ca, format!("localhost:{port}"))
}

/// A server that is killed with the test.
struct Secure(std::process::Child);

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// HTTP/2 by ALPN, where nobody asks for HTTP/1.1, and in both kinds of streams.
#[test]
fn loads_go_through_tls() {
    let place = Place::new();
    let (_server, ca, authority) = serve_secure(&place);
    let (echo, hub) = (format!("wss://{authority}/echo"), format!("wss://{authority}/v1/ws"));
    let events = format!("https://{authority}/v1/sse?channel=bench");
    let publish = format!("https://{authority}/v1/channels/bench");
    for (more, streams) in [
        (&["--cacert", &ca][..], 1),
        (&["--insecure", "--http1.1"], 0),
        (&["--insecure", "--http2"], 1),
        (&["--insecure", "--streams", "4"], 4),
    ] {
        let report = good(&[&["echo", &echo, "--bytes", "20000"], &FEW[..], more].concat());
        assert_eq!(number(&report, "received"), 300, "{more:?}: {report}");
        assert_eq!(number(&report, "streams"), streams, "{more:?}: {report}");
        let short = ["--connections", "3", "--duration", "0.3", "--warm-up", "0"];
        let report = good(&[&["fanout", &hub], &short[..], more].concat());
        assert!(number(&report, "deliveries") > 0 && number(&report, "lost") == 0, "{report}");
        assert_eq!(number(&report, "streams"), streams, "{more:?}: {report}");
        let report = good(&[&["sse", "--publish", &publish, &events], &short[..], more].concat());
        assert!(number(&report, "deliveries") > 0 && number(&report, "lost") == 0, "{report}");
        assert_eq!(number(&report, "streams"), streams, "{more:?}: {report}");
    }
    let idle = ["idle", &echo, "--insecure", "--touch", "9", "--duration", "0.2"];
    let report = good(&[&idle[..], &["--connections", "5"]].concat());
    assert_eq!((number(&report, "connections"), number(&report, "streams")), (5, 1), "{report}");
}

/// Without TLS the command line decides, and the publisher speaks as its subscribers do.
#[test]
fn http2_is_spoken_with_prior_knowledge() {
    let server = serve_anywhere();
    let (echo, hub) = (format!("ws://{}/echo", server.addr), format!("ws://{}/v1/ws", server.addr));
    let http = format!("http://{}/v1", server.addr);
    let (post, stream) = (format!("{http}/channels/b"), format!("{http}/sse?channel=b"));
    let short = ["--connections", "3", "--duration", "0.3", "--warm-up", "0"];
    for (more, streams) in [(&["--http2"][..], 1), (&["--http1.1"], 0), (&[], 0)] {
        let report = good(&[&["echo", &echo], &FEW[..], more].concat());
        let told = (number(&report, "received"), number(&report, "streams"));
        assert_eq!(told, (300, streams), "{more:?}: {report}");
        for what in [&["fanout", &hub][..], &["sse", &stream, "--publish", &post]] {
            let report = good(&[what, &short, more].concat());
            assert!(number(&report, "deliveries") > 0, "{what:?} {more:?}: {report}");
            let told = (number(&report, "subscribers"), number(&report, "streams"));
            assert_eq!(told, (3, streams), "{what:?} {more:?}: {report}");
        }
    }
    let (_, figures) = server.connect().fetch("GET", "/metrics");
    let opened =
        figures.lines().find(|line| line.starts_with("sockeye_http2_streams_opened_total"));
    // Three echoes, three subscribers and their publisher, three event streams.
    assert_eq!(opened, Some("sockeye_http2_streams_opened_total 10"), "{figures}");
    let (status, _, said) = bench(&["echo", &echo, "--http1.1", "--streams", "2"]);
    assert!(status == Some(2) && said.contains("--http1.1"), "{said}");
    let (status, _, said) = bench(&["echo", &format!("tcp://{}", bare()), "--http2"]);
    assert!(status == Some(1) && said.contains("carried by HTTP/2"), "{said}");
}

/// A server that takes WebSockets over HTTP/1.1 only is spoken to in it, whatever it chooses by ALPN.
#[test]
fn websockets_fall_back_where_http2_has_none() {
    let addr = without_connect_protocol(tls::GOOD, echo(Manner::Honest));
    let url = format!("wss://localhost:{}/", addr.port());
    let report = good(&[&["echo", &url, "--insecure"], &FEW[..]].concat());
    let told = (number(&report, "received"), number(&report, "streams"));
    assert_eq!(told, (300, 0), "{report}");
    let (status, _, said) = bench(&[&["echo", &url, "--insecure", "--http2"], &FEW[..]].concat());
    assert_eq!(status, Some(1), "{said}");
    let addr = tls::forward(&[tls::GOOD], echo(Manner::Honest));
    let url = format!("wss://localhost:{}/", addr.port());
    let report = good(&[&["echo", &url, "--insecure"], &FEW[..]].concat());
    assert_eq!(number(&report, "streams"), 0, "{report}");
    let (status, _, said) = bench(&[&["echo", &url, "--insecure", "--http2"], &FEW[..]].concat());
    assert!(status == Some(1) && said.contains("TLS failed"), "{said}");
}

#[test]
fn failures_of_tls_are_named() {
    let place = Place::new();
    let (_server, _, authority) = serve_secure(&place);
    let plain = serve_anywhere();
    let few = ["--connections", "2", "--duration", "0.1"];
    for (url, more, words) in [
        (format!("wss://{authority}/echo"), &[][..], "TLS failed"),
        (format!("wss://{}/echo", plain.addr), &["--insecure"], "TLS failed"),
        (format!("wss://{authority}/echo"), &["--cacert", "/nowhere"], "/nowhere"),
    ] {
        let (status, _, said) = bench(&[&["echo", &url], &few[..], more].concat());
        assert!(status == Some(1) && said.contains(words), "{url} {more:?}: {said}");
    }
}

const FEW: [&str; 6] = ["--messages", "300", "--warm-up", "0", "--connections", "3"];

#[test]
fn an_echo_is_counted_to_the_message() {
    let server = serve_anywhere();
    let (pid, url) = (server.child.id().to_string(), format!("ws://{}/echo", server.addr));
    for more in [
        &["--pid", &pid][..],
        &["--bytes", "0"],
        &["--bytes", "1", "--content", "text"],
        &["--bytes", "5000", "--content", "mixed", "--pipeline", "7"],
        &["--bytes", "300000", "--pipeline", "2"],
        &["--bytes", "1000", "--content", "text", "--deflate", "--pipeline", "3"],
        &["--rate", "2000"],
    ] {
        let report = good(&[&["echo", &url], &FEW[..], more].concat());
        for name in ["messages", "sent", "received", "latency_count"] {
            assert_eq!(number(&report, name), 300, "{name} with {more:?}: {report}");
        }
        assert_eq!(number(&report, "lost"), 0);
        assert!(number(&report, "latency_p50_ns") <= number(&report, "latency_max_ns"));
    }
    let report = good(&[&["echo", &url, "--pid", &pid], &FEW[..]].concat());
    assert!(number(&report, "server_rss_bytes") > 0, "{report}");
    let report = good(
        &[&["echo", &url, "--deflate", "--content", "text", "--bytes", "4096"], &FEW[..]].concat(),
    );
    assert!(number(&report, "wire_bytes") < 2048, "it was not compressed: {report}");
}

#[test]
fn a_run_by_time_counts_what_came_in_it() {
    let server = serve_anywhere();
    let url = format!("ws://{}/echo", server.addr);
    let report = good(&["echo", &url, "--duration", "0.3", "--warm-up", "0.1"]);
    let (messages, received) = (number(&report, "messages"), number(&report, "received"));
    assert!(messages > 0 && messages < received, "the warm-up is not counted: {report}");
    assert_eq!(number(&report, "sent"), received);
}

#[test]
fn servers_of_a_few_lines_will_do() {
    let url = format!("tcp://{}", bare());
    assert_eq!(number(&good(&[&["echo", &url], &FEW[..]].concat()), "messages"), 300);
    for manner in [Manner::Honest, Manner::Fragments] {
        let url = format!("ws://{}/", echo(manner));
        let report = good(&[&["echo", &url, "--pipeline", "4"], &FEW[..]].concat());
        assert_eq!(number(&report, "received"), 300, "{manner:?}");
        let report = good(&["idle", &url, "--touch", "9", "--duration", "2", "--ping", "0.05"]);
        assert_eq!(number(&report, "messages"), 64);
        assert!(number(&report, "pong_count") >= 64, "{report}");
    }
}

/// No machine is too slow for this: each message of the 300 is due a millisecond after the one before it,
/// and none but four is answered before the pause is over.
#[test]
fn what_piles_up_behind_a_pause_is_counted_with_its_waiting() {
    let url = format!("ws://{}/", echo(Manner::Pause));
    let once = ["--messages", "300", "--warm-up", "0", "--connections", "1"];
    let report = good(&[&["echo", &url, "--rate", "1000"], &once[..]].concat());
    assert_eq!(number(&report, "latency_count"), 300);
    assert!(number(&report, "latency_p50_ns") >= 150_000_000, "{report}");
    assert!(number(&report, "latency_mean_ns") >= 140_000_000, "{report}");
}

#[test]
fn liars_are_found_out() {
    for (manner, kind, word) in [
        (Manner::WrongByte, "differs", "not what was sent"),
        (Manner::Short, "differs", "not what was sent"),
        (Manner::WrongKind, "differs", "not what was sent"),
        // What follows the one that is missing differs from it.
        (Manner::Swallow, "differs", "not what was sent"),
        (Manner::Twice, "differs", "not what was sent"),
        (Manner::FallSilent, "lost", "never came"),
        (Manner::Close, "closed", "code 1001"),
        (Manner::Cut, "ended", "without a Close frame"),
        (Manner::Masked, "protocol", "mask"),
        (Manner::Huge, "protocol", "protocol violated"),
    ] {
        let url = format!("ws://{}/", echo(manner));
        let patience = if manner == Manner::FallSilent { "3" } else { "20" };
        let (status, report, said) =
            bench(&[&["echo", &url, "--pipeline", "2", "--patience", patience], &FEW[..]].concat());
        assert_eq!(status, Some(1), "{manner:?}: {report}");
        assert!(said.contains("wrong"), "{manner:?}: {said}");
        assert!(number(&report["errors_by_kind"], kind) > 0, "{manner:?}: {report}");
        let first = report["first_error"].as_str().expect("words");
        assert!(first.contains(word), "{manner:?}: {first}");
        let (sent, received) = (number(&report, "sent"), number(&report, "received"));
        assert_eq!(sent, received + number(&report, "lost"), "{manner:?}: {report}");
        assert!(number(&report, "lost") > 0 && received < 300, "{manner:?}: {report}");
    }
}

#[test]
fn a_message_too_many_at_the_very_end_is_heard() {
    let url = format!("ws://{}/", echo(Manner::Afterthought));
    let (status, report, _) =
        bench(&["echo", &url, "--messages", "5", "--warm-up", "0", "--connections", "1"]);
    assert_eq!((status, &report["errors_by_kind"]["unasked"]), (Some(1), &1.into()), "{report}");
    assert_eq!((number(&report, "received"), number(&report, "lost")), (5, 0));
}

#[test]
fn where_nothing_can_be_measured_there_is_a_line_and_no_report() {
    for (addr, patience, why) in [
        (unused_addr(), "20", "refused"),
        (echo(Manner::Refuse), "20", "status 403"),
        (echo(Manner::WrongAccept), "20", "wrong answer to the opening handshake"),
        (echo(Manner::Mute), "0.3", "nothing came any more"),
    ] {
        let url = format!("ws://{addr}/");
        let (status, report, said) = bench(&["echo", &url, "--patience", patience]);
        assert_eq!((status, &report), (Some(1), &Value::Null), "{said}");
        assert!(said.contains(why) && said.lines().count() == 1, "{why}: {said}");
    }
}

#[test]
fn a_hub_delivers_everything_to_everybody() {
    let server = serve_anywhere();
    let (pid, http) = (server.child.id().to_string(), format!("http://{}", server.addr));
    let url = format!("ws://{}/v1/ws", server.addr);
    let (post, stream) = (format!("{http}/v1/channels/b"), format!("{http}/v1/sse?channel=b"));
    let load = ["--rate", "80", "--duration", "0.5", "--warm-up", "0", "--connections", "20"];
    for what in [
        &["fanout", &url, "--pid", &pid][..],
        &["fanout", &url, "--bare", "--bytes", "2000"],
        &["fanout", &url, "--channel", "b", "--publish", &post],
        &["sse", &stream, "--publish", &post],
    ] {
        let report = good(&[what, &load].concat());
        let published = number(&report, "published");
        // Fewer where the machine has no time for us: what is due when the time is up does not go out.
        assert!((1..=41).contains(&published), "{what:?}: {report}");
        assert_eq!(number(&report, "latency_count"), number(&report, "deliveries"), "{what:?}");
        assert!(number(&report, "deliveries") <= 20 * published, "{what:?}: {report}");
        assert_eq!(number(&report, "published_in_all"), published, "{what:?}: {report}");
        assert!(number(&report, "last_delivery_count") <= published, "{what:?}: {report}");
        assert_eq!(number(&report, "lost"), 0);
    }
    let report = good(&["fanout", &url, "--duration", "1", "--warm-up", "0", "--in-flight", "3"]);
    assert!(number(&report, "deliveries") > 0, "{report}");
}

#[test]
fn streams_share_connections() {
    let server = serve_anywhere();
    let http = format!("http://{}", server.addr);
    let url = format!("ws://{}/v1/ws", server.addr);
    let (post, stream) = (format!("{http}/v1/channels/b"), format!("{http}/v1/sse?channel=b"));
    let shared = ["--connections", "2", "--streams", "30"];
    let load = ["--rate", "40", "--duration", "0.5", "--warm-up", "0"];
    for what in [
        &["fanout", &url][..],
        &["fanout", &url, "--bytes", "15000"],
        &["sse", &stream, "--publish", &post],
    ] {
        let report = good(&[&what[..2], &shared, &load, &what[2..]].concat());
        assert_eq!(number(&report, "subscribers"), 60, "{report}");
        assert!(number(&report, "deliveries") > 0, "{report}");
        assert_eq!(number(&report, "lost"), 0);
    }
    let echo = format!("ws://{}/echo", server.addr);
    for more in [&["--bytes", "300000"][..], &["--content", "text", "--deflate"]] {
        let count = ["--messages", "200", "--warm-up", "0"];
        let report = good(&[&["echo", &echo], &shared[..], &count, more].concat());
        assert_eq!((number(&report, "messages"), number(&report, "streams")), (200, 30));
    }
    let idle = ["idle", &echo, "--touch", "70000", "--ping", "1", "--duration", "1.2"];
    let report = good(&[&idle[..], &shared].concat());
    assert_eq!((number(&report, "connections"), number(&report, "messages")), (60, 60));
}

/// The server allows 256 streams at a time by default.
#[test]
fn streams_that_the_server_refuses_are_errors() {
    let server = serve_anywhere();
    let echo = format!("ws://{}/echo", server.addr);
    let many = ["--connections", "1", "--streams", "2000", "--duration", "0.2"];
    let (status, report, said) = bench(&[&["idle", &echo], &many[..]].concat());
    assert_eq!(status, Some(1), "{said}");
    assert!(number(&report["errors_by_kind"], "refused") > 0, "{report}");
}

#[test]
fn channels_are_shared_out_and_published_to_in_turn() {
    let server = serve_anywhere();
    let url = format!("ws://{}/v1/ws", server.addr);
    // Enough are on their way at once, however few can follow in the time.
    let load = ["--duration", "1", "--warm-up", "0", "--connections", "4", "--in-flight", "30"];
    let report = good(&[&["fanout", &url, "--channels", "12"], &load[..]].concat());
    // One subscriber each.
    let published = number(&report, "published_in_all");
    assert!(number(&report, "deliveries") > 12 && number(&report, "deliveries") <= published);
    let (_, history) = server.connect().fetch("GET", "/v1/channels/bench:000011/history");
    assert!(history.contains("\"data\":\"~"), "{history}");
    let pattern = ["--pattern", "--channels", "12", "--connections", "2"];
    let (status, _, said) = bench(&[&["fanout", &url], &pattern[..]].concat());
    assert!(status == Some(1) && said.contains("one connection"), "{said}");
    let (status, _, said) = bench(&[&["fanout", &url, "--channels", "10"], &load[..]].concat());
    assert!(status == Some(1) && said.contains("cannot be shared out"), "{said}");
}

#[test]
fn what_is_delivered_may_be_compressed_or_without_a_protocol() {
    let server = serve_anywhere();
    let url = format!("ws://{}/v1/ws", server.addr);
    let load = ["--duration", "1", "--warm-up", "0", "--connections", "4", "--bytes", "2000"];
    let report = good(&[&["fanout", &url, "--deflate"], &load[..]].concat());
    assert!(number(&report, "deliveries") > 0, "{report}");
    let url = format!("tcp://{}", bare_broadcast());
    let report = good(&[&["fanout", "--broadcast", &url], &load[..]].concat());
    assert!(number(&report, "deliveries") > 0, "{report}");
    let (status, _, said) = bench(&["fanout", &url]);
    assert!(status == Some(1) && said.contains("--broadcast"), "{said}");
}

#[test]
fn event_streams_of_others_are_only_counted() {
    let server = serve_anywhere();
    let url = format!("http://{}/clock", server.addr);
    let report = good(&["sse", &url, "--duration", "1.5", "--warm-up", "0", "--connections", "4"]);
    assert!(number(&report, "deliveries") >= 4, "{report}");
    assert_eq!((number(&report, "published"), number(&report, "latency_count")), (0, 0));
}

/// In a coding nobody asked for there is no event to be seen, so nothing would be measured.
#[test]
fn a_coded_event_stream_is_an_error() {
    let addr = answer(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n",
    );
    let url = format!("http://{addr}/");
    let (status, report, said) = bench(&["sse", &url, "--connections", "1", "--duration", "1"]);
    assert_eq!((status, &report), (Some(1), &Value::Null), "{said}");
    assert!(said.contains("an event stream in a coding, \"gzip\""), "{said}");
}

/// It dies of the signal, with a report of the time until then.
#[test]
fn a_signal_ends_the_measurement_and_not_the_report() {
    let server = serve_anywhere();
    let (echo, hub) = (format!("ws://{}/echo", server.addr), format!("ws://{}/v1/ws", server.addr));
    for (args, stage) in [
        (&["echo", &echo, "--warm-up", "0"][..], "p99"),
        (&["fanout", &hub, "--warm-up", "0"], "p99"),
        (&["idle", &echo], "holding"),
    ] {
        let mut command =
            sockeye(&[&["bench"], args, &["-c", "4", "-d", "600", "--json"]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let said = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = said.lines().map(|line| line.expect("text"));
        assert!(lines.any(|line| line.contains(stage)), "{stage}");
        kill_process(Pid::from_child(&child), Signal::INT).expect("it is our child");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.signal(), Some(Signal::INT.as_raw()), "{args:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(number(&report, "errors"), 0, "{report}");
        if stage == "p99" {
            let nanos = number(&report, "duration_ns");
            assert!((1..600_000_000_000).contains(&nanos), "{report}");
            assert!(number(&report, "latency_count") > 0, "{report}");
        }
    }
}

#[test]
fn a_refused_publication_is_an_error() {
    let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("SOCKEYE_LOG", "off");
    let server = serve(command);
    let url = format!("ws://{}/v1/ws", server.addr);
    let load = ["--connections", "2", "--duration", "0.2", "--patience", "4"];
    let (status, report, _) =
        bench(&[&["fanout", &url, "--channel", "$nobody"], &load[..]].concat());
    assert_eq!(status, Some(1), "{report}");
    assert!(number(&report["errors_by_kind"], "refused") > 0, "{report}");
}

#[test]
fn who_sends_to_all_is_checked_for_each() {
    // Publication 20 is on its way at once, however few can follow in the time.
    let load = ["--duration", "1", "--warm-up", "0", "--connections", "5", "--in-flight", "40"];
    let play = |spread| {
        let url = format!("ws://{}/", broadcast(spread));
        let waits = matches!(spread, Spread::Forget | Spread::Nothing);
        let patience = if waits { "5" } else { "20" };
        bench(&[&["fanout", "--broadcast", &url, "--patience", patience], &load[..]].concat())
    };
    // Who takes it for a hub is told what it may be.
    let url = format!("ws://{}/", broadcast(Spread::Honest));
    let (status, _, said) = bench(&[&["fanout", &url], &load[..]].concat());
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("--broadcast"), "{said}");
    let (status, report, said) = play(Spread::Honest);
    assert_eq!((status, &*said), (Some(0), ""), "{report}");
    assert!(number(&report, "deliveries") >= 5 * 20, "{report}");
    for (spread, kind) in [
        (Spread::Forget, "lost"),
        (Spread::Repeat, "repeated"),
        (Spread::Damage, "differs"),
        (Spread::Nothing, "silent"),
    ] {
        let (status, report, _) = play(spread);
        assert_eq!(status, Some(1), "{spread:?}: {report}");
        assert!(number(&report["errors_by_kind"], kind) > 0, "{spread:?}: {report}");
    }
}

#[test]
fn idle_connections_are_weighed() {
    let server = serve_anywhere();
    let (pid, addr) = (server.child.id().to_string(), server.addr);
    let socket = format!("ws://{addr}/v1/ws");
    let subscribe = r#"{"type":"subscribe","channels":["bench"]}"#;
    let load = ["--duration", "1", "--connections", "50", "--pid", &pid];
    let speaks = ["idle", &socket, "--subprotocol", "sockeye.v1.json", "--send", subscribe];
    let report = good(&[&speaks[..], &load].concat());
    // Welcome, subscribed and sync, to each.
    assert_eq!((number(&report, "connections"), number(&report, "messages")), (50, 150));
    assert!(number(&report, "server_rss_bytes_after") > 0, "{report}");
    let stream = format!("http://{addr}/v1/sse?channel=bench");
    let report = good(&[&["idle", &stream], &load[..]].concat());
    assert_eq!(number(&report, "connections"), 50);
}

/// On a server that has nothing left of earlier connections.
#[test]
fn idle_connections_that_compress_are_weighed() {
    let server = serve_anywhere();
    let (pid, echo) = (server.child.id().to_string(), format!("ws://{}/echo", server.addr));
    let touch = ["idle", &echo, "--touch", "70000", "--deflate"];
    let report = good(&[&touch[..], &["-d", "1", "-c", "200", "--pid", &pid]].concat());
    assert_eq!((number(&report, "connections"), number(&report, "messages")), (200, 200));
    // The window that their messages fill: of 4 KiB, as the server chooses.
    assert!(number(&report, "server_rss_bytes_per_connection") > 4096, "{report}");
}

#[test]
fn what_cannot_be_is_refused_before_it_begins() {
    for (args, status, why) in [
        (&["echo", "ws://192.0.2.1/"][..], 1, "--allow-remote"),
        (&["echo", "http://127.0.0.1/"], 2, "another"),
        (&["fanout", "127.0.0.1:8080"], 2, "no scheme"),
        (&["idle", "ws://127.0.0.1:99999/"], 2, "1 to 65535"),
        (&["idle", "ws://127.0.0.1:0/"], 2, "1 to 65535"),
        (&["sse", "ws://127.0.0.1/"], 2, "another"),
        (&["echo", "ws://127.0.0.1:1/", "--pid", "1 2"], 2, "one process"),
        (&["echo", "ws://127.0.0.1:1/", "--pid", "4294967295"], 1, "cannot look at process"),
        (
            &["echo", "ws://127.0.0.1:1/", "--bytes", "67108864", "--connections", "64"],
            1,
            "at most",
        ),
        (&["echo", "tcp://127.0.0.1:1", "--bytes", "0"], 1, "needs a byte"),
        (&["idle", "http://127.0.0.1:1", "--ping", "1"], 1, "can be sent nothing"),
        (
            &["sse", "http://127.0.0.1:1", "--publish", "http://127.0.0.1:1", "--body", "x"],
            1,
            "{payload}",
        ),
        (&["echo", "ws://127.0.0.1/", "--connections", "100001"], 2, "1 to 100000"),
        (&["echo", "ws://127.0.0.1/", "--connections", "0"], 2, "1 to 100000"),
        (&["echo", "ws://127.0.0.1/", "--streams", "10001"], 2, "1 to 10000"),
        (&["echo", "ws://127.0.0.1/", "-c", "1000", "--streams", "2001"], 1, "more than 2000000"),
        (&["echo", "tcp://127.0.0.1:1", "--streams", "2"], 1, "carried by HTTP/2"),
        (&["echo", "ws://127.0.0.1/", "--rate", "0"], 2, "a second"),
        (&["echo", "ws://127.0.0.1/", "--duration", "-1"], 2, ""),
        (&["fanout", "ws://127.0.0.1/", "--bytes", "19"], 2, "20 to"),
        (&["fanout", "ws://127.0.0.1/", "--bare", "--broadcast"], 2, "cannot be used"),
        (&["echo", "ws://127.0.0.1/", "-H", "x"], 2, "NAME: VALUE"),
    ] {
        let (code, report, said) = bench(args);
        assert_eq!((code, &report), (Some(status), &Value::Null), "{args:?}: {said}");
        assert!(said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn too_few_descriptors_are_told_by_name() {
    let mut command = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_sockeye");
    command.args([
        "-c",
        "ulimit -n 64; exec \"$0\" bench echo --connections 1000 ws://127.0.0.1:1/",
        program,
    ]);
    let output = command.output().expect("a shell");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("1000 connections need 1032 descriptors") && said.contains("ulimit"),
        "{said}"
    );
}

#[test]
fn a_person_gets_a_table_a_chart_and_no_colour_in_a_pipe() {
    let server = serve_anywhere();
    let url = format!("ws://{}/echo", server.addr);
    let output = run(&[&["bench", "echo", &url], &FEW[..]].concat());
    let text = String::from_utf8(output.stdout).expect("text");
    for part in ["messages  per second", "  300  ", "p99.9", "bars grow", "█", "generator"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\x1b'), "{text}");
}
