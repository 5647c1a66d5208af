//! Every bound on a field block, in one place.

/// The bytes of a dynamic table before any SETTINGS: 4096 (RFC 9113 §6.5.2).
pub const TABLE_BYTES_DEFAULT: usize = 4096;

/// The bounds on one field block. The bound on the dynamic table is not here, because the peer learns
/// it from SETTINGS: see [`Decoder::table_bytes_acknowledged`](crate::Decoder::table_bytes_acknowledged).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The encoded block, in bytes. Over it: [`Error::BlockTooLong`](crate::Error::BlockTooLong),
    /// before anything is read.
    ///
    /// Default 32 KiB: two frames of HTTP/2's smallest limit.
    pub block_bytes_max: usize,
    /// Fields of a block; each crumb of a cookie is one. Over it:
    /// [`Error::TooManyFields`](crate::Error::TooManyFields).
    ///
    /// Default 100: browsers behind two proxies send about 30.
    pub fields_max: usize,
    /// The decoded fields, in bytes: name, value and [`FIELD_OVERHEAD`](crate::FIELD_OVERHEAD) for
    /// each, as SETTINGS_MAX_HEADER_LIST_SIZE counts them. Over it:
    /// [`Error::ListTooLong`](crate::Error::ListTooLong).
    ///
    /// Default 16 KiB.
    pub list_bytes_max: usize,
    /// The same count, at which the decoder stops to work for the peer. Over it:
    /// [`Error::DecodedTooLong`](crate::Error::DecodedTooLong).
    ///
    /// Default 256 KiB: above what a block of 32 KiB without references decodes to, unless its
    /// fields are shorter than six bytes on average.
    pub decoded_bytes_max: usize,
}

impl Limits {
    /// The defaults as a constant.
    pub const DEFAULT: Self = Self {
        block_bytes_max: 32 * 1024,
        fields_max: 100,
        list_bytes_max: 16 * 1024,
        decoded_bytes_max: 256 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
