//! One machine's log becomes that of several: its clients resume at any node, over any transport.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use super::{NEXT, Node, Ordering, curl, free_port, get, wait};
use crate::server::LogServer;

/// Readers, each with channels of its own.
const GROUPS: usize = 9;

/// Channels of a reader.
const CHANNELS: usize = 30;

/// Messages before the readers leave, and in all.
const BEFORE: usize = 2_160;
const ALL: usize = 3_240;

/// How messages come to a reader.
const TRANSPORTS: [&str; 3] = ["ws", "sse", "poll"];

/// A directory of our own. It goes when it is dropped.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-cluster-{}-import-{number}", std::process::id());
        let directory = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&directory.0).expect("a directory of our own");
        directory
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `sockeye subscribe`, which prints a line of JSON for each message. It ends when it is dropped.
struct Reader {
    process: Child,
    file: PathBuf,
}

impl Reader {
    fn start(
        program: &Path,
        files: &Directory,
        (group, port): (usize, u16),
        from: &[&str],
    ) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = files.0.join(format!("reader-{number}"));
        let out = File::create(&file).expect("a file of our own");
        let url = format!("http://127.0.0.1:{port}");
        let transport = TRANSPORTS[group % TRANSPORTS.len()];
        let mut command = Command::new(program);
        command.args(["subscribe", "--json", "--quiet", "--url", &url, "--transport", transport]);
        command.args(from).args((0..CHANNELS).map(|at| channel(group, at)));
        let process = command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null()).spawn();
        Self { process: process.expect("the program can be started"), file }
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(String::from).collect()
    }

    /// Waits for so many messages, and gives them with the other lines.
    fn wait_for(&self, messages: usize) -> (Vec<String>, Vec<String>) {
        let is_message = |line: &String| line.contains("\"data\":\"m");
        wait("the messages have come", || {
            self.lines().iter().filter(|line| is_message(line)).count() >= messages
        });
        self.lines().into_iter().partition(is_message)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn channel(group: usize, at: usize) -> String {
    format!("room:{group}-{at}")
}

/// The group and the channel of a message.
fn place(number: usize) -> (usize, usize) {
    (number % GROUPS, number / GROUPS % CHANNELS)
}

/// The text of a field.
fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let (_, rest) = line.split_once(&format!("\"{name}\":\"")).expect("the field");
    rest.split('"').next().expect("its end")
}

/// Publishes messages, each under its own key.
fn publish(files: &Directory, port: u16, numbers: core::ops::Range<usize>) -> String {
    let line = |number: usize| {
        let (group, at) = place(number);
        let channel = channel(group, at);
        format!("{{\"channel\":\"{channel}\",\"data\":\"m{number}\",\"key\":\"k{number}\"}}\n")
    };
    let mut told = String::new();
    // A batch has a bounded number of lines.
    for start in numbers.clone().step_by(100) {
        let file = files.path("batch");
        fs::write(&file, (start..numbers.end.min(start + 100)).map(line).collect::<String>())
            .expect("a file of our own");
        let url = format!("http://127.0.0.1:{port}/v1/batch");
        let answer = curl(&["--data-binary", &format!("@{file}"), &url]).expect("it answers");
        assert_eq!(answer.status, 200, "{}", answer.body);
        told.push_str(&answer.body);
    }
    told
}

/// A node that serves alone, from a directory.
fn alone(program: &Path, data: &str) -> Node {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["serve", "--listen", &listen, "--data", data].map(String::from).into();
    let mut node = Node { program: program.into(), arguments, port, process: None };
    node.run();
    node
}

fn command(program: &Path, data: &str, server: &dyn LogServer) -> Command {
    let mut command = Command::new(program);
    command.args(["backbone", "import", "--data", data, "--backbone"]);
    command.arg(server.url()).stdin(Stdio::null());
    command
}

/// An import's output, and whether it was done.
fn import(program: &Path, data: &str, server: &dyn LogServer) -> (bool, String) {
    let Output { status, stdout, stderr } =
        command(program, data, server).output().expect("it can be started");
    let said = [stdout, stderr].concat();
    (status.success(), String::from_utf8_lossy(&said).into_owned())
}

