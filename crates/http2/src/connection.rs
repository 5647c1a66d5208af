//! The connection: its parts, its beginning and its end.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use sockeye_hpack as hpack;

use crate::abuse::Buckets;
use crate::flow::{ConnectionWindows, WINDOW_MAX};
use crate::frame::{Frame, PAYLOAD_BYTES_MAX, Setting, SettingId, Settings};
use crate::receive::Incoming;
use crate::streams::Streams;
use crate::{
    Config, ConnectProtocol, ConnectionError, ErrorCode, Limits, PREFACE, StreamId, UsageError,
};

/// The payload of the PING frame behind the first GOAWAY of a server that shuts down.
const DRAIN_PING: [u8; 8] = *b"draining";

/// The side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It opens streams.
    Client,
    /// It answers.
    Server,
}

/// One end of a connection of HTTP/2.
///
/// It owns no buffer of content and no socket: [`receive`](Self::receive) reads from the caller's slice,
/// and all output is appended to the caller's vector, replies included. Frames are valid in the order in
/// which they were appended, over all calls.
///
/// Content to send stays with the caller. [`send_capacity`](Self::send_capacity) says how much of a
/// stream's content may go out now, and [`write_data_head`](Self::write_data_head) appends the nine bytes
/// that stand in front of it, so one body can be referenced from many streams.
pub struct Connection {
    pub(crate) config: Arc<Config>,
    pub(crate) role: Role,
    pub(crate) decoder: hpack::Decoder,
    pub(crate) encoder: hpack::Encoder,
    pub(crate) incoming: Incoming,
    pub(crate) streams: Streams,
    pub(crate) windows: ConnectionWindows,
    pub(crate) buckets: Buckets,
    pub(crate) peer: Peer,
    pub(crate) going: Going,
    pub(crate) unsent_control_bytes: u32,
    /// The peer's greatest stream when all our output was last sent.
    pub(crate) sent_up_to: StreamId,
    /// Heads of frames that were read, modulo 2^32.
    pub(crate) frames: u32,
    /// RST_STREAM frames that were sent, modulo 2^32.
    pub(crate) resets_sent: u32,
    pub(crate) settings_acked: bool,
    pub(crate) failed: bool,
}

/// The peer's settings and its GOAWAY.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its first SETTINGS came.
    pub(crate) is_known: bool,
    pub(crate) streams_max: u32,
    pub(crate) connect_protocol: bool,
    pub(crate) no_priorities: bool,
    /// The last stream that its GOAWAY promises to process.
    pub(crate) last: Option<StreamId>,
}

/// How far our side is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Going {
    /// Not at all.
    Not,
    /// The first GOAWAY is sent; streams are still accepted.
    Announced,
    /// The last GOAWAY is sent: streams above this one are ignored.
    Last(StreamId),
}

impl Connection {
    /// The server's end. Its SETTINGS are appended at once; the peer's bytes begin with the preface.
    #[must_use]
    pub fn server(config: &Arc<Config>, out: &mut Vec<u8>) -> Self {
        Self::new(Role::Server, config, out)
    }

    /// The client's end. The preface and its SETTINGS are appended at once.
    #[must_use]
    pub fn client(config: &Arc<Config>, out: &mut Vec<u8>) -> Self {
        // [http2:3.4-client-preface]
        out.extend_from_slice(PREFACE);
        Self::new(Role::Client, config, out)
    }

    fn new(role: Role, config: &Arc<Config>, out: &mut Vec<u8>) -> Self {
        let limits = &config.limits;
        let mut connection = Self {
            role,
            decoder: hpack::Decoder::new(limits.fields),
            encoder: hpack::Encoder::new(),
            incoming: Incoming::new(role),
            streams: Streams::default(),
            windows: ConnectionWindows::default(),
            buckets: Buckets::default(),
            peer: Peer {
                is_known: false,
                streams_max: u32::MAX,
                connect_protocol: false,
                no_priorities: false,
                last: None,
            },
            going: Going::Not,
            unsent_control_bytes: 0,
            sent_up_to: StreamId::CONNECTION,
            frames: 0,
            resets_sent: 0,
            settings_acked: false,
            failed: false,
            config: Arc::clone(config),
        };
        connection.write_settings(out);
        connection.widen_connection_window(limits.connection_window_bytes, out);
        connection
    }

