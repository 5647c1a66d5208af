//! SIGHUP.

use rustix::process::Signal;

use crate::common::{PATIENCE, Peer, Serving, serve_anywhere};
use crate::operations::place::{Place, make_pipe, request};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";
const OTHER: &str = "a_back_end_s_key_of_a_good_length_02";

fn config(more: &str) -> String {
    format!(
        "{more}\n[access]\nsubscribe = [\"public:>\"]\n[[access.api_keys]]\nname = \"one\"\n\
         key_file = \"one.key\"\nsubscribe = [\">\"]\npublish = [\">\"]\n"
    )
}

fn with_key(key: &str) -> String {
    format!("Authorization: ApiKey {key}\r\n")
}

fn events(serving: &Serving, key: &str) -> Peer {
    let mut peer = serving.connect();
    let head = peer.ask("GET", "/v1/sse?channel=a", &with_key(key));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    while !peer.read_line().contains("$sync") {}
    peer
}

#[test]
fn keys_channels_limits_and_logs_change_while_it_runs() {
    let place = Place::new();
    place.write("one.key", KEY);
    place.write("sockeye.toml", &config(""));
    let serving = place.serve(|_| ());
    let mut stream = events(&serving, KEY);
    for text in ["1", "2", "3"] {
        let target = "/v1/channels/public:1";
        assert_eq!(request(&serving, "POST", target, &with_key(KEY), text).0, 200);
    }

    place.write("one.key", OTHER);
    let changed = "listen = \"127.0.0.3:0\"\n[channels]\nhistory_messages = 1\n\
                   [limits]\npublish_bytes = 4\n[log]\nformat = \"json\"\n";
    place.write("sockeye.toml", &config(changed));
    serving.signal(Signal::HUP);
    let log = place.until_logged("the configuration was read again", 1);
    // The stream of the old key is told, and ends.
    let rest = stream.read_to_end();
    assert!(rest.contains("$goaway") && rest.contains("4303"), "{rest}");
    assert_eq!(request(&serving, "GET", "/v1/position", &with_key(KEY), "").0, 401);
    assert_eq!(request(&serving, "GET", "/v1/position", &with_key(OTHER), "").0, 200);
    let history = request(&serving, "GET", "/v1/channels/public:1/history", "", "").1;
    assert!(history.contains("\"3\"") && !history.contains("\"2\""), "{history}");
    let target = "/v1/channels/public:1";
    assert_eq!(request(&serving, "POST", target, &with_key(OTHER), "12345").0, 413);
    // The log is JSON from there on, and says what needs a restart: not `listen`, which a flag says.
    let last: serde_json::Value =
        serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["level"], &last["revoked"]), (&"info".into(), &1.into()), "{log}");
    assert!(!log.contains("restart"), "{log}");
}

#[test]
fn a_bad_file_changes_nothing_and_is_reported_with_its_line() {
    let place = Place::new();
    place.write("one.key", KEY);
    place.write("sockeye.toml", &config(""));
    let serving = place.serve(|_| ());
    let good = || request(&serving, "GET", "/v1/position", &with_key(KEY), "").0;
    for (times, bad, complaint) in [
        (1, config("[channels]\nhistory_mesages = 1\n"), "line 2: unknown field `history_mesages`"),
        (2, config("").replace("one.key", "no.key"), "line 4: [[access.api_keys]] one: "),
        (3, "listen = \"0.0.0.0:0\"\n[acces]\n".to_owned(), "line 2: unknown field `acces`"),
        // What stands in the file is no part of the terminal's business, either.
        (4, "\"\\u001b[31m\\n[x\" = 1\n".to_owned(), "line 1: unknown field `\\u{1b}[31m [x`"),
    ] {
        place.write("sockeye.toml", &bad);
        serving.signal(Signal::HUP);
        let log = place.until_logged("the configuration stays as it was", times);
        let line = log.lines().last().expect("a line");
        assert!(line.contains("sockeye.toml") && line.contains(complaint), "{line}");
        assert_eq!(good(), 200, "as before");
    }
}

