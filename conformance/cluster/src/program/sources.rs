//! Sources of whole programs: a bus is filled with numbers, and everything is killed and cut meanwhile. Each number comes
//! once and in order.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{CHANNEL, Check, Event, Follower, Node, assert_once, get, wait};
use crate::postgres::PostgresServer;
use crate::proxy::{Holds, Proxy};
use crate::server::{LogServer, Server, directory, free_port};

/// The messages of a round.
const ROUND: u32 = 300;

/// The rounds of a check: what is killed or cut takes turns.
const ROUNDS: u32 = 12;

/// The checks of an outbox, for a program that has the driver of PostgreSQL.
pub(crate) const FULL_CHECKS: &[Check] = &[
    ("program: outbox: rows come once and in order while all is killed and cut", |program| {
        once(program, &mut Outbox::new(program));
    }),
    ("program: outbox: two nodes take turns while they are killed", |program| {
        shared(program, &mut Outbox::new(program));
    }),
    ("program: outbox: what is wrong with the table is named, and can be mended", wrong_table),
    (
        "program: outbox: a row that cannot be published stops its source, or is passed over",
        bad_row,
    ),
];

/// The checks of streams and lists of Redis.
pub(crate) const CHECKS: &[Check] = &[
    ("program: stream: entries come once and in order while all is killed and cut", |program| {
        once(program, &mut Queue::new("stream=numbers", "'XADD', KEYS[1], '*', 'data', i"));
    }),
    ("program: stream: two nodes take turns while they are killed", |program| {
        shared(program, &mut Queue::new("stream=numbers", "'XADD', KEYS[1], '*', 'data', i"));
    }),
    ("program: list: elements come once and in order while all is killed and cut", |program| {
        once(program, &mut Queue::new("list=numbers", "'RPUSH', KEYS[1], i"));
    }),
    (
        "program: sources are ended, replaced and started by SIGHUP, and drained by SIGTERM",
        reloaded,
    ),
];

/// A bus whose messages are numbers for the channel of all checks.
pub(super) trait Feed {
    /// The lines of the source, but its URL.
    fn settings(&self) -> &str;

    /// The URL by which the program reaches the bus: through a proxy.
    fn url(&self) -> String;

    fn proxy(&self) -> &Proxy;

    fn server(&mut self) -> &mut dyn LogServer;

    /// Whether the server keeps its messages when it is killed.
    fn keeps(&self) -> bool {
        true
    }

    /// The rounds of its checks.
    fn rounds(&self) -> u32 {
        ROUNDS
    }

    /// Adds the numbers from the first to the last.
    fn add(&mut self, first: u32, last: u32);

    /// How many messages are not acknowledged.
    fn left(&self) -> u32;
}

/// An outbox in PostgreSQL.
struct Outbox {
    server: PostgresServer,
    proxy: Proxy,
}

impl Outbox {
    fn new(program: &Path) -> Self {
        let server = PostgresServer::start();
        let script = Command::new(program).args(["source", "sql"]).output().expect("it runs");
        server.ask(&String::from_utf8(script.stdout).expect("a text"));
        let proxy = Proxy::to(server.port);
        Self { server, proxy }
    }
}

impl Feed for Outbox {
    fn settings(&self) -> &'static str {
        ""
    }

    fn url(&self) -> String {
        format!("postgres://sockeye@127.0.0.1:{}/sockeye", self.proxy.port)
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn server(&mut self) -> &mut dyn LogServer {
        &mut self.server
    }

    /// In three transactions, of which one waits for a while before it commits, and rows of other channels between them.
    fn add(&mut self, first: u32, last: u32) {
        let third = (last - first) / 3;
        for (from, to, pause) in [
            (first, first + third, "0"),
            (first + third + 1, first + 2 * third, "0.05"),
            (first + 2 * third + 1, last, "0"),
        ] {
            self.server.ask(&format!(
                "BEGIN; INSERT INTO sockeye_outbox (channel, data) SELECT unnest(ARRAY['{CHANNEL}', 'other:' || i % 7]), \
                 to_json(i) FROM generate_series({from}, {to}) AS i; SELECT pg_sleep({pause}); COMMIT"
            ));
        }
    }

    fn left(&self) -> u32 {
        self.server.ask("SELECT count(*) FROM sockeye_outbox").parse().expect("a number")
    }
}

/// A stream or a list of Redis.
struct Queue {
    server: Server,
    proxy: Proxy,
    option: &'static str,
    add: &'static str,
}

impl Queue {
    fn new(option: &'static str, add: &'static str) -> Self {
        let server = Server::start(&["--appendfsync", "always"]);
        let proxy = Proxy::to(server.port);
        Self { server, proxy, option, add }
    }
}

