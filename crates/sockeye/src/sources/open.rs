//! The bus that a URL names.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sockeye_source::Bus;
use sockeye_terminal::Failure;

use crate::config::SourceConfig;
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "redis",
    feature = "postgres"
))]
use crate::login;

/// A bus that can be asked for, and what of the mapping it decides.
pub(super) enum Prepared {
    #[cfg(feature = "amqp")]
    Amqp(Box<sockeye_amqp::AmqpSourceConfig>),
    #[cfg(feature = "kafka")]
    Kafka(Box<sockeye_kafka::KafkaSourceConfig>),
    #[cfg(feature = "nats")]
    Nats(Box<sockeye_nats::NatsSourceConfig>),
    #[cfg(feature = "redis")]
    Redis(sockeye_redis::RedisSourceConfig),
    #[cfg(feature = "postgres")]
    Outbox(sockeye_postgres::OutboxConfig),
}

/// The parts of the mapping that a file need not say.
pub(super) struct Defaults {
    /// What it is, for messages.
    pub(super) what: &'static str,
    pub(super) channel: Option<&'static str>,
    pub(super) data: Option<&'static str>,
    pub(super) event: Option<&'static str>,
    /// Whether the content is JSON, whatever the file says.
    pub(super) is_json: bool,
}

impl Defaults {
    /// Those of a bus whose message is the content.
    #[cfg(any(feature = "amqp", feature = "kafka", feature = "nats", feature = "redis"))]
    const fn of(what: &'static str) -> Self {
        Self { what, channel: None, data: None, event: None, is_json: false }
    }
}

impl Prepared {
    /// Reads the URL, the password and the authorities.
    pub(super) fn new(name: &str, config: &SourceConfig) -> Result<Self, Failure> {
        let (scheme, _) = config.url.split_once("://").unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        if config.credentials_file.is_some() && !["nats", "tls"].contains(&&*scheme) {
            let why = "credentials_file: only NATS has credentials: remove this setting";
            return Err(Failure(why.into()));
        }
        match &*scheme {
            "redis" | "rediss" | "redis-sentinel" | "rediss-sentinel" => redis(name, config),
            "postgres" | "postgresql" => outbox(name, config),
            "kafka" | "kafkas" => kafka(name, config),
            "nats" | "tls" => nats(name, config),
            "amqp" | "amqps" => queue(name, config),
            _ => Err(Failure(
                "url: its scheme is none of redis, rediss, redis-sentinel, rediss-sentinel, kafka, kafkas, nats, tls, amqp, \
                 amqps, postgres and postgresql"
                    .into(),
            )),
        }
    }

    pub(super) fn defaults(&self) -> Defaults {
        match *self {
            #[cfg(feature = "amqp")]
            Self::Amqp(_) => Defaults::of("a queue"),
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => Defaults::of("a topic of Kafka"),
            #[cfg(feature = "nats")]
            Self::Nats(_) => Defaults::of("a consumer of NATS"),
            #[cfg(feature = "redis")]
            Self::Redis(ref redis) if redis.is_stream() => {
                Defaults { data: Some("{data}"), ..Defaults::of("a stream") }
            }
            #[cfg(feature = "redis")]
            Self::Redis(_) => Defaults::of("a list"),
            #[cfg(feature = "postgres")]
            Self::Outbox(_) => Defaults {
                what: "an outbox",
                channel: Some("{channel}"),
                data: None,
                event: Some("{event}"),
                is_json: true,
            },
        }
    }

    /// The bus, which connects when it is opened. `is_stopping` may end that.
    pub(super) fn bus(self, is_stopping: &Arc<AtomicBool>) -> Box<dyn Bus + Send> {
        // Without the feature `kafka` nothing uses it: no call of another bus waits for longer than the patience.
        let _ = is_stopping;
        match self {
            #[cfg(feature = "amqp")]
            Self::Amqp(config) => Box::new(sockeye_amqp::AmqpSource::new(*config)),
            #[cfg(feature = "kafka")]
            Self::Kafka(config) => {
                let config = config.with_stop(Arc::clone(is_stopping));
                Box::new(sockeye_kafka::KafkaSource::new(config))
            }
            #[cfg(feature = "nats")]
            Self::Nats(config) => Box::new(sockeye_nats::NatsSource::new(*config)),
            #[cfg(feature = "redis")]
            Self::Redis(config) => Box::new(sockeye_redis::RedisSource::new(config)),
            #[cfg(feature = "postgres")]
            Self::Outbox(config) => Box::new(sockeye_postgres::Outbox::new(config)),
        }
    }
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str, _: &SourceConfig) -> Result<Prepared, Failure> {
    Err(Failure("url: this program was built without the driver for Redis (feature redis)".into()))
}

#[cfg(feature = "redis")]
fn redis(name: &str, config: &SourceConfig) -> Result<Prepared, Failure> {
    let redis = sockeye_redis::RedisSourceConfig::from_url(&config.url);
    let mut redis = redis.map_err(|why| Failure(format!("url: {why}")))?;
    redis = redis.with_patience_ms(config.patience_seconds.saturating_mul(1_000));
    if let Some(password) = password(name, config)? {
        redis = redis.with_password(&password);
    }
    if redis.uses_tls() {
        redis = redis.with_tls(login::trusting(config.ca_file.as_deref())?);
    }
    Ok(Prepared::Redis(redis))
}

