//! The servers that are installed, and the reasons why others are missing.

mod http2;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::Args;
use crate::builds::Builds;
use crate::server::{Places, Server};

/// The result of the search.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) servers: Vec<Server>,
    /// Those that are not there, and why.
    pub(crate) absent: Vec<(&'static str, String)>,
    /// Files that running servers need.
    pub(crate) scratch: Option<Scratch>,
}

/// A directory for configurations; removed when dropped.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("sockeye-load-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    fn file(&self, name: &str, text: &str) -> Result<String, String> {
        let path = self.0.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody misses what cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Thousands of clients come at once here, all from one machine, so the rate limits are raised. Every bound
/// on memory stays. The loads with many channels need patterns.
const CONFIG: &str = "\
[limits]
connections_per_address = 100000
handshakes_per_second = 1000000
requests_per_second = 1000000
[channels]
patterns = true
";

/// Nchan for WebSockets and event streams, keeping no messages for those that come later.
const NCHAN: &str = "\
load_module MODULE;
worker_processes 1;
daemon off;
pid DIR/nginx.pid;
error_log DIR/nginx.log error;
worker_rlimit_nofile LIMIT;
events { worker_connections WORKERS; use epoll; multi_accept on; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  nchan_max_reserved_memory 256M;
  server {
    listen 127.0.0.1:PORT backlog=4096;
    location = /sub {
      nchan_subscriber websocket eventsource;
      nchan_channel_id channel;
      nchan_subscriber_first_message newest;
      nchan_websocket_ping_interval 0;
    }
    location = /pub {
      nchan_publisher websocket http;
      nchan_channel_id channel;
      nchan_store_messages off;
    }
  }
}
";

impl Found {
    /// Builds and looks for all that are wanted by `is_wanted`.
    pub(crate) fn look(args: &Args, builds: &Builds, sockeye: &Path, wanted: &[&str]) -> Self {
        let mut found = Self { scratch: Scratch::new().ok(), ..Self::default() };
        let is_wanted = |name: &str| wanted.contains(&name);
        found.add_sockeye(sockeye, builds, &is_wanted);
        let rust_names = RUST.map(|it| it.0);
        found.add(&is_wanted, &["bare", "bare-fanout"], |_| bare(builds));
        found.add(&is_wanted, &["uws", "uws-deflate"], |_| uws(builds));
        found.add(&is_wanted, &["nchan"], nchan);
        found.add(&is_wanted, &["ws", "node", "better-sse"], |_| node(builds));
        found.add(&is_wanted, &rust_names, |_| rust(builds, &is_wanted));
        found.add_http2(sockeye, builds, &is_wanted);
        if let Some(other) = &args.other {
            found.add_other(other);
        }
        found
    }

