//! `listen`: the addresses that the server listens on, and what it serves on each.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sockeye_server::{HopField, Listener, Network, ProxyVersion, UNIX_PEER};
use sockeye_terminal::Failure;
use sockeye_terminal::values::{ADDRESS, address};

use super::Config;
use super::words::EMPTY_PATH;

/// The beginning of the address of a Unix socket.
const UNIX: &str = "unix:";

/// The permissions of a Unix socket, if the file does not say.
const MODE: u32 = 0o660;

/// Listeners at the most.
const LISTENERS_MAX: usize = 16;

/// Networks of trusted proxies at the most, of a listener. Each is looked at with each request.
const NETWORKS_MAX: usize = 64;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenConfig {
    pub(crate) address: ListenAddress,
    /// Whether it speaks TLS. If the file does not say, it does if it is on TCP and there is `[tls]`.
    tls: Option<bool>,
    /// The permissions of a Unix socket.
    mode: Option<u32>,
    /// Connections begin with a header of the PROXY protocol in this version.
    #[serde(default, deserialize_with = "proxy_version")]
    pub(crate) proxy_protocol: Option<ProxyVersion>,
    /// Proxies that are believed when they name their clients.
    #[serde(default, deserialize_with = "networks")]
    pub(crate) trusted_proxies: Vec<Network>,
    /// The header field by which they name them. If the file does not say, it is `X-Forwarded-For`, or none
    /// where the PROXY protocol names them.
    #[serde(default, deserialize_with = "hop_field")]
    client_field: Option<HopField>,
    /// What is served here.
    #[serde(default, rename = "serves")]
    pub(crate) parts: Parts,
}

/// The listeners of a server, one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listeners(pub(crate) Vec<ListenConfig>);

/// A part of what the server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// Everything under /v1.
    Channels,
    /// The page at /, /echo and /clock.
    Demo,
    /// The page at /admin.
    Admin,
    /// /metrics
    Metrics,
    /// /healthz and /readyz
    Health,
}

/// The parts that a listener serves. By default it serves all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<Part>")]
pub(crate) struct Parts(u8);

impl Parts {
    pub(crate) const fn has(self, part: Part) -> bool {
        self.0 & 1 << part as u8 != 0
    }
}

impl From<Vec<Part>> for Parts {
    fn from(parts: Vec<Part>) -> Self {
        Self(parts.into_iter().fold(0, |all, part| all | 1 << part as u8))
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self(u8::MAX)
    }
}

impl Default for Listeners {
    fn default() -> Self {
        Self::one(ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080))))
    }
}

impl Listeners {
    /// The short form: one listener, which serves everything.
    pub(crate) fn one(address: ListenAddress) -> Self {
        let parts = Parts::default();
        Self(vec![ListenConfig {
            address,
            tls: None,
            mode: None,
            proxy_protocol: None,
            trusted_proxies: Vec::new(),
            client_field: None,
            parts,
        }])
    }

    /// Whether the short form says the same.
    pub(super) fn is_short(&self) -> bool {
        match &*self.0 {
            [only] => *self == Self::one(only.address.clone()),
            _ => false,
        }
    }

    /// Relative paths are relative to the file that they stand in.
    pub(super) fn resolve(&mut self, beside: &Path) {
        for listener in &mut self.0 {
            if let ListenAddress::Unix(path) = &mut listener.address {
                *path = beside.join(&*path);
            }
        }
    }
}

impl ListenConfig {
    /// Whether it speaks TLS, in a server that has certificates or not.
    pub(crate) fn speaks_tls(&self, has_certificates: bool) -> bool {
        let is_tcp = matches!(self.address, ListenAddress::Tcp(_));
        self.tls.unwrap_or(is_tcp && has_certificates)
    }

    /// The permissions of a Unix socket.
    pub(crate) fn mode(&self) -> u32 {
        self.mode.unwrap_or(MODE)
    }

    /// The rules that the server has for it.
    pub(crate) fn rules(&self) -> Listener {
        let mut rules = Listener::default();
        rules.trusted_proxies.clone_from(&self.trusted_proxies);
        rules.proxy_protocol = self.proxy_protocol.is_some();
        // [listen:client-field]
        let unsaid = (!rules.proxy_protocol).then(HopField::default);
        rules.hop_field = self.client_field.or(unsaid);
        rules
    }

