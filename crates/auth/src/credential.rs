//! Which credential a request brings, as pure functions over header values and the query.

use core::fmt;

use crate::{AllowedOrigins, Refusal};

/// A credential that a request brings. Its text is never in its `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// A JSON Web Token, from `Authorization: Bearer`.
    Bearer(&'a str),
    /// An API key, from `Authorization: ApiKey`.
    ApiKey(&'a str),
    /// A one-time ticket, from `Sec-WebSocket-Protocol` or the query.
    Ticket(&'a str),
    /// A JSON Web Token out of the query.
    QueryToken(&'a str),
    /// A JSON Web Token out of a cookie, whose `Origin` was checked.
    Cookie(&'a str),
}

impl Credential<'_> {
    /// The kind of credential, for logs and counters.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Bearer(_) => "bearer",
            Self::ApiKey(_) => "api_key",
            Self::Ticket(_) => "ticket",
            Self::QueryToken(_) => "query_token",
            Self::Cookie(_) => "cookie",
        }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // [auth:debug-hides-secrets]
        write!(f, "{}(..)", self.kind())
    }
}

/// The parts of a request that may have a credential. Header values as they came, one line each.
///
/// `authorization`, `origin` and `sec_fetch_site` occur at most once: refuse a request that repeats
/// one. The lines of `cookie` may be joined by `; `, those of `protocols` by `,`.
#[derive(Clone, Copy, Default)]
pub struct Brought<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `Sec-WebSocket-Protocol`.
    pub protocols: Option<&'a str>,
    /// The text behind the `?` of the target.
    pub query: Option<&'a str>,
    /// `Cookie`.
    pub cookie: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`; nothing for a WebSocket.
    pub sec_fetch_site: Option<&'a str>,
}

impl fmt::Debug for Brought<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brought")
            .field("authorization", &self.authorization.is_some())
            .field("protocols", &self.protocols.is_some())
            .field("query", &self.query.is_some())
            .field("cookie", &self.cookie.is_some())
            .field("origin", &self.origin)
            .field("sec_fetch_site", &self.sec_fetch_site)
            .finish()
    }
}

/// Additional places where a token may be: a cookie, or the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The name of the cookie that has a token, if one is taken.
    pub cookie: Option<String>,
    /// The origins whose pages may send the cookie.
    pub origins: AllowedOrigins,
    /// The name of the query's parameter that may have a token: `access_token`, say. URLs get into
    /// logs and histories, so prefer a ticket.
    pub query_token: Option<String>,
}

/// The name of the query's parameter that has a ticket.
const TICKET: &str = "ticket";
/// Parameters that are refused, rather than ignored, while no token is taken from the query.
const QUERY_TOKENS: [&str; 2] = ["token", "access_token"];
/// The text before a ticket in `Sec-WebSocket-Protocol`.
const TICKET_PROTOCOL: &str = "sockeye.ticket.";

impl Taken {
    /// The one credential of the request; `None` if there is none.
    ///
    /// A credential that the client shows on purpose counts before the cookie, which browsers add.
    ///
    /// # Errors
    /// [`Refusal::Ambiguous`] for more than one shown on purpose, or one twice;
    /// [`Refusal::Malformed`]; [`Refusal::QueryTokenOff`]; [`Refusal::Origin`] if the only
    /// credential is a cookie from an origin that is not listed.
    pub fn credential<'a>(&self, brought: &Brought<'a>) -> Result<Option<Credential<'a>>, Refusal> {
        let query = brought.query.unwrap_or_default();
        let shown = [
            brought.authorization.map(authorization).transpose()?,
            protocol_ticket(brought.protocols.unwrap_or_default())?,
            parameter(query, TICKET)?.map(Credential::Ticket),
            self.query_token(query)?.map(Credential::QueryToken),
        ];
        let mut shown = shown.into_iter().flatten();
        // [auth:one-credential]
        match (shown.next(), shown.next()) {
            (Some(_), Some(_)) => Err(Refusal::Ambiguous),
            (Some(credential), None) => Ok(Some(credential)),
            (None, _) => self.cookie(brought),
        }
    }

    fn query_token<'a>(&self, query: &'a str) -> Result<Option<&'a str>, Refusal> {
        if let Some(name) = &self.query_token {
            return parameter(query, name);
        }
        for name in QUERY_TOKENS {
            // [auth:query-token-off]
            if parameter(query, name)?.is_some() {
                return Err(Refusal::QueryTokenOff);
            }
        }
        Ok(None)
    }

    fn cookie<'a>(&self, brought: &Brought<'a>) -> Result<Option<Credential<'a>>, Refusal> {
        let (Some(name), Some(header)) = (&self.cookie, brought.cookie) else { return Ok(None) };
        let Some(token) = cookie(header, name)? else { return Ok(None) };
        self.origins.check(brought.origin, brought.sec_fetch_site)?;
        Ok(Some(Credential::Cookie(token)))
    }
}

/// Reads `Authorization` (RFC 9110 §11.6.2): the schemes `Bearer` (RFC 6750 §2.1) and `ApiKey`.
fn authorization(value: &str) -> Result<Credential<'_>, Refusal> {
    // [auth:authorization]
    let (scheme, text) = value.split_once(' ').ok_or(Refusal::Malformed)?;
    let text = text.trim_matches(' ');
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Malformed);
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Credential::Bearer(text))
    } else if scheme.eq_ignore_ascii_case("apikey") {
        Ok(Credential::ApiKey(text))
    } else {
        Err(Refusal::Malformed)
    }
}

/// The ticket among the offered subprotocols, `sockeye.v1.json, sockeye.ticket.<ticket>`. The
/// server must never choose that one.
fn protocol_ticket(value: &str) -> Result<Option<Credential<'_>>, Refusal> {
    let names = value.split(',').map(|name| name.trim_matches([' ', '\t']));
    let ticket = one(names.filter_map(|name| name.strip_prefix(TICKET_PROTOCOL)))?;
    Ok(ticket.map(Credential::Ticket))
}

/// The value of a cookie (RFC 6265 §4.2.1). Two cookies of one name are refused: they are for
/// different paths or domains, and nothing says which comes first.
fn cookie<'a>(header: &'a str, name: &str) -> Result<Option<&'a str>, Refusal> {
    let pairs = header.split(';').filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='));
    one(pairs.filter(|(one, _)| *one == name).map(|(_, value)| value))
}

/// The value of a parameter of the query. Tokens and tickets need no percent-encoding.
fn parameter<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, Refusal> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    one(pairs.filter(|(one, _)| *one == name).map(|(_, value)| value))
}

/// The single value, `None` if there is none. It has the characters of tokens and tickets only.
fn one<'a>(mut values: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = values.next() else { return Ok(None) };
    // [auth:one-credential]
    if values.next().is_some() {
        return Err(Refusal::Ambiguous);
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // [auth:credential-text]
    if value.is_empty() || !value.bytes().all(plain) {
        return Err(Refusal::Malformed);
    }
    Ok(Some(value))
}
