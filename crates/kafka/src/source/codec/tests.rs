//! Round trips, bombs, and bytes that are cut off or damaged.

use std::io::Write as _;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use zlib_rs::{Deflate, DeflateFlush};

use super::*;

const ALL: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// Bytes that compress, and are no two times the same.
fn content(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut content = Vec::new();
    while content.len() < bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = state.to_be_bytes();
        content.extend_from_slice(&word[..2]);
        content.extend_from_slice(b"the same again ");
    }
    content.truncate(bytes);
    content
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut stream = Deflate::new(6, true, GZIP_WINDOW_BITS);
    let mut packed = vec![0; content.len() + 1_000];
    let status = stream.compress(content, &mut packed, DeflateFlush::Finish);
    assert_eq!(status, Ok(Status::StreamEnd));
    packed.truncate(usize::try_from(stream.total_out()).expect("few"));
    packed
}

fn xerial(content: &[u8]) -> Vec<u8> {
    let mut packed = [XERIAL, &[0, 0, 0, 1, 0, 0, 0, 1]].concat();
    for block in content.chunks(32 * 1024) {
        let block = raw::Encoder::new().compress_vec(block).expect("small");
        packed.extend(u32::try_from(block.len()).expect("small").to_be_bytes());
        packed.extend(block);
    }
    packed
}

fn framed(info: FrameInfo, content: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// The forms in which clients write: all that one codec has to read.
fn packed(codec: Codec, content: &[u8]) -> Vec<Vec<u8>> {
    match codec {
        Codec::Gzip => vec![gzipped(content)],
        Codec::Snappy => {
            vec![raw::Encoder::new().compress_vec(content).expect("small"), xerial(content)]
        }
        Codec::Lz4 => {
            let linked = FrameInfo::new().block_mode(BlockMode::Linked).content_checksum(true);
            let sized = FrameInfo::new().content_size(Some(content.len() as u64));
            let large = FrameInfo::new().block_size(BlockSize::Max4MB).block_checksums(true);
            [FrameInfo::new(), linked, sized, large].map(|info| framed(info, content)).into()
        }
        Codec::Zstd => {
            vec![
                compress_to_vec(content, CompressionLevel::Fastest),
                compress_to_vec(content, CompressionLevel::Uncompressed),
            ]
        }
    }
}

#[test]
fn what_was_packed_is_unpacked_and_never_past_the_bound() {
    for codec in ALL {
        for bytes in [0, 1, 15, 1_000, 16_384, 65_536, 65_537, 300_000] {
            let content = content(bytes);
            for packed in packed(codec, &content) {
                assert_eq!(
                    codec.unpack(&packed, bytes).as_ref(),
                    Ok(&content),
                    "{codec:?} {bytes}"
                );
                if bytes > 0 {
                    let unpacked = codec.unpack(&packed, bytes - 1);
                    assert_eq!(unpacked, Err(Fault::TooLarge), "{codec:?} {bytes}");
                }
            }
        }
    }
}

#[test]
fn what_is_cut_off_is_broken() {
    let content = content(2_000);
    for codec in ALL {
        for packed in packed(codec, &content) {
            for cut in 0..packed.len() {
                let unpacked = codec.unpack(&packed[..cut], 1 << 20);
                // Blocks of snappy-java say no end: what ends behind one is a shorter content.
                let is_shorter = codec == Codec::Snappy
                    && packed.starts_with(XERIAL)
                    && unpacked.as_ref().is_ok_and(Vec::is_empty);
                assert!(is_shorter || unpacked == Err(Fault::Broken), "{codec:?} {cut}");
            }
        }
    }
}

#[test]
fn damage_costs_no_panic_and_never_passes_the_bound() {
    let content = content(700);
    for codec in ALL {
        for packed in packed(codec, &content) {
            for at in 0..packed.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut packed = packed.clone();
                    packed[at] = byte;
                    let unpacked = codec.unpack(&packed, 4_096).unwrap_or_default();
                    assert!(unpacked.len() <= 4_096, "{codec:?} {at} {byte}");
                }
            }
        }
    }
}

#[test]
fn wrong_checksums_are_broken() {
    let content = content(700);
    let linked = FrameInfo::new().content_checksum(true);
    for (codec, mut packed, from_end) in [
        (Codec::Gzip, gzipped(&content), 8),
        (Codec::Lz4, framed(linked, &content), 1),
        (Codec::Zstd, compress_to_vec(&content[..], CompressionLevel::Fastest), 1),
    ] {
        let at = packed.len() - from_end;
        packed[at] ^= 1;
        assert_eq!(codec.unpack(&packed, 4_096), Err(Fault::Broken), "{codec:?}");
    }
}

#[test]
fn bombs_are_refused() {
    let bytes_max = 1 << 20;
    let zeros = vec![0; 64 << 20];
    let large = FrameInfo::new().block_size(BlockSize::Max4MB);
    for (codec, packed) in [
        (Codec::Gzip, gzipped(&zeros)),
        (Codec::Snappy, raw::Encoder::new().compress_vec(&zeros).expect("small")),
        (Codec::Snappy, xerial(&zeros)),
        (Codec::Lz4, framed(large, &zeros)),
        // A varint of 2³² - 1, and nothing.
        (Codec::Snappy, vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        // A kilobyte of blocks.
        (Codec::Zstd, zstd_of_zeros(0x58, 250)),
        // A single segment of 4 GiB.
        (Codec::Zstd, [&ZSTD[..], &[0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]].concat()),
    ] {
        let unpacked = codec.unpack(&packed, bytes_max).map(|it| it.len());
        assert_eq!(unpacked, Err(Fault::TooLarge), "{codec:?} of {} bytes", packed.len());
    }
    // A length that no block of so few bytes has.
    let lie = [&[0x80, 0x80, 0x20][..], &[0; 100]].concat();
    assert_eq!(Codec::Snappy.unpack(&lie, bytes_max), Err(Fault::Broken));
}

#[test]
fn a_window_that_is_too_large_is_told_with_its_bound() {
    let bytes_max = ZSTD_WINDOW_BYTES as u64;
    let fault = |bytes| Err(Fault::Window { bytes, bytes_max });
    // 128 MiB, 2 TiB, and the first one above the bound.
    for (window, expected) in
        [(17 << 3, fault(1 << 27)), (31 << 3, fault(1 << 41)), (13 << 3 | 1, fault(9 << 20))]
    {
        assert_eq!(Codec::Zstd.unpack(&zstd_of_zeros(window, 1), 1 << 20), expected);
    }
    let within = zstd_of_zeros(13 << 3, 1);
    assert_eq!(Codec::Zstd.unpack(&within, 1 << 20).map(|it| it.len()), Ok(128 << 10));
    let wider = Codec::Zstd.unpack(&zstd_of_zeros(13 << 3 | 1, 1), 16 << 20);
    assert_eq!(wider.map(|it| it.len()), Ok(128 << 10), "as much as may come out");
}

/// The first bytes of each frame of zstd.
const ZSTD: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();

/// A frame of zstd with a window, and many blocks of 128 KiB, each a byte that is repeated.
fn zstd_of_zeros(window: u8, blocks: usize) -> Vec<u8> {
    let block = 128_u32 << 10 << 3 | 1 << 1;
    let mut packed = [&ZSTD[..], &[0, window]].concat();
    for at in 1..=blocks {
        let is_last = u32::from(at == blocks);
        packed.extend(&(block | is_last).to_le_bytes()[..3]);
        packed.push(0);
    }
    packed
}