    /// The server of that name.
    pub(crate) fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// Looks for servers of these names, if one of them is wanted.
    fn add(
        &mut self,
        is_wanted: &dyn Fn(&str) -> bool,
        names: &[&'static str],
        look: impl FnOnce(Option<&Scratch>) -> Result<Vec<Server>, String>,
    ) {
        if names.iter().any(|name| is_wanted(name)) {
            match look(self.scratch.as_ref()) {
                Ok(servers) => self.servers.extend(servers),
                Err(why) => self.absent.extend(names.iter().map(|name| (*name, why.clone()))),
            }
        }
    }

    fn add_sockeye(&mut self, sockeye: &Path, builds: &Builds, is_wanted: &dyn Fn(&str) -> bool) {
        let config = self.scratch.as_ref().ok_or_else(|| "no directory for files".to_owned());
        let config = match config.and_then(|scratch| scratch.file("sockeye.toml", CONFIG)) {
            Ok(config) => config,
            Err(why) => {
                return self.add(&|_| true, &["sockeye", "plain", "baseline"], |_| Err(why));
            }
        };
        let version =
            said(Command::new(sockeye).arg("--version")).unwrap_or_else(|| "Sockeye".into());
        let version = version.replace("sockeye", "Sockeye");
        for (name, what) in [("sockeye", ""), ("plain", ", without envelopes and cursors")] {
            if is_wanted(name) {
                let label = format!("{version}{what}");
                self.servers.push(sockeye_server(name, label, sockeye, &config));
            }
        }
        // Without other flags there is no other build.
        self.add(&|name| builds.is_native && is_wanted(name), &["baseline"], |_| {
            let label = format!("{version}, built for the baseline");
            let program = builds.sockeye_baseline()?;
            Ok(vec![sockeye_server("baseline", label, &program, &config)])
        });
    }

    fn add_other(&mut self, other: &str) {
        let mut parts = other.splitn(3, ',');
        let (url, pid) = (parts.next(), parts.next().and_then(|pid| pid.parse().ok()));
        let (Some(url), Some(pid)) = (url, pid) else {
            return self.absent.push(("other", "expected URL,PID,LABEL".into()));
        };
        let label = parts.next().unwrap_or("another server").to_owned();
        let mut server = Server::new("other", label, &[]);
        server.pid = Some(pid);
        server.places.echo = Some(url.to_owned());
        self.servers.push(server);
    }
}

/// The Rust peers: their programs, their packages, and whether they write in batches. A name that ends in `-deflate` is the
/// program before that, told to compress.
const RUST: [(&str, &str, bool); 9] = [
    ("sockeye-tokio", "sockeye-tokio", true),
    ("sockeye-axum", "sockeye-axum", true),
    ("axum", "axum", true),
    ("tungstenite", "tokio-tungstenite", true),
    ("yawc", "yawc", true),
    ("yawc-deflate", "yawc", true),
    ("sockudo", "sockudo-ws", true),
    ("tokio-websockets", "tokio-websockets", false),
    ("fastwebsockets", "fastwebsockets", false),
];

fn bare(builds: &Builds) -> Result<Vec<Server>, String> {
    let program = builds.bare()?;
    let program = program.to_string_lossy();
    let url = "tcp://127.0.0.1:{port}".to_owned();
    let mut echo = Server::new("bare", "bare epoll echo".into(), &[&program, "echo", "{port}"]);
    echo.places.echo = Some(url.clone());
    let label = "bare loop of sends".into();
    let mut fanout = Server::new("bare-fanout", label, &[&program, "fanout", "{port}"]);
    fanout.places.fanout = vec!["--broadcast".into(), url];
    Ok(vec![echo, fanout])
}

/// A server that broadcasts what comes at `/pub` to WebSockets at `/sub`.
fn broadcast() -> Vec<String> {
    vec![
        "--broadcast".into(),
        "--publish=ws://127.0.0.1:{port}/pub".into(),
        "ws://127.0.0.1:{port}/sub".into(),
    ]
}

/// The same with POST requests and event streams.
fn broadcast_events() -> Vec<String> {
    vec!["--publish=http://127.0.0.1:{port}/pub".into(), "http://127.0.0.1:{port}/sub".into()]
}

fn uws(builds: &Builds) -> Result<Vec<Server>, String> {
    let program = builds.uws()?;
    let program = program.to_string_lossy();
    let list = builds.root.join("benches/load/peers/uws/requirements.txt");
    let list = std::fs::read_to_string(list).unwrap_or_default();
    let package = list.trim().replace("==", " ");
    let label = format!("uWebSockets of {package}, on libuv");
    let mut plain = Server::new("uws", label.clone(), &[&program, "{port}"]);
    plain.places = Places {
        echo: Some("ws://127.0.0.1:{port}/echo".into()),
        fanout: broadcast(),
        health: Some("/healthz".into()),
        ..Places::default()
    };
    let deflate = Server {
        name: "uws-deflate",
        label: format!("{label}, a compressor for each"),
        command: [&*plain.command, &["deflate".to_owned()]].concat(),
        ..plain.clone()
    };
    Ok(vec![plain, deflate])
}

fn nchan(scratch: Option<&Scratch>) -> Result<Vec<Server>, String> {
    let module = nchan_module().ok_or("nchan is not installed")?;
    let version = nginx_version()?;
    let scratch = scratch.ok_or("no directory for files")?;
    let text = NCHAN.replace("MODULE", &module.to_string_lossy());
    let mut server = nginx_server("nchan", format!("nchan on {version}"), scratch, &text)?;
    server.places = Places {
        fanout: broadcast(),
        events: broadcast_events(),
        health: Some("/".into()),
        ..Places::default()
    };
    Ok(vec![server])
}

fn nchan_module() -> Option<PathBuf> {
    let dirs = ["/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/etc/nginx/modules"];
    let modules = dirs.iter().map(|dir| Path::new(dir).join("ngx_nchan_module.so"));
    modules.into_iter().find(|path| path.exists())
}

fn nginx_version() -> Result<String, String> {
    let version = said(Command::new("nginx").arg("-v")).ok_or("nginx is not installed")?;
    Ok(version.replace("nginx version: ", "").replace('/', " "))
}

/// nginx with a configuration that has places for a directory, for descriptors and for the port.
fn nginx_server(
    name: &'static str,
    label: String,
    scratch: &Scratch,
    text: &str,
) -> Result<Server, String> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = limit.unwrap_or(100_000);
    let text = text
        .replace("DIR", &scratch.0.to_string_lossy())
        .replace("LIMIT", &limit.to_string())
        .replace("WORKERS", &(limit - limit / 40).to_string());
    // The port is known only when it starts: the shell puts it in.
    let template = scratch.file(&format!("{name}.conf"), &text)?;
    let start = format!(
        "sed s/PORT/{{port}}/g {template} > {template}.{{port}} && exec nginx -c {template}.{{port}}"
    );
    let mut server = Server::new(name, label, &["/bin/sh", "-c", &start]);
    server.has_worker = true;
    Ok(server)
}

