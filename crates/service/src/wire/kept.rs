//! The form of payloads in a log on disk.

use serde::{Deserialize, Serialize};

use super::Limits;
use crate::payload::{Data, EventName, Payload};

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
            (None, Some(json)) => Data::json(&json, &Limits::DEFAULT).ok()?,
            _ => return None,
        };
        let event = kept.event.map(|event| EventName::new(&event)).transpose().ok()?;
        Some(Self { event, data, ttl_ms: kept.ttl_ms, date_ms: kept.date_ms })
    }
}
