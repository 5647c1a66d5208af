//! The server: what it answers, and when its bytes come.

use std::io::ErrorKind;

use sockeye_client::Error;

use crate::event_source::rig::Random;

/// What happens on a connection, at a time.
pub(crate) enum Act {
    Bytes(Vec<u8>),
    End(Error),
}

/// An entry of the log: its place is its ID.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// `None`: an ID without an event, which moves the place only.
    pub(crate) data: Option<String>,
}

/// A connection's future: at which millisecond what happens.
pub(crate) type Script = Vec<(u64, Act)>;

pub(crate) struct Answer {
    pub(crate) script: Script,
    /// Nothing of it was cut off.
    pub(crate) is_whole: bool,
}

pub(crate) struct Server {
    pub(crate) log: Vec<Entry>,
    /// A server that sends an event without an end, once it has told half of its log.
    pub(crate) is_hostile: bool,
}

/// Bytes of a hostile event; more than the source's limit.
pub(crate) const HOSTILE_BYTES: usize = 20_000;

/// What a request asks for.
pub(crate) struct Asked {
    pub(crate) path: String,
    /// The place behind which the source is.
    pub(crate) after: usize,
}

impl Server {
    pub(crate) fn new(random: &mut Random) -> Self {
        let log = (0..1 + random.below(25)).map(|_| entry(random)).collect();
        Self { log, is_hostile: random.one_in(20) }
    }

    /// Decides about a request that came at `now`.
    pub(crate) fn answer(&self, asked: &Asked, now: u64, random: &mut Random) -> Answer {
        let mut bytes = Vec::new();
        let mut end = Some(Error::Ended);
        match random.below(12) {
            _ if asked.path == "/loop" => bytes = redirect("/loop", random),
            0 if asked.path == "/s" => bytes = redirect("/loop", random),
            1 => bytes = redirect("/next?a=1#b", random),
            2 => bytes = redirect("http://b.test/away", random),
            3 => bytes = redirect("http://a.test/s", random),
            4 => {
                let nowhere = ["", "ws://a.test", "http://[::1", "http:"];
                bytes = redirect(nowhere[random.index(nowhere.len())], random);
            }
            5 => {
                let after = ["", "Retry-After: 4\r\n", "Retry-After: soon\r\n"][random.index(3)];
                let status = [429, 500, 502, 503, 504][random.index(5)];
                bytes = format!("HTTP/1.1 {status} Busy\r\n{after}\r\nbusy").into_bytes();
            }
            6 => bytes = b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(),
            // Nothing, until the source has had enough.
            7 => end = None,
            _ if asked.after == self.log.len() => bytes = last_word(random),
            _ => end = self.stream(asked.after, &mut bytes, random),
        }
        let len = bytes.len();
        if random.one_in(4) {
            // Cut anywhere, also in the head.
            bytes.truncate(random.index(len + 1));
            end = Some(broken(random));
        }
        let is_whole = bytes.len() == len && len > 0;
        Answer { script: schedule(&bytes, end, now, random), is_whole }
    }

    /// Appends head and body of a stream; gives its end.
    fn stream(&self, after: usize, bytes: &mut Vec<u8>, random: &mut Random) -> Option<Error> {
        let mut body = Vec::new();
        if random.one_in(3) {
            body.extend_from_slice(b"\xEF\xBB\xBF");
        }
        let hostile_at = if self.is_hostile { self.log.len() / 2 } else { usize::MAX };
        for (place, entry) in self.log.iter().enumerate().skip(after) {
            if place >= hostile_at {
                body.extend_from_slice(&[b"data:", &b"x".repeat(HOSTILE_BYTES)[..]].concat());
                break;
            }
            encode(place + 1, entry, &mut body, random);
            if random.one_in(12) {
                break;
            }
        }
        if random.one_in(3) {
            body.extend_from_slice(b"id: 999\ndata: unfinished\n");
        }
        frame(&body, bytes, random)
    }
}

