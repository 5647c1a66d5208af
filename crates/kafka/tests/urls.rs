//! URLs of logs.

use sockeye_kafka::{AddressError, DEFAULT_TOPIC, KafkaConfig, UrlError};

/// A configuration as `Debug` shows it.
fn shown(url: &str) -> String {
    format!("{:?}", KafkaConfig::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}")))
}

fn error(url: &str) -> UrlError {
    KafkaConfig::from_url(url).expect_err(url)
}

#[test]
fn all_forms() {
    let plain = shown("kafka://h");
    assert!(plain.contains(r#"servers: [Server { host: "h", port: 9092 }]"#), "{plain}");
    assert!(plain.contains("uses_tls: false, user: None"), "{plain}");
    assert_eq!(KafkaConfig::from_url("kafka://h/").expect("a URL").topic(), DEFAULT_TOPIC);
    let full = shown("KAFKAS://us%65r@[::1]:7000,b/a.b-c_1?replicas=3&sasl=SCRAM-SHA-256");
    assert!(full.contains(r#"{ host: "::1", port: 7000 }, Server { host: "b", port: 9092 }"#));
    assert!(full.contains(r#"uses_tls: true, user: Some("user"), mechanism: ScramSha256"#));
    assert!(full.contains(r#"topic: "a.b-c_1", replicas: 3"#), "{full}");
    assert!(shown("kafka://u@h").contains("ScramSha512"), "PLAIN has to be asked for");
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(error("http://h"), UrlError::Scheme);
    assert_eq!(error("h:9092"), UrlError::Scheme);
    assert_eq!(error("kafka://"), UrlError::Address(AddressError::Host));
    assert_eq!(error("kafka://a b"), UrlError::Address(AddressError::Host));
    assert_eq!(error("kafka://a,,b"), UrlError::Address(AddressError::Host));
    assert_eq!(error("kafka://[::1"), UrlError::Address(AddressError::Host));
    assert_eq!(error("kafka://h:0"), UrlError::Address(AddressError::Port));
    assert_eq!(error("kafka://h:65536"), UrlError::Address(AddressError::Port));
    assert_eq!(error("kafka://h?topic=a"), UrlError::Option("topic".into()));
    assert_eq!(error("kafka://h?replicas=10"), UrlError::Option("replicas".into()));
    assert_eq!(error("kafka://u@h?sasl=gssapi"), UrlError::Option("sasl".into()));
    assert_eq!(error("kafka://h?sasl=plain"), UrlError::User);
    assert_eq!(error("kafka://%4@h"), UrlError::Address(AddressError::Percent));
    let long = "a".repeat(250);
    for topic in [".", "..", "a%20b", "a/b", "%C3%A4", &long] {
        assert_eq!(error(&format!("kafka://h/{topic}")), UrlError::Topic, "{topic}");
    }
    KafkaConfig::from_url(&format!("kafka://h/{}", &long[1..])).expect("249 letters");
}

#[test]
fn passwords_are_neither_taken_from_urls_nor_shown() {
    for url in ["kafka://user:secret@h", "kafka://:secret@h"] {
        assert_eq!(error(url), UrlError::Address(AddressError::Password));
        assert!(!error(url).to_string().contains("secret"));
    }
    let config = KafkaConfig::from_url("kafka://u@h").expect("a URL").with_password("secret");
    assert!(config.has_password() && config.user() == Some("u"));
    assert!(!format!("{config:?}").contains("secret"));
}
