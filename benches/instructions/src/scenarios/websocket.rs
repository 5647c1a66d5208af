//! A connection that receives and sends back, without a server around it.

use sockeye_frame::Opcode;
use sockeye_websocket::{Config, Connection, Event};

use crate::counting::counted;
use crate::inputs::{ascii, masked_frame, mixed};

const ROUNDS: u64 = 20;
const READ_BYTES: usize = 64 * 1024;

pub(super) fn echo_binary(len: usize) -> u64 {
    echo(&masked_frame(Opcode::Binary, &ascii(len)))
}

/// Text in characters of one to four bytes, which is checked on the way.
pub(super) fn echo_text(len: usize) -> u64 {
    echo(&masked_frame(Opcode::Text, &mixed(len)))
}

fn echo(frame: &[u8]) -> u64 {
    let count = READ_BYTES / frame.len();
    let recording = frame.repeat(count);
    let mut connection = Connection::server(&Config::default());
    let (mut buffer, mut out) = (recording.clone(), Vec::new());
    run(&mut connection, &mut buffer, &mut out);
    let mut messages = 0;
    for _ in 0..ROUNDS {
        buffer.copy_from_slice(&recording);
        out.clear();
        messages += counted(|| run(&mut connection, &mut buffer, &mut out));
    }
    assert_eq!(messages, ROUNDS * count as u64);
    messages
}

fn run(connection: &mut Connection, mut input: &mut [u8], out: &mut Vec<u8>) -> u64 {
    let mut messages = 0;
    while let Some(event) = connection.receive(&mut input, out).expect("legal frames") {
        if let Event::Message(message) = event {
            connection.send(message, out).expect("the connection is open");
            messages += 1;
        }
    }
    messages
}
