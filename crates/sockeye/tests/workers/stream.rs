//! An event stream, and requests, each on a connection of its own.
#![allow(unreachable_pub, reason = "shared by the files of one test")]

use serde_json::Value;

use crate::common::{Peer, Serving};

/// An event stream of one channel.
pub struct Stream {
    peer: Peer,
    /// Where it is.
    pub cursor: String,
    /// What it was given before it was live: cursors and data.
    pub replayed: Vec<(String, String)>,
    pub gaps: usize,
}

impl Stream {
    /// Opens one, and waits until it is live.
    pub fn open(serving: &Serving, channel: &str, cursor: &str) -> Self {
        Self::open_with(serving, &format!("/v1/sse?channel={channel}&cursor={cursor}"), "")
    }

    pub fn open_with(serving: &Serving, target: &str, headers: &str) -> Self {
        let mut peer = serving.connect();
        let head = peer.ask("GET", target, headers);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut stream = Self { peer, cursor: String::new(), replayed: Vec::new(), gaps: 0 };
        loop {
            let (name, id, data) = stream.event();
            match name.as_str() {
                "$gap" => stream.gaps += 1,
                "$sync" => {
                    stream.cursor = id;
                    return stream;
                }
                "" if !data.is_empty() => stream.replayed.push((id, data)),
                _ => {}
            }
        }
    }

    /// The next event: its name, its ID, its data.
    pub fn event(&mut self) -> (String, String, String) {
        let (mut name, mut id, mut data) = (String::new(), String::new(), String::new());
        loop {
            let line = self.peer.read_line();
            assert!(!line.is_empty(), "the stream has ended");
            let line = line.trim_end();
            if let Some(it) = line.strip_prefix("event: ") {
                it.clone_into(&mut name);
            } else if let Some(it) = line.strip_prefix("id: ") {
                it.clone_into(&mut id);
            } else if let Some(it) = line.strip_prefix("data: ") {
                it.clone_into(&mut data);
            } else if line.is_empty() && !(name.is_empty() && id.is_empty() && data.is_empty()) {
                return (name, id, data);
            }
        }
    }

    /// The next so many messages: cursors and data.
    pub fn messages(&mut self, count: usize) -> Vec<(String, String)> {
        let mut messages = Vec::new();
        while messages.len() < count {
            let (name, id, data) = self.event();
            assert_eq!(name, "", "{data}");
            if !data.is_empty() {
                messages.push((id, data));
            }
        }
        messages
    }

    /// The next event of that name.
    pub fn until(&mut self, wanted: &str) -> Value {
        loop {
            let (name, _, data) = self.event();
            if name == wanted {
                return serde_json::from_str(&data).expect("JSON");
            }
        }
    }

    /// All that comes until its end.
    pub fn rest(mut self) -> String {
        self.peer.read_to_end()
    }
}

/// A request on a connection of its own: its status, and its JSON.
pub fn ask(
    serving: &Serving,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> (u16, Value) {
    let mut peer = serving.connect();
    let len = body.len();
    peer.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {len}\r\n{headers}\r\n{body}"
    ));
    let answer = peer.read_to_end();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a response");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Publishes a text.
pub fn publish(serving: &Serving, channel: &str, text: &str) {
    let (status, answer) = ask(serving, "POST", &format!("/v1/channels/{channel}"), "", text);
    assert_eq!(status, 200, "{answer}");
}

/// The number in a cursor.
pub fn seq_of(cursor: &str) -> u64 {
    let digits = cursor.rsplit_once('-').expect("a cursor").1;
    u64::from_str_radix(digits, 36).expect("base 36")
}
