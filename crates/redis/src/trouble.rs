//! What Redis answers instead, and what that means for an operator.

use redis::RedisError;
use sockeye_backbone::driver::quoted;
use sockeye_backbone::{Rejection, Trouble, TroubleKind};

use crate::config::RedisConfig;

/// What a user has to be allowed, for messages.
const RIGHTS: &str =
    "+xadd +xread +xtrim +xinfo +multi +exec +watch +unwatch +wait +role +info +type +select";

/// The trouble that an error of Redis is.
pub(crate) fn of_error(error: &RedisError, server: &str, config: &RedisConfig) -> Trouble {
    let (user, key) = (config.login.name(), &config.key);
    let (kind, what) = match error.code().unwrap_or_default() {
        "NOAUTH" => (TroubleKind::Login, "asks for a password: configure it".into()),
        "WRONGPASS" => (TroubleKind::Login, format!("refuses the user {user:?} or its password")),
        "NOPERM" => (
            TroubleKind::Login,
            format!(
                "lets the user {user:?} not do all that is needed: ACL SETUSER {user} ~{key} {RIGHTS}"
            ),
        ),
        "LOADING" => (TroubleKind::Unreachable, "loads its data".into()),
        "READONLY" | "MASTERDOWN" | "UNBLOCKED" => {
            (TroubleKind::NoLeader, "is a replica: connect to the primary".into())
        }
        "OOM" => (
            TroubleKind::Full,
            "has no memory left: raise maxmemory, or shorten the history".into(),
        ),
        "MISCONF" => (TroubleKind::Full, "cannot write to its disk: see its log".into()),
        "NOREPLICAS" => (TroubleKind::Full, "has fewer replicas than min-replicas-to-write".into()),
        "WRONGTYPE" => (
            TroubleKind::Settings,
            format!("has something of another type at the key {key:?}: name another key"),
        ),
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => (
            TroubleKind::Settings,
            "is a Redis Cluster: use one primary, with Sentinel if it may fail over".into(),
        ),
        _ if says(error, "without any password configured") => {
            (TroubleKind::Login, "has no password: configure none".into())
        }
        _ if says(error, "DB index is out of range") => {
            (TroubleKind::Settings, "has no database of this number: name another one".into())
        }
        _ if says(error, "unknown command") => (
            TroubleKind::Version,
            "does not know a command: Redis 7.0 or Valkey 7.2 is needed".into(),
        ),
        _ => (TroubleKind::Protocol, "answered with an error".into()),
    };
    Trouble::new(kind, format!("{server} {what} ({})", quote(error)))
}

/// Why appends that Redis answered with this error were dropped; `None` if it is a reason to connect anew.
pub(crate) fn rejection(
    error: &RedisError,
    server: &str,
    config: &RedisConfig,
) -> Option<Rejection> {
    match error.code().unwrap_or_default() {
        "OOM" | "MISCONF" | "NOREPLICAS" => Some(Rejection::Full(of_error(error, server, config))),
        _ if says(error, "equal or smaller") => Some(Rejection::Fenced),
        _ => None,
    }
}

/// Whether the text behind an error's first word contains this.
pub(crate) fn says(error: &RedisError, text: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(text))
}

/// The trouble of a command on one key, which is to be of this type.
pub(crate) fn of_key(
    error: &RedisError,
    server: &str,
    (key, wanted): (&str, &str),
    config: &RedisConfig,
) -> Trouble {
    if error.code() != Some("WRONGTYPE") {
        return of_error(error, server, config);
    }
    let text = format!(
        "{server} has something other than {wanted} at the key {key:?}: name another key, or remove it"
    );
    Trouble::new(TroubleKind::Settings, text)
}

/// An error of Redis, safe to print. The digest and the line of a script say nothing to an operator.
fn quote(error: &RedisError) -> String {
    let (code, detail) = (error.code().unwrap_or_default(), error.detail().unwrap_or_default());
    let detail = detail.split(" script: ").next().unwrap_or_default();
    quoted(&format!("{code} {detail}"))
}

#[cfg(test)]
mod tests {
    use redis::{RedisError, parse_redis_value};
    use sockeye_backbone::TroubleKind;

    use super::{of_error, of_key};
    use crate::config::RedisConfig;

    fn error(text: &str) -> RedisError {
        let reply = parse_redis_value(text.as_bytes()).expect("a reply");
        let converted = redis::from_redis_value::<redis::RedisResult<u8>>(reply);
        converted.expect("a reply or an error").expect_err("an error of the server")
    }

    #[test]
    fn a_key_of_another_type_is_named_and_no_script() {
        let config = RedisConfig::from_url("redis://h?key=k").expect("a URL");
        let wrong = error(
            "-WRONGTYPE Operation against a key holding the wrong kind of value script: 5a67, on @user_script:1.\r\n",
        );
        let trouble = of_key(&wrong, "h:1", ("jobs", "a list"), &config);
        assert_eq!(trouble.kind, TroubleKind::Settings);
        let wanted = "h:1 has something other than a list at the key \"jobs\": name another key, or remove it";
        assert_eq!(&*trouble.text, wanted);
        let trouble = of_error(&wrong, "h:1", &config);
        assert!(
            trouble
                .text
                .ends_with("(WRONGTYPE Operation against a key holding the wrong kind of value)"),
            "{trouble}"
        );
        let other = of_key(&error("-LOADING x\r\n"), "h:1", ("jobs", "a list"), &config);
        assert_eq!(other.kind, TroubleKind::Unreachable, "{other}");
    }
}
