//! The clients as children.
#![allow(unreachable_pub, reason = "shared by the files of one test")]

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

use crate::common::{Serving, sockeye};

/// The program with nothing of the caller's environment that a client reads.
pub fn client(args: &[&str]) -> Command {
    let mut command = sockeye(args);
    for name in ["SOCKEYE_URL", "SOCKEYE_API_KEY", "SOCKEYE_TOKEN"] {
        command.env_remove(name);
    }
    command
}

/// The same, for this server.
pub fn client_of(serving: &Serving, args: &[&str]) -> Command {
    let mut command = client(args);
    command.env("SOCKEYE_URL", format!("http://{}", serving.addr));
    command
}

pub fn publish(serving: &Serving, args: &[&str]) -> Output {
    let mut command = client_of(serving, &["publish"]);
    command.args(args).output().expect("it starts")
}

/// Publishes with this as standard input.
pub fn publish_from(serving: &Serving, args: &[&str], input: &str) -> Output {
    let mut command = client_of(serving, &["publish"]);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

pub fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

/// It succeeded, and this is what it printed.
pub fn good(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

/// It failed with one line on standard error, which is this.
pub fn complaint(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr.strip_prefix("sockeye: ").expect("our name").trim_end()
}

/// Each line, which has to be JSON by itself.
pub fn json_lines(text: &str) -> Vec<serde_json::Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// An address where nobody listens.
pub fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound")
}

/// The data of a channel's history, in order.
pub fn history(serving: &Serving, channel: &str) -> Vec<serde_json::Value> {
    let target = format!("/v1/channels/{channel}/history?limit=1000");
    let (head, body) = serving.connect().fetch("GET", &target);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let page: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let messages = page["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["data"].clone()).collect()
}