/// A pipe would block its reader until somebody writes into it. [service:regular-files]
#[test]
fn a_file_that_is_not_regular_is_reported_and_the_next_signal_is_seen() {
    let place = Place::new();
    place.write("one.key", KEY);
    place.write("sockeye.toml", &config(""));
    let serving = place.serve(|_| ());
    let refused = |file: &str, times| {
        std::fs::remove_file(place.path(file)).expect("it is there");
        make_pipe(&place.path(file));
        serving.signal(Signal::HUP);
        let log = place.until_logged("the configuration stays as it was", times);
        let line = log.lines().last().expect("a line");
        assert!(line.contains(file) && line.contains("it is not a regular file"), "{line}");
        assert_eq!(request(&serving, "GET", "/v1/position", &with_key(KEY), "").0, 200);
        std::fs::remove_file(place.path(file)).expect("it is there");
    };
    refused("sockeye.toml", 1);
    place.write("sockeye.toml", &config(""));
    refused("one.key", 2);
    place.write("one.key", OTHER);
    serving.signal(Signal::HUP);
    place.until_logged("the configuration was read again", 1);
    assert_eq!(request(&serving, "GET", "/v1/position", &with_key(KEY), "").0, 401);
}

/// A start waits for the writer of a pipe: `--config /dev/stdin`. A reload cannot read it a second time.
/// [service:regular-files]
#[test]
fn a_start_takes_a_pipe_as_its_configuration() {
    let place = Place::new();
    place.write("one.key", KEY);
    let pipe = place.path("sockeye.toml");
    make_pipe(&pipe);
    let writer = std::thread::spawn(move || std::fs::write(pipe, config("")));
    let serving = place.serve(|_| ());
    writer.join().expect("no panic").expect("the start reads it");
    assert_eq!(request(&serving, "GET", "/v1/position", &with_key(KEY), "").0, 200);
    assert_eq!(request(&serving, "GET", "/v1/position", &with_key(OTHER), "").0, 401);
    serving.signal(Signal::HUP);
    place.until_logged("it is not a regular file", 1);
    assert_eq!(request(&serving, "GET", "/v1/position", &with_key(KEY), "").0, 200);
}

#[test]
fn a_guarded_server_is_not_opened_by_an_empty_file() {
    let place = Place::new();
    place.write("one.key", KEY);
    place.write("sockeye.toml", "");
    let serving = place.serve(|_| ());
    let stranger = || request(&serving, "POST", "/v1/channels/public:1", "", "x").0;
    assert_eq!(stranger(), 200, "it is open");
    place.write("sockeye.toml", &config(""));
    serving.signal(Signal::HUP);
    place.until_logged("the configuration was read again", 1);
    assert_ne!(stranger(), 200);
    place.write("sockeye.toml", "");
    serving.signal(Signal::HUP);
    let log = place.until_logged("the configuration stays as it was", 1);
    assert!(log.contains("[access] is gone"), "{log}");
    assert_ne!(stranger(), 200);
    assert_eq!(request(&serving, "POST", "/v1/channels/a", &with_key(KEY), "x").0, 200);
}

#[test]
fn what_cannot_change_is_named() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let data = place.path("data");
    let serving = place.serve(|command| {
        command.env("SOCKEYE_DATA", data);
    });
    place.write(
        "sockeye.toml",
        "[limits]\nsocket_bytes = 65536\n[channels]\nmessage_bytes = 99999\n",
    );
    serving.signal(Signal::HUP);
    let log = place.until_logged("the configuration was read again", 1);
    for name in ["name=limits.socket_bytes", "name=\"message_bytes above"] {
        let line = log.lines().find(|line| line.contains(name)).expect(name);
        assert!(line.contains("WARN") && line.contains("needs a restart to change"), "{line}");
    }
    // What the log could not keep is not let in.
    let large = "x".repeat(65_000 + 600);
    assert_eq!(request(&serving, "POST", "/v1/channels/a", "", &large).0, 413);
}

