//! The properties as fuzz targets: bytes read as the arguments of each.
//!
//! Small arguments stand at the front in a fixed number of bytes, so that what follows them can
//! be any capture. An input that is too short for them says nothing.

use super::{
    close_round_trips, decoder_equals_oracle, header_round_trips, mask_equals_byte_loop,
    utf8_equals_std,
};
use crate::{Header, MaskKey, Opcode, Role, Rsv, Rules};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[
    ("frame_decoder", frame_decoder),
    ("frame_header", frame_header),
    ("frame_mask", frame_mask),
    ("close_frame", close_frame),
    ("utf8", utf8),
];

/// Role and claimed bits, `payload_len_max` (zero for none), three cuts; then frames.
pub fn frame_decoder(data: &[u8]) {
    let Some(([flags, high, low, cuts @ ..], bytes)) = data.split_first_chunk::<6>() else {
        return;
    };
    let payload_len_max = match u64::from(u16::from_be_bytes([*high, *low])) {
        0 => u64::MAX,
        len => len,
    };
    let role = if flags & 1 == 0 { Role::Server } else { Role::Client };
    decoder_equals_oracle(bytes, Rules { role, rsv: rsv(*flags), payload_len_max }, cuts);
}

/// Fin, reserved bits and whether there is a mask; opcode; mask; length.
pub fn frame_header(data: &[u8]) {
    let Some(([flags, opcode, k0, k1, k2, k3, len @ ..], _)) = data.split_first_chunk::<14>()
    else {
        return;
    };
    let opcodes = [Opcode::Continuation, Opcode::Text, Opcode::Binary];
    let controls = [Opcode::Close, Opcode::Ping, Opcode::Pong];
    let kinds = if opcode & 8 == 0 { opcodes } else { controls };
    let opcode = kinds[usize::from(opcode & 7) % 3];
    let len = u64::from_be_bytes(*len) >> 1;
    header_round_trips(Header {
        fin: flags & 0x80 != 0 || opcode.is_control(),
        rsv: rsv(*flags),
        opcode,
        mask: (flags & 1 != 0).then(|| MaskKey::new([*k0, *k1, *k2, *k3])),
        payload_len: if opcode.is_control() { len % 126 } else { len },
    });
}

/// Key, offset, cut; then a payload.
pub fn frame_mask(data: &[u8]) {
    let Some((key, rest)) = data.split_first_chunk::<4>() else { return };
    let Some((offset, rest)) = rest.split_first_chunk::<8>() else { return };
    let Some((cut, payload)) = rest.split_first() else { return };
    mask_equals_byte_loop(payload, *key, u64::from_be_bytes(*offset), usize::from(*cut));
}

/// The payload of a Close frame.
pub fn close_frame(data: &[u8]) {
    close_round_trips(data);
}

/// Three cuts; then text.
pub fn utf8(data: &[u8]) {
    let Some((cuts, text)) = data.split_first_chunk::<3>() else { return };
    utf8_equals_std(text, cuts);
}

/// The reserved bits where they stand in a frame's first byte.
fn rsv(byte: u8) -> Rsv {
    let bits = [(0x40, Rsv::RSV1), (0x20, Rsv::RSV2), (0x10, Rsv::RSV3)];
    let set = bits.into_iter().filter(|(value, _)| byte & value != 0);
    set.fold(Rsv::NONE, |rsv, (_, bit)| rsv | bit)
}
