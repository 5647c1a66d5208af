#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base64url;
mod credential;
mod der;
mod grants;
mod identity;
mod jwt;
mod jwt_key;
mod key_id;
mod keys;
mod limits;
mod object;
mod origin;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod redact;
mod refusal;
#[cfg(feature = "sign")]
mod sign;
mod tickets;
mod time;

pub use credential::{Brought, Credential, Taken};
pub use grants::Grants;
pub use identity::{Action, Identity};
pub use jwt::{JwtRules, Verifier};
pub use jwt_key::{Algorithm, JwtKey};
pub use key_id::KeyId;
pub use keys::Keys;
pub use limits::Limits;
pub use origin::AllowedOrigins;
pub use redact::redacted;
pub use refusal::{Claim, Misuse, Refusal};
#[cfg(feature = "sign")]
pub use sign::{SigningKey, TokenClaims};
pub use tickets::record::TicketRecord;
pub use tickets::{Secret, Session, Tickets};
pub use time::{Moment, UnixTime};
