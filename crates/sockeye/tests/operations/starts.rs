//! Starts of a server with a log on disk.

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Serving, sockeye};
use crate::operations::place::{Place, make_pipe, request};

fn start(place: &Place) -> Serving {
    let data = place.path("data");
    place.serve(|command| {
        command.args(["--data", &data]);
    })
}

fn stop(mut serving: Serving) {
    serving.signal(Signal::TERM);
    assert!(serving.wait().success());
}

fn publish(serving: &Serving, channel: &str, body: &str) -> Value {
    let (status, answer) = request(serving, "POST", &format!("/v1/channels/{channel}"), "", body);
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).expect("JSON")
}

/// The start waits for a file that nobody writes, and says so.
#[test]
fn a_long_start_says_what_it_is_at() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let data = place.path("data");
    std::fs::create_dir(&data).expect("our directory");
    make_pipe(&place.path("data/mark"));
    let config = place.path("sockeye.toml");
    let args = ["serve", "--listen", "127.0.0.1:0", "--config", &config, "--data", &data];
    let log = std::fs::File::create(place.path("log")).expect("our directory");
    let mut child = sockeye(&args).stderr(log).spawn().expect("the program starts");
    let log = place.until_logged("starting: reading the log's files", 2);
    assert!(log.contains("seconds="), "{log}");
    child.kill().expect("our child");
    child.wait().expect("our child");
}

/// A damaged message is a gap for whoever needs it, and stops neither the start nor anybody else.
#[test]
fn a_damaged_message_is_a_gap() {
    let place = Place::new();
    place.write("sockeye.toml", "[channels]\non_gap = \"tail\"\n");
    let serving = start(&place);
    let cursors: Vec<Value> = (1..=30)
        .map(|at| {
            publish(&serving, "b", "another");
            publish(&serving, "a", &format!("message <{at}>"))["cursor"].clone()
        })
        .collect();
    // The newest 33,000 messages are checked at the start.
    let batch = [r#"{"channel":"b","data":"another"}"#; 1_000].join("\n");
    for _ in 0..40 {
        assert_eq!(request(&serving, "POST", "/v1/batch", "", &batch).0, 200);
    }
    stop(serving);
    let file = place.path("data/log.sqlite");
    let mut bytes = std::fs::read(&file).expect("the log");
    let at = bytes.windows(12).position(|it| it == b"message <10>").expect("it is there");
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).expect("our file");
    let serving = start(&place);

    let (mut cursor, mut texts, mut gaps) = (cursors[2].clone(), Vec::new(), Vec::new());
    for _ in 0..9 {
        let cursor_text = cursor.as_str().expect("a cursor");
        let target = format!("/v1/poll?channel=a&cursor={cursor_text}");
        let (status, answer) = request(&serving, "GET", &target, "", "");
        let page: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(status, 200, "{answer}");
        gaps.extend(page["gaps"].as_array().expect("gaps").iter().cloned());
        texts.extend(page["messages"].as_array().expect("messages").iter().cloned());
        cursor = page["cursor"].clone();
        if page["more"] == false {
            break;
        }
    }
    let texts: Vec<&str> = texts.iter().map(|it| it["data"].as_str().expect("a text")).collect();
    let sound = (4..=30).filter(|at| *at != 10).map(|at| format!("message <{at}>"));
    assert_eq!(texts, sound.collect::<Vec<_>>());
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let missed = serde_json::json!({"after": 18, "through": 20});
    assert_eq!((&gaps[0]["reason"], &gaps[0]["missed"]), (&"trimmed".into(), &missed));
    // Pages of history go on beyond the gap; another channel has none.
    let page = |target: &str| -> (usize, Value, Value) {
        let (status, answer) = request(&serving, "GET", target, "", "");
        let page: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(status, 200, "{answer}");
        let count = page["messages"].as_array().expect("messages").len();
        (count, page["floor"].clone(), page["more"].clone())
    };
    assert_eq!(page("/v1/channels/a/history"), (20, 20.into(), true.into()));
    assert_eq!(page("/v1/channels/a/history?before=22"), (9, 20.into(), false.into()));
    assert_eq!(page("/v1/channels/a/history?before=19&limit=3"), (3, 0.into(), true.into()));
    assert_eq!(page("/v1/channels/a/history?after=0"), (9, 0.into(), true.into()));
    assert_eq!(page("/v1/channels/a/history?after=18"), (0, 20.into(), true.into()));
    assert_eq!(page("/v1/channels/a/history?after=20"), (20, 0.into(), false.into()));
    assert_eq!(page("/v1/channels/b/history?before=60"), (30, 0.into(), false.into()));
    let log = place.until_logged("is damaged, and is a gap", 1);
    assert_eq!(log.matches("is damaged, and is a gap").count(), 1, "{log}");
}
