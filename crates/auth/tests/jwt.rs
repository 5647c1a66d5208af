//! Tokens made by other programs, and what is refused.

use sockeye_auth::{
    Algorithm, Claim, Identity, JwtKey, JwtRules, Limits, Misuse, Refusal, UnixTime, Verifier,
};

const GOOD: &str = include_str!("tokens/good.jwt");
const FORGED: &str = include_str!("tokens/forged.jwt");
const RSA: &str = include_str!("tokens/rsa.pem");
const RSA_PKCS1: &str = include_str!("tokens/rsa-pkcs1.pem");
const P256: &str = include_str!("tokens/p256.pem");
const ED25519: &str = include_str!("tokens/ed25519.pem");
/// Of `tokens/make.py`.
const SECRET: &[u8] = b"a secret of HS256 that is only in tests";
const NOW_MS: u64 = 1_800_000_000_000;
const NOW: UnixTime = UnixTime::from_millis(NOW_MS);

fn key(algorithm: Algorithm) -> JwtKey {
    let key = match algorithm {
        Algorithm::Hs256 => JwtKey::hs256(SECRET),
        Algorithm::Rs256 => JwtKey::from_pem(algorithm, RSA),
        Algorithm::Es256 => JwtKey::from_pem(algorithm, P256),
        Algorithm::EdDsa => JwtKey::from_pem(algorithm, ED25519),
        other => panic!("{other:?} has no key here"),
    };
    key.expect("the test's keys are good")
}

const ALL: [Algorithm; 4] =
    [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

fn verifier(keys: Vec<JwtKey>) -> Verifier {
    Verifier::new(JwtRules::default(), keys, Limits::default()).unwrap()
}

fn tokens(file: &str) -> Vec<(&str, &str)> {
    file.lines().map(|line| line.split_once(' ').expect("name and token")).collect()
}

fn good(algorithm: Algorithm) -> &'static str {
    let found = tokens(GOOD).into_iter().find(|(name, _)| *name == algorithm.name());
    found.expect("there is one of each").1
}

/// [auth:key-still-there]
#[test]
fn a_token_s_key_is_known_by_itself() {
    let all = verifier(ALL.map(key).into());
    for algorithm in ALL {
        let (_, id) = all.verify_by(good(algorithm), NOW).unwrap();
        assert_eq!(id, key(algorithm).id());
        assert!(verifier(vec![key(algorithm).with_kid("another name")]).has_key(id));
        let others = ALL.into_iter().filter(|other| *other != algorithm).map(key);
        assert!(!verifier(others.collect()).has_key(id));
    }
    assert_eq!(
        JwtKey::from_pem(Algorithm::Rs256, RSA_PKCS1).unwrap().id(),
        key(Algorithm::Rs256).id()
    );
}

