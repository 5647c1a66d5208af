//! A proxy that reads frames with `sockeye-frame` alone: it looks at every header, masks every
//! frame anew with a key of its own, refuses what the peer behind it should never see, and passes
//! payloads on as they arrive, in the buffer they arrived in. A gigabyte in one frame costs it as
//! much memory as a greeting: 40 bytes of decoder.
//!
//! `cargo run -p sockeye-examples --example frame_proxy`

use std::error::Error;
use std::io::{self, Write};

use sockeye_frame::{
    CloseFrame, Decoder, Header, MaskKey, Opcode, Role, Rsv, Rules, Utf8Validator, apply_mask,
};

/// The rules for the client's frames. To the client the proxy is the server; the reserved bit of
/// permessage-deflate passes through, since nobody here looks inside a message.
const FROM_CLIENT: Rules = Rules { role: Role::Server, rsv: Rsv::RSV1, payload_len_max: 16 << 20 };

/// One direction of a connection: from the client to the server behind the proxy.
struct Upstream<W, K> {
    decoder: Decoder,
    server: W,
    /// Draws the key of the next frame. To the server the proxy is the client, and it does not
    /// lend its name to keys that somebody else chose (RFC 6455 §10.3).
    next_key: K,
    key: MaskKey,
    tally: Tally,
}

/// The count of passed frames, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    messages: u64,
    fragments: u64,
    controls: u64,
    payload_bytes: u64,
}

impl<W: Write, K: FnMut() -> MaskKey> Upstream<W, K> {
    fn new(server: W, mut next_key: K) -> Self {
        let key = next_key();
        Self { decoder: Decoder::new(FROM_CLIENT), server, next_key, key, tally: Tally::default() }
    }

    /// Passes on what arrived from the client, which is left masked for the server.
    ///
    /// If the client breaks a rule of framing, the server hears a Close instead of what broke it,
    /// and the error has the code that the client is to be told.
    fn relay(&mut self, received: &mut [u8]) -> io::Result<Result<(), sockeye_frame::Error>> {
        let mut input = received;
        loop {
            let chunk = match self.decoder.next(&mut input) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return self.hang_up(error).map(|()| Err(error)),
            };
            if chunk.is_first() {
                self.key = (self.next_key)();
                self.tally.count(&chunk.header);
                let header = Header { mask: Some(self.key), ..chunk.header };
                self.server.write_all(&header.encode())?;
            }
            apply_mask(chunk.payload, self.key, chunk.offset);
            self.server.write_all(chunk.payload)?;
        }
    }

    /// Ends the server's side with a Close. Framing goes wrong only in headers, hence between two
    /// frames that were passed on, where a Close has its place.
    fn hang_up(&mut self, error: sockeye_frame::Error) -> io::Result<()> {
        let close = CloseFrame::new(error.close_code(), "refused by the proxy");
        let close = close.map_err(io::Error::other)?;
        let (mut payload, key) = (close.encode().to_vec(), (self.next_key)());
        let payload_len = payload.len() as u64;
        let header = Header {
            fin: true,
            rsv: Rsv::NONE,
            opcode: Opcode::Close,
            mask: Some(key),
            payload_len,
        };
        apply_mask(&mut payload, key, 0);
        self.server.write_all(&header.encode())?;
        self.server.write_all(&payload)
    }
}

impl Tally {
    fn count(&mut self, header: &Header) {
        match header.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => self.controls += 1,
            Opcode::Text | Opcode::Binary | Opcode::Continuation => self.fragments += 1,
        }
        self.messages += u64::from(header.fin && !header.opcode.is_control());
        self.payload_bytes += header.payload_len;
    }
}

/// A frame as the client sends it.
fn frame(opcode: Opcode, fin: bool, key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let key = MaskKey::new(key);
    let payload_len = payload.len() as u64;
    let header = Header { fin, rsv: Rsv::NONE, opcode, mask: Some(key), payload_len };
    let mut bytes = header.encode().to_vec();
    let header_len = bytes.len();
    bytes.extend_from_slice(payload);
    apply_mask(&mut bytes[header_len..], key, 0);
    bytes
}

/// The input of the server behind the proxy: the texts' bytes, and the last Close.
fn read(mut wire: Vec<u8>) -> Result<(String, Option<u16>), Box<dyn Error>> {
    let mut decoder = Decoder::new(FROM_CLIENT);
    let (mut utf8, mut text, mut closed) = (Utf8Validator::new(), Vec::new(), None);
    let mut input = &mut wire[..];
    while let Some(chunk) = decoder.next(&mut input)? {
        match chunk.header.opcode {
            Opcode::Text | Opcode::Continuation => {
                utf8.push(chunk.payload)?;
                text.extend_from_slice(chunk.payload);
            }
            Opcode::Close => {
                closed = CloseFrame::decode(chunk.payload)?.map(|it| it.code().to_u16());
            }
            Opcode::Binary | Opcode::Ping | Opcode::Pong => {}
        }
    }
    Ok((String::from_utf8(text)?, closed))
}

fn main() -> Result<(), Box<dyn Error>> {
    let verse = "東風, the salmon climb against it. ".repeat(3000);
    let mut client = Vec::new();
    client.extend(frame(Opcode::Text, false, *b"abcd", &verse.as_bytes()[..100_000]));
    client.extend(frame(Opcode::Ping, true, *b"efgh", b"still there?"));
    client.extend(frame(Opcode::Continuation, true, *b"ijkl", &verse.as_bytes()[100_000..]));
    // A control frame in two parts is against RFC 6455 §5.5.
    client.extend(frame(Opcode::Ping, false, *b"mnop", b""));

    // A real proxy draws its keys from the system's entropy.
    let mut drawn = 0_u32;
    let next_key = || {
        drawn += 1;
        MaskKey::new(drawn.wrapping_mul(0x9E37_79B9).to_be_bytes())
    };
    let mut upstream = Upstream::new(Vec::new(), next_key);
    // One small buffer, which the network fills as it likes: three bytes, then eleven, then …
    let (mut rest, mut len, mut outcome) = (&client[..], 3, Ok(()));
    let mut buffer = [0; 1460];
    while !rest.is_empty() && outcome.is_ok() {
        let (now, later) = rest.split_at(len.min(rest.len()));
        buffer[..now.len()].copy_from_slice(now);
        outcome = upstream.relay(&mut buffer[..now.len()])?;
        (rest, len) = (later, (len * 11 + 7) % buffer.len());
    }

    println!("passed on: {:?}", upstream.tally);
    println!("then: {outcome:?}");
    let payload_bytes = (verse.len() + b"still there?".len()) as u64;
    let tally = Tally { messages: 1, fragments: 2, controls: 1, payload_bytes };
    assert_eq!((upstream.tally, outcome), (tally, Err(sockeye_frame::Error::ControlFragmented)));
    assert_eq!(read(upstream.server)?, (verse, Some(1002)));
    assert_eq!(size_of::<Decoder>(), 40);
    Ok(())
}

#[test]
fn ends_well() -> Result<(), Box<dyn Error>> {
    main()
}
