//! Properties of every input, shared by the tests, the fuzz targets and corpus replays.
//!
//! Each function panics where its property does not hold. The oracles are written for
//! plainness: a byte at a time, everything allocated, nothing shared with the real code but
//! the vocabulary.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "an oracle should read plainly, and a panic is its way to speak"
)]

pub mod fuzz;

use alloc::vec::Vec;

use crate::{
    CloseCode, CloseFrame, Decoder, Error, Header, MaskKey, Opcode, Role, Rsv, Rules,
    Utf8Validator, apply_mask,
};

/// The events of a decoder, without the borders of chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The frames of which a payload byte, or the empty whole, has come.
    pub frames: Vec<(Header, Vec<u8>)>,
    /// The violation that ended it.
    pub error: Option<Error>,
    /// The header of the frame under way at the end.
    pub header: Option<Header>,
    /// Whether the end lies between two frames.
    pub at_boundary: bool,
}

/// Any cut of `bytes` tells the same as the oracle does of the whole. `cuts` are the lengths
/// of the pieces, over and over; without any, `bytes` are one piece.
pub fn decoder_equals_oracle(bytes: &[u8], rules: Rules, cuts: &[u8]) {
    let expected = oracle(bytes, rules);
    let all = [bytes.len()];
    assert_eq!(decode_in_pieces(bytes, rules, all.into_iter()), expected, "in one piece");
    assert_eq!(decode_in_pieces(bytes, rules, core::iter::repeat(1)), expected, "byte by byte");
    assert_eq!(decode_to_front(bytes, rules), expected, "moved to the front");
    if cuts.iter().any(|cut| *cut != 0) {
        let lens = cuts.iter().cycle().map(|cut| usize::from(*cut));
        assert_eq!(decode_in_pieces(bytes, rules, lens), expected, "in pieces of {cuts:?}");
    }
}

fn decode_in_pieces(bytes: &[u8], rules: Rules, mut lens: impl Iterator<Item = usize>) -> Seen {
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut decoder = Decoder::new(rules);
    let mut seen = Seen::default();
    while !rest.is_empty() && seen.error.is_none() {
        let len = lens.next().unwrap().min(rest.len());
        let mut input = rest.split_off_mut(..len).unwrap();
        seen.error = decode_piece(&mut decoder, &mut input, &mut seen.frames).err();
        assert!(input.is_empty(), "the decoder takes all of its input");
        if let Some(error) = seen.error {
            // [rfc6455:7.1.7-nothing-after-failure]
            let mut legal = [0x82, 0x00];
            assert_eq!(decoder.next(&mut &mut legal[..]), Err(error), "a failure is final");
        }
    }
    seen.header = decoder.header();
    seen.at_boundary = decoder.at_boundary();
    seen
}

/// Moves each data frame to the front that can be.
fn decode_to_front(bytes: &[u8], rules: Rules) -> Seen {
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut decoder = Decoder::new(rules);
    let mut seen = Seen::default();
    while !rest.is_empty() && seen.error.is_none() {
        let Some(front) = decoder.next_to_front(rest) else {
            // One event of the other kind, or the end of the input.
            match decoder.next(&mut rest) {
                Ok(Some(chunk)) if chunk.is_first() => {
                    seen.frames.push((chunk.header, chunk.payload.to_vec()));
                }
                Ok(Some(chunk)) => {
                    seen.frames.last_mut().unwrap().1.extend_from_slice(chunk.payload);
                }
                Ok(None) => {}
                Err(error) => seen.error = Some(error),
            }
            continue;
        };
        if front.payload_len > 0 || front.header.payload_len == 0 {
            seen.frames.push((front.header, rest[..front.payload_len].to_vec()));
        }
        rest = &mut rest[front.taken_len..];
    }
    seen.header = decoder.header();
    seen.at_boundary = decoder.at_boundary();
    seen
}

