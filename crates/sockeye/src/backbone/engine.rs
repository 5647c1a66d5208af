//! The engine that a URL names.

use sockeye_backbone::Engine;
use sockeye_terminal::Failure;

use crate::config::BackboneConfig;
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
use crate::login;

/// The environment variable that has the password, if no file has it.
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
const PASSWORD: &str = "SOCKEYE_BACKBONE_PASSWORD";

/// The environment variable that has the credentials, if no file has them.
#[cfg(feature = "nats")]
const CREDENTIALS: &str = "SOCKEYE_BACKBONE_CREDENTIALS";

/// The complaint about a user without a password.
#[cfg(any(feature = "amqp", feature = "kafka"))]
const NO_PASSWORD: &str =
    "url: it names a user, and password_file or SOCKEYE_BACKBONE_PASSWORD has no password";

/// An engine that can be asked for.
enum Configured {
    #[cfg(feature = "redis")]
    Redis(sockeye_redis::RedisConfig),
    #[cfg(feature = "kafka")]
    Kafka(sockeye_kafka::KafkaConfig),
    #[cfg(feature = "amqp")]
    Rabbit(sockeye_amqp::AmqpConfig),
    #[cfg(feature = "nats")]
    Nats(sockeye_nats::NatsConfig),
    #[cfg(feature = "postgres")]
    Postgres(sockeye_postgres::PostgresConfig),
}

/// Whether the engine can be asked for: what the URL says, and the files of passwords and authorities.
pub(crate) fn check(config: &BackboneConfig) -> Result<(), Failure> {
    configure(config).map(|_| ())
}

/// Opens the engine. It connects, and goes on trying.
pub(crate) fn open(config: &BackboneConfig) -> Result<Box<dyn Engine>, Failure> {
    match configure(config)? {
        #[cfg(feature = "redis")]
        Configured::Redis(config) => started(sockeye_redis::RedisEngine::open(config)),
        #[cfg(feature = "kafka")]
        Configured::Kafka(config) => started(sockeye_kafka::KafkaEngine::open(config)),
        #[cfg(feature = "amqp")]
        Configured::Rabbit(config) => started(sockeye_amqp::AmqpEngine::open(config)),
        #[cfg(feature = "nats")]
        Configured::Nats(config) => started(sockeye_nats::NatsEngine::open(config)),
        #[cfg(feature = "postgres")]
        Configured::Postgres(config) => started(sockeye_postgres::PostgresEngine::open(config)),
    }
}

#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
fn started(engine: std::io::Result<impl Engine + 'static>) -> Result<Box<dyn Engine>, Failure> {
    use sockeye_terminal::OrFail as _;
    Ok(Box::new(engine.or_fail(|| "cannot start the threads of the backbone".into())?))
}

fn configure(config: &BackboneConfig) -> Result<Configured, Failure> {
    let (scheme, _) = config.url.split_once("://").unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "rediss" | "redis-sentinel" | "rediss-sentinel" => redis(config),
        "kafka" | "kafkas" => kafka(config),
        "amqp" | "amqps" => rabbit(config),
        "nats" | "tls" => nats(config),
        "postgres" | "postgresql" => postgres(config),
        _ => Err(Failure(
            "url: its scheme is none of redis, rediss, redis-sentinel, rediss-sentinel, kafka, kafkas, amqp, amqps, nats, tls, \
             postgres and postgresql"
                .into(),
        )),
    }
}

#[cfg(not(feature = "redis"))]
fn redis(_: &BackboneConfig) -> Result<Configured, Failure> {
    Err(Failure("url: this program was built without the driver for Redis (feature redis)".into()))
}

#[cfg(feature = "redis")]
fn redis(config: &BackboneConfig) -> Result<Configured, Failure> {
    use sockeye_redis::{RedisConfig, RedisLimits};

    refuse(&[(
        config.credentials_file.is_some(),
        "credentials_file: Redis takes a password, not credentials: remove this setting",
    )])?;
    let redis = RedisConfig::from_url(&config.url);
    let mut redis = redis.map_err(|why| Failure(format!("url: {why}")))?;
    let mut limits = RedisLimits::default();
    limits.patience_ms = config.patience_ms();
    redis = redis.with_limits(limits);
    if let Some(password) = config.password()? {
        redis = redis.with_password(&password);
    }
    if let Some(file) = &config.sentinel_password_file {
        let password = login::secret(file, "sentinel_password_file")?;
        redis = redis.with_sentinel_login(config.sentinel_user.as_deref(), &password);
    }
    if let Some(replicas) = config.replicas {
        redis = redis.with_replicas(replicas);
    }
    if redis.uses_tls() {
        redis = redis.with_tls(config.trusting()?);
    }
    Ok(Configured::Redis(redis))
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: &BackboneConfig) -> Result<Configured, Failure> {
    Err(Failure("url: this program was built without the driver for Kafka (feature kafka)".into()))
}

