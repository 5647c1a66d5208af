//! Settings (RFC 9113 §6.5, RFC 8441 §3, RFC 9218 §2.1).

use core::fmt;

/// The identifier of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SettingId(u16);

impl SettingId {
    /// The most bytes of the table that field blocks to the sender may use.
    pub const HEADER_TABLE_SIZE: Self = Self(0x1);
    /// Whether the sender accepts pushed responses.
    pub const ENABLE_PUSH: Self = Self(0x2);
    /// How many streams the receiver may have open.
    pub const MAX_CONCURRENT_STREAMS: Self = Self(0x3);
    /// The window with which streams begin, for content to the sender.
    pub const INITIAL_WINDOW_SIZE: Self = Self(0x4);
    /// The longest payload that the sender accepts.
    pub const MAX_FRAME_SIZE: Self = Self(0x5);
    /// The most bytes of decoded fields that the sender accepts; advice only.
    pub const MAX_HEADER_LIST_SIZE: Self = Self(0x6);
    /// Whether a client may send CONNECT with `:protocol` (RFC 8441 §3).
    pub const ENABLE_CONNECT_PROTOCOL: Self = Self(0x8);
    /// Whether the sender ignores priorities of RFC 7540 (RFC 9218 §2.1).
    pub const NO_RFC7540_PRIORITIES: Self = Self(0x9);

    /// Makes an identifier from its number.
    #[must_use]
    pub const fn new(id: u16) -> Self {
        Self(id)
    }

    /// Returns the number.
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        self.0
    }
}

/// A setting and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// Which one.
    pub id: SettingId,
    /// Its value.
    pub value: u32,
}

impl Setting {
    /// The bytes of one setting.
    pub const BYTES: usize = 6;

    /// Makes a setting.
    #[must_use]
    pub const fn new(id: SettingId, value: u32) -> Self {
        Self { id, value }
    }

    /// Returns the bytes as they stand in a frame.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        let ([a, b], [w, x, y, z]) = (self.id.0.to_be_bytes(), self.value.to_be_bytes());
        [a, b, w, x, y, z]
    }

    const fn parse(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, w, x, y, z] = bytes;
        Self { id: SettingId(u16::from_be_bytes([a, b])), value: u32::from_be_bytes([w, x, y, z]) }
    }
}

/// The settings of a frame, in their order, which is the order of their effects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Settings<'b> {
    payload: &'b [u8],
}

impl<'b> Settings<'b> {
    /// Wraps a payload: [`Setting::to_bytes`] of each.
    #[must_use]
    pub const fn new(payload: &'b [u8]) -> Self {
        Self { payload }
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.payload
    }

    /// Iterates over the settings.
    pub fn iter(self) -> impl Iterator<Item = Setting> + 'b {
        self.payload.as_chunks().0.iter().map(|bytes| Setting::parse(*bytes))
    }
}

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
