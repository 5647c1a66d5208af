//! Whether a server may keep the log: asked on each new connection.

use std::collections::HashMap;

use redis::{InfoDict, Role};
use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::RedisConfig;
use crate::link::Link;
use crate::trouble;

/// The oldest version that takes `XADD key FENCE-*`.
const VERSION_MIN: (u32, u32) = (7, 0);

/// What a server said about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    version: Option<(u32, u32)>,
    /// What names this process of the server.
    pub(crate) run_id: String,
    is_cluster: bool,
    policy: String,
    has_aof: bool,
    replicas: u32,
    /// `None` if the server does not tell.
    appendfsync: Option<String>,
}

/// Checks the server of a connection: its role, its version, its settings, and the key's type.
pub(crate) fn server(link: &mut Link, config: &RedisConfig) -> Result<Findings, Trouble> {
    if config.database != 0 {
        link.ask::<String>(redis::cmd("SELECT").arg(config.database), config)?;
    }
    role(link, config)?;
    let findings = Findings { appendfsync: appendfsync(link)?, ..info(link, config)? };
    if let Some((kind, what)) = objection(&findings, config) {
        return Err(Trouble::new(kind, format!("{} {what}", link.name)));
    }
    kind_of_key(link, config)?;
    Ok(findings)
}

/// Checks that a server is a primary.
pub(crate) fn role(link: &mut Link, config: &RedisConfig) -> Result<(), Trouble> {
    link.send(&redis::cmd("ROLE").get_packed_command())?;
    receive_role(link, config)
}

/// Receives the reply of `ROLE`.
pub(crate) fn receive_role(link: &mut Link, config: &RedisConfig) -> Result<(), Trouble> {
    let reply = link.receive(ROLE_BYTES_MAX)?;
    let role = link.convert(reply)?;
    match role.map_err(|error| trouble::of_error(&error, &link.name, config))? {
        Role::Primary { .. } => Ok(()),
        Role::Sentinel { .. } => {
            let text = format!("{} is a Sentinel: redis-sentinel://{}/NAME", link.name, link.name);
            Err(Trouble::new(TroubleKind::Settings, text))
        }
        _ => {
            let text = format!("{} is a replica: connect to the primary", link.name);
            Err(Trouble::new(TroubleKind::NoLeader, text))
        }
    }
}

/// A primary lists its replicas.
const ROLE_BYTES_MAX: usize = 1024 * 1024;

fn info(link: &mut Link, config: &RedisConfig) -> Result<Findings, Trouble> {
    let mut findings = Findings::default();
    // One section at a time: other servers of this protocol know no lists of sections.
    for section in ["server", "memory", "persistence", "replication"] {
        let info: InfoDict = link.ask(redis::cmd("INFO").arg(section), config)?;
        read_info(&info, &mut findings);
    }
    Ok(findings)
}

