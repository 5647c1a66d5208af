//! Binds the listening sockets of all loops, and removes the files of Unix sockets at the end.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use sockeye_server::MioNet;
use sockeye_terminal::{Failure, OrFail};

use crate::config::{Config, ListenAddress, ListenConfig};

/// Connections that may wait to be accepted; the system cuts it down to its own maximum.
const BACKLOG: i32 = 4096;

/// Parts of the time until a silent peer is given up: it is probed at 6, 7 and 8 of them. With `TCP_USER_TIMEOUT`
/// Linux counts no probes: after that time it gives up when the next one is due and the last one has no answer.
#[cfg(target_os = "linux")]
const PARTS: u32 = 9;
#[cfg(target_os = "linux")]
const SILENT_PARTS: u32 = 6;

/// Attempts at the lock of a directory, and the rest between them.
const LOCK_TRIES_MAX: usize = 100;
const LOCK_REST: Duration = Duration::from_millis(10);

/// A socket for each loop on each address. Those on TCP do not listen yet; a Unix socket does already.
pub(crate) struct Bound {
    listeners: Vec<Listener>,
    options: Options,
}

/// Options of listening sockets that their connections inherit on TCP. Linux gives each connection of a Unix
/// socket its default send buffer instead.
#[derive(Clone, Copy)]
struct Options {
    send_buffer_bytes: usize,
    dead_peer_s: u32,
}

struct Listener {
    /// With the port that the system has chosen.
    address: ListenAddress,
    /// One for each loop.
    sockets: Vec<OwnedFd>,
    file: Option<SocketFile>,
}

/// The file of a Unix socket. It is removed with this value, unless another program has put its own there.
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

impl Bound {
    /// Binds the addresses of the configuration, for `loops` loops.
    ///
    /// On TCP each loop has a socket of its own. Once they listen, the kernel hands each connection to one of
    /// them, by its addresses. The loops share one Unix socket, because the kernel divides no such port.
    pub(crate) fn new(config: &Config, loops: usize) -> Result<Self, Failure> {
        let listeners = config.listen.0.iter().map(|it| Listener::bind(it, loops));
        let listeners = listeners.collect::<Result<_, _>>()?;
        let options = Options {
            send_buffer_bytes: config.limits.socket_bytes,
            dead_peer_s: config.limits.dead_peer_seconds,
        };
        Ok(Self { listeners, options })
    }

    /// The addresses, each with the port that it got.
    pub(crate) fn addresses(&self) -> Vec<ListenAddress> {
        self.listeners.iter().map(|it| it.address.clone()).collect()
    }

    /// Listens on all addresses, with room for a crowd. Returns the listening network of each loop, and the
    /// files of Unix sockets.
    pub(crate) fn listen(
        self,
        new: impl Fn() -> io::Result<MioNet>,
    ) -> Result<(Vec<MioNet>, Vec<SocketFile>), Failure> {
        let loops = self.listeners.first().map_or(0, |it| it.sockets.len());
        let nets = (0..loops).map(|_| new()).collect::<io::Result<Vec<_>>>();
        let mut nets = nets.or_fail(|| "cannot poll".into())?;
        let mut files = Vec::new();
        for Listener { address, sockets, file } in self.listeners {
            for (socket, net) in sockets.into_iter().zip(&mut nets) {
                listen(&socket, &address, self.options)?;
                let added = match address {
                    ListenAddress::Tcp(_) => net.add_listener(socket.into()),
                    ListenAddress::Unix(_) => net.add_unix_listener(socket.into()),
                };
                added.or_fail(|| "cannot poll".into())?;
            }
            files.extend(file);
        }
        Ok((nets, files))
    }
}

fn listen(socket: &OwnedFd, address: &ListenAddress, options: Options) -> Result<(), Failure> {
    rustix::net::listen(socket, BACKLOG).or_fail(|| format!("cannot listen on {address}"))?;
    // Left to itself the system keeps up to 4 MiB for each reader that has stopped, and a thousand of them
    // take the memory of all sockets of the machine.
    sockopt::set_socket_send_buffer_size(socket, options.send_buffer_bytes)
        .or_fail(|| format!("cannot bound what the system keeps for {address}"))?;
    match address {
        ListenAddress::Tcp(_) => notice_dead_peers(socket, options.dead_peer_s)
            .or_fail(|| format!("cannot set how long peers of {address} may be silent")),
        ListenAddress::Unix(_) => Ok(()),
    }
}

