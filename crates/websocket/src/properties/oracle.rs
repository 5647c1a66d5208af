//! The rules once more, as plainly as possible: whole input, indices, no streaming.

use alloc::vec;
use alloc::vec::Vec;

use super::{CONFIG, Heard, Outcome, connection, converse};
use crate::{CloseCode, Kind, Role};

/// The oracle's reading of an input.
#[derive(Default)]
struct Verdict {
    heard: Vec<Heard>,
    /// Payloads of the control frames that have to be sent, with their opcodes.
    said: Vec<(u8, Vec<u8>)>,
    failed: Option<u16>,
    closed: bool,
}

/// The connection hears, says and refuses what a naive reading of the RFC does.
pub fn agrees_with_oracle(role: Role, bytes: &[u8]) {
    let Outcome { heard, error, said, closed, .. } =
        converse(connection(role, &CONFIG), bytes, &[]);
    let verdict = judge(role, bytes);
    let code = error.map(|error| error.close_code().to_u16());
    assert_eq!((heard, code), (verdict.heard, verdict.failed));
    assert_eq!(closed.clean, verdict.closed);
    assert_eq!(closed.code == CloseCode::ABNORMAL, !verdict.closed);
    let mut expected = Vec::new();
    for (opcode, payload) in verdict.said {
        let is_pong = opcode == 0xA;
        if !is_pong || expected.len() < CONFIG.limits.replies_bytes_max {
            write(role, opcode, &payload, &mut expected);
        }
    }
    assert_eq!(said, expected);
}

fn write(role: Role, opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    let len = payload.len() as u8;
    match role {
        Role::Server => {
            out.extend([0x80 | opcode, len]);
            out.extend_from_slice(payload);
        }
        Role::Client => {
            out.extend([0x80 | opcode, 0x80 | len]);
            out.extend(super::KEY);
            out.extend(payload.iter().zip(super::KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
    }
}

/// One frame as it lies in the input.
struct Frame {
    fin: bool,
    rsv1: bool,
    opcode: u8,
    header_len: usize,
    declared: u64,
    /// The part that has arrived, unmasked.
    payload: Vec<u8>,
}

fn judge(role: Role, mut bytes: &[u8]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut message = None;
    while !verdict.closed {
        let result = match parse(role, bytes) {
            Err(code) => Err(code),
            Ok(None) => return verdict,
            Ok(Some(frame)) => {
                bytes = &bytes[(frame.header_len + frame.payload.len())..];
                if frame.opcode < 8 {
                    data(&frame, &mut message, &mut verdict)
                } else {
                    control(&frame, &mut verdict)
                }
            }
        };
        if let Err(code) = result {
            verdict.failed = Some(code);
            verdict.said.push((8, code.to_be_bytes().to_vec()));
            return verdict;
        }
    }
    verdict
}

/// The next frame, as far as it is there; an error shows at the byte that makes it one.
fn parse(role: Role, bytes: &[u8]) -> Result<Option<Frame>, u16> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (fin, rsv, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0F);
    let rsv_allowed = if matches!(opcode, 1 | 2) { 0x40 } else { 0 };
    if !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10) || rsv & !rsv_allowed != 0 || (opcode >= 8 && !fin)
    {
        return Err(1002);
    }
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    let (masked, short) = (second & 0x80 != 0, second & 0x7F);
    if masked != (role == Role::Server) || (opcode >= 8 && short > 125) {
        return Err(1002);
    }
    let length_len = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    // The highest bit of a length shows before its other bytes are there.
    if length_len == 8 && bytes.get(2).is_some_and(|byte| byte & 0x80 != 0) {
        return Err(1002);
    }
    let Some(length) = bytes.get(2..2 + length_len) else { return Ok(None) };
    let long = length.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let declared = if length_len == 0 { u64::from(short) } else { long };
    let least = [0, 0, 126, 0, 0, 0, 0, 0, 65_536][length_len];
    if declared < least {
        return Err(1002);
    }
    if opcode < 8 && declared > CONFIG.limits.frame_bytes_max {
        return Err(1009);
    }
    let mut header_len = 2 + length_len;
    let mut key = [0; 4];
    if masked {
        let Some(found) = bytes.get(header_len..header_len + 4) else { return Ok(None) };
        key.copy_from_slice(found);
        header_len += 4;
    }
    let there = (declared as usize).min(bytes.len() - header_len);
    let payload = bytes[header_len..header_len + there].iter().zip(key.iter().cycle());
    let payload = payload.map(|(byte, key)| byte ^ key).collect();
    Ok(Some(Frame { fin, rsv1: rsv != 0, opcode, header_len, declared, payload }))
}

/// A message under way: its kind, whether it is compressed, what arrived, and its account.
struct UnderWay {
    kind: Kind,
    compressed: bool,
    payload: Vec<u8>,
    declared: u64,
    frames: u32,
    overhead: usize,
}

fn data(frame: &Frame, message: &mut Option<UnderWay>, verdict: &mut Verdict) -> Result<(), u16> {
    let mut current = match (message.take(), frame.opcode) {
        (None, 0) | (Some(_), 1 | 2) => return Err(1002),
        (Some(current), _) => current,
        (None, opcode) => UnderWay {
            kind: if opcode == 1 { Kind::Text } else { Kind::Binary },
            compressed: frame.rsv1,
            payload: vec![],
            declared: 0,
            frames: 0,
            overhead: 0,
        },
    };
    current.declared += frame.declared;
    current.frames += 1;
    current.overhead += frame.header_len;
    if current.frames > 1 {
        if current.declared > CONFIG.limits.message_bytes_max {
            return Err(1009);
        }
        let overhead_max = CONFIG.limits.overhead_bytes_max as usize;
        if current.frames > CONFIG.limits.fragments_max || current.overhead > overhead_max {
            return Err(1008);
        }
    }
    current.payload.extend(&frame.payload);
    let frame_ends = frame.payload.len() as u64 == frame.declared;
    let ends = frame.fin && frame_ends;
    if current.kind == Kind::Text && !current.compressed {
        match core::str::from_utf8(&current.payload) {
            Ok(_) => {}
            // The text may go on where it is merely unfinished.
            Err(error) if error.error_len().is_none() && !ends => {}
            Err(_) => return Err(1007),
        }
    }
    if ends {
        let UnderWay { kind, compressed, payload, .. } = current;
        verdict.heard.push(Heard::Message { kind, compressed, payload });
    } else {
        *message = Some(current);
    }
    Ok(())
}

fn control(frame: &Frame, verdict: &mut Verdict) -> Result<(), u16> {
    if (frame.payload.len() as u64) < frame.declared {
        return Ok(());
    }
    let payload = frame.payload.clone();
    match frame.opcode {
        9 => {
            verdict.heard.push(Heard::Ping(payload.clone()));
            verdict.said.push((10, payload));
        }
        10 => verdict.heard.push(Heard::Pong(payload)),
        _ => {
            let heard = match payload[..] {
                [] => None,
                [_] => return Err(1002),
                [high, low, ref text @ ..] => {
                    let code = u16::from_be_bytes([high, low]);
                    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                        return Err(1002);
                    }
                    core::str::from_utf8(text).map_err(|_| 1007_u16)?;
                    Some((CloseCode::new(code), text.to_vec()))
                }
            };
            verdict.said.push((8, payload));
            verdict.heard.push(Heard::Close(heard));
            verdict.closed = true;
        }
    }
    Ok(())
}
