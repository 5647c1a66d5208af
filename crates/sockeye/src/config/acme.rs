//! `[tls.acme]`: certificates that the server orders itself (RFC 8555).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sockeye_client::{Scheme, Url};

use super::rules;

/// Most names of one certificate: the bound of Let's Encrypt.
const NAMES_MAX: usize = 100;

/// Seconds before the second attempt, if the file does not say.
const RETRY_SECONDS: u64 = 60;

/// The orders of a certificate: where, for which names, and how they are proved.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcmeConfig {
    /// The URL of the authority's directory.
    pub(crate) directory: String,
    /// The names of the certificate.
    pub(crate) names: Vec<String>,
    /// An address of mail.
    #[serde(default)]
    pub(crate) contact: Option<String>,
    /// Whether the operator agrees to the authority's terms.
    #[serde(default)]
    pub(crate) agree_to_terms: bool,
    /// The directory of the account's key and of the certificate.
    #[serde(deserialize_with = "rules::path")]
    pub(crate) dir: PathBuf,
    #[serde(default)]
    pub(crate) challenge: ChallengeKind,
    /// The address of a port without TLS that answers challenges, and nothing else.
    #[serde(default)]
    pub(crate) http: Option<SocketAddr>,
    /// The authorities that vouch for the directory, instead of those that the system trusts.
    #[serde(default, deserialize_with = "rules::some_path")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Seconds before the second attempt. Each further one waits twice as long.
    #[serde(default = "retry_seconds", deserialize_with = "rules::positive")]
    pub(crate) retry_seconds: u64,
}

/// The proof that a name is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum ChallengeKind {
    /// A handshake on port 443 (RFC 8737).
    #[default]
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
    /// A page on port 80 (RFC 8555 §8.3).
    #[serde(rename = "http-01")]
    Http,
}

const fn retry_seconds() -> u64 {
    RETRY_SECONDS
}

impl AcmeConfig {
    /// Relative paths are relative to the file that they stand in.
    pub(super) fn resolve(&mut self, beside: &Path) {
        for path in self.ca_file.iter_mut().chain([&mut self.dir]) {
            *path = beside.join(&*path);
        }
    }

    /// The file that has the certificate, its chain and its key.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.join("certificate.pem")
    }

    /// What is wrong, and the key that it is wrong with.
    pub(super) fn problem(&self, has_client_ca: bool) -> Option<(&'static str, String)> {
        let is_secure = |url: &Url| !url.is_websocket() && url.peer().scheme == Scheme::Secure;
        if !Url::parse(&self.directory).is_ok_and(|url| is_secure(&url)) {
            return Some(("directory", "expected an https URL".into()));
        }
        if self.names.is_empty() || self.names.len() > NAMES_MAX {
            return Some(("names", format!("expected 1 to {NAMES_MAX} names")));
        }
        if let Some(name) = self.names.iter().find(|name| !is_name(name)) {
            let why = "is no name that can be proved this way: no addresses, no wildcards";
            return Some(("names", format!("\"{name}\" {why}")));
        }
        if !self.agree_to_terms {
            let why = "the authority has terms: read them, then set it to true";
            return Some(("agree_to_terms", why.into()));
        }
        if has_client_ca && self.challenge == ChallengeKind::TlsAlpn {
            // The authority has no certificate of a client.
            return Some(("challenge", "with client_ca it has to be \"http-01\"".into()));
        }
        None
    }
}

/// Whether it is the name of a host in the DNS.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_word =
        name.rsplit('.').next().is_some_and(|it| !it.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && last_is_word && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::is_name;

    const GOOD: &str = "[tls.acme]\ndirectory = \"https://ca.test/dir\"\nnames = [\"a.example\"]\n\
                        agree_to_terms = true\ndir = \"acme\"\n";

    #[test]
    fn orders_have_a_directory_names_and_agreement() {
        Config::parse(GOOD).expect("TOML").check().expect("good");
        for (from, to, words) in [
            ("https://ca.test/dir", "http://ca.test/dir", "directory: expected an https URL"),
            ("https://ca.test/dir", "wss://ca.test/dir", "directory: expected an https URL"),
            ("[\"a.example\"]", "[]", "names: expected 1 to 100"),
            ("a.example", "*.example", "\"*.example\" is no name"),
            ("a.example", "192.0.2.1", "\"192.0.2.1\" is no name"),
            ("agree_to_terms = true\n", "", "agree_to_terms: the authority has terms"),
            ("[tls.acme]", "[tls]\nclient_ca = \"c\"\n[tls.acme]", "challenge: with client_ca"),
        ] {
            let config = Config::parse(&GOOD.replace(from, to)).expect("TOML");
            let told = config.check().expect_err(words).to_string();
            assert!(told.contains(words), "{told}");
        }
        let text = GOOD.replace("[tls.acme]", "[tls.acme]\nchallenge = \"dns-01\"");
        let told = Config::parse(&text).expect_err("no such challenge");
        assert!(told.contains("expected one of \"tls-alpn-01\", \"http-01\""), "{told}");
    }

    #[test]
    fn names_are_those_of_hosts() {
        for (name, is_good) in [
            ("localhost", true),
            ("a-b.Example", true),
            ("", false),
            ("a..b", false),
            ("-a.example", false),
            ("a_b.example", false),
            ("a.example.", false),
            ("127.0.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(is_name(name), is_good, "{name}");
        }
    }
}
