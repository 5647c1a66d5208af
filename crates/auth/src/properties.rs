//! What holds for every input, as plain functions that panic where it does not: proptest and fuzz
//! targets call the same ones.

pub mod fuzz;

use sockeye_hub::Token;

use crate::{AllowedOrigins, Brought, Credential, Grants, Identity, JwtKey, JwtRules, Limits};
use crate::{Moment, Refusal, Secret, SigningKey, Taken, Tickets, TokenClaims, UnixTime, Verifier};
use crate::{base64url, der, redacted};

const NOW_MS: u64 = 1_800_000_000_000;
const NOW: Moment = Moment { unix: UnixTime::from_millis(NOW_MS), elapsed_ms: 0 };

fn identity() -> Identity {
    let grants = Grants::new(["chat:*", "news"], &Limits::default());
    Identity {
        user: Some("ann".to_owned()),
        subscribe: grants.expect("both are good"),
        ends_ms: Some(NOW_MS + 60_000),
        ..Identity::anonymous()
    }
}

fn verifier() -> (Verifier, String) {
    let key = SigningKey::hs256(&[1; 32]).expect("long enough");
    let token = key.token(&identity(), &TokenClaims::default()).expect("it has an end");
    let key = key.verifying().expect("it can verify");
    let verifier = Verifier::new(JwtRules::default(), vec![key], Limits::default());
    (verifier.expect("one key"), token)
}

/// What is no token of ours is refused, whatever it is.
pub fn tokens_are_ours_or_refused(text: &str) {
    let (verifier, token) = verifier();
    if let Ok(found) = verifier.verify(text, NOW.unix) {
        assert!(text == token && found == identity(), "{text}");
    }
}

/// A rightly signed token with these parts is read without a fault, and never gives more than
/// its claims say.
pub fn signed_tokens_are_read(header: &[u8], claims: &[u8]) {
    let key = SigningKey::hs256(&[1; 32]).expect("long enough");
    let message = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
    let tag = key.sign(message.as_bytes()).expect("the secret signs");
    let token = format!("{message}.{}", base64url::encode(&tag));
    if let Ok(found) = verifier().0.verify(&token, NOW.unix) {
        assert!(found.ends_ms.is_some_and(|end| end > NOW_MS));
        assert!(found.tickets.is_empty() && found.admin.is_empty());
        let claims = String::from_utf8_lossy(claims);
        assert!(claims.contains("exp") || claims.contains("\\u"), "{claims}");
    }
}

/// A change of one character of a token, a ticket or a proof makes it none.
pub fn no_character_may_change(at: usize, to: char) {
    let exchange = |text: &str| {
        let at = at % text.len();
        let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        Some(changed).filter(|changed| changed != text)
    };
    let (verifier, token) = verifier();
    if let Some(token) = exchange(&token) {
        assert!(verifier.verify(&token, NOW.unix).is_err(), "{token}");
    }
    let (mut tickets, ticket) = tickets();
    if let Some(ticket) = exchange(&ticket) {
        assert_eq!(tickets.enter(&ticket, None, NOW), Err(Refusal::Ticket), "{ticket}");
    }
    let session = tickets.enter(&ticket, None, NOW).expect("it is outstanding");
    let proof = tickets.proof(&session, NOW.unix);
    if let Some(ticket) = exchange(&ticket) {
        assert_eq!(tickets.enter(&ticket, Some(&proof), NOW), Err(Refusal::Ticket));
    }
    if let Some(proof) = exchange(&proof) {
        assert_eq!(tickets.enter(&ticket, Some(&proof), NOW), Err(Refusal::Ticket), "{proof}");
    }
    assert!(tickets.enter(&ticket, Some(&proof), NOW).is_ok());
}

/// What is no ticket of ours opens nothing, whatever cursor comes with it.
pub fn tickets_are_ours_or_refused(ticket: &str, cursor: &str) {
    let (mut tickets, ours) = tickets();
    let proof = Token::parse(cursor).proof;
    let entered = tickets.enter(ticket, proof, NOW);
    assert!(entered.is_err() || ticket == ours, "{ticket}");
    drop(tickets.enter(&ours, None, NOW));
    assert_eq!(tickets.enter(&ours, proof, NOW), Err(Refusal::Ticket));
}

