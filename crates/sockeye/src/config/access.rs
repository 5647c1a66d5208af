//! The `[access]` part of the configuration: API keys, tokens, tickets, public channels and origins.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sockeye_auth::{
    Algorithm, AllowedOrigins, Grants, Identity, JwtKey, JwtRules, Keys, Limits, Misuse, Secret,
    Taken, Tickets, Verifier,
};
use sockeye_service::Guard;
use sockeye_terminal::{Failure, OrFail};
use toml::Spanned;

use super::Source;
use super::rules::{self, Publish};
use crate::file::{self, Kind};

/// The `[access]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessConfig {
    /// The rights of clients without credentials.
    subscribe: Option<Spanned<Vec<String>>>,
    publish: Option<Spanned<Vec<String>>>,
    /// Pages of which sites may use the server: for CORS, and for cookies.
    origins: Option<Spanned<Vec<String>>>,
    api_keys: Vec<Spanned<ApiKeyConfig>>,
    jwt: Option<Spanned<JwtConfig>>,
    tickets: Option<Spanned<TicketConfig>>,
    /// The file that all of it stands in.
    #[serde(skip)]
    source: Source,
}

/// A back end's key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiKeyConfig {
    name: String,
    sha256: Option<String>,
    #[serde(default, deserialize_with = "rules::some_path")]
    key_file: Option<PathBuf>,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    tickets: Vec<String>,
    /// Whether it may disconnect users.
    #[serde(default)]
    disconnect: bool,
    /// Whether it may look at the nodes.
    #[serde(default)]
    nodes: bool,
}

/// Tokens of users.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtConfig {
    issuer: Option<String>,
    audience: Option<String>,
    cookie: Option<String>,
    query_token: Option<String>,
    /// How far the clock of who signs may be off, in seconds.
    #[serde(default)]
    leeway_seconds: u64,
    /// How old a token may be, in seconds; if it is set, tokens need `iat`.
    max_age_seconds: Option<u64>,
    keys: Vec<Spanned<JwtKeyConfig>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtKeyConfig {
    algorithm: String,
    kid: Option<String>,
    #[serde(deserialize_with = "rules::path")]
    file: PathBuf,
}

/// One-time tickets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketConfig {
    #[serde(deserialize_with = "rules::path")]
    secret_file: PathBuf,
}

/// A credential in an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    ApiKey,
    Token,
}

impl Shown {
    /// Its scheme of `Authorization`.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::ApiKey => "ApiKey",
            Self::Token => "Bearer",
        }
    }

    /// The variable of a shell in which examples expect it.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::ApiKey => "KEY",
            Self::Token => "TOKEN",
        }
    }

    /// What it is.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::ApiKey => "an API key that may use the channel",
            Self::Token => "a token that may use the channel",
        }
    }
}

impl AccessConfig {
    /// Relative paths are relative to the file that they stand in.
    pub(crate) fn resolve(&mut self, beside: &Path, source: Source) {
        self.source = source;
        let keys = self.api_keys.iter_mut().filter_map(|key| key.get_mut().key_file.as_mut());
        let jwt = self.jwt.iter_mut().flat_map(|jwt| jwt.get_mut().keys.iter_mut());
        let jwt = jwt.map(|key| &mut key.get_mut().file);
        let tickets = self.tickets.iter_mut().map(|tickets| &mut tickets.get_mut().secret_file);
        for path in keys.chain(jwt).chain(tickets) {
            *path = beside.join(&*path);
        }
    }

    /// Whether there may be several publishers by this rule that an operator may not trust alike: strangers, users, or
    /// more than one back end.
    pub(super) fn has_publishers(&self, rule: Publish) -> bool {
        let granted = self.api_keys.iter().filter(|key| !key.get_ref().publish.is_empty()).count();
        let users = self.jwt.is_some() || self.tickets.is_some();
        let users_or_strangers = users || !list(&self.publish).is_empty();
        match rule {
            Publish::Granted => users_or_strangers || granted > 1,
            Publish::Known => users_or_strangers || self.api_keys.len() > 1,
            Publish::Anyone => true,
            Publish::Keys => granted > 1,
        }
    }

    /// The credential that examples show: a key, or else a token.
    pub(crate) const fn shown(&self) -> Option<Shown> {
        match (self.api_keys.is_empty(), &self.jwt) {
            (false, _) => Some(Shown::ApiKey),
            (true, Some(_)) => Some(Shown::Token),
            (true, None) => None,
        }
    }

    /// Reads the files, and makes the access rules.
    pub(crate) fn guard(&self) -> Result<Guard, Failure> {
        let limits = Limits::default();
        let mut keys = Keys::new(limits);
        for key in &self.api_keys {
            let (at, key) = (self.source.at(key.span().start), key.get_ref());
            key.add_to(&mut keys).or_fail(|| format!("{at}[[access.api_keys]] {}", key.name))?;
        }
        let everybody = Identity {
            subscribe: grants(list(&self.subscribe))
                .or_fail(|| self.at(&self.subscribe, "[access] subscribe"))?,
            publish: grants(list(&self.publish))
                .or_fail(|| self.at(&self.publish, "[access] publish"))?,
            ..Identity::anonymous()
        };
        let tokens = self.jwt.as_ref().map(|jwt| self.verifier(jwt, limits)).transpose()?;
        let taken = self.taken().or_fail(|| self.at(&self.origins, "[access] origins"))?;
        let tickets = self.tickets.as_ref().map(|it| {
            let at = self.source.at(it.span().start);
            it.get_ref().tickets(limits).or_fail(|| format!("{at}[access.tickets]"))
        });
        let tickets = tickets.transpose()?;
        let entropy = Box::new(|bytes: &mut [u8]| {
            getrandom::fill(bytes).expect("the system gives random numbers, as it did before");
        });
        Ok(Guard { keys, tokens, tickets, taken, everybody, entropy })
    }

