//! The properties as fuzz targets: bytes read as the arguments of each.
//!
//! Small arguments stand at the front in a fixed number of bytes, so that what follows them can
//! be any capture. An input that is too short for them says nothing.

use alloc::vec::Vec;

use super::{
    agrees_with_oracle, conversation_survives, memory_follows_input, split_changes_nothing,
    wire_from_script,
};
use crate::Role;

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[
    ("server_conversation", server_conversation),
    ("client_conversation", client_conversation),
    ("two_ends", two_ends),
];

/// So many bytes of a script are used: enough to reach every limit.
const SCRIPT_BYTES_MAX: usize = 96;

/// Flags and three cuts; then what a client sends: frames, or a script for them (flag 2). Flag 1:
/// the server has begun to close.
pub fn server_conversation(data: &[u8]) {
    conversation(Role::Server, data);
}

/// The same for what a server sends to a client.
pub fn client_conversation(data: &[u8]) {
    conversation(Role::Client, data);
}

fn conversation(role: Role, data: &[u8]) {
    let Some(([flags, cuts @ ..], rest)) = data.split_first_chunk::<4>() else { return };
    let wire: Vec<u8> = match flags & 2 {
        0 => rest.to_vec(),
        _ => wire_from_script(role, start(rest)),
    };
    split_changes_nothing(role, flags & 1 != 0, &wire, cuts);
    agrees_with_oracle(role, &wire);
    memory_follows_input(role, &wire, cuts);
}

/// The sender, and three cuts; then a script of its messages.
pub fn two_ends(data: &[u8]) {
    let Some(([sender, cuts @ ..], script)) = data.split_first_chunk::<4>() else { return };
    let sender = if sender & 1 == 0 { Role::Server } else { Role::Client };
    conversation_survives(sender, start(script), cuts);
}

fn start(script: &[u8]) -> &[u8] {
    script.get(..SCRIPT_BYTES_MAX).unwrap_or(script)
}
