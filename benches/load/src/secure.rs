//! Clients of TLS 1.3: threads on the generator's core, each with a connection at a time.

mod echo;
mod handshakes;

use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::pinned::{GENERATOR_CORE, on_core};
use crate::process::cpu_ns;
use crate::sample::{Figure, Sample};
use crate::scenario::Secure;
use crate::server::{Running, Server};

/// How long a client waits for the server.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays the load for so many seconds before the measurement, and in it.
pub(crate) fn play(
    server: &Server,
    running: &Running,
    load: Secure,
    seconds: (f64, f64),
) -> Result<Sample, String> {
    let authority = server.places.authority.as_ref().ok_or("it has no TLS")?;
    let threads = if matches!(load, Secure::Echo(_)) { 64 } else { 16 };
    let clients: Result<Vec<_>, _> = (0..threads).map(|_| Client::new(authority, load)).collect();
    let clients = clients?;
    let work = Work {
        port: running.port,
        load,
        waits_for: threads.into(),
        done: AtomicU64::new(0),
        ends: false.into(),
    };
    // Threads stay on the core of the thread that makes them.
    let sample = on_core(GENERATOR_CORE, || {
        std::thread::scope(|scope| {
            let start = |client| scope.spawn(|| work.run(client));
            let threads: Vec<_> = clients.into_iter().map(start).collect();
            let sample = work.measure(running.pid, seconds);
            work.ends.store(true, Ordering::Relaxed);
            let faults = threads.into_iter().filter_map(|it| it.join().ok()?.err());
            faults.last().map_or(sample, |fault| Err(fault.to_string()))
        })
    })?;
    match sample[&Figure::Units] > 0.0 {
        true => Ok(sample),
        false => Err("not one in all the time".to_owned()),
    }
}

/// One client, with its own tickets.
struct Client(Arc<ClientConfig>);

impl Client {
    fn new(authority: &str, load: Secure) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(authority).map_err(|it| it.to_string())?;
        roots.add(certificate).map_err(|it| it.to_string())?;
        let config = ClientConfig::builder_with_protocol_versions(&[&TLS13]);
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.resumption = match load {
            Secure::Resumed => Resumption::in_memory_sessions(1),
            Secure::Full | Secure::Echo(_) => Resumption::disabled(),
        };
        Ok(Self(Arc::new(config)))
    }

    /// Connects, and shakes hands.
    fn connect(&self, port: u16) -> io::Result<(ClientConnection, TcpStream)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::clone(&self.0), name);
        let mut session = session.map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok((session, stream))
    }
}

/// What all clients do, and have done.
struct Work {
    port: u16,
    load: Secure,
    /// Clients without their first handshake.
    waits_for: AtomicUsize,
    done: AtomicU64,
    ends: AtomicBool,
}

impl Work {
    fn run(&self, client: Client) -> io::Result<()> {
        match self.load {
            Secure::Full | Secure::Resumed => handshakes::run(self, &client),
            Secure::Echo(bytes) => echo::run(self, &client, bytes),
        }
    }

    /// A client has its first handshake behind it.
    fn begin(&self) {
        self.waits_for.fetch_sub(1, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.ends.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn measure(&self, pid: u32, (warm_up_s, measured_s): (f64, f64)) -> Result<Sample, String> {
        let end = Instant::now() + PATIENCE;
        while self.waits_for.load(Ordering::Relaxed) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_secs_f64(warm_up_s));
        let before = self.moment(pid)?;
        std::thread::sleep(Duration::from_secs_f64(measured_s));
        Ok(before.until(&self.moment(pid)?))
    }

    fn moment(&self, pid: u32) -> Result<Moment, String> {
        let (server_ns, own_ns) = (cpu_ns(pid)?, cpu_ns(std::process::id())?);
        Ok(Moment {
            at: Instant::now(),
            done: self.done.load(Ordering::Relaxed),
            server_ns,
            own_ns,
        })
    }
}

/// What had been done, and used.
struct Moment {
    at: Instant,
    done: u64,
    server_ns: u64,
    own_ns: u64,
}

impl Moment {
    fn until(&self, later: &Self) -> Sample {
        let units = (later.done - self.done) as f64;
        let nanos = later.at.duration_since(self.at).as_nanos() as f64;
        let server = (later.server_ns - self.server_ns) as f64;
        Sample::from([
            (Figure::Units, units),
            (Figure::Cpu, server / units),
            (Figure::Generator, (later.own_ns - self.own_ns) as f64 / units),
            (Figure::Rate, units * 1e9 / nanos),
            (Figure::Busy, server / nanos),
        ])
    }
}
