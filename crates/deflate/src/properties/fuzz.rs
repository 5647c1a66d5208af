//! The properties as fuzz targets: bytes read as the arguments of each.
//!
//! Small arguments stand at the front in a fixed number of bytes. An input that is too short for
//! them says nothing.

use alloc::string::String;
use alloc::vec::Vec;

use super::offers;
use crate::properties;

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[
    ("inflate", inflate),
    ("deflate_messages", deflate_messages),
    ("deflate_sessions", deflate_sessions),
    ("deflate_offers", deflate_offers),
    ("gzip_streams", gzip_streams),
];

/// So many bytes of a seed are used: each four become a message of up to 64 KiB.
const SEED_BYTES_MAX: usize = 24;

/// Parameters, limit of a message's bytes; then messages, each after its length in a byte.
pub fn inflate(data: &[u8]) {
    let Some(([number, high, low], messages)) = data.split_first_chunk() else { return };
    properties::inflate_any(*number, u64::from(u16::from_be_bytes([*high, *low])), messages);
}

/// Parameters, level, which messages go uncompressed; then messages, parted by bytes 0xFF.
pub fn deflate_messages(data: &[u8]) {
    let Some(([number, level, plain @ ..], rest)) = data.split_first_chunk::<4>() else { return };
    let messages: Vec<_> = rest.split(|&byte| byte == 0xFF).map(<[u8]>::to_vec).collect();
    properties::messages_round_trip(*number, *level, plain, &messages);
}

/// Parameters, level, which messages go uncompressed; then a seed of messages, larger than
/// [`deflate_messages`] can have them.
pub fn deflate_sessions(data: &[u8]) {
    let Some(([number, level, plain @ ..], seed)) = data.split_first_chunk::<4>() else { return };
    let seed = seed.get(..SEED_BYTES_MAX).unwrap_or(seed);
    match level / 10 % 4 {
        0 => properties::round_trip(*number, *level % 10, plain, seed),
        1 => properties::sessions_do_not_mix(seed),
        2 => properties::shared_messages(*number, seed),
        _ => properties::like_a_private_stream(*number, *level % 10, seed),
    }
}

/// Our configuration in three bytes; then the parameters that the other side names, as they
/// stand in the header.
pub fn deflate_offers(data: &[u8]) {
    let Some(([own, server_bits, client_bits], text)) = data.split_first_chunk() else { return };
    let text = String::from_utf8_lossy(text);
    offers::offer_gets_what_it_permits(&text, *own, [*server_bits, *client_bits]);
    offers::response_gets_what_was_offered(&text, *own, [*server_bits, *client_bits]);
}

/// Level, least length; a seed of texts, after its length in a byte; the texts of each stream.
pub fn gzip_streams(data: &[u8]) {
    let Some(([level, least, len], rest)) = data.split_first_chunk() else { return };
    let Some((seed, picks)) = rest.split_at_checked(usize::from(*len)) else { return };
    let (seed, picks) =
        (seed.get(..SEED_BYTES_MAX).unwrap_or(seed), picks.get(..64).unwrap_or(picks));
    properties::gzip::streams(*level, *least, seed, picks);
}
