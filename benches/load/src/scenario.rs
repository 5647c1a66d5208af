//! The loads, by name.

mod adapters;
mod http2;

use crate::server::Server;

/// One load.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// For people.
    pub(crate) title: String,
    pub(crate) load: Load,
    /// The servers it is played to, by name. The first one is ours, and is compared with the others.
    pub(crate) servers: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Echo(Echo),
    /// Small GET requests, answered "ok".
    Requests(Requests),
    /// Handshakes and echoes over TLS 1.3.
    Secure(Secure),
    /// The same at half of the rate that the named servers reached in the same round.
    Half(Echo),
    Deliver(Deliver),
    /// Publications to so many channels in turn, and one subscriber of all of them.
    Channels(usize),
    Idle(Idle),
    /// System calls, counted by `strace` in a pass of its own.
    Calls(Counted),
    /// From the start of the process to the first answer.
    Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    pub(crate) bytes: usize,
    pub(crate) content: &'static str,
    pub(crate) connections: usize,
    /// WebSockets on each connection of HTTP/2; with none, the connection is the WebSocket.
    pub(crate) streams: usize,
    pub(crate) pipeline: usize,
    pub(crate) deflate: bool,
}

impl Echo {
    /// Messages of random bytes on connections of their own.
    const fn binary(bytes: usize, connections: usize, pipeline: usize) -> Self {
        Self { bytes, content: "binary", connections, streams: 0, pipeline, deflate: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) version: Version,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
}

/// The version of HTTP that requests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http11,
    Http2,
}

/// Work of a client of TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secure {
    /// Handshakes with a key exchange and a signature, on connections that end at once.
    Full,
    /// The same with the ticket of the connection before, and a key exchange.
    Resumed,
    /// Messages of so many bytes on WebSockets, one at a time on each.
    Echo(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deliver {
    pub(crate) way: Way,
    pub(crate) subscribers: usize,
    /// Subscribers on each connection of HTTP/2; with none, each has a connection of its own.
    pub(crate) streams: usize,
    pub(crate) bytes: usize,
    pub(crate) in_flight: usize,
    pub(crate) deflate: bool,
}

/// How publications reach subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    WebSocket,
    Events,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Idle {
    pub(crate) connections: usize,
    pub(crate) before: Before,
    pub(crate) hold_s: u32,
}

/// The traffic of a connection before it is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// One message there and back.
    Echo {
        bytes: usize,
        deflate: bool,
    },
    /// It has subscribed to a channel.
    Subscription,
}

/// The load whose system calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Echo(Echo),
    Deliver(Deliver),
}

/// All that speak WebSocket and are known to be fast.
const ALL: &[&str] = &[
    "sockeye",
    "baseline",
    "bare",
    "uws",
    "tungstenite",
    "yawc",
    "sockudo",
    "tokio-websockets",
    "fastwebsockets",
];
/// Without those that only have their say where messages are large.
const BATCHING: &[&str] =
    &["sockeye", "baseline", "bare", "uws", "tungstenite", "yawc", "sockudo", "fastwebsockets"];
const FIRST: &[&str] = &["sockeye", "bare", "uws"];
const SOCKETS: &[&str] = &["sockeye", "baseline", "uws"];
const FANOUT: &[&str] = &["sockeye", "plain", "bare-fanout", "uws", "nchan", "ws"];
const EVENTS: &[&str] = &["sockeye", "nchan", "node", "better-sse"];

/// How many connections a server of the table is asked to hold at the most: what the descriptors of this
/// machine allow Sockeye, which keeps a tenth of them free, and 19,000 at the most.
pub(crate) fn crowd(descriptors: u64) -> usize {
    let room = usize::try_from(descriptors.saturating_sub(descriptors / 10)).unwrap_or(usize::MAX);
    room.saturating_sub(100).clamp(100, 19_000)
}

