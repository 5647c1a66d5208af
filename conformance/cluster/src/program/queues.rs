//! Sources on queues of RabbitMQ, as a user who may read, and declare the lock, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::sources::{Feed, figure, once, shared, start};
use super::{CHANNEL, Check, Follower, Node, assert_once, get, wait};
use crate::proxy::Proxy;
use crate::rabbit::RabbitServer;
use crate::server::{LogServer, directory};

/// The checks, for a program that has the driver.
pub(crate) const CHECKS: &[Check] = &[
    ("program: queue: messages come once and in order while all is killed and cut", |program| {
        once(program, &mut Queue::new("classic"));
    }),
    ("program: queue: two nodes take turns while they are killed", |program| {
        shared(program, &mut Queue::new("quorum"));
    }),
    ("program: queue: what is wrong with it is named, and can be mended", wrong_queue),
    ("program: queue: a message without a name stops its source, unless it needs none", nameless),
];

const QUEUE: &str = "numbers";

/// The lock that a source declares.
const LOCK: &str = "^sockeye\\.numbers$";

/// A queue, and the user who reads it.
struct Queue {
    server: Broker,
    proxy: Proxy,
    settings: String,
    kind: &'static str,
    option: &'static str,
}

/// A server without streams, which may be killed at any time.
struct Broker(RabbitServer);

impl LogServer for Broker {
    fn url(&self) -> String {
        self.0.url()
    }

    fn kill(&mut self) {
        self.0.kill_at_once();
    }

    fn run(&mut self) {
        self.0.run();
    }
}

impl Queue {
    fn new(kind: &'static str) -> Self {
        let queue = Self { kind, ..Self::without("numbers") };
        queue.declare(kind);
        queue
    }

    /// A server without the queue, with a user who may read what has this name.
    fn without(name: &str) -> Self {
        let server = RabbitServer::start_with("");
        let proxy = Proxy::to(server.port());
        server.control(&["add_user", "reader", "correct-horse"]);
        server.control(&["set_permissions", "reader", LOCK, "^$", &format!("^{name}$")]);
        let password: PathBuf = directory().join("password");
        fs::write(&password, "correct-horse").expect("a file of our own");
        let settings =
            format!("channel = \"{{channel}}\"\npassword_file = \"{}\"\n", password.display());
        Self { server: Broker(server), proxy, settings, kind: "quorum", option: "" }
    }

    fn declare(&self, kind: &str) {
        let arguments = format!("\"x-queue-type\":\"{kind}\"");
        self.server.0.client().declare(QUEUE, &arguments);
    }

    fn send(&self, lines: &str) {
        self.server.0.client().send(QUEUE, self.kind, lines);
    }
}

impl Feed for Queue {
    fn settings(&self) -> &str {
        &self.settings
    }

    fn url(&self) -> String {
        format!("amqp://reader@127.0.0.1:{}?queue={QUEUE}{}", self.proxy.port, self.option)
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn server(&mut self) -> &mut dyn LogServer {
        &mut self.server
    }

    /// Between the messages are those of other channels.
    fn add(&mut self, first: u32, last: u32) {
        let line = |number: u32| {
            let other = number % 7;
            format!("{CHANNEL} n-{number} {number}\nother:{other} o-{number} {number}\n")
        };
        self.send(&(first..=last).map(line).collect::<String>());
    }

    fn left(&self) -> u32 {
        let said = self.server.0.control(&["list_queues", "--quiet", "name", "messages"]);
        let mut lines = said.lines().filter_map(|line| line.split_once('\t'));
        let (_, messages) = lines.find(|(name, _)| *name == QUEUE).expect("there is one queue");
        messages.trim().parse().expect("a number")
    }
}

/// A program whose log is in a file.
fn logged(program: &Path, feed: &Queue, settings: &str) -> (Node, PathBuf) {
    let log = directory().join("log");
    let mut node = start(program, feed, &[], settings);
    node.kill();
    let said = fs::File::create(&log).expect("a file of our own");
    let mut command = Command::new(program);
    command.args(&node.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    node.process = Some(command.spawn().expect("it can be started"));
    (node, log)
}

fn says(log: &Path, text: &str) {
    wait(text, || fs::read_to_string(log).is_ok_and(|it| it.contains(text)));
}

fn wrong_queue(program: &Path) {
    let queue = Queue::without("other");
    let (node, log) = logged(program, &queue, "");
    says(&log, "has no queue \\\"numbers\\\": declare it");
    assert!(get(node.port, "/readyz").is_some_and(|it| it.body.contains("source_away")));
    queue.declare("classic");
    says(&log, "read the queue \\\"numbers\\\": allow read on it");
    let server = &queue.server.0;
    server.client().delete(QUEUE);
    queue.declare("stream");
    server.control(&["set_permissions", "reader", LOCK, "^$", "^numbers$"]);
    wait("messages of a stream are looked at", || {
        queue.send(&format!("{CHANNEL} s-1 1\n"));
        fs::read_to_string(&log).is_ok_and(|it| it.contains("has a stream \\\"numbers\\\""))
    });
    server.client().delete(QUEUE);
    queue.declare("classic");
    let mut follower = Follower::new([node.port]);
    queue.send(&(1..=10).map(|it| format!("{CHANNEL} n-{it} {it}\n")).collect::<String>());
    assert_once(&follower.wait_for(10), 10);
}

fn nameless(program: &Path) {
    let mut queue = Queue::new("classic");
    let (mut node, log) = logged(program, &queue, "");
    let mut follower = Follower::new([node.port]);
    queue.send(&format!("{CHANNEL} n-1 1\n{CHANNEL} - 2\n{CHANNEL} n-3 3\n"));
    follower.wait_for(1);
    says(&log, "it has no message_id");
    wait("it has stopped", || figure(node.port, "stopped") == Some(1));
    node.kill();
    drop(follower);
    queue.option = "&id=optional";
    let node = start(program, &queue, &[], "");
    let mut follower = Follower::new([node.port]);
    // The first one was acknowledged.
    queue.send(&format!("{CHANNEL} n-3 3\n"));
    wait("the others come, and the repeated one does not", || {
        figure(node.port, "repeats_total") == Some(1)
    });
    follower.look();
    let history = get(node.port, &format!("/v1/channels/{CHANNEL}/history")).expect("an answer");
    assert!(history.body.contains('2') && history.body.contains('3'), "{}", history.body);
    wait("all are acknowledged", || queue.left() == 0);
    assert_eq!(figure(node.port, "published_total"), Some(2));
}
