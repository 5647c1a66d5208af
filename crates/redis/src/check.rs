//! Whether a server may keep the log: asked on each new connection.

use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::RedisConfig;
use crate::link::Link;
use crate::resp::{Element, RespError};
use crate::trouble;

/// The oldest version that takes `XADD key EPOCH-*`.
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
        link.ask_ok(&["SELECT", &config.database.to_string()], config)?;
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
    let mut words = Vec::new();
    crate::resp::command(&mut words, &[b"ROLE"]);
    link.send(&words)?;
    receive_role(link, config)
}

/// Receives the reply of `ROLE`.
pub(crate) fn receive_role(link: &mut Link, config: &RedisConfig) -> Result<(), Trouble> {
    let name = link.name.clone();
    let mut reply = link.receive(ROLE_BYTES_MAX)?;
    let role = match reply.element() {
        Ok(Element::Array(1..)) => reply.bulk(),
        Ok(Element::Error(error)) => return Err(trouble::of_error(error, &name, config)),
        Ok(_) => Err(RespError::Shape),
        Err(error) => Err(error),
    };
    match role {
        Ok(b"master") => Ok(()),
        Ok(_) => Err(Trouble::new(
            TroubleKind::NoLeader,
            format!("{name} is a replica: connect to the primary"),
        )),
        Err(error) => Err(link.broken(error)),
    }
}

/// A primary lists its replicas.
const ROLE_BYTES_MAX: usize = 1024 * 1024;

fn info(link: &mut Link, config: &RedisConfig) -> Result<Findings, Trouble> {
    let name = link.name.clone();
    let mut findings = Findings::default();
    // One section at a time: other servers of this protocol know no lists of sections.
    for section in ["server", "memory", "persistence", "replication"] {
        let text = match link.ask(&["INFO", section])?.element() {
            Ok(Element::Bulk(text)) => Ok(String::from_utf8_lossy(text).into_owned()),
            Ok(Element::Error(error)) => return Err(trouble::of_error(error, &name, config)),
            Ok(_) => Err(RespError::Shape),
            Err(error) => Err(error),
        };
        read_info(&text.map_err(|error| link.broken(error))?, &mut findings);
    }
    Ok(findings)
}

/// Reads the lines `name:value` of `INFO`.
fn read_info(text: &str, findings: &mut Findings) {
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        match name {
            "redis_version" => findings.version = version(value),
            "run_id" => findings.run_id = value.into(),
            "redis_mode" => findings.is_cluster = value == "cluster",
            "maxmemory_policy" => findings.policy = value.into(),
            "aof_enabled" => findings.has_aof = value == "1",
            "connected_slaves" => findings.replicas = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// How often the AOF reaches the disk; `None` if the server does not tell, as hosted ones do not.
fn appendfsync(link: &mut Link) -> Result<Option<String>, Trouble> {
    let mut reply = link.ask(&["CONFIG", "GET", "appendfsync"])?;
    let value = match reply.element() {
        Ok(Element::Array(2)) => reply.bulk().and_then(|_name| reply.bulk()),
        Ok(_) => return Ok(None),
        Err(error) => Err(error),
    };
    match value {
        Ok(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
        Err(error) => Err(link.broken(error)),
    }
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
    let name = link.name.clone();
    match link.ask(&["TYPE", &config.key])?.element() {
        Ok(Element::Status("none" | "stream")) => Ok(()),
        Ok(Element::Status(kind)) => {
            let what = format!(
                "{name} has a {} at the key {:?}: name another key",
                kind.escape_debug(),
                config.key
            );
            Err(Trouble::new(TroubleKind::Settings, what))
        }
        Ok(Element::Error(error)) => Err(trouble::of_error(error, &name, config)),
        Ok(_) => Err(link.broken(RespError::Shape)),
        Err(error) => Err(link.broken(error)),
    }
}

#[cfg(test)]
mod tests {
    use sockeye_backbone::TroubleKind;

    use super::{Findings, objection, read_info};
    use crate::config::RedisConfig;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nredis_mode:standalone\r\n\
                        maxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\nconnected_slaves:1\r\n";

    fn objection_to(change: (&str, &str)) -> Option<(TroubleKind, String)> {
        let config = RedisConfig::from_url("redis://h?replicas=1").expect("a URL");
        let mut findings = Findings::default();
        read_info(&GOOD.replace(change.0, change.1), &mut findings);
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