#[cfg(feature = "kafka")]
fn kafka(config: &BackboneConfig) -> Result<Configured, Failure> {
    use sockeye_kafka::{KafkaConfig, KafkaLimits};

    refuse(&[
        (
            config.credentials_file.is_some(),
            "credentials_file: Kafka has no credentials, but a password: take it away",
        ),
        (
            config.has_sentinels(),
            "sentinel_user, sentinel_password_file: Kafka has no Sentinels: take them away",
        ),
    ])?;
    let kafka = KafkaConfig::from_url(&config.url);
    let mut kafka = kafka.map_err(|why| Failure(format!("url: {why}")))?;
    let mut limits = KafkaLimits::default();
    limits.patience_ms = config.patience_ms();
    kafka = kafka.with_limits(limits);
    if let Some(password) = config.password()? {
        kafka = kafka.with_password(&password);
    }
    if kafka.user().is_some() && !kafka.has_password() {
        return Err(Failure(NO_PASSWORD.into()));
    }
    let why = "replicas: a topic of Kafka has 9 copies at the most here";
    if let Some(replicas) = few_replicas(config, why)? {
        kafka = kafka.with_replicas(replicas);
    }
    if kafka.uses_tls() {
        kafka = kafka.with_tls(config.trusting()?);
    }
    Ok(Configured::Kafka(kafka))
}

#[cfg(not(feature = "amqp"))]
fn rabbit(_: &BackboneConfig) -> Result<Configured, Failure> {
    Err(Failure(
        "url: this program was built without the driver for RabbitMQ (feature amqp)".into(),
    ))
}

#[cfg(feature = "amqp")]
fn rabbit(config: &BackboneConfig) -> Result<Configured, Failure> {
    use sockeye_amqp::{AmqpConfig, AmqpLimits};

    refuse(&[
        (
            config.credentials_file.is_some(),
            "credentials_file: RabbitMQ has no credentials, but a password: take it away",
        ),
        (
            config.has_sentinels(),
            "sentinel_user, sentinel_password_file: RabbitMQ has no Sentinels: take them away",
        ),
    ])?;
    let rabbit = AmqpConfig::from_url(&config.url);
    let mut rabbit = rabbit.map_err(|why| Failure(format!("url: {why}")))?;
    let mut limits = AmqpLimits::default();
    limits.patience_ms = config.patience_ms();
    rabbit = rabbit.with_limits(limits);
    if let Some(password) = config.password()? {
        rabbit = rabbit.with_password(&password);
    }
    if rabbit.lacks_password() {
        return Err(Failure(NO_PASSWORD.into()));
    }
    let why = "replicas: a stream of RabbitMQ has 9 copies at the most here";
    if let Some(replicas) = few_replicas(config, why)? {
        rabbit = rabbit.with_replicas(replicas);
    }
    if rabbit.uses_tls() {
        rabbit = rabbit.with_tls(config.trusting()?);
    }
    Ok(Configured::Rabbit(rabbit))
}

#[cfg(not(feature = "nats"))]
fn nats(_: &BackboneConfig) -> Result<Configured, Failure> {
    Err(Failure("url: this program was built without the driver for NATS (feature nats)".into()))
}

