//! The codec that the connections of one loop share.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use sockeye_websocket::CodecError;
use zlib_rs::Inflate;

use crate::WindowBits;
use crate::deflater::Deflater;
use crate::inflater;
use crate::window::{Takeover, Window};

/// The step in which data are inflated and deflated.
pub(crate) const SCRATCH_BYTES: usize = 16 * 1024;

/// The compression level of zlib, 1 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// The fastest.
    pub const FASTEST: Self = Self(1);
    /// For texts that are compressed once and sent to many.
    pub const SHARED: Self = Self(4);
    /// The default of zlib.
    pub const BALANCED: Self = Self(6);
    /// The smallest output.
    pub const SMALLEST: Self = Self(9);

    /// The level of that number, or `None` unless it is between 1 and 9.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        if level >= Self::FASTEST.0 && level <= Self::SMALLEST.0 { Some(Self(level)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        self.0
    }
}

/// How an [`Engine`] compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// The effort.
    pub level: Level,
    /// Shorter messages are not compressed, in bytes.
    pub message_bytes_min: usize,
}

impl Default for EngineConfig {
    /// The fastest level, for messages from 256 bytes. The README has the measurements.
    fn default() -> Self {
        Self { level: Level::FASTEST, message_bytes_min: 256 }
    }
}

/// The inflater and the deflaters that all connections of one loop share.
///
/// Each part is allocated when it is first needed: 48 KiB for the inflater, 16 KiB of scratch, and for
/// each window size in use one deflater of 190 to 380 KB.
pub struct Engine {
    config: EngineConfig,
    inflater: Option<Box<Inflate>>,
    /// By window size, from 8 bits.
    deflaters: [Option<Box<Deflater>>; 8],
    scratch: Vec<u8>,
    /// Tells this engine's tickets from those of another.
    identity: Arc<()>,
    tickets: u64,
}

/// A proof that a deflater is at the end of the session's latest compressed message. The session's
/// next message then needs no priming.
#[derive(Debug)]
pub(crate) struct Ticket {
    engine: Arc<()>,
    number: u64,
}

impl Engine {
    /// An engine that has allocated nothing yet.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self {
            config,
            inflater: None,
            deflaters: [const { None }; 8],
            scratch: Vec::new(),
            identity: Arc::new(()),
            tickets: 0,
        }
    }

    /// Compresses one message for many connections: appends its payload to `out` and returns true. If
    /// the message is better sent uncompressed, it leaves `out` as it is and returns false.
    ///
    /// The result refers to nothing before the message and to no distance beyond `window`, so it is
    /// valid for every connection whose [`tx_window`](crate::Session::tx_window) is at least that.
    /// Tell each of them with [`note_shared`](crate::Session::note_shared).
    pub fn compress_shared(
        &mut self,
        message: &[u8],
        window: WindowBits,
        out: &mut Vec<u8>,
    ) -> bool {
        self.deflate(&Window::sent(window, Takeover::Forget), None, message, out).is_ok()
    }

    /// Inflates a message that refers to `window`.
    pub(crate) fn inflate(
        &mut self,
        window: &Window,
        message: &[u8],
        bytes_max: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        self.scratch.resize(SCRATCH_BYTES, 0);
        let stream = self
            .inflater
            .get_or_insert_with(|| Box::new(Inflate::new(false, WindowBits::MAX.to_u8())));
        inflater::inflate(stream, &mut self.scratch, window, message, bytes_max, out)
    }

    /// Deflates a message that may refer to `window`; `ticket` is the session's latest.
    ///
    /// An error means that `out` is as it was and the message is to be sent uncompressed.
    pub(crate) fn deflate(
        &mut self,
        window: &Window,
        ticket: Option<&Ticket>,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Ticket, Incompressible> {
        if message.len() < self.config.message_bytes_min {
            return Err(Incompressible);
        }
        self.scratch.resize(SCRATCH_BYTES, 0);
        let level = self.config.level.to_u8();
        let bits = window.bits();
        let slot = usize::from(bits.to_u8().saturating_sub(WindowBits::MIN.to_u8()));
        let deflater = self
            .deflaters
            .get_mut(slot)
            .expect("one slot for each window size")
            .get_or_insert_with(|| Box::new(Deflater::new(bits, level)));
        let stands_at = deflater.take_ticket();
        let is_warm = ticket.is_some_and(|ticket| {
            Arc::ptr_eq(&ticket.engine, &self.identity) && stands_at == Some(ticket.number)
        });
        if !is_warm {
            deflater.prime(window);
        }
        if !deflater.deflate(&mut self.scratch, message, out) {
            return Err(Incompressible);
        }
        self.tickets = self.tickets.wrapping_add(1);
        deflater.issue_ticket(self.tickets);
        Ok(Ticket { engine: Arc::clone(&self.identity), number: self.tickets })
    }
}

/// The compressed message would not be shorter, or the message is below the threshold.
pub(crate) struct Incompressible;

impl Default for Engine {
    fn default() -> Self {
        Self::new(EngineConfig::default())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("config", &self.config).finish_non_exhaustive()
    }
}
