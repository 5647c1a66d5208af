//! `sockeye log` beside a server, and what a log keeps over a restart.

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use crate::common::child::{bad, good, run_with};
use crate::common::{Serving, run};
use crate::operations::clocks::now_ms;
use crate::operations::place::{Place, request};

fn start(place: &Place, data: &str) -> Serving {
    let data = place.path(data);
    place.serve(|command| {
        command.args(["--data", &data]);
    })
}

fn stop(mut serving: Serving) {
    serving.signal(Signal::TERM);
    assert!(serving.wait().success());
}

fn publish(serving: &Serving, target: &str, body: &str) -> Value {
    let (status, answer) = request(serving, "POST", &format!("/v1/channels/{target}"), "", body);
    assert!(status == 200 || status == 201, "{status} {answer}");
    serde_json::from_str(&answer).expect("JSON")
}

fn log(place: &Place, action: &str, data: &str, more: &[&str]) -> std::process::Output {
    let data = place.path(data);
    run(&[&["log", action, "--data", &data], more].concat())
}

#[test]
fn a_log_is_looked_at_and_copied_while_it_is_written() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let serving = start(&place, "data");
    for at in 0..20 {
        publish(&serving, &format!("a:{}?key=k{at}", at % 3), "hello");
    }
    let stat = log(&place, "stat", "data", &[]);
    assert!(good(&stat).contains("20 messages of "), "{stat:?}");
    assert!(good(&stat).contains("a: 20 messages, "), "{stat:?}");
    let verify = log(&place, "verify", "data", &[]);
    assert!(good(&verify).contains("good: 20 messages, 3 channels, 20 keys"), "{verify:?}");
    let export = log(&place, "export", "data", &[]);
    let lines: Vec<Value> =
        good(&export).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| line["message"].is_object()).count(), 20);
    let first = &lines[1];
    assert_eq!((&first["seq"], &first["channel"]), (&1.into(), &"a:0".into()));
    assert!(first["time"].as_u64().is_some_and(|ms| ms > 1_700_000_000_000), "a date: {first}");
    let copy = place.path("copy");
    let backup = log(&place, "backup", "data", &[&copy]);
    assert!(good(&backup).contains("20 messages copied"), "{backup:?}");
    bad(&log(&place, "backup", "data", &[&copy]), 1, "there are files in it already");
    bad(&log(&place, "compact", "data", &[]), 1, "another process uses the log");
    bad(&log(&place, "stat", "nothing", &[]), 1, "cannot read the log");
    stop(serving);
    assert!(good(&log(&place, "compact", "data", &[])).contains("20 messages"));
}

/// A client that has seen more than the copy has is told.
#[test]
fn a_restored_log_does_not_pretend() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let serving = start(&place, "data");
    publish(&serving, "a", "one");
    let copy = place.path("copy");
    good(&log(&place, "backup", "data", &[&copy]));
    let lost = publish(&serving, "a", "two");
    stop(serving);
    good(&log(&place, "restore", "new", &[&copy]));
    let serving = start(&place, "new");
    let other = publish(&serving, "a", "three");
    assert_eq!(lost["seq"], other["seq"], "the position is given out again");
    let poll = |cursor: &Value| {
        let cursor = cursor.as_str().expect("a cursor");
        let target = format!("/v1/poll?channel=a&cursor={cursor}");
        request(&serving, "GET", &target, "", "").1
    };
    assert!(poll(&lost["cursor"]).contains("forked"), "{}", poll(&lost["cursor"]));
    publish(&serving, "a", "four");
    assert!(!poll(&other["cursor"]).contains("forked"));
}

