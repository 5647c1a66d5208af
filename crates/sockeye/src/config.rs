//! The configuration of the server: parses the file, above which the environment and then flags win.

mod access;
mod acme;
mod backbone;
mod compression;
mod default;
mod http2;
mod listen;
mod retention;
mod rules;
mod source;
mod sources;
mod tls;
mod words;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use sockeye_hub::{OnGap, OnOverrun, PatternUse, Settings};

pub(crate) use access::{AccessConfig, Shown};
pub(crate) use acme::{AcmeConfig, ChallengeKind};
pub(crate) use backbone::{BackboneConfig, OtherRules};
use compression::CompressionConfig;
pub(crate) use default::DEFAULT;
pub(crate) use http2::Http2Config;
use listen::Listeners;
pub(crate) use listen::{ListenAddress, ListenConfig, Part, Parts};
pub(crate) use retention::DiskConfig;
use retention::{FullPolicy, Keep};
use sockeye_terminal::{Failure, OrFail};
use source::Source;
pub(crate) use sources::{SourceConfig, SourceConfigs};
pub(crate) use tls::{CertificateConfig, TlsConfig};

use crate::cert;
use crate::file::{self, Kind};
use crate::logging::LogConfig;

/// The share of one address, if the file does not say.
const ADDRESS_PERCENT: usize = 12;

/// Everything that the file may say. What it does not say is as `sockeye config default` prints it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) listen: Listeners,
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) data: Option<PathBuf>,
    /// Whether the demo is served. If the file does not say, it is served where there is no `[access]`.
    pub(crate) demo: Option<bool>,
    /// Loops that serve together.
    #[serde(deserialize_with = "rules::workers")]
    pub(crate) workers: usize,
    pub(crate) drain: DrainConfig,
    pub(crate) limits: LimitsConfig,
    pub(crate) channels: ChannelConfig,
    /// Namespaces that differ from `channels`.
    pub(crate) namespaces: std::collections::BTreeMap<String, ChannelConfig>,
    pub(crate) access: Option<AccessConfig>,
    /// The server speaks TLS if it is there.
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) http2: Http2Config,
    pub(crate) compression: CompressionConfig,
    pub(crate) log: LogConfig,
    pub(crate) disk: DiskConfig,
    /// The log that several machines share.
    pub(crate) backbone: Option<BackboneConfig>,
    /// The buses whose messages are published.
    #[serde(rename = "source")]
    pub(crate) sources: SourceConfigs,
    /// The file that was read.
    #[serde(skip)]
    source: Source,
    /// The file if it names the listeners; none if the environment or a flag does.
    #[serde(skip)]
    listen_source: Source,
    /// Listeners of the file that the environment or a flag has replaced, if they had more than an address.
    #[serde(skip)]
    listeners_replaced: usize,
}

/// The schedule of a drain.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DrainConfig {
    /// Seconds in which connections are still accepted.
    pub(crate) accept: u64,
    /// Seconds over which streams are told to go.
    pub(crate) window: u64,
    /// Seconds until the remaining connections are cut.
    pub(crate) rest: u64,
}

/// Bounds of the whole server.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) connections: usize,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) connections_per_address: usize,
    /// WebSockets, event streams and waiting polls, if not as many as connections.
    pub(crate) streams: Option<usize>,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) connections_per_user: usize,
    /// The percentage of streams, handshakes, channels without a message, patterns and requests that
    /// wait for the disk for one address.
    #[serde(deserialize_with = "rules::percentage")]
    pub(crate) address_percent: usize,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) messages_per_second: u32,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) requests_per_second: u32,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) handshakes_per_second: u32,
    /// Polls and pages of history that wait for the disk, and large requests that wait for their turn.
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) disk_requests: usize,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) disk_wait_seconds: u64,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) subscriptions_per_stream: usize,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) channels: usize,
    pub(crate) history_bytes: usize,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) publish_bytes: usize,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) message_bytes: u64,
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) queue_bytes: usize,
    #[serde(deserialize_with = "rules::socket_bytes")]
    pub(crate) socket_bytes: usize,
    /// How long a peer's machine may leave sent bytes unacknowledged, its window shut or the line silent.
    #[serde(deserialize_with = "rules::dead_peer_seconds")]
    pub(crate) dead_peer_seconds: u32,
    /// Silence on an event stream after which it gets a heartbeat.
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) heartbeat_seconds: u64,
    /// Silence on a WebSocket after which it is pinged.
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) ping_seconds: u64,
    /// How old a stream may become; 0 for no bound.
    pub(crate) lifetime_seconds: u64,
}

