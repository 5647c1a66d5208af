//! Masked frames in, unmasked payloads out.

use std::hint::black_box;

use sockeye_frame::{Decoder, Opcode, Role, Rsv, Rules};

use crate::counting::counted;
use crate::inputs::{ascii, masked_frame};

const ROUNDS: u64 = 20;
const RECORDING_BYTES: usize = 128 * 1024;

/// Frames of `len` bytes, in reads of so many bytes.
pub(super) fn decode(len: usize, read_bytes: usize) -> u64 {
    let frame = masked_frame(Opcode::Binary, &ascii(len));
    let count = (RECORDING_BYTES / frame.len()).max(4);
    let recording = frame.repeat(count);
    let mut buffer = recording.clone();
    let rules = Rules { role: Role::Server, rsv: Rsv::NONE, payload_len_max: 1 << 20 };
    let mut decoder = Decoder::new(rules);
    let mut frames = 0;
    for _ in 0..ROUNDS {
        buffer.copy_from_slice(&recording);
        frames += counted(|| run(&mut decoder, &mut buffer, read_bytes));
    }
    assert_eq!(frames, ROUNDS * count as u64);
    frames
}

fn run(decoder: &mut Decoder, buffer: &mut [u8], read_bytes: usize) -> u64 {
    let mut frames = 0;
    for mut input in buffer.chunks_mut(read_bytes) {
        while let Some(chunk) = decoder.next(&mut input).expect("legal frames") {
            frames += u64::from(chunk.is_last());
            black_box(chunk.payload);
        }
    }
    frames
}
