//! A TCP proxy that cuts connections, holds bytes, delays them, and leads elsewhere.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often a held direction looks whether it may go on.
const LOOK: Duration = Duration::from_millis(1);

/// A proxy on the loopback. Its threads end with their connections.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    is_closed: AtomicBool,
}

struct State {
    target: SocketAddr,
    /// Where the next connection leads, if they take turns.
    other: Option<SocketAddr>,
    /// The bytes that were sent to clients.
    relayed: u64,
    holds: Holds,
    delay: Duration,
    /// The connections, both ends of each.
    open: Vec<(TcpStream, TcpStream)>,
}

/// Which bytes wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// None.
    Nothing,
    /// Those to the server.
    Requests,
    /// Those from the server.
    Replies,
    /// All.
    All,
}

#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

impl Holds {
    const fn applies(self, way: Way) -> bool {
        match (self, way) {
            (Self::All, _) | (Self::Requests, Way::There) | (Self::Replies, Way::Back) => true,
            (Self::Nothing | Self::Requests | Self::Replies, _) => false,
        }
    }
}

impl Proxy {
    /// A proxy that leads to a port of the loopback.
    pub(crate) fn to(port: u16) -> Self {
        Self::before((Ipv4Addr::LOCALHOST, port).into())
    }

    /// A proxy that leads to a server.
    pub(crate) fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = State {
            target,
            other: None,
            relayed: 0,
            holds: Holds::Nothing,
            delay: Duration::ZERO,
            open: Vec::new(),
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), is_closed: AtomicBool::new(false) });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.is_closed.load(Ordering::Acquire) {
                    break;
                }
                accept(&accepting, client);
            }
        });
        Self { port, shared }
    }

    /// Leads new connections elsewhere.
    pub(crate) fn lead_to(&self, port: u16) {
        self.shared.state.lock().expect("no poison").target = (Ipv4Addr::LOCALHOST, port).into();
    }

    /// Leads every second connection elsewhere.
    pub(crate) fn take_turns_with(&self, port: u16) {
        self.shared.state.lock().expect("no poison").other =
            Some((Ipv4Addr::LOCALHOST, port).into());
    }

    /// The bytes that were sent to clients.
    pub(crate) fn relayed(&self) -> u64 {
        self.shared.state.lock().expect("no poison").relayed
    }

    /// Holds bytes from now on, or lets them go on.
    pub(crate) fn hold(&self, holds: Holds) {
        self.shared.state.lock().expect("no poison").holds = holds;
    }

    /// Delays all bytes, in both directions.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared.state.lock().expect("no poison").delay = delay;
    }

    /// Cuts all connections towards the client. What was sent to the server still reaches it.
    pub(crate) fn cut(&self) {
        for (client, _) in self.shared.state.lock().expect("no poison").open.drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// The URL of a Redis behind it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.cut();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    fn next_target(&mut self) -> SocketAddr {
        let target = self.target;
        if let Some(other) = &mut self.other {
            self.target = core::mem::replace(other, target);
        }
        target
    }
}

fn accept(shared: &Arc<Shared>, client: TcpStream) {
    let target = shared.state.lock().expect("no poison").next_target();
    // A server that is away refuses: so does the proxy.
    let Ok(server) = TcpStream::connect(target) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let pair =
        |one: &TcpStream, other: &TcpStream| Some((one.try_clone().ok()?, other.try_clone().ok()?));
    let (Some(kept), Some((there, back))) = (pair(&client, &server), pair(&client, &server)) else {
        return;
    };
    shared.state.lock().expect("no poison").open.push(kept);
    let (one, other) = (Arc::clone(shared), Arc::clone(shared));
    thread::spawn(move || copy(&one, client, server, Way::There));
    thread::spawn(move || copy(&other, back, there, Way::Back));
}

fn copy(shared: &Shared, mut from: TcpStream, mut to: TcpStream, way: Way) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        let delay = loop {
            let state = shared.state.lock().expect("no poison");
            if !state.holds.applies(way) {
                break state.delay;
            }
            drop(state);
            if shared.is_closed.load(Ordering::Acquire) {
                return;
            }
            thread::sleep(LOOK);
        };
        thread::sleep(delay);
        if to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
        if matches!(way, Way::Back) {
            shared.state.lock().expect("no poison").relayed += bytes as u64;
        }
    }
    // Bytes that were read are written, also after a cut; then both ends close.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
