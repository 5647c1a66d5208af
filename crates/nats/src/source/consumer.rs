//! The consumer: its settings, and what the server says of it.

use core::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy, Info, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{ConsumerErrorKind, Stream};
use sockeye_backbone::{Trouble, TroubleKind};

use super::reading::EXPIRES;
use super::url::NatsSourceConfig;
use crate::link::Link;
use crate::trouble;

/// How long a message may be under way before the server sends it again. The session that has it does not mind.
const ACK_WAIT: Duration = Duration::from_secs(60);

/// Messages that are sent and not acknowledged, of the consumer that is made.
const ACK_PENDING_MIN: usize = 1_000;

/// What the server says of the consumer, which is made if there is none.
pub(super) async fn find_or_create(
    link: &Link<'_>,
    stream: &Stream,
    config: &NatsSourceConfig,
) -> Result<Info, Trouble> {
    if let Some(info) = describe(link, stream, config).await? {
        return Ok(info);
    }
    let made = stream.create_consumer(settings(config)).await;
    // Of two processes that make it at once, one may get an error.
    match (describe(link, stream, config).await?, made) {
        (Some(info), _) => Ok(info),
        (None, Err(error)) => match error.kind() {
            ConsumerErrorKind::JetStream(error) => {
                Err(trouble::of_jetstream(&error, link.server, &config.nats))
            }
            _ => Err(trouble::of_request(&error, link.server, &config.nats)),
        },
        (None, Ok(_)) => Err(missing(link, config)),
    }
}

/// Asks for the consumer, and checks its settings; `None` if there is none.
pub(super) async fn describe(
    link: &Link<'_>,
    stream: &Stream,
    config: &NatsSourceConfig,
) -> Result<Option<Info>, Trouble> {
    let info = match stream.consumer_info(&config.consumer).await {
        Ok(info) => info,
        Err(error) => {
            return match error.kind() {
                ConsumerInfoErrorKind::NotFound => Ok(None),
                ConsumerInfoErrorKind::StreamNotFound => Err(no_stream(link, config)),
                ConsumerInfoErrorKind::JetStream(error) => {
                    Err(trouble::of_jetstream(&error, link.server, &config.nats))
                }
                _ => Err(trouble::of_request(&error, link.server, &config.nats)),
            };
        }
    };
    if let Some(what) = objection(&info.config, &config.subject) {
        let text = format!("{} has a consumer {:?} that {what}", link.server, config.consumer);
        return Err(Trouble::new(TroubleKind::Settings, text));
    }
    Ok(Some(info))
}

/// The trouble of a server without the stream.
pub(super) fn no_stream(link: &Link<'_>, config: &NatsSourceConfig) -> Trouble {
    let text = format!(
        "{} has no stream {:?}: nats stream add, or name another one (?stream=NAME)",
        link.server,
        config.nats.stream()
    );
    Trouble::new(TroubleKind::Settings, text)
}

/// The trouble of a consumer that was deleted.
pub(super) fn missing(link: &Link<'_>, config: &NatsSourceConfig) -> Trouble {
    let text = format!("{} has no consumer {:?} any more", link.server, config.consumer);
    Trouble::new(TroubleKind::NoLeader, text)
}

/// The consumer that is made: it begins with the oldest message.
fn settings(config: &NatsSourceConfig) -> pull::Config {
    let name = Some(config.consumer.clone().into_string());
    pull::Config {
        durable_name: name.clone(),
        name,
        description: Some("a source of Sockeye".into()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        filter_subject: config.subject.clone().into(),
        max_ack_pending: i64::try_from(config.in_flight.max(ACK_PENDING_MIN)).unwrap_or(i64::MAX),
        ..pull::Config::default()
    }
}

/// Why a consumer cannot keep the promise or the order, and what to change.
fn objection(consumer: &Config, subject: &str) -> Option<String> {
    let another = "name another one (?consumer=NAME)";
    if consumer.deliver_subject.is_some() {
        return Some(format!("pushes its messages (deliver_subject is set): {another}"));
    }
    if consumer.ack_policy != AckPolicy::Explicit {
        let policy = match consumer.ack_policy {
            AckPolicy::All => "all",
            AckPolicy::None => "none",
            AckPolicy::Explicit => "explicit",
        };
        return Some(format!(
            "does not take each acknowledgement by itself (ack_policy is {policy}): {another}"
        ));
    }
    if consumer.filter_subject != subject {
        return Some(format!(
            "has another filter (filter_subject is {:?}): say subject=FILTER as it has it, or {another}",
            consumer.filter_subject
        ));
    }
    if consumer.durable_name.is_none() || !consumer.inactive_threshold.is_zero() {
        return Some(format!(
            "is deleted when nobody asks (no durable_name, or inactive_threshold): {another}"
        ));
    }
    if consumer.memory_storage {
        return Some(format!("forgets its place when the server ends (mem_storage): {another}"));
    }
    if consumer.headers_only {
        return Some("gives no content (headers_only): set headers_only to false".into());
    }
    if consumer.max_bytes > 0 || !consumer.max_expires.is_zero() && consumer.max_expires < EXPIRES {
        return Some(
            "bounds requests for messages too much (max_bytes, or max_expires below 2 s): remove these bounds".into(),
        );
    }
    (consumer.max_deliver > 0).then(|| {
        let bound = consumer.max_deliver;
        format!("gives up messages (max_deliver is {bound}): set max_deliver to -1")
    })
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::consumer::IntoConsumerConfig as _;

    use super::*;

    fn wanted() -> NatsSourceConfig {
        let config = NatsSourceConfig::from_url("nats://h?stream=O&subject=orders.>");
        config.expect("a URL").with_in_flight(2_000)
    }

    fn objection_to(change: fn(&mut Config)) -> Option<String> {
        let mut consumer = settings(&wanted()).into_consumer_config();
        change(&mut consumer);
        objection(&consumer, &wanted().subject)
    }

    #[test]
    fn the_consumer_that_is_made_is_taken() {
        assert_eq!(objection_to(|_| {}), None);
        assert_eq!(objection_to(|it| it.max_ack_pending = 7), None, "it is slower");
        assert_eq!(objection_to(|it| it.ack_wait = Duration::from_secs(1)), None);
        assert_eq!(settings(&wanted()).max_ack_pending, 2_000);
    }

    #[test]
    fn settings_that_cannot_are_refused_in_one_line_that_says_what_to_change() {
        for (change, what, advice) in [
            (
                (|it| it.deliver_subject = Some("x".into())) as fn(&mut Config),
                "pushes",
                "?consumer=",
            ),
            (|it| it.ack_policy = AckPolicy::All, "ack_policy is all", "?consumer="),
            (|it| it.ack_policy = AckPolicy::None, "ack_policy is none", "?consumer="),
            (|it| it.filter_subject = String::new(), "filter_subject is \"\"", "subject=FILTER"),
            (|it| it.durable_name = None, "durable_name", "?consumer="),
            (|it| it.inactive_threshold = ACK_WAIT, "inactive_threshold", "?consumer="),
            (|it| it.memory_storage = true, "mem_storage", "?consumer="),
            (|it| it.headers_only = true, "headers_only", "to false"),
            (|it| it.max_bytes = 9, "max_bytes", "remove"),
            (|it| it.max_expires = Duration::from_secs(1), "max_expires", "remove"),
            (|it| it.max_deliver = 5, "max_deliver is 5", "to -1"),
        ] {
            let text = objection_to(change).unwrap_or_else(|| panic!("{what} passes"));
            assert!(text.contains(what) && text.contains(advice) && !text.contains('\n'), "{text}");
        }
    }
}
