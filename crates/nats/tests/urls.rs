//! URLs of logs.

use sockeye_nats::{AddressError, CredentialsError, DEFAULT_STREAM, NatsConfig, UrlError};

/// What a configuration shows.
fn shown(url: &str) -> String {
    format!("{:?}", NatsConfig::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}")))
}

fn error(url: &str) -> UrlError {
    NatsConfig::from_url(url).expect_err(url)
}

#[test]
fn all_forms() {
    let plain = shown("nats://h");
    assert!(plain.contains(r#"servers: [Server { host: "h", port: 4222 }]"#), "{plain}");
    assert!(plain.contains("uses_tls: false") && plain.contains("replicas: 0"), "{plain}");
    let full = shown("TLS://us%65r@[::1]:7000,b/?stream=a-b_3&replicas=3");
    assert!(
        full.contains(r#"[Server { host: "::1", port: 7000 }, Server { host: "b", port: 4222 }]"#),
        "{full}"
    );
    assert!(full.contains(r#"user: Some("user")"#) && full.contains("uses_tls: true"), "{full}");
    assert!(full.contains(r#"stream: "a-b_3""#) && full.contains("replicas: 3"), "{full}");
    assert_eq!(NatsConfig::from_url("nats://h/").expect("a URL").stream(), DEFAULT_STREAM);
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(error("http://h"), UrlError::Scheme);
    assert_eq!(error("h:4222"), UrlError::Scheme);
    assert_eq!(error("nats://"), UrlError::Address(AddressError::Host));
    assert_eq!(error("nats://a,"), UrlError::Address(AddressError::Host));
    assert_eq!(error("nats://a b"), UrlError::Address(AddressError::Host));
    assert_eq!(error("nats://[::1"), UrlError::Address(AddressError::Host));
    assert_eq!(error("nats://[h]"), UrlError::Address(AddressError::Host));
    assert_eq!(error("nats://h:0"), UrlError::Address(AddressError::Port));
    assert_eq!(error("nats://a,h:65536"), UrlError::Address(AddressError::Port));
    assert_eq!(error("nats://h/log"), UrlError::Path);
    assert_eq!(error("nats://h?strem=a"), UrlError::Option("strem".into()));
    for name in ["", "a.b", "a%20b", "a>", "*", "a/b", &"a".repeat(129)] {
        assert_eq!(error(&format!("nats://h?stream={name}")), UrlError::Option("stream".into()));
    }
    assert_eq!(error("nats://h?replicas=6"), UrlError::Option("replicas".into()));
    assert_eq!(error("nats://h?stream=%4"), UrlError::Address(AddressError::Percent));
}

#[test]
fn secrets_are_neither_taken_from_urls_nor_shown() {
    for url in ["nats://user:secret@h", "nats://:secret@h", "tls://u:secret@a,b?stream=c"] {
        assert_eq!(error(url), UrlError::Address(AddressError::Password));
        assert!(!error(url).to_string().contains("secret"));
    }
    let config = NatsConfig::from_url("nats://h").expect("a URL").with_password("secret");
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn credentials_are_a_jwt_and_a_seed() {
    let config = || NatsConfig::from_url("nats://h").expect("a URL");
    let text = "-----BEGIN NATS USER JWT-----\nabc.def.ghi\n------END NATS USER JWT------\n\n\
                -----BEGIN USER NKEY SEED-----\nSUACH75SWCM5D2JMJM6EKLR2WDARVGZT4QC6LX3AGHSWOMVAKERABBBRWM\n\
                ------END USER NKEY SEED------\n";
    let taken = config().with_credentials(text).expect("credentials");
    let shown = format!("{taken:?}");
    assert!(!shown.contains("SUACH75") && !shown.contains("abc.def"), "{shown}");
    for text in ["", "secret", &text.replace("SUACH75", "SUACH76")] {
        assert_eq!(config().with_credentials(text).err(), Some(CredentialsError), "{text}");
    }
}
