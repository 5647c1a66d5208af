//! Prints the frames of a recorded byte stream, as a client's peer would read them.
//!
//! `cargo run -p sockeye-frame --example dump` shows a small recording; a file name reads one of
//! yours: the bytes that a client sent after its handshake.

use std::{env, error, fs};

use sockeye_frame::{CloseFrame, Decoder, Header, Opcode, Role, Rsv, Rules};

/// A client's bytes: a ping amid a fragmented text, a binary frame, a Close.
const RECORDING: &[u8] = &[
    0x01, 0x84, 0x37, 0xFA, 0x21, 0x3D, 0x44, 0x95, 0x42,
    0x56, // text "sock", to be continued
    0x89, 0x82, 0x01, 0x02, 0x03, 0x04, 0x69, 0x6B, // ping "hi"
    0x80, 0x83, 0x00, 0x00, 0x00, 0x00, 0x65, 0x79, 0x65, // its end "eye", under a zero key
    0x82, 0x80, 0xA1, 0xB2, 0xC3, 0xD4, // binary, empty
    0x88, 0x85, 0x00, 0xFF, 0x00, 0xFF, 0x03, 0x17, 0x62, 0x86, 0x65, // close 1000 "bye"
];

/// So little at a time that frames come in parts, as they do from a network.
const RECEIVE_LEN: usize = 7;

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut stream = match env::args_os().nth(1) {
        Some(path) => fs::read(path)?,
        None => RECORDING.to_vec(),
    };
    let rules = Rules { role: Role::Server, rsv: Rsv::RSV1, payload_len_max: 1 << 24 };
    let mut decoder = Decoder::new(rules);
    let mut payload = Vec::new();
    for mut received in stream.chunks_mut(RECEIVE_LEN) {
        while let Some(chunk) = decoder.next(&mut received)? {
            payload.extend_from_slice(chunk.payload);
            if chunk.is_last() {
                print(&chunk.header, &payload);
                payload.clear();
            }
        }
    }
    if !decoder.at_boundary() {
        println!("the recording ends inside a frame");
    }
    Ok(())
}

fn print(header: &Header, payload: &[u8]) {
    let fin = if header.fin { "" } else { ", to be continued" };
    println!("{:?}, {} bytes, {:?}{fin}", header.opcode, header.payload_len, header.rsv);
    match header.opcode {
        Opcode::Close => print_close(payload),
        Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Ping | Opcode::Pong => {
            println!("  {}", payload.escape_ascii());
        }
    }
}

fn print_close(payload: &[u8]) {
    match CloseFrame::decode(payload) {
        Ok(Some(frame)) => println!("  code {}, reason {:?}", frame.code(), frame.reason()),
        Ok(None) => println!("  no code"),
        Err(error) => println!("  {error}"),
    }
}
