//! The XOR alone.

use std::hint::black_box;

use sockeye_frame::{MaskKey, apply_mask};

use crate::{Group, each};

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

pub(super) fn groups() -> Vec<Group> {
    [16, 125, 1024, 64 << 10, 1 << 20].map(group).into()
}

fn group(len: usize) -> Group {
    Group::new(format!("mask {len} B"), len)
        .row("sockeye-frame", over(len, |payload| apply_mask(payload, MaskKey::new(KEY), 0)))
        .row("fastwebsockets", over(len, |payload| fastwebsockets::unmask(payload, KEY)))
        .row("a loop over bytes", over(len, loop_over_bytes))
        .row("a loop over words", over(len, loop_over_words))
}

/// Payloads follow headers of 6, 8 or 14 bytes, so they are never aligned.
const HEADER_LEN: usize = 6;

fn over(len: usize, mask: fn(&mut [u8])) -> impl FnMut(u64) {
    let mut buffer = vec![0; HEADER_LEN + len];
    each(move || {
        mask(black_box(&mut buffer[HEADER_LEN..]));
    })
}

fn loop_over_bytes(payload: &mut [u8]) {
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= KEY[at & 3];
    }
}

fn loop_over_words(payload: &mut [u8]) {
    let [a, b, c, d] = KEY;
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    loop_over_bytes(tail);
}