/// Has the kernel give a connection up on which nothing moves for so long: sent bytes are not acknowledged, or
/// the peer's window stays shut while bytes wait, or the last of three probes of a silent peer has no answer.
/// Otherwise it sends again for a quarter of an hour, and probes after two hours. [listen:dead-peers]
#[cfg(target_os = "linux")]
fn notice_dead_peers(socket: &OwnedFd, seconds: u32) -> rustix::io::Result<()> {
    let time = |parts: u32| {
        let seconds = u64::from(seconds) * u64::from(parts) / u64::from(PARTS);
        Duration::from_secs(seconds.max(1))
    };
    sockopt::set_tcp_user_timeout(socket, seconds.saturating_mul(1_000))?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, time(SILENT_PARTS))?;
    sockopt::set_tcp_keepintvl(socket, time(1))
}

#[cfg(not(target_os = "linux"))]
fn notice_dead_peers(_: &OwnedFd, _: u32) -> rustix::io::Result<()> {
    Ok(())
}

impl Listener {
    fn bind(config: &ListenConfig, loops: usize) -> Result<Self, Failure> {
        match &config.address {
            ListenAddress::Tcp(addr) => bind_tcp(*addr, loops),
            ListenAddress::Unix(path) => {
                let cannot = |error| cannot_listen(&config.address, &error);
                let (socket, file) = bind_unix(path, config.mode()).map_err(cannot)?;
                let mut sockets = Vec::with_capacity(loops);
                // [listen:unix-shared]
                for _ in 1..loops {
                    sockets.push(socket.try_clone().map_err(cannot)?);
                }
                sockets.push(socket);
                Ok(Self { address: config.address.clone(), sockets, file: Some(file) })
            }
        }
    }
}

/// Explains why the server cannot listen on an address.
pub(crate) fn cannot_listen(address: &ListenAddress, error: &io::Error) -> Failure {
    let hint = match (error.kind(), address) {
        (ErrorKind::AddrInUse, ListenAddress::Tcp(_)) => {
            "another program listens there; choose a port with --listen"
        }
        (ErrorKind::AddrInUse, ListenAddress::Unix(_)) => "another program listens there",
        (ErrorKind::AlreadyExists, _) => "there is a file that is no socket",
        (ErrorKind::NotFound, _) => "there is no such directory",
        (ErrorKind::PermissionDenied, ListenAddress::Tcp(_)) => {
            "ports below 1024 need privileges; choose another"
        }
        (ErrorKind::AddrNotAvailable, _) => "this machine does not have that address",
        _ => return Failure(format!("cannot listen on {address}: {error}")),
    };
    Failure(format!("cannot listen on {address}: {hint}"))
}

fn bind_tcp(addr: SocketAddr, loops: usize) -> Result<Listener, Failure> {
    let mut sockets = Vec::with_capacity(loops);
    let mut bound = addr;
    for _ in 0..loops {
        let mut socket = tcp_socket(bound, loops > 1);
        if let Err(error) = socket
            && let Some(instead) = without_ipv6(bound, error)
        {
            bound = instead;
            socket = tcp_socket(bound, loops > 1);
        }
        let socket =
            socket.map_err(|error| cannot_listen(&ListenAddress::Tcp(bound), &error.into()))?;
        if bound.port() == 0 {
            let chosen = rustix::net::getsockname(&socket).ok();
            let chosen = chosen.and_then(|it| SocketAddr::try_from(it).ok());
            bound = chosen.ok_or_else(|| Failure("the system names no port".into()))?;
        }
        sockets.push(socket);
    }
    Ok(Listener { address: ListenAddress::Tcp(bound), sockets, file: None })
}

