//! The faults of a field block, and what each means for the connection.

use core::fmt;

/// A field block that cannot be decoded, or is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The block ends inside a representation, or a string is longer than the rest of the block.
    Truncated,
    /// An integer is above 2³² − 1, or has more than five bytes after its prefix (§5.1).
    IntegerTooBig,
    /// An indexed field with index 0 (§6.1).
    IndexZero,
    /// An index beyond the last entry of the dynamic table (§2.3.3).
    IndexOutOfRange,
    /// A Huffman-coded string with the symbol EOS (§5.2).
    HuffmanEos,
    /// A Huffman-coded string that ends in a padding of more than 7 bits, or not of ones (§5.2).
    HuffmanPadding,
    /// A size update above the bound that we announced, or above the lowest one since the last block
    /// (§4.2, §6.3).
    TableSizeTooBig,
    /// A size update behind a field (§4.2).
    TableSizeMisplaced,
    /// A third size update in one block (§4.2).
    TableSizeRepeated,
    /// A block without the size update that has to follow a lowered bound (§4.2).
    TableSizeMissing,
    /// The block is longer than [`Limits::block_bytes_max`](crate::Limits::block_bytes_max).
    BlockTooLong,
    /// The fields are over [`Limits::decoded_bytes_max`](crate::Limits::decoded_bytes_max).
    DecodedTooLong,
    /// There are more fields than [`Limits::fields_max`](crate::Limits::fields_max).
    TooManyFields,
    /// The fields are over [`Limits::list_bytes_max`](crate::Limits::list_bytes_max).
    ListTooLong,
}

/// The consequence of an [`Error`] for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The state of the compression is lost: a connection error of type COMPRESSION_ERROR
    /// (RFC 9113 §4.3).
    Compression,
    /// The decoder has stopped before the block's end: a connection error of type
    /// ENHANCE_YOUR_CALM.
    Excess,
    /// The block was decoded to its end, and the table is right. Only this message is refused, a
    /// request with status 431.
    Message,
}

impl Error {
    /// Returns what the error means for the connection.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::Truncated
            | Self::IntegerTooBig
            | Self::IndexZero
            | Self::IndexOutOfRange
            | Self::HuffmanEos
            | Self::HuffmanPadding
            | Self::TableSizeTooBig
            | Self::TableSizeMisplaced
            | Self::TableSizeRepeated
            | Self::TableSizeMissing => ErrorKind::Compression,
            Self::BlockTooLong | Self::DecodedTooLong => ErrorKind::Excess,
            Self::TooManyFields | Self::ListTooLong => ErrorKind::Message,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the field block ends inside a field",
            Self::IntegerTooBig => "an integer of the field block is too big",
            Self::IndexZero => "a field has the index 0",
            Self::IndexOutOfRange => "an index is beyond the dynamic table",
            Self::HuffmanEos => "a Huffman-coded string has the symbol EOS",
            Self::HuffmanPadding => "the padding of a Huffman-coded string is wrong",
            Self::TableSizeTooBig => "a dynamic table size update is above the bound",
            Self::TableSizeMisplaced => "a dynamic table size update is behind a field",
            Self::TableSizeRepeated => "a field block has three dynamic table size updates",
            Self::TableSizeMissing => "a field block lacks the dynamic table size update",
            Self::BlockTooLong => "the field block is longer than the limit",
            Self::DecodedTooLong => "the fields of one block are far above the limit",
            Self::TooManyFields => "there are more fields than the limit",
            Self::ListTooLong => "the fields are longer than the limit",
        })
    }
}

impl core::error::Error for Error {}
