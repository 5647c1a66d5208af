//! The properties as fuzz targets: bytes read as the arguments of each.
//!
//! Small arguments stand at the front in a fixed number of bytes, so that what follows them can
//! be any capture. An input that is too short for them says nothing.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::{HeadEnd, Limits, Persistence, properties};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[
    ("request_head", request_head),
    ("response_head", response_head),
    ("chunked", chunked),
    ("http_writing", http_writing),
];

/// Two limits and two cuts; then a request.
pub fn request_head(data: &[u8]) {
    let Some((args, bytes)) = data.split_first_chunk() else { return };
    head_end(*args, bytes);
    let end = HeadEnd::new().find(bytes, &Limits::DEFAULT).ok().flatten();
    properties::parsed_request_is_unambiguous(&bytes[..end.unwrap_or(bytes.len())]);
}

/// Two limits and two cuts; then a response.
pub fn response_head(data: &[u8]) {
    let Some((args, bytes)) = data.split_first_chunk() else { return };
    head_end(*args, bytes);
    let end = HeadEnd::for_response().find(bytes, &Limits::DEFAULT).ok().flatten();
    properties::parsed_response_answers(&bytes[..end.unwrap_or(bytes.len())]);
}

fn head_end([line, headers, cuts @ ..]: [u8; 4], bytes: &[u8]) {
    let tight = Limits {
        head_bytes_max: usize::from(line) * 4,
        headers_max: usize::from(headers),
        line_bytes_max: usize::from(line),
        target_bytes_max: usize::from(line),
    };
    let singly = vec![1; bytes.len()];
    for limits in [tight, Limits::DEFAULT] {
        properties::head_end_is_split_independent(bytes, &cuts, &limits);
        properties::head_end_is_split_independent(bytes, &singly, &limits);
    }
    properties::head_end_matches_oracle(bytes);
}

/// Four cuts; then a chunked body, which is also taken for the data of one.
pub fn chunked(data: &[u8]) {
    let Some((cuts, bytes)) = data.split_first_chunk::<4>() else { return };
    properties::chunked_is_split_independent(bytes, cuts);
    properties::chunked_is_split_independent(bytes, &vec![1; bytes.len()]);
    properties::chunked_matches_oracle(bytes);
    properties::chunked_round_trip(bytes, cuts, &[cuts[3], cuts[2], cuts[1]]);
}

/// A status code and how the connection goes on; then parts between bytes 0xFF: method, target,
/// host, body, and header names with their values.
pub fn http_writing(data: &[u8]) {
    let Some(([high, low, connection], text)) = data.split_first_chunk() else { return };
    let mut parts = text.split(|&byte| byte == 0xFF);
    let mut part = || parts.next().unwrap_or_default();
    let [method, target, host] = [(); 3].map(|()| String::from_utf8_lossy(part()));
    let body = part();
    let parts: Vec<_> = parts.collect();
    let name_and_value =
        |pair: &[&'_ [u8]]| (String::from_utf8_lossy(pair[0]).into(), pair[1].to_vec());
    let headers: Vec<(String, Vec<u8>)> = parts.chunks_exact(2).map(name_and_value).collect();
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let connection = match connection % 3 {
        0 => Persistence::Persist,
        1 => Persistence::KeepAlive,
        _ => Persistence::Close,
    };
    let code = u16::from_be_bytes([*high, *low]);
    properties::response_round_trip(code, &headers, connection, body);
    properties::request_round_trip([&method, &target, &host], &headers, body);
}
