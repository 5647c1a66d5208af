//! `sockeye config check`: what could not be served is found before it is, with its line.

use std::io::Write as _;
use std::process::Stdio;

use crate::common::{run, sockeye};
use crate::operations::place::{Place, make_pipe};

fn check(place: &Place) -> (Option<i32>, String) {
    let output = run(&["config", "check", &place.path("sockeye.toml")]);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.lines().count() <= 1, "one line for a person: {stderr}");
    (output.status.code(), stderr)
}

/// What memory and disk a configuration can come to.
#[test]
fn the_most_that_it_takes_is_said() {
    let place = Place::new();
    let said = |text: &str| {
        place.write("sockeye.toml", text);
        let output = run(&["config", "check", &place.path("sockeye.toml")]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let without = said("");
    let memory = "memory: history up to 256 MiB, idempotency keys up to 239 MiB";
    assert!(without.contains(&format!("{memory}; nothing on disk")), "{without}");
    let with = said("data = \"data\"\n[disk]\nbytes = 1048576000\nchannels = 1048576\n");
    assert!(with.contains(&format!("{memory}, channels of the log up to 540 MiB")), "{with}");
    assert!(with.contains(" MiB, of which messages up to 1000 MiB"), "{with}");
    let two = said("data = \"data\"\nworkers = 2\n[disk]\nchannels = 1048576\n");
    assert!(two.contains("history up to 512 MiB"), "{two}");
    assert!(two.contains("channels of the log up to 920 MiB"), "{two}");
}

/// What a server with `--data` would keep and refuse is said with `--data`.
#[test]
fn a_directory_for_the_log_counts_as_for_a_server() {
    let place = Place::new();
    place.write("sockeye.toml", "[disk]\nbytes = 1048576000\n");
    let file = place.path("sockeye.toml");
    let said = |data: &[&str]| run(&[&["config", "check", &file], data].concat());
    let without = said(&[]);
    assert!(String::from_utf8_lossy(&without.stdout).contains("nothing on disk"), "{without:?}");
    let with = said(&["--data", "data"]);
    let messages = " MiB, of which messages up to 1000 MiB";
    assert!(String::from_utf8_lossy(&with.stdout).contains(messages), "{with:?}");
    place.write("sockeye.toml", "[backbone]\nurl = \"redis://127.0.0.1\"\n");
    let both = said(&["--data", "data"]);
    assert_eq!(both.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&both.stderr).contains("exclude each other"), "{both:?}");
}

/// The option of `sockeye serve` is known here, too.
#[test]
fn the_file_may_be_named_by_an_option() {
    let place = Place::new();
    place.write("sockeye.toml", "");
    let file = &*place.path("sockeye.toml");
    let said = |words: &[&str]| run(&[&["config", "check"], words].concat());
    let (one, other) = (said(&[file]), said(&["--config", file]));
    assert_eq!((other.status.code(), other.stdout), (Some(0), one.stdout));
    for wrong in [&[][..], &[file, "--config", file]] {
        assert_eq!(said(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// A pipe with a name would be waited for. [service:regular-files]
#[test]
fn a_pipe_is_refused_unless_it_is_standard_input() {
    let place = Place::new();
    let pipe = place.path("sockeye.toml");
    make_pipe(&pipe);
    let output = run(&["config", "check", &pipe]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&pipe) && said.contains("it is not a regular file"), "{said}");
    let mut command = sockeye(&["config", "check", "/dev/stdin"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"[disk]\nbytes = 1048576000\n").expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(String::from_utf8_lossy(&output.stdout).contains("/dev/stdin: good"), "{output:?}");
}

/// The environment counts here as it does for a server.
#[cfg(feature = "redis")]
#[test]
fn the_environment_counts_as_for_a_server() {
    let place = Place::new();
    place.write("sockeye.toml", "[backbone]\nentries = 2000\n");
    let said = |variables: &[(&str, &str)]| {
        let mut command = sockeye(&["config", "check", &place.path("sockeye.toml")]);
        let output = command.envs(variables.iter().copied()).output().expect("the program starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let (status, problem) = said(&[]);
    assert!(status == Some(1) && problem.contains("line 1: [backbone] needs a url"), "{problem}");
    assert!(problem.contains("SOCKEYE_BACKBONE"), "{problem}");
    let url = ("SOCKEYE_BACKBONE", "redis://127.0.0.1");
    assert_eq!(said(&[url]), (Some(0), String::new()));
    let (status, problem) = said(&[url, ("SOCKEYE_DATA", "data")]);
    assert!(status == Some(1) && problem.contains("exclude each other"), "{problem}");
    let (status, problem) = said(&[url, ("SOCKEYE_LISTEN", "nowhere")]);
    assert!(status == Some(2) && problem.contains("variable SOCKEYE_LISTEN"), "{problem}");
}

/// [listen:mode]
#[test]
fn a_problem_of_a_listener_has_its_line() {
    let place = Place::new();
    for (address, more, complaint) in [
        (":80", "serves = [\"channels\"]", "line 2: listening on [::]:80 without [access]"),
        ("127.0.0.1:0", "proxy_protocol = \"v1\"", "line 3: proxy_protocol needs trusted"),
        ("127.0.0.1:0", "tls = true", "line 3: tls = true needs a certificate"),
        ("127.0.0.1:0", "serves = []", "line 3: serves names nothing"),
        ("127.0.0.1:0", "mode = 0o660", "line 3: mode is for unix: addresses"),
        ("unix:socket", "mode = 660", "line 3: mode: 660, expected an octal number"),
        ("unix:socket", "mode = 0o1660", "line 3: mode is not within 0o000 to 0o777"),
    ] {
        let text = format!("[[listen]]\naddress = \"{address}\"\n{more}\n");
        is_refused(&place, &text, complaint);
    }
}

/// The file is refused, with this line and complaint.
fn is_refused(place: &Place, text: &str, complaint: &str) {
    place.write("sockeye.toml", text);
    let (status, said) = check(place);
    assert_eq!(status, Some(1), "{text}");
    assert!(said.contains("sockeye.toml: ") && said.contains(complaint), "{complaint}: {said}");
}

#[test]
fn a_number_that_a_start_would_not_take_has_its_line() {
    let place = Place::new();
    for (text, complaint) in [
        ("[disk]\nbytes = 4000000\n", "[disk] bytes: 4000000, expected 4194304 to 4398046511104"),
        ("[disk]\nchannels = 0\n", "[disk] channels: 0, expected 1 to 2147483648"),
        (
            "[namespaces.chat]\ndisk_bytes = 999999999999\n",
            "[disk] bytes: the namespaces reserve 999999999999 bytes (disk_bytes) of",
        ),
        (
            "[limits]\nsocket_bytes = 3000000000\n",
            "socket_bytes: 3000000000, expected 0 to 536870912",
        ),
        (
            "[channels]\nmessage_bytes = 200000000\n",
            "message_bytes: 200000000, expected 0 to 134217728",
        ),
        ("[limits]\nping_seconds = 0\n", "ping_seconds: 0, expected at least 1"),
        ("[limits]\nconnections = 0\n", "connections: 0, expected at least 1"),
    ] {
        is_refused(&place, text, &format!("line 2: {complaint}"));
    }
}

#[test]
fn files_that_it_names_are_read_and_keys_looked_at() {
    let place = Place::new();
    place.write("good.key", "a_back_end_s_key_of_a_good_length_01");
    place.write("short.key", "tiny");
    place.write("not.pem", "-----BEGIN NONSENSE-----");
    place.write("secret", &"s".repeat(40));
    let jwt = |file: &str| {
        format!(
            "[access]\n[access.jwt]\n\n[[access.jwt.keys]]\nalgorithm = \"ES256\"\nfile = \"{file}\"\n"
        )
    };
    let key = |file: &str| {
        format!("[access]\n\n[[access.api_keys]]\nname = \"a\"\nkey_file = \"{file}\"\n")
    };
    let tickets = |file: &str| format!("[access]\n[access.tickets]\nsecret_file = \"{file}\"\n");
    for (text, complaint) in [
        (key("nothing.key"), "line 3: [[access.api_keys]] a: "),
        (key("short.key"), "line 3: [[access.api_keys]] a: "),
        (format!("{}sha256 = \"00\"\n", key("good.key")), "line 3: [[access.api_keys]] a: one of"),
        (
            key("good.key") + &key("good.key").replace("[access]\n", ""),
            "line 7: [[access.api_keys]] a: ",
        ),
        (jwt("nothing.pem"), "line 4: [[access.jwt.keys]]: "),
        (jwt("not.pem"), "line 4: [[access.jwt.keys]]: "),
        (jwt("not.pem").replace("ES256", "none"), "line 4: [[access.jwt.keys]]: none is none of"),
        (tickets("nothing"), "line 2: [access.tickets]: "),
        (tickets("short.key"), "line 2: [access.tickets]: "),
        ("\n[namespaces.\"a:b\"]\n".to_owned(), "line 2: [namespaces.a:b]: "),
        ("[log]\nlevel = \"loud\"\n".to_owned(), "line 2: level: \"loud\", expected one of"),
        (
            "[access]\nsubscribe = [\"a b\"]\n".to_owned(),
            "line 2: [access] subscribe: \"a b\" is nei",
        ),
        ("[access]\n\norigins = [\"app.example\"]\n".to_owned(), "line 3: [access] origins: "),
        ("listen = \"0.0.0.0:80\"\n".to_owned(), "line 1: listening on 0.0.0.0:80 without [acc"),
        (
            "[channels]\n[namespaces.a]\npublish = \"keys\"\n".to_owned(),
            "line 3: [namespaces.a] publish = \"keys\": without [access]",
        ),
        ("\ndata = \"\"\n".to_owned(), "line 2: data: the path is empty"),
        (key(""), "line 5: key_file: the path is empty"),
        (jwt(""), "line 6: file: the path is empty"),
        (tickets(""), "line 3: secret_file: the path is empty"),
    ] {
        is_refused(&place, &text, complaint);
    }
    place.write("sockeye.toml", &(key("good.key") + &tickets("secret").replace("[access]\n", "")));
    assert_eq!(check(&place), (Some(0), String::new()));
    // The key itself is not in the message.
    place.write("sockeye.toml", &key("short.key"));
    assert!(!check(&place).1.contains("tiny"));
}
