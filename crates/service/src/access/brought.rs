//! What a request or a first message brought, and who that is.

use sockeye_auth::{Brought, Credential, Keys, Refusal};
use sockeye_server::Request;

use super::{Access, Guard, Shown, Somebody, Who};
use crate::wire;

impl Access {
    /// Who is behind a request, if it shows something. `proof` is what came with its cursor.
    pub(crate) fn of_request(
        &mut self,
        request: &Request<'_>,
        proof: Option<&str>,
        now_ms: u64,
    ) -> Result<Option<Who>, Refusal> {
        let Self::Guarded(guard) = self else { return Ok(None) };
        let headers = request.head.headers();
        let single = |name| headers.single(name).map_err(|_| Refusal::Ambiguous);
        let protocols: Vec<&str> = headers
            .all("Sec-WebSocket-Protocol")
            .filter_map(|it| str::from_utf8(it).ok())
            .collect();
        let cookies: Vec<&str> =
            headers.all("Cookie").filter_map(|it| str::from_utf8(it).ok()).collect();
        let (protocols, cookies) = (protocols.join(","), cookies.join("; "));
        // A WebSocket's handshake always has an Origin; nothing else may stand in for it.
        let is_upgrade = headers.all("Upgrade").next().is_some();
        let site = if is_upgrade { None } else { single("Sec-Fetch-Site")? };
        let brought = Brought {
            authorization: single("Authorization")?,
            protocols: Some(&protocols),
            query: request.head.query(),
            cookie: Some(&cookies),
            origin: single("Origin")?,
            sec_fetch_site: site,
        };
        match guard.taken.credential(&brought)? {
            Some(credential) => guard.look_at(credential, proof, now_ms).map(Some),
            None => Ok(None),
        }
    }

    /// The name of the query's parameter that may hold a token.
    pub(crate) fn query_token(&self) -> Option<&str> {
        match self {
            Self::Open => None,
            Self::Guarded(guard) => guard.taken.query_token.as_deref(),
        }
    }

    /// Names under which a credential may stand in a query.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        let guard = match self {
            Self::Open => None,
            Self::Guarded(guard) => Some(guard),
        };
        let token = guard.and_then(|guard| guard.taken.query_token.as_deref());
        guard.map(|_| "ticket").into_iter().chain(token)
    }

    /// Who shows this in a first message.
    pub(crate) fn of_command(
        &mut self,
        credential: &wire::Credential<'_>,
        now_ms: u64,
    ) -> Result<Who, Refusal> {
        let Self::Guarded(guard) = self else { return Ok(self.anybody()) };
        let credential = match credential {
            wire::Credential::Token(token) => Credential::Bearer(token),
            wire::Credential::Ticket(ticket) => Credential::Ticket(ticket),
            wire::Credential::ApiKey(key) => Credential::ApiKey(key),
        };
        guard.look_at(credential, None, now_ms)
    }
}

impl Guard {
    fn look_at(
        &mut self,
        credential: Credential<'_>,
        proof: Option<&str>,
        now_ms: u64,
    ) -> Result<Who, Refusal> {
        match credential {
            Credential::ApiKey(key) => {
                let identity = self.keys.identify(key, now_ms)?.clone();
                let somebody = Somebody::of(identity, Shown::ApiKey);
                Ok(Somebody { came_by: Some(Keys::id(key)), ..somebody }.into())
            }
            Credential::Bearer(token)
            | Credential::QueryToken(token)
            | Credential::Cookie(token) => {
                let tokens = self.tokens.as_ref().ok_or(Refusal::TokenKey)?;
                let (identity, key) = tokens.verify_by(token, now_ms)?;
                let somebody = Somebody::of(identity, Shown::Credential);
                Ok(Somebody { came_by: Some(key), ..somebody }.into())
            }
            Credential::Ticket(ticket) => {
                let tickets = self.tickets.as_mut().ok_or(Refusal::Ticket)?;
                let session = tickets.enter(ticket, proof, now_ms)?;
                let somebody = Somebody::of(session.identity().clone(), Shown::Credential);
                Ok(Somebody { session: Some(session), ..somebody }.into())
            }
        }
    }
}