#[test]
fn without_a_file_there_is_nothing_to_read() {
    let place = Place::new();
    let mut command = crate::common::sockeye(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("SOCKEYE_LOG", "warn");
    let serving = place.start(command);
    serving.signal(Signal::HUP);
    let log = place.until_logged("there is no configuration file to read again", 1);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert_eq!(request(&serving, "GET", "/readyz", "", "").0, 200, "it neither drains nor ends");
    drop(serving);
    drop(serve_anywhere());
}

/// What the log on disk has, once it has this. The log is asked while the server writes it.
fn until_stat(place: &Place, wanted: &str) {
    let start = std::time::Instant::now();
    let data = place.path("data");
    loop {
        let stat = crate::common::run(&["log", "stat", "--data", &data]);
        let found = String::from_utf8(stat.stdout).expect("text");
        if found.contains(wanted) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{wanted}: {found}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The disk follows the file, with one loop and with several, and what stays promised stays.
#[test]
fn what_is_kept_on_disk_changes_while_it_runs() {
    for workers in ["1", "2"] {
        let place = Place::new();
        let keep = |a: &str, rest: &str| {
            let text = format!(
                "[channels]\nkeep_messages = {rest}\nkey_seconds = 60\n\
                 [namespaces.a]\nkeep_messages = {a}\n"
            );
            place.write("sockeye.toml", &text);
        };
        keep("\"forever\"", "\"forever\"");
        let data = place.path("data");
        let serving = place.serve(|command| {
            command.args(["--workers", workers, "--data", &data]);
        });
        let publish = |channel: &str| {
            let target = format!("/v1/channels/{channel}");
            assert_eq!(request(&serving, "POST", &target, "", "hello").0, 200);
        };
        let fill = || (0..30).for_each(|at| publish(["a:1", "b:1", "c:1"][at % 3]));
        fill();
        publish("a:1?key=k");
        until_stat(&place, "\na: 11 messages");

        // Less of `a`. The others keep what they had.
        keep("2", "\"forever\"");
        serving.signal(Signal::HUP);
        until_stat(&place, "\na: 2 messages");
        until_stat(&place, "\nb: 10 messages");
        until_stat(&place, "\nc: 10 messages");

        // More of `a`, less of the rest, and `b` gets a rule of its own.
        let text = "[channels]\nkeep_messages = 3\n[namespaces.a]\nkeep_messages = 100\n\
                    [namespaces.b]\nkeep_messages = \"forever\"\nkey_seconds = 0\n";
        place.write("sockeye.toml", text);
        serving.signal(Signal::HUP);
        until_stat(&place, "\nc: 3 messages");
        until_stat(&place, "\nb: 10 messages");
        (0..20).for_each(|_| publish("a:1"));
        publish("b:1?key=short");
        until_stat(&place, "\na: 22 messages");

        // A key is good for as long as was promised; one of `b` for no time.
        drop(serving);
        let serving = place.serve(|command| {
            command.args(["--workers", workers, "--data", &data]);
        });
        let again = |target: &str| request(&serving, "POST", target, "", "hello").1;
        assert!(again("/v1/channels/a:1?key=k").contains("\"duplicate\":true"));
        assert!(!again("/v1/channels/b:1?key=short").contains("\"duplicate\":true"));
    }
}

/// A share that is taken away loses nothing; one that is given is had.
#[test]
fn shares_of_the_disk_change_while_it_runs() {
    let place = Place::new();
    let disk = |bytes: u32| {
        place.write("sockeye.toml", &format!("[disk]\nbytes = {bytes}\n[namespaces.b]\n"));
    };
    disk(9_000_000);
    let data = place.path("data");
    let serving = place.serve(|command| {
        command.args(["--data", &data]);
    });
    let body = "x".repeat(60_000);
    let fill = || {
        let taken = (0..400).take_while(|_| {
            let (status, answer) = request(&serving, "POST", "/v1/channels/a", "", &body);
            assert!(status == 200 || answer.contains("log_full"), "{status} {answer}");
            status == 200
        });
        taken.count()
    };
    let first = fill();
    assert!((80..130).contains(&first), "three quarters of it: {first}");
    disk(5_000_000);
    serving.signal(Signal::HUP);
    place.until_logged("the configuration was read again", 1);
    assert_eq!(fill(), 0);
    until_stat(&place, &format!("\na: {first} messages"));
    disk(18_000_000);
    serving.signal(Signal::HUP);
    place.until_logged("the configuration was read again", 2);
    let second = fill();
    assert!(second > 80, "{second}");
    until_stat(&place, &format!("\na: {} messages", first + second));
}
