//! The errors: credentials that are refused, and a wrong configuration.

use core::fmt;

/// A part of a token that cannot be honored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Claim {
    /// An object of the token has two members of one name.
    Twice,
    /// The header `crit`.
    Critical,
    /// The header `b64`.
    Unencoded,
    /// A header `typ` of another kind of token.
    Kind,
    /// An `exp` that is no date.
    End,
    /// An `nbf` that is no date.
    Start,
    /// An `iat` that is no date.
    Issued,
    /// No `iat`, where tokens have to tell their age.
    NotIssued,
    /// A `sub` that is no user's name.
    User,
    /// A `channels` that is no list of channels and patterns.
    Channels,
    /// A `publish` that is no list of channels and patterns.
    Publish,
}

impl Claim {
    /// One sentence for people.
    const fn message(self) -> &'static str {
        match self {
            Self::Twice => "the token's header or claims have one name twice in an object",
            Self::Critical => "the token's header has crit, and none of it is understood here",
            Self::Unencoded => "the token's header has b64, which is not for tokens",
            Self::Kind => "the token's header typ is neither JWT nor at+jwt",
            Self::End => "the token's claim exp is no date, in seconds, before the year 10000",
            Self::Start => "the token's claim nbf is no date, in seconds, before the year 10000",
            Self::Issued => "the token's claim iat is no date, in seconds, before the year 10000",
            Self::NotIssued => "the token has no iat, which is needed where tokens may be too old",
            Self::User => {
                "the token's claim sub is no user's name: a text that is not empty or too long, has no \
                 control character, and does not begin with key:"
            }
            Self::Channels => {
                "the token's claim channels is no list of channels and patterns, or too long"
            }
            Self::Publish => {
                "the token's claim publish is no list of channels and patterns, or too long"
            }
        }
    }
}

/// Declares each refusal with its status, close code, code and message.
macro_rules! refusals {
    ($(
        $(#[$doc:meta])*
        $name:ident $(($part:ident: $parts:ty = $first:expr))?:
            $status:literal, $close_code:literal, $code:literal, $message:expr;
    )*) => {
        /// Why a credential or an action is refused.
        ///
        /// The code is stable and for programs, the message for people. Neither says what was
        /// presented, nor anything that helps to guess.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])* $name $(($parts))?,)*
        }

        impl Refusal {
            /// One refusal of each code, in the order of their declaration.
            pub const ALL: [Self; 23] = [$(Self::$name $(($first))?,)*];

            // [auth:refusal-codes]
            /// The stable code, as it stands in `{"error":{"code":…}}`.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $code,)*
                }
            }

            /// One sentence for people.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name $(($part))? => $message,)*
                }
            }

            /// The status of an HTTP response. An EventSource never comes back after any of them.
            /// The caller chooses: this status, or 200 with the close code in an event, and then
            /// the end.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name { .. } => $status,)*
                }
            }

            /// The WebSocket close code, also in `goaway`. From 4300 to 4399 the client needs new
            /// credentials. From 4100 to 4199 it comes back later. Below 4100 it stops: no new
            /// credential would help.
            pub const fn close_code(self) -> u16 {
                match self {
                    $(Self::$name { .. } => $close_code,)*
                }
            }
        }
    };
}

