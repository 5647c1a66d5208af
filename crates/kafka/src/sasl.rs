//! Logging in: SASL with PLAIN, or with SCRAM (RFC 5802, RFC 7677).

use core::num::NonZeroU32;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use sockeye_backbone::driver::quoted;
use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::Mechanism;
use crate::link::Link;

/// The iterations that a server may ask for. Kafka's default is 4,096; a million take a second.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Logs in as the configured user.
pub(crate) async fn log_in(link: &mut Link<'_>) -> Result<(), Trouble> {
    let config = link.place.config;
    let (user, password) =
        (config.user.as_deref().unwrap_or(""), config.password.as_deref().unwrap_or(""));
    let mechanism = config.mechanism;
    let name = StrBytes::from_static_str(mechanism.name());
    let answer = link.ask_version(&SaslHandshakeRequest::default().with_mechanism(name), 1).await?;
    if let Some(code) = answer.error_code.err() {
        let offered = answer.mechanisms.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
        let what = if code == ResponseError::UnsupportedSaslMechanism {
            let offered = quoted(&offered);
            format!("knows no {}: set sasl= to one of {offered}", mechanism.name())
        } else {
            "asks for no login, or for another one".into()
        };
        return Err(link.place.trouble(TroubleKind::Login, &what));
    }
    match mechanism {
        Mechanism::Plain => {
            say(link, format!("\0{user}\0{password}").into_bytes()).await?;
            Ok(())
        }
        Mechanism::ScramSha256 => scram(link, &SHA_256, user, password).await,
        Mechanism::ScramSha512 => scram(link, &SHA_512, user, password).await,
    }
}

/// Sends one message of the mechanism. What the server says to it.
async fn say(link: &mut Link<'_>, message: Vec<u8>) -> Result<Bytes, Trouble> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
    let answer = link.ask(&request).await?;
    match answer.error_code.err() {
        Some(code) => Err(link.place.of_code(code)),
        None => Ok(answer.auth_bytes),
    }
}

/// The functions of one kind of SCRAM.
struct Hash {
    pbkdf2: pbkdf2::Algorithm,
    hmac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
}

static SHA_256: Hash =
    Hash { pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256, hmac: hmac::HMAC_SHA256, digest: &digest::SHA256 };

static SHA_512: Hash =
    Hash { pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512, hmac: hmac::HMAC_SHA512, digest: &digest::SHA512 };

async fn scram(
    link: &mut Link<'_>,
    hash: &Hash,
    user: &str,
    password: &str,
) -> Result<(), Trouble> {
    let strange = |place: crate::trouble::Place<'_>| place.strange("its part of SCRAM is none");
    let mut nonce = [0; 24];
    let place = link.place;
    SystemRandom::new()
        .fill(&mut nonce)
        .map_err(|_| place.trouble(TroubleKind::Login, "is not asked: there is no randomness"))?;
    let exchange = Exchange { hash, user, password, nonce: BASE64.encode(nonce) };
    let server_first = say(link, exchange.first().into_bytes()).await?;
    let server_first = String::from_utf8(server_first.to_vec()).map_err(|_| strange(place))?;
    let proof = exchange.prove(&server_first).ok_or_else(|| strange(place))?;
    let server_final = say(link, proof.message.into_bytes()).await?;
    // The server knows the password, too.
    if *server_final != *proof.answer.as_bytes() {
        return Err(place.trouble(TroubleKind::Login, "does not prove that it knows the user"));
    }
    Ok(())
}

/// One exchange of SCRAM. Passwords are taken as they are: SASLprep would change some that are not ASCII.
struct Exchange<'e> {
    hash: &'e Hash,
    user: &'e str,
    password: &'e str,
    nonce: String,
}

/// The last message of a client, and what the server has to answer.
struct Proof {
    message: String,
    answer: String,
}

impl Exchange<'_> {
    fn first(&self) -> String {
        format!("n,,{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        let user = self.user.replace('=', "=3D").replace(',', "=2C");
        format!("n={user},r={}", self.nonce)
    }

    /// Answers the server's first message; `None` if it is none.
    fn prove(&self, server_first: &str) -> Option<Proof> {
        let parts: HashMap<&str, &str> =
            server_first.split(',').filter_map(|part| part.split_once('=')).collect();
        let nonce = parts.get("r").filter(|nonce| nonce.starts_with(&self.nonce))?;
        let salt = BASE64.decode(parts.get("s")?).ok()?;
        let iterations: NonZeroU32 = parts.get("i")?.parse().ok()?;
        if iterations.get() > ITERATIONS_MAX {
            return None;
        }
        let mut salted = vec![0; self.hash.digest.output_len()];
        pbkdf2::derive(self.hash.pbkdf2, iterations, &salt, self.password.as_bytes(), &mut salted);
        let client_key = self.sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.hash.digest, client_key.as_ref());
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.first_bare());
        let signature = self.sign(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = self.sign(&salted, b"Server Key");
        let answer = self.sign(server_key.as_ref(), signed.as_bytes());
        Some(Proof {
            message: format!("{without_proof},p={}", BASE64.encode(proof)),
            answer: format!("v={}", BASE64.encode(answer)),
        })
    }

    fn sign(&self, key: &[u8], text: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(self.hash.hmac, key), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677 §3.
    #[test]
    fn scram_is_that_of_the_rfc() {
        let exchange = Exchange {
            hash: &SHA_256,
            user: "user",
            password: "pencil",
            nonce: "rOprNGfwEbeRWgbNEkqO".into(),
        };
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = exchange.prove(
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        );
        let proof = proof.expect("a message of a server");
        assert_eq!(
            proof.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(proof.answer, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn messages_that_are_none_are_refused() {
        let exchange =
            Exchange { hash: &SHA_512, user: "a=b,c", password: "p", nonce: "abc".into() };
        assert_eq!(exchange.first(), "n,,n=a=3Db=2Cc,r=abc");
        for message in [
            "",
            "r=other,s=AAAA,i=4096",
            "r=abcd,s=AAAA",
            "r=abcd,s=!,i=4096",
            "r=abcd,s=AAAA,i=0",
            "r=abcd,s=AAAA,i=1000001",
        ] {
            assert!(exchange.prove(message).is_none(), "{message}");
        }
        assert!(exchange.prove("r=abcd,s=AAAA,i=1").is_some());
    }
}
