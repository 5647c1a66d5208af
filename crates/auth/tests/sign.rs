//! Tokens and keys that are made here, and what other programs make of them.

use std::process::{Command, Stdio};

use sockeye_auth::{
    Algorithm, Grants, Identity, JwtKey, JwtRules, Limits, Misuse, Refusal, SigningKey,
    TokenClaims, UnixTime, Verifier,
};

const NOW_MS: u64 = 1_800_000_000_000;
const NOW: UnixTime = UnixTime::from_millis(NOW_MS);
const MADE: [Algorithm; 3] = [Algorithm::Hs256, Algorithm::Es256, Algorithm::EdDsa];

fn ann() -> Identity {
    let limits = Limits::default();
    Identity {
        user: Some("ann \"quoted\" \u{e4}".to_owned()),
        subscribe: Grants::new(["chat:*", "news"], &limits).unwrap(),
        publish: Grants::new(["chat:7"], &limits).unwrap(),
        ends_ms: Some(NOW_MS + 60_000),
        ..Identity::anonymous()
    }
}

fn read(algorithm: Algorithm, text: &str) -> SigningKey {
    match algorithm {
        Algorithm::Hs256 => SigningKey::hs256(text.as_bytes()),
        _ => SigningKey::from_pem(algorithm, text),
    }
    .unwrap()
}

/// What a server makes of it that is configured with the public half, or with the secret.
fn verify(key: &SigningKey, rules: JwtRules, token: &str) -> Result<Identity, Refusal> {
    let configured = match key.public_pem() {
        Some(pem) => JwtKey::from_pem(key.algorithm(), &pem).unwrap(),
        None => key.verifying().unwrap(),
    };
    Verifier::new(rules, vec![configured], Limits::default()).unwrap().verify(token, NOW)
}

/// Made by openssl; `None` where there is none.
fn openssl(args: &[&str], input: &str) -> Option<String> {
    use std::io::Write as _;
    let mut command = Command::new("openssl");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_is_signed_here_is_verified_here() {
    for algorithm in MADE {
        let text = SigningKey::generate(algorithm).unwrap();
        assert_ne!(text, SigningKey::generate(algorithm).unwrap(), "each is another");
        let key = read(algorithm, &text).with_kid("k1");
        assert_eq!(key.algorithm(), algorithm);
        let token = key.token(&ann(), &TokenClaims::default()).unwrap();
        assert_eq!(verify(&key, JwtRules::default(), &token), Ok(ann()), "{algorithm:?}");
        let named =
            Verifier::new(JwtRules::default(), vec![key.verifying().unwrap()], Limits::default());
        assert_eq!(named.unwrap().verify(&token, NOW), Ok(ann()), "with the kid");
        let other = read(algorithm, &SigningKey::generate(algorithm).unwrap());
        let refused = verify(&other, JwtRules::default(), &token);
        assert_eq!(refused, Err(Refusal::TokenSignature), "{algorithm:?}");
    }
    assert_eq!(SigningKey::generate(Algorithm::Rs256), Err(Misuse::NoGenerator));
}

#[test]
fn claims_that_rules_ask_for() {
    let key = SigningKey::hs256(&[1; 32]).unwrap();
    let claims =
        TokenClaims { issued_ms: Some(NOW_MS + 999), issuer: Some("us"), audience: Some("hub") };
    let token = key.token(&ann(), &claims).unwrap();
    let rules = || JwtRules {
        issuers: vec!["us".into()],
        audiences: vec!["hub".into()],
        age_ms_max: Some(1000),
        ..JwtRules::default()
    };
    assert_eq!(verify(&key, rules(), &token), Ok(ann()));
    for without in [
        TokenClaims { issued_ms: None, ..claims },
        TokenClaims { issuer: None, ..claims },
        TokenClaims { audience: None, ..claims },
    ] {
        let token = key.token(&ann(), &without).unwrap();
        assert!(verify(&key, rules(), &token).is_err(), "{without:?}");
    }
}

#[test]
fn what_a_token_cannot_say() {
    let key = SigningKey::hs256(&[1; 32]).unwrap();
    let none = TokenClaims::default();
    let endless = Identity { ends_ms: None, ..ann() };
    assert_eq!(key.token(&endless, &none), Err(Misuse::NoEnd));
    let issuer = Identity { tickets: Grants::everything(), ..ann() };
    assert_eq!(key.token(&issuer, &none), Err(Misuse::Rights));
    let admin = Identity { admin: Grants::everything(), ..ann() };
    assert_eq!(key.token(&admin, &none), Err(Misuse::Rights));
}

/// Private keys of openssl are read, ours are read by openssl, and the public halves are the same.
#[test]
fn keys_of_openssl_and_ours() {
    let pairs = [
        (Algorithm::Es256, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
        (Algorithm::EdDsa, &["-algorithm", "ED25519"]),
        (Algorithm::Rs256, &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ];
    for (algorithm, args) in pairs {
        let Some(theirs) = openssl(&[&["genpkey"], args].concat(), "") else { return };
        let made = match algorithm {
            Algorithm::Rs256 => vec![theirs],
            _ => vec![theirs, SigningKey::generate(algorithm).unwrap()],
        };
        for pem in made {
            let key = read(algorithm, &pem);
            let token = key.token(&ann(), &TokenClaims::default()).unwrap();
            assert_eq!(verify(&key, JwtRules::default(), &token), Ok(ann()), "{algorithm:?}");
            let public = openssl(&["pkey", "-pubout"], &pem);
            assert_eq!(public, key.public_pem(), "{algorithm:?}");
            for other in MADE.into_iter().filter(|it| *it != algorithm) {
                let refused = SigningKey::from_pem(other, &pem).err();
                assert_eq!(refused, Some(Misuse::PrivateKeyForm), "{other:?}");
            }
        }
    }
    let Some(rsa) = openssl(&["genrsa", "-traditional", "2048"], "") else { return };
    assert!(rsa.starts_with("-----BEGIN RSA PRIVATE KEY"), "{}", &rsa[..30]);
    assert!(SigningKey::from_pem(Algorithm::Rs256, &rsa).is_ok());
    let encrypted = openssl(&["pkcs8", "-topk8", "-passout", "pass:x"], &rsa).unwrap();
    for bad in ["", &encrypted, include_str!("tokens/rsa.pem"), &rsa[..400]] {
        let refused = SigningKey::from_pem(Algorithm::Rs256, bad).err();
        assert_eq!(refused, Some(Misuse::PrivateKeyForm), "{bad}");
    }
}