fn read_info(info: &InfoDict, findings: &mut Findings) {
    let text = |name: &str| info.get::<String>(name);
    if let Some(value) = text("redis_version") {
        findings.version = version(&value);
    }
    if let Some(value) = text("run_id") {
        findings.run_id = value;
    }
    if let Some(value) = text("redis_mode") {
        findings.is_cluster = value == "cluster";
    }
    if let Some(value) = text("maxmemory_policy") {
        findings.policy = value;
    }
    if let Some(value) = text("aof_enabled") {
        findings.has_aof = value == "1";
    }
    if let Some(value) = info.get("connected_slaves") {
        findings.replicas = value;
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// How often the AOF reaches the disk; `None` if the server does not tell, as hosted ones do not.
fn appendfsync(link: &mut Link) -> Result<Option<String>, Trouble> {
    let mut command = redis::cmd("CONFIG");
    let settings = link.ask_anything(command.arg("GET").arg("appendfsync"))?;
    let settings: HashMap<String, String> = settings.unwrap_or_default();
    Ok(settings.into_values().next())
}

/// Why a server cannot keep the log, and what to change.
fn objection(findings: &Findings, config: &RedisConfig) -> Option<(TroubleKind, String)> {
    let settings = |what: String| Some((TroubleKind::Settings, what));
    match findings.version {
        Some(version) if version < VERSION_MIN => {
            let (major, minor) = version;
            let what = format!("is Redis {major}.{minor}: Redis 7.0 or Valkey 7.2 is needed");
            return Some((TroubleKind::Version, what));
        }
        Some(_) | None => {}
    }
    if findings.is_cluster {
        return settings(
            "is a Redis Cluster: use one primary, with Sentinel if it may fail over".into(),
        );
    }
    let policy = &findings.policy;
    if !(policy == "noeviction" || policy.starts_with("volatile-")) {
        return settings(format!(
            "may evict the log (maxmemory-policy is {}): CONFIG SET maxmemory-policy noeviction",
            policy.escape_debug()
        ));
    }
    if !findings.has_aof {
        return settings(
            "forgets the log when it ends (appendonly is no): CONFIG SET appendonly yes".into(),
        );
    }
    if findings.appendfsync.as_deref() == Some("no") {
        return settings(
            "leaves it to the system when the log reaches the disk (appendfsync is no): \
             CONFIG SET appendfsync everysec, or always"
                .into(),
        );
    }
    if findings.replicas < config.replicas {
        return settings(format!(
            "has {} replicas, and {} are to confirm each entry: connect replicas, or ask for fewer (replicas=)",
            findings.replicas, config.replicas
        ));
    }
    None
}

fn kind_of_key(link: &mut Link, config: &RedisConfig) -> Result<(), Trouble> {
    let kind: String = link.ask(redis::cmd("TYPE").arg(&*config.key), config)?;
    if matches!(&*kind, "none" | "stream") {
        return Ok(());
    }
    let text = format!(
        "{} has a {} at the key {:?}: name another key",
        link.name,
        kind.escape_debug(),
        config.key
    );
    Err(Trouble::new(TroubleKind::Settings, text))
}

#[cfg(test)]
mod tests {
    use redis::InfoDict;
    use sockeye_backbone::TroubleKind;

    use super::{Findings, objection, read_info};
    use crate::config::RedisConfig;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nredis_mode:standalone\r\n\
                        maxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\nconnected_slaves:1\r\n";

    fn objection_to(change: (&str, &str)) -> Option<(TroubleKind, String)> {
        let config = RedisConfig::from_url("redis://h?replicas=1").expect("a URL");
        let mut findings = Findings::default();
        read_info(&InfoDict::new(&GOOD.replace(change.0, change.1)), &mut findings);
        assert_eq!(findings.run_id, "abc");
        objection(&findings, &config)
    }

    #[test]
    fn settings_that_keep_the_promise_pass() {
        for change in [
            ("", ""),
            ("noeviction", "volatile-lru"),
            ("7.0.15", "8.1.0"),
            ("connected_slaves:1", "connected_slaves:2"),
        ] {
            assert_eq!(objection_to(change), None, "{change:?}");
        }
    }

    #[test]
    fn settings_that_cannot_are_refused_in_one_line_that_says_what_to_change() {
        for (change, kind, advice) in [
            (("7.0.15", "6.2.14"), TroubleKind::Version, "Redis 7.0 or Valkey 7.2 is needed"),
            (("standalone", "cluster"), TroubleKind::Settings, "use one primary"),
            (("noeviction", "allkeys-lru"), TroubleKind::Settings, "maxmemory-policy noeviction"),
            (("aof_enabled:1", "aof_enabled:0"), TroubleKind::Settings, "appendonly yes"),
            (
                ("connected_slaves:1", "connected_slaves:0"),
                TroubleKind::Settings,
                "connect replicas",
            ),
        ] {
            let (found, text) = objection_to(change).unwrap_or_else(|| panic!("{change:?} passes"));
            assert_eq!(found, kind, "{change:?}");
            assert!(text.contains(advice) && !text.contains('\n'), "{change:?}: {text}");
        }
    }
}
