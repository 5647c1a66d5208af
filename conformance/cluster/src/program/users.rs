//! Users: their tickets, and the end of their streams.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::{Answer, NEXT, Node, Ordering, Stream, curl, get, wait};
use crate::server::LogServer;

pub(super) const KEY: &str = "a_back_end_s_key_of_a_good_length_01";

/// The same files for all nodes: a configuration, and the secret of tickets.
pub(super) struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        Self::with("")
    }

    /// With more in the configuration.
    pub(super) fn with(more: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-cluster-{}-users-{number}", std::process::id());
        let files = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&files.0).expect("a directory of our own");
        let config = format!(
            "{more}[access]\npublish = [\">\"]\n\
             [[access.api_keys]]\nname = \"shop\"\nkey_file = \"shop.key\"\nsubscribe = [\">\"]\n\
             publish = [\">\"]\ntickets = [\">\"]\ndisconnect = true\nnodes = true\n\
             [access.tickets]\nsecret_file = \"ticket.secret\"\n"
        );
        let secret = "x".repeat(40);
        for (name, text) in
            [("sockeye.toml", &*config), ("shop.key", KEY), ("ticket.secret", &secret)]
        {
            fs::write(files.0.join(name), text).expect("a file of our own");
        }
        files
    }

    pub(super) fn start(&self, program: &Path, server: &dyn LogServer) -> Node {
        self.start_with(program, server, "1")
    }

    /// Starts a node with so many loops.
    pub(super) fn start_with(&self, program: &Path, server: &dyn LogServer, loops: &str) -> Node {
        let config = self.0.join("sockeye.toml").display().to_string();
        Node::start(program, server, &["--config", &config, "--workers", loops])
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn post(port: u16, path: &str, body: &str) -> Answer {
    let (key, url) =
        (format!("Authorization: ApiKey {KEY}"), format!("http://127.0.0.1:{port}{path}"));
    curl(&["--header", &key, "--data", body, &url]).expect("it answers")
}

/// A ticket of a node.
fn issue(port: u16, user: &str) -> String {
    let answer = post(port, "/v1/tickets", &format!(r#"{{"user":"{user}","channels":["news"]}}"#));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ticket = answer.body.split('"').nth(3).expect("a ticket");
    ticket.to_owned()
}

fn poll(port: u16, ticket: &str, cursor: &str) -> Answer {
    get(port, &format!("/v1/poll?channel=news&ticket={ticket}{cursor}")).expect("it answers")
}

/// Opens an event stream for a second.
fn events(port: u16, ticket: &str, version: &str) -> Answer {
    let url = format!("http://127.0.0.1:{port}/v1/sse?channel=news&ticket={ticket}");
    curl(&[version, "--no-buffer", "--max-time", "2", &url]).expect("it answers")
}

/// Brings one ticket to all nodes at the same time.
fn race(ports: [u16; 3], ticket: &str, bring: fn(usize, u16, &str) -> Answer) -> Vec<Answer> {
    let bringing = ports.into_iter().enumerate().map(|(number, port)| {
        let ticket = ticket.to_owned();
        thread::spawn(move || bring(number, port, &ticket))
    });
    let bringing: Vec<_> = bringing.collect();
    bringing.into_iter().map(|it| it.join().expect("an answer")).collect()
}

/// One of the answers has this status; the others are refusals of a used ticket. Gives its number.
fn assert_one(answers: &[Answer], status: u16) -> usize {
    let got: Vec<u16> = answers.iter().map(|it| it.status).collect();
    let won: Vec<usize> = (0..got.len()).filter(|at| got[*at] == status).collect();
    assert_eq!(won.len(), 1, "one gets it: {got:?}");
    for (at, answer) in answers.iter().enumerate().filter(|(at, _)| *at != won[0]) {
        let is_used = answer.body.contains("ticket_used_or_expired");
        assert!(answer.status == 401 && is_used, "{at}: {got:?} {}", answer.body);
    }
    won[0]
}

fn cursor(answer: &Answer) -> String {
    let header = answer.head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sockeye-cursor").then(|| value.trim().to_owned())
    });
    header.expect("a cursor")
}

/// The newest cursor of a stream's text.
fn last_id(body: &str) -> String {
    let mut ids = body.lines().rev().filter_map(|line| line.strip_prefix("id: "));
    ids.next().expect("a cursor").to_owned()
}

pub(super) fn tickets(program: &Path, server: &dyn LogServer) {
    let files = Files::new();
    let mut nodes = [(); 3].map(|()| files.start(program, server));
    let ports = [0, 1, 2].map(|at: usize| nodes[at].port);
    let mut winners = [0; 3];
    for round in 0..12 {
        let ticket = issue(ports[round % 3], "ann");
        let won = match round % 3 {
            0 => {
                let answers = race(ports, &ticket, |_, port, ticket| poll(port, ticket, ""));
                let won = assert_one(&answers, 200);
                // The session goes on at any node, with its proof.
                let resume = format!("&cursor={}", cursor(&answers[won]));
                for port in ports {
                    assert!([200, 204].contains(&poll(port, &ticket, &resume).status), "{resume}");
                }
                won
            }
            _ => {
                let answers = race(ports, &ticket, |number, port, ticket| {
                    let version = ["--http1.0", "--http1.1", "--http2-prior-knowledge"][number];
                    events(port, ticket, version)
                });
                let won = assert_one(&answers, 200);
                assert!(answers[won].body.contains("event: $sync"), "{}", answers[won].body);
                let resume = format!("&cursor={}", last_id(&answers[won].body));
                for port in ports {
                    assert!([200, 204].contains(&poll(port, &ticket, &resume).status), "{resume}");
                }
                won
            }
        };
        winners[won] += 1;
        for port in ports {
            assert_eq!(poll(port, &ticket, "").status, 401, "it is used up");
        }
    }
    println!("tickets: redeemed by the nodes {winners:?}");
    // The node that has issued it is gone, and comes back without a memory of its own.
    let ticket = issue(ports[0], "ann");
    nodes[0].kill();
    assert_eq!(poll(ports[1], &ticket, "").status, 200);
    nodes[0].run();
    assert_eq!(poll(ports[0], &ticket, "").status, 401);
    // A ticket of another secret is none.
    let other = Files::new();
    fs::write(other.0.join("ticket.secret"), "y".repeat(40)).expect("a file of our own");
    let stranger = other.start(program, server);
    let ticket = issue(ports[0], "ann");
    assert_eq!(poll(stranger.port, &ticket, "").status, 401);
    assert_eq!(poll(ports[2], &ticket, "").status, 200, "it was not used up");
}

pub(super) fn tickets_and_kills(program: &Path, server: &mut dyn LogServer) {
    let files = Files::new();
    let nodes = [(); 3].map(|()| files.start(program, server));
    let ports = [0, 1, 2].map(|at: usize| nodes[at].port);
    for round in 0..3 {
        let (used, unused) = (issue(ports[round], "ann"), issue(ports[round], "bob"));
        assert_eq!(poll(ports[(round + 1) % 3], &used, "").status, 200);
        server.kill();
        for port in ports {
            wait("the node is not ready", || {
                get(port, "/readyz").is_some_and(|it| it.status == 503)
            });
            let refused = poll(port, &unused, "");
            assert_eq!(refused.status, 503, "{}", refused.body);
            assert!(refused.head.to_ascii_lowercase().contains("\r\nretry-after: "));
            let wanted = r#"{"user":"ann","channels":["news"]}"#;
            assert_eq!(post(port, "/v1/tickets", wanted).status, 503);
        }
        server.run();
        for port in ports {
            wait("the node is ready", || get(port, "/readyz").is_some_and(|it| it.status == 200));
        }
        let again = race(ports, &used, |_, port, ticket| poll(port, ticket, ""));
        assert!(again.iter().all(|it| it.status == 401), "it is used up");
        assert_one(&race(ports, &unused, |_, port, ticket| poll(port, ticket, "")), 200);
    }
}

/// What `sockeye nodes --json` says of the nodes, a line each.
pub(super) fn shown(program: &Path, port: u16) -> Vec<String> {
    let mut command = Command::new(program);
    command.args(["nodes", "--json", "--url", &format!("http://127.0.0.1:{port}")]);
    let output = command.env("SOCKEYE_API_KEY", KEY).output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The value of a field that is a number or a text without escapes.
fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).expect("it has the field");
    rest.split([',', '}']).next().unwrap_or_default()
}

