//! Nodes as operators run them: `sockeye serve --backbone`, with curl as their client.

pub(crate) mod buses;
mod import;
mod presence;
pub(crate) mod queues;
pub(crate) mod sources;
mod upgrade;
mod users;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::kafka::KafkaServer;
use crate::nats::NatsServer;
use crate::postgres::PostgresServer;
use crate::rabbit::RabbitServer;
use crate::server::{LogServer, Server, free_port};

/// How long anything may take that has to come.
const COMES_MAX: Duration = Duration::from_secs(60);

/// A pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// The channel of all checks.
const CHANNEL: &str = "news";

/// The number of the next file.
static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) type Check = (&'static str, fn(&Path));

/// The checks of a shared log on NATS, RabbitMQ and PostgreSQL, for a program that has their drivers.
pub(crate) const FULL_CHECKS: &[Check] = &[
    ("program: nats: what one node takes another one delivers and resumes", |program| {
        together(program, &NatsServer::start());
    }),
    ("program: nats: nodes are killed, and streams go on at another one", |program| {
        killed(program, &NatsServer::start());
    }),
    ("program: nats: the server is killed and started again under streams", |program| {
        away(program, &mut NatsServer::start());
    }),
    ("program: nats: a ticket of one node is redeemed once, at any node", |program| {
        users::tickets(program, &NatsServer::start());
    }),
    ("program: nats: a stream that may drop entries ends the start", |program| {
        let server = NatsServer::start();
        server.set_stream("CREATE", "sockeye", "\"max_age\":3600000000000");
        let said = fails(program, &server, &[]);
        assert!(said.ends_with("(max_age is 3600s): set max_age to 0"), "{said}");
    }),
    ("program: nats: other rules than those of the log end the start", |program| {
        other_rules(program, &NatsServer::start());
    }),
    ("program: rabbit: what one node takes another one delivers and resumes", |program| {
        together(program, &RabbitServer::shared());
    }),
    ("program: rabbit: nodes are killed, and streams go on at another one", |program| {
        killed(program, &RabbitServer::shared());
    }),
    ("program: rabbit: a ticket of one node is redeemed once, at any node", |program| {
        users::tickets(program, &RabbitServer::shared());
    }),
    ("program: rabbit: a stream that may drop entries ends the start", |program| {
        let server = RabbitServer::shared();
        let arguments = "\"x-queue-type\":\"stream\",\"x-max-age\":\"7D\"";
        server.client().declare(server.stream(), arguments);
        let said = fails(program, &server, &[]);
        assert!(said.contains("forgets old entries (x-max-age is 7D)"), "{said}");
    }),
    ("program: rabbit: other rules than those of the log end the start", |program| {
        other_rules(program, &RabbitServer::shared());
    }),
    ("program: postgres: what one node takes another one delivers and resumes", |program| {
        together(program, &PostgresServer::start());
    }),
    ("program: postgres: nodes are killed, and streams go on at another one", |program| {
        killed(program, &PostgresServer::start());
    }),
    ("program: postgres: the server is killed and started again under streams", |program| {
        away(program, &mut PostgresServer::start());
    }),
    ("program: nats: the log of one machine goes on as that of several", |program| {
        import::imported(program, &NatsServer::start());
    }),
    ("program: postgres: the log of one machine goes on as that of several", |program| {
        import::imported(program, &PostgresServer::start());
    }),
    ("program: postgres: a server that loses commits ends the start", |program| {
        let server = PostgresServer::start_with("synchronous_commit = off");
        let said = fails(program, &server, &[]);
        assert!(said.contains("ALTER SYSTEM SET synchronous_commit = on"), "{said}");
    }),
    ("program: postgres: other rules than those of the log end the start", |program| {
        other_rules(program, &PostgresServer::start());
    }),
];

/// The checks of the program with the feature `kafka`, on Tansu. Tansu forgets its topics when it is killed.
pub(crate) const KAFKA_CHECKS: &[Check] = &[
    ("program: kafka: what one node takes another one delivers and resumes", |program| {
        together(program, &KafkaServer::start());
    }),
    ("program: kafka: nodes are killed, and streams go on at another one", |program| {
        killed(program, &KafkaServer::start());
    }),
    ("program: kafka: a ticket of one node is redeemed once, at any node", |program| {
        users::tickets(program, &KafkaServer::start());
    }),
    ("program: kafka: the log of one machine goes on as that of several", |program| {
        import::imported(program, &KafkaServer::start());
    }),
    ("program: kafka: a topic that may drop entries ends the start", |program| {
        let server = KafkaServer::start();
        assert_eq!(server.client().create("sockeye", 1, &["retention.ms=604800000"]), 0);
        let said = fails(program, &server, &[]);
        assert!(said.ends_with("(retention.ms is 604800000): set retention.ms=-1"), "{said}");
    }),
    ("program: kafka: other rules than those of the log end the start", |program| {
        other_rules(program, &KafkaServer::start());
    }),
];

pub(crate) const CHECKS: &[Check] = &[
    ("program: what one node takes another one delivers and resumes", |program| {
        together(program, &Server::start(&[]));
    }),
    ("program: nodes are killed, and streams go on at another one", |program| {
        killed(program, &Server::start(&[]));
    }),
    ("program: Redis is killed and started again under streams", |program| {
        away(program, &mut Server::start(&["--appendfsync", "always"]));
    }),
    ("program: a ticket of one node is redeemed once, at any node", |program| {
        users::tickets(program, &Server::start(&[]));
    }),
    ("program: tickets of before are good after Redis was killed", |program| {
        users::tickets_and_kills(program, &mut Server::start(&["--appendfsync", "always"]));
    }),
    ("program: each node shows all nodes", |program| {
        users::nodes(program, &Server::start(&[]));
    }),
    ("program: the streams of a user end at all nodes", |program| {
        users::disconnection(program, &Server::start(&[]));
    }),
    ("program: who is at one node is seen at all, until it is killed", |program| {
        presence::seen(program, &Server::start(&[]));
    }),
    ("program: the log of one machine goes on as that of several", |program| {
        import::imported(program, &Server::start(&[]));
    }),
    ("program: nodes of the former release are replaced one after the other", |program| {
        upgrade::upgraded(program, &Server::start(&[]));
    }),
    ("program: a server that may evict the log ends the start", refused),
    ("program: other rules than those of the log end the start", |program| {
        other_rules(program, &Server::start(&[]));
    }),
];

/// A node. It ends when it is dropped.
struct Node {
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    process: Option<Child>,
}

/// An answer to curl.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// A stream that curl reads into a file.
struct Stream {
    curl: Child,
    file: PathBuf,
}

/// A client that keeps its cursor and goes to the next node when its stream ends.
struct Follower {
    ports: VecDeque<u16>,
    stream: Option<Stream>,
    /// The events of former streams.
    read: Vec<Event>,
    moves: u32,
}

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Event {
    kind: String,
    id: String,
    data: String,
}

/// Publishes numbers, each under its own key and again until a node has taken it.
struct Publisher {
    ports: VecDeque<u16>,
    next: u32,
    refusals: u32,
}

impl Node {
    /// Starts a node, and waits until it is ready.
    fn start(program: &Path, server: &dyn LogServer, more: &[&str]) -> Self {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let arguments = ["serve", "--listen", &listen, "--backbone", &server.url()];
        let arguments = arguments.iter().chain(more).map(ToString::to_string).collect();
        let mut node = Self { program: program.into(), arguments, port, process: None };
        node.run();
        node
    }

    fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let log = fs::File::options().append(true).create(true).open(self.log());
        let process = command.stderr(log.expect("a file of our own")).spawn();
        self.process = Some(process.expect("the program can be started"));
        wait("the node is ready", || {
            self.assert_runs();
            get(self.port, "/readyz").is_some_and(|it| it.status == 200)
        });
    }

    /// It has not ended. If it had, another program might answer at its port.
    fn assert_runs(&mut self) {
        let ended = self.ended();
        assert!(ended.is_none(), "the node at port {} has ended: {ended:?}", self.port);
    }

    /// How its process has ended by itself.
    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.try_wait().expect("it is ours"))
    }

    /// The file of what it says.
    fn log(&self) -> PathBuf {
        let name = format!("sockeye-cluster-{}-port-{}.log", std::process::id(), self.port);
        std::env::temp_dir().join(name)
    }

    /// Ends it with SIGKILL.
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if thread::panicking() {
            let text = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(20).collect();
            let (lines, ended) =
                (lines.into_iter().rev().collect::<Vec<_>>().join("\n"), self.ended());
            eprintln!("the node at port {}, ended: {ended:?}:\n{lines}", self.port);
        }
        self.kill();
        let _ = fs::remove_file(self.log());
    }
}