#[cfg(feature = "nats")]
fn nats(config: &BackboneConfig) -> Result<Configured, Failure> {
    use sockeye_nats::{NatsConfig, NatsLimits};

    refuse(&[(
        config.has_sentinels(),
        "sentinel_user, sentinel_password_file: NATS has no Sentinels: remove these settings",
    )])?;
    let nats = NatsConfig::from_url(&config.url);
    let mut nats = nats.map_err(|why| Failure(format!("url: {why}")))?;
    let mut limits = NatsLimits::default();
    limits.patience_ms = config.patience_ms();
    nats = nats.with_limits(limits);
    if let Some(password) = config.password()? {
        nats = nats.with_password(&password);
    }
    let credentials = match &config.credentials_file {
        Some(file) => Some(login::secret(file, "credentials_file")?),
        None => login::variable_text(CREDENTIALS),
    };
    if let Some(text) = credentials {
        nats =
            nats.with_credentials(&text).map_err(|why| Failure(format!("credentials: {why}")))?;
    }
    if let Some(replicas) = config.replicas {
        nats = nats.with_replicas(replicas);
    }
    if nats.uses_tls() {
        nats = nats.with_tls(config.trusting()?);
    }
    Ok(Configured::Nats(nats))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &BackboneConfig) -> Result<Configured, Failure> {
    Err(Failure(
        "url: this program was built without the driver for PostgreSQL (feature postgres)".into(),
    ))
}

#[cfg(feature = "postgres")]
fn postgres(config: &BackboneConfig) -> Result<Configured, Failure> {
    use sockeye_postgres::{PostgresConfig, PostgresLimits};

    refuse(&[
        (
            config.credentials_file.is_some(),
            "credentials_file: PostgreSQL has no credentials, but a password: take it away",
        ),
        (
            config.sentinel_user.is_some(),
            "sentinel_user: PostgreSQL has no Sentinels: take it away",
        ),
        (
            config.sentinel_password_file.is_some(),
            "sentinel_password_file: PostgreSQL has no Sentinels: take it away",
        ),
        (
            config.replicas.is_some(),
            "replicas: with PostgreSQL the server says which standbys confirm (synchronous_standby_names): take it away",
        ),
    ])?;
    let postgres = PostgresConfig::from_url(&config.url);
    let mut postgres = postgres.map_err(|why| Failure(format!("url: {why}")))?;
    let mut limits = PostgresLimits::default();
    limits.patience_ms = config.patience_ms();
    postgres = postgres.with_limits(limits);
    if let Some(password) = config.password()? {
        postgres = postgres.with_password(&password);
    }
    if postgres.uses_tls() {
        postgres = postgres.with_tls(config.trusting()?);
    }
    Ok(Configured::Postgres(postgres))
}

/// A setting of another engine is a mistake.
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
fn refuse(strange: &[(bool, &str)]) -> Result<(), Failure> {
    match strange.iter().find(|(is_set, _)| *is_set) {
        Some((_, why)) => Err(Failure((*why).into())),
        None => Ok(()),
    }
}

/// The setting `replicas`, where an engine has nine at the most.
#[cfg(any(feature = "amqp", feature = "kafka"))]
fn few_replicas(config: &BackboneConfig, why: &str) -> Result<Option<u16>, Failure> {
    let Some(replicas) = config.replicas else { return Ok(None) };
    let few = u16::try_from(replicas).ok().filter(|count| *count <= 9);
    few.map(Some).ok_or_else(|| Failure(why.into()))
}

#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
impl BackboneConfig {
    fn patience_ms(&self) -> u64 {
        self.patience_seconds.saturating_mul(1_000)
    }

    #[cfg(any(feature = "amqp", feature = "kafka", feature = "nats"))]
    fn has_sentinels(&self) -> bool {
        self.sentinel_user.is_some() || self.sentinel_password_file.is_some()
    }

    fn password(&self) -> Result<Option<String>, Failure> {
        login::password(self.password_file.as_deref(), PASSWORD)
    }

