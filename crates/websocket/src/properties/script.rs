//! Arbitrary bytes read as instructions, because arbitrary frames rarely get past their headers.

use alloc::vec::Vec;

use super::{Heard, Listener, connection, listen, message, pieces};
use crate::{Compression, Config, Connection, Fin, Kind, Limits, Role};

/// Writes the frames of a peer that mostly keeps to the rules. Three bytes make a frame: what it
/// is, how long it is, what it contains.
pub fn wire_from_script(role: Role, script: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut under_way = None;
    for step in script.chunks_exact(3) {
        let [what, len, fill] = [step[0], step[1], step[2]];
        let (mut first, payload) = frame(what, len, fill, &mut under_way);
        if len == 255 {
            // A rule is broken, or nearly.
            first ^= fill;
        }
        let key = (role == Role::Server).then_some([fill, len, 0, 7]);
        write_frame(first, &payload, key, &mut wire);
    }
    wire
}

/// The first byte and the payload of a frame that fits what is `under_way`: the kind of a message
/// and how far its text has come.
fn frame(what: u8, len: u8, fill: u8, under_way: &mut Option<(u8, usize)>) -> (u8, Vec<u8>) {
    let opcode = match what & 15 {
        0..=11 => 1 + what % 2,
        12 | 13 => 9,
        14 => 10,
        _ => 8,
    };
    if opcode >= 8 {
        return (0x80 | opcode, control_payload(opcode, len, fill));
    }
    // Rarely, the sequence is wrong.
    let start = under_way.is_none() != (len == 254);
    let (kind, mut at) = under_way.take().unwrap_or((opcode, 0));
    let mut first = if start { kind } else { 0 };
    if what >= 224 && start {
        first |= 0x40;
    }
    let fin = what & 0x30 == 0x30;
    let len =
        if len >= 240 { usize::from(len) + usize::from(fill & 63) } else { usize::from(len % 20) };
    let mut payload: Vec<u8> = TEXT.bytes().cycle().skip(at).take(len).collect();
    at = (at + len) % TEXT.len();
    if fin && !TEXT.is_char_boundary(at) && fill < 230 {
        let rest = TEXT.bytes().cycle().skip(at).take_while(|byte| byte & 0xC0 == 0x80);
        payload.extend(rest);
    }
    if let (Some(byte), 245..) = (payload.first_mut(), fill) {
        *byte ^= fill;
    }
    if !fin {
        *under_way = Some((kind, at));
    }
    (if fin { 0x80 | first } else { first }, payload)
}

const TEXT: &str = "aé€🐟z";

fn control_payload(opcode: u8, len: u8, fill: u8) -> Vec<u8> {
    let code = [1000, 1001, 1005, 3000, 4999, 1012][usize::from(fill % 6)];
    let close: Vec<u8> = u16::to_be_bytes(code).into_iter().chain(*b"because").collect();
    match (opcode, fill) {
        (8, 0..=239) => close[..usize::from(len).min(close.len())].to_vec(),
        (_, _) => (0..len % 30).map(|at| fill ^ at).collect(),
    }
}

/// Writes a frame of less than 64 KiB, masked if there is a key.
pub(super) fn write_frame(first: u8, payload: &[u8], key: Option<[u8; 4]>, wire: &mut Vec<u8>) {
    let mask = if key.is_some() { 0x80 } else { 0 };
    wire.push(first);
    if payload.len() < 126 {
        wire.push(mask | payload.len() as u8);
    } else {
        wire.push(mask | 126);
        wire.extend((payload.len() as u16).to_be_bytes());
    }
    wire.extend(key.iter().flatten());
    let key = key.unwrap_or_default();
    wire.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Whatever one end sends, in whatever fragments and with whatever control frames in between, the
/// other end hears, however the bytes are cut; then they close, cleanly.
pub fn conversation_survives(sender: Role, script: &[u8], cuts: &[u8]) {
    let limits =
        Limits { fragments_max: u32::MAX, overhead_bytes_max: u32::MAX, ..Limits::DEFAULT };
    let config = Config { limits, compression: Compression::PerMessageDeflate };
    let receiver = match sender {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    };
    let (mut from, mut to) = (connection(sender, &config), connection(receiver, &config));
    let mut wire = Vec::new();
    let expected = speak(&mut from, script, &mut wire);
    let closed = from.close(None, &mut wire);
    assert_eq!(closed, Ok(()), "an open connection can be closed");

    let mut listener = Listener::default();
    let mut answers = Vec::new();
    for mut input in pieces(&mut wire, cuts) {
        let heard = listen(&mut to, &mut input, &mut answers, &mut listener);
        assert_eq!(heard, Ok(()));
    }
    assert_eq!(listener.heard.pop(), Some(Heard::Close(None)));
    assert_eq!(listener.heard, expected);

    let mut pongs = Listener::default();
    let mut input = &mut answers[..];
    assert_eq!(listen(&mut from, &mut input, &mut Vec::new(), &mut pongs), Ok(()));
    assert!(to.expects_eof() && from.expects_eof());
    assert!(to.receive_eof().clean && from.receive_eof().clean);
}

/// Sends what the script says; returns what should be heard.
fn speak(from: &mut Connection, script: &[u8], wire: &mut Vec<u8>) -> Vec<Heard> {
    let mut expected = Vec::new();
    for (n, step) in script.chunks_exact(2).enumerate() {
        let payload: Vec<u8> = (0..usize::from(step[1]) * 2).map(|at| (at * n) as u8).collect();
        let payload = payload.iter().map(|byte| byte & 0x7F).collect::<Vec<_>>();
        let kind = if step[0] & 8 == 0 { Kind::Text } else { Kind::Binary };
        let control = &payload[..payload.len().min(125)];
        let mut compressed = false;
        let sent = match step[0] & 7 {
            0 => {
                expected.push(Heard::Ping(control.to_vec()));
                from.ping(control, wire)
            }
            1 => {
                expected.push(Heard::Pong(control.to_vec()));
                from.pong(control, wire)
            }
            2 => {
                compressed = true;
                from.send_compressed(kind, &payload, wire)
            }
            3 => from.send(message(kind, &payload), wire),
            parts => {
                fragments(from, kind, &payload, usize::from(parts), &mut expected, wire);
                Ok(())
            }
        };
        assert_eq!(sent, Ok(()));
        if step[0] & 7 > 1 {
            expected.push(Heard::Message { kind, compressed, payload });
        }
    }
    expected
}

/// Sends a message in so many fragments, with a Ping before each.
fn fragments(
    from: &mut Connection,
    kind: Kind,
    payload: &[u8],
    parts: usize,
    expected: &mut Vec<Heard>,
    wire: &mut Vec<u8>,
) {
    let len = payload.len().div_ceil(parts);
    for part in 0..parts {
        let range = (part * len).min(payload.len())..((part + 1) * len).min(payload.len());
        let fin = if part + 1 == parts { Fin::Final } else { Fin::More };
        let pinged = from.ping(&[part as u8], wire);
        assert_eq!(pinged, Ok(()));
        expected.push(Heard::Ping(alloc::vec![part as u8]));
        let Ok(start) = from.begin(kind, range.len() as u64, fin) else {
            panic!("an open connection can send");
        };
        wire.extend_from_slice(start.header());
        let at = wire.len();
        wire.extend_from_slice(&payload[range]);
        start.apply_mask(&mut wire[at..], 0);
    }
}
