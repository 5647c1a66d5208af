//! Tokens that are signed rightly, and say what no token should.

use sockeye_auth::{Claim, Identity, JwtKey, JwtRules, Limits, Refusal, UnixTime, Verifier};

/// Of `tokens/make.py`.
const SECRET: &[u8] = b"a secret of HS256 that is only in tests";
const NOW_MS: u64 = 1_800_000_000_000;
const NOW: UnixTime = UnixTime::from_millis(NOW_MS);
const HEADER: &str = r#"{"alg":"HS256"}"#;
const CLAIMS: &str = r#"{"exp":1800000001}"#;

fn signed(header: &str, claims: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
    let tag = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn verify(rules: JwtRules, header: &str, claims: &str) -> Result<Identity, Refusal> {
    let keys = vec![JwtKey::hs256(SECRET).unwrap()];
    let verifier = Verifier::new(rules, keys, Limits::default()).unwrap();
    verifier.verify(&signed(header, claims), NOW)
}

fn header(header: &str) -> Result<Identity, Refusal> {
    verify(JwtRules::default(), header, CLAIMS)
}

fn claims(claims: &str) -> Result<Identity, Refusal> {
    verify(JwtRules::default(), HEADER, claims)
}

/// Two readers of one token would see two tokens (RFC 7515 §4, RFC 7519 §4).
///
/// [auth:jwt-unique]
#[test]
fn nothing_is_said_twice() {
    assert!(header(HEADER).is_ok() && claims(CLAIMS).is_ok());
    for twice in [
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"none","\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
        r#"{"alg":"HS256","x":{"a":1,"a":1}}"#,
    ] {
        assert_eq!(header(twice), Err(Refusal::TokenClaims(Claim::Twice)), "{twice}");
    }
    for twice in [
        r#"{"exp":1,"exp":1800000001}"#,
        r#"{"exp":1800000001,"exp":1800000001}"#,
        r#"{"exp":1800000001,"sub":"ann","sub":"root"}"#,
        r#"{"exp":1800000001,"sub":"ann","\u0073ub":"root"}"#,
        r#"{"exp":1800000001,"x":[[{"a":{"b":1,"c":2,"b":3}}]]}"#,
    ] {
        assert_eq!(claims(twice), Err(Refusal::TokenClaims(Claim::Twice)), "{twice}");
    }
    // What only looks like it.
    let once = r#"{"exp":1800000001,"sub":"a:b,\"c\":{}\\","x":{"exp":":","y":[{"y":1},{"y":2}]}}"#;
    assert_eq!(claims(once).unwrap().user.as_deref(), Some("a:b,\"c\":{}\\"));
}

/// [auth:jwt-depth]
#[test]
fn nesting_is_bounded() {
    let depth_max = Limits::default().token_depth_max;
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        [
            format!(r#"{{"exp":1800000001,"x":{open}{close}}}"#),
            format!(r#"{{"alg":"HS256","x":{open}{close}}}"#),
        ]
    };
    let [body, head] = nested(depth_max);
    assert!(claims(&body).is_ok() && header(&head).is_ok());
    let [body, head] = nested(depth_max + 1);
    assert_eq!(claims(&body), Err(Refusal::TokenMalformed));
    assert_eq!(header(&head), Err(Refusal::TokenMalformed));
    let flat = format!(r#"{{"exp":1800000001,"x":"{}","y":[[],[]]}}"#, "[{".repeat(50));
    assert!(claims(&flat).is_ok(), "brackets in strings nest nothing");
}

/// Dates are seconds of years with four digits; milliseconds in their place are a mistake that
/// would make a token hold for ever.
///
/// [auth:jwt-dates]
#[test]
fn dates_are_dates() {
    assert!(claims(r#"{"exp":253402300799}"#).is_ok());
    assert!(claims(r#"{"exp":253402300799.5,"nbf":0,"iat":0.0}"#).is_ok());
    let none = ["253402300800", "1800000001000", "1e300", "18446744073709551615", "-1", "-0.5"];
    let none = none.into_iter().chain(["-1e300", "-9223372036854775808", "36893488147419103232"]);
    for date in none {
        let refused = claims(&format!(r#"{{"exp":{date}}}"#));
        assert_eq!(refused, Err(Refusal::TokenClaims(Claim::End)), "exp {date}");
        for (name, claim) in [("nbf", Claim::Start), ("iat", Claim::Issued)] {
            let refused = claims(&format!(r#"{{"exp":1800000001,"{name}":{date}}}"#));
            assert_eq!(refused, Err(Refusal::TokenClaims(claim)), "{name} {date}");
        }
    }
    for date in ["1e400", "-1e400", "NaN", "Infinity"] {
        let refused = claims(&format!(r#"{{"exp":{date}}}"#));
        assert_eq!(refused, Err(Refusal::TokenMalformed), "{date}");
    }
}

/// RFC 7519 §4.1.6 gives `iat` one use, a token's age. So the future matters where an age does.
///
/// [auth:jwt-iat]
#[test]
fn the_future_is_not_when_a_token_was_issued_where_its_age_counts() {
    let body = |iat: u64| format!(r#"{{"exp":1800000100,"iat":{iat}}}"#);
    let rules = |age_ms_max| JwtRules { leeway_ms: 5000, age_ms_max, ..JwtRules::default() };
    let aged = |iat| verify(rules(Some(60_000)), HEADER, &body(iat));
    assert!(aged(1_800_000_005).is_ok(), "within the leeway");
    assert_eq!(aged(1_800_000_006), Err(Refusal::TokenEarly));
    assert!(verify(rules(None), HEADER, &body(1_800_000_090)).is_ok());
}

/// RFC 7797 §7: `b64` false is not for tokens; RFC 8725 §3.11: what says that it is another kind of
/// token is none of ours.
///
/// [auth:jwt-typ]
#[test]
fn other_kinds_of_token() {
    for own in ["JWT", "jwt", "application/JWT", "at+jwt", "application/at+jwt", "AT+JWT"] {
        assert!(header(&format!(r#"{{"alg":"HS256","typ":"{own}"}}"#)).is_ok(), "{own}");
    }
    let types =
        ["dpop+jwt", "logout+jwt", "secevent+jwt", "JOSE", "", "JWT ", "text/jwt", "jw\\u212a"];
    for other in types {
        let refused = header(&format!(r#"{{"alg":"HS256","typ":"{other}"}}"#));
        assert_eq!(refused, Err(Refusal::TokenClaims(Claim::Kind)), "{other}");
    }
    for (other, claim) in [
        (r#"{"alg":"HS256","typ":1}"#, Claim::Kind),
        (r#"{"alg":"HS256","typ":null}"#, Claim::Kind),
        (r#"{"alg":"HS256","typ":["JWT"]}"#, Claim::Kind),
        (r#"{"alg":"HS256","b64":true}"#, Claim::Unencoded),
        (r#"{"alg":"HS256","b64":false}"#, Claim::Unencoded),
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, Claim::Critical),
        (r#"{"alg":"HS256","crit":[]}"#, Claim::Critical),
    ] {
        assert_eq!(header(other), Err(Refusal::TokenClaims(claim)), "{other}");
    }
    // Keys that a token brings itself are never looked at.
    let own = r#"{"alg":"HS256","jku":"https://evil.example/","jwk":{"kty":"oct","k":"AA"},"x5u":"file:///","x5c":["AA"]}"#;
    assert!(header(own).is_ok());
}

/// Names with `key:` before them are those of API keys.
///
/// [auth:user-name]
#[test]
fn no_token_has_the_name_of_an_api_key() {
    let named = |sub: &str| claims(&format!(r#"{{"exp":1800000001,"sub":"{sub}"}}"#));
    assert_eq!(named("key:shop"), Err(Refusal::TokenClaims(Claim::User)));
    assert!(named("keys").is_ok() && named("a key:shop").is_ok());
}