fn tickets() -> (Tickets, String) {
    let secret = Secret::new(&[1; 32]).expect("long enough");
    let mut tickets = Tickets::new(vec![secret], Limits::default()).expect("one secret");
    let ticket = tickets.issue(&identity(), &identity(), 1000, &[2; 24], NOW).expect("it fits");
    (tickets, ticket)
}

/// Whatever headers and query come, at most one credential is taken: a piece of one of them,
/// of the bytes that it may have, and never a cookie of another page.
pub fn credentials_are_pieces(headers: [&str; 4], query: &str) {
    let [authorization, protocols, cookie, origin] = headers.map(Some);
    let query = Some(query);
    let brought = Brought { authorization, protocols, query, cookie, origin, sec_fetch_site: None };
    let origins = AllowedOrigins::new(["https://a.example"]).expect("an origin");
    let cookie_name = Some("session".to_owned());
    let taken = Taken { cookie: cookie_name, origins, query_token: Some("auth".to_owned()) };
    for authorization in [authorization, None] {
        let brought = Brought { authorization, ..brought };
        let Ok(Some(credential)) = taken.credential(&brought) else { continue };
        let (text, from) = match credential {
            Credential::Bearer(text) | Credential::ApiKey(text) => (text, authorization),
            Credential::QueryToken(text) => (text, query),
            Credential::Ticket(text) if query.is_some_and(|it| it.contains(text)) => (text, query),
            Credential::Ticket(text) => (text, protocols),
            Credential::Cookie(text) => {
                assert_eq!(origin, Some("https://a.example"));
                (text, cookie)
            }
        };
        assert!(from.is_some_and(|from| from.contains(text)), "{text}");
        assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
        if let Credential::QueryToken(_) | Credential::Cookie(_) | Credential::Ticket(_) =
            credential
        {
            assert!(!text.contains([',', ';', '&', '=', '%', ' ', '"']), "{text}");
        }
        // An origin is shown, whatever it says.
        let is_shown = text.len() < 12 || origin.is_some_and(|origin| origin.contains(text));
        assert!(is_shown || !format!("{credential:?} {brought:?}").contains(text));
    }
}

/// A target that is shown has nothing of what would be taken out of it.
pub fn targets_are_redacted(target: &str) {
    let shown = redacted(target, Some("auth"));
    assert!(shown.len() <= target.len() + 4 * (target.matches('&').count() + 1));
    let query = target.split_once('?').map(|(_, query)| query);
    let brought = Brought { query, ..Brought::default() };
    for query_token in [None, Some("auth".to_owned())] {
        let taken = Taken { query_token, ..Taken::default() };
        if let Ok(Some(credential)) = taken.credential(&brought) {
            let (Credential::Ticket(text) | Credential::QueryToken(text)) = credential else {
                panic!("{credential:?} is of no query");
            };
            let before = target.matches(&format!("={text}")).count();
            assert!(shown.matches(&format!("={text}")).count() < before, "{shown}");
        }
    }
}

/// No text is a key by accident: what is read as one has a block of base64 and a right length.
pub fn keys_are_read_without_a_fault(pem: &str, jwk: &str) {
    for algorithm in ["HS256", "RS256", "ES256", "EdDSA"] {
        let algorithm = crate::Algorithm::by_name(algorithm).expect("its name");
        let keys = [JwtKey::from_pem(algorithm, pem), JwtKey::from_jwk(algorithm, jwk)];
        for key in keys.into_iter().flatten() {
            assert_eq!(key.algorithm(), algorithm);
            assert!(!key.verifies(b"message", &[0; 64]) && !key.verifies(b"message", b""));
        }
    }
}

/// The same for the DER in a PEM.
pub fn der_is_read_without_a_fault(der: &[u8]) {
    use base64::Engine;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    for label in ["PUBLIC KEY", "RSA PUBLIC KEY"] {
        let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        if let Some(der::PublicKey::Rsa { n, e }) = der::from_pem(&pem) {
            assert!(n.len() + e.len() < der.len() && n[0] != 0 && e[0] != 0);
        }
    }
}
