//! Finds out which version of HTTP a load speaks: the command line says it, or the server chooses by ALPN.

use std::time::{Duration, Instant};

use sockeye_http2::{FieldBuffer, FieldReader};
use sockeye_reactor::{Key, MioNet, Net as _, Pool, Ready};
use sockeye_terminal::{Failure, OrFail, plain::plain, signals};
use sockeye_tls::Protocol;

use super::connection::SocketOptions;
use super::fault::Fault;
use super::load::Lines;
use super::opening::{Opener, Purpose};
use super::trunk::{self, Trunk};

/// Bytes of one read: settings are short.
const READ_BYTES: usize = 16 * 1024;
/// Longest wait of a step. A signal that comes just before a wait is seen after it.
const SIGNAL_WAIT: Duration = Duration::from_millis(100);
const KEY: Key = Key::from_u64(1);

/// The versions that a load may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    Http1,
    Http2,
    /// Over TLS the server chooses, and without TLS it is HTTP/1.1.
    Negotiated,
}

impl Versions {
    /// Returns whether what `opener` opens is a stream of HTTP/2. A server over TLS is asked by one connection,
    /// which ends before the load begins; so all lines of `opener` speak the same version.
    ///
    /// # Errors
    /// The server cannot be asked within `patience`.
    pub(super) fn choose(self, opener: &Opener, patience: Duration) -> Result<bool, Failure> {
        let is_asked = match opener.purpose {
            Purpose::WebSocket { .. } | Purpose::Events => opener.target.tls.is_some(),
            Purpose::Bare(_) => false,
            // What is posted stays with HTTP/1.1.
            Purpose::Requests => return Ok(false),
        };
        match self {
            Self::Http1 => Ok(false),
            Self::Http2 => Ok(true),
            Self::Negotiated if is_asked => ask(opener, patience),
            Self::Negotiated => Ok(false),
        }
    }
}

impl Lines {
    /// How many of the load's lines share a connection of HTTP/2; 0: they speak HTTP/1.1.
    pub(super) fn shared(&self) -> usize {
        self.ramp.openers.first().and_then(|opener| opener.streams).unwrap_or(0)
    }

    /// The version of HTTP behind the number of lines in a report's title.
    pub(super) fn version(&self) -> &'static str {
        if self.shared() > 0 { " over HTTP/2" } else { "" }
    }
}

fn ask(opener: &Opener, patience: Duration) -> Result<bool, Failure> {
    let mut net = MioNet::new().or_fail(|| "the system gives no poller".into())?;
    let failed = |fault: Fault| Failure(format!("{}: {fault}", plain(&opener.target.authority)));
    let mut question = Question::new(opener, &mut net).map_err(failed)?;
    let (start, mut ready) = (Instant::now(), Vec::new());
    loop {
        if let Some(is_http2) = question.answer(opener).map_err(failed)? {
            net.close(question.trunk.connection.into_system());
            return Ok(is_http2);
        }
        if signals::is_asked() {
            return Err(Failure("interrupted before anything was measured".into()));
        }
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(failed(Fault::Silent));
        }
        let polled = net.poll(Some(left.min(SIGNAL_WAIT)), &mut ready);
        polled.or_fail(|| "waiting failed".into())?;
        for ready in ready.drain(..) {
            question.hear(ready);
        }
    }
}

/// A connection that offers both versions.
struct Question {
    trunk: Trunk,
    pool: Pool,
    reader: FieldReader<FieldBuffer>,
    buffer: Vec<u8>,
}

impl Question {
    fn new(opener: &Opener, net: &mut MioNet) -> Result<Self, Fault> {
        let config = trunk::config(trunk::WINDOW_BYTES);
        let (both, options) = (&[Protocol::Http2, Protocol::Http11], SocketOptions::default());
        let mut pool = Pool::new();
        let mut trunk = Trunk::dial(&opener.target, both, options, KEY, &config, &mut pool)?;
        net.register(trunk.connection.system(), KEY)?;
        let reader = FieldReader::new(FieldBuffer::new());
        Ok(Self { trunk, pool, reader, buffer: vec![0; READ_BYTES] })
    }

    fn hear(&mut self, ready: Ready) {
        self.trunk.connection.readiness.merge(ready);
    }

    /// Goes on as far as possible; `None`: the server has not answered yet.
    fn answer(&mut self, opener: &Opener) -> Result<Option<bool>, Fault> {
        let Self { trunk, pool, reader, buffer } = self;
        trunk.connection.shake_hands()?;
        match trunk.connection.agreed() {
            None => return Ok(None),
            Some(Protocol::Http2) => {}
            Some(_) => return Ok(Some(false)),
        }
        if !matches!(opener.purpose, Purpose::WebSocket { .. }) {
            return Ok(Some(true));
        }
        // Whether the server takes WebSockets, it says in its settings.
        trunk.flush(&mut [], pool);
        while trunk.connection.readiness.readable() {
            let len = trunk.connection.read(buffer)?;
            let mut input = &mut buffer[..len];
            while {
                let out = trunk.outbox.tail(pool);
                let event = trunk.protocol.receive(&mut input, reader, out);
                event.map_err(Fault::Http2)?.is_some()
            } {}
            if trunk.protocol.is_established() {
                return Ok(Some(trunk.protocol.peer_takes_protocols()));
            }
        }
        Ok(None)
    }
}
