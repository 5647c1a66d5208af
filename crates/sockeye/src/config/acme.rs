//! `[tls.acme]`: certificates that the server orders itself (RFC 8555).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sockeye_client::{Scheme, Url};

use super::{Config, ListenAddress, ListenConfig, rules};

/// Most names of one certificate: the bound of Let's Encrypt.
const NAMES_MAX: usize = 100;

/// Longest name of the file of an account: file systems take 255 bytes.
const ACCOUNT_NAME_MAX: usize = 200;

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
    #[serde(default, deserialize_with = "rules::some_address")]
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

    /// Whether the listeners alone answer HTTP-01.
    fn is_on_listeners(&self) -> bool {
        self.challenge == ChallengeKind::Http && self.http.is_none()
    }

    /// The file that has the certificate, its chain and its key.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.join("certificate.pem")
    }

    /// The name of the file that has the account at the authority of `directory`. Each directory has another
    /// one: what is no letter, digit, dot or hyphen is written as its number. [acme:account-of-directory]
    pub(crate) fn account_file(&self) -> String {
        let mut name = "account-".to_owned();
        for byte in self.directory.trim_start_matches("https://").bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => name.push(byte.into()),
                _ => {
                    let _ = write!(name, "_{byte:02x}");
                }
            }
        }
        name + ".json"
    }

    /// What is wrong, and the key that it is wrong with.
    pub(super) fn problem(&self, has_client_ca: bool) -> Option<(&'static str, String)> {
        let is_secure = |url: &Url| !url.is_websocket() && url.peer().scheme == Scheme::Secure;
        if !Url::parse(&self.directory).is_ok_and(|url| is_secure(&url)) {
            return Some(("directory", "expected an https URL".into()));
        }
        if self.account_file().len() > ACCOUNT_NAME_MAX {
            return Some(("directory", "it is too long for the name of its account's file".into()));
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

impl Config {
    /// Whether an authority that asks on port 80 can reach a listener that answers. [acme:http-01-port]
    pub(super) fn http_01_problem(&self, acme: &AcmeConfig) -> Option<(&'static str, String)> {
        let why =
            "\"http-01\" is answered without TLS, and every listener has TLS: add `http = \":80\"`";
        let is_unheard = acme.is_on_listeners() && self.plain_listeners().next().is_none();
        is_unheard.then(|| ("challenge", why.into()))
    }

    /// A remark about challenges that reach the server only if somebody passes them on. [acme:http-01-port]
    pub(super) fn http_01_warning(&self) -> Option<String> {
        let acme = self.tls.as_ref()?.acme.as_ref().filter(|acme| acme.is_on_listeners())?;
        let is_80 =
            |it: &ListenConfig| matches!(it.address, ListenAddress::Tcp(addr) if addr.port() == 80);
        if self.plain_listeners().any(is_80) {
            return None;
        }
        let first = self.plain_listeners().next()?;
        let names = acme.names.join(", ");
        Some(format!(
            "[tls.acme] http-01: the authority asks on port 80 of {names}, where this server does not listen: \
             something has to pass /.well-known/acme-challenge/ on to {}, or set `http`",
            first.address
        ))
    }

    fn plain_listeners(&self) -> impl Iterator<Item = &ListenConfig> {
        self.listen.0.iter().filter(|it| !it.speaks_tls(true))
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
            ("ca.test/dir", &format!("ca.test/{}", "d".repeat(200)), "directory: it is too long"),
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

    /// [acme:http-01-port]
    #[test]
    fn challenges_on_port_80_have_to_be_heard() {
        let acme = GOOD.replace("dir = \"acme\"", "dir = \"acme\"\nchallenge = \"http-01\"");
        let listen = |rest: &str| format!("[[listen]]\naddress = \"127.0.0.1:443\"\n{rest}{acme}");
        let other = |address: &str| format!("[[listen]]\naddress = \"{address}\"\ntls = false\n");
        let read = |text: &str| Config::parse(text).expect("TOML");
        let told = read(&listen("")).check().expect_err("nobody answers").to_string();
        assert!(told.contains("every listener has TLS: add `http ="), "{told}");
        let own_port = |address: &str| format!("{}http = \"{address}\"\n", listen(""));
        for (text, is_doubtful) in [
            (&own_port("0.0.0.0:80"), false),
            (&own_port(":80"), false),
            (&listen(&other("127.0.0.1:80")), false),
            (&listen(&other("127.0.0.1:8080")), true),
            (&listen("[[listen]]\naddress = \"unix:a\"\n"), true),
            (&listen("").replace("http-01", "tls-alpn-01"), false),
        ] {
            let config = read(text);
            config.check().expect("good");
            let told = config.warnings();
            let is_told = told.iter().any(|it| it.contains("the authority asks on port 80"));
            assert_eq!(is_told, is_doubtful, "{text}: {told:?}");
        }
    }

    /// [listen:port-alone]
    #[test]
    fn a_port_alone_answers_challenges_on_all_addresses() {
        let http = |address: &str| {
            let text = format!("{GOOD}http = \"{address}\"\n");
            Config::parse(&text).map(|it| it.tls.and_then(|tls| tls.acme).and_then(|it| it.http))
        };
        for (address, all) in [(":80", "[::]:80"), ("0.0.0.0:80", "0.0.0.0:80")] {
            assert_eq!(http(address).expect("good"), Some(all.parse().expect("an address")));
        }
        let told = http("80").expect_err("a number alone");
        assert!(told.contains("expected an address with a port, as 127.0.0.1:8080"), "{told}");
    }

    /// [acme:account-of-directory]
    #[test]
    fn each_directory_has_a_file_for_its_account() {
        let file = |directory: &str| {
            let text = GOOD.replace("https://ca.test/dir", directory);
            let config = Config::parse(&text).expect("TOML");
            config.tls.and_then(|tls| tls.acme).expect("[tls.acme]").account_file()
        };
        assert_eq!(file("https://ca.test/dir"), "account-ca.test_2fdir.json");
        assert_eq!(file("https://ca.test:1/a_b"), "account-ca.test_3a1_2fa_5fb.json");
        assert_ne!(file("https://ca.test/a/b"), file("https://ca.test/a_2fb"));
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