#[test]
fn keys_and_ends_outlive_their_messages_and_a_restart() {
    let place = Place::new();
    place.write("sockeye.toml", "[channels]\nkeep_messages = 1\nhistory_messages = 1\n");
    let serving = start(&place, "data");
    let first = publish(&serving, "a?key=k", "hello");
    let (status, _) = request(&serving, "POST", "/v1/channels/b/close", "", "");
    assert_eq!(status, 200);
    for at in 0..40 {
        publish(&serving, "a", &format!("more {at}"));
    }
    stop(serving);
    let stat = log(&place, "stat", "data", &[]);
    assert!(!good(&stat).contains("42 messages"), "nothing was dropped: {stat:?}");
    let serving = start(&place, "data");
    let again = publish(&serving, "a?key=k", "hello");
    assert_eq!((&again["duplicate"], &again["seq"]), (&true.into(), &first["seq"]));
    let (status, answer) = request(&serving, "POST", "/v1/channels/b", "", "more");
    assert!(status == 409 && answer.contains("channel_ended"), "{status} {answer}");
}

#[test]
fn a_namespace_that_is_full_is_refused_by_name() {
    let place = Place::new();
    place.write("sockeye.toml", "[disk]\nbytes = 5000000\n[namespaces.b]\n");
    let serving = start(&place, "data");
    let body = "x".repeat(60_000);
    let mut taken = 0;
    let refused = loop {
        let (status, answer) = request(&serving, "POST", "/v1/channels/a", "", &body);
        if status != 200 {
            break (status, answer);
        }
        taken += 1;
        assert!(taken < 200, "nothing is refused");
    };
    assert!(refused.0 == 503 && refused.1.contains("log_full"), "{refused:?}");
    // A quarter of it is for `b` alone.
    publish(&serving, "b", &body);
}

#[test]
fn what_memory_has_no_more_is_read_from_disk() {
    let place = Place::new();
    place.write("sockeye.toml", "[channels]\nhistory_messages = 1\n");
    let serving = start(&place, "data");
    let first = publish(&serving, "a", "message 0");
    for at in 1..30 {
        publish(&serving, "a", &format!("message {at}"));
        publish(&serving, "b", "another");
    }
    let cursor = first["cursor"].as_str().expect("a cursor");
    let target = format!("/v1/poll?channel=a&cursor={cursor}");
    let (status, answer) = request(&serving, "GET", &target, "", "");
    let page: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(
        (status, page["messages"][0]["data"].as_str()),
        (200, Some("message 1")),
        "{answer}"
    );
    assert!(!answer.contains("trimmed"), "{answer}");
}

