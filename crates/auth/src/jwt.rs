//! JSON Web Tokens in the compact form, signed (RFC 7515, 7519, 8725).
//!
//! ```text
//!  base64url(header) . base64url(claims) . base64url(signature)
//!  {"alg","kid"?}      {"exp","sub"?,"channels"?,"publish"?,"nbf"?,"iat"?,"iss"?,"aud"?}
//! ```

use core::fmt;

use serde_json::Value;

use crate::object::{self, Object};
use crate::{
    Claim, Grants, Identity, JwtKey, KeyId, Limits, Misuse, Refusal, UnixTime, base64url, identity,
};

/// Dates end before this many seconds: the year 10000. Milliseconds in the place of seconds are
/// beyond it.
const DATE_MAX: f64 = 253_402_300_800.0;

/// The requirements on a token, besides its signature and its `exp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtRules {
    /// The issuers; if any, `iss` has to be one of them.
    pub issuers: Vec<String>,
    /// The names of this audience; if any, `aud` has to have one of them. If none, a token that has
    /// an `aud` is refused: it is for another audience (RFC 7519 §4.1.3).
    pub audiences: Vec<String>,
    /// How far the issuer's clock may be off, in milliseconds. A token is good for so much longer.
    pub leeway_ms: u64,
    /// How old a token may be, in milliseconds; if set, `iat` is required.
    pub age_ms_max: Option<u64>,
}

/// Verifies tokens, and turns their claims into an [`Identity`].
pub struct Verifier {
    rules: JwtRules,
    keys: Vec<JwtKey>,
    limits: Limits,
}

impl Verifier {
    /// A verifier with these keys.
    ///
    /// # Errors
    /// [`Misuse`]: no key or too many, two of one `kid`, or more leeway than the bound.
    pub fn new(rules: JwtRules, keys: Vec<JwtKey>, limits: Limits) -> Result<Self, Misuse> {
        if keys.is_empty() {
            return Err(Misuse::NoKey);
        }
        if keys.len() > limits.keys_max {
            return Err(Misuse::TooManyKeys);
        }
        let twice = |(at, key): (usize, &JwtKey)| {
            key.kid.is_some() && keys[..at].iter().any(|other| other.kid == key.kid)
        };
        if keys.iter().enumerate().any(twice) {
            return Err(Misuse::DuplicateKey);
        }
        // [auth:jwt-leeway]
        if rules.leeway_ms > limits.leeway_ms_max {
            return Err(Misuse::Leeway);
        }
        Ok(Self { rules, keys, limits })
    }

    /// Verifies a token and returns its identity, which ends with the token's `exp` and the leeway.
    ///
    /// # Errors
    /// [`Refusal`] says what is wrong with the token. Claims are looked at only if the signature
    /// is right.
    pub fn verify(&self, token: &str, now: UnixTime) -> Result<Identity, Refusal> {
        self.verify_by(token, now).map(|(identity, _)| identity)
    }