pub(super) fn imported(program: &Path, server: &dyn LogServer) {
    let files = Directory::new();
    let data = files.path("data");
    let mut machine = alone(program, &data);
    let receipts = publish(&files, machine.port, 0..BEFORE);
    let (mut read, mut cursors) = (BTreeMap::new(), Vec::new());
    for group in 0..GROUPS {
        let from = ["--from", "earliest"];
        let reader = Reader::start(program, &files, (group, machine.port), &from);
        let (messages, _) = reader.wait_for(BEFORE / GROUPS);
        cursors.push(field(messages.last().expect("the newest"), "cursor").to_owned());
        note(&mut read, &messages);
    }
    publish(&files, machine.port, BEFORE..ALL);
    let ended = channel(0, 0);
    let close = format!("http://127.0.0.1:{}/v1/channels/{ended}/close", machine.port);
    assert_eq!(curl(&["--request", "POST", &close]).expect("it answers").status, 200);
    // A server that runs is not read from.
    let (is_done, said) = import(program, &data, server);
    assert!(!is_done && said.contains("stop that server first"), "{said}");
    machine.kill();
    cut_short(program, &data, server);
    let (is_done, said) = import(program, &data, server);
    // One that was killed may have been done with everything.
    let all = ["imported: 3241 messages, 270 channels, 3240 keys", "has all of it already"];
    assert!(is_done && all.iter().any(|it| said.contains(it)), "{said}");
    check(program, server, &files, (&cursors, read, &receipts));
    // It was done, and another log cannot come behind it.
    assert!(import(program, &data, server).0);
    let other = files.path("other");
    publish(&files, alone(program, &other).port, 0..1);
    let (is_done, said) = import(program, &other, server);
    assert!(!is_done && said.contains("a part of another import"), "{said}");
}

/// Imports that are killed, wherever they are then.
fn cut_short(program: &Path, data: &str, server: &dyn LogServer) {
    for wait_ms in [12, 20, 28] {
        let mut process = command(program, data, server);
        process.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = process.spawn().expect("it can be started");
        thread::sleep(Duration::from_millis(wait_ms));
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Notes messages: none came before.
fn note(read: &mut BTreeMap<String, String>, messages: &[String]) {
    for line in messages {
        let before = read.insert(field(line, "data").into(), field(line, "cursor").into());
        assert_eq!(before, None, "it comes once: {line}");
    }
}

/// Each reader goes on at one of two nodes, and all of them together have each message once.
fn check(
    program: &Path,
    server: &dyn LogServer,
    files: &Directory,
    (cursors, mut read, receipts): (&[String], BTreeMap<String, String>, &str),
) {
    let nodes =
        [Node::start(program, server, &[]), Node::start(program, server, &["--workers", "2"])];
    for (group, cursor) in cursors.iter().enumerate() {
        let node = &nodes[group % 2];
        let reader = Reader::start(program, files, (group, node.port), &["--cursor", cursor]);
        let (messages, others) = reader.wait_for((ALL - BEFORE) / GROUPS);
        assert!(!others.iter().any(|line| line.contains("\"type\":\"gap\"")), "{others:?}");
        let sync = others.iter().find(|line| line.contains("\"type\":\"sync\""));
        let sync = sync.expect("it has caught up");
        assert!(sync.contains("\"recovered\":true"), "{sync}");
        note(&mut read, &messages);
    }
    assert_eq!(read.len(), ALL, "each message came");
    // A key that was used before is used: the receipt is that of the first time.
    let again = publish(files, nodes[1].port, 9..109);
    assert_eq!(again.matches("\"duplicate\":true").count(), 100, "{again}");
    let first = receipts.split("{\"line\"").nth(10).expect("a receipt");
    let repeated = again.split("{\"line\"").nth(1).expect("a receipt");
    assert_eq!(field(first, "cursor"), field(repeated, "cursor"));
    // An end is an end, and positions go on.
    let url = format!("http://127.0.0.1:{}/v1/channels/{}", nodes[0].port, channel(0, 0));
    let refused = curl(&["--data", "late", &url]).expect("it answers");
    assert!(refused.status == 409 && refused.body.contains("has ended"), "{}", refused.body);
    let told = publish(files, nodes[0].port, ALL..ALL + 9);
    assert!(told.contains("\"failed\":1") || told.contains("\"published\":9"), "{told}");
    let page = format!("/v1/channels/{}/history?limit=5", channel(1, 1));
    let pages = nodes.each_ref().map(|node| get(node.port, &page).expect("it answers").body);
    assert!(pages.iter().all(|page| page.contains("\"floor\":0")), "{pages:?}");
}
