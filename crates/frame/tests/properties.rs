//! The properties of `sockeye_frame::properties` on random input.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_frame::{Header, MaskKey, Opcode, Role, Rsv, Rules, apply_mask, properties};

fn rsv() -> impl Strategy<Value = Rsv> {
    let bit = |bit| prop_oneof![4 => Just(Rsv::NONE), 1 => Just(bit)];
    (bit(Rsv::RSV1), bit(Rsv::RSV2), bit(Rsv::RSV3)).prop_map(|(a, b, c)| a | b | c)
}

fn rules() -> impl Strategy<Value = Rules> {
    let role = prop_oneof![Just(Role::Client), Just(Role::Server)];
    let payload_len_max = prop_oneof![Just(u64::MAX), Just(125), Just(200), 0..70_000_u64];
    (role, rsv(), payload_len_max).prop_map(|(role, rsv, payload_len_max)| Rules {
        role,
        rsv,
        payload_len_max,
    })
}

fn opcode() -> impl Strategy<Value = Opcode> {
    prop_oneof![
        Just(Opcode::Continuation),
        Just(Opcode::Text),
        Just(Opcode::Binary),
        Just(Opcode::Close),
        Just(Opcode::Ping),
        Just(Opcode::Pong),
    ]
}

fn mask() -> impl Strategy<Value = Option<MaskKey>> {
    any::<Option<[u8; 4]>>().prop_map(|key| key.map(MaskKey::new))
}

fn header() -> impl Strategy<Value = Header> {
    let lens = prop_oneof![0..200_u64, 65_500..65_600_u64, 0..1_u64 << 63];
    (any::<bool>(), rsv(), opcode(), mask(), lens).prop_map(|(fin, rsv, opcode, mask, len)| {
        let (fin, payload_len) = match opcode.is_control() {
            true => (true, len % 126),
            false => (fin, len),
        };
        Header { fin, rsv, opcode, mask, payload_len }
    })
}

/// A frame that is legal but for its reserved bits and the direction of its mask.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![8 => vec(any::<u8>(), 0..40), 2 => vec(any::<u8>(), 100..300)];
    (header(), payload).prop_map(|(mut header, mut payload)| {
        payload.truncate(if header.opcode.is_control() { 125 } else { usize::MAX });
        header.payload_len = payload.len() as u64;
        if let Some(key) = header.mask {
            apply_mask(&mut payload, key, 0);
        }
        [&header.encode(), &payload[..]].concat()
    })
}

/// Frames that agree with `rules`, unless bytes are then overwritten.
fn stream() -> impl Strategy<Value = (Rules, Vec<u8>)> {
    let damage = vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
    let key = any::<[u8; 4]>();
    (rules(), vec(frame(), 0..8), key, damage).prop_map(|(rules, frames, key, damage)| {
        let mut stream = Vec::new();
        for frame in frames {
            let (mut header, len) = Header::decode(&frame).unwrap().unwrap();
            header.mask = (rules.role == Role::Server).then(|| MaskKey::new(key));
            if !rules.rsv.contains(header.rsv) || !matches!(header.opcode as u8, 1 | 2) {
                header.rsv = Rsv::NONE;
            }
            stream.extend_from_slice(&header.encode());
            stream.extend_from_slice(&frame[len..]);
        }
        for (index, byte) in damage {
            if !stream.is_empty() {
                let index = index.index(stream.len());
                stream[index] = byte;
            }
        }
        (rules, stream)
    })
}

/// Bytes that are UTF-8 for the most part, with the hard ones often among them.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let hard: &[&[u8]] = &[
        b"\x80",
        b"\xC0",
        b"\xC1\xBF",
        b"\xE0\x9F",
        b"\xE0\xA0",
        b"\xED\x9F\xBF",
        b"\xED\xA0\x80",
        b"\xF0\x8F",
        b"\xF0\x90\x80\x80",
        b"\xF4\x8F\xBF\xBF",
        b"\xF4\x90",
        b"\xF5",
        b"\xFF",
        b"\xEF\xBF\xBF",
        b"\xEF\xBB\xBF",
    ];
    let part = prop_oneof![
        4 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        2 => "[a-z]{0,40}".prop_map(String::into_bytes),
        1 => prop::sample::select(hard).prop_map(<[u8]>::to_vec),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_tells_the_same((rules, stream) in stream(), cuts in vec(0..20_u8, 1..6)) {
        properties::decoder_equals_oracle(&stream, rules, &cuts);
    }

    #[test]
    fn any_bytes_are_decoded_as_the_oracle_does(
        rules in rules(), bytes in vec(any::<u8>(), 0..64), cuts in vec(0..9_u8, 1..6),
    ) {
        properties::decoder_equals_oracle(&bytes, rules, &cuts);
    }

    #[test]
    fn headers_round_trip(header in header()) {
        properties::header_round_trips(header);
    }

    #[test]
    fn masking_is_the_byte_loop(
        payload in vec(any::<u8>(), 0..300), key: [u8; 4], offset: u64, cut in 0..300_usize,
    ) {
        properties::mask_equals_byte_loop(&payload, key, offset, cut);
    }

    #[test]
    fn text_is_judged_as_std_does(text in text(), cuts in vec(0..9_u8, 1..6)) {
        properties::utf8_equals_std(&text, &cuts);
    }

    #[test]
    fn close_payloads_round_trip(code in 0..6000_u16, reason in text()) {
        properties::close_round_trips(&[&code.to_be_bytes(), &reason[..]].concat());
    }

    #[test]
    fn any_close_payload_is_judged(payload in vec(any::<u8>(), 0..130)) {
        properties::close_round_trips(&payload);
    }
}
