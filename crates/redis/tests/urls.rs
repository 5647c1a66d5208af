//! URLs of logs.

use sockeye_redis::{AddressError, DEFAULT_KEY, RedisConfig, UrlError};

/// What a configuration shows.
fn shown(url: &str) -> String {
    format!("{:?}", RedisConfig::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}")))
}

fn error(url: &str) -> UrlError {
    RedisConfig::from_url(url).expect_err(url)
}

#[test]
fn all_forms() {
    let plain = shown("redis://h");
    assert!(plain.contains(r#"servers: [Server { host: "h", port: 6379 }]"#), "{plain}");
    assert!(plain.contains("uses_tls: false") && plain.contains("database: 0"), "{plain}");
    let full = shown("REDISS://us%65r@[::1]:7000/3?key=a%2Fb&replicas=2");
    assert!(full.contains(r#"host: "::1", port: 7000"#), "{full}");
    assert!(full.contains(r#"user: Some("user")"#) && full.contains("uses_tls: true"), "{full}");
    assert!(full.contains("database: 3") && full.contains(r#"key: "a/b""#), "{full}");
    assert!(full.contains("replicas: 2"), "{full}");
    let sentinels = shown("redis-sentinel://a,b:7001/log/2");
    assert!(sentinels.contains(r#"{ host: "a", port: 26379 }, Server { host: "b", port: 7001 }"#));
    assert!(
        sentinels.contains(r#"primary_name: Some("log")"#) && sentinels.contains("database: 2")
    );
    assert!(shown("rediss-sentinel://a/log").contains("uses_tls: true"));
    assert_eq!(RedisConfig::from_url("redis://h/").expect("a URL").key(), DEFAULT_KEY);
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(error("http://h"), UrlError::Scheme);
    assert_eq!(error("h:6379"), UrlError::Scheme);
    assert_eq!(error("redis://"), UrlError::Address(AddressError::Host));
    assert_eq!(error("redis://a b"), UrlError::Address(AddressError::Host));
    assert_eq!(error("redis://[::1"), UrlError::Address(AddressError::Host));
    assert_eq!(error("redis://[h]"), UrlError::Address(AddressError::Host));
    assert_eq!(error("redis://a,b"), UrlError::Hosts);
    assert_eq!(error("redis://h:0"), UrlError::Address(AddressError::Port));
    assert_eq!(error("redis://h:65536"), UrlError::Address(AddressError::Port));
    assert_eq!(error("redis-sentinel://h"), UrlError::PrimaryName);
    assert_eq!(error("redis://h/x"), UrlError::Database);
    assert_eq!(error("redis://h?kex=a"), UrlError::Option("kex".into()));
    assert_eq!(error("redis://h?key="), UrlError::Option("key".into()));
    assert_eq!(error("redis://h?replicas=-1"), UrlError::Option("replicas".into()));
    assert_eq!(error("redis://h?key=%4"), UrlError::Address(AddressError::Percent));
}

#[test]
fn passwords_are_neither_taken_from_urls_nor_shown() {
    for url in ["redis://user:secret@h", "redis://:secret@h", "rediss-sentinel://u:secret@a,b/log"]
    {
        assert_eq!(error(url), UrlError::Address(AddressError::Password));
        assert!(!error(url).to_string().contains("secret"));
    }
    let config = RedisConfig::from_url("redis://h").expect("a URL");
    let config = config.with_password("secret").with_sentinel_login(None, "secret");
    assert!(!format!("{config:?}").contains("secret"));
}
