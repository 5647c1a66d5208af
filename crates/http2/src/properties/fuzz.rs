//! The fuzz targets. Each reads its bytes as its documentation says.

use super::{
    frame_from_script, frame_is_itself, limits_hold, split_changes_nothing, two_ends_agree,
    wire_from_script,
};
use crate::Role;

/// A name and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("http2_frames", http2_frames),
    ("http2_server", http2_server),
    ("http2_client", http2_client),
    ("http2_two_ends", http2_two_ends),
];

/// Frames one after the other: a byte that says how long the script of each is.
pub fn http2_frames(mut data: &[u8]) {
    while let Some((&len, rest)) = data.split_first() {
        let (script, rest) = rest.split_at(rest.len().min(usize::from(len)));
        data = rest;
        let (head, payload) = frame_from_script(script);
        frame_is_itself(head, payload);
    }
}

/// A server that reads anything. See `connection`.
pub fn http2_server(data: &[u8]) {
    connection(Role::Server, data);
}

/// A client that reads anything. See `connection`.
pub fn http2_client(data: &[u8]) {
    connection(Role::Client, data);
}

/// A byte: whether a script of frames follows (odd) or bytes as they come (even), and in how many bytes
/// they come.
fn connection(role: Role, data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    let wire;
    let bytes = if kind & 1 == 0 {
        rest
    } else {
        wire = wire_from_script(role, rest);
        &wire
    };
    split_changes_nothing(role, bytes, &[kind, 1, 13]);
    limits_hold(role, bytes);
}

/// A client and a server: the windows of both, then two bytes for each thing that happens.
pub fn http2_two_ends(data: &[u8]) {
    two_ends_agree(data);
}
