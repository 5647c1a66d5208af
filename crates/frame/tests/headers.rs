//! Headers as values: decoded, encoded, in the shortest form.

use sockeye_frame::{Header, MaskKey, Opcode, Rsv, properties};

#[test]
fn every_form_of_the_length_at_its_borders() {
    // [rfc6455:5.2-length-minimal-sent]
    for payload_len in [0, 1, 125, 126, 127, 128, 255, 256, 65_535, 65_536, u64::MAX >> 1] {
        for mask in [None, Some(MaskKey::new([0x80, 0, 0xFF, 1]))] {
            let rsv = Rsv::RSV1 | Rsv::RSV3;
            let header = Header { fin: false, rsv, opcode: Opcode::Text, mask, payload_len };
            properties::header_round_trips(header);
        }
    }
}

#[test]
fn the_bytes_of_the_rfc() {
    // RFC 6455 §5.7: an unmasked Ping, and 256 bytes and 64 KiB of binary data.
    let header = |opcode, payload_len| {
        Header { fin: true, rsv: Rsv::NONE, opcode, mask: None, payload_len }.encode()
    };
    assert_eq!(*header(Opcode::Ping, 5), [0x89, 0x05]);
    assert_eq!(*header(Opcode::Binary, 256), [0x82, 0x7E, 0x01, 0x00]);
    assert_eq!(*header(Opcode::Binary, 65_536), [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn reserved_bits_are_a_set() {
    let both = Rsv::RSV1 | Rsv::RSV2;
    assert!(both.contains(Rsv::RSV1) && both.contains(Rsv::NONE) && both.contains(both));
    assert!(!both.contains(Rsv::RSV3) && !Rsv::RSV1.contains(both));
    assert_eq!(format!("{both:?}"), "Rsv(110)");
}

#[test]
fn only_the_upper_opcodes_control() {
    for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
        assert!(opcode.is_control());
    }
    for opcode in [Opcode::Continuation, Opcode::Text, Opcode::Binary] {
        assert!(!opcode.is_control());
    }
}