    /// Appends our only SETTINGS frame.
    fn write_settings(&self, out: &mut Vec<u8>) {
        let limits = &self.config.limits;
        let list_bytes = u32::try_from(limits.fields.list_bytes_max).unwrap_or(u32::MAX);
        let mut settings = Vec::new();
        let mut add = |id, value| settings.extend(Setting::new(id, value).to_bytes());
        add(SettingId::HEADER_TABLE_SIZE, limits.table_bytes);
        add(SettingId::INITIAL_WINDOW_SIZE, limits.window_bytes.min(WINDOW_MAX));
        add(SettingId::MAX_FRAME_SIZE, PAYLOAD_BYTES_MAX);
        add(SettingId::MAX_HEADER_LIST_SIZE, list_bytes);
        // [http2:5.3-no-priorities]
        add(SettingId::NO_RFC7540_PRIORITIES, 1);
        match self.role {
            // [http2:8.4-push-disabled]
            Role::Client => add(SettingId::ENABLE_PUSH, 0),
            Role::Server => {
                add(SettingId::MAX_CONCURRENT_STREAMS, limits.concurrent_streams_max);
                match self.config.connect_protocol {
                    // [http2:8441.3-announced]
                    ConnectProtocol::Accepted => add(SettingId::ENABLE_CONNECT_PROTOCOL, 1),
                    ConnectProtocol::Refused => {}
                }
            }
        }
        // [http2:3.4-settings-first]
        Frame::Settings(Settings::new(&settings)).write(out);
    }

    /// Our role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The number of streams that live.
    #[must_use]
    pub const fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Whether the stream lives.
    #[must_use]
    pub fn has_stream(&self, stream: StreamId) -> bool {
        self.streams.find(stream).is_some()
    }

    /// The caller's number for a stream: 0 until [`set_tag`](Self::set_tag); `None` if it is gone.
    #[must_use]
    pub fn tag(&self, stream: StreamId) -> Option<u32> {
        self.streams.find(stream).map(|stream| stream.tag)
    }

    /// Sets the caller's number for a stream, so that the caller needs no table of its own.
    pub fn set_tag(&mut self, stream: StreamId, tag: u32) {
        if let Some(stream) = self.streams.find_mut(stream) {
            stream.tag = tag;
        }
    }

