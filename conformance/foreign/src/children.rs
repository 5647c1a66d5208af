//! The servers, as processes that end with us.

use std::error::Error;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a scenario went.
pub(crate) type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
type Found<T> = Result<T, Box<dyn Error + Send + Sync>>;

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
        let ws = Server::start(&dir, "ws", node(&dir, "ws.mjs"), free_port()?)?;
        let better_sse = start_better_sse(&dir, free_port()?)?;
        let websockets =
            Server::start(&dir, "websockets", python_of("websockets_server.py"), free_port()?)?;
        let starlette =
            Server::start(&dir, "starlette", python_of("starlette_app.py"), free_port()?)?;
        let ports = Ports {
            good: free_port()?,
            older: free_port()?,
            expired: free_port()?,
            elsewhere: free_port()?,
            untrusted: free_port()?,
        };
        let nginx = start_nginx(&dir, [&ws, &better_sse, &starlette], ports)?;
        Ok(Self { dir, ws, better_sse, websockets, starlette, nginx, ports })
    }

    /// Ends better-sse; it can be started again where it was.
    pub(crate) fn stop_better_sse(&mut self) {
        self.better_sse.end();
    }

    pub(crate) fn restart_better_sse(&mut self) -> Outcome {
        self.better_sse = start_better_sse(&self.dir, self.better_sse.port)?;
        Ok(())
    }
}

fn node(dir: &Path, script: &str) -> Command {
    Command::new("node").arg_also(&dir.join(script))
}

fn start_better_sse(dir: &Path, port: u16) -> Found<Server> {
    Server::start(dir, "better-sse", node(dir, "better_sse.mjs"), port)
}

/// Writes the configuration, and runs nginx with it.
fn start_nginx(dir: &Path, upstreams: [&Server; 3], ports: Ports) -> Found<Server> {
    let port = free_port()?;
    let [ws, better_sse, starlette] = upstreams.map(|server| server.port);
    let mut text = std::fs::read_to_string(dir.join("nginx.conf"))?;
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
    let file = dir.join("nginx-run.conf");
    std::fs::write(&file, text)?;
    let mut command = Command::new("nginx");
    // One process, which ends when it is told to.
    command.arg("-p").arg(dir).arg("-c").arg(&file).args(["-g", "master_process off;"]);
    Server::spawn(dir, "nginx", command, port)
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
    /// Runs a command with the port as its last argument, and waits until it listens.
    fn start(dir: &Path, name: &str, mut command: Command, port: u16) -> Found<Self> {
        command.arg(port.to_string());
        Self::spawn(dir, name, command, port)
    }

    fn spawn(dir: &Path, name: &str, mut command: Command, port: u16) -> Found<Self> {
        let log = File::create(dir.join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut server =
            Self { port, child: command.spawn().map_err(|it| format!("{name}: {it}"))? };
        let late = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if server.child.try_wait()?.is_some() || Instant::now() > late {
                return Err(
                    format!("{name} does not listen: see its log in {}", dir.display()).into()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
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

fn free_port() -> Found<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