    /// A problem of it, with the key that has it. `mode`: its permissions as the file writes them.
    fn check(&self, config: &Config, mode: Option<&str>) -> Result<(), (&'static str, String)> {
        let problem = |key, why: &str| Err((key, why.to_owned()));
        if self.proxy_protocol.is_some() && self.trusted_proxies.is_empty() {
            let why = "proxy_protocol needs trusted_proxies: nobody else may send its header";
            return problem("proxy_protocol", why);
        }
        if self.speaks_tls(false) && config.tls.is_none() {
            return problem("tls", "tls = true needs a certificate: [tls]");
        }
        if self.parts == Parts(0) {
            return problem("serves", "serves names nothing: leave it out to serve everything");
        }
        let ListenAddress::Tcp(addr) = self.address else {
            return self.check_mode(mode).map_err(|why| ("mode", why));
        };
        if self.mode.is_some() {
            return problem("mode", "mode is for unix: addresses");
        }
        let publishes = self.parts.has(Part::Channels);
        if config.access.is_none() && !addr.ip().is_loopback() && publishes {
            let why = format!(
                "listening on {addr} without [access] would let everybody publish: configure it, or \
                 listen on the loopback interface"
            );
            return Err(("address", why));
        }
        Ok(())
    }

    /// Permissions are octal everywhere else, so `mode = 660` is a slip.
    // [listen:mode]
    fn check_mode(&self, written: Option<&str>) -> Result<(), String> {
        let (mode, written) = (self.mode(), written.unwrap_or("0o"));
        if !written.starts_with("0o") {
            return Err(format!("mode: {mode}, expected an octal number, as 0o660"));
        }
        match mode {
            0..=0o777 => Ok(()),
            _ => Err("mode is not within 0o000 to 0o777".into()),
        }
    }
}

impl Config {
    /// Whether its listeners can be listened on.
    pub(super) fn check_listeners(&self) -> Result<(), Failure> {
        let (listeners, source) = (&self.listen.0, &self.listen_source);
        // The line of `listen = …`, if the file has the short form.
        let at = |number, key| match source.line_of("", "listen") {
            short if short.is_empty() => source.line_of_nth("listen", number, key),
            short => short,
        };
        if listeners.is_empty() || listeners.len() > LISTENERS_MAX {
            let what = format!("{} listeners, expected 1 to {LISTENERS_MAX}", listeners.len());
            return Err(Failure(at(0, "address") + &what));
        }
        for (number, listener) in listeners.iter().enumerate() {
            if listeners[..number].iter().any(|it| it.address.is_same(&listener.address)) {
                let what = format!("{} is listened on already", listener.address);
                return Err(Failure(at(number, "address") + &what));
            }
            let mode = source.text_of_nth("listen", number, "mode");
            listener.check(self, mode).map_err(|(key, why)| Failure(at(number, key) + &why))?;
        }
        let is_encrypted = listeners.iter().any(|it| it.speaks_tls(self.tls.is_some()));
        if self.tls.is_some() && !is_encrypted {
            let at = self.source.line_with(&["[tls]"]);
            let what = "no listener speaks TLS, and a certificate is given. Listen on an address, set tls = true in a \
                        [[listen]], which a Unix socket needs, or remove the certificate";
            return Err(Failure(format!("{at}[tls]: {what}")));
        }
        Ok(())
    }
}