/// An operator sees which namespace has no room, and that nobody else minds.
#[test]
fn a_full_namespace_is_seen_and_the_server_stays_in_service() {
    for workers in ["1", "2"] {
        let place = Place::new();
        place.write("sockeye.toml", "[disk]\nbytes = 5000000\n[namespaces.b]\n[namespaces.c]\n");
        let data = place.path("data");
        let serving = place.serve(|command| {
            command.args(["--data", &data, "--workers", workers]);
        });
        assert_eq!(request(&serving, "GET", "/readyz", "", ""), (200, "ready\n".to_owned()));
        let fill = |channel: &str| {
            let (target, body) = (format!("/v1/channels/{channel}"), "x".repeat(60_000));
            (0..200).take_while(|_| request(&serving, "POST", &target, "", &body).0 == 200).count()
        };
        let taken = fill("b:1");
        assert!(taken > 20, "{taken}");
        let ready = request(&serving, "GET", "/readyz", "", "");
        let reason =
            r#"{"ready":true,"reason":"log_full","reasons":["log_full"],"namespaces":["b"]}"#;
        assert_eq!(ready, (200, reason.to_owned()));
        assert!(fill("a:1") > 5, "others have their share");
        let ready = request(&serving, "GET", "/readyz", "", "").1;
        assert!(ready.contains(r#""namespaces":["*","b"]"#), "{ready}");
        let metrics = request(&serving, "GET", "/metrics", "", "").1;
        for line in [
            "sockeye_log_full{namespace=\"*\"} 1".to_owned(),
            "sockeye_log_full{namespace=\"b\"} 1".to_owned(),
            "sockeye_log_full{namespace=\"c\"} 0".to_owned(),
            format!("sockeye_log_messages{{namespace=\"b\"}} {taken}"),
            "sockeye_log_no_room_total{namespace=\"b\"} 1".to_owned(),
            "sockeye_log_no_room_total{namespace=\"c\"} 0".to_owned(),
            "sockeye_log_channels{namespace=\"b\"} 1".to_owned(),
        ] {
            assert!(metrics.contains(&format!("\n{line}\n")), "{line}: {metrics}");
        }
        // More room, and nobody is full any more.
        place.write("sockeye.toml", "[disk]\nbytes = 50000000\n[namespaces.b]\n[namespaces.c]\n");
        serving.signal(Signal::HUP);
        place.until_logged("the configuration was read again", 1);
        assert_eq!(request(&serving, "GET", "/readyz", "", ""), (200, "ready\n".to_owned()));
    }
}

/// The lines of a log, with its channels in the order of their names.
fn lines(place: &Place, data: &str) -> Vec<String> {
    let export = log(place, "export", data, &[]);
    let mut lines: Vec<String> = good(&export).lines().map(str::to_owned).collect();
    lines.sort_by_key(|line| if line.contains("\"floor\"") { line.clone() } else { String::new() });
    lines
}

/// [log:export] [log:import]
#[test]
fn an_export_that_is_imported_is_the_same_log() {
    let place = Place::new();
    place.write("sockeye.toml", "[namespaces.short]\nkeep_messages = 2\n");
    let serving = start(&place, "data");
    let mut cursors = Vec::new();
    for at in 0..60 {
        let name = ["short:1", "a", "b:2"][at % 3];
        let body = [r#"{"n": 12345678901234567890.10, "a":1,"a":2}"#, "text", "\"quoted\""][at % 3];
        cursors.push(publish(&serving, &format!("{name}?key=k{at}"), body)["cursor"].clone());
    }
    let (status, _) = request(&serving, "POST", "/v1/channels/b:2/close", "", "");
    assert_eq!(status, 200);
    stop(serving);
    let before = lines(&place, "data");
    let export = log(&place, "export", "data", &[]);
    let new = place.path("new");
    let imported = run_with(&["log", "import", "--data", &new], &export.stdout);
    assert!(good(&imported).contains(" messages, 60 keys imported"), "{imported:?}");
    assert_eq!(lines(&place, "new"), before);
    assert!(good(&log(&place, "verify", "new", &[])).contains("good: "));
    let stat = log(&place, "stat", "new", &[]);
    let newest = cursors[59].as_str().unwrap().split('-').next().unwrap();
    assert!(good(&stat).contains(&format!("as a cursor {newest}-")), "{stat:?} {newest}");

    // Clients go on where they were, and a publisher's repetition is one.
    let serving = start(&place, "new");
    let cursor = cursors[30].as_str().unwrap();
    let target = format!("/v1/poll?channel=a&cursor={cursor}");
    let answer = request(&serving, "GET", &target, "", "").1;
    assert!(answer.matches("\"data\"").count() == 10, "{answer}");
    let poll: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(poll["gaps"].as_array().map_or(0, Vec::len), 0, "{answer}");
    let again = publish(&serving, "a?key=k1", "text");
    assert_eq!((&again["duplicate"], &again["cursor"]), (&true.into(), &cursors[1]));
    let (status, answer) = request(&serving, "POST", "/v1/channels/b:2", "", "more");
    assert!(status == 409 && answer.contains("channel_ended"), "{status} {answer}");
    stop(serving);
    // It is a log, and not a new directory, for a second time.
    let twice = run_with(&["log", "import", "--data", &new], &export.stdout);
    bad(&twice, 1, "line 2: the position ");
}

/// The last line of a file with 9,000 good ones, and what is wrong with it.
const BAD_LINES: &[(&str, &str)] = &[
    ("{\"channel\":\"a b\",\"message\":{\"t\":\"x\"}}", "line 9001: channel \"a b\": "),
    ("{\"channel\":\"a\",\"message\":7}", "line 9001: `message` is no object with text"),
    (
        "{\"channel\":\"a\",\"message\":{\"t\":\"x\",\"event\":\"price\"}}",
        "line 9001: `message`: unknown field `event`, expected one of `e`, `t`, `j`, `l`, `d`",
    ),
    ("{\"channel\":\"a\",\"message\":{\"e\":\"price\"}}", "line 9001: `message` is no object"),
    (
        "{\"channel\":\"a\",\"seq\":9223372036854775807,\"message\":{\"t\":\"x\"}}",
        "line 9001: the position 9223372036854775807 is above 9007199254740992",
    ),
    (
        "{\"channel\":\"a\",\"message\":{\"t\":\"x\",\"l\":-1}}",
        "line 9001: `message`: `l` is no whole number of milliseconds, 0 or more",
    ),
    (
        "{\"channel\":\"a\",\"message\":{\"t\":\"x\",\"e\":\"$x\"}}",
        "line 9001: `message`: `e`: an event name that begins with $ is the service's own",
    ),
    (
        "{\"channel\":\"a\",\"message\":{\"j\":\"[1\"}}",
        "line 9001: `message`: `j`: its text is no JSON: EOF while parsing",
    ),
    ("{\"channel\":\"a\",\"message\":{\"t\":7}}", "line 9001: `message`: `t` is no text"),
    ("{\"channel\":\"a\",\"mesage\":7}", "line 9001: unknown field `mesage`"),
    ("{\"channel\":\"a\",\"seq\":9000,\"message\":{\"t\":\"x\"}}", "line 9001: the position 9000"),
    ("{\"channel\":\"c\",\"key\":\"k\",\"seq\":1,\"until_ms\":1}", "line 9001: a key of a channel"),
    ("{\"channel\":\"a\",\"log_ms\":1,\"message\":{\"t\":\"x\"}}", "line 9001: `log_ms` goes back"),
    ("{", "line 9001: no JSON: "),
    ("[7]", "line 9001: no JSON object"),
];

/// [log:import]
#[test]
fn an_import_that_fails_says_where_and_goes_on_later() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let line =
        |at: u64| format!("{{\"channel\":\"a\",\"time\":{at},\"message\":{{\"t\":\"{at}\"}}}}\n");
    let new = place.path("new");
    let import = |text: &str| run_with(&["log", "import", "--data", &new], text);
    let good_lines: String = (1..=9_000).map(line).collect();
    for (last, problem) in BAD_LINES {
        bad(&import(&format!("{good_lines}{last}\n")), 1, problem);
    }
    // Nobody takes it for a log meanwhile.
    let served = run(&["serve", "--listen", "127.0.0.1:0", "--data", &new]);
    bad(&served, 1, "run `sockeye log import` again with the same file");
    bad(&log(&place, "stat", "new", &[]), 1, "an import was not finished");
    let more = format!("{good_lines}{}", line(9_001));
    assert!(good(&import(&more)).contains("9001 messages, 0 keys imported"));
    assert!(good(&log(&place, "verify", "new", &[])).contains("good: 9001 messages, 1 channel,"));
    // What comes now is behind it.
    assert!(good(&import(&line(9_002))).contains("1 message, 0 keys"));
    let found = lines(&place, "new");
    let last: Value = serde_json::from_str(&found[found.len() - 2]).unwrap();
    assert_eq!((&last["seq"], &last["time"]), (&9_002.into(), &9_002.into()));

    let export = log(&place, "export", "new", &[]);
    let text = good(&export);
    let cut = &text[..text.trim_end().rfind('\n').unwrap() + 1];
    let other = place.path("other");
    let imported = run_with(&["log", "import", "--data", &other], cut);
    bad(&imported, 1, "the last line is missing");
    bad(&import(""), 1, "no lines");
    let strange = text.replacen(text.lines().next().unwrap(), "{\"log\":\"1abc-5\"}", 1);
    let strange = run_with(&["log", "import", "--data", &new], strange);
    bad(&strange, 1, "line 1: this is another log");
}

/// [log:import] Nothing that is there ages by a line without `log_ms`.
#[test]
fn a_line_that_is_appended_ages_no_message() {
    let place = Place::new();
    let (now, hour) = (now_ms(), 3_600_000);
    let old = now - 72 * hour;
    let line = |seq: u64, fields: &str| {
        format!("{{\"channel\":\"a\",\"seq\":{seq},{fields}\"message\":{{\"t\":\"{seq}\"}}}}\n")
    };
    let log_ms = |data: &str| -> Vec<u64> {
        let lines = lines(&place, data);
        let values = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        values
            .filter(|it| it["message"].is_object())
            .filter_map(|it| it["log_ms"].as_u64())
            .collect()
    };
    let import = |data: &str, text: &str| {
        good(&run_with(&["log", "import", "--data", &place.path(data)], text));
    };
    place.write("sockeye.toml", "");
    import("old", &line(1, &format!("\"log_ms\":{old},")));
    import("old", &line(2, ""));
    import("old", &line(3, &format!("\"time\":{now},")));
    assert_eq!(log_ms("old"), [old, old, old]);
    // A new one begins at the date, if it is one.
    let [date, micros] = [now - hour, now * 1_000].map(|time| format!("\"time\":{time},"));
    import("new", &[line(1, &date), line(2, &micros)].concat());
    let times = log_ms("new");
    assert!(times[0] == now - hour && (now..=now_ms()).contains(&times[1]), "{times:?}");
}

/// A process that is killed leaves an import that goes on. [log:import]
#[test]
fn an_import_that_is_killed_goes_on() {
    let place = Place::new();
    let new = place.path("new");
    let line =
        |at: u64| format!("{{\"channel\":\"a:{}\",\"message\":{{\"t\":\"{at}\"}}}}\n", at % 50);
    let text: String = (1..=20_000).map(line).collect();
    for part in [3, 2] {
        let mut command = crate::common::sockeye(&["log", "import", "--data", &new]);
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        let half = &text.as_bytes()[..text.len() / part];
        std::io::Write::write_all(&mut stdin, half).expect("it reads");
        // It waits for more, with some commits done.
        while std::fs::metadata(place.path("new/log.sqlite-wal")).map_or(0, |it| it.len()) < 100_000
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
    }
    let done = run_with(&["log", "import", "--data", &new], &text);
    assert!(good(&done).contains("20000 messages"), "{done:?}");
    let verify = log(&place, "verify", "new", &[]);
    assert!(good(&verify).contains("good: 20000 messages, 50 channels"), "{verify:?}");
    let found: Vec<Value> =
        lines(&place, "new").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!((1..=20_000_u64).all(|at| {
        let of_it = &found[usize::try_from(at).unwrap()];
        of_it["seq"] == at && of_it["message"]["t"].as_str() == Some(&at.to_string())
    }));
}

/// Each error says what is wrong, where, and what to do.
#[test]
fn errors_name_the_place_and_the_way_out() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    place.write("file", "");
    let serving = start(&place, "data");
    publish(&serving, "a", "hello");
    let (data, copy) = (place.path("data"), place.path("copy"));
    assert!(good(&log(&place, "backup", "data", &[&copy])).starts_with("1 message copied to "));
    bad(&log(&place, "compact", "data", &[]), 1, "another process uses the log");
    for (verb, to, advice) in [
        ("restore", "data", "start the server with it; or move away what is there"),
        ("backup", "copy", "name another one"),
    ] {
        let refused = log(&place, verb, "data", &[&copy]);
        bad(&refused, 1, &format!("{}: there are files in it already", place.path(to)));
        bad(&refused, 1, advice);
    }
    for (verb, more) in [("stat", None), ("verify", None), ("export", None), ("compact", None)] {
        let refused = log(&place, verb, "nothing", more.as_slice());
        bad(&refused, 1, &format!("the log in {}: there is no log", place.path("nothing")));
        bad(&refused, 1, "--data");
    }
    bad(&log(&place, "verify", "file", &[]), 1, "not a directory");
    // A killed server leaves its newest messages in the write-ahead log.
    drop(serving);
    std::fs::remove_file(place.path("data/log.sqlite-wal")).expect("it is there");
    let refused = log(&place, "verify", "data", &[]);
    bad(&refused, 1, "`log.sqlite-wal`");
    bad(&refused, 1, "sockeye log restore");
    let serving = start(&place, "data");
    let told = place.until_logged("is damaged: ", 1);
    for words in [format!("is now {data}/log.sqlite.damaged"), "sockeye log restore".to_owned()] {
        assert!(told.contains(&words), "{words}: {told}");
    }
    assert!(std::path::Path::new(&format!("{data}/log.sqlite.damaged")).exists());
    stop(serving);
}

/// Nothing but a server sets a log aside.
#[test]
fn a_damaged_log_is_not_touched_by_maintenance() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let serving = start(&place, "data");
    publish(&serving, "a", "hello");
    stop(serving);
    // A tail that is missing: the mark says that more was durable.
    let mark = place.path("data/mark");
    let longer = {
        let serving = start(&place, "data");
        publish(&serving, "a", "more");
        stop(serving);
        std::fs::read(&mark).expect("it is there")
    };
    good(&log(&place, "backup", "data", &[&place.path("copy")]));
    let damaged = start(&place, "new");
    publish(&damaged, "a", "hello");
    stop(damaged);
    let database = std::fs::read(place.path("new/log.sqlite")).expect("it is there");
    std::fs::write(place.path("new/mark"), longer).expect("ours");
    bad(&log(&place, "compact", "new", &[]), 1, "the log is damaged");
    let line = "{\"channel\":\"a\",\"message\":{\"t\":\"x\"}}\n";
    let new = place.path("new");
    bad(&run_with(&["log", "import", "--data", &new], line), 1, "the log is damaged");
    assert!(std::fs::read(place.path("new/log.sqlite")).expect("it is there") == database);
    assert!(!std::path::Path::new(&place.path("new/log.sqlite.damaged")).exists());
}