fn tcp_socket(addr: SocketAddr, is_shared: bool) -> rustix::io::Result<OwnedFd> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = new_socket(family)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if is_shared {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    if addr.is_ipv6() {
        take_both_families(&socket)?;
    }
    rustix::net::bind(&socket, &addr)?;
    Ok(socket)
}

/// `[::]` is all addresses of the machine, those in IPv4 too, whatever the system's default is.
/// [listen:both-families]
fn take_both_families(socket: &OwnedFd) -> rustix::io::Result<()> {
    sockopt::set_ipv6_v6only(socket, false)
}

/// All addresses of a machine that has no IPv6, if `addr` could not be bound for that reason. [listen:no-ipv6]
fn without_ipv6(addr: SocketAddr, error: Errno) -> Option<SocketAddr> {
    let has_none = matches!(error, Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL);
    let is_all = addr.ip() == Ipv6Addr::UNSPECIFIED;
    (has_none && is_all).then(|| (Ipv4Addr::UNSPECIFIED, addr.port()).into())
}

fn new_socket(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// Connects to a Unix socket without waiting: a full backlog is `WouldBlock`. [listen:unix-full]
fn knock(path: &Path) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?)
}

/// Binds a Unix socket with these permissions. A socket of a program that has ended makes room for it.
///
/// The permissions are set before the socket listens, so nobody else can connect meanwhile.
fn bind_unix(path: &Path, mode: u32) -> io::Result<(OwnedFd, SocketFile)> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    // Two programs that find the same stale socket remove it one after the other. The second one finds the
    // first one's.
    let _directory = lock(dir.unwrap_or_else(|| Path::new(".")));
    let address = SocketAddrUnix::new(path)?;
    let socket = new_socket(AddressFamily::UNIX)?;
    if let Err(error) = rustix::net::bind(&socket, &address) {
        if error != Errno::ADDRINUSE {
            return Err(error.into());
        }
        remove_stale(path)?;
        rustix::net::bind(&socket, &address)?;
    }
    let file = SocketFile { path: path.to_owned(), identity: identity(path)? };
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    // It listens before others may look for stale sockets. Whoever connects now waits.
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket, file))
}

/// Locks a directory against others that do the same, or goes without if it cannot.
fn lock(directory: &Path) -> Option<File> {
    let directory = File::open(directory).ok()?;
    for _ in 0..LOCK_TRIES_MAX {
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_REST),
            Ok(()) | Err(TryLockError::Error(_)) => break,
        }
    }
    Some(directory)
}

/// Removes the socket at `path`, if nobody listens on it.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    match knock(path) {
        // [listen:unix-stale]
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        // One that is full, or that others may not use, is listened on.
        Ok(_) | Err(_) => Err(ErrorKind::AddrInUse.into()),
    }
}

/// The device and the number of a file, and when it was made: a number is used again.
type Identity = (u64, u64, (i64, i64));