/// The settings of a namespace's channels: history, limits, access, and the answer to a gap or a slow reader.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ChannelConfig {
    history_messages: Option<usize>,
    history_bytes: Option<usize>,
    history_seconds: Option<u64>,
    #[serde(deserialize_with = "rules::message_bytes")]
    message_bytes: Option<usize>,
    #[serde(deserialize_with = "GapPolicy::read")]
    on_gap: Option<OnGap>,
    #[serde(deserialize_with = "OverrunPolicy::read")]
    on_overrun: Option<OnOverrun>,
    patterns: Option<bool>,
    #[serde(deserialize_with = "rules::key_seconds")]
    key_seconds: Option<u64>,
    keep_messages: Option<Keep>,
    keep_bytes: Option<Keep>,
    keep_seconds: Option<Keep>,
    when_full: Option<FullPolicy>,
    /// Bytes on disk that are reserved for the namespace.
    disk_bytes: Option<u64>,
    presence: Option<bool>,
    #[serde(deserialize_with = "rules::presence_seconds")]
    presence_seconds: Option<u64>,
    subscribe: Option<rules::Subscribe>,
    publish: Option<rules::Publish>,
    compress: Option<bool>,
}

/// The names of the variants of [`OnGap`].
#[derive(Deserialize)]
#[serde(remote = "OnGap", rename_all = "snake_case")]
enum GapPolicy {
    Nothing,
    Tail,
    Latest,
}

impl GapPolicy {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OnGap>, D::Error> {
        Self::deserialize(from).map(Some)
    }
}

/// The names of the variants of [`OnOverrun`].
#[derive(Deserialize)]
#[serde(remote = "OnOverrun", rename_all = "snake_case")]
enum OverrunPolicy {
    Close,
    Gap,
    Latest,
}

impl OverrunPolicy {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OnOverrun>, D::Error> {
        Self::deserialize(from).map(Some)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listeners::default(),
            data: None,
            demo: None,
            workers: 1,
            drain: DrainConfig::default(),
            limits: LimitsConfig::default(),
            channels: ChannelConfig::default(),
            namespaces: std::collections::BTreeMap::new(),
            access: None,
            tls: None,
            http2: Http2Config::default(),
            compression: CompressionConfig::default(),
            log: LogConfig::default(),
            disk: DiskConfig::default(),
            backbone: None,
            sources: SourceConfigs::new(),
            source: Source::default(),
            listen_source: Source::default(),
            listeners_replaced: 0,
        }
    }
}

impl Default for DrainConfig {
    /// The defaults end a demo promptly. Behind a load balancer, `accept` and `window` need some seconds each.
    fn default() -> Self {
        Self { accept: 0, window: 0, rest: 10 }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let (hub, server) = (sockeye_hub::Limits::default(), sockeye_server::Limits::default());
        let service = sockeye_service::Limits::default();
        Self {
            connections: server.connections_max,
            connections_per_address: server.connections_per_address_max,
            streams: None,
            connections_per_user: service.connections_per_user,
            address_percent: ADDRESS_PERCENT,
            messages_per_second: service.messages_per_second,
            requests_per_second: service.requests_per_second,
            handshakes_per_second: service.handshakes_per_second,
            disk_requests: service.archive_requests_max,
            disk_wait_seconds: service.archive_ms_max / 1_000,
            subscriptions_per_stream: hub.subscriptions_max,
            channels: hub.channels_max,
            history_bytes: hub.history_bytes_max,
            publish_bytes: 64 * 1024,
            message_bytes: 16 * 1024,
            queue_bytes: service.queue_bytes_max,
            socket_bytes: 128 * 1024,
            dead_peer_seconds: 30,
            heartbeat_seconds: server.heartbeat_ms / 1_000,
            ping_seconds: server.ping_ms / 1_000,
            lifetime_seconds: service.lifetime_ms / 1_000,
        }
    }
}