fn decode_piece(
    decoder: &mut Decoder,
    input: &mut &mut [u8],
    frames: &mut Vec<(Header, Vec<u8>)>,
) -> Result<(), Error> {
    while let Some(chunk) = decoder.next(input)? {
        let (header, len) = (chunk.header, chunk.header.payload_len);
        assert_eq!(chunk.payload.is_empty(), len == 0, "only an empty frame has an empty chunk");
        if chunk.is_first() {
            frames.push((header, Vec::new()));
        }
        let (first_header, payload) = frames.last_mut().unwrap();
        assert_eq!(header, *first_header, "one header for all chunks of a frame");
        assert_eq!(chunk.offset, payload.len() as u64, "chunks follow each other");
        payload.extend_from_slice(chunk.payload);
        assert!(payload.len() as u64 <= len, "no chunk reaches beyond its frame");
        assert_eq!(chunk.is_last(), payload.len() as u64 == len);
        assert!(len <= 125 || !header.opcode.is_control());
    }
    Ok(())
}

/// The frames that a decoder shows of `bytes`: a header alone is no frame yet.
fn oracle(bytes: &[u8], rules: Rules) -> Seen {
    let mut seen = read_naively(bytes, rules);
    let announced_only = |(_, payload): &(Header, Vec<u8>)| payload.is_empty();
    if seen.header.is_some() && seen.frames.last().is_some_and(announced_only) {
        seen.frames.pop();
    }
    seen
}

/// Decodes with a machine that knows one byte at a time and looks each rule up by its position. The
/// last frame may be a header whose payload has not begun.
pub fn read_naively(bytes: &[u8], rules: Rules) -> Seen {
    let mut seen = Seen::default();
    let mut head = Vec::new();
    for &byte in bytes {
        if let Some(header) = seen.header {
            let (_, payload) = seen.frames.last_mut().unwrap();
            let key = header.mask.map_or([0; 4], MaskKey::to_bytes);
            payload.push(byte ^ key[payload.len() % 4]);
            seen.header = Some(header).filter(|_| header.payload_len != payload.len() as u64);
            continue;
        }
        head.push(byte);
        if let Err(error) = oracle_byte(&head, rules) {
            seen.error = Some(error);
            return seen;
        }
        if let Some(header) = oracle_header(&head) {
            head.clear();
            seen.frames.push((header, Vec::new()));
            seen.header = Some(header).filter(|header| header.payload_len != 0);
        }
    }
    seen.at_boundary = head.is_empty() && seen.header.is_none();
    seen
}

/// The violation in the newest byte of a header.
fn oracle_byte(head: &[u8], rules: Rules) -> Result<(), Error> {
    let (opcode, control) = (head[0] & 15, head[0] & 8 != 0);
    let len = head.get(1).map(|byte| byte & 127);
    let extended =
        head[2.min(head.len())..].iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
    match (head.len(), len) {
        (1, _) => oracle_first_byte(head[0], rules),
        (2, _) if (head[1] & 128 != 0) != (rules.role == Role::Server) => Err(match rules.role {
            Role::Server => Error::MaskMissing,
            Role::Client => Error::MaskUnexpected,
        }),
        (2, Some(126..)) if control => Err(Error::ControlTooLong),
        (2, Some(len @ ..126)) => oracle_limit(u64::from(len), opcode, rules),
        (3, Some(127)) if head[2] >= 128 => Err(Error::LengthOverflow),
        (4, Some(126)) if extended < 126 => Err(Error::LengthNotMinimal),
        (10, Some(127)) if extended < 65536 => Err(Error::LengthNotMinimal),
        (4, Some(126)) | (10, Some(127)) => oracle_limit(extended, opcode, rules),
        _ => Ok(()),
    }
}