fn node(builds: &Builds) -> Result<Vec<Server>, String> {
    let node = said(Command::new("node").arg("--version")).ok_or("node is not installed")?;
    let dir = builds.node_peers()?;
    let script = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let version = |package: &str| package_version(&dir.join("node_modules").join(package));
    let label = format!("ws {} on node {node}", version("ws"));
    let mut ws = Server::new("ws", label, &["node", &script("ws.mjs"), "{port}"]);
    ws.places.echo = Some("ws://127.0.0.1:{port}/echo".into());
    ws.places.fanout = broadcast();
    ws.places.health = Some("/".into());
    let label = format!("http of node {node}");
    let mut plain = Server::new("node", label, &["node", &script("sse.mjs"), "{port}"]);
    plain.places.events = broadcast_events();
    let label = format!("better-sse {} on node {node}", version("better-sse"));
    let command = ["node", &*script("sse.mjs"), "{port}", "better"];
    let mut better = Server::new("better-sse", label, &command);
    better.places.events = broadcast_events();
    Ok(vec![ws, plain, better])
}

fn rust(builds: &Builds, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Server>, String> {
    let lock = builds.root.join("benches/load/peers/rust/Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap_or_default();
    let dir = builds.rust_peers()?;
    let wanted = RUST.into_iter().filter(|it| is_wanted(it.0));
    let server = |(name, package, is_batched): (&'static str, &str, bool)| {
        let version = locked_version(&lock, package).unwrap_or("of unknown version");
        let compresses = name.ends_with("-deflate");
        let program = dir.join(name.trim_end_matches("-deflate")).to_string_lossy().into_owned();
        let mut command = vec![&*program, "{port}"];
        command.extend(is_batched.then_some("batch"));
        command.extend(compresses.then_some("deflate"));
        let batched = if is_batched { ", batched" } else { "" };
        let compressed = if compresses { ", compressed" } else { "" };
        let label = format!("{package} {version}{batched}{compressed}");
        let mut server = Server::new(name, label, &command);
        server.places.echo = Some("ws://127.0.0.1:{port}/".into());
        server
    };
    Ok(wanted.map(server).collect())
}

fn sockeye_server(name: &'static str, label: String, program: &Path, config: &str) -> Server {
    let program = program.to_string_lossy();
    let listen = "127.0.0.1:{port}";
    let command = [&*program, "serve", "--listen", listen, "--drain", "0", "--config", config];
    let mut server = Server::new(name, label, &command);
    let socket = "ws://127.0.0.1:{port}/v1/ws".to_owned();
    server.places = Places {
        echo: Some("ws://127.0.0.1:{port}/echo".into()),
        fanout: if name == "plain" { vec!["--bare".into(), socket] } else { vec![socket] },
        events: vec![
            "--publish=http://127.0.0.1:{port}/v1/channels/bench".into(),
            "http://127.0.0.1:{port}/v1/sse?channel=bench".into(),
        ],
        health: Some("/healthz".into()),
        get: Some("http://127.0.0.1:{port}/healthz".into()),
        authority: None,
    };
    server
}

/// The first line that a program says, on whichever stream.
pub(crate) fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().map(|line| line.trim().to_owned())
}

/// The version of a package in a lock file of cargo's.
fn locked_version<'t>(lock: &'t str, package: &str) -> Option<&'t str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

/// The version of a package of npm's.
fn package_version(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    package["version"].as_str().unwrap_or("of unknown version").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_tells_versions() {
        let lock = "[[package]]\nname = \"yawc\"\nversion = \"0.5.0\"\n\n[[package]]\nname = \"z\"\nversion = \"1\"\n";
        assert_eq!(locked_version(lock, "yawc"), Some("0.5.0"));
        assert_eq!(locked_version(lock, "z"), Some("1"));
        assert_eq!(locked_version(lock, "ya"), None);
    }
}
