//! `POST /v1/tickets`: a back end asks for a ticket for one of its users.

use serde::Deserialize;
use serde_json::error::Category;
use sockeye_auth::{Grants, Identity, Limits};
use sockeye_server::{Answer, Request, Status};

use crate::dialect::reply::json;
use crate::dialect::users::Stated;
use crate::engine::{Issued, Principal};
use crate::sequencing::Statement;
use crate::wire::{self, Code, Problem, Query, not_json};
use crate::{Pending, Service};

/// How long a ticket may wait to be redeemed if the request does not say, in milliseconds.
const LIFE_MS: u64 = 30_000;

/// The body of a request for a ticket.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Wanted {
    /// The user's name.
    user: Option<String>,
    /// Channels and patterns to subscribe.
    #[serde(default)]
    channels: Vec<String>,
    /// Channels and patterns to publish to.
    #[serde(default)]
    publish: Vec<String>,
    /// Milliseconds until it has to be redeemed.
    life_ms: Option<u64>,
    /// Milliseconds that the ticket's session may last.
    session_ms: Option<u64>,
}

impl Service {
    pub(crate) fn ticket(
        &mut self,
        who: &Principal,
        request: &Request<'_>,
        query: &Query<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        query.only(&[])?;
        let wanted = wanted(request.body)?;
        let limits = Limits::default();
        let grants = |texts: &[String]| {
            let texts = texts.iter().map(String::as_str);
            Grants::new(texts, &limits)
                .map_err(|error| Problem::new(Code::BadChannel, error.to_string()))
        };
        // Issuing refuses such a name, too, but without a reason that helps.
        let is_name = |it: &String| {
            !it.is_empty() && it.len() <= limits.user_bytes_max && !it.chars().any(char::is_control)
        };
        if !wanted.user.as_ref().is_none_or(is_name) {
            let message = "user has to be a name without control characters, and not too long";
            return Err(Problem::new(Code::BadRequest, message));
        }
        let identity = Identity {
            user: wanted.user.clone(),
            subscribe: grants(&wanted.channels)?,
            publish: grants(&wanted.publish)?,
            ends_ms: wanted.session_ms.map(|ms| (self.engine.calendar + ms).as_millis()),
            ..Identity::anonymous()
        };
        let life_ms = wanted.life_ms.unwrap_or(LIFE_MS);
        let now = (self.engine.moment(), &self.engine.sequencing);
        match self.engine.access.issue(who, (&identity, life_ms), now)? {
            Issued::Outstanding(ticket) => {
                Ok(json(Status::OK, wire::reply::issued(&ticket)).into())
            }
            // [service:issue-logged]
            Issued::Sealed(ticket, record) => {
                let placed = self.engine.declare(Statement::Issue(record))?;
                Ok(self.answer_stated(who, placed, Stated::Issued(ticket)))
            }
        }
    }
}

/// Reads a body, refused with the codes of `POST /v1/publish`.
fn wanted(body: &[u8]) -> Result<Wanted, Problem> {
    // serde would take a list of the fields' values for the object, too.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::new(Code::BadRequest, "not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error: serde_json::Error| match error.classify() {
        Category::Data => Problem::new(Code::BadRequest, error.to_string()),
        Category::Io | Category::Syntax | Category::Eof => not_json(&error),
    })
}
