//! The form of payloads in a log on disk.

use serde::{Deserialize, Serialize};

use super::Limits;
use crate::payload::{Data, EventName, Payload};

/// Bounds on what is read back. It was checked when it was published, by bounds that a configuration may
/// have changed since.
const LIMITS: Limits = Limits { json_depth_max: usize::MAX, ..Limits::DEFAULT };

/// A payload as the log stores it, in JSON.
#[derive(Deserialize, Serialize)]
struct Kept<'k> {
    #[serde(borrow, skip_serializing_if = "Option::is_none", rename = "e")]
    event: Option<std::borrow::Cow<'k, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", rename = "t")]
    text: Option<std::borrow::Cow<'k, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", rename = "j")]
    json: Option<std::borrow::Cow<'k, str>>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "l")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "d")]
    date_ms: Option<u64>,
}

impl Payload {
    /// Encodes the payload for a log.
    pub fn to_log(&self) -> Vec<u8> {
        let (text, json) = match &self.data {
            Data::Text(text) => (Some((&**text).into()), None),
            Data::Json(json) => (None, Some(json.as_str().into())),
        };
        let event = self.event.as_ref().map(|event| event.as_str().into());
        let kept = Kept { event, text, json, ttl_ms: self.ttl_ms, date_ms: self.date_ms };
        serde_json::to_vec(&kept).expect("texts and numbers can be written")
    }

    /// Decodes a payload from a log; `None` if the bytes are not one.
    pub fn from_log(bytes: &[u8]) -> Option<Self> {
        let kept: Kept<'_> = serde_json::from_slice(bytes).ok()?;
        let data = match (kept.text, kept.json) {
            (Some(text), None) => Data::text(text.as_ref()),
            (None, Some(json)) => Data::json(&json, &LIMITS).ok()?,
            _ => return None,
        };
        let event = kept.event.map(|event| EventName::new(&event)).transpose().ok()?;
        Some(Self { event, data, ttl_ms: kept.ttl_ms, date_ms: kept.date_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_published_by_other_bounds_is_read_back() {
        for depth in [1, 64, 65, 100_000] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let limits = Limits { json_depth_max: depth, ..Limits::DEFAULT };
            let data = Data::json(&text, &limits).expect("it is within its bound");
            let payload = Payload { event: None, data, ttl_ms: None, date_ms: None };
            assert_eq!(Payload::from_log(&payload.to_log()), Some(payload), "{depth} levels");
        }
    }
}