impl ListenAddress {
    /// Parses `127.0.0.1:8080`, `:8080`, or `unix:` and a path.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix(UNIX) {
            Some("") => Err(EMPTY_PATH.into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => address(text).map(Self::Tcp),
        }
    }

    /// Whether two listeners cannot have both addresses. Port 0 is another port each time. `[::]` takes IPv4, so
    /// that it is the same as `0.0.0.0`. [listen:same-port]
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(two)) => {
                let are_all = one.ip().is_unspecified() && two.ip().is_unspecified();
                one.port() == two.port() && one.port() != 0 && (are_all || one == two)
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = ListenAddress;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ADDRESS)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ListenAddress, E> {
                ListenAddress::parse(text).map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

/// The names of the versions of the PROXY protocol.
#[derive(Deserialize)]
#[serde(remote = "ProxyVersion")]
enum VersionName {
    #[serde(rename = "v1")]
    V1,
    #[serde(rename = "v2")]
    V2,
}

fn proxy_version<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ProxyVersion>, D::Error> {
    VersionName::deserialize(from).map(Some)
}

/// The names of the header fields by which proxies name their clients.
#[derive(Deserialize)]
#[serde(remote = "HopField")]
enum HopFieldName {
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    #[serde(rename = "forwarded")]
    Forwarded,
}

fn hop_field<'de, D: Deserializer<'de>>(from: D) -> Result<Option<HopField>, D::Error> {
    HopFieldName::deserialize(from).map(Some)
}

/// A network as text; `unix:` stands for everybody on a Unix socket.
fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Network>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    if texts.len() > NETWORKS_MAX {
        let problem = format!("{} networks, expected {NETWORKS_MAX} at the most", texts.len());
        return Err(de::Error::custom(problem));
    }
    let parse = |text: &String| match &**text {
        UNIX => Ok(Network::from(UNIX_PEER.ip())),
        text => text.parse().map_err(|error| de::Error::custom(format!("\"{text}\": {error}"))),
    };
    texts.iter().map(parse).collect()
}

/// An address, or a list of tables.
impl<'de> Deserialize<'de> for Listeners {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Listeners;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ADDRESS)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listeners, E> {
                ListenAddress::parse(text).map(Listeners::one).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Listeners, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Listeners)
            }
        }
        from.deserialize_any(OneOrMore)
    }
}

#[cfg(test)]
mod tests {
    use sockeye_server::{HopField, ProxyVersion};

    use super::{ListenAddress, Part};
    use crate::config::Config;

    fn refusal(text: &str) -> String {
        match Config::parse(text) {
            Ok(config) => config.check().expect_err(text).to_string(),
            Err(problem) => problem,
        }
    }

    #[test]
    fn one_listener_or_several() {
        let one = Config::parse("listen = \"unix:/run/sockeye\"").unwrap();
        assert_eq!(one.listen.0[0].address, ListenAddress::Unix("/run/sockeye".into()));
        assert_eq!(one.listen.0[0].mode(), 0o660);
        let text = "[[listen]]\naddress = \"127.0.0.1:1\"\nserves = [\"channels\", \"health\"]\n\
                    [[listen]]\naddress = \"unix:a\"\nmode = 0o600\nserves = [\"metrics\"]\n";
        let two = Config::parse(text).unwrap();
        two.check().unwrap();
        let parts = [Part::Channels, Part::Demo, Part::Admin, Part::Metrics, Part::Health];
        let served = |at: usize| parts.map(|part| two.listen.0[at].parts.has(part));
        assert_eq!(served(0), [true, false, false, false, true]);
        assert_eq!(served(1), [false, false, false, true, false]);
        assert_eq!(two.listen.0[1].mode(), 0o600);
        assert!(parts.iter().all(|part| one.listen.0[0].parts.has(*part)));
    }

    /// [listen:port-alone]
    #[test]
    fn a_port_alone_is_open_to_the_world() {
        for text in ["listen = \":8443\"\n", "[[listen]]\naddress = \":8443\"\n"] {
            let config = Config::parse(text).unwrap();
            assert_eq!(config.listen.0[0].address.to_string(), "[::]:8443");
            let problem = "listening on [::]:8443 without [access] would let everybody publish: ";
            assert!(refusal(text).starts_with(problem), "{}", refusal(text));
        }
        let twice = "[[listen]]\naddress = \":1\"\nserves = [\"health\"]\n\
                     [[listen]]\naddress = \"[::]:1\"\nserves = [\"health\"]\n";
        assert!(refusal(twice).ends_with("[::]:1 is listened on already"));
    }

    /// [listen:same-port]
    #[test]
    fn all_addresses_are_one_place_in_both_families() {
        let two = |one: &str, two: &str| {
            let listener =
                |address| format!("[[listen]]\naddress = \"{address}\"\nserves = [\"health\"]\n");
            Config::parse(&(listener(one) + &listener(two))).unwrap().check()
        };
        for (one, other) in [("[::]:1", "0.0.0.0:1"), ("0.0.0.0:1", ":1"), ("[::1]:1", "[::1]:1")] {
            let told = two(one, other).unwrap_err().to_string();
            assert!(told.contains(" is listened on already"), "{one} {other}: {told}");
        }
        for (one, other) in [(":1", "0.0.0.0:2"), (":0", "0.0.0.0:0"), ("127.0.0.1:1", "[::1]:1")] {
            two(one, other).unwrap();
        }
    }

