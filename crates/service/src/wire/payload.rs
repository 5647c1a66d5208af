//! Makes payloads and event names from text, and checks them. `payload.rs` has the types.

use sockeye_hub::{Entry, Kind};

use super::{Code, Limits, Problem, json};
use crate::payload::{Data, EventName, Json};

impl Data {
    /// A JSON value, from its text. White space around it goes.
    ///
    /// # Errors
    /// [`Code::BadJson`] if it is not JSON, deeper than [`Limits::json_depth_max`], or has half of
    /// a surrogate pair in a string.
    pub fn json(text: &str, limits: &Limits) -> Result<Self, Problem> {
        // [service:json-kept]
        json::value(text, limits.json_depth_max).map(|json| Self::Json(Json::checked(json)))
    }

    /// The data in a member `data`: a string is a text, every other value is itself.
    pub(super) fn member(json: &str, limits: &Limits) -> Result<Self, Problem> {
        if let Some(text) = json::plain(json) {
            return Ok(Self::text(text));
        }
        json::passable(json, limits.json_depth_max)?;
        if !json.starts_with('"') {
            return Ok(Self::Json(Json::checked(json)));
        }
        let text: String = serde_json::from_str(json).map_err(|error| json::not_json(&error))?;
        Ok(Self::text(text))
    }
}

impl EventName {
    /// Longest name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Checks a name.
    ///
    /// # Errors
    /// [`Code::BadEvent`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, Problem> {
        let problem = |message| Err(Problem::new(Code::BadEvent, message));
        if name.is_empty() || name.len() > Self::BYTES_MAX {
            return problem("an event name has 1 to 64 bytes");
        }
        // [service:event-names] No client can forge an event of the service, or end a line.
        if name.starts_with('$') {
            return problem("an event name that begins with $ is the service's own");
        }
        if name.chars().any(char::is_control) {
            return problem("an event name has no control characters");
        }
        Ok(Self::checked(name))
    }
}

/// Whether an entry is the channel's last, and so says `end` and not its body.
pub(crate) fn is_end<M>(entry: &Entry<M>) -> bool {
    match entry.kind {
        Kind::Message => false,
        Kind::End => true,
    }
}
