//! The compressions of batches. None gives more bytes than it may. Memory grows with the bytes that come out, and with what a
//! decoder has at once: lz4 three blocks of at most 4 MiB each, zstd a window.

use std::io::{self, Read};

use lz4_flex::frame::FrameDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::FrameDecoderError;
use snap::raw;
use zlib_rs::{Inflate, InflateFlush, Status};

/// The bytes that gzip gives at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// The parameter of zlib for gzip with the largest window.
const GZIP_WINDOW_BITS: u8 = 16 + 15;

/// The most bytes that snappy makes of one: it writes a copy of 64 bytes in three.
const SNAPPY_RATIO_MAX: usize = 22;

/// The head of a stream of snappy in the framing of snappy-java ("xerial"): these bytes, and two versions.
const XERIAL: &[u8] = b"\x82SNAPPY\0";
const XERIAL_BYTES: usize = 16;

/// The window of zstd that is let in however small the bound is: what RFC 8878 has every decoder support (§3.1.1.1.2).
const ZSTD_WINDOW_BYTES: usize = 8 * 1024 * 1024;

/// How a batch is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Why bytes cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// They are more than they may be, or say that they are.
    TooLarge,
    /// A frame of zstd asks for a larger window than `bytes_max`.
    Window { bytes: u64, bytes_max: u64 },
    /// They are cut off, damaged, or none of the format.
    Broken,
}

impl Codec {
    /// Unpacks the records of a batch: as many bytes as there may be, at the most. What stands behind the first member of
    /// gzip or frame of lz4 or zstd is not read; the batch says how many records there have to be.
    pub(super) fn unpack(self, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Gzip => gzip(packed, bytes_max),
            Self::Snappy => snappy(packed, bytes_max),
            Self::Lz4 => lz4(packed, bytes_max),
            Self::Zstd => zstd(packed, bytes_max),
        }
    }
}

fn gzip(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut stream = Inflate::new(true, GZIP_WINDOW_BITS);
    let (mut out, mut chunk, mut rest) = (Vec::new(), vec![0; CHUNK_BYTES], packed);
    loop {
        let (read, made) = (stream.total_in(), stream.total_out());
        let status = stream.decompress(rest, &mut chunk, InflateFlush::NoFlush);
        let status = status.map_err(|_| Fault::Broken)?;
        let (read, made) = (stream.total_in() - read, stream.total_out() - made);
        let made = usize::try_from(made).expect("no more than the chunk has");
        if made > bytes_max - out.len() {
            return Err(Fault::TooLarge);
        }
        out.extend_from_slice(&chunk[..made]);
        rest = &rest[usize::try_from(read).expect("no more than there was")..];
        match status {
            Status::StreamEnd => return Ok(out),
            // It is cut off.
            Status::Ok | Status::BufError if read == 0 && made == 0 => return Err(Fault::Broken),
            Status::Ok | Status::BufError => {}
        }
    }
}

/// One block; or, in the framing of snappy-java, blocks behind their lengths.
fn snappy(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    if !packed.starts_with(XERIAL) {
        snappy_block(packed, bytes_max, &mut out)?;
        return Ok(out);
    }
    let mut rest = packed.get(XERIAL_BYTES..).ok_or(Fault::Broken)?;
    while !rest.is_empty() {
        let (length, blocks) = rest.split_first_chunk::<4>().ok_or(Fault::Broken)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (block, behind) = blocks.split_at_checked(length).ok_or(Fault::Broken)?;
        snappy_block(block, bytes_max, &mut out)?;
        rest = behind;
    }
    Ok(out)
}

fn snappy_block(block: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let declared = raw::decompress_len(block).map_err(|_| Fault::Broken)?;
    if declared > bytes_max - out.len() {
        return Err(Fault::TooLarge);
    }
    if declared > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(Fault::Broken);
    }
    let begin = out.len();
    out.resize(begin + declared, 0);
    let made = raw::Decoder::new().decompress(block, &mut out[begin..]);
    made.map(drop).map_err(|_| Fault::Broken)
}

/// A frame. Its decoder has room for three blocks of at most 4 MiB each.
fn lz4(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut packed = Packed { rest: packed, is_cut: false };
    let out = read(&mut FrameDecoder::new(&mut packed), bytes_max)?;
    // The decoder takes the end of its input for that of the frame.
    if packed.is_cut { Err(Fault::Broken) } else { Ok(out) }
}

/// A frame. Its decoder gives nothing before it holds a window, so windows are bounded, too.
fn zstd(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let window_max = bytes_max.max(ZSTD_WINDOW_BYTES) as u64;
    let decoder = StreamingDecoder::new_with_max_window_size(packed, window_max);
    let mut decoder = decoder.map_err(|why| match why {
        // The window of a single segment is its content.
        FrameDecoderError::WindowSizeTooBig { .. } if is_single_segment(packed) => Fault::TooLarge,
        FrameDecoderError::WindowSizeTooBig { requested, max } => {
            Fault::Window { bytes: requested, bytes_max: max }
        }
        _ => Fault::Broken,
    })?;
    let out = read(&mut decoder, bytes_max)?;
    let frame = decoder.into_frame_decoder();
    match frame.get_checksum_from_data() {
        Some(sum) if frame.get_calculated_checksum() != Some(sum) => Err(Fault::Broken),
        _ => Ok(out),
    }
}

/// Whether a frame of zstd has one segment, by the descriptor behind its magic number (RFC 8878 §3.1.1.1.1).
fn is_single_segment(packed: &[u8]) -> bool {
    packed.get(4).is_some_and(|descriptor| descriptor & 1 << 5 != 0)
}

/// Reads all that a decoder gives.
fn read(decoder: &mut impl Read, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut bounded = decoder.take((bytes_max as u64).saturating_add(1));
    bounded.read_to_end(&mut out).map_err(|_| Fault::Broken)?;
    if out.len() > bytes_max { Err(Fault::TooLarge) } else { Ok(out) }
}

/// Bytes that are read, and whether more were wanted.
struct Packed<'p> {
    rest: &'p [u8],
    is_cut: bool,
}

impl Read for Packed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.is_cut |= self.rest.len() < into.len();
        self.rest.read(into)
    }
}

#[cfg(test)]
mod tests;