    #[test]
    fn tls_is_for_tcp_unless_the_file_says() {
        let text = "[[listen]]\naddress = \"127.0.0.1:1\"\n[[listen]]\naddress = \"unix:a\"\n\
                    [[listen]]\naddress = \"127.0.0.1:2\"\ntls = false\n\
                    [[listen]]\naddress = \"unix:b\"\ntls = true\n";
        let config = Config::parse(text).unwrap();
        let speaking = |tls| config.listen.0.iter().map(move |it| it.speaks_tls(tls));
        assert!(speaking(true).eq([true, false, false, true]));
        assert!(speaking(false).eq([false, false, false, true]));
        assert_eq!(refusal(text), "tls = true needs a certificate: [tls]");
    }

    #[test]
    fn proxies_that_are_trusted() {
        let text = "[[listen]]\naddress = \"unix:a\"\nproxy_protocol = \"v1\"\n\
                    trusted_proxies = [\"unix:\", \"10.0.0.0/8\", \"2001:db8::1\"]\n\
                    client_field = \"forwarded\"\n";
        let config = Config::parse(text).unwrap();
        config.check().unwrap();
        let rules = config.listen.0[0].rules();
        assert!(rules.proxy_protocol);
        assert_eq!(rules.hop_field, Some(HopField::Forwarded));
        let shown: Vec<String> = rules.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["::/128", "10.0.0.0/8", "2001:db8::1/128"]);
        assert_eq!(config.listen.0[0].proxy_protocol, Some(ProxyVersion::V1));
        // [listen:client-field]
        let unsaid = Config::parse(&text.replace("client_field = \"forwarded\"\n", "")).unwrap();
        assert_eq!(unsaid.listen.0[0].rules().hop_field, None, "the header alone names clients");
        let silent = Config::default().listen.0[0].rules();
        assert_eq!(silent.hop_field, Some(HopField::XForwardedFor));
        assert!(!silent.proxy_protocol && silent.trusted_proxies.is_empty());
    }

    #[test]
    fn listeners_that_cannot_be() {
        let address = "[[listen]]\naddress = \"127.0.0.1:1\"\n";
        for (text, problem) in [
            ("listen = []\n", "0 listeners, expected 1 to 16"),
            (&*format!("{address}{address}"), "127.0.0.1:1 is listened on already"),
            (
                &format!("{address}serves = []\n"),
                "serves names nothing: leave it out to serve everything",
            ),
            (&format!("{address}mode = 0o600\n"), "mode is for unix: addresses"),
            (
                "[[listen]]\naddress = \"unix:a\"\nmode = 0o1777\n",
                "mode is not within 0o000 to 0o777",
            ),
            ("listen = \"unix:\"\n", "line 1: listen: the path is empty"),
            (
                &format!("{address}proxy_protocol = \"v2\"\n"),
                "proxy_protocol needs trusted_proxies: nobody else may send its header",
            ),
            (
                &format!("{address}proxy_protocol = \"any\"\n"),
                "line 3: proxy_protocol: \"any\", expected one of \"v1\", \"v2\"",
            ),
            (
                &format!("{address}client_field = \"x-real-ip\"\n"),
                "line 3: client_field: \"x-real-ip\", expected one of \"x-forwarded-for\", \"forwarded\"",
            ),
            (
                &format!("{address}trusted_proxies = [\"10.0.0.1/8\"]\n"),
                "line 3: trusted_proxies: \"10.0.0.1/8\": the address has bits behind the prefix",
            ),
            (
                "[[listen]]\naddress = \"here\"\n",
                "line 2: address: expected an address with a port, as 127.0.0.1:8080",
            ),
            (
                &format!("{address}serves = [\"all\"]\n"),
                "line 3: serves: \"all\", expected one of \"channels\", \"demo\", \"admin\", \"metrics\", \"health\"",
            ),
        ] {
            assert_eq!(refusal(text), problem, "{text}");
        }
        let open = "[[listen]]\naddress = \"0.0.0.0:1\"\nserves = [\"metrics\", \"health\"]\n";
        Config::parse(open).unwrap().check().unwrap();
        let twice =
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n";
        Config::parse(twice).unwrap().check().unwrap();
    }
}
