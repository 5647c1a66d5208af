//! Several listeners: what each serves, and Unix sockets.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::Signal;

use crate::common::{PATIENCE, Peer, run, serve, sockeye};
use crate::operations::place::Place;

/// Asks a Unix socket for `target`, and reads to the end.
fn ask(path: &Path, target: &str) -> String {
    let mut stream = UnixStream::connect(path).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("room");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an orderly end");
    answer
}

/// The statuses of the answers to all of these paths, by `ask`.
fn statuses(mut ask: impl FnMut(&str) -> String) -> Vec<String> {
    ["/v1/channels/news/history", "/", "/admin", "/metrics", "/healthz", "/page/style.css"]
        .map(|path| ask(path).split(' ').nth(1).unwrap_or_default().to_owned())
        .into()
}

/// [listen:parts]
#[test]
fn each_listener_serves_its_parts() {
    let place = Place::new();
    place.write(
        "sockeye.toml",
        r#"
[[listen]]
address = "127.0.0.1:0"
serves = ["channels", "health"]

[[listen]]
address = "unix:private"
serves = ["admin", "metrics"]
mode = 0o600

[[listen]]
address = "127.0.0.1:0"
"#,
    );
    let file = place.path("sockeye.toml");
    let mut server = serve(sockeye(&["serve", "--config", &file]));
    let private = Path::new(&file).with_file_name("private");
    assert_eq!(server.says().trim(), format!("and on unix:{}", private.display()));
    let everything = server.says();
    let everything = everything.trim().rsplit_once("http://").expect("an address").1;
    let everything = everything.parse().expect("an address");

    let public = statuses(|path| server.connect().fetch("GET", path).0);
    assert_eq!(public, ["200", "404", "404", "404", "200", "404"]);
    let refused = server.connect().fetch("GET", "/metrics").1;
    assert!(refused.contains(r#""code":"not_found""#), "{refused}");
    assert_eq!(statuses(|path| ask(&private, path)), ["404", "404", "200", "200", "404", "200"]);
    let all = statuses(|path| Peer::connect(everything).fetch("GET", path).0);
    assert_eq!(all, ["200"; 6]);

    let mode = fs::metadata(&private).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let second = run(&["serve", "--config", &file]);
    let why = String::from_utf8_lossy(&second.stderr);
    assert!(why.contains("private: another program listens there"), "{why}");
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(!private.exists(), "it is removed at the end");
}

/// [listen:unix-shared] [listen:unix-stale]
#[test]
fn loops_share_a_unix_socket_that_a_killed_server_left() {
    let place = Place::new();
    let path = place.path("socket");
    let address = format!("unix:{path}");
    let start = || {
        let listen = ["serve", "--listen", &address, "--workers", "2"];
        let mut command = sockeye(&listen);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
        let mut out = std::io::BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
        assert!(line.trim().ends_with(&format!("listens on {address}")), "{line}");
        (child, out)
    };
    let (mut killed, _out) = start();
    killed.kill().expect("it runs");
    killed.wait().expect("it is our child");
    assert!(Path::new(&path).exists(), "nobody removed it");
    let (mut server, _out) = start();
    for _ in 0..50 {
        assert!(ask(Path::new(&path), "/healthz").starts_with("HTTP/1.1 200 "));
    }
    let metrics = ask(Path::new(&path), "/metrics");
    assert!(metrics.contains("\nsockeye_connections_accepted_total 5"), "{metrics}");
    rustix::process::kill_process(rustix::process::Pid::from_child(&server), Signal::TERM)
        .expect("it is our child");
    assert!(server.wait().expect("it is our child").success());
    assert!(!Path::new(&path).exists());
}
