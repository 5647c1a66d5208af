//! A minimal WebSocket client on the reactor: one connection at a time, echo or listen.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};

use sockeye_deflate::{ClientOffer, EXTENSION_NAME, Engine, EngineConfig, Session};
use sockeye_frame::MaskKey;
use sockeye_handshake::{Challenge, ClientRequest, Extensions};
use sockeye_http1::{HeadEnd, HeaderStorage, ResponseHead};
use sockeye_reactor::{Flushed, Key, MioNet, Net, Outbox, Pool, Readiness, Slab, Socket, Time};
use sockeye_websocket::{
    Assembler, Compression, Config, Connection, Event, Limits, Message, MessageCodec, Role,
};

use crate::{Failure, OrFail};

/// How long a server may stay silent.
const SILENCE_MS: u64 = 60_000;
/// How long a server may take to end the connection after the closing handshake.
const CLOSE_MS: u64 = 2_000;
/// Size of the receive buffer.
const READ_BYTES: usize = 128 * 1024;
/// Largest message: what the Autobahn suite sends.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

const LIMITS: Limits = Limits {
    frame_bytes_max: MESSAGE_BYTES_MAX,
    message_bytes_max: MESSAGE_BYTES_MAX,
    fragments_max: 1 << 17,
    overhead_bytes_max: 2 << 20,
    ..Limits::DEFAULT
};

/// The server of a `ws:` URL.
#[derive(Debug)]
pub(crate) struct Target {
    /// Host and port as they stand in the URL.
    authority: String,
    addr: SocketAddr,
}

impl Target {
    /// The server that `url` names; a path in it is ignored.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        let rest = url
            .strip_prefix("ws://")
            .ok_or_else(|| Failure(format!("{url} does not begin with ws://")))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
        let with_port =
            if has_port(&authority) { authority.clone() } else { format!("{authority}:80") };
        let addr = with_port
            .to_socket_addrs()
            .or_fail(|| format!("cannot find {authority}"))?
            .next()
            .ok_or_else(|| Failure(format!("{authority} has no address")))?;
        Ok(Self { authority, addr })
    }
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
}

impl core::fmt::Display for Target {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ws://{}", self.authority)
    }
}

/// What outlives a connection: the poller, the compressor, warm memory.
pub(crate) struct Client {
    net: MioNet,
    keys: Slab<()>,
    engine: Engine,
    pool: Pool,
    buffer: Vec<u8>,
}

/// One connection.
struct Line {
    socket: mio::net::TcpStream,
    key: Key,
    readiness: Readiness,
    outbox: Outbox,
    /// When the server's silence becomes too long.
    deadline: Time,
}

/// What the opening handshake led to.
struct Open {
    protocol: Connection,
    assembler: Assembler,
    session: Option<Session>,
    scratch: Vec<u8>,
}