/// A token of the test's secret with these claims.
fn signed(header: &str, claims: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
    let tag = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

const HS256: &str = r#"{"alg":"HS256"}"#;

fn with(rules: JwtRules, claims: &str) -> Result<Identity, Refusal> {
    let verifier = Verifier::new(rules, vec![key(Algorithm::Hs256)], Limits::default()).unwrap();
    verifier.verify(&signed(HS256, claims), NOW)
}

fn claims(claims: &str) -> Result<Identity, Refusal> {
    with(JwtRules::default(), claims)
}

/// [auth:jwt-alg]
#[test]
fn each_algorithm_verifies_what_openssl_signed_and_only_its_own() {
    for algorithm in ALL {
        let verifier = verifier(vec![key(algorithm)]);
        let identity = verifier.verify(good(algorithm), NOW).unwrap();
        assert_eq!(identity.user.as_deref(), Some("ann"));
        assert!(identity.subscribe.iter().eq(["chat:*", "news"]));
        assert!(identity.publish.iter().eq(["chat:7"]));
        assert!(identity.tickets.is_empty() && identity.admin.is_empty());
        assert_eq!(identity.ends_ms, Some(NOW_MS + 60_000));
        for other in ALL.into_iter().filter(|it| *it != algorithm) {
            assert_eq!(verifier.verify(good(other), NOW), Err(Refusal::TokenAlgorithm));
        }
    }
    let all = verifier(ALL.map(key).into());
    for algorithm in ALL {
        assert!(all.verify(good(algorithm), NOW).is_ok());
    }
    let pkcs1 = verifier(vec![JwtKey::from_pem(Algorithm::Rs256, RSA_PKCS1).unwrap()]);
    assert!(pkcs1.verify(good(Algorithm::Rs256), NOW).is_ok());
}

/// [auth:jwt-alg] [auth:jwt-signature]
#[test]
fn every_forged_token_is_refused_by_every_set_of_keys() {
    let forged = tokens(FORGED);
    assert_eq!(forged.len(), 49);
    let mut sets: Vec<Vec<JwtKey>> = ALL.iter().map(|it| vec![key(*it)]).collect();
    sets.push(ALL.map(key).into());
    for keys in sets {
        let verifier = verifier(keys);
        for (name, token) in &forged {
            let refusal = verifier.verify(token, NOW).expect_err(name);
            let is_right = matches!(
                refusal,
                Refusal::TokenAlgorithm
                    | Refusal::TokenSignature
                    | Refusal::TokenMalformed
                    | Refusal::TokenClaims(_)
            );
            assert!(is_right, "{name}: {refusal:?}");
        }
    }
}

/// RFC 7515 §A.1 and §A.3.
#[test]
fn tokens_of_the_standard() {
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let examples = [
        (
            Algorithm::Hs256,
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            Algorithm::Es256,
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ];
    for (algorithm, jwk, header, signature) in examples {
        let verifier = verifier(vec![JwtKey::from_jwk(algorithm, jwk).unwrap()]);
        let token = format!("{header}.{claims}.{signature}");
        let identity = verifier.verify(&token, UnixTime::from_millis(1_300_819_379_999)).unwrap();
        assert_eq!(identity.ends_ms, Some(1_300_819_380_000));
        let over = UnixTime::from_millis(1_300_819_380_000);
        assert_eq!(verifier.verify(&token, over), Err(Refusal::TokenExpired));
    }
}

/// [auth:jwt-kid]
#[test]
fn kid_chooses_the_key() {
    let other = JwtKey::hs256(&[7; 32]).unwrap().with_kid("other");
    let named = verifier(vec![key(Algorithm::Hs256).with_kid("k1"), other]);
    let body = r#"{"exp":1800000001}"#;
    let with_kid = |kid: &str| signed(&format!(r#"{{"alg":"HS256","kid":{kid}}}"#), body);
    assert!(named.verify(&with_kid(r#""k1""#), NOW).is_ok());
    assert_eq!(named.verify(&with_kid(r#""other""#), NOW), Err(Refusal::TokenSignature));
    assert_eq!(named.verify(&with_kid(r#""k2""#), NOW), Err(Refusal::TokenKey));
    assert_eq!(named.verify(&with_kid(r#""""#), NOW), Err(Refusal::TokenKey));
    assert_eq!(named.verify(&with_kid("1"), NOW), Err(Refusal::TokenMalformed));
    assert!(named.verify(&signed(HS256, body), NOW).is_ok(), "without kid each is tried");
    let unnamed = verifier(vec![key(Algorithm::Hs256)]);
    assert!(unnamed.verify(&with_kid(r#""k2""#), NOW).is_ok(), "this key is for any name");

    // The kid chooses a key; it never lets the header choose its algorithm.
    let pair = key(Algorithm::Rs256).with_kid("pair");
    let verifier = verifier(vec![key(Algorithm::Hs256).with_kid("k1"), pair]);
    assert_eq!(verifier.verify(&with_kid(r#""pair""#), NOW), Err(Refusal::TokenAlgorithm));
}

/// [auth:jwt-exp]
#[test]
fn exp_is_required_and_is_the_end() {
    assert_eq!(claims("{}"), Err(Refusal::TokenWithoutEnd));
    assert_eq!(claims(r#"{"exp":1800000000}"#), Err(Refusal::TokenExpired));
    assert_eq!(claims(r#"{"exp":1800000000.5}"#).unwrap().ends_ms, Some(NOW_MS + 500));
    for over in ["0", "1", "1799999999.999"] {
        assert_eq!(claims(&format!(r#"{{"exp":{over}}}"#)), Err(Refusal::TokenExpired), "{over}");
    }
    for bad in [r#""1800000001""#, "null", "[]", "true"] {
        let refused = claims(&format!(r#"{{"exp":{bad}}}"#));
        assert_eq!(refused, Err(Refusal::TokenClaims(Claim::End)), "{bad}");
    }
}

/// [auth:jwt-leeway]
#[test]
fn leeway_is_as_configured_and_bounded() {
    let rules = || JwtRules { leeway_ms: 10_000, ..JwtRules::default() };
    let late = with(rules(), r#"{"exp":1799999991}"#).unwrap();
    assert_eq!(late.ends_ms, Some(NOW_MS + 1000), "not over when it begins");
    assert_eq!(with(rules(), r#"{"exp":1799999990}"#), Err(Refusal::TokenExpired));
    assert!(with(rules(), r#"{"exp":1800000001,"nbf":1800000010}"#).is_ok());
    let early = with(rules(), r#"{"exp":1800000001,"nbf":1800000011}"#);
    assert_eq!(early, Err(Refusal::TokenEarly));
    let rules = JwtRules { leeway_ms: 60_001, ..JwtRules::default() };
    let refused = Verifier::new(rules, vec![key(Algorithm::Hs256)], Limits::default());
    assert_eq!(refused.err(), Some(Misuse::Leeway));
}

/// [auth:jwt-nbf] [auth:jwt-iat]
#[test]
fn tokens_before_their_time_and_old_ones() {
    let body = |rest: &str| format!(r#"{{"exp":1800000001{rest}}}"#);
    assert!(claims(&body(r#","nbf":1800000000"#)).is_ok());
    assert_eq!(claims(&body(r#","nbf":1800000001"#)), Err(Refusal::TokenEarly));
    assert_eq!(claims(&body(r#","nbf":"soon""#)), Err(Refusal::TokenClaims(Claim::Start)));
    assert!(claims(&body(r#","iat":1800000009"#)).is_ok(), "nobody asked");
    let rules = || JwtRules { age_ms_max: Some(5000), ..JwtRules::default() };
    assert!(with(rules(), &body(r#","iat":1799999996"#)).is_ok());
    let refused = [
        (r#","iat":1799999995"#, Refusal::TokenOld),
        (r#","iat":1800000001"#, Refusal::TokenEarly),
        ("", Refusal::TokenClaims(Claim::NotIssued)),
        (r#","iat":"now""#, Refusal::TokenClaims(Claim::Issued)),
    ];
    for (rest, refusal) in refused {
        assert_eq!(with(rules(), &body(rest)), Err(refusal), "{rest}");
    }
}

/// [auth:jwt-iss] [auth:jwt-aud]
#[test]
fn issuers_and_audiences() {
    let body = |rest: &str| format!(r#"{{"exp":1800000001{rest}}}"#);
    let from = || JwtRules { issuers: vec!["a".into(), "b".into()], ..JwtRules::default() };
    assert!(with(from(), &body(r#","iss":"b""#)).is_ok());
    for other in ["", r#","iss":"c""#, r#","iss":["a"]"#, r#","iss":"A""#, r#","iss":null"#] {
        assert_eq!(with(from(), &body(other)), Err(Refusal::TokenIssuer), "{other}");
    }
    let us = || JwtRules { audiences: vec!["hub".into()], ..JwtRules::default() };
    assert!(with(us(), &body(r#","aud":"hub""#)).is_ok());
    assert!(with(us(), &body(r#","aud":["x","hub"]"#)).is_ok());
    for other in ["", r#","aud":"x""#, r#","aud":[]"#, r#","aud":[1]"#, r#","aud":{"hub":1}"#] {
        assert_eq!(with(us(), &body(other)), Err(Refusal::TokenAudience), "{other}");
    }
    assert_eq!(claims(&body(r#","aud":"somebody else""#)), Err(Refusal::TokenAudience));
}

/// [auth:jwt-grants] [auth:user-name]
#[test]
fn claims_that_cannot_be_honored() {
    let nobody = claims(r#"{"exp":1800000001}"#).unwrap();
    let wanted = Identity { ends_ms: Some(NOW_MS + 1000), ..Identity::anonymous() };
    assert_eq!(nobody, wanted);
    let many = format!(r#""channels":[{}"a"]"#, r#""a","#.repeat(128));
    let bad = [
        r#""sub":1"#,
        r#""sub":"""#,
        r#""sub":"a\r\nb""#,
        r#""channels":"chat""#,
        r#""channels":[1]"#,
        r#""channels":["a b"]"#,
        r#""channels":["$presence:a"]"#,
        r#""publish":["a*"]"#,
        r#""publish":null"#,
        &many,
    ];
    for bad in bad {
        let refused = claims(&format!(r#"{{"exp":1800000001,{bad}}}"#)).expect_err(bad);
        // People read in the message which claim it is.
        let name = bad.split('"').nth(1).unwrap();
        assert_eq!(refused.code(), "token_claims", "{bad}");
        assert!(refused.message().contains(&format!(" claim {name} ")), "{bad}: {refused}");
    }
}

/// [auth:jwt-crit] RFC 7515 §4.1.11.
#[test]
fn critical_extensions_are_not_understood() {
    let verifier = verifier(vec![key(Algorithm::Hs256)]);
    for crit in [r#"["b64"],"b64":false"#, "[]", "null", r#"["exp"]"#] {
        let token = signed(&format!(r#"{{"alg":"HS256","crit":{crit}}}"#), r#"{"exp":1800000001}"#);
        let refused = Err(Refusal::TokenClaims(Claim::Critical));
        assert_eq!(verifier.verify(&token, NOW), refused, "{crit}");
    }
}

/// [auth:jwt-length]
#[test]
fn what_is_no_token_or_too_long() {
    let verifier = verifier(vec![key(Algorithm::Hs256)]);
    let token = signed(HS256, r#"{"exp":1800000001}"#);
    let padded = format!("{token}=");
    let more = format!("{token}.");
    let nested = signed(HS256, &"[".repeat(2000));
    let array = signed("[]", "{}");
    for bad in ["", ".", "..", "...", "a.b", "a.b.c", &padded, &more, &array, "é.é.é", "\0.\0.\0"]
    {
        assert_eq!(verifier.verify(bad, NOW), Err(Refusal::TokenMalformed), "{bad}");
    }
    assert_eq!(verifier.verify(&nested, NOW), Err(Refusal::TokenMalformed));
    let mut limits = Limits::default();
    limits.token_bytes_max = token.len();
    let exactly = Verifier::new(JwtRules::default(), vec![key(Algorithm::Hs256)], limits).unwrap();
    assert!(exactly.verify(&token, NOW).is_ok());
    assert_eq!(exactly.verify(&more, NOW), Err(Refusal::TokenTooLong));
}

/// [auth:jwt-key-is-for-its-algorithm] [auth:jwt-secret-not-public] [auth:jwt-rsa-size]
#[test]
fn keys_that_are_not_configured() {
    for (pem, right) in
        [(RSA, Algorithm::Rs256), (P256, Algorithm::Es256), (ED25519, Algorithm::EdDsa)]
    {
        assert_eq!(JwtKey::hs256(pem.as_bytes()).err(), Some(Misuse::SecretIsPublic));
        for algorithm in ALL.into_iter().filter(|it| *it != right) {
            assert_eq!(JwtKey::from_pem(algorithm, pem).err(), Some(Misuse::KeyForm));
        }
    }
    assert_eq!(JwtKey::hs256(&[0; 31]).err(), Some(Misuse::SecretTooShort { bytes_min: 32 }));
    let small = include_str!("tokens/rsa1024.pem");
    assert_eq!(JwtKey::from_pem(Algorithm::Rs256, small).err(), Some(Misuse::RsaSize));
    let p384 = include_str!("tokens/p384.pem");
    assert_eq!(JwtKey::from_pem(Algorithm::Es256, p384).err(), Some(Misuse::KeyForm));
    let (twice, cut) = (format!("{RSA}{RSA}"), &RSA[..RSA.len() - 40]);
    let private = RSA.replace("PUBLIC", "PRIVATE");
    for bad in ["", "-----BEGIN ", cut, &twice, &private, "-----BEGIN PUBLIC KEY----------END"] {
        assert_eq!(JwtKey::from_pem(Algorithm::Rs256, bad).err(), Some(Misuse::KeyForm), "{bad}");
    }
    let jwks = [
        (Algorithm::Rs256, r#"{"kty":"oct","k":"AAAA"}"#),
        (Algorithm::Hs256, r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#),
        (Algorithm::Es256, r#"{"kty":"EC","crv":"P-384","x":"AQAB","y":"AQAB"}"#),
        (Algorithm::Es256, r#"{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}"#),
        (Algorithm::EdDsa, r#"{"kty":"OKP","crv":"X25519","x":"AQAB"}"#),
        (Algorithm::EdDsa, r#"{"kty":"OKP","crv":"Ed25519","x":"AQAB"}"#),
        (Algorithm::EdDsa, "[]"),
    ];
    for (algorithm, jwk) in jwks {
        let refused = JwtKey::from_jwk(algorithm, jwk).err();
        assert!(matches!(refused, Some(Misuse::KeyForm | Misuse::RsaSize)), "{jwk}");
    }
    let k = "A".repeat(43);
    let oct = |rest: &str| format!(r#"{{"kty":"oct","k":"{k}"{rest}}}"#);
    assert!(JwtKey::from_jwk(Algorithm::Hs256, &oct(r#","alg":"HS256","use":"sig""#)).is_ok());
    for rest in [r#","alg":"HS512""#, r#","alg":1"#, r#","use":"enc""#, r#","kid":1"#] {
        let refused = JwtKey::from_jwk(Algorithm::Hs256, &oct(rest)).err();
        assert_eq!(refused, Some(Misuse::KeyForm), "{rest}");
    }
    let two = || key(Algorithm::Hs256).with_kid("k");
    let refused = Verifier::new(JwtRules::default(), vec![two(), two()], Limits::default());
    assert_eq!(refused.err(), Some(Misuse::DuplicateKey));
    let refused = Verifier::new(JwtRules::default(), vec![], Limits::default());
    assert_eq!(refused.err(), Some(Misuse::NoKey));
}