impl Stream {
    /// Opens a stream, from a cursor if there is one.
    fn open(port: u16, cursor: Option<&str>) -> Self {
        Self::open_at(port, &format!("/v1/sse?channel={CHANNEL}"), cursor)
    }

    fn open_at(port: u16, path: &str, cursor: Option<&str>) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = format!("sockeye-cluster-{}-stream-{number}", std::process::id());
        let file = std::env::temp_dir().join(file);
        let mut command = Command::new("curl");
        command.args(["--silent", "--no-buffer", "--fail", "--output"]).arg(&file);
        if let Some(cursor) = cursor {
            command.args(["--header", &format!("Last-Event-ID: {cursor}")]);
        }
        command.arg(format!("http://127.0.0.1:{port}{path}"));
        let curl = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { curl: curl.expect("curl can be started (Debian: curl)"), file }
    }

    /// The whole events so far.
    fn events(&self) -> Vec<Event> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
        whole.split("\n\n").map(Event::parse).filter(|event| *event != Event::default()).collect()
    }

    fn is_open(&mut self) -> bool {
        self.curl.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
        let _ = fs::remove_file(&self.file);
    }
}

impl Event {
    fn parse(text: &str) -> Self {
        let mut event = Self::default();
        for line in text.lines() {
            match line.split_once(": ") {
                Some(("event", kind)) => event.kind = kind.into(),
                Some(("id", id)) => event.id = id.into(),
                Some(("data", data)) => event.data = data.into(),
                _ => {}
            }
        }
        event
    }

