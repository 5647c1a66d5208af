//! What is in the log of a real process, and what must never be.

use sockeye_auth::{Identity, SigningKey, TokenClaims};

use crate::common::{Peer, Serving};
use crate::operations::place::{Place, request};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";
const WRONG_KEY: &str = "somebody_guessed_this_key_and_was_wrong";
const SECRET: &str = "a secret of HS256 that is only in this test";

const CONFIG: &str = r#"
[access]
origins = ["https://app.example"]
[[access.api_keys]]
name = "one"
key_file = "one.key"
subscribe = [">"]
publish = [">"]
tickets = [">"]
[access.jwt]
cookie = "session"
query_token = "jwt"
[[access.jwt.keys]]
algorithm = "HS256"
file = "jwt.secret"
[access.tickets]
secret_file = "ticket.secret"
"#;

fn guarded(place: &Place, level: &str, format: &str) -> Serving {
    place.write("one.key", KEY);
    place.write("jwt.secret", SECRET);
    place.write("ticket.secret", &"t".repeat(40));
    place.write("sockeye.toml", CONFIG);
    place.serve(|command| {
        command.env("SOCKEYE_LOG", level).env("SOCKEYE_LOG_FORMAT", format);
    })
}

fn token() -> String {
    let key = SigningKey::hs256(SECRET.as_bytes()).expect("a good secret");
    let ann = Identity {
        user: Some("ann".to_owned()),
        subscribe: sockeye_auth::Grants::everything(),
        ends_ms: Some(4_102_444_800_000),
        ..Identity::anonymous()
    };
    key.token(&ann, &TokenClaims::default()).expect("a token")
}

/// Opens an event stream; gives what comes up to its sync.
fn events(serving: &Serving, target: &str, headers: &str) -> String {
    let mut peer = Peer::connect(serving.addr);
    let head = peer.ask("GET", target, headers);
    assert!(head.starts_with("HTTP/1.1 200 "), "{target}: {head}");
    let mut said = String::new();
    while !said.contains("$sync") {
        said.push_str(&peer.read_line());
    }
    // The event's data and its end.
    for _ in 0..3 {
        said.push_str(&peer.read_line());
    }
    said
}

