//! A service on a real socket in a thread of its own, and plain clients of each transport.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test file uses its own part")]

mod clients;
mod scripted;
mod settings;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sockeye_hub::{Config, Epoch};
use sockeye_server::{Limits as ServerLimits, MioNet, Server, Waker};
use sockeye_service::{Access, Limits, Namespaces, Service};

pub use clients::{Answered, Events, Socket, ask, publish, raw, read_some};
pub use scripted::{Scripted, TicketsOf};
pub use settings::{Slow, guarded_by, tickets};

/// How long anything may take before a test gives it up.
pub const PATIENCE: Duration = Duration::from_secs(20);

type Job = Box<dyn FnOnce(&mut Server<MioNet, Service>) + Send>;

/// What a test changes of the defaults.
#[derive(Default)]
pub struct Setup {
    pub hub: Config,
    pub limits: Limits,
    pub server: ServerLimits,
    pub access: Option<Access>,
    pub namespaces: Namespaces,
    /// What is done to the service before it runs: what it takes back, and the log behind it.
    pub prepare: Option<Box<dyn FnOnce(Service) -> Service + Send>>,
}

/// A running service; dropped, it ends and passes its panic on.
pub struct Running {
    pub addr: SocketAddr,
    waker: Arc<Waker>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a service, the defaults adjusted.
pub fn start(adjust: impl FnOnce(&mut Setup)) -> Running {
    let mut setup = Setup::default();
    adjust(&mut setup);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let net = MioNet::listen(listener).expect("a poller");
    let waker = Arc::new(net.waker());
    let (jobs, work) = channel::<Job>();
    let thread = std::thread::spawn(move || {
        let service = Service::new(Epoch(7), setup.hub, setup.limits);
        let service = service.with_access(setup.access.unwrap_or(Access::Open));
        let service = service.with_namespaces(setup.namespaces);
        let service = match setup.prepare {
            Some(prepare) => prepare(service),
            None => service,
        };
        turn(&mut Server::new(net, service, setup.server), &work);
    });
    Running { addr, waker, jobs: Some(jobs), thread: Some(thread) }
}

fn turn(server: &mut Server<MioNet, Service>, work: &Receiver<Job>) {
    loop {
        server.turn(None).expect("the poller works");
        loop {
            match work.try_recv() {
                Ok(job) => job(server),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }
}

impl Running {
    /// Runs `job` on the server between two turns, and waits for what it gives.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Server<MioNet, Service>) -> T + Send + 'static,
    ) -> T {
        let (give, take) = channel();
        let job: Job = Box::new(move |server| {
            let _ = give.send(job(server));
        });
        self.jobs.as_ref().expect("it runs").send(job).expect("it runs");
        self.waker.wake().expect("it can be woken");
        take.recv_timeout(PATIENCE).expect("the server answers")
    }

    /// The waker of its loop.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Waits until the service holds so many subscribed streams and polls.
    pub fn wait_for_streams(&self, count: usize) {
        self.wait_until(move |service| service.hub_stats().subscribers == count);
    }

    /// Waits until something is so.
    pub fn wait_until(&self, is_so: impl Fn(&Service) -> bool + Send + Sync + 'static) {
        let (is_so, start) = (Arc::new(is_so), std::time::Instant::now());
        loop {
            let is_so = Arc::clone(&is_so);
            if self.run(move |server| is_so(server.app())) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "it never comes to be so");
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let _ = self.waker.wake();
        let ended = self.thread.take().expect("dropped once").join();
        if ended.is_err() && !std::thread::panicking() {
            panic!("the server panicked");
        }
    }
}
