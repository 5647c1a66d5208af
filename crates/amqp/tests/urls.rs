//! URLs of logs.

use sockeye_amqp::{AmqpConfig, DEFAULT_STREAM, UrlError};

/// A configuration's text for people.
fn shown(url: &str) -> String {
    format!("{:?}", AmqpConfig::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}")))
}

fn error(url: &str) -> UrlError {
    AmqpConfig::from_url(url).expect_err(url)
}

#[test]
fn all_forms() {
    let plain = shown("amqp://h");
    assert!(plain.contains(r#"servers: [Server { host: "h", port: 5672 }]"#), "{plain}");
    assert!(plain.contains(r#"vhost: "/""#) && plain.contains("replicas: 0"), "{plain}");
    assert!(plain.contains("uses_tls: false") && plain.contains("keep_bytes: None"), "{plain}");
    let full =
        shown("AMQPS://us%65r@[::1]:7000,b/a%2fb?stream=a-b_3&replicas=3&keep_bytes=200000000");
    assert!(
        full.contains(r#"[Server { host: "::1", port: 7000 }, Server { host: "b", port: 5671 }]"#),
        "{full}"
    );
    assert!(full.contains(r#"user: Some("user")"#) && full.contains("uses_tls: true"), "{full}");
    assert!(full.contains(r#"vhost: "a/b""#) && full.contains(r#"stream: "a-b_3""#), "{full}");
    assert!(full.contains("replicas: 3") && full.contains("Some(200000000)"), "{full}");
    assert_eq!(AmqpConfig::from_url("amqp://h/").expect("a URL").stream(), DEFAULT_STREAM);
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(error("http://h"), UrlError::Scheme);
    assert_eq!(error("h:5672"), UrlError::Scheme);
    assert_eq!(error("amqp://"), UrlError::Host);
    assert_eq!(error("amqp://a,"), UrlError::Host);
    assert_eq!(error("amqp://[::1"), UrlError::Host);
    assert_eq!(error("amqp://h:0"), UrlError::Port);
    assert_eq!(error(&format!("amqp://h/{}", "a".repeat(256))), UrlError::VirtualHost);
    for name in ["", "a%20b", "a*", "a/b", "amq.a", &"a".repeat(129)] {
        assert_eq!(error(&format!("amqp://h?stream={name}")), UrlError::Option("stream".into()));
    }
    for option in ["replicas=10", "keep_bytes=1000", "strem=a"] {
        let name = option.split('=').next().expect("a name");
        assert_eq!(error(&format!("amqp://h?{option}")), UrlError::Option(name.into()));
    }
    assert_eq!(error("amqp://h/%4"), UrlError::Percent);
}

#[test]
fn passwords_are_neither_taken_from_urls_nor_shown() {
    for url in ["amqp://user:secret@h", "amqps://:secret@h"] {
        assert_eq!(error(url), UrlError::Password);
        assert!(!error(url).to_string().contains("secret"));
    }
    let config = AmqpConfig::from_url("amqp://u@h").expect("a URL");
    assert!(config.lacks_password());
    let config = config.with_password("secret");
    assert!(!format!("{config:?}").contains("secret") && !config.lacks_password());
}
