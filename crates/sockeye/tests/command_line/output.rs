//! Output that cannot be written is told, and is no success.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::command_line::program::{client, complaint, good};
use crate::common::{serve, sockeye};

const FULL: &str = "cannot write: No space left on device";

/// A disk on which there is no room.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("the system has one")
}

fn run_full(mut command: Command) -> Output {
    command.stdout(full()).output().expect("it starts")
}

/// A directory of its own, gone with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("a directory");
        Self(dir)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_full_disk_is_no_success() {
    let place = Place::new("full");
    let (key, config) = (place.file("users.key"), place.file("sockeye.toml"));
    let block = client(&["token", "key", "HS256", "--out", &key]).output().expect("it starts");
    fs::write(&config, good(&block)).expect("room");
    let token = ["token", "new", "--key", &key, "--algorithm", "HS256", "--channel", "news"];
    let made = client(&token).output().expect("it starts");
    let made = good(&made).trim().to_owned();
    for args in [
        &["--help"][..],
        &["--version"],
        &["publish", "--help"],
        &["config", "default"],
        &["config", "check", &config],
        &["completions", "bash"],
        &token,
        &["token", "check", "--config", &config, &made],
        &["token", "check", "--json", "--config", &config, &made],
    ] {
        assert_eq!(complaint(&run_full(client(args))), FULL, "{args:?}");
    }
}

#[test]
fn what_a_server_has_said_is_not_lost_without_a_word() {
    let place = Place::new("said");
    let mut guarded = sockeye(&["serve", "--listen", "127.0.0.1:0", "--config"]);
    let (config, secret) = (place.file("sockeye.toml"), place.file("ticket.secret"));
    let key = place.file("shop.key");
    let mut blocks = String::from("log.level = \"error\"\n");
    for (kind, file) in [("api-key", &key), ("tickets", &secret)] {
        let block = client(&["token", "key", kind, "--out", file]).output().expect("it starts");
        blocks.push_str(good(&block));
    }
    fs::write(&config, blocks).expect("room");
    guarded.arg(&config);
    let server = serve(guarded);
    let (url, ws) = (format!("http://{}", server.addr), format!("ws://{}/v1/ws", server.addr));
    let header = format!("Authorization: ApiKey {}", fs::read_to_string(&key).expect("it").trim());
    for args in [
        &["ticket", "--url", &url, "--api-key-file", &key, "--channel", "news"][..],
        &["publish", "--url", &url, "--api-key-file", &key, "news", "hello"],
        &["publish", "--json", "--url", &url, "--api-key-file", &key, "news", "hello"],
        &["bench", "fanout", "-q", "-d", "0.1", "--warm-up", "0", "-c", "2", "-H", &header, &ws],
        &["bench", "fanout", "--json", "-qd", "0.1", "--warm-up", "0", "-c2", "-H", &header, &ws],
    ] {
        assert_eq!(complaint(&run_full(client(args))), FULL, "{args:?}");
    }
}

/// The hash of an API key is told once; a key without it is of no use to anybody.
#[test]
fn a_key_is_not_left_behind_whose_configuration_was_lost() {
    let place = Place::new("behind");
    for kind in ["api-key", "HS256", "ES256", "EdDSA", "tickets"] {
        let file = place.file("new.key");
        let args = ["token", "key", kind, "--out", &file];
        assert_eq!(complaint(&run_full(client(&args))), FULL, "{kind}");
        // Nor may it be lost to a reader who has gone.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = client(&args);
        command.stdout(writer);
        let output = command.output().expect("it starts");
        assert!(complaint(&output).starts_with("cannot write: Broken pipe"), "{output:?}");
        assert!(is_empty(&place.0), "{kind}");
    }
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).expect("it is there").next().is_none()
}

/// As in `sockeye … | head -1`.
#[test]
fn a_reader_who_has_gone_is_no_failure() {
    for args in [&["--help"][..], &["config", "default"], &["completions", "zsh"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = client(args);
        command.stdout(writer);
        assert_eq!(good(&command.output().expect("it starts")), "", "{args:?}");
    }
}