    fn is_message(&self) -> bool {
        self.kind.is_empty() && !self.data.is_empty()
    }
}

impl Follower {
    /// Opens a stream at the first of these nodes, and waits until it is live.
    fn new(ports: impl IntoIterator<Item = u16>) -> Self {
        let mut follower =
            Self { ports: ports.into_iter().collect(), stream: None, read: Vec::new(), moves: 0 };
        wait("the stream is open", || {
            follower.look();
            follower.events().iter().any(|event| event.kind == "$sync")
        });
        follower
    }

    fn events(&self) -> Vec<Event> {
        let now = self.stream.as_ref().map(Stream::events).unwrap_or_default();
        self.read.iter().cloned().chain(now).collect()
    }

    /// Goes on at the next node if the stream has ended.
    fn look(&mut self) {
        if self.stream.as_mut().is_some_and(Stream::is_open) {
            return;
        }
        if let Some(ended) = self.stream.take() {
            self.read.extend(ended.events());
            self.ports.rotate_left(1);
            self.moves += 1;
        }
        let cursor = self.read.iter().rev().map(|event| &event.id).find(|id| !id.is_empty());
        self.stream = Some(Stream::open(self.ports[0], cursor.map(String::as_str)));
    }

    /// Waits until it has the number, and returns all that it has got.
    fn wait_for(&mut self, number: u32) -> Vec<Event> {
        let last = number.to_string();
        wait("the last message has come", || {
            self.look();
            self.events().iter().any(|event| event.is_message() && event.data == last)
        });
        self.events()
    }
}

impl Publisher {
    fn new(ports: impl IntoIterator<Item = u16>) -> Self {
        Self { ports: ports.into_iter().collect(), next: 1, refusals: 0 }
    }

    /// Publishes up to a number, each message at another node than the one before.
    fn publish_to(&mut self, last: u32) {
        while self.next <= last {
            let text = self.next.to_string();
            wait("a node takes it", || {
                self.ports.rotate_left(1);
                let taken = publish(self.ports[0], &text).is_some_and(|it| it.status == 200);
                self.refusals += u32::from(!taken);
                taken
            });
            self.next += 1;
        }
    }
}

/// Asks until it is so.
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let late = Instant::now() + COMES_MAX;
    while !is_so() {
        assert!(Instant::now() < late, "in time: {what}");
        thread::sleep(PAUSE);
    }
}

fn get(port: u16, path: &str) -> Option<Answer> {
    curl(&[&format!("http://127.0.0.1:{port}{path}")])
}

fn publish(port: u16, text: &str) -> Option<Answer> {
    let url = format!("http://127.0.0.1:{port}/v1/channels/{CHANNEL}");
    curl(&["--header", &format!("Idempotency-Key: {text}"), "--data", text, &url])
}

/// The answer to curl; `None` if there was none.
fn curl(arguments: &[&str]) -> Option<Answer> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--include", "--max-time", "30"]).args(arguments);
    let output = command.output().expect("curl can be started (Debian: curl)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.into(), body: body.into() })
}

/// Each number came once, in order, and no gap was declared.
fn assert_once(events: &[Event], last: u32) {
    let numbers: Vec<&str> =
        events.iter().filter(|event| event.is_message()).map(|event| &*event.data).collect();
    let all: Vec<String> = (1..=last).map(|number| number.to_string()).collect();
    assert_eq!(numbers, all, "each message once and in order");
    let others: Vec<_> =
        events.iter().filter(|event| !event.is_message() && event.kind != "$sync").collect();
    assert!(others.iter().all(|event| event.kind.is_empty()), "no gap: {others:?}");
}

