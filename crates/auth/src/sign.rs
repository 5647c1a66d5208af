//! Signs tokens, and generates keys. Tests and the command line use it. A server that only verifies
//! tokens builds without the feature `sign`, and so without this module.
//!
//! ring takes randomness for signatures and keys from the system only. In all other modules of the
//! crate, randomness is an argument.

use core::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

use crate::der::{self, PublicKey};
use crate::{Algorithm, Identity, JwtKey, Misuse, base64url};

const SECRET_BYTES: usize = 32;

/// The half of a key that signs, for one algorithm.
pub struct SigningKey {
    kid: Option<Box<str>>,
    material: Material,
}

enum Material {
    Hmac(Vec<u8>),
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The claims of a token besides those of its identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenClaims<'a> {
    /// When it was issued, in Unix milliseconds; written in seconds, rounded down.
    pub issued_ms: Option<u64>,
    /// `iss`.
    pub issuer: Option<&'a str>,
    /// `aud`.
    pub audience: Option<&'a str>,
}

impl SigningKey {
    /// A shared secret for HS256.
    ///
    /// # Errors
    /// As for [`JwtKey::hs256`].
    pub fn hs256(secret: &[u8]) -> Result<Self, Misuse> {
        JwtKey::hs256(secret)?;
        Ok(Self { kid: None, material: Material::Hmac(secret.to_vec()) })
    }

    /// A private key as PEM without a password: `PRIVATE KEY` (PKCS #8, RFC 5208), or
    /// `RSA PRIVATE KEY`.
    ///
    /// # Errors
    /// [`Misuse::PrivateKeyForm`] if it is none, or not for this algorithm; ring signs with RSA
    /// keys of 2048 to 4096 bits.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, Misuse> {
        let (label, der) = der::pem_block(pem).ok_or(Misuse::PrivateKeyForm)?;
        let material = match (label, algorithm) {
            ("PRIVATE KEY", Algorithm::Rs256) => {
                RsaKeyPair::from_pkcs8(&der).map(|pair| Material::Rsa(Box::new(pair)))
            }
            ("RSA PRIVATE KEY", Algorithm::Rs256) => {
                RsaKeyPair::from_der(&der).map(|pair| Material::Rsa(Box::new(pair)))
            }
            ("PRIVATE KEY", Algorithm::Es256) => {
                let ours = &ECDSA_P256_SHA256_FIXED_SIGNING;
                EcdsaKeyPair::from_pkcs8(ours, &der, &SystemRandom::new()).map(Material::P256)
            }
            ("PRIVATE KEY", Algorithm::EdDsa) => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Material::Ed25519)
            }
            _ => return Err(Misuse::PrivateKeyForm),
        };
        let material = material.map_err(|_| Misuse::PrivateKeyForm)?;
        Ok(Self { kid: None, material })
    }

    /// A fresh key as text: the secret for HS256, else a PEM for [`from_pem`](Self::from_pem).
    ///
    /// # Errors
    /// [`Misuse::NoGenerator`] for RS256, [`Misuse::NoRandomness`].
    pub fn generate(algorithm: Algorithm) -> Result<String, Misuse> {
        let random = SystemRandom::new();
        let mut secret = [0; SECRET_BYTES];
        random.fill(&mut secret).map_err(|_| Misuse::NoRandomness)?;
        match algorithm {
            Algorithm::Hs256 => Ok(base64url::encode(&secret)),
            Algorithm::Rs256 => Err(Misuse::NoGenerator),
            Algorithm::Es256 => {
                let ours = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let der = EcdsaKeyPair::generate_pkcs8(ours, &random);
                let der = der.map_err(|_| Misuse::NoRandomness)?;
                Ok(der::to_pem("PRIVATE KEY", der.as_ref()))
            }
            // Without its public half, which is what every other program reads (RFC 8410 §7).
            Algorithm::EdDsa => Ok(der::to_pem("PRIVATE KEY", &der::ed25519_pkcs8(&secret))),
        }
    }

    /// Sets the `kid` of its tokens.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The algorithm that it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match &self.material {
            Material::Hmac(_) => Algorithm::Hs256,
            Material::Rsa(_) => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// The public half as PEM, for the configuration; `None` for a shared secret, which has none.
    pub fn public_pem(&self) -> Option<String> {
        self.public().map(|key| der::to_pem("PUBLIC KEY", &der::to_subject_public_key_info(&key)))
    }

    /// The key that verifies its tokens, with the same `kid`.
    ///
    /// # Errors
    /// [`Misuse::RsaSize`].
    pub fn verifying(&self) -> Result<JwtKey, Misuse> {
        let key = match (&self.material, self.public()) {
            (Material::Hmac(secret), _) => JwtKey::hs256(secret)?,
            (_, Some(key)) => JwtKey::public(self.algorithm(), key)?,
            (_, None) => return Err(Misuse::KeyForm),
        };
        Ok(match &self.kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }

    /// A token that a [`Verifier`](crate::Verifier) turns into this identity. It has claims for the
    /// user, what may be subscribed and published, and the end, in seconds and rounded down.
    ///
    /// # Errors
    /// [`Misuse::NoEnd`] if the identity has none; [`Misuse::Rights`] if it may issue tickets or
    /// administrate, for which there are no claims; [`Misuse::NoRandomness`].
    pub fn token(&self, identity: &Identity, claims: &TokenClaims<'_>) -> Result<String, Misuse> {
        if !identity.tickets.is_empty() || !identity.admin.is_empty() {
            return Err(Misuse::Rights);
        }
        let mut header = json!({ "alg": self.algorithm().name(), "typ": "JWT" });
        if let Some(kid) = &self.kid {
            header["kid"] = json!(kid);
        }
        let mut body = json!({
            "exp": identity.ends_ms.ok_or(Misuse::NoEnd)? / 1000,
            "channels": identity.subscribe.iter().collect::<Vec<_>>(),
            "publish": identity.publish.iter().collect::<Vec<_>>(),
        });
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[name] = value;
            }
        };
        add("sub", identity.user.as_deref().map(Value::from));
        add("iat", claims.issued_ms.map(|ms| Value::from(ms / 1000)));
        add("iss", claims.issuer.map(Value::from));
        add("aud", claims.audience.map(Value::from));
        let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(&body));
        let signature = self.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", base64url::encode(&signature)))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Misuse> {
        use ring::hmac;
        let random = SystemRandom::new();
        match &self.material {
            Material::Hmac(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            Material::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.map(|()| signature).map_err(|_| Misuse::NoRandomness)
            }
            Material::P256(pair) => {
                let signed = pair.sign(&random, message);
                signed.map(|it| it.as_ref().to_vec()).map_err(|_| Misuse::NoRandomness)
            }
            Material::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    fn public(&self) -> Option<PublicKey> {
        match &self.material {
            Material::Hmac(_) => None,
            Material::Rsa(pair) => der::rsa_public_key(pair.public_key().as_ref()),
            Material::P256(pair) => {
                Some(PublicKey::P256(pair.public_key().as_ref().try_into().ok()?))
            }
            Material::Ed25519(pair) => {
                Some(PublicKey::Ed25519(pair.public_key().as_ref().try_into().ok()?))
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("SigningKey");
        fields.field("kid", &self.kid).field("algorithm", &self.algorithm());
        fields.finish_non_exhaustive()
    }
}
