//! `sockeye token new`: makes a token.

use sockeye_auth::{
    Algorithm, Identity, JwtRules, Limits, SigningKey, TokenClaims, UnixTime, Verifier,
};
use sockeye_terminal::{Failure, OrFail, print};

use super::args::NewOptions;
use super::{grants, identity_json, now_ms, read};

/// Makes a token, looks at it as a server would, and prints it.
pub(super) fn run(options: &NewOptions) -> Result<(), Failure> {
    let now_ms = now_ms()?;
    let key = signing_key(options)?;
    let wanted = Identity {
        user: options.user.clone(),
        subscribe: grants("--channel", &options.channel)?,
        publish: grants("--publish", &options.publish)?,
        ends_ms: Some(now_ms.saturating_add(options.life.ms)),
        ..Identity::anonymous()
    };
    let claims = TokenClaims {
        issued_ms: Some(now_ms),
        issuer: options.issuer.as_deref(),
        audience: options.audience.as_deref(),
    };
    let token = key.token(&wanted, &claims).or_fail(|| "cannot make that token".into())?;
    let identity = look(options, &key, &token, now_ms)?;
    if options.json {
        print::say(format_args!("{}", identity_json(&identity, Some(&token))))
    } else {
        print::say(format_args!("{token}"))
    }
}

fn signing_key(options: &NewOptions) -> Result<SigningKey, Failure> {
    let text = read(&options.key)?;
    let key = match options.algorithm {
        // As the configuration reads it.
        Algorithm::Hs256 => SigningKey::hs256(text.trim().as_bytes()),
        algorithm => SigningKey::from_pem(algorithm, &text),
    };
    let hint = match text.trim_start().split_once("-----BEGIN ") {
        Some(("", rest)) if rest.starts_with("PUBLIC") || rest.starts_with("RSA PUBLIC") => {
            "; that is the half that verifies"
        }
        Some(("", rest)) if rest.starts_with("EC P") => {
            "; `openssl pkcs8 -topk8 -nodes -in FILE` makes one of it"
        }
        _ => "",
    };
    let key = key.map_err(|why| Failure(format!("{}: {why}{hint}", options.key.display())))?;
    Ok(match &options.kid {
        Some(kid) => key.with_kid(kid),
        None => key,
    })
}

/// Checks that a server would take the token.
fn look(
    options: &NewOptions,
    key: &SigningKey,
    token: &str,
    now_ms: u64,
) -> Result<Identity, Failure> {
    let making = || "cannot make that token".to_owned();
    let rules = JwtRules {
        issuers: options.issuer.iter().cloned().collect(),
        audiences: options.audience.iter().cloned().collect(),
        ..JwtRules::default()
    };
    let keys = vec![key.verifying().or_fail(making)?];
    let verifier = Verifier::new(rules, keys, Limits::default()).or_fail(making)?;
    verifier.verify(token, UnixTime::from_millis(now_ms)).map_err(|refusal| {
        Failure(format!("no server would take that token: {refusal} ({})", refusal.code()))
    })
}
