//! How frames come out of the decoder: whole, in parts, many, empty, vast.

use sockeye_frame::{Chunk, Decoder, Header, MaskKey, Opcode, Role, Rsv, Rules, properties};

const RULES: Rules = Rules { role: Role::Client, rsv: Rsv::NONE, payload_len_max: u64::MAX };

#[test]
fn the_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 40, "one per connection: {} bytes", size_of::<Decoder>());
    assert_eq!(size_of::<Header>(), 16);
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // RFC 6455 §5.7, the masked "Hello", and a fragmented one.
    let rules = Rules { role: Role::Server, ..RULES };
    let mut masked = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
    let chunk = Decoder::new(rules).next(&mut &mut masked[..]).unwrap().unwrap();
    assert_eq!((chunk.header.opcode, &*chunk.payload), (Opcode::Text, &b"Hello"[..]));
    assert!(chunk.is_first() && chunk.is_last() && chunk.header.fin);

    let mut fragments = *b"\x01\x03Hel\x80\x02lo";
    let mut input = &mut fragments[..];
    let mut decoder = Decoder::new(RULES);
    let first = decoder.next(&mut input).unwrap().unwrap();
    assert_eq!((first.header.fin, &*first.payload), (false, &b"Hel"[..]));
    let last = decoder.next(&mut input).unwrap().unwrap();
    assert_eq!((last.header.opcode, &*last.payload), (Opcode::Continuation, &b"lo"[..]));
}

#[test]
fn a_frame_is_announced_before_its_payload() {
    let mut decoder = Decoder::new(RULES);
    assert!(decoder.at_boundary() && decoder.header().is_none());
    assert_eq!(decoder.next(&mut &mut [0x82][..]), Ok(None));
    assert!(!decoder.at_boundary() && decoder.header().is_none());
    assert_eq!(decoder.next(&mut &mut [0x03][..]), Ok(None));
    assert_eq!(decoder.header().map(|header| header.payload_len), Some(3));
    assert_eq!(
        decoder.next(&mut &mut [][..]),
        Ok(None),
        "no empty chunk of a frame that has bytes"
    );

    let mut bytes = [7, 8];
    let mut input = &mut bytes[..];
    let chunk = decoder.next(&mut input).unwrap().unwrap();
    assert!(chunk.is_first() && !chunk.is_last());
    assert_eq!(decoder.next(&mut &mut [9][..]).unwrap().map(|chunk| chunk.offset), Some(2));
    assert!(decoder.at_boundary() && decoder.header().is_none());
}

#[test]
fn an_empty_frame_is_one_empty_chunk() {
    for cut in 0..=4 {
        let mut bytes = [0x82, 0x00, 0x8A, 0x00];
        let (mut front, mut back) = bytes.split_at_mut(cut);
        let mut decoder = Decoder::new(RULES);
        let mut opcodes = Vec::new();
        for input in [&mut front, &mut back] {
            while let Some(chunk) = decoder.next(input).unwrap() {
                assert!(chunk.payload.is_empty() && chunk.is_first() && chunk.is_last());
                opcodes.push(chunk.header.opcode);
            }
        }
        assert_eq!(opcodes, [Opcode::Binary, Opcode::Pong]);
    }
}

#[test]
fn a_hundred_thousand_frames_in_one_input() {
    let mut bytes = [0x89, 0x01, 0xAA].repeat(100_000);
    let mut input = &mut bytes[..];
    let mut decoder = Decoder::new(RULES);
    let mut frames = 0;
    while let Some(Chunk { payload: [0xAA], .. }) = decoder.next(&mut input).unwrap() {
        frames += 1;
    }
    assert_eq!(frames, 100_000);
}

#[test]
fn the_vastest_frame_costs_what_arrives() {
    let key = MaskKey::new([1, 2, 3, 4]);
    let header = Header {
        fin: true,
        rsv: Rsv::NONE,
        opcode: Opcode::Binary,
        mask: Some(key),
        payload_len: u64::MAX >> 1,
    };
    let mut decoder = Decoder::new(Rules { role: Role::Server, ..RULES });
    let mut bytes = [&header.encode(), &[0; 3][..]].concat();
    let first = decoder.next(&mut &mut bytes[..]).unwrap().unwrap();
    assert_eq!((first.offset, &*first.payload), (0, &[1, 2, 3][..]));
    let mut bytes = [0; 5];
    let next = decoder.next(&mut &mut bytes[..]).unwrap().unwrap();
    assert_eq!((next.offset, &*next.payload), (3, &[4, 1, 2, 3, 4][..]));
    assert!(!next.is_last());
}

#[test]
fn long_frames_come_whole_from_any_cut() {
    let rules = Rules { role: Role::Server, ..RULES };
    for len in [125, 126, 127, 65_535, 65_536, 70_001] {
        let payload = vec![0xA5; len];
        let header = Header {
            fin: false,
            rsv: Rsv::NONE,
            opcode: Opcode::Text,
            mask: Some(MaskKey::new([9, 8, 7, 6])),
            payload_len: len as u64,
        };
        let stream = [&header.encode(), &payload[..]].concat().repeat(2);
        properties::decoder_equals_oracle(&stream, rules, &[13, 255, 1, 3]);
    }
}

#[test]
fn no_payload_byte_is_shown_by_debug() {
    let mut bytes = *b"\x82\x06secret";
    let mut decoder = Decoder::new(RULES);
    let shown = format!("{:?}", decoder.next(&mut &mut bytes[..]).unwrap().unwrap());
    assert!(shown.contains("len: 6") && !shown.contains("115"), "{shown}");
}
