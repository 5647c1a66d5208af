//! A server with a configuration file and its log, in a directory of its own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::common::{PATIENCE, Peer, Serving, serve, sockeye};

/// Removed with everything in it when dropped.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "sockeye-operations-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let place = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&place.0).expect("a directory");
        place
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("our directory");
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    /// A server with `sockeye.toml`, whose standard error goes to `log`.
    pub(crate) fn serve(&self, adjust: impl FnOnce(&mut Command)) -> Serving {
        let config = self.path("sockeye.toml");
        let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);
        adjust(&mut command);
        self.start(command)
    }

    pub(crate) fn start(&self, mut command: Command) -> Serving {
        let log = std::fs::File::create(self.0.join("log")).expect("our directory");
        command.stderr(log);
        serve(command)
    }

    /// What was logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.0.join("log")).expect("UTF-8")
    }

    /// Waits until the log has `text` so many times; gives the log.
    pub(crate) fn until_logged(&self, text: &str, times: usize) -> String {
        let start = Instant::now();
        loop {
            let log = self.log();
            if log.matches(text).count() >= times {
                return log;
            }
            assert!(start.elapsed() < PATIENCE, "never logged: {text}\n{log}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // There is none if no server was started.
            eprintln!("{}", std::fs::read_to_string(self.0.join("log")).unwrap_or_default());
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a pipe with a name. Its readers wait for a writer.
pub(crate) fn make_pipe(path: &str) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).expect("a pipe");
}

/// A request with headers, each with its CRLF, and a body: status and body of the response.
pub(crate) fn request(
    serving: &Serving,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    let mut peer = Peer::connect(serving.addr);
    peer.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    ));
    let answer = peer.read_to_end();
    let status = answer.get(9..12).and_then(|it| it.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_owned())
}
