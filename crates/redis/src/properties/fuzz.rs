//! The properties as fuzz targets: bytes read as the arguments of each.

use super::{commands_round_trip, replies_equal_oracle, replies_stay_within};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] =
    &[("redis_replies", redis_replies), ("redis_commands", redis_commands)];

/// The bound in units of 4 bytes, and two lengths of pieces. Then the reply.
pub fn redis_replies(data: &[u8]) {
    let Some(([bound, cuts @ ..], reply)) = data.split_first_chunk::<3>() else { return };
    replies_equal_oracle(reply, cuts);
    replies_stay_within(reply, cuts, usize::from(*bound) * 4);
}

/// Words, with lines between them.
pub fn redis_commands(data: &[u8]) {
    let words: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    commands_round_trip(&words);
}