    /// Verifies a token likewise, and returns the key that verified it, too.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_by(&self, token: &str, now: UnixTime) -> Result<(Identity, KeyId), Refusal> {
        // [auth:jwt-length]
        if token.len() > self.limits.token_bytes_max {
            return Err(Refusal::TokenTooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::TokenMalformed);
        };
        let message = &token.as_bytes()[..header.len() + 1 + claims.len()];
        let signature = base64url::decode(signature).ok_or(Refusal::TokenMalformed)?;
        let header = object::read(header, self.limits.token_depth_max)?;
        let mut candidates = self.candidates(&header)?;
        // [auth:jwt-signature]
        let key = candidates
            .find(|key| key.verifies(message, &signature))
            .ok_or(Refusal::TokenSignature)?;
        check_header(&header)?;
        let claims = object::read(claims, self.limits.token_depth_max)?;
        Ok((self.identity(&claims, now)?, key.id()))
    }

    // [auth:key-still-there]
    /// Whether a key is among those that verify.
    pub fn has_key(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id() == id)
    }

    /// The keys that may verify a token with this header.
    fn candidates(&self, header: &Object) -> Result<impl Iterator<Item = &JwtKey>, Refusal> {
        // [auth:jwt-kid]
        let kid = match header.get("kid") {
            Some(Value::String(kid)) => Some(kid.as_str()),
            Some(_) => return Err(Refusal::TokenMalformed),
            None => None,
        };
        let named = move |key: &&JwtKey| match (kid, key.kid.as_deref()) {
            (Some(kid), Some(own)) => kid == own,
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        if !self.keys.iter().any(|key| named(&key)) {
            return Err(Refusal::TokenKey);
        }
        // [auth:jwt-alg] RFC 8725 §3.1: the key says which algorithm, the token has to agree.
        let alg = header.get("alg").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut keys =
            self.keys.iter().filter(named).filter(move |key| key.algorithm().name() == alg);
        let first = keys.next().ok_or(Refusal::TokenAlgorithm)?;
        Ok(core::iter::once(first).chain(keys))
    }

    fn identity(&self, claims: &Object, now: UnixTime) -> Result<Identity, Refusal> {
        let ends_ms = self.check_times(claims, now)?;
        self.check_names(claims)?;
        let user = match claims.get("sub") {
            Some(sub) => {
                let sub = sub.as_str().ok_or(Refusal::TokenClaims(Claim::User))?;
                let user = identity::user(sub, &self.limits);
                Some(user.map_err(|_| Refusal::TokenClaims(Claim::User))?)
            }
            None => None,
        };
        Ok(Identity {
            user,
            subscribe: self.grants(claims.get("channels"), Claim::Channels)?,
            publish: self.grants(claims.get("publish"), Claim::Publish)?,
            ends_ms: Some(ends_ms),
            ..Identity::anonymous()
        })
    }

    /// Checks the time claims (RFC 7519 §4.1.4 to §4.1.6), and returns the token's end.
    fn check_times(&self, claims: &Object, now: UnixTime) -> Result<u64, Refusal> {
        let (leeway_ms, now_ms) = (self.rules.leeway_ms, now.as_millis());
        // [auth:jwt-exp]
        let exp_ms = date_ms(claims, "exp", Claim::End)?.ok_or(Refusal::TokenWithoutEnd)?;
        let ends_ms = exp_ms.saturating_add(leeway_ms);
        if ends_ms <= now_ms {
            return Err(Refusal::TokenExpired);
        }
        // [auth:jwt-nbf]
        let latest_ms = now_ms.saturating_add(leeway_ms);
        if date_ms(claims, "nbf", Claim::Start)?.is_some_and(|nbf_ms| nbf_ms > latest_ms) {
            return Err(Refusal::TokenEarly);
        }
        // [auth:jwt-iat] RFC 7519 §4.1.6: `iat` serves only to compute a token's age. Without a
        // bound on that, it is not checked: an `iat` in the future only shows that clocks differ.
        // `nbf` delays a token.
        let iat_ms = date_ms(claims, "iat", Claim::Issued)?;
        if let Some(age_ms_max) = self.rules.age_ms_max {
            let iat_ms = iat_ms.ok_or(Refusal::TokenClaims(Claim::NotIssued))?;
            if iat_ms > latest_ms {
                return Err(Refusal::TokenEarly);
            }
            if iat_ms.saturating_add(age_ms_max).saturating_add(leeway_ms) <= now_ms {
                return Err(Refusal::TokenOld);
            }
        }
        Ok(ends_ms)
    }

    fn check_names(&self, claims: &Object) -> Result<(), Refusal> {
        let JwtRules { issuers, audiences, .. } = &self.rules;
        // [auth:jwt-iss]
        let iss = claims.get("iss").and_then(Value::as_str);
        if !issuers.is_empty() && !issuers.iter().any(|issuer| Some(&**issuer) == iss) {
            return Err(Refusal::TokenIssuer);
        }
        // [auth:jwt-aud]
        let ours = |value: &Value| audiences.iter().any(|name| Some(&**name) == value.as_str());
        let is_for_us = match claims.get("aud") {
            None => audiences.is_empty(),
            Some(Value::Array(names)) => names.iter().any(ours),
            Some(name) => ours(name),
        };
        if is_for_us { Ok(()) } else { Err(Refusal::TokenAudience) }
    }

    /// Reads the grants of a claim, which is called `named`.
    fn grants(&self, claim: Option<&Value>, named: Claim) -> Result<Grants, Refusal> {
        // [auth:jwt-grants]
        let list = match claim {
            None => return Ok(Grants::default()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(Refusal::TokenClaims(named)),
        };
        // A value that is no string becomes an empty name, which `Grants::new` refuses.
        let names = list.iter().map(|name| name.as_str().unwrap_or_default());
        Grants::new(names, &self.limits).map_err(|_| Refusal::TokenClaims(named))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Verifier");
        fields.field("rules", &self.rules).field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Refuses a header with members that no token may have here.
fn check_header(header: &Object) -> Result<(), Refusal> {
    // [auth:jwt-crit] RFC 7515 §4.1.11: a `crit` names extensions, and none is understood here.
    // RFC 7797 §6: a `b64` has to be named in `crit`, so it is refused with or without one.
    for (name, claim) in [("crit", Claim::Critical), ("b64", Claim::Unencoded)] {
        if header.contains_key(name) {
            return Err(Refusal::TokenClaims(claim));
        }
    }
    // [auth:jwt-typ] RFC 8725 §3.11: `typ` names the purpose of a token, and a token for another
    // purpose is refused. RFC 7519 §5.1 has `JWT`, RFC 9068 §2.1 `at+jwt`. The prefix
    // `application/` may be left out (RFC 7515 §4.1.9).
    let kind = match header.get("typ") {
        None => return Ok(()),
        Some(kind) => kind.as_str().unwrap_or_default().to_ascii_lowercase(),
    };
    match kind.strip_prefix("application/").unwrap_or(&kind) {
        "jwt" | "at+jwt" => Ok(()),
        _ => Err(Refusal::TokenClaims(Claim::Kind)),
    }
}

/// A NumericDate (RFC 7519 §2), seconds that need not be whole, in milliseconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn date_ms(claims: &Object, name: &str, claim: Claim) -> Result<Option<u64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().ok_or(Refusal::TokenClaims(claim))?;
    // [auth:jwt-dates] No NaN is in it.
    if !(0.0..DATE_MAX).contains(&seconds) {
        return Err(Refusal::TokenClaims(claim));
    }
    // Exact: whole seconds of this range have 38 bits.
    Ok(Some((seconds * 1000.0) as u64))
}
