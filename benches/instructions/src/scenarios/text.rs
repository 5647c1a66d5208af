//! UTF-8 checked.

use std::hint::black_box;

use sockeye_frame::Utf8Validator;

use crate::counting::counted;
use crate::inputs;

const TEXTS: u64 = 200;
const TEXT_BYTES: usize = 1024;
/// What a packet brings.
const PART_BYTES: usize = 300;

pub(super) fn ascii() -> Vec<u8> {
    inputs::ascii(TEXT_BYTES)
}

pub(super) fn mixed() -> Vec<u8> {
    inputs::mixed(TEXT_BYTES)
}

/// Each text in one slice.
pub(super) fn check(text: fn() -> Vec<u8>) -> u64 {
    let text = text();
    let valid =
        counted(|| (0..TEXTS).filter(|_| Utf8Validator::check(black_box(&text)).is_ok()).count());
    assert_eq!(valid as u64, TEXTS);
    TEXTS
}

/// Each text in parts, cut inside of characters.
pub(super) fn arrive() -> u64 {
    let text = mixed();
    let arrives = || {
        let mut validator = Utf8Validator::new();
        black_box(&text).chunks(PART_BYTES).all(|part| validator.push(part).is_ok())
            && validator.is_complete()
    };
    let valid = counted(|| (0..TEXTS).filter(|_| arrives()).count());
    assert_eq!(valid as u64, TEXTS);
    TEXTS
}
