//! Credentials of requests and first messages: finds the credential, and the principal behind it.

use std::net::IpAddr;

use sockeye_auth::{Brought, Credential, Moment, Refusal};
use sockeye_handshake::Origins;
use sockeye_server::Request;

use crate::engine::{Access, Principal};
use crate::sequencing::Sequencing;
use crate::wire::{self, Code, Problem};

impl Access {
    /// Refuses pages of other sites on an open server: any page that somebody looks at could
    /// publish to a server on their own machine.
    pub(crate) fn check_page(&self, request: &Request<'_>) -> Result<(), Problem> {
        // [service:open-same-host]
        let headers = request.head.headers();
        let single = |name| headers.single(name).map_err(|_| Problem::from(Refusal::Ambiguous));
        // A target in absolute form outranks Host (RFC 9112 §3.2.2). A client sends the same in both, so
        // either of them may show that the request is meant for another machine.
        let target = request.head.target();
        let host = target.authority();
        let is_here = |name: Option<&str>| name.is_some_and(is_this_machine);
        let in_host = || single("Host").map(is_here);
        if matches!(self, Self::Open)
            && !(is_here(host) && (target.scheme().is_none() || in_host()?))
        {
            // A foreign page has the same host if its name was made to point here (DNS rebinding).
            let message = "an open server is asked for by its address, or as localhost";
            return Err(Problem::new(Code::Forbidden, message));
        }
        match (self, single("Origin")?) {
            (Self::Open, Some(origin)) if !Origins::SameHost.allow(origin, host) => {
                Err(Problem::new(Code::Forbidden, "an open server is for its own pages only"))
            }
            (Self::Open | Self::Guarded(_), _) => Ok(()),
        }
    }

    /// The principal of a request; `None` if it shows no credential. `proof` came with its cursor.
    pub(crate) fn of_request(
        &mut self,
        request: &Request<'_>,
        proof: Option<&str>,
        now: (Moment, &Sequencing),
    ) -> Result<Option<Principal>, Refusal> {
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
            Some(credential) => guard.identify(credential, proof, now).map(Some),
            None => Ok(None),
        }
    }

    /// The name of the query's parameter that may hold a token.
    pub(crate) fn query_token(&self) -> Option<&str> {
        self.guard()?.taken.query_token.as_deref()
    }

    /// Names under which a credential may stand in a query.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.guard().map(|_| "ticket").into_iter().chain(self.query_token())
    }

    /// The principal of a credential in a first message.
    pub(crate) fn of_command(
        &mut self,
        credential: &wire::Credential<'_>,
        now: (Moment, &Sequencing),
    ) -> Result<Principal, Refusal> {
        let Self::Guarded(guard) = self else { return Ok(self.anybody()) };
        let credential = match credential {
            wire::Credential::Token(token) => Credential::Bearer(token),
            wire::Credential::Ticket(ticket) => Credential::Ticket(ticket),
            wire::Credential::ApiKey(key) => Credential::ApiKey(key),
        };
        guard.identify(credential, None, now)
    }
}

/// Whether a `Host` is an IP address or `localhost`: a DNS name could be a foreign page's (DNS
/// rebinding).
fn is_this_machine(authority: &str) -> bool {
    let name = sockeye_http::host(authority);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}
