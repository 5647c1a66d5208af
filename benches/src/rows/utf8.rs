//! Text checked.

use std::hint::black_box;

use sockeye_frame::Utf8Validator;

use crate::inputs::{ascii, mixed};
use crate::{Group, each};

pub(super) fn groups() -> Vec<Group> {
    let lens = [16, 125, 1024, 64 << 10];
    let plain = lens.map(|len| group(format!("UTF-8, ASCII, {len} B"), ascii(len)));
    let mixed = lens.map(|len| {
        let group = group(format!("UTF-8, 1 to 4 bytes, {len} B"), mixed(len));
        if len < 64 << 10 { group } else { group.target("sockeye-frame, whole", &["std"], 10.0) }
    });
    plain.into_iter().chain(mixed).collect()
}

fn group(name: String, text: Vec<u8>) -> Group {
    Group::new(name, text.len())
        .row("sockeye-frame, whole", check(text.clone(), |text| Utf8Validator::check(text).is_ok()))
        .row("sockeye-frame, as it arrives", check(text.clone(), arriving))
        .row("std", check(text.clone(), |text| std::str::from_utf8(text).is_ok()))
        .row("simdutf8", check(text, |text| simdutf8::basic::from_utf8(text).is_ok()))
}

fn check(text: Vec<u8>, is_valid: fn(&[u8]) -> bool) -> impl FnMut(u64) {
    each(move || {
        assert!(is_valid(black_box(&text)));
    })
}

/// In the parts of a network's packets.
fn arriving(text: &[u8]) -> bool {
    let mut validator = Utf8Validator::new();
    text.chunks(1448).all(|part| validator.push(part).is_ok()) && validator.is_complete()
}