impl Feed for Queue {
    fn settings(&self) -> &'static str {
        "channel = \"news\"\n"
    }

    fn url(&self) -> String {
        format!("{}?{}", self.proxy.url(), self.option)
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn server(&mut self) -> &mut dyn LogServer {
        &mut self.server
    }

    fn add(&mut self, first: u32, last: u32) {
        let script =
            format!("for i = ARGV[1], ARGV[2] do redis.call({}) end return 'OK'", self.add);
        self.server.set(&["EVAL", &script, "1", "numbers", &first.to_string(), &last.to_string()]);
    }

    fn left(&self) -> u32 {
        let ask = |words: &[&str]| self.server.ask(words);
        if self.option.starts_with("list") {
            let lists = ["numbers", "numbers:sockeye:moved", "numbers:sockeye:pending"];
            return lists
                .iter()
                .map(|it| ask(&["LLEN", it]).parse::<u32>().expect("a number"))
                .sum();
        }
        let groups = ask(&["XINFO", "GROUPS", "numbers"]);
        let lines: Vec<&str> = groups.lines().collect();
        let after = |name: &str| {
            let at = lines.iter().position(|line| *line == name)?;
            lines.get(at + 1)?.parse::<u32>().ok()
        };
        Option::zip(after("pending"), after("lag")).map_or(u32::MAX, |(one, other)| one + other)
    }
}

/// A program with one source, and a directory of its own.
pub(super) fn start(program: &Path, feed: &dyn Feed, more: &[&str], settings: &str) -> Node {
    let port = free_port();
    let home = directory();
    let config = home.join("sockeye.toml");
    let text = format!("[source.shop]\nurl = \"{}\"\n{}{settings}", feed.url(), feed.settings());
    fs::write(&config, text).expect("a file of our own");
    let listen = format!("127.0.0.1:{port}");
    let config = config.display().to_string();
    let arguments = ["serve", "--listen", &listen, "--config", &config];
    let arguments = arguments.iter().chain(more).map(ToString::to_string).collect();
    let mut node = Node { program: program.into(), arguments, port, process: None };
    node.run();
    node
}

/// The number of messages in a figure of the source.
pub(super) fn figure(port: u16, name: &str) -> Option<u64> {
    let page = get(port, "/metrics")?.body;
    let line = format!("sockeye_source_{name}{{source=\"shop\"}} ");
    page.lines().find_map(|it| it.strip_prefix(&line)).and_then(|it| it.parse().ok())
}

/// The numbers of the channel.
fn numbers(events: &[Event]) -> usize {
    events.iter().filter(|event| event.is_message()).count()
}

/// Waits until so many numbers have come, in the middle of a round.
fn wait_for_count(follower: &mut Follower, count: u32) {
    wait("some have come", || {
        follower.look();
        numbers(&follower.events()) >= count as usize
    });
}

pub(super) fn once(program: &Path, feed: &mut dyn Feed) {
    let data = directory();
    let settings = "patience_seconds = 1\nin_flight = 64\n";
    let data = data.display().to_string();
    let mut node = start(program, feed, &["--data", &data, "--workers", "2"], settings);
    let mut follower = Follower::new([node.port]);
    let mut last = 0;
    let rounds = feed.rounds();
    for round in 0..rounds {
        // A channel keeps fewer messages than a round has: the follower is there before them.
        follower.look();
        feed.add(last + 1, last + ROUND);
        wait_for_count(&mut follower, last + 1 + round * 41 % (ROUND / 2));
        last += ROUND;
        match round % 4 {
            0 | 1 if !feed.keeps() => node.kill(),
            0 => node.kill(),
            1 if feed.keeps() => {
                feed.server().kill();
                node.kill();
                feed.server().run();
            }
            2 => feed.proxy().cut(),
            _ => {
                // The program does not learn which messages are acknowledged meanwhile.
                feed.proxy().hold(Holds::Replies);
                thread::sleep(Duration::from_millis(300));
                feed.proxy().cut();
                feed.proxy().hold(Holds::Nothing);
            }
        }
        if node.process.is_none() {
            node.run();
        }
    }
    follower.wait_for(last);
    wait("all are acknowledged", || feed.left() == 0);
    assert_once(&follower.events(), last);
    assert!(follower.moves >= rounds / 2, "the program was killed");
    let published = figure(node.port, "published_total").expect("a figure");
    assert!(published > 0 && figure(node.port, "up") == Some(1), "{published}");
    let _ = fs::remove_dir_all(data);
}

