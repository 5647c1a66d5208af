//! The fuzz targets. Each reads its bytes as its documentation says.

use super::{frame_from_script, frame_is_itself};

/// A name and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[("http2_frames", http2_frames)];

/// Frames one after the other: a byte that says how long the script of each is.
pub fn http2_frames(mut data: &[u8]) {
    while let Some((&len, rest)) = data.split_first() {
        let (script, rest) = rest.split_at(rest.len().min(usize::from(len)));
        data = rest;
        let (head, payload) = frame_from_script(script);
        frame_is_itself(head, payload);
    }
}
