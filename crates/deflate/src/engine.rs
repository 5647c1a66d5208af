//! The codec that the connections of one loop share.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use sockeye_websocket::CodecError;
use zlib_rs::Inflate;

use crate::WindowBits;
use crate::deflaters::{Deflaters, Place};
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
    /// How many sessions may have a deflater of their own, of up to 380 KB each. A session gets one when others compress messages
    /// between its own. To continue costs less than to reset the shared deflater and prime it. An engine keeps them until it is
    /// dropped.
    pub own_deflaters_max: u16,
}

impl Default for EngineConfig {
    /// The fastest level, for messages from 256 bytes, and shared deflaters alone. The README has the measurements.
    fn default() -> Self {
        Self { level: Level::FASTEST, message_bytes_min: 256, own_deflaters_max: 0 }
    }
}

/// The inflater and the deflaters of all connections of one loop.
///
/// Each part is allocated when it is first needed: 48 KiB for the inflater, 16 KiB of scratch, and
/// deflaters of 190 to 380 KB: one for each window size in use, and up to
/// [`own_deflaters_max`](EngineConfig::own_deflaters_max).
pub struct Engine {
    config: EngineConfig,
    inflater: Option<Box<Inflate>>,
    deflaters: Deflaters,
    scratch: Vec<u8>,
    /// Tells this engine's tickets from those of another.
    identity: Arc<()>,
}

/// Which engine had a session's latest message, and where.
#[derive(Debug)]
pub(crate) struct Ticket {
    engine: Arc<()>,
    pub(crate) place: Place,
}

impl Engine {
    /// An engine that has allocated nothing yet.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self {
            config,
            inflater: None,
            deflaters: Deflaters::default(),
            scratch: Vec::new(),
            identity: Arc::new(()),
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
        self.deflate(&Window::sent(window, Takeover::Forget), &mut None, message, out)
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

    /// Deflates a message that may refer to `window`, with the session's ticket, and returns true.
    ///
    /// If the message is better sent uncompressed, it leaves `out` as it is and returns false.
    pub(crate) fn deflate(
        &mut self,
        window: &Window,
        ticket: &mut Option<Ticket>,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        if message.len() < self.config.message_bytes_min {
            return false;
        }
        self.scratch.resize(SCRATCH_BYTES, 0);
        let known = ticket.as_ref().filter(|it| Arc::ptr_eq(&it.engine, &self.identity));
        let known = known.map(|it| it.place);
        let mut lent = self.deflaters.lend(&self.config, window.bits(), known);
        if !lent.is_warm {
            lent.deflater.prime(window);
        }
        let is_shorter = lent.deflater.deflate(&mut self.scratch, message, out);
        if !is_shorter {
            // It is sent uncompressed, so it does not enter the window.
            lent.place.outdate();
        }
        *ticket = Some(Ticket { engine: Arc::clone(&self.identity), place: lent.place });
        is_shorter
    }
}

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