fn identity(path: &Path) -> io::Result<Identity> {
    let about = fs::symlink_metadata(path)?;
    Ok((about.dev(), about.ino(), (about.mtime(), about.mtime_nsec())))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // A file that stays is stale, and the next start removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::{bind_unix, identity};

    /// [listen:unix-stale]
    #[test]
    fn a_socket_file_is_replaced_only_if_nobody_listens() {
        let dir = std::env::temp_dir().join(format!("sockeye-listen-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("socket");
        // A program that ended without removing it.
        drop(UnixListener::bind(&path).unwrap());
        let stale = identity(&path).unwrap();
        let (socket, file) = bind_unix(&path, 0o600).unwrap();
        assert_ne!(identity(&path).unwrap(), stale);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        UnixStream::connect(&path).unwrap();
        let taken = bind_unix(&path, 0o600).err().unwrap();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        drop(socket);
        drop(file);
        assert!(!path.exists());
        fs::write(&path, "a letter").unwrap();
        let taken = bind_unix(&path, 0o600).err().unwrap();
        assert_eq!(taken.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"a letter");
        fs::remove_dir_all(&dir).unwrap();
    }

    /// [listen:no-ipv6]
    #[test]
    fn all_addresses_of_a_machine_without_ipv6() {
        use rustix::io::Errno;

        let instead = |addr: &str, error| {
            super::without_ipv6(addr.parse().unwrap(), error).map(|addr| addr.to_string())
        };
        for error in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert_eq!(instead("[::]:443", error).as_deref(), Some("0.0.0.0:443"));
            assert_eq!(instead("[::1]:443", error), None, "it names one address");
            assert_eq!(instead("0.0.0.0:443", error), None);
        }
        assert_eq!(instead("[::]:443", Errno::ADDRINUSE), None);
    }

    /// [listen:both-families]
    #[test]
    fn a_socket_takes_both_families_whatever_the_default_is() {
        use rustix::net::{AddressFamily, sockopt};

        // A machine without IPv6 has no such sockets.
        let Ok(socket) = super::new_socket(AddressFamily::INET6) else { return };
        sockopt::set_ipv6_v6only(&socket, true).unwrap();
        super::take_both_families(&socket).unwrap();
        assert!(!sockopt::ipv6_v6only(&socket).unwrap());
    }

    /// [listen:dead-peers]
    #[cfg(target_os = "linux")]
    #[test]
    fn connections_inherit_the_patience_of_their_listener() {
        use std::net::{TcpListener, TcpStream};
        use std::os::fd::OwnedFd;
        use std::time::Duration;

        use rustix::net::sockopt;

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let listener = OwnedFd::from(listener);
        super::notice_dead_peers(&listener, 31).unwrap();
        let _client = TcpStream::connect(addr).unwrap();
        let (socket, _) = TcpListener::from(listener).accept().unwrap();
        assert_eq!(sockopt::tcp_user_timeout(&socket).unwrap(), 31_000);
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), Duration::from_secs(20));
        assert_eq!(sockopt::tcp_keepintvl(&socket).unwrap(), Duration::from_secs(3));
    }

    /// [listen:dead-peers]
    #[test]
    fn the_server_judges_a_slow_reader_before_the_system_does() {
        let config = crate::config::Config::default();
        let system_ms = u64::from(config.limits.dead_peer_seconds) * 1_000;
        assert!(crate::serve::limits(10_000, &config).write_stall_ms < system_ms);
        assert!(system_ms <= 30_000, "a vanished reader is noticed within a heartbeat and 30 s");
    }

    /// One probe may be lost, and another one. [listen:dead-peers]
    #[cfg(target_os = "linux")]
    #[test]
    fn a_silent_peer_is_probed_three_times_before_it_is_given_up() {
        use std::net::TcpListener;
        use std::os::fd::OwnedFd;

        use rustix::net::sockopt;

        let socket = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        for seconds in [5, 9, 30, 31, 3_600] {
            super::notice_dead_peers(&socket, seconds).unwrap();
            let idle = sockopt::tcp_keepidle(&socket).unwrap().as_secs();
            let rest = sockopt::tcp_keepintvl(&socket).unwrap().as_secs();
            let probes = (idle..u64::from(seconds)).step_by(usize::try_from(rest).unwrap());
            assert!(probes.count() >= if seconds < 9 { 2 } else { 3 }, "{seconds}: {idle} {rest}");
        }
    }

    /// [listen:unix-full]
    #[cfg(target_os = "linux")]
    #[test]
    fn a_start_does_not_wait_for_a_program_that_accepts_nobody() {
        let dir = std::env::temp_dir().join(format!("sockeye-listen-full-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("socket");
        let listener = std::os::fd::OwnedFd::from(UnixListener::bind(&path).unwrap());
        // Room for one, whom nobody accepts.
        rustix::net::listen(&listener, 0).unwrap();
        let _waiting = UnixStream::connect(&path).unwrap();
        let taken = bind_unix(&path, 0o600).err().unwrap();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        assert!(path.exists());
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_file_of_another_program_is_left() {
        let dir = std::env::temp_dir().join(format!("sockeye-listen-other-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("socket");
        let (_socket, file) = bind_unix(&path, 0o660).unwrap();
        fs::rename(&path, dir.join("away")).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
        drop(other);
        fs::remove_dir_all(&dir).unwrap();
    }
}
