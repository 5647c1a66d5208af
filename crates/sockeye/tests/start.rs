//! Starting: where it listens, and what it says when it cannot.

use crate::common;

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use common::{Peer, run, serve, serve_anywhere, sockeye};

/// The user without rights, on every Linux.
const NOBODY: u32 = 65_534;

fn fails_with(args: &[&str], complaint: &str) {
    complains(run(args), complaint);
}

fn complains(output: Output, complaint: &str) {
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(complaint), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "one line for a person: {stderr}");
    assert!(output.stdout.is_empty(), "it did not pretend to listen");
}

#[test]
fn an_address_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("bound").to_string();
    fails_with(&["serve", "--listen", &addr], "another program listens there");
}

#[test]
fn an_address_of_another_machine() {
    // TEST-NET-1 (RFC 5737) belongs to nobody. Only a guarded server listens beyond loopback.
    let file = std::env::temp_dir().join(format!("sockeye-start-{}.toml", std::process::id()));
    std::fs::write(&file, "[access]\n").unwrap();
    let file = file.to_str().unwrap();
    let args = ["serve", "--config", file, "--listen", "192.0.2.1:0"];
    fails_with(&args, "this machine does not have that address");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn an_open_server_beyond_the_loopback_interface() {
    fails_with(&["serve", "--listen", "0.0.0.0:0"], "without [access] would let everybody publish");
}

#[test]
fn a_file_where_the_log_needs_a_directory() {
    let file = std::env::temp_dir().join(format!("sockeye-start-{}.file", std::process::id()));
    std::fs::write(&file, "x").expect("a file");
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", file.to_str().expect("UTF-8")];
    fails_with(&args, "is no directory; the log needs one");
    assert_eq!(std::fs::read(&file).expect("still there"), b"x");
    std::fs::remove_file(file).expect("a file");
}

#[test]
fn a_privileged_port() {
    let args = ["serve", "--listen", "127.0.0.1:1"];
    let complaint = "ports below 1024 need privileges";
    if !rustix::process::geteuid().is_root() {
        return fails_with(&args, complaint);
    }
    // Root may bind any port, so a user without rights runs it, from a place that he can reach.
    let room = std::env::temp_dir().join(format!("sockeye-start-{}", std::process::id()));
    std::fs::create_dir(&room).expect("a directory");
    std::fs::set_permissions(&room, Permissions::from_mode(0o755)).expect("our directory");
    let program = room.join("sockeye");
    // Copied by a child: a file that is open for writing here goes with whatever another test starts in
    // that moment, and the system does not run what somebody may still write.
    let copied = Command::new("cp").arg(sockeye(&[]).get_program()).arg(&program).status();
    assert!(copied.expect("cp").success());
    let output = Command::new(&program).args(args).uid(NOBODY).gid(NOBODY).output();
    std::fs::remove_dir_all(&room).expect("our directory");
    complains(output.expect("the program starts"), complaint);
}

#[test]
fn a_bad_command_line() {
    for args in [
        &["serve", "--lisen", "127.0.0.1:0"][..],
        &["serve", "--listen", "localhost"],
        &["serve", "--drain", "soon"],
        &["swim"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn who_has_said_something_bad_is_named() {
    for (variable, flag, value, expected) in [
        (
            "SOCKEYE_LISTEN",
            "--listen",
            "junk",
            "expected an address with a port, as 127.0.0.1:8080",
        ),
        ("SOCKEYE_DRAIN", "--drain", "-1", "expected a whole number, 0 or more"),
        ("SOCKEYE_DATA", "--data", "", ""),
    ] {
        for bare in [true, false] {
            let mut command = sockeye(if bare { &[] } else { &["serve"] });
            let output = command.env(variable, value).output().expect("it starts");
            let said = String::from_utf8(output.stderr).expect("text");
            assert_eq!(output.status.code(), Some(2), "{said}");
            let named = format!("environment variable {variable}'");
            assert!(said.contains(&named) && said.contains(expected), "{said}");
            assert!(!said.contains(flag), "nobody has written it: {said}");
        }
        // The flag wins, also when it is the one that is wrong.
        let mut command = sockeye(&["serve", flag, value]);
        let output = command.env(variable, value).output().expect("it starts");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(said.contains(&format!("'{flag} <")) && said.contains(expected), "{said}");
        assert!(!said.contains(variable), "{said}");
    }
}

#[test]
fn port_zero_is_told() {
    let serving = serve_anywhere();
    assert_ne!(serving.addr.port(), 0);
    assert_eq!(serving.connect().fetch("GET", "/healthz").1, "ok\n");
}

#[test]
fn the_environment_says_where_and_the_command_line_outranks_it() {
    let mut command = sockeye(&[]);
    command.env("SOCKEYE_LISTEN", "127.0.0.2:0");
    let serving = serve(command);
    assert_eq!(serving.addr.ip().to_string(), "127.0.0.2");
    assert_eq!(serving.connect().fetch("GET", "/healthz").1, "ok\n");

    let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("SOCKEYE_LISTEN", "127.0.0.2:0");
    assert_eq!(serve(command).addr.ip().to_string(), "127.0.0.1");
}

#[test]
fn nobody_reads_what_it_prints() {
    // As in `sockeye serve | head -1`, only earlier.
    let addr = common::unused_addr();
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let mut command = sockeye(&["serve", "--listen", &addr.to_string()]);
    let mut child = command.stdout(closed()).stderr(closed()).spawn().expect("it starts");
    let start = std::time::Instant::now();
    while std::net::TcpStream::connect(addr).is_err() {
        assert_eq!(child.try_wait().expect("our child"), None, "it ended");
        assert!(start.elapsed() < common::PATIENCE, "it does not listen");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(Peer::connect(addr).fetch("GET", "/healthz").1, "ok\n");
    child.kill().expect("our child");
    child.wait().expect("our child");

    // Nor is failing a reason to panic.
    let mut command = sockeye(&["serve", "--listen", "192.0.2.1:0"]);
    let status = command.stdout(closed()).stderr(closed()).status().expect("it starts");
    assert_eq!(status.code(), Some(1));
}