fn entry(random: &mut Random) -> Entry {
    let words =
        ["", "x", "hello world", "…", "caf\u{e9}", " two  spaces ", "id: 5", ":", "\u{2028}"];
    let line = |random: &mut Random| words[random.index(words.len())].repeat(1 + random.index(3));
    let lines: Vec<String> = (0..1 + random.below(3)).map(|_| line(random)).collect();
    let mut data = lines.join("\n");
    if random.one_in(10) {
        data.push_str(&"long ".repeat(random.index(800)));
    }
    let name = ["message", "message", "add", "error", "open"][random.index(5)].to_owned();
    Entry { name, data: (!random.one_in(8)).then_some(data) }
}

fn encode(id: usize, entry: &Entry, body: &mut Vec<u8>, random: &mut Random) {
    let end = ["\n", "\r", "\r\n"][random.index(3)];
    let mut text = String::new();
    if random.one_in(6) {
        text.push_str(&format!(": comment{end}{end}"));
    }
    if random.one_in(6) {
        text.push_str(&format!("retry: {}{end}", [0, 10, 500, 2500, 8000][random.index(5)]));
    }
    if entry.name != "message" {
        text.push_str(&format!("event: {}{end}", entry.name));
    }
    for line in entry.data.iter().flat_map(|data| data.split('\n')) {
        text.push_str(&format!("data: {line}{end}"));
    }
    text.push_str(&format!("id: {id}{end}unknown: field{end}{end}"));
    body.extend_from_slice(text.as_bytes());
}

/// Appends a response with this body in one of the three framings; gives its end.
fn frame(body: &[u8], bytes: &mut Vec<u8>, random: &mut Random) -> Option<Error> {
    if random.one_in(3) {
        bytes.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\n\r\n");
    }
    bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; x=y\r\n");
    let framing = random.below(3);
    match framing {
        0 => bytes.extend_from_slice(b"\r\n"),
        1 => bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes()),
        _ => bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
    }
    if framing < 2 {
        bytes.extend_from_slice(body);
    } else {
        let mut rest = body;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(1 + random.index(rest.len()));
            bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(&[chunk, b"\r\n"].concat());
            rest = after;
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    // A stream that stays open and silent; only the framing or the source's patience ends it.
    if random.one_in(4) { None } else { Some(Error::Ended) }
}

fn redirect(location: &str, random: &mut Random) -> Vec<u8> {
    let status = [301, 302, 303, 307, 308][random.index(5)];
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into()
}

/// The answers that nobody comes back from.
fn last_word(random: &mut Random) -> Vec<u8> {
    let answers = [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>not a stream",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: br\r\n\r\n???",
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    ];
    answers[random.index(answers.len())].as_bytes().to_vec()
}

fn broken(random: &mut Random) -> Error {
    match random.below(3) {
        0 => Error::Ended,
        1 => Error::Transport(ErrorKind::ConnectionReset),
        _ => Error::Transport(ErrorKind::TimedOut),
    }
}

/// Cuts bytes into pieces and gives each its time.
fn schedule(bytes: &[u8], end: Option<Error>, now: u64, random: &mut Random) -> Script {
    let mut script = Script::new();
    let (mut at, mut rest) = (now, bytes);
    let most = [1, 7, 200, 100_000][random.index(4)];
    let stall_at = if random.one_in(5) { random.index(bytes.len() + 1) } else { usize::MAX };
    while !rest.is_empty() {
        if bytes.len() - rest.len() >= stall_at && !script.is_empty() && random.one_in(3) {
            at += random.below(9000);
        }
        at += [0, 0, 0, random.below(30)][random.index(4)];
        let (piece, after) = rest.split_at(1 + random.index(rest.len().min(most)));
        script.push((at, Act::Bytes(piece.to_vec())));
        rest = after;
    }
    if let Some(end) = end {
        script.push((at + random.below(1000), Act::End(end)));
    }
    script.reverse();
    script
}
