//! Every length, offset and alignment is masked alike.

use sockeye_frame::{MaskKey, apply_mask, properties};

#[test]
fn every_short_length_at_every_offset_and_alignment() {
    // [rfc6455:5.3-mask-transform]
    let bytes: Vec<u8> = (0..=255).collect();
    for len in 0..=130 {
        for start in 0..9 {
            let payload = &bytes[start..start + len];
            for offset in [0, 1, 2, 3, 5, u64::MAX - 1, u64::MAX] {
                properties::mask_equals_byte_loop(payload, [0x11, 0x22, 0x44, 0x88], offset, start);
            }
        }
    }
}

#[test]
fn bytes_around_the_payload_stay_as_they_are() {
    for len in 0..100 {
        for start in 0..8 {
            let mut buffer = [0x5A; 116];
            apply_mask(&mut buffer[start..start + len], MaskKey::new([0xFF; 4]), 3);
            assert!(buffer[..start].iter().chain(&buffer[start + len..]).all(|byte| *byte == 0x5A));
            assert!(buffer[start..start + len].iter().all(|byte| *byte == 0xA5));
        }
    }
}

#[test]
fn a_zero_key_is_legal_and_changes_nothing() {
    let mut payload = *b"as it was, whatever the length may be";
    apply_mask(&mut payload, MaskKey::new([0; 4]), 1);
    assert_eq!(&payload, b"as it was, whatever the length may be");
}