pub(super) fn nodes(program: &Path, server: &dyn LogServer) {
    let files = Files::new();
    let mut nodes = [(); 3].map(|()| files.start(program, server));
    let ports = [0, 1, 2].map(|at: usize| nodes[at].port);
    for number in 0..50 {
        assert_eq!(super::publish(ports[0], &number.to_string()).expect("it answers").status, 200);
    }
    let mut own = Vec::new();
    for port in ports {
        wait("each shows all, and none lags", || {
            let lines = shown(program, port);
            let has_read = |line: &String| {
                let head: u64 = field(line, "head").parse().expect("a number");
                head >= 50 && field(line, "lag") == "0"
            };
            lines.len() == 3 && lines.iter().all(has_read)
        });
        let lines = shown(program, port);
        let all = |name: &str| {
            let mut values: Vec<&str> = lines.iter().map(|line| field(line, name)).collect();
            values.sort_unstable();
            values.dedup();
            values.len()
        };
        assert_eq!((all("node"), all("release"), all("rules"), all("entries")), (3, 1, 1, 1));
        let mine: Vec<_> = lines.iter().filter(|line| field(line, "own") == "true").collect();
        assert_eq!(mine.len(), 1, "{lines:?}");
        own.push(field(mine[0], "node").to_owned());
    }
    own.sort_unstable();
    own.dedup();
    assert_eq!(own.len(), 3, "each is another one");
    // One that was killed is gone when its lease ends.
    nodes[2].kill();
    wait("it is gone", || {
        shown(program, ports[0]).len() == 2 && shown(program, ports[1]).len() == 2
    });
}

