//! A server of PostgreSQL of our own: its processes, its directory, and psql for it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::server::{LogServer, directory, free_port};

/// How long a server may take to answer, or to end.
const READY_MAX: Duration = Duration::from_secs(30);

/// The database and the user of all checks. The user may do everything.
const NAME: &str = "sockeye";

/// An empty database, which each server gets a copy of.
static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();

/// A server on a port of its own. It ends when it is dropped.
pub(crate) struct PostgresServer {
    pub(crate) port: u16,
    directory: PathBuf,
    process: Option<Child>,
}

impl PostgresServer {
    /// Starts a server.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a server with these settings besides.
    pub(crate) fn start_with(settings: &str) -> Self {
        let mut server = Self::copy_of(template(), settings);
        server.run();
        server
    }

    /// Starts a server that speaks TLS only, with the certificates of a directory.
    pub(crate) fn start_tls(certificates: &Path) -> Self {
        let mut server = Self::copy_of(template(), "ssl = on\n");
        for name in ["server.pem", "server.key"] {
            let (own, postgres) = (server.data().join(name), name.replace(".pem", ".crt"));
            fs::copy(certificates.join(name), &own).expect("a certificate");
            let own_name = server.data().join(postgres);
            fs::rename(&own, &own_name).expect("a file of our own");
            give_away(&own_name);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&own_name, mode).expect("a file of our own");
        }
        server.allow("hostssl all all 127.0.0.1/32 trust\n");
        server.run();
        server
    }

    /// A server with the data of another one, which must not run.
    pub(crate) fn copy_of(data: &Path, settings: &str) -> Self {
        let (directory, port) = (directory(), free_port());
        let server = Self { port, directory, process: None };
        copy(data, &server.data());
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nshared_buffers = 16MB\n\
             max_connections = 40\nlogging_collector = off\n{settings}"
        );
        fs::write(server.data().join("postgresql.auto.conf"), settings).expect("a file of our own");
        server
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Sets who is let in, from the next start on.
    pub(crate) fn allow(&self, lines: &str) {
        fs::write(self.data().join("pg_hba.conf"), lines).expect("a file of our own");
    }

    /// Runs statements by psql, as the user that may do everything: one row a line.
    pub(crate) fn ask(&self, statements: &str) -> String {
        let output = self.psql(statements, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "psql: {statements}: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn psql(&self, statements: &str, password: &str) -> Output {
        let url = format!("postgres://{NAME}@127.0.0.1:{}/{NAME}", self.port);
        let mut command = Command::new("psql");
        command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statements, &url]);
        command.env("PGPASSWORD", password).output().expect("psql can be started")
    }

    /// The log as psql reads it.
    pub(crate) fn entries(&self, table: &str) -> Vec<(u64, u64, String)> {
        let text = self.ask(&format!(
            "SELECT fence, number, convert_from(entry, 'UTF8') FROM {table} ORDER BY fence, number"
        ));
        let entry = |line: &str| {
            let mut parts = line.splitn(3, '|');
            let mut number = || parts.next().and_then(|it| it.parse().ok()).expect("a number");
            (number(), number(), parts.next().expect("an entry").to_owned())
        };
        text.lines().map(entry).collect()
    }

    /// The processes of the server: the first one, and those that it has started.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let first = self.process.as_ref().expect("it runs").id();
        let mut processes = vec![first];
        for file in fs::read_dir("/proc").expect("Linux").flatten() {
            let Some(id) = file.file_name().to_str().and_then(|it| it.parse().ok()) else {
                continue;
            };
            let stat = fs::read_to_string(file.path().join("stat")).unwrap_or_default();
            let behind = stat.rsplit_once(") ").map(|(_, behind)| behind);
            let parent = behind.and_then(|it| it.split(' ').nth(1));
            if parent.and_then(|it| it.parse().ok()) == Some(first) {
                processes.push(id);
            }
        }
        processes
    }

    /// Sends a signal to all its processes, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        signal(name, &self.processes());
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        self.end("INT");
    }

    fn end(&mut self, how: &str) {
        let Some(mut process) = self.process.take() else { return };
        signal(how, &[process.id()]);
        let late = Instant::now() + READY_MAX;
        while process.try_wait().expect("it is ours").is_none() {
            assert!(Instant::now() < late, "postgres at port {} does not end", self.port);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The number of its first process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    fn is_ready(&self) -> bool {
        // One that lets nobody in without a password or TLS answers, too.
        let output = Command::new(program("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .status();
        output.is_ok_and(|status| status.success())
    }
}

impl LogServer for PostgresServer {
    fn url(&self) -> String {
        format!("postgres://{NAME}@127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        if self.process.is_none() {
            return;
        }
        // The first one goes first: otherwise it would start others.
        let processes = self.processes();
        signal("KILL", &processes);
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
        }
        let is_there = |id: &u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        while processes.iter().any(is_there) {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn run(&mut self) {
        let mut command = as_user(&program("postgres"));
        command.arg("-D").arg(self.data()).stdin(Stdio::null()).stdout(Stdio::null());
        let log = fs::File::create(self.directory.join("log")).expect("a file of our own");
        let process = command.stderr(log).spawn();
        self.process = Some(process.expect("postgres can be started (Debian: postgresql)"));
        let late = Instant::now() + READY_MAX;
        while !self.is_ready() {
            let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(Instant::now() < late, "postgres does not answer: {log}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.signal("CONT");
            // Without delay, but it gives its shared memory back.
            self.end("QUIT");
        }
        // One that was killed has left it: the last number of this line.
        let left = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        if let Some(id) = left.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            let _ = Command::new("ipcrm").args(["-m", id]).stderr(Stdio::null()).status();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn signal(name: &str, processes: &[u32]) {
    let ids = processes.iter().map(u32::to_string);
    // A process may have ended meanwhile.
    let _ = Command::new("kill").args(["-s", name]).args(ids).stderr(Stdio::null()).status();
}

/// A program of PostgreSQL, which Debian does not put on the path.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin").join(name));
    programs.filter(|program| program.exists()).max().unwrap_or_else(|| name.into())
}

/// A command that does not run as root, because PostgreSQL refuses to.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

/// Gives a file to the user of the server.
fn give_away(path: &Path) {
    if is_root() {
        chown(path, Some(65534), Some(65534)).expect("a file of our own");
    }
}

/// Makes an empty database, once.
fn template() -> &'static Path {
    TEMPLATE.get_or_init(|| {
        let data = directory().join("data");
        fs::create_dir(&data).expect("a directory of our own");
        give_away(&data);
        let made = as_user(&program("initdb"))
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", NAME, "-D"])
            .arg(&data)
            .output()
            .expect("initdb can be started (Debian: postgresql)");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let sql = format!("CREATE DATABASE {NAME};\n");
        let made = as_user(Path::new("sh"))
            .args(["-c", "printf '%s' \"$1\" | \"$2\" --single -D \"$3\" postgres", "sh", &sql])
            .arg(program("postgres"))
            .arg(&data)
            .output()
            .expect("sh");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        data
    })
}

/// Removes the empty database.
pub(crate) fn remove_template() {
    if let Some(data) = TEMPLATE.get() {
        let _ = fs::remove_dir_all(data.parent().unwrap_or(data));
    }
}

/// Copies the data of a server that does not run.
pub(crate) fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp");
    let _ = fs::remove_file(to.join("postmaster.pid"));
}
