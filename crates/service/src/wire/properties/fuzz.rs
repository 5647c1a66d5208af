//! The properties as fuzz targets: bytes read as the arguments of each.

use super::{
    bodies_are_read_or_refused, command_is_read_or_refused, controls_are_one, escapes_round_trip,
    json_arrives, target_is_decoded_or_refused, text_arrives,
};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this module.
pub const TARGETS: &[Target] = &[
    ("wire_command", wire_command),
    ("wire_body", wire_body),
    ("wire_payload", wire_payload),
    ("wire_target", wire_target),
];

/// A message of a client.
pub fn wire_command(data: &[u8]) {
    command_is_read_or_refused(data);
}

/// The body of a request that publishes.
pub fn wire_body(data: &[u8]) {
    bodies_are_read_or_refused(data);
}

/// A name, an ID and a text, parted by bytes 0xFF.
pub fn wire_payload(data: &[u8]) {
    let mut texts = data.splitn(3, |&byte| byte == 0xFF);
    let [name, id, text] =
        [(); 3].map(|()| String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned());
    text_arrives(&text, &name);
    json_arrives(&text);
    controls_are_one(&name, &id, &text);
}

/// A query, or a segment of a path.
pub fn wire_target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    target_is_decoded_or_refused(&text);
    escapes_round_trip(&text);
}
