//! The connection: its state, and its end.

use alloc::boxed::Box;
use core::fmt;

use sockeye_frame::{CloseCode, Decoder, MaskKey, Role, Rsv, Rules};

use crate::close::{Action, Input, State, step};
use crate::incoming::Incoming;
use crate::{Compression, Config, Control, Kind};

/// The source of a client's masking keys.
///
/// Every frame asks for a key of its own. Keys must be unpredictable to whoever chooses the
/// payloads (RFC 6455 §5.3, §10.3): take them from the system's entropy or from a generator for
/// cryptography that is seeded with it.
pub trait MaskSource {
    /// The key of the next frame.
    fn next_mask(&mut self) -> MaskKey;
}

impl<F: FnMut() -> MaskKey> MaskSource for F {
    fn next_mask(&mut self) -> MaskKey {
        self()
    }
}

/// One end of a WebSocket connection after the opening handshake.
///
/// It owns no buffer and no socket: [`receive`](Self::receive) reads from the caller's slice, and
/// all output is appended to the caller's vector, replies included.
///
/// One vector per connection takes all output of this connection, in order. Between the
/// header that [`begin`](Self::begin) returns and the end of that frame's payload nothing else may
/// be put on the wire, so do not call [`receive`](Self::receive) with that vector in between.
pub struct Connection {
    pub(crate) decoder: Decoder,
    pub(crate) incoming: Incoming,
    /// `Some` makes this a client. The thin pointer is for the servers, which hold many
    /// connections and have none.
    pub(crate) client: Option<Box<Client>>,
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) replies_bytes_max: u32,
    /// The code of the peer's Close frame, once it came.
    pub(crate) peer_code: Option<CloseCode>,
    /// The kind of the message that we are sending in fragments.
    pub(crate) outgoing: Option<Kind>,
    pub(crate) compression: Compression,
    pub(crate) truncated: bool,
    state: State,
}

/// The state of a client.
pub(crate) struct Client {
    pub(crate) masks: Box<dyn MaskSource + Send>,
}

/// State that few connections need at any moment, kept out of line.
#[derive(Default)]
pub(crate) struct Rare {
    /// The payload so far of a control frame that arrives in parts.
    pub(crate) partial: Option<Control>,
    /// The latest Pong that found the output full.
    pub(crate) held_pong: Option<Control>,
}

impl Connection {
    /// The server's end.
    #[must_use]
    pub fn server(config: &Config) -> Self {
        Self::new(Role::Server, None, config)
    }

    /// The client's end. `masks` gives each frame its key.
    #[must_use]
    pub fn client(config: &Config, masks: Box<dyn MaskSource + Send>) -> Self {
        Self::new(Role::Client, Some(Box::new(Client { masks })), config)
    }

    fn new(role: Role, client: Option<Box<Client>>, config: &Config) -> Self {
        let limits = &config.limits;
        let rsv = match config.compression {
            Compression::Off => Rsv::NONE,
            Compression::PerMessageDeflate => Rsv::RSV1,
        };
        // A frame longer than a message may be is refused as a frame.
        let payload_len_max = limits.frame_bytes_max.min(limits.message_bytes_max);
        Self {
            decoder: Decoder::new(Rules { role, rsv, payload_len_max }),
            incoming: Incoming::new(limits),
            client,
            rare: None,
            replies_bytes_max: u32::try_from(limits.replies_bytes_max).unwrap_or(u32::MAX),
            peer_code: None,
            outgoing: None,
            compression: config.compression,
            truncated: false,
            state: State::Open,
        }
    }

    /// Our role.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self.client {
            Some(_) => Role::Client,
            None => Role::Server,
        }
    }

    /// How far the connection is from its end.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The missing bytes of a partial frame's payload; none between two frames. The caller may read so
    /// many into the buffer that assembles the message, and give them to [`receive`](Self::receive) there.
    #[must_use]
    pub const fn payload_missing(&self) -> u64 {
        self.decoder.payload_missing()
    }

    /// The longest message that the peer may send, in bytes.
    #[must_use]
    pub const fn message_bytes_max(&self) -> u64 {
        self.incoming.bytes_max()
    }

    /// Whether nothing more will be sent or read, so that the transport should end.
    ///
    /// Flush the output first. A server then shuts its sending side down, discards input until
    /// the end of the stream or a deadline, and closes (RFC 6455 §7.1.1): closing with unread
    /// input can destroy the Close frame on its way. A client waits for the server to close, up to
    /// a deadline. False again once [`receive_eof`](Self::receive_eof) was called.
    #[must_use]
    pub const fn expects_eof(&self) -> bool {
        match self.state {
            State::Open | State::CloseSent | State::Ended => false,
            State::Closed | State::Failed => true,
        }
    }

    /// Records the end of the transport, and returns how the connection ended (RFC 6455 §7.1.5).
    ///
    /// Further calls give the same answer.
    pub fn receive_eof(&mut self) -> Closed {
        let truncated = match self.state {
            State::Open | State::CloseSent | State::Closed => self.is_mid_message(),
            State::Failed => false,
            State::Ended => self.truncated,
        };
        self.truncated = truncated;
        let _ = self.advance(Input::ReceiveEof);
        self.rare = None;
        Closed {
            // [rfc6455:7.1.5-abnormal]
            code: self.peer_code.unwrap_or(CloseCode::ABNORMAL),
            clean: self.peer_code.is_some(),
            truncated,
        }
    }

    fn is_mid_message(&self) -> bool {
        !self.decoder.at_boundary() || self.incoming.is_under_way()
    }

    /// Looks up the input in the table, moves to the next state, and returns the action.
    #[inline]
    pub(crate) fn advance(&mut self, input: Input) -> Action {
        let (state, action) = step(self.state, input);
        self.state = state;
        action
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role())
            .field("state", &self.state)
            .field("incoming", &self.incoming)
            .field("outgoing", &self.outgoing)
            .finish_non_exhaustive()
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code (RFC 6455 §7.1.5): the peer's, 1005 if its Close frame was empty, 1006 if
    /// none came.
    pub code: CloseCode,
    /// Close frames were exchanged in both directions.
    pub clean: bool,
    /// The peer broke off inside a frame or a message. Never true of a connection that was failed.
    pub truncated: bool,
}
