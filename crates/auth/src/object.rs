//! Parses the JSON objects of a token, and refuses those that two readers could understand differently.

use serde_json::{Map, Value};

use crate::{Claim, Refusal, base64url};

pub(crate) type Object = Map<String, Value>;

/// One of the first two parts of a token: an object in base64url.
///
/// # Errors
/// [`Refusal::TokenMalformed`] if it is not an object, or nests deeper than `depth_max`;
/// [`Claim::Twice`] if an object at any depth has two members of one name.
pub(crate) fn read(part: &str, depth_max: usize) -> Result<Object, Refusal> {
    let text = base64url::decode(part).ok_or(Refusal::TokenMalformed)?;
    let shape = Shape::of(&text);
    // [auth:jwt-depth]
    if shape.depth > depth_max {
        return Err(Refusal::TokenMalformed);
    }
    let object: Object = serde_json::from_slice(&text).map_err(|_| Refusal::TokenMalformed)?;
    // [auth:jwt-unique] RFC 7515 §4 and RFC 7519 §4: with duplicate members, two parsers could read
    // different values.
    if members(&object) != shape.members {
        return Err(Refusal::TokenClaims(Claim::Twice));
    }
    Ok(object)
}

/// The findings of a scan of a JSON text, which does not parse it.
struct Shape {
    depth: usize,
    /// Colons outside of strings: as many as objects have members.
    members: usize,
}

impl Shape {
    fn of(text: &[u8]) -> Self {
        let (mut shape, mut depth) = (Self { depth: 0, members: 0 }, 0_usize);
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => skip_string(&mut bytes),
                b'{' | b'[' => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b':' => shape.members += 1,
                _ => {}
            }
        }
        shape
    }
}

/// Skips to the end of a string. A character behind a backslash does not end it.
fn skip_string(bytes: &mut core::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// The members of an object and of all objects in it, whose nesting is bounded.
fn members(object: &Object) -> usize {
    object.len() + object.values().map(members_of_value).sum::<usize>()
}

fn members_of_value(value: &Value) -> usize {
    match value {
        Value::Object(object) => members(object),
        Value::Array(list) => list.iter().map(members_of_value).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