refusals! {
    /// A credential is required, and none was brought.
    Required: 401, 4300, "credentials_required", "this needs credentials and none came";
    /// The credential cannot be read as what it should be.
    Malformed: 400, 4001, "credentials_malformed", "the credentials cannot be read";
    /// More than one credential was brought, or one of them twice.
    Ambiguous: 400, 4001, "credentials_ambiguous",
        "more than one credential came where one is meant";
    /// The token is in the URL, and the configuration takes none from there.
    QueryTokenOff: 401, 4300, "query_token_off",
        "tokens in the URL are not taken here; use a ticket";
    /// No such API key.
    KeyUnknown: 401, 4300, "api_key_unknown", "there is no such API key";
    /// The token is longer than the bound.
    TokenTooLong: 401, 4300, "token_too_long", "the token is too long";
    /// The token is not three parts of base64url with a JSON object in the first two, or nests too
    /// deep.
    TokenMalformed: 401, 4300, "token_malformed", "the token is no signed JSON Web Token";
    /// The token's `alg` is not the one that its key is pinned to.
    TokenAlgorithm: 401, 4300, "token_algorithm", "the token's alg is not the one its key is for";
    /// No key is configured under the token's `kid`.
    TokenKey: 401, 4300, "token_key_unknown", "the token's kid names no key";
    /// The signature is not right.
    TokenSignature: 401, 4300, "token_signature", "the token's signature is not right";
    /// The token has a header that does not belong here (`crit`, another `typ`), a member twice, or
    /// a claim of a wrong type or range. The message names it.
    TokenClaims(claim: Claim = Claim::Twice): 401, 4300, "token_claims", claim.message();
    /// The token has no `exp`.
    TokenWithoutEnd: 401, 4300, "token_without_exp", "the token has no exp";
    /// The token's time is over.
    TokenExpired: 401, 4302, "token_expired", "the token has expired";
    /// The token's time has not come (`nbf`, or an `iat` in the future).
    TokenEarly: 401, 4300, "token_not_yet_valid", "the token is not valid yet";
    /// The token was issued too long ago.
    TokenOld: 401, 4300, "token_too_old", "the token was issued too long ago";
    /// The token is from another issuer.
    TokenIssuer: 401, 4300, "token_issuer", "the token is from another issuer";
    /// The token is for another audience.
    TokenAudience: 401, 4300, "token_audience", "the token is for another audience";
    /// The ticket is not outstanding: unknown, used, or too old, and nothing proves a session.
    Ticket: 401, 4302, "ticket_used_or_expired",
        "the ticket was used before, or has expired; get another one";
    /// The session that a ticket began is over, or was away for too long.
    SessionOver: 401, 4302, "session_over", "the session is over; get another ticket";
    /// The identity has more grants than fit into a ticket.
    TicketTooLarge: 400, 4001, "ticket_too_large",
        "that is too much for a ticket; grant patterns, not lists";
    /// Too many tickets are outstanding, of all or of this user.
    TicketsFull: 503, 4100, "tickets_full",
        "too many tickets are outstanding; try again in a moment";
    /// A cookie came from a page that is not on the list of origins.
    Origin: 403, 4002, "origin_not_allowed", "a cookie counts only with an allowed Origin";
    /// The identity has no such right.
    Forbidden: 403, 4002, "forbidden", "these credentials do not allow that";
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Refusal {}

/// A fault of a configuration, or of a key or token that the caller wants to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misuse {
    /// An API key or a secret is too short to be one.
    SecretTooShort {
        /// Fewest bytes.
        bytes_min: usize,
    },
    /// An API key has a byte that cannot stand in a header, or is too long.
    KeyText,
    /// Not 64 hexadecimal digits.
    KeyHash,
    /// A PEM text in the place of a shared secret. If it is a public key, everybody could sign.
    SecretIsPublic,
    /// The text is no PEM or JWK of a public key for this algorithm.
    KeyForm,
    /// An RSA key of fewer than 2048 or more than 8192 bits, or with a bad exponent.
    RsaSize,
    /// More keys than the bound.
    TooManyKeys,
    /// Two keys are the same, or have the same name.
    DuplicateKey,
    /// No key, or no secret.
    NoKey,
    /// More leeway than the bound.
    Leeway,
    /// A grant that is neither a channel nor a pattern.
    Grant {
        /// How many grants are before it.
        index: usize,
    },
    /// More grants than the bound.
    TooManyGrants {
        /// The bound.
        max: usize,
    },
    /// A user's name that is empty, too long, has a control character, or begins with `key:`.
    User,
    /// No origin like `https://example.com` or `http://localhost:8080`.
    Origin,
    /// The text is no PEM of a private key for this algorithm.
    PrivateKeyForm,
    /// Keys for this algorithm are not made here.
    NoGenerator,
    /// The system gives no random numbers.
    NoRandomness,
    /// A token without an end.
    NoEnd,
    /// Rights for which a token has no claims.
    Rights,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretTooShort { bytes_min } => {
                return write!(f, "a secret needs {bytes_min} bytes at least");
            }
            Self::KeyText => "an API key is visible ASCII without spaces, and not too long",
            Self::KeyHash => "the hash of an API key is 64 hexadecimal digits",
            Self::SecretIsPublic => "a public key is no shared secret",
            Self::KeyForm => "that is no PEM or JWK of a public key for this algorithm",
            Self::RsaSize => "an RSA key has 2048 to 8192 bits and an odd exponent from 3 on",
            Self::TooManyKeys => "there are too many keys",
            Self::DuplicateKey => "two keys are the same or have the same name",
            Self::NoKey => "there is no key",
            Self::Leeway => "that is too much leeway",
            Self::Grant { index } => {
                return write!(f, "grant {} is neither a channel nor a pattern", index + 1);
            }
            Self::TooManyGrants { max } => return write!(f, "more than {max} grants"),
            Self::User => {
                "a user's name is empty, too long, has a control character, or begins with `key:`"
            }
            Self::Origin => "an origin is a scheme, a host and perhaps a port, and nothing else",
            Self::PrivateKeyForm => {
                "that is no PEM of a private key (PKCS #8, without a password) for this algorithm"
            }
            Self::NoGenerator => "keys for this algorithm are not made here",
            Self::NoRandomness => "the system gives no random numbers",
            Self::NoEnd => "a token needs an end",
            Self::Rights => "a token cannot grant tickets or administration",
        })
    }
}

impl core::error::Error for Misuse {}

#[cfg(test)]
mod tests {
    use super::*;

    /// [auth:refusal-codes]
    #[test]
    fn codes_are_stable_words_and_fit_their_ranges() {
        let mut codes: Vec<&str> = Refusal::ALL.iter().map(|it| it.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Refusal::ALL.len(), "each has its own");
        for refusal in Refusal::ALL {
            let snake = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(refusal.code().bytes().all(snake), "{refusal:?}");
            let range = match refusal.status() {
                400 | 403 => 4000..=4099,
                503 => 4100..=4199,
                401 => 4300..=4399,
                other => panic!("{refusal:?}: {other}"),
            };
            assert!(range.contains(&refusal.close_code()), "{refusal:?}");
        }
    }
}