impl Client {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            net: MioNet::new()?,
            keys: Slab::new(),
            engine: Engine::new(EngineConfig { message_bytes_min: 0, ..EngineConfig::default() }),
            pool: Pool::new(),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Connects to `path` and hands each message to `answer`, whose answer is sent, until the
    /// server has closed the connection.
    pub(crate) fn converse(
        &mut self,
        target: &Target,
        path: &str,
        mut answer: impl for<'m> FnMut(Message<'m>) -> Option<Message<'m>>,
    ) -> Result<(), Failure> {
        let mut line = self.dial(target.addr).or_fail(|| format!("cannot connect to {target}"))?;
        let done = self.shake_hands(&mut line, target, path).and_then(|(mut open, mut early)| {
            self.receive(&mut line, &mut open, &mut early, &mut answer);
            self.listen(&mut line, &mut open, answer).or_fail(|| format!("{target}{path}"))
        });
        self.net.close(line.socket);
        done
    }

    fn dial(&mut self, addr: SocketAddr) -> io::Result<Line> {
        let mut socket = self.net.connect(addr)?;
        // A key of its own for every connection: what is still reported of an earlier one is stale.
        let key = self.keys.insert(());
        self.keys.remove(key);
        self.net.register(&mut socket, key)?;
        let deadline = self.net.now() + SILENCE_MS;
        let readiness = Readiness::default();
        Ok(Line { socket, key, readiness, outbox: Outbox::new(), deadline })
    }

    /// The opening handshake (RFC 6455 §4.1); also gives what came behind the server's head.
    fn shake_hands(
        &mut self,
        line: &mut Line,
        target: &Target,
        path: &str,
    ) -> Result<(Open, Vec<u8>), Failure> {
        let offer = ClientOffer::default();
        let mut text = Vec::new();
        offer.write(&mut text);
        let extensions = Extensions::parse([&*text]).expect("our own offer is well formed");
        let request = ClientRequest {
            extensions: &extensions,
            ..ClientRequest::new(&target.authority, path)
        };
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).or_fail(|| "no entropy".into())?;
        let challenge = Challenge::new(nonce);
        challenge
            .write_request(&request, line.outbox.tail(&mut self.pool))
            .or_fail(|| format!("{target}{path}"))?;
        let (head, behind) = self.read_head(line).or_fail(|| format!("{target}{path}"))?;
        let mut storage = HeaderStorage::new();
        let limits = sockeye_http1::Limits::default();
        let response = ResponseHead::parse(&head, &mut storage, &limits)
            .or_fail(|| format!("{target}{path}"))?;
        let accepted =
            challenge.verify(&response, &request).or_fail(|| format!("{target}{path}"))?;
        let params = accepted
            .extensions
            .iter()
            .find(|extension| extension.name() == EXTENSION_NAME)
            .map(|extension| offer.accept_response(extension.params()))
            .transpose()
            .or_fail(|| format!("{target}{path}"))?;
        Ok((Open::new(params), behind))
    }

    fn read_head(&mut self, line: &mut Line) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut head, mut end) = (Vec::new(), HeadEnd::for_response());
        let limits = sockeye_http1::Limits::default();
        loop {
            match self.read(line)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                len => head.extend_from_slice(&self.buffer[..len]),
            }
            let found = end.find(&head, &limits).map_err(io::Error::other)?;
            if let Some(len) = found {
                let behind = head.split_off(len);
                return Ok((head, behind));
            }
        }
    }

    /// Receives until the server ends the connection.
    fn listen(
        &mut self,
        line: &mut Line,
        open: &mut Open,
        mut answer: impl for<'m> FnMut(Message<'m>) -> Option<Message<'m>>,
    ) -> io::Result<()> {
        loop {
            let len = match self.read(line) {
                Ok(len) => len,
                // Everything is said; a server that does not hang up is left.
                Err(_) if open.protocol.expects_eof() => 0,
                Err(error) => return Err(error),
            };
            if len == 0 {
                let clean = open.protocol.receive_eof().clean;
                return if clean { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            let mut buffer = core::mem::take(&mut self.buffer);
            self.receive(line, open, &mut buffer[..len], &mut answer);
            self.buffer = buffer;
            if open.protocol.expects_eof() {
                line.deadline = self.net.now() + CLOSE_MS;
            }
        }
    }

    fn receive(
        &mut self,
        line: &mut Line,
        open: &mut Open,
        mut input: &mut [u8],
        answer: &mut impl for<'m> FnMut(Message<'m>) -> Option<Message<'m>>,
    ) {
        loop {
            let out = line.outbox.tail(&mut self.pool);
            match open.protocol.receive(&mut input, out) {
                Ok(Some(Event::Message(message))) => {
                    let reply = answer(message);
                    open.send(reply, &mut self.engine, out);
                }
                Ok(Some(Event::Piece(piece))) => {
                    let mut codec = open.session.as_mut().map(|s| s.codec(&mut self.engine));
                    let codec = codec.as_mut().map(|codec| codec as &mut dyn MessageCodec);
                    // Out of `open` while the message that it lends is answered through it.
                    let mut assembler = core::mem::replace(&mut open.assembler, assembler());
                    match assembler.push(piece, codec) {
                        Ok(message) => {
                            let reply = message.and_then(&mut *answer);
                            open.send(reply, &mut self.engine, out);
                        }
                        Err(error) => open.protocol.fail(error.close_code(), "", out),
                    }
                    open.assembler = assembler;
                }
                Ok(Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_))) => {}
                // A violation has put its Close into the outbox; the server will hang up.
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Writes what waits and reads what comes; waits until something does.
    fn read(&mut self, line: &mut Line) -> io::Result<usize> {
        let mut ready = Vec::new();
        loop {
            if line.readiness.writable()
                && line.outbox.flush(&mut line.socket, &mut self.pool)? != Flushed::All
            {
                line.readiness.after_short_write();
            }
            if line.readiness.readable() {
                match line.socket.read(&mut self.buffer) {
                    Ok(len) => {
                        line.readiness.after_read(len, self.buffer.len());
                        line.deadline = self.net.now() + SILENCE_MS;
                        return Ok(len);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        line.readiness.after_read_blocked();
                    }
                    Err(error) => return Err(error),
                }
            }
            let now = self.net.now();
            if line.deadline <= now {
                return Err(ErrorKind::TimedOut.into());
            }
            self.net.poll(line.deadline.wait_from(now), &mut ready)?;
            for event in ready.drain(..).filter(|event| event.key == line.key) {
                line.readiness.merge(event);
            }
        }
    }
}

fn assembler() -> Assembler {
    Assembler::new(MESSAGE_BYTES_MAX)
}

impl Open {
    fn new(params: Option<sockeye_deflate::Params>) -> Self {
        let compression =
            if params.is_some() { Compression::PerMessageDeflate } else { Compression::Off };
        let config = Config { limits: LIMITS, compression };
        Self {
            protocol: Connection::client(&config, Box::new(system_masks())),
            assembler: assembler(),
            session: params.map(|params| Session::new(Role::Client, params)),
            scratch: Vec::new(),
        }
    }

    /// Sends `message`, if there is one; what comes after a Close is dropped.
    fn send(&mut self, message: Option<Message<'_>>, engine: &mut Engine, out: &mut Vec<u8>) {
        let Some(message) = message else { return };
        self.scratch.clear();
        let compressed = self
            .session
            .as_mut()
            .is_some_and(|s| s.codec(engine).compress(message.as_bytes(), &mut self.scratch));
        let sent = if compressed {
            self.protocol.send_compressed(message.kind(), &self.scratch, out)
        } else {
            self.protocol.send(message, out)
        };
        if let Err(error) = sent {
            log::debug!("not sent: {error}");
        }
    }
}

/// Masking keys from the system's entropy (RFC 6455 §10.3), fetched many at a time.
pub(crate) fn system_masks() -> impl FnMut() -> MaskKey + Send {
    let mut keys = [0; 1024];
    let mut used = keys.len();
    move || {
        if used == keys.len() {
            getrandom::fill(&mut keys).expect("the system has entropy");
            used = 0;
        }
        let key = keys[used..].first_chunk().copied().expect("a multiple of four");
        used += 4;
        MaskKey::new(key)
    }
}
