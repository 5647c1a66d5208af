//! A connection to a server, on a thread that may wait: a socket, or TLS on one, under the commands and replies of
//! the crate `redis`.
//!
//! That crate's own connection has no bound for a reply, and nothing that ends it from another thread.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;

use redis::{Cmd, FromRedisValue, Parser, RedisResult, Value, from_redis_value};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::{Login, RedisConfig};
use crate::trouble;

/// The reply of a command that answers with little.
pub(crate) const SHORT_REPLY_BYTES_MAX: usize = 1024 * 1024;

/// A connection, and what has arrived on it.
pub(crate) struct Link {
    /// The server, for messages.
    pub(crate) name: String,
    socket: Bounded,
    parser: Parser,
    patience: Duration,
    /// The timeout that the socket has.
    timeout: Duration,
}

/// A socket that gives a bounded number of bytes.
struct Bounded {
    stream: Stream,
    /// The bytes that may still be read.
    left: usize,
    /// Why the last read failed. The parser's error has no kind.
    failure: Option<io::Error>,
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
        let socket = Bounded { stream, left: 0, failure: None };
        let mut link = Self { name, socket, parser: Parser::new(), patience, timeout: patience };
        link.log_in(login, config)?;
        Ok(link)
    }

    fn log_in(&mut self, login: &Login, config: &RedisConfig) -> Result<(), Trouble> {
        let mut auth = redis::cmd("AUTH");
        match (&login.user, &login.password) {
            (None, None) => return Ok(()),
            (None, Some(password)) => auth.arg(&**password),
            // A user without a password may exist, and is another one than `default`.
            (Some(user), password) => {
                auth.arg(&**user).arg(password.as_deref().unwrap_or_default())
            }
        };
        self.ask::<String>(&auth, config).map(drop)
    }

    /// What ends this connection from another thread.
    pub(crate) fn cutter(&self) -> Result<Cut, Trouble> {
        self.tcp().try_clone().map(Cut).map_err(|error| unreachable(&self.name, &error))
    }

    const fn tcp(&self) -> &TcpStream {
        match &self.socket.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => &tls.sock,
        }
    }

    /// Sends commands.
    pub(crate) fn send(&mut self, commands: &[u8]) -> Result<(), Trouble> {
        let sent = match &mut self.socket.stream {
            Stream::Plain(socket) => socket.write_all(commands),
            Stream::Tls(tls) => tls.write_all(commands).and_then(|()| tls.flush()),
        };
        sent.map_err(|error| unreachable(&self.name, &error))
    }

    /// Receives the reply of a command that answers at once.
    pub(crate) fn receive(&mut self, bytes_max: usize) -> Result<Value, Trouble> {
        self.receive_after(Duration::ZERO, bytes_max)
    }

    /// Receives the reply of a command that may wait for this long. An error of the server is a reply, too.
    pub(crate) fn receive_after(
        &mut self,
        wait: Duration,
        bytes_max: usize,
    ) -> Result<Value, Trouble> {
        self.be_patient(self.patience + wait)?;
        self.socket.left = bytes_max;
        let parsed = self.parser.parse_value(&mut self.socket);
        parsed.map_err(|error| match self.socket.failure.take() {
            Some(failure) => unreachable(&self.name, &failure),
            None if error.is_io_error() => {
                unreachable(&self.name, &io::ErrorKind::UnexpectedEof.into())
            }
            None => self.broken("a reply is not in the protocol of Redis: is this Redis?"),
        })
    }

    /// Whether the last reply had all the bytes that it might have. If it failed, it was too long.
    pub(crate) const fn has_used_bound(&self) -> bool {
        self.socket.left == 0
    }

    /// Gives up the room that a large reply has taken. No other reply may be on its way.
    pub(crate) fn shrink(&mut self) {
        self.parser = Parser::new();
    }

    /// Sends a command and receives its reply, as this type.
    pub(crate) fn ask<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        config: &RedisConfig,
    ) -> Result<T, Trouble> {
        self.ask_anything(command)?.map_err(|error| trouble::of_error(&error, &self.name, config))
    }

    /// Sends a command that the server may refuse.
    pub(crate) fn ask_anything<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
    ) -> Result<RedisResult<T>, Trouble> {
        self.send(&command.get_packed_command())?;
        let reply = self.receive(SHORT_REPLY_BYTES_MAX)?;
        self.convert(reply)
    }

    /// A reply as the type that its command has, or the server's error.
    pub(crate) fn convert<T: FromRedisValue>(
        &self,
        reply: Value,
    ) -> Result<RedisResult<T>, Trouble> {
        // The crate's error repeats the reply.
        from_redis_value(reply).map_err(|_| self.strange())
    }

    /// The trouble of a reply that is not one of its command.
    pub(crate) fn strange(&self) -> Trouble {
        self.broken("a reply is not one that its command has")
    }

    fn broken(&self, what: &str) -> Trouble {
        Trouble::new(TroubleKind::Protocol, format!("{}: {what}", self.name))
    }

    fn be_patient(&mut self, timeout: Duration) -> Result<(), Trouble> {
        if self.timeout != timeout {
            let set = self.tcp().set_read_timeout(Some(timeout));
            set.map_err(|error| unreachable(&self.name, &error))?;
            self.timeout = timeout;
        }
        Ok(())
    }
}

impl Read for Bounded {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let room_max = room.len().min(self.left);
        let room = &mut room[..room_max];
        let read = loop {
            let read = match &mut self.stream {
                _ if room.is_empty() => Err(io::ErrorKind::FileTooLarge.into()),
                Stream::Plain(socket) => socket.read(room),
                Stream::Tls(tls) => tls.read(room),
            };
            match read {
                // A read with a timeout is not begun again by the system.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(bytes) => {
                self.left -= bytes;
                Ok(bytes)
            }
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(error);
                Err(kind.into())
            }
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
        io::ErrorKind::FileTooLarge => {
            let text = format!("{server}: a reply is longer than allowed");
            Trouble::new(TroubleKind::Protocol, text)
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
