//! A log whose messages are from the future, and a calendar that is right.

use std::time::{Instant, SystemTime};

use serde_json::Value;
use sockeye_auth::{Grants, Identity, SigningKey, TokenClaims};

use crate::common::child::{good, run_with};
use crate::common::{PATIENCE, Serving};
use crate::operations::place::{Place, request};

const YEARS_MS: u64 = 10 * 365 * 86_400_000;
const SECRET: &str = "a secret of HS256 of a good length";
const CONFIG: &str = r#"
[channels]
history_seconds = 600
keep_seconds = 600

[access]

[[access.jwt.keys]]
algorithm = "HS256"
file = "users.key"
"#;

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    u64::try_from(since.as_millis()).expect("a date")
}

/// What a process has left whose calendar was ten years ahead. The first message was too old even then.
/// Another process writes it: a server that another test starts inherits the locks that ours has.
fn from_the_future(dir: &str) {
    let end_ms = now_ms() + YEARS_MS;
    let line = |(seq, age_ms): (u64, u64)| {
        let at = end_ms - age_ms;
        format!(
            "{{\"channel\":\"a\",\"seq\":{seq},\"time\":{at},\"log_ms\":{at},\"message\":{{\"t\":\"{seq}\"}}}}\n"
        )
    };
    let lines: String = [(1, 601_000), (2, 10_000), (3, 0)].map(line).concat();
    good(&run_with(&["log", "import", "--data", dir], &lines));
}

fn token() -> String {
    let ann = Identity {
        ends_ms: Some(now_ms() + 600_000),
        subscribe: Grants::everything(),
        publish: Grants::everything(),
        ..Identity::anonymous()
    };
    let key = SigningKey::hs256(SECRET.as_bytes()).expect("long enough");
    let token = key.token(&ann, &TokenClaims::default()).expect("it has an end");
    format!("Authorization: Bearer {token}\r\n")
}

/// Publishes, and reads all that there is once the log has dropped the first message.
fn publish_and_read(serving: &Serving) -> (Vec<String>, u64) {
    let published = request(serving, "POST", "/v1/channels/a", &token(), "now");
    assert_eq!(published.0, 200, "{published:?}");
    let start = Instant::now();
    loop {
        let (data, date_ms) = read(serving);
        if data.first().is_none_or(|first| first != "1") {
            return (data, date_ms);
        }
        assert!(start.elapsed() < PATIENCE, "it is never dropped");
    }
}

fn read(serving: &Serving) -> (Vec<String>, u64) {
    let target = "/v1/channels/a/history?after=0";
    let (status, page) = request(serving, "GET", target, &token(), "");
    assert_eq!(status, 200, "{page}");
    let page: Value = serde_json::from_str(&page).expect("JSON");
    let messages = page["messages"].as_array().expect("messages");
    let date_ms = messages.last().and_then(|it| it["time"].as_u64()).expect("a date");
    let data = messages.iter().filter_map(|it| it["data"].as_str()).map(str::to_owned);
    (data.collect(), date_ms)
}

/// [service:log-time] [service:clock-trouble] Nobody is locked out, nothing is dropped, and an operator
/// is told.
#[test]
fn a_log_from_the_future_locks_nobody_out_and_drops_nothing() {
    for workers in ["1", "2"] {
        let place = Place::new();
        place.write("sockeye.toml", &CONFIG.replace("users.key", &place.path("users.key")));
        place.write("users.key", SECRET);
        from_the_future(&place.path("data"));
        let serve = || {
            place.serve(|command| {
                command.args(["--workers", workers, "--data", &place.path("data")]);
            })
        };
        let serving = serve();
        let log = place.until_logged("from the future", 1);
        let warning = log.lines().find(|it| it.contains("from the future")).expect("a line");
        assert!(warning.contains("WARN") && warning.matches(" GMT").count() == 2, "{warning}");
        let ready = request(&serving, "GET", "/readyz", "", "");
        let ahead = r#"{"ready":true,"reason":"log_ahead","reasons":["log_ahead"]}"#;
        assert_eq!(ready, (200, ahead.to_owned()));
        let metrics = request(&serving, "GET", "/metrics", "", "").1;
        let off = metrics.lines().find_map(|it| it.strip_prefix("sockeye_calendar_off_seconds "));
        let off: u64 = off.expect("a gauge").parse().expect("seconds");
        assert!(off.abs_diff(YEARS_MS / 1_000) < 600, "{off}");
        let (data, date_ms) = publish_and_read(&serving);
        assert_eq!(data, ["2", "3", "now"], "the first was too old before");
        assert!(date_ms.abs_diff(now_ms()) < 600_000, "{date_ms}");
        drop(serving);

        // The newest message has a right date now.
        let serving = serve();
        assert_eq!(request(&serving, "GET", "/readyz", "", ""), (200, "ready\n".to_owned()));
        let (data, date_ms) = publish_and_read(&serving);
        assert_eq!(data, ["2", "3", "now", "now"]);
        assert!(date_ms.abs_diff(now_ms()) < 600_000, "{date_ms}");
    }
}