impl Config {
    /// Reads a file. Relative paths in it are relative to it.
    pub(crate) fn read(path: &Path, kind: Kind) -> Result<Self, Failure> {
        let text = file::read_text(path, kind)
            .or_fail(|| format!("cannot read the configuration {}", path.display()))?;
        let mut config = Self::parse(&text)
            .map_err(|problem| Failure(format!("{}: {problem}", path.display())))?;
        let source = Source::new(path, text);
        config.source = source.clone();
        config.listen_source = source.clone();
        let beside = path.parent().unwrap_or_else(|| Path::new(""));
        config.listen.resolve(beside);
        if let Some(data) = &mut config.data {
            *data = beside.join(&*data);
        }
        if let Some(backbone) = &mut config.backbone {
            backbone.resolve(beside);
        }
        config.sources.values_mut().for_each(|it| it.resolve(beside));
        if let Some(tls) = &mut config.tls {
            tls.resolve(beside);
        }
        if let Some(access) = &mut config.access {
            access.resolve(beside, source);
        }
        Ok(config)
    }

    /// Listens on this address alone, whatever the file says.
    pub(crate) fn listen_on(&mut self, address: ListenAddress) {
        self.listeners_replaced = if self.listen.is_short() { 0 } else { self.listen.0.len() };
        self.listen = Listeners::one(address);
        self.listen_source = Source::default();
    }

    /// Speaks TLS with this certificate alone, whatever the file says of others.
    pub(crate) fn certify(&mut self, cert: PathBuf, key: PathBuf) {
        let tls = self.tls.get_or_insert_default();
        tls.certificates = vec![CertificateConfig { cert, key }];
    }

    /// Speaks TLS with the certificate for development in a directory.
    pub(crate) fn certify_for_development(&mut self, dir: &Path) {
        let [ca, cert, key] = cert::files(dir);
        self.certify(cert, key);
        self.tls.get_or_insert_default().dev_authority = Some(ca);
    }

    /// The authority of the certificate for development, if the server speaks TLS with one.
    pub(crate) fn dev_authority(&self) -> Option<&Path> {
        self.tls.as_ref().and_then(|tls| tls.dev_authority.as_deref())
    }

