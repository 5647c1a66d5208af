//! The servers, as processes that end with us.

use std::error::Error;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a scenario went.
pub(crate) type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
type Found<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Far above what a server takes to listen.
const START: Duration = Duration::from_secs(60);
/// nginx's ports are free when they are chosen. Another process may have one when nginx binds it.
const NGINX_STARTS: usize = 5;

/// All servers, and where they listen.
pub(crate) struct House {
    pub(crate) dir: PathBuf,
    pub(crate) ws: Server,
    pub(crate) better_sse: Server,
    pub(crate) websockets: Server,
    pub(crate) starlette: Server,
    pub(crate) nginx: Server,
    pub(crate) ports: Ports,
}

/// The ports of nginx beside the first: a server with a certificate each.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) good: u16,
    pub(crate) older: u16,
    pub(crate) expired: u16,
    pub(crate) elsewhere: u16,
    pub(crate) untrusted: u16,
}

/// A process that listens.
pub(crate) struct Server {
    pub(crate) port: u16,
    child: Child,
}

impl House {
    pub(crate) fn build(dir: PathBuf, python: &Path) -> Found<Self> {
        let python_of = |name: &str| Command::new(python).arg_also(&dir.join(name));
        let ws = Server::start(&dir, "ws", node(&dir, "ws.mjs"), 0)?;
        let better_sse = start_better_sse(&dir, 0)?;
        let websockets = Server::start(&dir, "websockets", python_of("websockets_server.py"), 0)?;
        let starlette = Server::start(&dir, "starlette", python_of("starlette_app.py"), 0)?;
        let (nginx, ports) = start_nginx(&dir, [&ws, &better_sse, &starlette])?;
        Ok(Self { dir, ws, better_sse, websockets, starlette, nginx, ports })
    }

    /// Ends better-sse; it can be started again where it was.
    pub(crate) fn stop_better_sse(&mut self) {
        self.better_sse.end();
    }

    /// Starts it where it was, as soon as no other process has that port.
    pub(crate) fn restart_better_sse(&mut self) -> Outcome {
        let late = Instant::now() + START;
        self.better_sse = loop {
            match start_better_sse(&self.dir, self.better_sse.port) {
                Err(_) if Instant::now() < late => {}
                started => break started?,
            }
        };
        Ok(())
    }
}

fn node(dir: &Path, script: &str) -> Command {
    Command::new("node").arg_also(&dir.join(script))
}

fn start_better_sse(dir: &Path, port: u16) -> Found<Server> {
    Server::start(dir, "better-sse", node(dir, "better_sse.mjs"), port)
}

/// Runs nginx on free ports before these servers.
fn start_nginx(dir: &Path, upstreams: [&Server; 3]) -> Found<(Server, Ports)> {
    let mut starts = 1;
    loop {
        let [port, good, older, expired, elsewhere, untrusted] = free_ports()?;
        let ports = Ports { good, older, expired, elsewhere, untrusted };
        configure_nginx(dir, upstreams, port, ports)?;
        match run_nginx(dir, port) {
            Err(_) if starts < NGINX_STARTS => starts += 1,
            nginx => return Ok((nginx?, ports)),
        }
    }
}

/// Writes the configuration.
fn configure_nginx(dir: &Path, upstreams: [&Server; 3], port: u16, ports: Ports) -> Outcome {
    let [ws, better_sse, starlette] = upstreams.map(|server| server.port);
    let mut text = fs::read_to_string(dir.join("nginx.conf"))?;
    text = text.replace("@DIR@", dir.to_str().ok_or("a path that is no text")?);
    for (name, port) in [
        ("@PORT@", port),
        ("@WS@", ws),
        ("@BETTER_SSE@", better_sse),
        ("@STARLETTE@", starlette),
        ("@GOOD@", ports.good),
        ("@OLDER@", ports.older),
        ("@EXPIRED@", ports.expired),
        ("@ELSEWHERE@", ports.elsewhere),
        ("@UNTRUSTED@", ports.untrusted),
    ] {
        text = text.replace(name, &port.to_string());
    }
    Ok(fs::write(dir.join("nginx-run.conf"), text)?)
}

/// Runs nginx, which writes its process ID once it listens on all of its ports.
fn run_nginx(dir: &Path, port: u16) -> Found<Server> {
    let mut command = Command::new("nginx");
    // One process, which ends when it is told to.
    command.arg("-p").arg(dir).arg("-c").arg(dir.join("nginx-run.conf"));
    command.args(["-g", "master_process off;"]);
    let mut server = Server { port, child: spawn(dir, "nginx", &mut command)? };
    let (file, id) = (dir.join("nginx.pid"), server.child.id().to_string());
    server.wait_until_listens("nginx", || {
        // The file is absent before the first start.
        let written = fs::read_to_string(&file).unwrap_or_default();
        (written == format!("{id}\n")).then_some(port)
    })?;
    Ok(server)
}

/// `Command::arg` that gives the command back.
trait ArgAlso {
    fn arg_also(self, path: &Path) -> Self;
}

impl ArgAlso for Command {
    fn arg_also(mut self, path: &Path) -> Self {
        self.arg(path);
        self
    }
}

impl Server {
    /// Runs a command with the port as its last argument; 0 is any free port. The server prints its
    /// port once it listens.
    fn start(dir: &Path, name: &str, mut command: Command, port: u16) -> Found<Self> {
        command.arg(port.to_string());
        let mut server = Self { port, child: spawn(dir, name, &mut command)? };
        server.port = server.wait_until_listens(name, || {
            let log = fs::read_to_string(log_of(dir, name)).ok()?;
            let mut lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            lines.find_map(|line| line.parse().ok())
        })?;
        Ok(server)
    }

    /// Waits until a server says on which port it listens.
    fn wait_until_listens(&mut self, name: &str, port: impl Fn() -> Option<u16>) -> Found<u16> {
        let late = Instant::now() + START;
        loop {
            if let Some(port) = port() {
                return Ok(port);
            }
            if self.child.try_wait()?.is_some() || Instant::now() > late {
                return Err(format!("{name} does not listen: see its log").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a command that writes to its log.
fn spawn(dir: &Path, name: &str, command: &mut Command) -> Found<Child> {
    let log = File::create(log_of(dir, name))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command.spawn().map_err(|error| format!("{name}: {error}"))?)
}

fn log_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.log"))
}

/// Different ports that are free now.
fn free_ports<const N: usize>() -> Found<[u16; N]> {
    let mut held = Vec::new();
    for _ in 0..N {
        held.push(TcpListener::bind("127.0.0.1:0")?);
    }
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