fn oracle_first_byte(byte: u8, rules: Rules) -> Result<(), Error> {
    let claimed = |bit| rules.rsv.contains(bit) && matches!(byte & 15, 1 | 2);
    let rsv = [(64, Rsv::RSV1), (32, Rsv::RSV2), (16, Rsv::RSV3)];
    if matches!(byte & 15, 3..=7 | 11..) {
        Err(Error::UnknownOpcode)
    } else if rsv.iter().any(|(value, bit)| byte & value != 0 && !claimed(*bit)) {
        Err(Error::ReservedBits)
    } else if byte & 8 != 0 && byte < 128 {
        Err(Error::ControlFragmented)
    } else {
        Ok(())
    }
}

fn oracle_limit(payload_len: u64, opcode: u8, rules: Rules) -> Result<(), Error> {
    if opcode < 8 && payload_len > rules.payload_len_max {
        return Err(Error::FrameTooBig);
    }
    Ok(())
}

/// The header, if `head` is a whole one; the bytes have been found legal before.
fn oracle_header(head: &[u8]) -> Option<Header> {
    let second = *head.get(1)?;
    let extended_len = [0, 2, 8][usize::from((second & 127).saturating_sub(125))];
    let mask_len = if second & 128 != 0 { 4 } else { 0 };
    if head.len() < 2 + extended_len + mask_len {
        return None;
    }
    let (extended, key) = head[2..].split_at(extended_len);
    let opcodes = [Opcode::Continuation, Opcode::Text, Opcode::Binary];
    let controls = [Opcode::Close, Opcode::Ping, Opcode::Pong];
    let rsv = [Rsv::RSV3, Rsv::RSV2, Rsv::RSV1].into_iter().enumerate();
    Some(Header {
        fin: head[0] >= 128,
        rsv: rsv
            .filter(|(place, _)| head[0] >> (4 + place) & 1 != 0)
            .fold(Rsv::NONE, |rsv, (_, bit)| rsv | bit),
        opcode: if head[0] & 8 == 0 { opcodes } else { controls }[usize::from(head[0] & 7)],
        mask: key.try_into().ok().map(MaskKey::new),
        payload_len: match extended {
            [] => u64::from(second & 127),
            _ => extended.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
        },
    })
}

/// A legal header survives its encoding, which is the shortest there is; its prefixes are
/// incomplete, and what follows it does not matter.
pub fn header_round_trips(header: Header) {
    let encoded = header.encode();
    let len = 2
        + [0, 2, 8]
            [usize::from(header.payload_len > 125) + usize::from(header.payload_len > 65535)]
        + if header.mask.is_some() { 4 } else { 0 };
    assert_eq!(encoded.len(), len, "[rfc6455:5.2-length-minimal-sent]");
    assert_eq!(Header::decode(&encoded), Ok(Some((header, len))));
    for cut in 0..len {
        assert_eq!(Header::decode(&encoded[..cut]), Ok(None));
    }
    let mut followed = encoded.to_vec();
    followed.push(0xFF);
    assert_eq!(Header::decode(&followed), Ok(Some((header, len))));
}

/// Masking is the XOR of §5.3 byte by byte, its own inverse, and may be done in two parts.
pub fn mask_equals_byte_loop(payload: &[u8], key: [u8; 4], offset: u64, cut: usize) {
    let place = |index: usize| (offset.wrapping_add(index as u64) % 4) as usize;
    let bytes = payload.iter().enumerate();
    let expected: Vec<u8> = bytes.map(|(index, byte)| byte ^ key[place(index)]).collect();

    let mut masked = payload.to_vec();
    apply_mask(&mut masked, MaskKey::new(key), offset);
    assert_eq!(masked, expected, "[rfc6455:5.3-mask-transform]");

    let (front, back) = masked.split_at_mut(cut.min(payload.len()));
    apply_mask(front, MaskKey::new(key), offset);
    apply_mask(back, MaskKey::new(key), offset.wrapping_add(front.len() as u64));
    assert_eq!(masked, payload, "an involution, in two parts");
}

