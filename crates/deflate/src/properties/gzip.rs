//! Streams of gzip that share blocks.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use alloc::vec;
use alloc::vec::Vec;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::messages;
use super::oracle::{Oracle, Reach};
use crate::gzip::{self, Checksum, Gzip, GzipConfig, HEADER, TextChecksum};
use crate::{Level, WindowBits};

/// Streams that carry texts of one list, shared or their own, in any order. Each stream decodes to its texts,
/// and all of a text is there with the last byte of its block.
///
/// `picks` are the texts of a stream: a byte for each, which is shared if its lowest bit is set.
pub fn streams(level: u8, text_bytes_min: u8, seed: &[u8], picks: &[u8]) {
    let level = Level::new(level % 9 + 1).expect("within 1 and 9");
    let mut encoder = Gzip::new(GzipConfig { level, text_bytes_min: text_bytes_min.into() });
    let texts = messages(seed);
    let shared: Vec<_> = texts.iter().map(|text| shared(&mut encoder, text)).collect();
    texts.iter().for_each(|text| member(&mut encoder, text));
    for picks in picks.split(|pick| *pick == 0xFF) {
        let (mut wire, mut plain, mut checksum) = (HEADER.to_vec(), vec![], Checksum::NONE);
        let mut ends = Vec::new();
        for pick in picks {
            let Some(at) = usize::from(pick / 2).checked_rem(texts.len()) else { break };
            plain.extend_from_slice(&texts[at]);
            if pick & 1 == 1 {
                let (block, text) = &shared[at];
                wire.extend_from_slice(block);
                encoder.add(text, &mut checksum);
            } else {
                gzip::store(&texts[at], &mut wire);
                checksum.update(&texts[at]);
            }
            ends.push((wire.len(), plain.len()));
        }
        wire.extend_from_slice(&checksum.trailer());
        decodes(&wire, &plain, &ends);
    }
}

/// A text by itself is a member that decodes to it and is shorter, or nothing.
fn member(encoder: &mut Gzip, text: &[u8]) {
    let (mut wire, before) = (Vec::new(), encoder.totals());
    if encoder.member(text, &mut wire) {
        assert!(wire.len() < text.len());
        decodes(&wire, text, &[]);
    } else {
        assert!(wire.is_empty());
    }
    assert_eq!(encoder.totals().text_bytes, before.text_bytes + text.len() as u64);
}

/// The block of a text refers to nothing before it, and is never much longer than the text.
fn shared(encoder: &mut Gzip, text: &[u8]) -> (Vec<u8>, TextChecksum) {
    let mut block = Vec::new();
    let is_deflated = encoder.block(text, &mut block);
    assert!(block.len() <= text.len() + 10 * text.len().div_ceil(gzip::PART_BYTES).max(1));
    // A decoder may keep a text until an empty block comes. [gzip:flushed]
    assert!(text.is_empty() || block.ends_with(&[0x00, 0x00, 0xFF, 0xFF]));
    assert!(text.len() >= encoder.config().text_bytes_min || !is_deflated);
    let mut oracle = Oracle::new(1 << 15, false, Reach::History);
    // History that no block may refer to.
    oracle.plain = text.to_vec();
    let ended = [&*block, &[0]].concat();
    assert_eq!(oracle.inflate(&ended, text.len() as u64), Ok(text));
    (block, TextChecksum::of(text))
}

/// A decoder that gets the wire in pieces has each text as soon as its block is there, and agrees with
/// the trailer.
fn decodes(wire: &[u8], plain: &[u8], ends: &[(usize, usize)]) {
    let mut inflate = Inflate::new(true, 16 + WindowBits::MAX.to_u8());
    let mut out = vec![0; plain.len() + 1];
    let (mut read, mut written, mut status) = (0, 0, Status::Ok);
    for (end, has) in ends.iter().copied().chain([(wire.len(), plain.len())]) {
        while read < end {
            // Pieces of any length.
            let piece = (end - read).min(1 + (read * 7 + end) % 4_096);
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            status = inflate
                .decompress(&wire[read..read + piece], &mut out[written..], InflateFlush::SyncFlush)
                .expect("the wire is valid");
            read += (inflate.total_in() - before_in) as usize;
            written += (inflate.total_out() - before_out) as usize;
        }
        assert_eq!(written, has, "nothing is held back");
    }
    assert_eq!(status, Status::StreamEnd, "the trailer is right");
    assert!(out[..written] == *plain);
}
