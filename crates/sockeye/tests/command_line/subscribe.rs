//! `sockeye subscribe` while its server stays.

use std::io::{BufRead as _, BufReader, PipeReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::command_line::program::{
    client, client_of, complaint, good, nobody, publish, publish_from, text,
};
use crate::command_line::subscriber::{Subscriber, TRANSPORTS};
use crate::common::{PATIENCE, Serving, serve_anywhere};

fn close(serving: &Serving, channel: &str) {
    let (head, _) = serving.connect().fetch("POST", &format!("/v1/channels/{channel}/close"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[test]
fn what_is_published_comes_on_every_transport() {
    let serving = serve_anywhere();
    for transport in TRANSPORTS {
        let channel = format!("to:{transport}");
        let args = ["--transport", transport, "--quiet", "--count", "3", &channel, "to:other"];
        let mut subscriber = Subscriber::live(&serving, &args);
        good(&publish(&serving, &[&channel, "two\nlines\u{1b}"]));
        let sold = "{\"seat\":\n 12}";
        good(&publish(&serving, &["--json-data", "--event", "sold", "to:other", sold]));
        good(&publish(&serving, &[&channel, ""]));
        let first = subscriber.next_of("message");
        assert_eq!(
            (&first["channel"], &first["data"]),
            (&json!(channel), &json!("two\nlines\u{1b}"))
        );
        assert!(first["time"].is_u64() && first["cursor"].is_string(), "{first}");
        let second = subscriber.next_of("message");
        assert_eq!((&second["channel"], &second["event"]), (&json!("to:other"), &json!("sold")));
        assert_eq!(second["data"], json!({"seat": 12}));
        assert_eq!(subscriber.data(), "");
        subscriber.wait_for_good_end();
    }
}

#[test]
fn history_from_the_start_or_from_a_cursor() {
    let serving = serve_anywhere();
    good(&publish_from(&serving, &["h"], "1\n2\n3\n4\n5\n"));
    for transport in TRANSPORTS {
        let args = ["--transport", transport, "--quiet"];
        let from = ["--from", "earliest", "--count", "2", "h"];
        let mut subscriber = Subscriber::start(&serving, &[&args[..], &from].concat());
        assert_eq!(subscriber.data(), "1", "{transport}");
        let second = subscriber.next_of("message");
        assert_eq!(second["data"], "2");
        subscriber.wait_for_good_end();

        let cursor = second["cursor"].as_str().expect("a cursor");
        let from = ["--cursor", cursor, "--count", "3", "h"];
        let mut subscriber = Subscriber::start(&serving, &[&args[..], &from].concat());
        let rest = [subscriber.data(), subscriber.data(), subscriber.data()];
        assert_eq!(rest, ["3", "4", "5"], "{transport}");
        subscriber.wait_for_good_end();

        let from = ["--cursor", "nonsense", "h"];
        let mut subscriber = Subscriber::start(&serving, &[&args[..], &from].concat());
        assert_eq!(subscriber.next_of("gap")["reason"], "unreadable", "{transport}");
    }
}

#[test]
fn the_end_of_all_channels_is_the_end() {
    let serving = serve_anywhere();
    for transport in TRANSPORTS {
        let (one, two) = (format!("{transport}:1"), format!("{transport}:2"));
        let args = ["--transport", transport, "--quiet", &one, &two];
        let mut subscriber = Subscriber::live(&serving, &args);
        close(&serving, &one);
        assert_eq!(subscriber.next_of("end")["channel"], json!(one));
        good(&publish(&serving, &[&two, "last"]));
        assert_eq!(subscriber.data(), "last");
        close(&serving, &two);
        let end = subscriber.next_of("end");
        assert_eq!(end["channel"], json!(two));
        subscriber.wait_for_good_end();

        // Whoever has all of it need not wait for more.
        let cursor = end["cursor"].as_str().expect("a cursor");
        let args = ["--transport", transport, "--quiet", "--cursor", cursor, &one, &two];
        Subscriber::start(&serving, &args).wait_for_good_end();
    }
}

#[test]
fn a_refused_channel_is_named_and_the_others_go_on() {
    let serving = serve_anywhere();
    for transport in ["ws", "sse"] {
        let args = ["--transport", transport, "--count", "1", "no spaces", "good"];
        let mut subscriber = Subscriber::start(&serving, &args);
        let error = subscriber.next_of("error");
        assert_eq!(
            (&error["channel"], &error["code"]),
            (&json!("no spaces"), &json!("bad_channel"))
        );
        subscriber.next_of("sync");
        good(&publish(&serving, &["good", "x"]));
        assert_eq!(subscriber.data(), "x");
        let (status, stderr) = subscriber.wait();
        assert_eq!(status.code(), Some(0));
        assert!(stderr.starts_with("sockeye: no spaces: "), "{stderr}");
    }
    for transport in TRANSPORTS {
        let mut command = client_of(&serving, &["subscribe", "--transport", transport]);
        let output = command.arg("no spaces").output().expect("it starts");
        assert!(complaint(&output).contains("(bad_channel)"), "{transport}: {output:?}");
    }
}

#[test]
fn a_server_that_is_not_there() {
    let url = format!("http://{}", nobody());
    for transport in TRANSPORTS {
        let args = ["subscribe", "--url", &url, "--transport", transport, "a"];
        let output = client(&args).output().expect("it starts");
        assert!(complaint(&output).contains("Is the server running?"), "{output:?}");
        assert_eq!(text(&output.stdout), "");
    }
    let args = ["subscribe", "--cursor", "c", "--from", "earliest", "a"];
    assert_eq!(client(&args).output().expect("it starts").status.code(), Some(2));
}

#[test]
fn a_signal_tells_the_cursor_with_which_another_run_goes_on() {
    let serving = serve_anywhere();
    for (transport, signal) in [("ws", Signal::INT), ("sse", Signal::TERM), ("poll", Signal::INT)] {
        let args = ["--transport", transport, "--quiet", "i"];
        let mut subscriber = Subscriber::live(&serving, &args);
        good(&publish(&serving, &["i", "before"]));
        assert_eq!(subscriber.data(), "before");
        subscriber.signal(signal);
        let (status, stderr) = subscriber.wait();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{transport}");
        let cursor = stderr.strip_prefix("sockeye: last cursor: ").expect(&stderr).trim_end();
        good(&publish(&serving, &["i", "between"]));
        let args = ["--transport", transport, "--quiet", "--count", "1", "--cursor", cursor, "i"];
        let mut subscriber = Subscriber::start(&serving, &args);
        assert_eq!(subscriber.data(), "between", "{transport}");
        subscriber.wait_for_good_end();
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let serving = serve_anywhere();
    for transport in ["ws", "sse", "poll"] {
        let mut command = client_of(&serving, &["subscribe", "--transport", transport, "p"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("text");
        assert!(line.contains("\"sync\""), "{line}");
        drop(stdout);
        good(&publish(&serving, &["p", "into the void"]));
        let start = Instant::now();
        while child.try_wait().expect("our child").is_none() {
            assert!(start.elapsed() < PATIENCE, "{transport}: it does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
        let output = child.wait_with_output().expect("our child");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{transport}");
    }
}

/// `sockeye subscribe --from earliest p | head -1`, where nothing more is ever published.
#[test]
fn a_reader_that_is_gone_is_noticed_in_silence() {
    let serving = serve_anywhere();
    good(&publish(&serving, &["p", "the only one"]));
    for transport in TRANSPORTS {
        let args = ["subscribe", "--transport", transport, "--from", "earliest", "p"];
        let mut command = client_of(&serving, &args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("text");
        assert!(line.contains("the only one"), "{line}");
        drop(stdout);
        let start = Instant::now();
        while child.try_wait().expect("our child").is_none() {
            if start.elapsed() > PATIENCE {
                child.kill().expect("our child");
                panic!("{transport}: it does not end");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let output = child.wait_with_output().expect("our child");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{transport}");
    }
}

/// Somebody else's JSON keeps its own line ends on the way; a line of ours is a line.
#[test]
fn json_of_others_stays_one_line() {
    let serving = serve_anywhere();
    for transport in TRANSPORTS {
        let channel = format!("pretty:{transport}");
        let args = ["--transport", transport, "--quiet", "--count", "2", &channel];
        let mut subscriber = Subscriber::live(&serving, &args);
        for pretty in ["{\n  \"seat\": 12,\r\n  \"rows\": [\n    1,\n    2\n  ]\n}", "[\n]"] {
            let (mut peer, len) = (serving.connect(), pretty.len());
            let headers = format!("Content-Type: application/json\r\nContent-Length: {len}\r\n");
            peer.send(format!("POST /v1/channels/{channel} HTTP/1.1\r\nHost: localhost\r\n"));
            peer.send(format!("{headers}\r\n{pretty}"));
            assert!(peer.read_line().starts_with("HTTP/1.1 200 "));
            // `data` reads one line and wants all of the JSON in it.
            let data = subscriber.data();
            assert_eq!(data, serde_json::from_str::<serde_json::Value>(pretty).expect("JSON"));
        }
        subscriber.wait_for_good_end();
    }
}

/// A subscriber whose pipe takes 4096 bytes, with something in it.
fn into_a_narrow_pipe(serving: &Serving) -> (Child, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let size = rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("it is empty");
    assert_eq!(size, 4096);
    let mut command = client_of(serving, &["subscribe", "--json", "--from", "earliest", "p"]);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
    let start = Instant::now();
    while rustix::io::ioctl_fionread(&reader).expect("a pipe") == 0 {
        assert!(start.elapsed() < PATIENCE, "nothing comes");
        std::thread::sleep(Duration::from_millis(1));
    }
    (child, reader)
}

/// However long the lines are, if the reader takes them.
#[test]
fn a_signal_in_front_of_a_full_pipe_cuts_no_line() {
    for lens in [&[10, 700, 1_500, 3_000][..], &[9_000], &[300, 20_000]] {
        let serving = serve_anywhere();
        let lines: String =
            lens.iter().cycle().take(20).map(|len| "x".repeat(*len) + "\n").collect();
        good(&publish_from(&serving, &["p"], &lines));
        let (mut child, mut reader) = into_a_narrow_pipe(&serving);
        kill_process(Pid::from_child(&child), Signal::INT).expect("it is our child");
        let mut output = String::new();
        reader.read_to_string(&mut output).expect("text");
        assert_eq!(child.wait().expect("our child").signal(), Some(Signal::INT.as_raw()));
        assert!(output.ends_with("}\n"), "a cut line: {:?}", output.lines().last());
        let last = output.lines().last().expect("a line");
        let last: serde_json::Value = serde_json::from_str(last).expect(last);
        let mut told = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut told).expect("text");
        let cursor = last["cursor"].as_str().expect("a cursor");
        assert_eq!(told, format!("sockeye: last cursor: {cursor}\n"), "{lens:?}");
    }
}

/// A long line is not waited for without end.
#[test]
fn a_signal_is_heard_inside_of_a_long_line_that_nobody_reads() {
    let serving = serve_anywhere();
    good(&publish(&serving, &["p", &"x".repeat(20_000)]));
    let (mut child, _reader) = into_a_narrow_pipe(&serving);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is our child");
    assert_eq!(child.wait().expect("our child").signal(), Some(Signal::INT.as_raw()));
}