/// The validator agrees with the standard library at every cut, and fails exactly at the first
/// byte after which no text could be valid.
pub fn utf8_equals_std(text: &[u8], cuts: &[u8]) {
    let expected = core::str::from_utf8(text).map_err(|_| first_impossible(text));
    let checked = Utf8Validator::check(text);
    assert_eq!(checked.map_err(|error| error.index), expected);
    utf8_in_pieces(text, core::iter::repeat(1));
    utf8_in_pieces(text, core::iter::repeat(text.len().max(1)));
    for cut in 0..text.len().min(64) {
        utf8_in_pieces(text, [cut, text.len()].into_iter());
    }
    if cuts.iter().any(|cut| *cut != 0) {
        utf8_in_pieces(text, cuts.iter().cycle().map(|cut| usize::from(*cut)));
    }
    utf8_equals_std_among(text);
}

/// The same inside a text that is long enough for vectors, cut wherever `text` can be.
fn utf8_equals_std_among(text: &[u8]) {
    const BEFORE: &str = "é字😀a é字😀a é字😀a é字😀a é字😀a é字😀a";
    let long = [BEFORE.as_bytes(), text, &[b'x'; 70]].concat();
    let expected = core::str::from_utf8(&long).map_err(|_| first_impossible(&long));
    assert_eq!(Utf8Validator::check(&long).map_err(|error| error.index), expected);
    let end = BEFORE.len() + text.len().min(8);
    for cut in BEFORE.len()..=end {
        utf8_in_pieces(&long, [cut, long.len()].into_iter());
        utf8_in_pieces(&long[..cut], core::iter::once(cut));
    }
}

/// The index of the first byte that cannot follow what stands before it; the length if every
/// byte can.
fn first_impossible(text: &[u8]) -> usize {
    let unfinished_or_valid =
        |text: &[u8]| core::str::from_utf8(text).map_or_else(|e| e.error_len().is_none(), |_| true);
    let from =
        core::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), |text| text.len());
    (from..text.len())
        .find(|index| !unfinished_or_valid(&text[from..=*index]))
        .unwrap_or(text.len())
}

fn utf8_in_pieces(text: &[u8], mut lens: impl Iterator<Item = usize>) {
    let impossible = first_impossible(text);
    let mut validator = Utf8Validator::new();
    let mut at = 0;
    while at < text.len() {
        let len = lens.next().unwrap().min(text.len() - at);
        let pushed = validator.push(&text[at..at + len]);
        if impossible < at + len {
            assert_eq!(pushed.unwrap_err().index, impossible - at);
            assert!(validator.push(b"a").is_err(), "a failure is final");
            assert!(validator.finish().is_err() && !validator.is_complete());
            return;
        }
        at += len;
        assert_eq!(pushed, Ok(()));
        assert_eq!(validator.is_complete(), core::str::from_utf8(&text[..at]).is_ok());
    }
    assert_eq!(validator.finish().is_ok(), core::str::from_utf8(text).is_ok());
}

/// A Close payload is read as the table of §7.4 says, and what was read is written back alike.
pub fn close_round_trips(payload: &[u8]) {
    let decoded = CloseFrame::decode(payload);
    let (code, reason) = match payload {
        [] => return assert_eq!(decoded, Ok(None)),
        [_] => return assert_eq!(decoded, Err(Error::CloseCodeTruncated)),
        [high, low, reason @ ..] => (u16::from(*high) << 8 | u16::from(*low), reason),
    };
    let expected = match (code, core::str::from_utf8(reason)) {
        (0..=999 | 1004..=1006 | 1015..=2999 | 5000.., _) => Err(Error::CloseCodeInvalid),
        _ if payload.len() > 125 => Err(Error::ControlTooLong),
        (_, Err(_)) => Err(Error::InvalidUtf8),
        (_, Ok(reason)) => Ok((CloseCode::new(code), reason)),
    };
    let frame = decoded.map(|frame| frame.expect("only an empty payload has no code"));
    assert_eq!(frame.map(|frame| (frame.code(), frame.reason())), expected);
    if let Ok(frame) = frame {
        assert_eq!(&*frame.encode(), payload);
        assert_eq!(CloseFrame::new(frame.code(), frame.reason()), Ok(frame));
    }
}
