//! sockeye-frame without an allocator.
#![no_std]
#![no_main]

use core::hint::black_box;

use sockeye_frame::{
    CloseCode, CloseFrame, Decoder, Header, MaskKey, Opcode, Role, Rsv, Rules, Utf8Validator,
    apply_mask,
};
use sockeye_nostd::{expect, program};

program!(run);

fn run() -> Option<()> {
    decode()?;
    header_and_mask()?;
    close()?;
    let mut text = Utf8Validator::new();
    text.push(black_box(b"h\xc3")).ok()?;
    expect(!text.is_complete())?;
    text.push(black_box(b"\xa9")).ok()?;
    expect(text.is_complete())
}

fn decode() -> Option<()> {
    let rules = Rules { role: Role::Server, rsv: Rsv::NONE, payload_len_max: 1 << 20 };
    let mut decoder = Decoder::new(rules);
    let mut bytes = black_box(*b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x83");
    let mut input = &mut bytes[..];
    let chunk = decoder.next(&mut input).ok()??;
    expect(chunk.header.opcode == Opcode::Text && *chunk.payload == *b"Hello")?;
    let error = decoder.next(&mut input).err()?;
    expect(error.close_code() == CloseCode::PROTOCOL_ERROR)
}

fn header_and_mask() -> Option<()> {
    let key = MaskKey::new(black_box([1, 2, 3, 4]));
    let header = Header {
        fin: true,
        rsv: Rsv::NONE,
        opcode: Opcode::Binary,
        mask: Some(key),
        payload_len: black_box(300),
    };
    let (back, len) = Header::decode(&header.encode()).ok()??;
    expect(back == header && len == 8)?;
    let mut payload = black_box([7; 33]);
    apply_mask(&mut payload, key, 5);
    expect(payload[0] == 7 ^ 2)
}

fn close() -> Option<()> {
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, black_box("bye")).ok()?;
    let bytes = frame.encode();
    let back = CloseFrame::decode(&bytes).ok()??;
    expect(back.code() == CloseCode::GOING_AWAY && back.reason() == "bye")
}
