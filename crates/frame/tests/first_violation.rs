//! Each violation fails at the first byte in which it shows, with the right close code.

use sockeye_frame::{CloseCode, Decoder, Error, Header, Role, Rsv, Rules, properties};

const SERVER: Rules = Rules { role: Role::Server, rsv: Rsv::NONE, payload_len_max: 1 << 40 };
const CLIENT: Rules = Rules { role: Role::Client, ..SERVER };

/// The last of `bytes` brings the error, none before it; the same when all come at once, and
/// with anything behind them.
fn fails_at_last_byte(rules: Rules, bytes: &[u8], error: Error) {
    let mut decoder = Decoder::new(rules);
    let (last, before) = bytes.split_last().unwrap();
    for byte in before {
        let mut byte = [*byte];
        assert_eq!(decoder.next(&mut &mut byte[..]), Ok(None), "{error:?} came early");
    }
    assert_eq!(decoder.next(&mut &mut [*last][..]).err(), Some(error));
    assert!(!decoder.at_boundary());

    for behind in [0, 1, 20] {
        let mut bytes = [bytes, &[0x55; 20][..behind]].concat();
        let mut input = &mut bytes[..];
        assert_eq!(Decoder::new(rules).next(&mut input).err(), Some(error));
        assert!(input.is_empty(), "what lies behind a violation is not left to be read");
    }
    assert!(matches!(error.close_code(), CloseCode::PROTOCOL_ERROR | CloseCode::MESSAGE_TOO_BIG));
}

#[test]
fn reserved_bits_at_byte_one() {
    // [rfc6455:5.2-rsv-zero]
    for bit in [0x40, 0x20, 0x10, 0x70] {
        fails_at_last_byte(SERVER, &[0x81 | bit], Error::ReservedBits);
        fails_at_last_byte(SERVER, &[0x80 | bit], Error::ReservedBits);
        fails_at_last_byte(CLIENT, &[0x89 | bit], Error::ReservedBits);
    }
}

#[test]
fn a_claimed_bit_is_legal_on_text_and_binary_only() {
    // [rfc6455:5.2-rsv-zero]
    let rules = Rules { rsv: Rsv::RSV1, ..SERVER };
    for legal in [0x41, 0xC1, 0x42, 0xC2] {
        let mut bytes = [legal, 0x80, 1, 2, 3, 4];
        let chunk = Decoder::new(rules).next(&mut &mut bytes[..]).unwrap().unwrap();
        assert_eq!(chunk.header.rsv, Rsv::RSV1);
    }
    for illegal in [0x40, 0xC0, 0xC8, 0xC9, 0xCA, 0x61, 0x51, 0x21] {
        fails_at_last_byte(rules, &[illegal], Error::ReservedBits);
    }
}

#[test]
fn unknown_opcodes_at_byte_one() {
    // [rfc6455:5.2-opcode-unknown]
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        fails_at_last_byte(SERVER, &[0x80 | opcode], Error::UnknownOpcode);
        fails_at_last_byte(CLIENT, &[opcode], Error::UnknownOpcode);
        assert_eq!(Header::decode(&[0x80 | opcode]), Err(Error::UnknownOpcode));
    }
}

#[test]
fn a_fragmented_control_frame_at_byte_one() {
    // [rfc6455:5.5-control-fin]
    for opcode in [8, 9, 10] {
        fails_at_last_byte(SERVER, &[opcode], Error::ControlFragmented);
    }
}

#[test]
fn the_direction_of_masking_at_byte_two() {
    // [rfc6455:5.1-client-masks] [rfc6455:5.1-server-does-not-mask]
    for len in [0, 1, 125, 126, 127] {
        fails_at_last_byte(SERVER, &[0x82, len], Error::MaskMissing);
        fails_at_last_byte(CLIENT, &[0x82, 0x80 | len], Error::MaskUnexpected);
    }
}

#[test]
fn a_long_control_frame_at_byte_two() {
    // [rfc6455:5.5-control-length]
    for opcode in [0x88, 0x89, 0x8A] {
        for len in [126, 127] {
            fails_at_last_byte(SERVER, &[opcode, 0x80 | len], Error::ControlTooLong);
            fails_at_last_byte(CLIENT, &[opcode, len], Error::ControlTooLong);
        }
    }
}

#[test]
fn the_top_bit_of_a_length_at_byte_three() {
    // [rfc6455:5.2-length-msb]
    fails_at_last_byte(SERVER, &[0x82, 0xFF, 0x80], Error::LengthOverflow);
    fails_at_last_byte(CLIENT, &[0x82, 0x7F, 0xFF], Error::LengthOverflow);
}

#[test]
fn a_length_that_is_not_minimal_at_its_last_byte() {
    // [rfc6455:5.2-length-minimal]
    for len in [0_u16, 1, 125] {
        let bytes = [&[0x82, 126][..], &len.to_be_bytes()].concat();
        fails_at_last_byte(CLIENT, &bytes, Error::LengthNotMinimal);
    }
    for len in [0_u64, 125, 126, 65_535] {
        let bytes = [&[0x82, 0xFF][..], &len.to_be_bytes()].concat();
        fails_at_last_byte(SERVER, &bytes, Error::LengthNotMinimal);
    }
}

#[test]
fn a_frame_over_the_limit_at_the_last_byte_of_its_length() {
    // [rfc6455:10.4-frame-limit]
    let limit = |payload_len_max| Rules { payload_len_max, ..SERVER };
    fails_at_last_byte(limit(100), &[0x82, 0x80 | 101], Error::FrameTooBig);
    fails_at_last_byte(limit(0), &[0x02, 0x81], Error::FrameTooBig);
    fails_at_last_byte(limit(1000), &[0x80, 0xFE, 0x03, 0xE9], Error::FrameTooBig);
    let huge = [&[0x82, 0xFF][..], &(u64::MAX >> 1).to_be_bytes()].concat();
    fails_at_last_byte(SERVER, &huge, Error::FrameTooBig);
    assert_eq!(Error::FrameTooBig.close_code(), CloseCode::MESSAGE_TOO_BIG);
}

#[test]
fn the_limit_itself_and_control_frames_pass() {
    // [rfc6455:10.4-frame-limit]
    let rules = Rules { payload_len_max: 5, ..CLIENT };
    let mut bytes = [&[0x82, 5, 1, 2, 3, 4, 5, 0x89, 125][..], &[7; 125]].concat();
    let mut input = &mut bytes[..];
    let mut decoder = Decoder::new(rules);
    assert_eq!(decoder.next(&mut input).unwrap().unwrap().payload.len(), 5);
    assert_eq!(decoder.next(&mut input).unwrap().unwrap().payload.len(), 125);
}

#[test]
fn every_pair_of_first_bytes_is_judged_as_the_oracle_does() {
    for bits in 0..=u16::MAX {
        for rules in [SERVER, CLIENT, Rules { rsv: Rsv::RSV1 | Rsv::RSV3, ..SERVER }] {
            properties::decoder_equals_oracle(&bits.to_be_bytes(), rules, &[]);
        }
    }
}