#[cfg(not(feature = "postgres"))]
fn outbox(_: &str, _: &SourceConfig) -> Result<Prepared, Failure> {
    Err(Failure(
        "url: this program was built without the driver for PostgreSQL (feature postgres)".into(),
    ))
}

#[cfg(feature = "postgres")]
fn outbox(name: &str, config: &SourceConfig) -> Result<Prepared, Failure> {
    let outbox = sockeye_postgres::OutboxConfig::from_url(&config.url);
    let mut outbox = outbox.map_err(|why| Failure(format!("url: {why}")))?;
    outbox = outbox.with_patience_ms(config.patience_seconds.saturating_mul(1_000));
    if let Some(password) = password(name, config)? {
        outbox = outbox.with_password(&password);
    }
    if outbox.uses_tls() {
        outbox = outbox.with_tls(login::trusting(config.ca_file.as_deref())?);
    }
    Ok(Prepared::Outbox(outbox))
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: &str, _: &SourceConfig) -> Result<Prepared, Failure> {
    Err(Failure("url: this program was built without the driver for Kafka (feature kafka)".into()))
}

#[cfg(feature = "kafka")]
fn kafka(name: &str, config: &SourceConfig) -> Result<Prepared, Failure> {
    let kafka = sockeye_kafka::KafkaSourceConfig::from_url(&config.url);
    let mut kafka = kafka.map_err(|why| Failure(format!("url: {why}")))?;
    kafka = kafka.with_patience_ms(config.patience_seconds.saturating_mul(1_000));
    if config.format == Some(sockeye_source::Format::Json) {
        kafka = kafka.with_null("null");
    }
    if let Some(password) = password(name, config)? {
        kafka = kafka.with_password(&password);
    }
    if kafka.lacks_password() {
        let why = "password_file: the URL names a user, whose password is missing";
        return Err(Failure(why.into()));
    }
    if kafka.uses_tls() {
        kafka = kafka.with_tls(login::trusting(config.ca_file.as_deref())?);
    }
    Ok(Prepared::Kafka(Box::new(kafka)))
}

#[cfg(not(feature = "nats"))]
fn nats(_: &str, _: &SourceConfig) -> Result<Prepared, Failure> {
    Err(Failure("url: this program was built without the driver for NATS (feature nats)".into()))
}

#[cfg(feature = "nats")]
fn nats(name: &str, config: &SourceConfig) -> Result<Prepared, Failure> {
    let nats = sockeye_nats::NatsSourceConfig::from_url(&config.url);
    let mut nats = nats.map_err(|why| Failure(format!("url: {why}")))?;
    nats = nats.with_patience_ms(config.patience_seconds.saturating_mul(1_000));
    nats = nats.with_in_flight(config.in_flight);
    if let Some(password) = password(name, config)? {
        nats = nats.with_password(&password);
    }
    let credentials = match &config.credentials_file {
        Some(file) => Some(login::secret(file, "credentials_file")?),
        None => login::variable_text(&variable(name, "CREDENTIALS")),
    };
    if let Some(text) = credentials {
        let failed = |why| Failure(format!("credentials_file: {why}"));
        nats = nats.with_credentials(&text).map_err(failed)?;
    }
    if nats.uses_tls() {
        nats = nats.with_tls(login::trusting(config.ca_file.as_deref())?);
    }
    Ok(Prepared::Nats(Box::new(nats)))
}

#[cfg(not(feature = "amqp"))]
fn queue(_: &str, _: &SourceConfig) -> Result<Prepared, Failure> {
    let why = "url: this program was built without the driver for RabbitMQ (feature amqp)";
    Err(Failure(why.into()))
}

#[cfg(feature = "amqp")]
fn queue(name: &str, config: &SourceConfig) -> Result<Prepared, Failure> {
    let amqp = sockeye_amqp::AmqpSourceConfig::from_url(&config.url);
    let mut amqp = amqp.map_err(|why| Failure(format!("url: {why}")))?;
    amqp = amqp.with_patience_ms(config.patience_seconds.saturating_mul(1_000));
    amqp = amqp.with_in_flight(config.in_flight);
    if let Some(password) = password(name, config)? {
        amqp = amqp.with_password(&password);
    }
    if amqp.uses_tls() {
        amqp = amqp.with_tls(login::trusting(config.ca_file.as_deref())?);
    }
    Ok(Prepared::Amqp(Box::new(amqp)))
}

/// The password of a file, or of the source's variable in the environment.
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "redis",
    feature = "postgres"
))]
fn password(name: &str, config: &SourceConfig) -> Result<Option<String>, Failure> {
    login::password(config.password_file.as_deref(), &variable(name, "PASSWORD"))
}

/// The source's variable in the environment for a secret.
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "redis",
    feature = "postgres"
))]
fn variable(name: &str, secret: &str) -> String {
    let name = name.to_ascii_uppercase().replace('-', "_");
    format!("SOCKEYE_SOURCE_{name}_{secret}")
}
