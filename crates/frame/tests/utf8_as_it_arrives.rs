//! Text fails at its first impossible byte, wherever the pieces are cut.

use sockeye_frame::{Utf8Error, Utf8Validator, properties};

/// Bytes at and beside each border of the table in RFC 3629 §4.
const BORDERS: [u8; 30] = [
    0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC,
    0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFB, 0xFC, 0xFE, 0xFF,
];

#[test]
fn the_state_is_small() {
    assert_eq!(size_of::<Utf8Validator>(), 3);
}

#[test]
fn every_pair_of_bytes() {
    // [rfc6455:8.1-utf8-fails]
    for bits in 0..=u16::MAX {
        properties::utf8_equals_std(&bits.to_be_bytes(), &[]);
    }
}

#[test]
fn every_border_of_four_bytes() {
    // [rfc6455:8.1-utf8-fails]
    for a in BORDERS.into_iter().filter(|byte| *byte >= 0xC0) {
        for b in BORDERS {
            for c in BORDERS {
                for d in [0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xE2, 0xFF] {
                    properties::utf8_equals_std(&[a, b, c, d], &[]);
                }
            }
        }
    }
}

#[test]
fn every_scalar_value() {
    for c in '\0'..=char::MAX {
        let mut validator = Utf8Validator::new();
        for byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
            assert_eq!(validator.push(&[*byte]), Ok(()));
        }
        assert_eq!(validator.finish(), Ok(()));
    }
}

#[test]
fn every_surrogate_fails_at_its_second_byte() {
    // [rfc6455:8.1-utf8-fails]
    for second in 0xA0..=0xBF {
        let error = Utf8Validator::check(&[0xED, second, 0x80]).unwrap_err();
        assert_eq!(error.index, 1);
    }
}

#[test]
fn an_impossible_byte_fails_at_once_inside_a_code_point() {
    // [rfc6455:8.1-utf8-fails] Autobahn 6.4: the failure comes before the frame ends.
    let mut validator = Utf8Validator::new();
    assert_eq!(validator.push(b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xF4"), Ok(()));
    let Err(Utf8Error { index, .. }) = validator.push(b"\x90") else { panic!("over U+10FFFF") };
    assert_eq!(index, 0);
    assert!(validator.push(b"a").is_err());
    assert_eq!(validator.push(b""), Ok(()));
}

#[test]
fn a_message_ends_between_code_points() {
    // [rfc6455:8.1-utf8-fails]
    for cut in [&b"\xC3"[..], b"\xE2\x82", b"\xF0\x9F\x90", b"text\xF0"] {
        let mut validator = Utf8Validator::new();
        assert_eq!(validator.push(cut), Ok(()));
        assert!(!validator.is_complete() && validator.finish().is_err());
        assert_eq!(Utf8Validator::check(cut).map_err(|error| error.index), Err(cut.len()));
    }
    assert_eq!(Utf8Validator::new().finish(), Ok(()), "an empty text is a text");
}