    /// Whether nothing more is read or sent: the connection failed, or it was told to go away and its last
    /// stream has ended. Flush the output, end the sending side, and discard input until the peer's end or
    /// a deadline: closing with unread input destroys the GOAWAY frame on its way.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.failed || (matches!(self.going, Going::Last(_)) && self.streams.len() == 0)
    }

    /// Whether the peer's first SETTINGS came: the handshake of the connection is over.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        self.peer.is_known
    }

    /// The most streams of ours that the peer allows at a time; `u32::MAX` before it has said so.
    #[must_use]
    pub const fn peer_streams_max(&self) -> u32 {
        self.peer.streams_max
    }

    /// Whether the peer takes a CONNECT with a protocol (RFC 8441), such as a WebSocket: it has said so in its
    /// settings.
    #[must_use]
    pub const fn peer_takes_protocols(&self) -> bool {
        self.peer.connect_protocol
    }

    /// Whether the end of the input now would cut a frame or a field block.
    #[must_use]
    pub const fn is_mid_frame(&self) -> bool {
        self.incoming.is_mid_frame()
    }

    /// The bounds of the connection.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// The number of frames whose head was read, modulo 2^32: for a caller that counts work, or that has a
    /// deadline for a frame.
    #[must_use]
    pub const fn frames(&self) -> u32 {
        self.frames
    }

    /// The number of RST_STREAM frames that were sent, modulo 2^32: for a caller that counts them.
    #[must_use]
    pub const fn resets_sent(&self) -> u32 {
        self.resets_sent
    }

    /// The bytes on the heap, without the memory that is shared with other connections.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let own = self.incoming.memory_bytes().saturating_add(self.streams.memory_bytes());
        own.saturating_add(self.decoder.memory_bytes())
    }

    /// Lets the rates of the limits leak, by so many ticks. A caller without a timer may count the ticks
    /// since the last call when bytes arrive.
    pub fn tick(&mut self, ticks: u32) {
        self.buckets.tick(ticks, &self.config.limits);
    }

    /// Says that all output so far has been written to the transport. Replies that are never written end
    /// the connection at [`Limits::control_bytes_max`](crate::Limits::control_bytes_max), and resets of streams whose
    /// answers were never written count as [`Flood::Resets`](crate::Flood::Resets).
    pub const fn output_sent(&mut self) {
        self.unsent_control_bytes = 0;
        self.sent_up_to = self.streams.last();
    }

    /// Asks the peer for an answer, [`Event::Pong`](crate::Event::Pong).
    ///
    /// # Errors
    /// [`UsageError::GoingAway`] if the connection is over.
    pub fn ping(&mut self, payload: [u8; 8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        if self.failed {
            return Err(UsageError::GoingAway);
        }
        Frame::Ping { ack: false, payload }.write(out);
        Ok(())
    }

    /// Begins a graceful end. A server announces it by a GOAWAY frame that still allows every stream and a
    /// PING frame; when the peer has answered, a second GOAWAY names the last stream
    /// ([`Event::Draining`](crate::Event::Draining)). Streams that are open go on.
    /// A client sends one GOAWAY and opens no more streams.
    pub fn shut_down(&mut self, out: &mut Vec<u8>) {
        if self.failed || self.going != Going::Not {
            return;
        }
        match self.role {
            // [http2:6.8-two-steps]
            Role::Server => {
                self.going = Going::Announced;
                write_goaway(StreamId::MAX, ErrorCode::NO_ERROR, out);
                Frame::Ping { ack: false, payload: DRAIN_PING }.write(out);
            }
            Role::Client => self.go_away(ErrorCode::NO_ERROR, out),
        }
    }

    /// Refuses all further streams at once, by a GOAWAY frame with the last one. Streams that are open go
    /// on.
    pub fn go_away(&mut self, code: ErrorCode, out: &mut Vec<u8>) {
        if self.failed || matches!(self.going, Going::Last(_)) {
            return;
        }
        let last = self.last_of_peer();
        self.going = Going::Last(last);
        write_goaway(last, code, out);
    }

    /// Whether an answer to PING is the one that ends the first step of going away.
    pub(crate) fn is_drained_by(&self, payload: [u8; 8]) -> bool {
        self.going == Going::Announced && payload == DRAIN_PING
    }

    /// Ends the connection for a fault of the peer.
    pub(crate) fn fail(&mut self, error: ConnectionError, out: &mut Vec<u8>) {
        self.failed = true;
        self.incoming = Incoming::new(Role::Client);
        // [http2:5.4.1-goaway]
        write_goaway(self.last_of_peer(), error.code(), out);
    }

    /// The greatest stream that the peer opened.
    const fn last_of_peer(&self) -> StreamId {
        match self.role {
            Role::Server => self.streams.last(),
            Role::Client => StreamId::CONNECTION,
        }
    }

    /// Appends a frame that the peer caused.
    pub(crate) fn reply(
        &mut self,
        frame: Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        let before = out.len();
        frame.write(out);
        let len = u32::try_from(out.len().saturating_sub(before)).unwrap_or(u32::MAX);
        self.unsent_control_bytes = self.unsent_control_bytes.saturating_add(len);
        // [http2:10.5-output-bound]
        if self.unsent_control_bytes > self.config.limits.control_bytes_max {
            return Err(ConnectionError::OutputFull);
        }
        Ok(())
    }
}

fn write_goaway(last: StreamId, code: ErrorCode, out: &mut Vec<u8>) {
    Frame::Goaway { last, code, debug: &[] }.write(out);
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role)
            .field("streams", &self.streams.len())
            .field("going", &self.going)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