fn together(program: &Path, server: &dyn LogServer) {
    let one = Node::start(program, server, &[]);
    let other = Node::start(program, server, &["--workers", "2"]);
    let mut follower = Follower::new([other.port]);
    Publisher::new([one.port]).publish_to(40);
    let events = follower.wait_for(40);
    assert_once(&events, 40);
    // The same cursor at the other node, and at a third one that has only read the log.
    let third = Node::start(program, server, &[]);
    let cursor = events.iter().find(|event| event.data == "15").expect("it came").id.clone();
    for port in [one.port, third.port] {
        let stream = Stream::open(port, Some(&cursor));
        wait("the resume is over", || stream.events().iter().any(|event| event.kind == "$sync"));
        let events = stream.events();
        let resumed: Vec<_> =
            events.iter().filter(|it| it.is_message()).map(|it| &it.data).collect();
        assert_eq!(
            resumed,
            (16..=40).map(|it| it.to_string()).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
        let sync = events.iter().find(|event| event.kind == "$sync").expect("it came");
        assert!(sync.data.contains("\"recovered\":true"), "{sync:?}");
    }
    let metrics = get(third.port, "/metrics").expect("it answers").body;
    assert!(metrics.contains("\nsockeye_backbone_up 1\n"), "{metrics}");
}

fn killed(program: &Path, server: &dyn LogServer) {
    let mut nodes = [(); 2].map(|()| Node::start(program, server, &[]));
    let ports = [nodes[0].port, nodes[1].port];
    let mut followers = [Follower::new(ports), Follower::new([ports[1], ports[0]])];
    let mut publisher = Publisher::new(ports);
    for (round, last) in (30..=150).step_by(30).enumerate() {
        publisher.publish_to(last - 15);
        // An opening at a node that lags has a gap `ahead`: it does not wait yet.
        let (other, newest) = (ports[(round + 1) % 2], format!(r#""data":"{}""#, last - 15));
        let newest_page = format!("/v1/channels/{CHANNEL}/history?limit=1");
        wait("the other node has read on", || {
            get(other, &newest_page).is_some_and(|it| it.body.contains(&newest))
        });
        nodes[round % 2].kill();
        publisher.publish_to(last);
        for follower in &mut followers {
            follower.wait_for(last);
        }
        nodes[round % 2].run();
    }
    for follower in &mut followers {
        assert_once(&follower.wait_for(150), 150);
        assert!(follower.moves >= 2, "it has moved: {}", follower.moves);
    }
    assert!(publisher.refusals > 0, "somebody found a node dead");
}

fn away(program: &Path, server: &mut dyn LogServer) {
    let nodes = [(); 2].map(|()| Node::start(program, server, &[]));
    let ports = [nodes[0].port, nodes[1].port];
    let mut followers = ports.map(|port| Follower::new([port]));
    let mut publisher = Publisher::new(ports);
    for last in [20, 40, 60] {
        publisher.publish_to(last);
        server.kill();
        for port in ports {
            wait("the node is not ready", || {
                get(port, "/readyz")
                    .is_some_and(|it| it.status == 503 && it.body.contains("backbone_"))
            });
            let refused = publish(port, "refused").expect("it answers");
            assert_eq!(refused.status, 503, "{}", refused.body);
            assert!(
                refused.head.to_ascii_lowercase().contains("\r\nretry-after: "),
                "{}",
                refused.head
            );
        }
        server.run();
        for port in ports {
            wait("the node is ready", || get(port, "/readyz").is_some_and(|it| it.status == 200));
        }
    }
    publisher.publish_to(80);
    for follower in &mut followers {
        assert_once(&follower.wait_for(80), 80);
        assert_eq!(follower.moves, 0, "the streams stay");
    }
}

/// The last words of a start that ends by itself.
fn fails(program: &Path, server: &dyn LogServer, more: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.arg("30").arg(program).args(["serve", "--listen", "127.0.0.1:0", "--backbone"]);
    let Output { status, stderr, .. } =
        command.arg(server.url()).args(more).output().expect("it can be started");
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{said}");
    said.lines().find_map(|line| line.strip_prefix("sockeye: ")).expect("one line").to_owned()
}

fn refused(program: &Path) {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let said = fails(program, &server, &[]);
    assert!(said.ends_with("CONFIG SET maxmemory-policy noeviction"), "{said}");
}

fn other_rules(program: &Path, server: &dyn LogServer) {
    let node = Node::start(program, server, &[]);
    let file = format!("sockeye-cluster-{}-{}.toml", std::process::id(), node.port);
    let file = std::env::temp_dir().join(file);
    fs::write(&file, "[channels]\nkey_seconds = 7\n").expect("a file of our own");
    let said = fails(program, server, &["--config", &file.display().to_string()]);
    let _ = fs::remove_file(&file);
    assert!(said.contains("key_ms is 7000 here and 300000 there"), "{said}");
    assert_eq!(get(node.port, "/readyz").expect("it answers").status, 200, "the others go on");
}