    /// `what`, behind the place of a list.
    fn at(&self, list: &Option<Spanned<Vec<String>>>, what: &str) -> String {
        let at = list.as_ref().map(|list| self.source.at(list.span().start)).unwrap_or_default();
        format!("{at}{what}")
    }

    fn taken(&self) -> Result<Taken, String> {
        let origins = AllowedOrigins::new(list(&self.origins).iter().map(String::as_str));
        Ok(Taken {
            cookie: self.jwt.as_ref().and_then(|jwt| jwt.get_ref().cookie.clone()),
            origins: origins.map_err(|error| error.to_string())?,
            query_token: self.jwt.as_ref().and_then(|jwt| jwt.get_ref().query_token.clone()),
        })
    }

    fn verifier(&self, jwt: &Spanned<JwtConfig>, limits: Limits) -> Result<Verifier, Failure> {
        let keys = jwt.get_ref().keys.iter().map(|key| {
            let at = self.source.at(key.span().start);
            key.get_ref().key().or_fail(|| format!("{at}[[access.jwt.keys]]"))
        });
        let keys: Vec<JwtKey> = keys.collect::<Result<_, _>>()?;
        let verifier = Verifier::new(jwt.get_ref().rules(), keys, limits);
        let at = self.source.at(jwt.span().start);
        verifier.or_fail(|| format!("{at}[access.jwt]"))
    }
}

impl ApiKeyConfig {
    fn add_to(&self, keys: &mut Keys) -> Result<(), String> {
        let allows = Identity {
            subscribe: grants(&self.subscribe)?,
            publish: grants(&self.publish)?,
            tickets: grants(&self.tickets)?,
            disconnect: self.disconnect,
            nodes: self.nodes,
            ..Identity::anonymous()
        };
        match (&self.sha256, &self.key_file) {
            (Some(hash), None) => keys.add_sha256(&self.name, hash, allows),
            (None, Some(file)) => keys.add_text(&self.name, read(file)?.trim(), allows),
            _ => return Err("one of sha256 and key_file is needed".into()),
        }
        .map_err(|error| error.to_string())
    }
}

impl JwtConfig {
    fn rules(&self) -> JwtRules {
        JwtRules {
            issuers: self.issuer.iter().cloned().collect(),
            audiences: self.audience.iter().cloned().collect(),
            leeway_ms: self.leeway_seconds.saturating_mul(1000),
            age_ms_max: self.max_age_seconds.map(|it| it.saturating_mul(1000)),
        }
    }
}

impl JwtKeyConfig {
    fn key(&self) -> Result<JwtKey, String> {
        let algorithm = Algorithm::by_name(&self.algorithm)
            .ok_or_else(|| format!("{} is none of HS256, RS256, ES256, EdDSA", self.algorithm))?;
        let text = read(&self.file)?;
        let key = match algorithm {
            Algorithm::Hs256 => JwtKey::hs256(text.trim().as_bytes()),
            _ => JwtKey::from_pem(algorithm, &text),
        };
        let key = key.map_err(|error| format!("{}: {error}", self.file.display()))?;
        Ok(match &self.kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }
}

impl TicketConfig {
    fn tickets(&self, limits: Limits) -> Result<Tickets, String> {
        let secret = Secret::new(read(&self.secret_file)?.trim().as_bytes());
        let secret = secret.map_err(|error| error.to_string())?;
        Tickets::new(vec![secret], limits).map_err(|error| error.to_string())
    }
}

/// The entries of a list; none without a list.
fn list(list: &Option<Spanned<Vec<String>>>) -> &[String] {
    list.as_ref().map_or(&[], |list| list.get_ref())
}

fn grants(texts: &[String]) -> Result<Grants, String> {
    let given = texts.iter().map(String::as_str);
    Grants::new(given, &Limits::default()).map_err(|error| match error {
        Misuse::Grant { index } => format!("{:?} is neither a channel nor a pattern", texts[index]),
        error => error.to_string(),
    })
}

fn read(path: &Path) -> Result<String, String> {
    file::read_text(path, Kind::Regular).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(text: &str) -> AccessConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn one_list_of_origins_is_for_cookies_and_for_cors() {
        // Without tokens there is no cookie, and pages may still use what is public.
        let guard = access("origins = [\"https://app.example\"]").guard().unwrap();
        assert_eq!(guard.taken.origins.check(Some("https://app.example"), None), Ok(()));
        assert!(guard.taken.origins.check(Some("https://evil.example"), None).is_err());
        assert_eq!(guard.taken.cookie, None);
        for wrong in ["*", "https://app.example/", "app.example"] {
            let failure = access(&format!("origins = [\"{wrong}\"]")).guard().unwrap_err();
            assert!(failure.to_string().starts_with("[access] origins"), "{failure}");
        }
        let moved = toml::from_str::<AccessConfig>("[jwt]\nkeys = []\norigins = []");
        assert!(moved.unwrap_err().message().starts_with("unknown field `origins`"));
    }
}
