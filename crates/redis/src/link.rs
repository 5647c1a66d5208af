//! A connection to a server, on a thread that may wait.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::{Login, RedisConfig, Server};
use crate::resp::{self, Element, Extent, Reply, RespError};
use crate::trouble;

/// The room that a read has at least.
const READ_BYTES: usize = 64 * 1024;

/// A buffer that a large reply has made larger than this is made smaller again.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The reply of a command that answers with little.
const SHORT_REPLY_BYTES_MAX: usize = 1024 * 1024;

/// A connection, and what has arrived on it.
pub(crate) struct Link {
    stream: Stream,
    /// The server, for messages.
    pub(crate) name: String,
    input: Vec<u8>,
    /// The bytes of `input` that have arrived.
    filled: usize,
    /// The bytes of `input` that were replies before.
    used: usize,
    patience: Duration,
    /// The timeout that the socket has.
    timeout: Duration,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Ends a connection from another thread.
#[derive(Debug)]
pub(crate) struct Cut(TcpStream);

impl Cut {
    /// Shuts the connection down. What waits on it fails.
    pub(crate) fn cut(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Link {
    /// Connects and logs in.
    pub(crate) fn open(
        server: &Server,
        login: &Login,
        config: &RedisConfig,
    ) -> Result<Self, Trouble> {
        let name = server.to_string();
        let patience = config.patience();
        let socket = connect(server, patience).map_err(|error| unreachable(&name, &error))?;
        let stream = match (config.uses_tls, &config.tls) {
            (false, _) => Stream::Plain(socket),
            (true, Some(tls)) => begin_tls(socket, tls, server)?,
            (true, None) => {
                return Err(Trouble::new(
                    TroubleKind::Login,
                    "no authorities for TLS are configured",
                ));
            }
        };
        let input = Vec::new();
        let mut link =
            Self { stream, name, input, filled: 0, used: 0, patience, timeout: patience };
        link.log_in(login, config)?;
        Ok(link)
    }

    fn log_in(&mut self, login: &Login, config: &RedisConfig) -> Result<(), Trouble> {
        match (&login.user, &login.password) {
            (None, None) => Ok(()),
            (None, Some(password)) => self.ask_ok(&["AUTH", password], config),
            // A user without a password may exist, and is another one than `default`.
            (Some(user), password) => {
                self.ask_ok(&["AUTH", user, password.as_deref().unwrap_or_default()], config)
            }
        }
    }

    /// What ends this connection from another thread.
    pub(crate) fn cutter(&self) -> Result<Cut, Trouble> {
        self.socket().try_clone().map(Cut).map_err(|error| unreachable(&self.name, &error))
    }

    const fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => &tls.sock,
        }
    }

    /// Sends commands.
    pub(crate) fn send(&mut self, commands: &[u8]) -> Result<(), Trouble> {
        let sent = match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(commands),
            Stream::Tls(tls) => tls.write_all(commands).and_then(|()| tls.flush()),
        };
        sent.map_err(|error| unreachable(&self.name, &error))
    }

    /// Receives the reply of a command that answers at once.
    pub(crate) fn receive(&mut self, bytes_max: usize) -> Result<Reply<'_>, Trouble> {
        self.receive_after(Duration::ZERO, bytes_max)
    }

    /// Receives the reply of a command that may wait for this long.
    pub(crate) fn receive_after(
        &mut self,
        wait: Duration,
        bytes_max: usize,
    ) -> Result<Reply<'_>, Trouble> {
        self.be_patient(self.patience + wait)?;
        let mut extent = Extent::new(bytes_max);
        let length = loop {
            let arrived = &self.input[self.used..self.filled];
            if let Some(length) = extent.look(arrived).map_err(|error| self.broken(error))? {
                break length;
            }
            self.read()?;
        };
        let reply = self.used..self.used + length;
        self.used = reply.end;
        Ok(Reply::new(&self.input[reply]))
    }

    /// Sends a command and receives its reply.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Result<Reply<'_>, Trouble> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut out = Vec::new();
        resp::command(&mut out, &words);
        self.send(&out)?;
        self.receive(SHORT_REPLY_BYTES_MAX)
    }

    /// Sends a command that has to be answered with a status.
    pub(crate) fn ask_ok(&mut self, words: &[&str], config: &RedisConfig) -> Result<(), Trouble> {
        let name = self.name.clone();
        match self.ask(words)?.element() {
            Ok(Element::Status(_)) => Ok(()),
            Ok(Element::Error(error)) => Err(trouble::of_error(error, &name, config)),
            Ok(_) => Err(self.broken(RespError::Shape)),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// The trouble of a reply that makes no sense.
    pub(crate) fn broken(&self, error: RespError) -> Trouble {
        Trouble::new(TroubleKind::Protocol, format!("{}: {error}", self.name))
    }

    fn be_patient(&mut self, timeout: Duration) -> Result<(), Trouble> {
        if self.timeout != timeout {
            let set = self.socket().set_read_timeout(Some(timeout));
            set.map_err(|error| unreachable(&self.name, &error))?;
            self.timeout = timeout;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Trouble> {
        self.make_room();
        let room = &mut self.input[self.filled..];
        let read = match &mut self.stream {
            Stream::Plain(socket) => socket.read(room),
            Stream::Tls(tls) => tls.read(room),
        };
        match read {
            Ok(0) => Err(unreachable(&self.name, &io::ErrorKind::UnexpectedEof.into())),
            Ok(bytes) => {
                self.filled += bytes;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(unreachable(&self.name, &error)),
        }
    }

    /// Moves what has arrived of the next reply to the beginning, and makes room for a read.
    fn make_room(&mut self) {
        if self.used > 0 {
            self.input.copy_within(self.used..self.filled, 0);
            self.filled -= self.used;
            self.used = 0;
        }
        if self.filled == 0 && self.input.len() > KEPT_BYTES_MAX {
            self.input = Vec::new();
        }
        if self.input.len() - self.filled < READ_BYTES {
            let length = (self.input.len() * 2).max(self.filled + READ_BYTES);
            self.input.resize(length, 0);
        }
    }
}

fn connect(server: &Server, patience: Duration) -> io::Result<TcpStream> {
    let mut last: io::Error = io::ErrorKind::AddrNotAvailable.into();
    for address in (&*server.host, server.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_write_timeout(Some(patience))?;
                socket.set_read_timeout(Some(patience))?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn begin_tls(
    socket: TcpStream,
    tls: &Arc<ClientConfig>,
    server: &Server,
) -> Result<Stream, Trouble> {
    let name = ServerName::try_from(server.host.to_string());
    let name = name.map_err(|_| {
        Trouble::new(TroubleKind::Login, format!("{server}: no name of a certificate"))
    })?;
    let session = ClientConnection::new(Arc::clone(tls), name);
    let session = session
        .map_err(|error| Trouble::new(TroubleKind::Login, format!("{server}: TLS: {error}")))?;
    Ok(Stream::Tls(Box::new(StreamOwned::new(session, socket))))
}

/// The trouble of a connection that failed.
fn unreachable(server: &str, error: &io::Error) -> Trouble {
    match error.kind() {
        // What rustls says comes as this kind.
        io::ErrorKind::InvalidData => {
            Trouble::new(TroubleKind::Login, format!("{server}: TLS: {error}"))
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Trouble::new(TroubleKind::Unreachable, format!("{server} does not answer in time"))
        }
        io::ErrorKind::UnexpectedEof => {
            Trouble::new(TroubleKind::Unreachable, format!("{server} closed the connection"))
        }
        _ => Trouble::new(TroubleKind::Unreachable, format!("{server}: {error}")),
    }
}
