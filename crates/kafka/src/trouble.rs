//! Errors of Kafka, and what they mean for an operator.

use core::fmt;

use kafka_protocol::error::ResponseError;
use sockeye_backbone::driver::{Server, quoted};
use sockeye_backbone::{Rejection, Trouble, TroubleKind};

use crate::config::KafkaConfig;

/// The server that was asked, and its configuration.
#[derive(Clone, Copy)]
pub(crate) struct Place<'c> {
    pub(crate) server: &'c Server,
    pub(crate) config: &'c KafkaConfig,
}

impl Place<'_> {
    /// The trouble of this server.
    pub(crate) fn trouble(&self, kind: TroubleKind, what: &str) -> Trouble {
        Trouble::new(kind, format!("{} {what}", self.server))
    }

    /// A connection or an answer took longer than the patience.
    pub(crate) fn late(&self) -> Trouble {
        self.trouble(TroubleKind::Unreachable, "does not answer in time")
    }

    /// The trouble of an answer that is not in the protocol.
    pub(crate) fn strange(&self, what: impl fmt::Display) -> Trouble {
        let what = quoted(&what.to_string());
        self.trouble(TroubleKind::Protocol, &format!("does not answer as Kafka does: {what}"))
    }

    /// The trouble that an error code is.
    pub(crate) fn of_code(&self, code: ResponseError) -> Trouble {
        let (kind, what) = self.of_known(code);
        self.trouble(kind, &format!("{what} ({})", quoted(&format!("{code:?}"))))
    }

    fn of_known(&self, code: ResponseError) -> (TroubleKind, String) {
        let topic = &self.config.topic;
        let refused = |what: &str| (TroubleKind::Login, what.to_string());
        match code {
            ResponseError::TopicAuthorizationFailed
            | ResponseError::ClusterAuthorizationFailed
            | ResponseError::TransactionalIdAuthorizationFailed => refused(&format!(
                "lets the user not do all that is needed: allow Read, Write, Delete, Create, Describe and DescribeConfigs \
                 on the topic {topic:?}"
            )),
            ResponseError::SaslAuthenticationFailed => refused("refuses the user or the password"),
            ResponseError::IllegalSaslState => refused("asks for another login"),
            ResponseError::NotLeaderOrFollower
            | ResponseError::LeaderNotAvailable
            | ResponseError::ReplicaNotAvailable
            | ResponseError::FencedLeaderEpoch
            | ResponseError::UnknownLeaderEpoch
            | ResponseError::NotController
            | ResponseError::PreferredLeaderNotAvailable
            | ResponseError::EligibleLeadersNotAvailable
            | ResponseError::UnknownTopicOrPartition
            | ResponseError::UnknownTopicId
            | ResponseError::InconsistentTopicId => {
                (TroubleKind::NoLeader, format!("does not lead the topic {topic:?} now"))
            }
            ResponseError::NotEnoughReplicas | ResponseError::NotEnoughReplicasAfterAppend => (
                TroubleKind::Full,
                "takes no entries: fewer replicas are in sync than min.insync.replicas asks for"
                    .into(),
            ),
            ResponseError::ThrottlingQuotaExceeded => {
                (TroubleKind::Full, "takes no more: a quota is exceeded".into())
            }
            ResponseError::KafkaStorageError | ResponseError::LogDirNotFound => {
                (TroubleKind::Full, "takes no entries: its disk is full or broken".into())
            }
            ResponseError::InvalidReplicationFactor => (
                TroubleKind::Settings,
                "has too few brokers for the copies that are asked for: ask for fewer (replicas=)"
                    .into(),
            ),
            ResponseError::PolicyViolation | ResponseError::InvalidConfig => (
                TroubleKind::Settings,
                format!("does not let a node create the topic {topic:?}: create it before"),
            ),
            ResponseError::UnsupportedVersion => {
                (TroubleKind::Version, "lacks what is needed".into())
            }
            ResponseError::RequestTimedOut | ResponseError::BrokerNotAvailable => {
                (TroubleKind::Unreachable, "did not do it in time".into())
            }
            _ => (TroubleKind::Protocol, "answered with an error".into()),
        }
    }

    /// Why appends that were answered with this error were dropped; `None` if it is a reason to connect anew.
    pub(crate) fn rejection(&self, code: ResponseError) -> Option<Rejection> {
        match code {
            ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => {
                Some(Rejection::TooLarge)
            }
            _ => {
                let trouble = self.of_code(code);
                (trouble.kind == TroubleKind::Full).then_some(Rejection::Full(trouble))
            }
        }
    }
}

/// Whether a topic is not there, or is another one.
pub(crate) const fn is_missing(code: ResponseError) -> bool {
    matches!(
        code,
        ResponseError::UnknownTopicOrPartition
            | ResponseError::UnknownTopicId
            | ResponseError::InconsistentTopicId
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_what_a_driver_does() {
        let config = KafkaConfig::from_url("kafka://h").expect("a URL");
        let place = Place { server: &config.servers[0], config: &config };
        for (code, kind) in [
            (ResponseError::NotLeaderOrFollower, TroubleKind::NoLeader),
            (ResponseError::TopicAuthorizationFailed, TroubleKind::Login),
            (ResponseError::SaslAuthenticationFailed, TroubleKind::Login),
            (ResponseError::InvalidReplicationFactor, TroubleKind::Settings),
            (ResponseError::UnsupportedVersion, TroubleKind::Version),
            (ResponseError::RequestTimedOut, TroubleKind::Unreachable),
            (ResponseError::CorruptMessage, TroubleKind::Protocol),
        ] {
            let trouble = place.of_code(code);
            assert_eq!((trouble.kind, place.rejection(code)), (kind, None), "{trouble}");
            assert!(
                trouble.text.starts_with("h:9092 ") && !trouble.text.contains('\n'),
                "{trouble}"
            );
        }
        for code in [ResponseError::NotEnoughReplicas, ResponseError::KafkaStorageError] {
            assert!(matches!(place.rejection(code), Some(Rejection::Full(_))), "{code:?}");
        }
        assert_eq!(place.rejection(ResponseError::MessageTooLarge), Some(Rejection::TooLarge));
    }
}
