//! What is served, and `/readyz` of a real process whose disk takes nothing more.

use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::common::sockeye;
use crate::operations::place::{Place, request};

#[test]
fn a_disk_that_takes_nothing_more_is_seen_by_the_balancer_and_said_once() {
    let place = Place::new();
    let data = place.path("data");
    let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0", "--data", &data]);
    command.stdin(Stdio::null()).env_remove("RUST_LOG");
    let serving = place.start(command);
    let publish = || request(&serving, "POST", "/v1/channels/a", "", &"x".repeat(4_000)).0;
    assert_eq!(publish(), 200);
    assert_eq!(request(&serving, "GET", "/readyz", "", ""), (200, "ready\n".to_owned()));

    let pid = Pid::from_child(&serving.child);
    let refuse = |bytes: u64, reason: &str| {
        let bound = Rlimit { current: Some(bytes), maximum: None };
        prlimit(Some(pid), Resource::Fsize, bound).expect("it is our child");
        for _ in 0..5 {
            assert_eq!(publish(), 503);
        }
        let (status, body) = request(&serving, "GET", "/readyz", "", "");
        let reasons = format!(r#"{{"ready":false,"reason":"{reason}","reasons":["{reason}"]}}"#);
        assert_eq!((status, body), (503, reasons));
        assert_eq!(request(&serving, "GET", "/healthz", "", "").0, 200, "it lives");
        let metrics = request(&serving, "GET", "/metrics", "", "").1;
        assert!(metrics.contains(&format!("\nsockeye_{reason} 1\n")), "{metrics}");
    };
    // The database cannot grow. What the process logs still fits.
    refuse(4_096, "log_refusing");
    let log = place.log();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "said once: {log}");
    assert!(errors[0].contains(&format!("dir={data}")), "{log}");
    // Nor can the mark be written, without which the log has failed for good.
    refuse(0, "log_failed");
}

#[test]
fn a_guarded_server_has_no_demo_unless_it_is_asked_for() {
    for (config, status) in
        [("[access]\n", 404), ("demo = true\n[access]\n", 200), ("demo = false\n", 404), ("", 200)]
    {
        let place = Place::new();
        place.write("sockeye.toml", config);
        let serving = place.serve(|_| ());
        for path in ["/", "/admin", "/page/hub.js"] {
            assert_eq!(request(&serving, "GET", path, "", "").0, status, "{config:?} {path}");
        }
        // Streams of theirs: a handshake with what it needs.
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        let head = serving.connect().ask("GET", "/echo", upgrade);
        assert_eq!(head.starts_with("HTTP/1.1 101 "), status == 200, "{head}");
        assert_eq!(request(&serving, "GET", "/healthz", "", "").0, 200);
    }
}

/// The commands of the page have a place for the credential that this server takes.
#[test]
fn the_page_of_a_guarded_server_knows_which_credential_its_commands_need() {
    let key = "[[access.api_keys]]\nname = \"one\"\nkey_file = \"one.key\"\n";
    let tokens = "[access.jwt]\nkeys = [{ algorithm = \"HS256\", file = \"users.key\" }]\n";
    for (access, scheme) in [("[access]\n", "null"), (key, r#""ApiKey""#), (tokens, r#""Bearer""#)]
    {
        let place = Place::new();
        place.write("one.key", "a_back_end_s_key_of_a_good_length_01");
        place.write("users.key", &"a_secret_of_users_of_a_good_length_01".repeat(2));
        place.write("sockeye.toml", &format!("demo = true\n{access}"));
        let serving = place.serve(|_| ());
        let needed = request(&serving, "GET", "/page/needed.json", "", "").1;
        assert_eq!(needed, format!(r#"{{"authority":null,"credential":{scheme}}}"#));
    }
}
