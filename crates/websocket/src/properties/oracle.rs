//! The rules of a connection once more, as plainly as possible, over the frames that the oracle of
//! `sockeye-frame` reads.

use alloc::vec;
use alloc::vec::Vec;

use sockeye_frame::properties::read_naively;
use sockeye_frame::{Header, Opcode, Rsv, Rules};

use super::script::write_frame;
use super::{CONFIG, Heard, KEY, Outcome, connection, converse};
use crate::{CloseCode, FrameError, Kind, Role};

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
    let key = (role == Role::Client).then_some(KEY);
    let mut expected = Vec::new();
    for (opcode, payload) in verdict.said {
        let is_pong = opcode == 0xA;
        if !is_pong || expected.len() < CONFIG.limits.replies_bytes_max {
            write_frame(0x80 | opcode, &payload, key, &mut expected);
        }
    }
    assert_eq!(said, expected);
}

/// A frame: its header, and the part of its payload that has arrived, unmasked.
type Frame = (Header, Vec<u8>);

fn judge(role: Role, bytes: &[u8]) -> Verdict {
    let mut verdict = Verdict::default();
    if let Err(code) = read(role, bytes, &mut verdict) {
        verdict.failed = Some(code);
        verdict.said.push((8, code.to_be_bytes().to_vec()));
    }
    verdict
}

fn read(role: Role, bytes: &[u8], verdict: &mut Verdict) -> Result<(), u16> {
    let payload_len_max = CONFIG.limits.frame_bytes_max;
    let seen = read_naively(bytes, Rules { role, rsv: Rsv::RSV1, payload_len_max });
    let mut message = None;
    for frame in &seen.frames {
        if frame.0.opcode.is_control() {
            control(frame, verdict)?;
        } else {
            data(frame, &mut message, verdict)?;
        }
        if verdict.closed {
            return Ok(());
        }
    }
    match seen.error {
        None => Ok(()),
        Some(FrameError::FrameTooBig) => Err(1009),
        Some(_) => Err(1002),
    }
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

fn data(
    (header, arrived): &Frame,
    message: &mut Option<UnderWay>,
    verdict: &mut Verdict,
) -> Result<(), u16> {
    let mut current = match (message.take(), header.opcode) {
        (None, Opcode::Continuation) | (Some(_), Opcode::Text | Opcode::Binary) => {
            return Err(1002);
        }
        (Some(current), _) => current,
        (None, opcode) => UnderWay {
            kind: if opcode == Opcode::Text { Kind::Text } else { Kind::Binary },
            compressed: header.rsv == Rsv::RSV1,
            payload: vec![],
            declared: 0,
            frames: 0,
            overhead: 0,
        },
    };
    let length_len = match header.payload_len {
        0..=125 => 0,
        126..=0xFFFF => 2,
        _ => 8,
    };
    current.declared += header.payload_len;
    current.frames += 1;
    current.overhead += 2 + length_len + header.mask.map_or(0, |_| 4);
    if current.frames > 1 {
        if current.declared > CONFIG.limits.message_bytes_max {
            return Err(1009);
        }
        let overhead_max = CONFIG.limits.overhead_bytes_max as usize;
        if current.frames > CONFIG.limits.fragments_max || current.overhead > overhead_max {
            return Err(1008);
        }
    }
    current.payload.extend(arrived);
    let ends = header.fin && arrived.len() as u64 == header.payload_len;
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

fn control((header, payload): &Frame, verdict: &mut Verdict) -> Result<(), u16> {
    if (payload.len() as u64) < header.payload_len {
        return Ok(());
    }
    let payload = payload.clone();
    match header.opcode {
        Opcode::Ping => {
            verdict.heard.push(Heard::Ping(payload.clone()));
            verdict.said.push((10, payload));
        }
        Opcode::Pong => verdict.heard.push(Heard::Pong(payload)),
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
