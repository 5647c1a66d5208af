//! The payload of an offer.

use minicbor::{Decode, Encode};
use sockeye_service::wire;

/// A payload in the log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Payload<'b> {
    /// The event's name.
    #[b(0)]
    pub event: Option<&'b str>,
    /// The content.
    #[b(1)]
    pub data: Data<'b>,
    /// After so many milliseconds it is not worth delivering.
    #[n(2)]
    pub ttl_ms: Option<u64>,
    /// The date of its admission; `None`: the same number as its log time.
    #[n(3)]
    pub date_ms: Option<u64>,
}

/// The content of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Data<'b> {
    /// A text.
    #[n(0)]
    Text(#[b(0)] &'b str),
    /// One JSON value.
    #[n(1)]
    Json(#[b(0)] &'b str),
}

/// Bounds on what is read back: it was checked by bounds of the node that offered it.
const LIMITS: wire::Limits = wire::Limits { json_depth_max: usize::MAX, ..wire::Limits::DEFAULT };

impl<'b> Payload<'b> {
    /// What the log keeps of a payload.
    pub fn of(payload: &'b wire::Payload) -> Self {
        Self {
            event: payload.event.as_ref().map(wire::EventName::as_str),
            data: match &payload.data {
                wire::Data::Text(text) => Data::Text(text),
                wire::Data::Json(json) => Data::Json(json.as_str()),
            },
            ttl_ms: payload.ttl_ms,
            date_ms: payload.date_ms,
        }
    }

    /// The payload; `None` if it is none that a node offers.
    pub(crate) fn checked(&self) -> Option<wire::Payload> {
        let data = match self.data {
            Data::Text(text) => wire::Data::text(text),
            Data::Json(json) => wire::Data::json(json, &LIMITS).ok()?,
        };
        let event = self.event.map(wire::EventName::new).transpose().ok()?;
        Some(wire::Payload { event, data, ttl_ms: self.ttl_ms, date_ms: self.date_ms })
    }
}