#[test]
fn no_credential_is_in_the_log_whatever_its_level() {
    for format in ["text", "json"] {
        let place = Place::new();
        let serving = guarded(&place, "trace", format);
        let with_key = format!("Authorization: ApiKey {KEY}\r\n");
        let jwt = token();
        // Good ones, at every place where one may stand.
        let wanted = r#"{"user":"bob","channels":["a"]}"#;
        let (status, body) = request(&serving, "POST", "/v1/tickets", &with_key, wanted);
        assert_eq!(status, 200, "{body}");
        let ticket: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        let said = events(&serving, &format!("/v1/sse?channel=a&ticket={ticket}"), "");
        let proof = said.split_once('~').expect("cursors with a proof").1;
        let proof: String = proof.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
        let cursor = format!("cursor=1a-b~{proof}");
        events(&serving, "/v1/sse?channel=a", &format!("Authorization: Bearer {jwt}\r\n"));
        events(&serving, &format!("/v1/sse?channel=a&jwt={jwt}"), "");
        let cookie = format!("Cookie: session={jwt}\r\nOrigin: https://app.example\r\n");
        events(&serving, "/v1/sse?channel=a", &cookie);
        // Wrong ones, and good ones where none may stand.
        for (target, headers) in [
            ("/v1/position".to_owned(), format!("Authorization: ApiKey {WRONG_KEY}\r\n")),
            (format!("/v1/position?ticket={ticket}"), String::new()),
            (format!("/v1/position?ticket={ticket}&{cursor}"), String::new()),
            (format!("/v1/position?token={jwt}"), String::new()),
            (format!("/v1/position?access_token={jwt}&api_key={KEY}"), with_key.clone()),
            (format!("/v1/position?jwt={jwt}&jwt={jwt}"), String::new()),
            ("/v1/position".to_owned(), format!("Cookie: session={jwt}\r\n")),
            ("/v1/poll?channel=a".to_owned(), format!("Last-Event-ID: 1a-b~{proof}\r\n{with_key}")),
        ] {
            request(&serving, "GET", &target, &headers, "");
        }
        request(&serving, "GET", "/healthz", "", "");
        let log = place.until_logged("/healthz", 1);
        assert!(log.lines().count() > 20, "there is something to look through: {log}");
        let signature = jwt.rsplit('.').next().expect("three parts");
        let mac = proof.rsplit('~').next().expect("two parts");
        for secret in [KEY, WRONG_KEY, SECRET, &jwt, signature, &ticket, &ticket[..20], mac] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
}

#[test]
fn nothing_that_a_peer_sends_can_forge_a_line() {
    for format in ["text", "json"] {
        let place = Place::new();
        let serving = guarded(&place, "debug", format);
        let nasty = "%0A[2026 ERROR] forged\"\\%1B[31m%0D%C2%9B2J%E2%80%A8";
        let raw = "\u{9b}2J\u{2028}\u{202e}\"\\forged";
        let mut sent = 0;
        for target in [
            format!("/v1/channels/{}", nasty.replace(' ', "%20")),
            format!("/v1/sse?channel={}", nasty.replace(' ', "+")),
            format!("/{}", nasty.replace(' ', "%20")),
        ] {
            for header in ["Sockeye-Event", "Idempotency-Key", "Last-Event-ID", "Origin", "X"] {
                let headers = format!("Authorization: ApiKey {WRONG_KEY}\r\n{header}: {raw}\r\n");
                let mut peer = Peer::connect(serving.addr);
                peer.send(format!(
                    "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n{headers}\r\nx"
                ));
                let status = peer.read_line();
                assert!(status.starts_with("HTTP/1.1 4"), "{status}");
                sent += 1;
            }
        }
        request(&serving, "GET", "/healthz", "", "");
        let log = place.until_logged("/healthz", 1);
        assert!(log.matches("forged").count() >= sent / 2, "paths are in the log: {log}");
        for line in log.lines() {
            let plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{202e}');
            assert!(line.chars().all(plain), "{line:?}");
            if format == "json" {
                let read: serde_json::Value = serde_json::from_str(line).expect(line);
                let has = |name: &str| read[name].as_str().is_some_and(|it| !it.is_empty());
                assert!(has("time") && has("level") && has("message"), "{line}");
            } else {
                assert!(line.starts_with("[20"), "no line but ours: {line}");
            }
        }
    }
}

/// A flood of bad credentials is a number, not a flood of lines.
#[test]
fn refused_credentials_are_a_line_a_second_at_most() {
    let place = Place::new();
    let serving = guarded(&place, "info", "json");
    let start = std::time::Instant::now();
    let headers = format!("Authorization: ApiKey {WRONG_KEY}\r\n");
    for _ in 0..60 {
        assert_eq!(request(&serving, "GET", "/v1/position?channel=a", &headers, "").0, 401);
    }
    // The last ones are told of without another request.
    let log = loop {
        let log = place.log();
        let lines =
            log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let told: u64 = lines
            .filter(|line| line["message"] == "credentials refused")
            .map(|line| line["others"].as_u64().expect("a number") + 1)
            .sum();
        if told == 60 {
            break log;
        }
        assert!(start.elapsed() < crate::common::PATIENCE, "{told}: {log}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("credentials refused")).collect();
    let seconds = usize::try_from(start.elapsed().as_secs()).expect("few");
    assert!((1..=seconds + 2).contains(&lines.len()), "{log}");
    for part in [
        r#""code":"api_key_unknown""#,
        r#""path":"/v1/position?channel=a""#,
        r#""peer":"127.0.0.1:"#,
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

#[test]
fn the_file_says_what_is_logged_and_the_environment_wins() {
    let place = Place::new();
    place.write("sockeye.toml", "[log]\nlevel = \"off\"\nformat = \"json\"\n");
    drop(place.serve(|_| ()));
    assert_eq!(place.log(), "");
    let serving = place.serve(|command| {
        command.env("RUST_LOG", "info");
    });
    let log = place.until_logged("serving", 1);
    assert!(log.starts_with("{\"time\":\"20"), "{log}");
    drop(serving);
    let output = crate::common::sockeye(&["serve"]).env("SOCKEYE_LOG_FORMAT", "xml").output();
    let output = output.expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("SOCKEYE_LOG_FORMAT is neither text nor json"), "{said}");
}

/// Such a server would log nothing at all.
#[test]
fn a_word_that_is_no_level_is_not_taken_for_one() {
    for (filters, word) in
        [("junk", "junk"), ("info,junk", "junk"), ("sockeye=loud", "loud"), ("warn,inf/x", "inf")]
    {
        let mut command = crate::common::sockeye(&["serve", "--listen", "192.0.2.1:0"]);
        let output = command.env("SOCKEYE_LOG", filters).output().expect("it starts");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).expect("text");
        let complaint = format!("SOCKEYE_LOG: {word} is none of off, error, warn, info, debug, tr");
        assert!(said.contains(&complaint) && said.lines().count() == 1, "{said}");
    }
    let place = Place::new();
    place.write("sockeye.toml", "");
    for good in ["", "INFO", "warn,sockeye=info", " info , mio=off"] {
        let serving = place.serve(|command| {
            command.env("SOCKEYE_LOG", good);
        });
        place.until_logged("serving", 1);
        drop(serving);
    }
    // There it may be a module's name: it is said how it was taken, and once.
    let serving = place.serve(|command| {
        command.env("RUST_LOG", "junk").env("SOCKEYE_LOG_FORMAT", "json");
    });
    assert_eq!(request(&serving, "GET", "/readyz", "", "").0, 200);
    let log = place.log();
    let said: serde_json::Value = serde_json::from_str(&log).expect("one line of JSON");
    assert_eq!((&said["level"], &said["word"]), (&"warn".into(), &"junk".into()), "{log}");
    let said = said["message"].as_str().expect("text");
    assert!(said.starts_with("RUST_LOG: no level"), "{log}");
}
