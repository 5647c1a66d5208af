//! Every bound that a connection applies to its peer (RFC 6455 §10.4).

/// The bounds of one connection.
///
/// They are checked when a frame's header is known, before its payload is looked at. The connection
/// itself never holds a data message, so its own memory does not depend on them.
///
/// | field | default | reason |
/// |---|---:|---|
/// | `frame_bytes_max` | 1 MiB | a frame is streamed, so the message is what matters |
/// | `message_bytes_max` | 1 MiB | what one message may occupy once somebody assembles it; browsers' chat, telemetry and documents stay far below |
/// | `fragments_max` | 16 384 | a message of the greatest size in frames of 64 bytes |
/// | `overhead_bytes_max` | 128 KiB | the headers of that many small frames from a client |
/// | `replies_bytes_max` | 16 KiB | 123 of the largest pongs: more unread output means that the peer does not read |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Greatest payload of one frame, in bytes (1009 beyond it).
    pub frame_bytes_max: u64,
    /// Greatest sum of the payloads of one message's frames as they stand on the wire, in bytes
    /// (1009 beyond it). The size after decompression is the [`Assembler`](crate::Assembler)'s
    /// to bound.
    pub message_bytes_max: u64,
    /// Most frames that one message may be made of (1008 beyond it). The first frame is always
    /// allowed.
    pub fragments_max: u32,
    /// Greatest sum of the headers of one message's frames, in bytes (1008 beyond it). The first
    /// frame is always allowed. This bounds what a peer can make us parse for no payload at all.
    pub overhead_bytes_max: u32,
    /// Automatic pongs are appended while the caller's output holds fewer unsent bytes than this;
    /// then only the latest is kept until there is room again. At most `u32::MAX` counts.
    pub replies_bytes_max: usize,
}

impl Limits {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        frame_bytes_max: 1 << 20,
        message_bytes_max: 1 << 20,
        fragments_max: 16_384,
        overhead_bytes_max: 128 << 10,
        replies_bytes_max: 16 << 10,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The compression that the opening handshake negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None: RSV1 is an error.
    #[default]
    Off,
    /// permessage-deflate (RFC 7692): RSV1 on a message's first frame marks a compressed message.
    PerMessageDeflate,
}

/// The configuration of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Bounds on the peer.
    pub limits: Limits,
    /// The compression that was negotiated.
    pub compression: Compression,
}