    /// Reads the text of a file; the problem says in which line, and what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| words::problem(text, &error))
    }

    /// The credential that examples show; `None` if the server is open, or has no way to make one.
    pub(crate) fn shown(&self) -> Option<Shown> {
        self.access.as_ref().and_then(AccessConfig::shown)
    }

    /// Whether the demo is served: it is for trying out, not for the world.
    pub(crate) fn serves_demo(&self) -> bool {
        self.demo.unwrap_or_else(|| self.access.is_none())
    }

    /// The hub that it describes.
    pub(crate) fn hub(&self) -> sockeye_hub::Config {
        let mut config = sockeye_hub::Config::default();
        config.limits.subscribers_max = self.streams(self.limits.connections);
        config.limits.subscriptions_max = self.limits.subscriptions_per_stream;
        config.limits.channels_max = self.limits.channels;
        let (unwritten, patterns) = (self.limits.channels.div_ceil(2), config.limits.patterns_max);
        config.limits.unwritten_per_holder_max = self.share_of_address(unwritten);
        config.limits.patterns_per_holder_max = self.share_of_address(patterns);
        config.limits.history_bytes_max = self.limits.history_bytes;
        if self.data.is_some() {
            // After a start all channels of the log are tombstones.
            let channels = usize::try_from(self.disk.channels).unwrap_or(usize::MAX);
            config.limits.tombstones_max = config.limits.tombstones_max.max(channels);
        }
        config.settings = self.channels.settings(Settings::default());
        let namespaces = self.namespaces.iter();
        config.namespaces = namespaces
            .map(|(name, channel)| (name.clone(), channel.settings(config.settings.clone())))
            .collect();
        config
    }

    /// The rules of namespaces that it describes.
    pub(crate) fn rules(&self) -> sockeye_service::Namespaces {
        let named = self.namespaces.iter();
        let named = named.map(|(name, it)| (name.clone(), it.rules(&self.channels))).collect();
        sockeye_service::Namespaces { rules: self.channels.rules(&self.channels), named }
    }

    /// WebSockets, event streams and waiting polls that may be open, beside so many connections.
    pub(crate) fn streams(&self, connections: usize) -> usize {
        self.limits.streams.unwrap_or(connections)
    }

    /// The part of a resource that one address may have, one unit at least.
    pub(crate) fn share_of_address(&self, all: usize) -> usize {
        let share = all as u128 * self.limits.address_percent as u128 / 100;
        usize::try_from(share).unwrap_or(usize::MAX).max(1)
    }

    /// The rates, places and lives of clients, as the service has them: after a rest, five seconds'
    /// worth of either rate may come at once.
    pub(crate) fn bound(&self, limits: &mut sockeye_service::Limits) {
        limits.connections_per_user = self.limits.connections_per_user;
        limits.messages_per_second = self.limits.messages_per_second;
        limits.messages_burst = self.limits.messages_per_second.saturating_mul(5);
        limits.requests_per_second = self.limits.requests_per_second;
        limits.requests_burst = self.limits.requests_per_second.saturating_mul(5);
        limits.handshakes_per_second = self.limits.handshakes_per_second;
        limits.handshakes_burst = self.limits.handshakes_per_second.saturating_mul(5);
        let own = self.share_of_address(self.limits.handshakes_per_second as usize);
        limits.address_handshakes_per_second = u32::try_from(own).unwrap_or(u32::MAX);
        limits.address_handshakes_burst = limits.address_handshakes_per_second.saturating_mul(5);
        limits.archive_requests_max = self.limits.disk_requests;
        limits.archive_requests_per_holder_max = self.share_of_address(self.limits.disk_requests);
        limits.archive_ms_max = self.limits.disk_wait_seconds.saturating_mul(1_000);
        limits.lifetime_ms = self.limits.lifetime_seconds.saturating_mul(1_000);
        limits.opening_wait_ms = self.backbone.as_ref().map_or(0, |it| it.opening_wait_ms);
    }

    /// Remarks about what can be run, and may not be what was meant.
    pub(crate) fn warnings(&self) -> Vec<String> {
        // [listen:replaced]
        let replaced = (self.listeners_replaced > 0).then(|| {
            let count = self.listeners_replaced;
            format!("--listen (or SOCKEYE_LISTEN) replaces all [[listen]] of the file: {count}, with their rules")
        });
        let others = self.http_01_warning().into_iter().chain(self.shares_warning());
        replaced.into_iter().chain(others).chain(self.sources_warning()).collect()
    }

    /// Whether it can be run: what every part says fits together.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.check_listeners()?;
        if self.workers > 1 && !cfg!(target_os = "linux") {
            let why =
                "workers: more than one needs Linux, which alone divides a port's connections";
            return Err(Failure(why.into()));
        }
        for name in self.namespaces.keys() {
            let is_segment = !name.contains(':') && sockeye_hub::ChannelName::new(name).is_ok();
            if !is_segment {
                let at = self.source.line_with(&["namespaces", name]);
                let what = format!("{at}[namespaces.{name}]: that is no namespace's name");
                return Err(Failure(what));
            }
        }
        self.check_tls()?;
        self.check_rules()?;
        self.check_disk()?;
        self.check_backbone()?;
        self.check_sources()?;
        match &self.access {
            Some(access) => access.guard().map(|_| ()),
            None => Ok(()),
        }
    }
}