impl Scenario {
    fn new(
        name: impl Into<String>,
        title: impl Into<String>,
        load: Load,
        servers: &'static [&'static str],
    ) -> Self {
        Self { name: name.into(), title: title.into(), load, servers }
    }

    /// Seconds that one run of it takes, about.
    pub(crate) fn seconds(&self, measured_s: f64) -> f64 {
        let opening = |connections: usize| 0.3 + connections as f64 / 12_000.0;
        match self.load {
            Load::Echo(echo) => 0.3 + measured_s + opening(echo.connections),
            Load::Requests(_) | Load::Secure(_) => 0.6 + 2.0 * measured_s,
            Load::Half(echo) => 0.5 + 2.0 * measured_s + opening(echo.connections),
            Load::Deliver(it) => {
                0.5 + measured_s * deliver_factor(it) + opening(it.subscribers) * 1.5
            }
            Load::Channels(_) => 1.5 + measured_s,
            Load::Idle(idle) => 1.0 + f64::from(idle.hold_s) + opening(idle.connections) * 2.0,
            Load::Calls(_) => 8.0,
            Load::Start => 0.4,
        }
    }

    /// Whether `server` can be asked.
    pub(crate) fn suits(&self, server: &Server) -> bool {
        let is_other = server.name == "other" && matches!(self.load, Load::Echo(_));
        is_other || self.servers.contains(&server.name)
    }
}

/// A publication to thousands takes long: fewer would be too few.
pub(crate) fn deliver_factor(deliver: Deliver) -> f64 {
    if deliver.subscribers >= 5_000 { 2.0 } else { 1.0 }
}

/// All of them, in the order in which they are played.
pub(crate) fn all(crowd: usize) -> Vec<Scenario> {
    let mut all = echoes();
    all.extend(large());
    all.extend(deliveries());
    all.extend(adapters::all());
    all.extend(http2::all());
    all.extend(others(crowd));
    all
}

fn echoes() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (size, bytes) in [("16", 16), ("125", 125), ("1k", 1024)] {
        for (kind, content) in [("", "binary"), ("t", "text")] {
            for (crowd, connections) in [("", 64), ("-500", 500)] {
                for (batch, pipeline) in [("", 1), ("x32", 32)] {
                    let name = format!("echo{size}{kind}{batch}{crowd}");
                    let title = format!(
                        "echo of {bytes} B {content}, {connections} connections, {pipeline} in flight"
                    );
                    let echo = Echo { content, ..Echo::binary(bytes, connections, pipeline) };
                    let all_know = pipeline > 1 && connections == 64 && kind.is_empty();
                    let servers = match (all_know, &*name) {
                        (true, _) => BATCHING,
                        (false, "echo16") => ALL,
                        (false, _) => FIRST,
                    };
                    all.push(Scenario::new(name, title, Load::Echo(echo), servers));
                }
            }
        }
    }
    all
}

fn large() -> Vec<Scenario> {
    let echo = |name: &str, title: &str, bytes, content, connections| {
        let echo = Echo { content, ..Echo::binary(bytes, connections, 1) };
        Scenario::new(name, title, Load::Echo(echo), ALL)
    };
    vec![
        echo(
            "mixed16k",
            "echo of 16 KiB text in mixed scripts, 32 connections",
            16 << 10,
            "mixed",
            32,
        ),
        echo("echo64k", "echo of 64 KiB binary, 16 connections", 64 << 10, "binary", 16),
        echo("echo1m", "echo of 1 MiB binary, 4 connections", 1 << 20, "binary", 4),
    ]
}

fn deliveries() -> Vec<Scenario> {
    let deliver = |name: &str, title: String, way, subscribers, bytes, in_flight| {
        let deliver = Deliver { way, subscribers, streams: 0, bytes, in_flight, deflate: false };
        let servers = if way == Way::Events { EVENTS } else { FANOUT };
        Scenario::new(name, title, Load::Deliver(deliver), servers)
    };
    let (socket, events) = (Way::WebSocket, Way::Events);
    let mut all = Vec::new();
    for (way, name, what) in [(socket, "fan", "WebSockets"), (events, "sse", "event streams")] {
        for (short, subscribers) in [("1k", 1_000), ("10k", 10_000)] {
            let title = format!("128 B to {subscribers} {what}");
            all.push(deliver(&format!("{name}{short}"), title, way, subscribers, 128, 1));
        }
        let title = format!("64 B to 100 {what}, 16 publications in flight");
        all.push(deliver(&format!("{name}100x16"), title, way, 100, 64, 16));
    }
    for (name, what, deflate) in [("fantext", "", false), ("fandeflate", ", compressed", true)] {
        let deliver = Deliver {
            way: socket,
            subscribers: 1_000,
            streams: 0,
            bytes: 1_024,
            in_flight: 1,
            deflate,
        };
        let title = format!("1 KiB to 1000 WebSockets{what}");
        all.push(Scenario::new(name, title, Load::Deliver(deliver), &["sockeye"]));
    }
    all
}