/// Two nodes of one shared log have the same source. One of them takes the messages.
pub(super) fn shared(program: &Path, feed: &mut dyn Feed) {
    let log = Server::start(&["--appendfsync", "always"]);
    let more = ["--backbone", &log.url()];
    let mut nodes = [(); 2].map(|()| start(program, feed, &more, "patience_seconds = 1\n"));
    let ports = [nodes[0].port, nodes[1].port];
    let mut follower = Follower::new(ports);
    let mut last = 0;
    for round in 0..feed.rounds() / 2 {
        // A channel keeps fewer messages than a round has: the follower is there before them.
        follower.look();
        feed.add(last + 1, last + ROUND);
        wait_for_count(&mut follower, last + 1 + round * 41 % (ROUND / 2));
        last += ROUND;
        let mut active = [false; 2];
        // One that was stopped has to notice first that it is the one no more.
        wait("one of them takes messages, and one only", || {
            active = ports.map(|port| figure(port, "active") == Some(1));
            active[0] != active[1]
        });
        let taking = usize::from(active[1]);
        if round % 3 == 2 {
            // It knows nothing of what happens meanwhile.
            let id = nodes[taking].process.as_ref().expect("it runs").id().to_string();
            signal("STOP", &id);
            thread::sleep(Duration::from_millis(500));
            feed.proxy().cut();
            thread::sleep(Duration::from_secs(6));
            signal("CONT", &id);
        } else {
            nodes[taking].kill();
            follower.wait_for(last);
            nodes[taking].run();
        }
    }
    follower.wait_for(last);
    wait("all are acknowledged", || feed.left() == 0);
    assert_once(&follower.events(), last);
}

fn signal(name: &str, id: &str) {
    let sent = Command::new("kill").args(["-s", name, id]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
}

/// Starts a program whose log says why the bus cannot be used. The follower of it, and the program itself.
pub(super) fn refused(program: &Path, feed: &dyn Feed, why: &str) -> (Node, Follower) {
    let log = directory().join("log");
    let mut node = start(program, feed, &[], "");
    node.kill();
    let said = fs::File::create(&log).expect("a file of our own");
    let mut command = Command::new(program);
    command.args(&node.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    node.process = Some(command.spawn().expect("it can be started"));
    wait(why, || fs::read_to_string(&log).is_ok_and(|it| it.contains(why)));
    wait("it is said to be away", || {
        get(node.port, "/readyz").is_some_and(|it| it.body.contains("source_away"))
    });
    let follower = Follower::new([node.port]);
    (node, follower)
}

fn wrong_table(program: &Path) {
    let server = PostgresServer::start();
    let proxy = Proxy::to(server.port);
    let feed = Outbox { server, proxy };
    let why = "has no table \\\"sockeye_outbox\\\": sockeye source sql";
    let (_node, mut follower) = refused(program, &feed, why);
    let script = Command::new(program).args(["source", "sql"]).output().expect("it runs");
    feed.server.ask(&String::from_utf8(script.stdout).expect("a text"));
    feed.server
        .ask(&format!("INSERT INTO sockeye_outbox (channel, data) VALUES ('{CHANNEL}', '1')"));
    assert_once(&follower.wait_for(1), 1);
}

fn bad_row(program: &Path) {
    let feed = Outbox::new(program);
    let mut node = start(program, &feed, &[], "");
    let insert = |channel: &str, number: u32| {
        let values = format!("('{channel}', '{number}')");
        feed.server.ask(&format!("INSERT INTO sockeye_outbox (channel, data) VALUES {values}"));
    };
    let mut follower = Follower::new([node.port]);
    insert(CHANNEL, 1);
    follower.wait_for(1);
    insert("no channel", 2);
    insert(CHANNEL, 2);
    wait("it has stopped", || figure(node.port, "stopped") == Some(1));
    assert!(get(node.port, "/readyz").is_some_and(|it| it.body.contains("source_stopped")));
    feed.server.ask("DELETE FROM sockeye_outbox WHERE channel = 'no channel'");
    assert_once(&follower.wait_for(2), 2);
    node.kill();
    drop(follower);
    let node = start(program, &feed, &[], "on_bad = \"skip\"\n");
    let mut follower = Follower::new([node.port]);
    insert("no channel", 1);
    insert(CHANNEL, 1);
    assert_once(&follower.wait_for(1), 1);
    wait("both are gone", || feed.left() == 0);
    assert_eq!(figure(node.port, "refused_total"), Some(1));
}

fn reloaded(program: &Path) {
    let mut feed = Queue::new("list=numbers", "'RPUSH', KEYS[1], i");
    let data = directory().display().to_string();
    let mut node = start(program, &feed, &["--data", &data], "");
    let mut follower = Follower::new([node.port]);
    feed.add(1, 50);
    follower.wait_for(50);
    let config = node.arguments[4].clone();
    let text = fs::read_to_string(&config).expect("a file of our own");
    let id = node.process.as_ref().expect("it runs").id().to_string();
    fs::write(&config, "").expect("a file of our own");
    signal("HUP", &id);
    wait("the source is gone", || figure(node.port, "up").is_none());
    feed.add(51, 100);
    fs::write(&config, text).expect("a file of our own");
    signal("HUP", &id);
    follower.wait_for(100);
    feed.add(101, 400);
    signal("TERM", &id);
    let status = node.process.take().expect("it ran").wait().expect("it is ours");
    assert!(status.success(), "it ends in order: {status}");
    // Everything that it published is acknowledged: nothing comes again, and nothing is missing.
    node.run();
    let mut events = follower.wait_for(400);
    events.retain(|event| event.kind != "$goaway");
    assert_once(&events, 400);
    wait("all are acknowledged", || feed.left() == 0);
    assert_eq!(figure(node.port, "repeats_total"), Some(0));
}
