//! A test host on `sockeye-server`: it serves Web Platform Tests from a folder, or our own pages, to a
//! real browser, and judges what the browser reports. See the README.

mod endpoints;
mod expectations;
mod files;
mod handlers;
mod host;
mod odd;
mod pages;
mod query;
mod runner;
mod script;
mod site;
mod table;

use std::error::Error;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Parser;
use sockeye_server::{Limits, MioNet, Server, Waker};

use expectations::Expectations;
use host::Host;
use pages::Page;
use runner::Runner;
use site::Site;

/// An error that stops a run; it says nothing about the server that is tested.
type Trouble = Box<dyn Error + Send + Sync>;

/// Serves Web Platform Tests, or our own pages, to a browser, and judges what it reports.
#[derive(Parser)]
struct Options {
    /// A folder with Web Platform Tests; without it the host serves our own pages.
    folder: Option<PathBuf>,
    /// Only pages whose address contains this; several may be given. Nothing is required then.
    #[arg(long)]
    only: Vec<String>,
    /// Serves until it is killed, and judges nothing.
    #[arg(long)]
    serve: bool,
}

/// The longest silence of a browser: the longest page and a bit.
const SILENCE_MAX: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("wpt: {trouble}");
            ExitCode::from(2)
        }
    }
}

/// Whether all required tests passed.
fn run(options: &Options) -> Result<bool, Trouble> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let site = Site::new(options.folder.as_deref(), listener.local_addr()?.port())?;
    let pages = chosen(&site, &options.only)?;
    println!("wpt: {} pages on {}", pages.len(), site.origin());
    let (tell, told) = channel();
    let runner = Arc::new(Mutex::new(Runner::new(pages, Expectations::read(&site)?, tell)));
    let server = Running::start(listener, Host::new(site.clone(), Arc::clone(&runner)))?;
    println!("wpt: open {}/runner/ in Chromium with {}", site.origin(), site::resolver_rules());
    if options.serve {
        return server.join().map(|()| true);
    }
    let finished = follow(&told);
    server.end()?;
    finished?;
    let runner = runner.lock().unwrap_or_else(PoisonError::into_inner);
    table::print(&runner);
    Ok(table::verdict(&runner, options.only.is_empty()))
}

fn chosen(site: &Site, only: &[String]) -> Result<Vec<Page>, Trouble> {
    let mut pages = pages::find(site)?;
    pages.retain(|page| only.is_empty() || only.iter().any(|part| page.url.contains(part)));
    if pages.is_empty() {
        return Err("there is no such page".into());
    }
    Ok(pages)
}

/// Prints what comes until the runner has nothing more to do.
fn follow(told: &Receiver<runner::Note>) -> Result<(), Trouble> {
    loop {
        match told.recv_timeout(SILENCE_MAX) {
            Ok(runner::Note::Line(line)) => println!("{line}"),
            Ok(runner::Note::Done) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                return Err("the browser says nothing any more".into());
            }
            Err(RecvTimeoutError::Disconnected) => return Err("the server is gone".into()),
        }
    }
}

/// The host in a thread of its own.
struct Running {
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(listener: TcpListener, host: Host) -> Result<Self, Trouble> {
        let net = MioNet::listen(listener)?;
        let (waker, stop) = (net.waker(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut server = Server::new(net, host, limits());
            while !server.is_drained() {
                server.turn(None)?;
                if stopped.load(Ordering::Acquire) {
                    server.drain_now();
                }
            }
            Ok(())
        });
        Ok(Self { stop, waker, thread })
    }

    fn end(self) -> Result<(), Trouble> {
        self.stop.store(true, Ordering::Release);
        self.waker.wake()?;
        self.join()
    }

    fn join(self) -> Result<(), Trouble> {
        self.thread.join().map_err(|_| "the server panicked")?.map_err(Trouble::from)
    }
}

/// Wider than the defaults where tests send more: eight megabytes in a message, long reports.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.body_bytes_max = 16 << 20;
    limits.websocket.message_bytes_max = 64 << 20;
    limits.websocket.frame_bytes_max = 64 << 20;
    limits.drain_ms = 500;
    limits
}