fn others(crowd: usize) -> Vec<Scenario> {
    let echo16 = |connections, pipeline| Echo::binary(16, connections, pipeline);
    let mut all = Vec::new();
    for connections in [10, 100, 1_000, 5_000, crowd] {
        let title = format!("echo of 16 B binary, {connections} connections, 1 in flight");
        let name =
            if connections == crowd { "growcrowd".into() } else { format!("grow{connections}") };
        all.push(Scenario::new(name, title, Load::Echo(echo16(connections, 1)), FIRST));
    }
    for channels in [1, 1_000, 100_000] {
        let title =
            format!("64 B to {channels} channels in turn, 64 in flight, one subscriber of all");
        let load = Load::Channels(channels);
        all.push(Scenario::new(format!("channels{channels}"), title, load, &["sockeye"]));
    }
    all.push(Scenario::new(
        "half",
        "echo of 125 B binary, 64 connections, at half of the lower maximum",
        Load::Half(Echo::binary(125, 64, 1)),
        &["sockeye", "uws"],
    ));
    let idle = |name: &str, title: String, connections, before, hold_s, servers| {
        let load = Load::Idle(Idle { connections, before, hold_s });
        Scenario::new(name, title, load, servers)
    };
    all.push(idle("open", "10,000 WebSockets opened".into(), 10_000, Before::Nothing, 0, SOCKETS));
    let echo = Before::Echo { bytes: 64, deflate: false };
    all.push(idle(
        "idle",
        "10,000 idle WebSockets after one message".into(),
        10_000,
        echo,
        0,
        SOCKETS,
    ));
    let title = format!("{crowd} idle WebSockets with one subscription each, for 26 s");
    all.push(idle("idlesub", title, crowd, Before::Subscription, 26, &["sockeye"]));
    let echo = Before::Echo { bytes: 8 << 10, deflate: true };
    let title = "8,000 idle WebSockets with full windows of permessage-deflate".into();
    all.push(idle("idledeflate", title, 8_000, echo, 0, &["sockeye", "uws-deflate"]));
    for (name, pipeline) in [("calls", 1), ("callsx32", 32)] {
        let title =
            format!("system calls of an echo of 16 B, 64 connections, {pipeline} in flight");
        let load = Load::Calls(Counted::Echo(echo16(64, pipeline)));
        all.push(Scenario::new(name, title, load, FIRST));
    }
    let deliver = Deliver {
        way: Way::WebSocket,
        subscribers: 10_000,
        streams: 0,
        bytes: 128,
        in_flight: 10,
        deflate: false,
    };
    let title = "system calls of a delivery, 10 publications in flight to 10,000 WebSockets";
    let load = Load::Calls(Counted::Deliver(deliver));
    all.push(Scenario::new("callsfan", title, load, &["sockeye", "uws"]));
    let servers = &["sockeye", "baseline", "uws", "nchan", "ws"];
    all.push(Scenario::new("start", "from the start to the first answer", Load::Start, servers));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_servers_are_known() {
        let all = all(17_900);
        let mut names: Vec<&str> = all.iter().map(|it| &*it.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for scenario in &all {
            for server in scenario.servers {
                assert!(crate::server::NAMES.contains(server), "{}: {server}", scenario.name);
            }
        }
    }

    #[test]
    fn a_crowd_leaves_a_tenth_of_the_descriptors() {
        assert_eq!(crowd(20_000), 17_900);
        assert_eq!(crowd(1_000_000), 19_000);
        assert_eq!(crowd(64), 100);
    }
}
