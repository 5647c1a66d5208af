//! Messages of a WebSocket over TLS, there and back.

use std::io::{self, Read, Write};

use rustls::StreamOwned;

use super::{Client, Work};

const REQUEST: &[u8] = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// The program is the author of all payloads: any key does.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(super) fn run(work: &Work, client: &Client, bytes: usize) -> io::Result<()> {
    let (session, stream) = client.connect(work.port)?;
    let mut stream = StreamOwned::new(session, stream);
    stream.write_all(REQUEST)?;
    if !head(&mut stream)?.starts_with(b"HTTP/1.1 101") {
        return Err(io::Error::other("the WebSocket is refused"));
    }
    work.begin();
    // Other bytes each time, so that an echo of the message before is noticed.
    let mut payload = vec![0; bytes];
    let mut answer = vec![0; frame_head(bytes, false).len() + bytes];
    let mut number = 0_u64;
    while work.goes_on() {
        number += 1;
        payload[..8].copy_from_slice(&number.to_be_bytes());
        stream.write_all(&masked(&payload))?;
        stream.read_exact(&mut answer)?;
        if answer != [&*frame_head(bytes, false), &payload].concat() {
            return Err(io::Error::other("an echo is another message"));
        }
        work.count();
    }
    Ok(())
}

/// Reads a head, and nothing behind it.
fn head(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

/// The first bytes of a binary message in one frame, of up to 64 KiB.
fn frame_head(len: usize, is_masked: bool) -> Vec<u8> {
    let mask = u8::from(is_masked) << 7;
    match u8::try_from(len) {
        Ok(short @ 0..=125) => vec![0x82, mask | short],
        _ => {
            let [high, low] = u16::try_from(len).expect("short").to_be_bytes();
            vec![0x82, mask | 126, high, low]
        }
    }
}

fn masked(payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_head(payload.len(), true);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_length_of_its_payload() {
        assert_eq!(frame_head(16, false), [0x82, 16]);
        assert_eq!(frame_head(1_024, true), [0x82, 0xfe, 4, 0]);
        assert_eq!(masked(&MASK), [0x82, 0x84, 0x37, 0xfa, 0x21, 0x3d, 0, 0, 0, 0]);
    }
}
