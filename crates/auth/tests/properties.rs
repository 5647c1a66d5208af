//! What holds for every input.

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use sockeye_auth::properties as hold;

const RSA: &str = include_str!("tokens/rsa.pem");

/// A parameter, header element or cookie that may be meant for us.
const PAIR: &str = "(session|auth|ticket|token|cursor|a|Bearer |ApiKey |sockeye.ticket.)[=.]?[a-zA-Z0-9~_ ,;%.-]{0,9}";

/// The key's DER.
fn der() -> Vec<u8> {
    use base64::Engine;
    let body: String = RSA.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(body).expect("a PEM")
}

proptest! {
    /// [auth:jwt-signature]
    #[test]
    fn tokens_are_ours_or_refused(text in ".{0,80}", parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){2}") {
        hold::tokens_are_ours_or_refused(&text);
        hold::tokens_are_ours_or_refused(&parts);
    }

    #[test]
    fn signed_tokens_are_read(
        name in "exp|nbf|iat|iss|aud|sub|channels|publish",
        value in "-?[0-9]{1,12}(\\.[0-9])?(e[0-9]{1,3})?|\"[a-z:*> ]{0,9}\"|\\[\"[a-z:*>$]{0,9}\",\"b\"\\]|null|true|\\{\\}",
        noise in any::<Vec<u8>>(),
    ) {
        let header = br#"{"alg":"HS256"}"#;
        let claims = format!(r#"{{"exp":1800000060,"{name}":{value}}}"#);
        hold::signed_tokens_are_read(header, claims.as_bytes());
        hold::signed_tokens_are_read(header, &noise);
        hold::signed_tokens_are_read(&noise, claims.as_bytes());
    }

    /// [auth:jwt-signature] [auth:session-proof] [auth:ticket-once]
    #[test]
    fn no_character_may_change(at in any::<usize>(), to in "[A-Za-z0-9_.~-]|.") {
        hold::no_character_may_change(at, to.chars().next().unwrap_or('x'));
    }

    /// [auth:ticket-once]
    #[test]
    fn tickets_are_ours_or_refused(ticket in ".{0,40}|[A-Za-z0-9_-]{0,99}", cursor in "1a-b~.{0,40}|.{0,40}") {
        hold::tickets_are_ours_or_refused(&ticket, &cursor);
    }

    /// [auth:one-credential] [auth:credential-text] [auth:cookie-origin]
    #[test]
    fn credentials_are_pieces(
        authorization in PAIR,
        protocols in vec(PAIR, 1..4),
        cookie in vec(PAIR, 1..4),
        origin in "https://(a|b).example",
        query in vec(PAIR, 1..4),
    ) {
        let (protocols, cookie) = (protocols.join(", "), cookie.join("; "));
        let query = query.join("&");
        hold::credentials_are_pieces([&authorization, &protocols, &cookie, &origin], &query);
        hold::credentials_are_pieces([&authorization, "", &cookie, &origin], "");
    }

    /// [auth:redaction]
    #[test]
    fn targets_are_redacted(any in ".{0,60}", query in vec(PAIR, 1..5)) {
        hold::targets_are_redacted(&any);
        hold::targets_are_redacted(&format!("/v1/sse?{}", query.join("&")));
    }

    #[test]
    fn keys_are_read_without_a_fault(
        any in ".{0,80}",
        member in "\"(kty|crv|n|e|x|y|k|alg|use|kid)\":\"(RSA|EC|OKP|oct|P-256|Ed25519|[A-Za-z0-9_-]{43})\"",
        at in any::<usize>(),
        to in any::<u8>(),
        noise in any::<Vec<u8>>(),
    ) {
        hold::keys_are_read_without_a_fault(&any, &format!("{{{member},{member},\"kty\":\"OKP\",\"crv\":\"Ed25519\"}}"));
        let mut der = der();
        let at = at % der.len();
        der[at] = to;
        hold::der_is_read_without_a_fault(&der);
        hold::der_is_read_without_a_fault(&der[..at]);
        hold::der_is_read_without_a_fault(&noise);
    }
}
