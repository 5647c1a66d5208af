//! The real server as a child process, with its processor time and memory from `/proc`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sockeye_load::engine::{Process, Usage};

use crate::Failure;
use crate::road::Carrier;

/// How long a server may take for a start, an end or an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory for a server's files, removed when dropped.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("sockeye-scale-{}-{name}", std::process::id()));
        fs::create_dir(&dir)?;
        Ok(Self(dir))
    }

    /// Writes a file beside the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        Ok(fs::write(self.0.join(name), text)?)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The authority of the server's certificate, if it has one.
    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("certificate/ca.pem")
    }

    /// Has the program make a certificate if there is none, and gives the part of a configuration for a listener
    /// with TLS, beside the one without.
    fn encrypt(&self, settings: &Settings<'_>, address: SocketAddr) -> Result<String, Failure> {
        let dir = self.0.join("certificate");
        if !dir.exists() {
            let made =
                Command::new(settings.program).arg("cert").arg("--out").arg(&dir).output()?;
            if !made.status.success() {
                let why = String::from_utf8_lossy(&made.stderr);
                return Err(Failure(format!("no certificate: {why}")));
            }
        }
        let (plain, dir) = (settings.listen, dir.display());
        Ok(format!(
            "\n[[listen]]\naddress = \"{plain}\"\ntls = false\n[[listen]]\naddress = \"{address}\"\n\
             [[tls.certificates]]\ncert = \"{dir}/cert.pem\"\nkey = \"{dir}/key.pem\"\n"
        ))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a configuration without rate limits, so that a crowd may come at once.
/// `config` has a `[limits]` at its beginning, or none.
pub(crate) fn unhurried(config: &str) -> String {
    let mut limits = "[limits]\naddress_percent = 100\n".to_owned();
    let names = [
        "handshakes_per_second",
        "connections_per_user",
        "messages_per_second",
        "requests_per_second",
    ];
    for name in names {
        limits += &format!("{name} = 1000000\n");
    }
    limits + config.strip_prefix("[limits]\n").unwrap_or(config)
}

/// How a server is started.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'s> {
    pub(crate) program: &'s Path,
    pub(crate) place: &'s Place,
    /// Whether messages are kept on disk.
    pub(crate) keeps: bool,
    pub(crate) config: &'s str,
    pub(crate) listen: SocketAddr,
    /// Descriptors that it may have; the system's limit if there is none.
    pub(crate) descriptors: Option<u32>,
    /// The address of a second listener, with TLS, if it has one.
    pub(crate) tls: Option<SocketAddr>,
}

impl<'s> Settings<'s> {
    /// A server that keeps messages on disk, at any port of this address.
    pub(crate) fn new(
        program: &'s Path,
        place: &'s Place,
        config: &'s str,
        address: impl Into<Ipv4Addr>,
    ) -> Self {
        let listen = SocketAddr::from((address.into(), 0));
        Self { program, place, keeps: true, config, listen, descriptors: None, tls: None }
    }

    /// The same for clients that speak this: with a listener for TLS at any port, if that takes one.
    pub(crate) fn over(self, over: Carrier) -> Self {
        Self { tls: over.has_tls().then_some(self.listen), ..self }
    }
}

pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
    /// The address of its listener with TLS.
    pub(crate) tls_addr: Option<SocketAddr>,
}

impl Server {
    /// Starts one, and waits until it says where it listens.
    pub(crate) fn start(settings: &Settings<'_>) -> Result<Self, Failure> {
        let config = settings.place.0.join("toml");
        let tls = settings.tls.map(|address| settings.place.encrypt(settings, address));
        let tls = tls.transpose()?.unwrap_or_default();
        fs::write(&config, settings.config.to_owned() + &tls)?;
        let mut command = match settings.descriptors {
            None => Command::new(settings.program),
            Some(limit) => {
                let mut command = Command::new("sh");
                let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
                command.arg("-c").arg(script).arg(settings.program);
                command
            }
        };
        for name in ["SOCKEYE_LISTEN", "SOCKEYE_DRAIN", "SOCKEYE_DATA", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.args(["serve", "--config"]).arg(&config);
        if settings.tls.is_none() {
            command.args(["--listen", &settings.listen.to_string()]);
        }
        if settings.keeps {
            command.arg("--data").arg(settings.place.data());
        }
        let stderr =
            fs::File::options().create(true).append(true).open(settings.place.0.join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut told = |before| -> Result<Option<SocketAddr>, Failure> {
            let mut line = String::new();
            stdout.read_line(&mut line)?;
            Ok(line.trim().rsplit_once(before).and_then(|(_, addr)| addr.parse().ok()))
        };
        let addr = told("http://")?;
        let tls_addr = if settings.tls.is_some() { told("https://")? } else { None };
        let server = Self { child, addr: addr.unwrap_or(settings.listen), tls_addr };
        match addr.is_some() && tls_addr.is_some() == settings.tls.is_some() {
            true => Ok(server),
            false => Err(Failure(format!(
                "the server does not start: {}",
                fs::read_to_string(settings.place.0.join("log")).unwrap_or_default()
            ))),
        }
    }

    pub(crate) fn terminate(&self) -> Result<(), Failure> {
        match kill_process(Pid::from_child(&self.child), Signal::TERM) {
            // The server has ended already, and its output is known.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The exit status, once it has ended by itself; `None` while it runs, `Some(None)` if a signal ended it.
    pub(crate) fn ended(&mut self) -> Result<Option<Option<i32>>, Failure> {
        Ok(self.child.try_wait()?.map(|status| status.code()))
    }

    /// Ends it in good order, without the time of a drain: a second signal cuts that short. Signals come until it has
    /// ended, because two at once are one.
    pub(crate) fn stop(mut self) -> Result<Option<i32>, Failure> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            self.terminate()?;
            std::thread::sleep(Duration::from_millis(5));
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
        }
        Err(Failure("the server does not end".into()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn usage(&self) -> Result<Usage, Failure> {
        Ok(Process::new(self.pid())?.usage()?)
    }

    /// CPU time that its threads have used, in microseconds.
    pub(crate) fn cpu_us(&self) -> Result<u64, Failure> {
        Ok(self.usage()?.cpu_ns / 1000)
    }

    /// Memory that it holds, in KiB.
    pub(crate) fn memory_kib(&self) -> Result<u64, Failure> {
        Ok(self.usage()?.rss_bytes / 1024)
    }

    /// What a resource says, on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
    }

    /// Numbers out of one look at `/metrics`.
    pub(crate) fn metrics<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[Option<u64>; N], Failure> {
        let metrics = self.get("/metrics")?;
        Ok(names.map(|name| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line?.parse().ok()
        }))
    }

    /// A number out of `/metrics`; 0 if there is none of the name.
    pub(crate) fn metric(&self, name: &str) -> Result<u64, Failure> {
        self.metrics([name]).map(|[number]| number.unwrap_or(0))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
