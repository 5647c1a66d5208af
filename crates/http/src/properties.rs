//! Properties that hold for every input, as plain functions that panic where one does not hold.
#![allow(missing_docs, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{HeaderLine, Headers, QueryPairs, Target, grammar};

/// The parts of an accepted target make up the original text, which is visible ASCII only.
pub fn target_round_trip(text: &str) {
    let Some(target) = Target::origin(text) else { return };
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(format!("{}{query}", target.path()), text);
    assert!(text.starts_with('/') && !target.path().contains('?'));
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    let absolute = Target::absolute("http", "a", text).unwrap();
    assert_eq!((absolute.path(), absolute.query()), (target.path(), target.query()));
}

/// `Headers::elements` agrees with a parser that reads byte by byte, and `has_token` finds every
/// element.
pub fn elements_match_oracle(values: &[&[u8]]) {
    let lines: Vec<_> = values.iter().map(|value| HeaderLine { name: b"L", value }).collect();
    let headers = Headers::new(&lines);
    let found: Vec<_> = headers.elements("l").collect();
    let expected: Vec<_> = values.iter().flat_map(|value| elements_oracle(value)).collect();
    assert_eq!(found, expected);
    for element in &found {
        let Ok(text) = core::str::from_utf8(element) else { continue };
        assert!(headers.has_token("l", text));
    }
    assert_eq!(headers.tokens("l").count(), found.iter().filter(|it| !it.is_empty()).count());
}

fn elements_oracle(value: &[u8]) -> Vec<Vec<u8>> {
    let (mut elements, mut element) = (Vec::new(), Vec::new());
    let mut bytes = grammar::trim_ows(value).iter().copied();
    let mut quoted = false;
    while let Some(byte) = bytes.next() {
        if byte == b',' && !quoted {
            elements.push(core::mem::take(&mut element));
            continue;
        }
        element.push(byte);
        if byte == b'"' {
            quoted = !quoted;
        }
        if byte == b'\\' && quoted {
            element.extend(bytes.next());
        }
    }
    elements.push(element);
    elements.iter().map(|element| grammar::trim_ows(element).to_vec()).collect()
}

/// Pairs that were escaped are read back, whatever they hold.
pub fn query_round_trip(pairs: &[(&str, &str)]) {
    let query: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    let query = query.join("&");
    let read: Vec<_> = QueryPairs::new(&query).collect();
    let read: Vec<_> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(read, pairs);
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Any query can be read, and what is decoded is no longer than three times the query.
pub fn query_is_bounded(query: &str) {
    let decoded: usize = QueryPairs::new(query).map(|(name, value)| name.len() + value.len()).sum();
    assert!(decoded <= 3 * query.len());
}