impl ChannelConfig {
    /// The settings, where nothing is said those of `base`.
    fn settings(&self, base: Settings) -> Settings {
        let mut settings = base;
        set(&mut settings.history_messages_max, self.history_messages);
        set(&mut settings.history_bytes_max, self.history_bytes);
        set(&mut settings.history_ms, self.history_seconds.map(|it| it.saturating_mul(1_000)));
        set(&mut settings.message_bytes_max, self.message_bytes);
        set(&mut settings.on_gap, self.on_gap);
        set(&mut settings.on_overrun, self.on_overrun);
        let patterns = |allowed| if allowed { PatternUse::Allowed } else { PatternUse::Refused };
        set(&mut settings.patterns, self.patterns.map(patterns));
        set(&mut settings.key_ms, self.key_seconds.map(|it| it.saturating_mul(1_000)));
        settings
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_says_what_the_defaults_are() {
        let written = Config::parse(DEFAULT).unwrap();
        assert_eq!(format!("{written:?}"), format!("{:?}", with_channels_named()));
        written.check().unwrap();
        // What it says of channels is what they have anyway.
        let (written, silent) = (written.hub(), Config::default().hub());
        assert_eq!(written.settings, silent.settings);
        assert_eq!(written.limits, silent.limits);
        assert_eq!(Config::parse(DEFAULT).unwrap().rules(), Config::default().rules());
    }

    /// The defaults, with those of channels written out as the file has them.
    fn with_channels_named() -> Config {
        let settings = Settings::default();
        let channels = ChannelConfig {
            history_messages: Some(settings.history_messages_max),
            history_bytes: Some(settings.history_bytes_max),
            history_seconds: Some(settings.history_ms / 1_000),
            message_bytes: Some(settings.message_bytes_max),
            on_gap: Some(OnGap::Nothing),
            on_overrun: Some(OnOverrun::Close),
            patterns: Some(false),
            key_seconds: Some(settings.key_ms / 1_000),
            keep_messages: Some(Keep(u64::MAX)),
            keep_bytes: Some(Keep(retention::KEEP_BYTES)),
            keep_seconds: Some(Keep(retention::KEEP_SECONDS)),
            when_full: Some(FullPolicy::Refuse),
            disk_bytes: None,
            presence: Some(false),
            presence_seconds: Some(rules::PRESENCE_SECONDS),
            subscribe: Some(rules::Subscribe::Granted),
            publish: Some(rules::Publish::Granted),
            compress: Some(true),
        };
        Config { channels, ..Config::default() }
    }

    #[test]
    fn a_problem_names_its_line_and_what_was_expected() {
        for (text, problem) in [
            ("listen = \"127.0.0.1:80\"\nlissten = 1\n", "line 2: unknown field `lissten`"),
            (
                "[drain]\n\nwindow = \"long\"\n",
                "line 3: window: \"long\", expected a whole number, 0 or more",
            ),
            ("listen = 5", "line 1: listen: 5, expected an address with a port, as 127.0.0.1:8080"),
            (
                "[channels]\non_gap = \"all\"",
                "line 2: on_gap: \"all\", expected one of \"nothing\", ",
            ),
            (
                "listen = \"x\"",
                "line 1: listen: expected an address with a port, as 127.0.0.1:8080",
            ),
            (
                "[log]\nformat = \"xml\"",
                "line 2: format: \"xml\", expected one of \"text\", \"json\"",
            ),
            (
                "[limits]\nchannels = 99999999999999999999",
                "line 2: channels: 99999999999999999999, exp",
            ),
            ("drain = 5", "line 1: drain: 5, expected a table"),
            ("[access]\norigins = \"x\"", "line 2: origins: \"x\", expected a list"),
            ("data = \"\"", "line 1: data: the path is empty"),
            ("[x\n", "line 1: "),
            (
                "[namespaces]\npatterns = true",
                "line 2: patterns: true, expected a table, as [namespaces.NAME]",
            ),
        ] {
            let found = Config::parse(text).unwrap_err();
            assert!(found.starts_with(problem), "{found}");
            for ours in ["usize", "u64", "u32", "i128", "struct", "variant", "socket", "sequence"] {
                assert!(!found.contains(ours), "{found}");
            }
        }
    }

    #[test]
    fn settings_of_a_namespace_in_another_table_are_led_to_theirs() {
        for (header, name) in [
            ("channels.orders", "orders"),
            ("channels.\"orders:*\"", "\"orders:*\""),
            ("namespace.orders", "orders"),
            ("channel.orders", "orders"),
            ("namespace", "NAME"),
        ] {
            let found = Config::parse(&format!("[{header}]\npatterns = true\n")).unwrap_err();
            let hint = format!("; the settings of a namespace stand in [namespaces.{name}]");
            assert!(found.ends_with(&hint), "{found}");
        }
        for other in ["[drain]\npatterns = true\n", "[channels]\nhistroy_messages = 5\n"] {
            let found = Config::parse(other).unwrap_err();
            assert!(!found.contains("[namespaces."), "{found}");
        }
    }

    #[test]
    fn namespaces_differ_from_channels_in_what_they_say() {
        let text = "[channels]\nhistory_messages = 5\npatterns = true\n\
                    [namespaces.chat]\non_overrun = \"gap\"\n";
        let hub = Config::parse(text).unwrap().hub();
        let chat = hub.settings_of("chat");
        assert_eq!(chat.history_messages_max, 5);
        assert_eq!(chat.on_overrun, OnOverrun::Gap);
        assert_eq!(hub.settings_of("other").on_overrun, OnOverrun::Close);
    }

    #[test]
    fn an_open_server_is_for_the_loopback_interface() {
        let open = Config::parse("listen = \"0.0.0.0:80\"").unwrap();
        assert!(open.check().unwrap_err().to_string().contains("[access]"));
        let bad = Config::parse("[namespaces.\"a:b\"]\n").unwrap();
        assert!(bad.check().is_err());
        for bound in [
            "connections",
            "connections_per_address",
            "connections_per_user",
            "subscriptions_per_stream",
            "channels",
            "publish_bytes",
            "message_bytes",
            "queue_bytes",
            "messages_per_second",
            "requests_per_second",
            "handshakes_per_second",
            "disk_requests",
            "disk_wait_seconds",
        ] {
            let none = Config::parse(&format!("[limits]\n{bound} = 0\n")).unwrap_err();
            assert_eq!(none, format!("line 2: {bound}: 0, expected at least 1"));
        }
    }

    /// [listen:replaced]
    #[test]
    fn listeners_are_not_replaced_silently() {
        let address = "[[listen]]\naddress = \"127.0.0.1:1\"\n";
        for (text, is_told) in [
            (String::new(), false),
            ("listen = \"127.0.0.1:1\"".into(), false),
            (address.into(), false),
            (format!("{address}serves = [\"metrics\"]\n"), true),
            (format!("{address}trusted_proxies = [\"10.0.0.1\"]\n"), true),
            (format!("{address}[[listen]]\naddress = \"127.0.0.1:2\"\n"), true),
        ] {
            let mut config = Config::parse(&text).unwrap();
            assert_eq!(config.warnings(), Vec::<String>::new());
            config.listen_on(ListenAddress::parse("127.0.0.1:3").unwrap());
            let told = config.warnings();
            assert_eq!(
                told.iter().any(|it| it.contains("replaces all [[listen]]")),
                is_told,
                "{text}"
            );
        }
    }

    #[test]
    fn five_seconds_worth_may_come_at_once() {
        let mut limits = sockeye_service::Limits::default();
        Config::default().bound(&mut limits);
        assert_eq!(limits, sockeye_service::Limits::default());
        let text = "[limits]\nconnections_per_user = 7\nmessages_per_second = 8\n\
                    requests_per_second = 6\nhandshakes_per_second = 9\nlifetime_seconds = 10\n\
                    disk_requests = 50\ndisk_wait_seconds = 3\n";
        Config::parse(text).unwrap().bound(&mut limits);
        assert_eq!(limits.connections_per_user, 7);
        assert_eq!((limits.messages_per_second, limits.messages_burst), (8, 40));
        assert_eq!((limits.requests_per_second, limits.requests_burst), (6, 30));
        assert_eq!((limits.handshakes_per_second, limits.handshakes_burst), (9, 45));
        let of_address = (limits.address_handshakes_per_second, limits.address_handshakes_burst);
        assert_eq!(of_address, (1, 5), "one at least");
        assert_eq!(limits.lifetime_ms, 10_000);
        assert_eq!((limits.archive_requests_max, limits.archive_ms_max), (50, 3_000));
        assert_eq!(limits.archive_requests_per_holder_max, 6);
    }

    #[test]
    fn openings_wait_for_other_nodes_and_only_if_there_are_any() {
        let wait_ms = |text| {
            let mut limits = sockeye_service::Limits::default();
            Config::parse(text).unwrap().bound(&mut limits);
            limits.opening_wait_ms
        };
        assert_eq!(wait_ms("workers = 4\n"), 0);
        assert_eq!(wait_ms("[backbone]\nurl = \"redis://h\"\n"), 2_000);
        assert_eq!(wait_ms("[backbone]\nopening_wait_ms = 7\n"), 7);
        let config = Config::parse("[backbone]\nurl = \"redis://h\"\nopening_wait_ms = 60001\n");
        let why = config.unwrap().check().expect_err("too long").to_string();
        assert!(why.contains("opening_wait_ms: 60001, expected 0 to 60000"), "{why}");
    }

    #[test]
    fn an_address_has_a_share_of_everything() {
        let limits = Config::default().hub().limits;
        assert_eq!(limits, sockeye_hub::Limits::default());
        let text = "[limits]\naddress_percent = 100\nchannels = 1001\nhandshakes_per_second = 9\n";
        let config = Config::parse(text).unwrap();
        let limits = config.hub().limits;
        assert_eq!((limits.unwritten_per_holder_max, limits.patterns_per_holder_max), (501, 4_096));
        let mut limits = sockeye_service::Limits::default();
        config.bound(&mut limits);
        assert_eq!(limits.address_handshakes_per_second, 9);
        assert_eq!(limits.address_handshakes_burst, 45);
        for percent in ["0", "101"] {
            let text = format!("[limits]\naddress_percent = {percent}\n");
            let none = Config::parse(&text).unwrap_err();
            assert_eq!(none, format!("line 2: address_percent: {percent}, expected 1 to 100"));
        }
    }

    #[test]
    fn a_sign_of_life_cannot_be_due_all_the_time() {
        for seconds in ["4", "3601"] {
            let text = format!("[limits]\ndead_peer_seconds = {seconds}\n");
            let found = Config::parse(&text).unwrap_err();
            assert_eq!(found, format!("line 2: dead_peer_seconds: {seconds}, expected 5 to 3600"));
        }
        for (text, is_good) in [
            ("[limits]\ndead_peer_seconds = 5\n", true),
            ("[limits]\ndead_peer_seconds = 3600\n", true),
            ("[limits]\nheartbeat_seconds = 1\nping_seconds = 1\n", true),
            ("[limits]\nheartbeat_seconds = 0\n", false),
            ("[limits]\nping_seconds = 0\n", false),
        ] {
            assert_eq!(Config::parse(text).is_ok(), is_good, "{text}");
        }
    }
}
