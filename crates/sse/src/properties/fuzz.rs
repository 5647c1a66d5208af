//! The properties as fuzz targets: bytes read as the arguments of each.
//!
//! Small arguments stand at the front in a fixed number of bytes, so that what follows them can
//! be any capture. An input that is too short for them says nothing.

use alloc::string::String;

use super::{agrees_with_oracle, round_trips, stays_within_limit};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[("sse_parser", sse_parser), ("sse_encoder", sse_encoder)];

/// Limit of bytes held, three cuts; then a stream.
pub fn sse_parser(data: &[u8]) {
    let Some(([bytes_held_max, cuts @ ..], stream)) = data.split_first_chunk::<4>() else {
        return;
    };
    agrees_with_oracle(stream, cuts);
    stays_within_limit(stream, cuts, usize::from(*bytes_held_max));
}

/// The reconnection time; then name, id, data and comment, parted by bytes 0xFF.
pub fn sse_encoder(data: &[u8]) {
    let Some((retry_ms, texts)) = data.split_first_chunk() else { return };
    let mut texts = texts.splitn(4, |&byte| byte == 0xFF);
    let [name, id, data, comment] =
        [(); 4].map(|()| String::from_utf8_lossy(texts.next().unwrap_or_default()));
    round_trips(&name, &id, u64::from_be_bytes(*retry_ms), &data, &comment);
}
