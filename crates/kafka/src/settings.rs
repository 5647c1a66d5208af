//! The settings of the topic: whether it may keep the log.

use std::collections::HashMap;

use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::create_topics_request::CreatableTopicConfig;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::protocol::StrBytes;
use sockeye_backbone::driver::quoted;
use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::KafkaConfig;
use crate::link::Link;
use crate::topic::Topic;
use crate::trouble::is_missing;

/// The number of a topic among the kinds of resources that have settings.
const KIND_TOPIC: i8 = 2;

/// The bytes of a batch, where the topic does not tell its bound: Kafka's default.
const BATCH_BYTES_DEFAULT: usize = 1_048_588;

/// The bytes of the largest batch.
const MESSAGE_BYTES: &str = "max.message.bytes";

type Settings = HashMap<String, String>;

/// Asks for the settings of the topic, and checks them. The bytes of the largest batch that it takes; `None` if there
/// is no topic now. A setting that the server does not tell is not checked.
pub(crate) async fn check(link: &mut Link<'_>, topic: Topic) -> Result<Option<usize>, Trouble> {
    let place = link.place;
    let resource = DescribeConfigsResource::default()
        .with_resource_type(KIND_TOPIC)
        .with_resource_name(StrBytes::from_string(place.config.topic().into()))
        // Tansu 0.6 cannot read a request that names some: it closes the connection.
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = link.ask(&request).await?;
    let result = answer.results.first().ok_or_else(|| place.strange("there are no settings"))?;
    match result.error_code.err() {
        Some(code) if is_missing(code) => return Ok(None),
        Some(code) => return Err(place.of_code(code)),
        None => {}
    }
    let told = |it: &kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult| {
        Some((it.name.to_string(), it.value.as_ref()?.to_string()))
    };
    let settings: Settings = result.configs.iter().filter_map(told).collect();
    if let Some(what) = objection(&settings, topic.copies, place.config) {
        let what = format!("has a topic {:?} that {what}", place.config.topic());
        return Err(place.trouble(TroubleKind::Settings, &what));
    }
    let bytes = settings.get(MESSAGE_BYTES).and_then(|bytes| bytes.parse().ok());
    Ok(Some(bytes.unwrap_or(BATCH_BYTES_DEFAULT)))
}

/// The settings of a topic that is created.
pub(crate) fn of_new(config: &KafkaConfig) -> Vec<CreatableTopicConfig> {
    let mut settings = vec![
        ("cleanup.policy", "delete".to_string()),
        ("retention.ms", "-1".to_string()),
        ("retention.bytes", "-1".to_string()),
        ("unclean.leader.election.enable", "false".to_string()),
        ("compression.type", "producer".to_string()),
    ];
    if config.replicas > 1 {
        settings.push(("min.insync.replicas", config.quorum().to_string()));
    }
    let setting = |(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_string(value)))
    };
    settings.into_iter().map(setting).collect()
}

/// Why a topic cannot keep the log, and what to change.
fn objection(settings: &Settings, copies: usize, config: &KafkaConfig) -> Option<String> {
    forgetful(settings).or_else(|| copied_too_little(settings, copies, config))
}

/// Settings that let servers drop entries, or change them.
fn forgetful(settings: &Settings) -> Option<String> {
    let other = |name: &str, wanted: &[&str]| {
        settings.get(name).filter(|value| !wanted.contains(&value.as_str())).map(|it| quoted(it))
    };
    if let Some(policy) = other("cleanup.policy", &["delete"]) {
        return Some(format!(
            "is compacted, or was meant to be (cleanup.policy is {policy}): set cleanup.policy=delete, or name another topic"
        ));
    }
    for name in ["retention.ms", "retention.bytes"] {
        if let Some(bound) = other(name, &["-1"]) {
            return Some(format!("forgets old entries ({name} is {bound}): set {name}=-1"));
        }
    }
    if let Some(unclean) = other("unclean.leader.election.enable", &["false"]) {
        return Some(format!(
            "may lose entries that were read (unclean.leader.election.enable is {unclean}): \
             set unclean.leader.election.enable=false"
        ));
    }
    other("compression.type", &["producer", "uncompressed"]).map(|kind| {
        format!("is compressed by its broker (compression.type is {kind}): set compression.type=producer")
    })
}

/// Fewer copies than are asked for.
fn copied_too_little(settings: &Settings, copies: usize, config: &KafkaConfig) -> Option<String> {
    let asked = config.replicas;
    if copies < usize::from(asked) {
        return Some(format!(
            "has {copies} of the {asked} copies that are asked for: add some, or ask for fewer (replicas=)"
        ));
    }
    let confirmed: u16 = settings.get("min.insync.replicas")?.parse().ok()?;
    (asked > 1 && confirmed < config.quorum()).then(|| {
        format!(
            "confirms entries of which there are {confirmed} copies: set min.insync.replicas={}",
            config.quorum()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objection_to(change: &[(&str, &str)], copies: usize) -> Option<String> {
        let config = KafkaConfig::from_url("kafka://h?replicas=3").expect("a URL");
        let mut settings: Settings = of_new(&config)
            .iter()
            .map(|it| (it.name.to_string(), it.value.as_deref().unwrap_or_default().to_string()))
            .collect();
        settings.extend(change.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        objection(&settings, copies, &config)
    }

    #[test]
    fn the_topic_that_is_created_is_taken() {
        assert_eq!(objection_to(&[], 3), None);
        assert_eq!(objection_to(&[("compression.type", "uncompressed")], 5), None);
        let config = KafkaConfig::from_url("kafka://h").expect("a URL");
        let untold = Settings::new();
        assert_eq!(objection(&untold, 1, &config), None, "what is not told is not checked");
    }

    #[test]
    fn settings_that_cannot_are_refused_in_one_line_that_says_what_to_change() {
        for (name, value, advice) in [
            ("cleanup.policy", "compact", "set cleanup.policy=delete"),
            ("cleanup.policy", "compact,delete", "set cleanup.policy=delete"),
            ("retention.ms", "604800000", "set retention.ms=-1"),
            ("retention.bytes", "1000000", "set retention.bytes=-1"),
            ("unclean.leader.election.enable", "true", "enable=false"),
            ("compression.type", "zstd", "set compression.type=producer"),
            ("min.insync.replicas", "1", "set min.insync.replicas=2"),
        ] {
            let text = objection_to(&[(name, value)], 3).unwrap_or_else(|| panic!("{name} passes"));
            assert!(text.contains(value) && text.contains(advice), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
        let few = objection_to(&[], 2).expect("two of three copies");
        assert!(few.contains("2 of the 3 copies") && few.contains("replicas="), "{few}");
    }
}