/// The disk of a server may be bounded by a limit of file sizes, which an operator raises while it runs. [log:full]
#[test]
fn a_limit_of_file_sizes_refuses_publications_until_it_is_raised() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let serving = start(&place, "data");
    let first = publish(&serving, "a", "first");
    let bound = |current: Option<u64>| {
        let limit = Rlimit { current, maximum: None };
        let pid = Pid::from_child(&serving.child);
        prlimit(Some(pid), Resource::Fsize, limit).expect("it is our child");
    };
    let wal = std::fs::metadata(place.path("data/log.sqlite-wal")).expect("it is at work");
    bound(Some(wal.len() + 10_000));
    let body = "x".repeat(60_000);
    for _ in 0..2 {
        let (status, answer) = request(&serving, "POST", "/v1/channels/a", "", &body);
        assert!(status == 503, "{status} {answer}");
    }
    let logged = place.until_logged("the log refuses publications", 1);
    assert!(logged.contains("LimitFSIZE"), "{logged}");
    bound(None);
    publish(&serving, "a", &body);
    let cursor = first["cursor"].as_str().expect("a cursor");
    let target = format!("/v1/poll?channel=a&cursor={cursor}");
    let (_, answer) = request(&serving, "GET", &target, "", "");
    let page: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(1), "{}", page["messages"]);
    stop(serving);
}