pub(super) fn disconnection(program: &Path, server: &dyn LogServer) {
    let files = Files::new();
    let nodes = [(); 3].map(|()| files.start(program, server));
    let ports = [0, 1, 2].map(|at: usize| nodes[at].port);
    for round in 0..3 {
        let open = |user: &str| {
            // Each stream is at another node than the one that has issued its ticket.
            let ports = ports.iter().enumerate();
            let streams = ports.map(|(at, port)| {
                let ticket = issue(nodes[(at + 1) % 3].port, user);
                Stream::open_at(*port, &format!("/v1/sse?channel=news&ticket={ticket}"), None)
            });
            streams.collect::<Vec<_>>()
        };
        let (mut of_ann, mut of_bob) = (open("ann"), open("bob"));
        let is_live = |it: &Stream| it.events().iter().any(|event| event.kind == "$sync");
        wait("all streams are live", || of_ann.iter().chain(&of_bob).all(is_live));
        let answer = post(ports[round], "/v1/users/ann/disconnect", "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.contains(r#""level":"logged""#), "{}", answer.body);
        wait("her streams end at all nodes", || of_ann.iter_mut().all(|it| !it.is_open()));
        for stream in &of_ann {
            let events = stream.events();
            let last = events.last().expect("a last event");
            let is_told = last.kind == "$goaway" && last.data.contains("4003");
            assert!(is_told, "{events:?}");
        }
        let text = format!("for those who stay {round}");
        assert_eq!(super::publish(ports[0], &text).expect("it answers").status, 200);
        wait("his streams go on", || {
            of_bob.iter().all(|it| it.events().iter().any(|event| event.data == text))
        });
        assert!(of_bob.iter_mut().all(Stream::is_open));
        assert!(of_ann.iter().all(|it| it.events().iter().all(|event| event.data != text)));
    }
}
