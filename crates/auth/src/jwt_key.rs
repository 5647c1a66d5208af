//! Keys that verify tokens, each pinned to one algorithm.

use core::fmt;

use ring::{hmac, signature};
use serde_json::{Map, Value};

use crate::der::{self, PublicKey};
use crate::{KeyId, Misuse, base64url};

/// The algorithm that a key verifies with. There is no `none`, and each key is for exactly one of
/// these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: a secret that is shared with the issuer.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519 under the name `EdDSA`.
    EdDsa,
}

impl Algorithm {
    /// The name in a token's header, in its one spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name, in exactly that spelling.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

/// One key of a token's issuer: its algorithm, what it is made of, and perhaps its `kid`.
pub struct JwtKey {
    pub(crate) kid: Option<Box<str>>,
    id: KeyId,
    material: Material,
}

enum Material {
    Hmac(hmac::Key),
    Public(PublicKey),
}

/// RFC 7518 §3.2: as many bits as the hash.
const SECRET_BYTES_MIN: usize = 32;

impl JwtKey {
    /// A shared secret for HS256.
    ///
    /// # Errors
    /// [`Misuse::SecretTooShort`] below 32 bytes (RFC 7518 §3.2), [`Misuse::SecretIsPublic`] for
    /// a PEM text.
    pub fn hs256(secret: &[u8]) -> Result<Self, Misuse> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(Misuse::SecretTooShort { bytes_min: SECRET_BYTES_MIN });
        }
        // [auth:jwt-secret-not-public]
        if secret.trim_ascii_start().starts_with(b"-----BEGIN") {
            return Err(Misuse::SecretIsPublic);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let id = KeyId::of(Algorithm::Hs256.name(), &[secret]);
        Ok(Self { kid: None, id, material: Material::Hmac(key) })
    }

    /// A public key as PEM: `PUBLIC KEY` (RFC 5280's SubjectPublicKeyInfo), or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// [`Misuse::KeyForm`] if it is none or not for this algorithm; [`Misuse::RsaSize`].
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, Misuse> {
        let key = der::from_pem(pem).ok_or(Misuse::KeyForm)?;
        Self::public(algorithm, key)
    }

    /// A JSON Web Key (RFC 7517), whose `kid` is taken over. An `oct` key is a secret for HS256.
    /// Its `alg`, if it has one, has to be this algorithm, and its `use`, if any, `sig`.
    ///
    /// # Errors
    /// [`Misuse::KeyForm`] if it is none or not for this algorithm; [`Misuse::RsaSize`],
    /// [`Misuse::SecretTooShort`].
    pub fn from_jwk(algorithm: Algorithm, jwk: &str) -> Result<Self, Misuse> {
        let jwk: Map<String, Value> = serde_json::from_str(jwk).map_err(|_| Misuse::KeyForm)?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(base64url::decode).ok_or(Misuse::KeyForm);
        let fits = |name: &str, wanted: &str| match jwk.get(name) {
            Some(value) => value.as_str() == Some(wanted),
            None => true,
        };
        if !fits("alg", algorithm.name()) || !fits("use", "sig") {
            return Err(Misuse::KeyForm);
        }
        let key = match (text("kty"), text("crv")) {
            (Some("oct"), _) if algorithm == Algorithm::Hs256 => Self::hs256(&bytes("k")?)?,
            (Some("RSA"), _) => {
                Self::public(algorithm, PublicKey::Rsa { n: bytes("n")?, e: bytes("e")? })?
            }
            (Some("EC"), Some("P-256")) => {
                let point = [&[4], &*bytes("x")?, &*bytes("y")?].concat();
                let point = point.try_into().map_err(|_| Misuse::KeyForm)?;
                Self::public(algorithm, PublicKey::P256(point))?
            }
            (Some("OKP"), Some("Ed25519")) => {
                let point = bytes("x")?.try_into().map_err(|_| Misuse::KeyForm)?;
                Self::public(algorithm, PublicKey::Ed25519(point))?
            }
            _ => return Err(Misuse::KeyForm),
        };
        Ok(match jwk.get("kid") {
            Some(kid) => key.with_kid(kid.as_str().ok_or(Misuse::KeyForm)?),
            None => key,
        })
    }

    /// The key for tokens that name it. A key without a `kid` is tried for every token.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// A stable ID of the key. A stream stores the ID of the key that verified its token. It does
    /// not depend on `kid`.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The only algorithm that it verifies with.
    pub const fn algorithm(&self) -> Algorithm {
        match &self.material {
            Material::Hmac(_) => Algorithm::Hs256,
            Material::Public(PublicKey::Rsa { .. }) => Algorithm::Rs256,
            Material::Public(PublicKey::P256(_)) => Algorithm::Es256,
            Material::Public(PublicKey::Ed25519(_)) => Algorithm::EdDsa,
        }
    }

    /// Whether the signature is the message's.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = match &self.material {
            Material::Hmac(key) => return hmac::verify(key, message, signature).is_ok(),
            Material::Public(key) => key,
        };
        match key {
            PublicKey::Rsa { n, e } => signature::RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            PublicKey::P256(point) => {
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signature)
            }
            PublicKey::Ed25519(point) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, point)
                    .verify(message, signature)
            }
        }
        .is_ok()
    }

    pub(crate) fn public(algorithm: Algorithm, key: PublicKey) -> Result<Self, Misuse> {
        if let PublicKey::Rsa { n, e } = &key {
            check_rsa(n, e)?;
        }
        let id = match &key {
            PublicKey::Rsa { n, e } => KeyId::of(algorithm.name(), &[n, e]),
            PublicKey::P256(point) => KeyId::of(algorithm.name(), &[point]),
            PublicKey::Ed25519(point) => KeyId::of(algorithm.name(), &[point]),
        };
        let key = Self { kid: None, id, material: Material::Public(key) };
        // [auth:jwt-key-is-for-its-algorithm]
        if key.algorithm() == algorithm { Ok(key) } else { Err(Misuse::KeyForm) }
    }
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("JwtKey");
        fields.field("kid", &self.kid).field("algorithm", &self.algorithm());
        fields.finish_non_exhaustive()
    }
}

/// Checks an RSA key when it is configured, by the bounds of ring's verifier.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), Misuse> {
    let bits = match n {
        [0, ..] | [] => 0,
        [first, ..] => n.len() * 8 - first.leading_zeros() as usize,
    };
    let exponent = match e {
        [0, ..] | [1] | [] => false,
        [.., last] => last % 2 == 1 && e.len() <= 4,
    };
    // [auth:jwt-rsa-size]
    if (2048..=8192).contains(&bits) && exponent { Ok(()) } else { Err(Misuse::RsaSize) }
}
