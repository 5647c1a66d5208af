//! The compression state of one connection.

use alloc::vec::Vec;

use sockeye_websocket::{CodecError, MessageCodec, Role};

use crate::engine::Ticket;
use crate::window::{Takeover, Window};
use crate::{Engine, Params, WindowBits};

/// The compression state of one connection: plaintext of two directions.
///
/// It keeps received bytes up to the negotiated window, because the peer may refer to all of them, and
/// sent bytes up to 1 KiB, because we may refer to fewer. Both windows grow with their content. Without
/// context takeover it keeps nothing.
#[derive(Debug)]
pub struct Session {
    rx: Window,
    tx: Window,
    /// Where our latest message was compressed; `None` without context takeover.
    ticket: Option<Ticket>,
    /// A message failed to inflate, so no later one can be read.
    failed: Option<CodecError>,
}

impl Session {
    /// The state at the start of a connection on which `role` is our end.
    #[must_use]
    pub fn new(role: Role, params: Params) -> Self {
        let server = window(params.server_max_window_bits, params.server_no_context_takeover);
        let client = window(params.client_max_window_bits, params.client_no_context_takeover);
        let (rx, tx) = match role {
            Role::Server => (client, server),
            Role::Client => (server, client),
        };
        Self {
            rx: Window::received(rx.0, rx.1),
            tx: Window::sent(tx.0, tx.1),
            ticket: None,
            failed: None,
        }
    }

    /// Joins the connection's windows to the loop's engine, for one or more messages.
    pub const fn codec<'c>(&'c mut self, engine: &'c mut Engine) -> Codec<'c> {
        Codec { session: self, engine }
    }

    /// The window that our messages may refer to, and so the largest one that
    /// [`Engine::compress_shared`] may have used for a message to this connection.
    #[must_use]
    pub const fn tx_window(&self) -> WindowBits {
        self.tx.bits()
    }

    /// Records that a message of [`Engine::compress_shared`] is sent on this connection.
    ///
    /// `message` is the plaintext. Call it once for each, in the order of sending.
    pub fn note_shared(&mut self, message: &[u8]) {
        if let Some(ticket) = &mut self.ticket {
            ticket.place.outdate();
        }
        self.tx.push(message);
    }

    /// The bytes allocated for the two windows.
    #[must_use]
    pub const fn windows_bytes(&self) -> usize {
        self.rx.allocated().saturating_add(self.tx.allocated())
    }
}

/// The window of one direction as the parameters describe it.
fn window(bits: Option<WindowBits>, no_context_takeover: bool) -> (WindowBits, Takeover) {
    let takeover = if no_context_takeover { Takeover::Forget } else { Takeover::Keep };
    (bits.unwrap_or(WindowBits::MAX), takeover)
}

/// A [`Session`] joined to the [`Engine`] that works for it.
///
/// A message that is sent uncompressed needs no call: it does not enter the window
/// (RFC 7692 §7.2.3.2). That is also how to keep secrets out of it (§8).
#[derive(Debug)]
pub struct Codec<'c> {
    session: &'c mut Session,
    engine: &'c mut Engine,
}

impl MessageCodec for Codec<'_> {
    /// Inflates one message; after an error every later call gives the same error.
    ///
    /// On an error `out` is as it was.
    fn decompress(
        &mut self,
        message: &[u8],
        bytes_max: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        if let Some(error) = self.session.failed {
            return Err(error);
        }
        let start = out.len();
        let result = self.engine.inflate(&self.session.rx, message, bytes_max, out);
        if let Err(error) = result {
            out.truncate(start);
            self.session.failed = Some(error);
            return Err(error);
        }
        self.session.rx.push(out.get(start..).unwrap_or_default());
        Ok(())
    }

    fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let Session { tx, ticket, .. } = &mut *self.session;
        let is_shorter = self.engine.deflate(tx, ticket, message, out);
        if tx.takeover() == Takeover::Forget {
            *ticket = None;
        }
        // [rfc7692:7.2.3.2-window] An uncompressed message never enters the window.
        if is_shorter {
            tx.push(message);
        }
        is_shorter
    }
}
