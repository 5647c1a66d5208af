//! URLs of logs.

use sockeye_postgres::{AddressError, DEFAULT_TABLE, PostgresConfig, UrlError};

/// A configuration as `Debug` shows it.
fn shown(url: &str) -> String {
    format!("{:?}", PostgresConfig::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}")))
}

fn error(url: &str) -> UrlError {
    PostgresConfig::from_url(url).expect_err(url)
}

#[test]
fn all_forms() {
    let plain = shown("postgres://node@h");
    assert!(plain.contains(r#"servers: [Server { host: "h", port: 5432 }]"#), "{plain}");
    assert!(plain.contains(r#"database: "node""#) && plain.contains("uses_tls: false"), "{plain}");
    let full = shown("POSTGRESQL://us%65r@[::1]:7000,b/app%20one?table=a_1&sslmode=verify-full");
    assert!(full.contains(r#"{ host: "::1", port: 7000 }, Server { host: "b", port: 5432 }"#));
    assert!(full.contains(r#"user: "user", database: "app one", table: "a_1""#), "{full}");
    assert!(full.contains("uses_tls: true"), "{full}");
    let config = PostgresConfig::from_url("postgres://n@h/?sslmode=disable").expect("a URL");
    assert_eq!((config.table(), config.uses_tls()), (DEFAULT_TABLE, false));
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(error("http://u@h"), UrlError::Scheme);
    assert_eq!(error("u@h:5432"), UrlError::Scheme);
    assert_eq!(error("postgres://h/db"), UrlError::User);
    assert_eq!(error("postgres://@h"), UrlError::User);
    assert_eq!(error("postgres://u@"), UrlError::Address(AddressError::Host));
    assert_eq!(error("postgres://u@a b"), UrlError::Address(AddressError::Host));
    assert_eq!(error("postgres://u@a,,b"), UrlError::Address(AddressError::Host));
    assert_eq!(error("postgres://u@[::1"), UrlError::Address(AddressError::Host));
    assert_eq!(error("postgres://u@h:0"), UrlError::Address(AddressError::Port));
    assert_eq!(error("postgres://u@h:65536"), UrlError::Address(AddressError::Port));
    assert_eq!(error("postgres://u@h?stream=a"), UrlError::Option("stream".into()));
    assert_eq!(error("postgres://u@h?sslmode=require"), UrlError::Option("sslmode".into()));
    assert_eq!(error("postgres://%4@h"), UrlError::Address(AddressError::Percent));
}

/// A name stands in statements without quotes.
#[test]
fn names_of_tables_are_plain() {
    let long = "a".repeat(49);
    for name in ["", "A", "1a", "a-b", "a.b", "a b", "a;drop", "a%22", "%C3%A4", &long] {
        let url = format!("postgres://u@h?table={name}");
        assert_eq!(error(&url), UrlError::Option("table".into()), "{name}");
    }
    for name in ["a", "_", "a_1", &long[1..]] {
        let config = PostgresConfig::from_url(&format!("postgres://u@h?table={name}"));
        assert_eq!(config.expect(name).table(), name);
    }
}

#[test]
fn passwords_are_neither_taken_from_urls_nor_shown() {
    for url in ["postgres://user:secret@h", "postgres://:secret@h"] {
        assert_eq!(error(url), UrlError::Address(AddressError::Password));
        assert!(!error(url).to_string().contains("secret"));
    }
    let config = PostgresConfig::from_url("postgres://u@h").expect("a URL").with_password("secret");
    assert!(!format!("{config:?}").contains("secret"));
}
