//! The engine that a URL names.

use sockeye_backbone::Engine;
use sockeye_terminal::Failure;

use crate::config::BackboneConfig;

/// Whether the engine can be asked for: what the URL says, and the files of passwords and authorities.
pub(crate) fn check(config: &BackboneConfig) -> Result<(), Failure> {
    configure(config).map(|_| ())
}

/// Opens the engine. It connects, and goes on trying.
#[cfg(feature = "redis")]
pub(crate) fn open(config: &BackboneConfig) -> Result<Box<dyn Engine>, Failure> {
    use sockeye_terminal::OrFail as _;

    let engine = sockeye_redis::RedisEngine::open(configure(config)?);
    Ok(Box::new(engine.or_fail(|| "cannot start the threads of the backbone".into())?))
}

/// There is none in this build.
#[cfg(not(feature = "redis"))]
pub(crate) fn open(config: &BackboneConfig) -> Result<Box<dyn Engine>, Failure> {
    match configure(config)? {}
}

#[cfg(not(feature = "redis"))]
fn configure(_: &BackboneConfig) -> Result<core::convert::Infallible, Failure> {
    Err(Failure("url: this program was built without a driver (feature redis)".into()))
}

#[cfg(feature = "redis")]
use redis::configure;

#[cfg(feature = "redis")]
mod redis {
    use std::path::Path;

    use sockeye_redis::{RedisConfig, RedisLimits};
    use sockeye_terminal::{Failure, OrFail as _};

    use crate::acme;
    use crate::config::BackboneConfig;
    use crate::file;
    use crate::file::Kind;

    /// Has the password, if no file has it.
    const PASSWORD: &str = "SOCKEYE_BACKBONE_PASSWORD";

    pub(super) fn configure(config: &BackboneConfig) -> Result<RedisConfig, Failure> {
        let redis = RedisConfig::from_url(&config.url);
        let mut redis = redis.map_err(|why| Failure(format!("url: {why}")))?;
        let patience_ms = config.patience_seconds.saturating_mul(1_000);
        let limits = RedisLimits { patience_ms, ..RedisLimits::default() };
        redis = redis.with_limits(limits);
        let password = match &config.password_file {
            Some(file) => Some(secret(file, "password_file")?),
            None => std::env::var(PASSWORD).ok().filter(|it| !it.is_empty()),
        };
        if let Some(password) = password {
            redis = redis.with_password(&password);
        }
        if let Some(file) = &config.sentinel_password_file {
            let password = secret(file, "sentinel_password_file")?;
            redis = redis.with_sentinel_login(config.sentinel_user.as_deref(), &password);
        }
        if let Some(replicas) = config.replicas {
            redis = redis.with_replicas(replicas);
        }
        if redis.uses_tls() {
            let why = "url: TLS needs a ca_file, the authorities that vouch for the server in PEM";
            let file = config.ca_file.as_ref().ok_or_else(|| Failure(why.into()))?;
            redis = redis.with_tls(acme::trusting(file)?);
        }
        Ok(redis)
    }

    /// A password without the end of its line.
    fn secret(path: &Path, key: &str) -> Result<String, Failure> {
        let text = file::read_text(path, Kind::Regular);
        let text = text.or_fail(|| format!("{key} {}", path.display()))?;
        let text = text.trim_end_matches(['\r', '\n']);
        match text.is_empty() {
            true => Err(Failure(format!("{key} {}: it is empty", path.display()))),
            false => Ok(text.to_owned()),
        }
    }
}