    /// How TLS begins, and whom it trusts.
    fn trusting(&self) -> Result<std::sync::Arc<rustls::ClientConfig>, Failure> {
        login::trusting(self.ca_file.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str, change: impl FnOnce(&mut BackboneConfig)) -> String {
        let mut config = BackboneConfig { url: url.into(), ..BackboneConfig::default() };
        change(&mut config);
        check(&config).expect_err(url).0
    }

    #[test]
    fn a_url_of_no_engine_is_named() {
        for url in ["http://h", "h:4222", "mqtt://h"] {
            assert!(error(url, |_| {}).starts_with("url: its scheme is none of redis, "), "{url}");
        }
    }

    #[test]
    #[cfg(not(feature = "nats"))]
    fn a_driver_that_is_not_built_is_named() {
        let why = "url: this program was built without the driver for NATS (feature nats)";
        assert_eq!(error("nats://h", |_| {}), why);
    }

    #[test]
    #[cfg(feature = "kafka")]
    fn what_is_wrong_with_kafka_is_named() {
        let why = error("kafka://h", |it| it.credentials_file = Some("a.creds".into()));
        assert!(why.starts_with("credentials_file: Kafka has no credentials"), "{why}");
        let why = error("kafka://h", |it| it.sentinel_user = Some("a".into()));
        assert!(why.contains("Kafka has no Sentinels"), "{why}");
        assert!(error("kafka://u:p@h", |_| {}).contains("has a password"));
        assert!(error("kafka://u@h", |_| {}).contains("names a user"));
        assert!(error("kafka://h/a%20b", |_| {}).contains("no name of a topic"));
        assert!(error("kafkas://h", |_| {}).contains("TLS needs a ca_file"));
        assert!(error("kafka://h", |it| it.replicas = Some(10)).starts_with("replicas: "));
        let config = BackboneConfig { url: "kafka://h/log".into(), ..BackboneConfig::default() };
        check(&config).expect("a URL is enough");
    }

    #[test]
    #[cfg(feature = "amqp")]
    fn what_is_wrong_with_rabbitmq_is_named() {
        let why = error("amqp://h", |it| it.credentials_file = Some("a.creds".into()));
        assert!(why.starts_with("credentials_file: RabbitMQ has no credentials"), "{why}");
        let why = error("amqp://h", |it| it.sentinel_user = Some("a".into()));
        assert!(why.contains("RabbitMQ has no Sentinels"), "{why}");
        assert!(error("amqp://u:p@h", |_| {}).contains("has a password"));
        assert!(error("amqp://u@h", |_| {}).contains("names a user"));
        assert!(error("amqp://h?stream=a%20b", |_| {}).contains("option \"stream\""));
        assert!(error("amqps://h", |_| {}).contains("TLS needs a ca_file"));
        assert!(error("amqp://h", |it| it.replicas = Some(10)).starts_with("replicas: "));
        let config = BackboneConfig { url: "amqp://h/v".into(), ..BackboneConfig::default() };
        check(&config).expect("a URL is enough");
    }

    #[test]
    #[cfg(feature = "postgres")]
    fn what_is_wrong_with_postgresql_is_named() {
        let why = error("postgres://u@h", |it| it.replicas = Some(1));
        assert!(why.contains("synchronous_standby_names"), "{why}");
        let why = error("postgres://u@h", |it| it.credentials_file = Some("a.creds".into()));
        assert!(why.starts_with("credentials_file: PostgreSQL has no credentials"), "{why}");
        assert!(error("postgres://h/db", |_| {}).contains("names no user"));
        assert!(error("postgresql://u:p@h", |_| {}).contains("has a password"));
        assert!(
            error("postgres://u@h?sslmode=verify-full", |_| {}).contains("TLS needs a ca_file")
        );
        assert!(error("postgres://u@h?sslmode=require", |_| {}).contains("option \"sslmode\""));
        let config =
            BackboneConfig { url: "postgres://u@h/db".into(), ..BackboneConfig::default() };
        check(&config).expect("a URL is enough");
    }

    #[test]
    #[cfg(feature = "redis")]
    fn settings_of_nats_are_no_settings_of_redis() {
        let why = error("redis://h", |it| it.credentials_file = Some("a.creds".into()));
        assert!(why.starts_with("credentials_file: Redis takes a password"), "{why}");
    }

    #[test]
    #[cfg(feature = "nats")]
    fn what_is_wrong_with_nats_is_named() {
        let why = error("nats://h", |it| it.sentinel_user = Some("a".into()));
        assert!(why.contains("NATS has no Sentinels"), "{why}");
        assert!(error("nats://u:p@h", |_| {}).contains("has a password"));
        assert!(error("tls://h", |_| {}).contains("TLS needs a ca_file"));
        let why = error("nats://h", |it| it.credentials_file = Some("/nowhere/a.creds".into()));
        assert!(why.starts_with("credentials_file /nowhere/a.creds"), "{why}");
        let config = BackboneConfig { url: "nats://h".into(), ..BackboneConfig::default() };
        check(&config).expect("a URL is enough");
    }
}
