//! Every bound that a connection applies to its peer, and what it announces (RFC 9113 §10.5).

use sockeye_hpack as hpack;

/// A leaky bucket in counted units: `burst` at once, and `per_tick` more with each
/// [`tick`](crate::Connection::tick).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The most units above what has leaked.
    pub burst: u32,
    /// The units that leak with each tick.
    pub per_tick: u32,
}

impl Rate {
    /// Makes a rate.
    #[must_use]
    pub const fn new(burst: u32, per_tick: u32) -> Self {
        Self { burst, per_tick }
    }
}

/// The bounds of one connection. Over a rate, and over a bound without another answer, the connection
/// ends with ENHANCE_YOUR_CALM.
///
/// The rates have no clock: the caller ticks, once a second with these defaults. Each request, and each
/// final response to a client, also leaks one unit of every rate but `resets`.
///
/// | field | default | reason |
/// |---|---:|---|
/// | `concurrent_streams_max` | 256 | Chromium never uses more, Firefox does |
/// | `window_bytes` | 65,535 | the window before any SETTINGS; one stream may hold back that much |
/// | `connection_window_bytes` | 1 MiB | sixteen streams at full window in a round trip |
/// | `table_bytes` | 4,096 | the table before any SETTINGS |
/// | `fields` | 32 KiB, 100, 16 KiB, 256 KiB | encoded bytes, fields with each cookie crumb, decoded bytes, decoded bytes that end the connection |
/// | `continuations_max` | 8 | 32 KiB need one |
/// | `control_bytes_max` | 64 KiB | 3,800 replies to PING: the peer does not read |
/// | `closed_streams_max` | 256 | as many as may be reset at once |
/// | `resets` | 512, 64 | a page with 256 held requests closes, and again |
/// | `pings` | 128, 16 | clients send one in seconds, gRPC one a response |
/// | `settings` | 32, 4 | clients send one or two |
/// | `priorities` | 1,024, 64 | one a stream, and some at the start |
/// | `window_updates` | 2,048, 256 | four for each DATA frame of ours leak with that frame, and one for each KiB of it |
/// | `empty_data` | 128, 32 | they bring nothing; a few interim responses come with each response |
/// | `late_frames` | 2,048, 256 | a window in one-byte frames is cut off by the window |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Streams of the peer that may be open. Over it: REFUSED_STREAM, counted in `resets`.
    pub concurrent_streams_max: u32,
    /// Content of a stream that the caller has not consumed, in bytes, at most 2^31 - 1. Over it:
    /// FLOW_CONTROL_ERROR of the stream.
    pub window_bytes: u32,
    /// Content of all streams on its way to us, in bytes, 65,535 to 2^31 - 1. Over it:
    /// FLOW_CONTROL_ERROR.
    pub connection_window_bytes: u32,
    /// The decoder's dynamic table, in bytes.
    pub table_bytes: u32,
    /// The bounds of a field block. Over `fields_max` or `list_bytes_max`:
    /// [`Event::HeadTooLarge`](crate::Event::HeadTooLarge), or the stream ends.
    pub fields: hpack::Limits,
    /// CONTINUATION frames of a field block.
    pub continuations_max: u32,
    /// Bytes of frames that answer the peer's since the last
    /// [`output_sent`](crate::Connection::output_sent).
    pub control_bytes_max: u32,
    /// Streams that we reset and remember, so that late frames on them are no error. A caller that resets
    /// more at once may take the frames on their way for errors.
    pub closed_streams_max: u32,
    /// Streams that end before our head is written: [`Flood::Resets`](crate::Flood::Resets).
    pub resets: Rate,
    /// PING frames, answers to ours included.
    pub pings: Rate,
    /// SETTINGS and GOAWAY frames.
    pub settings: Rate,
    /// PRIORITY frames and frames of unknown types.
    pub priorities: Rate,
    /// WINDOW_UPDATE frames.
    pub window_updates: Rate,
    /// DATA frames without content and without END_STREAM, and interim responses.
    pub empty_data: Rate,
    /// Frames on streams that have ended.
    pub late_frames: Rate,
}

impl Limits {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        concurrent_streams_max: 256,
        window_bytes: 65_535,
        connection_window_bytes: 1 << 20,
        table_bytes: 4096,
        fields: hpack::Limits::DEFAULT,
        continuations_max: 8,
        control_bytes_max: 64 << 10,
        closed_streams_max: 256,
        resets: Rate::new(512, 64),
        pings: Rate::new(128, 16),
        settings: Rate::new(32, 4),
        priorities: Rate::new(1024, 64),
        window_updates: Rate::new(2048, 256),
        empty_data: Rate::new(128, 32),
        late_frames: Rate::new(2048, 256),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Whether a server accepts CONNECT with `:protocol` (RFC 8441), as WebSockets need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectProtocol {
    /// It says so in its first SETTINGS, and never takes it back.
    #[default]
    Accepted,
    /// It does not: `:protocol` is malformed.
    Refused,
}

/// The configuration of connections; many share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Bounds on the peer.
    pub limits: Limits,
    /// Whether a server accepts CONNECT with `:protocol`. A client ignores it.
    pub connect_protocol: ConnectProtocol,
}
