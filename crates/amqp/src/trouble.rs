//! Errors of RabbitMQ, and what they mean for an operator.

use core::fmt;
use std::io;

use lapin::ErrorKind;
use lapin::protocol::AMQPError;
use sockeye_backbone::driver::{Server, quoted, stream};
use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::AmqpConfig;

/// The reply codes that are told apart.
pub(crate) mod code {
    pub(crate) const NO_ROUTE: u16 = 312;
    pub(crate) const CONNECTION_FORCED: u16 = 320;
    pub(crate) const ACCESS_REFUSED: u16 = 403;
    pub(crate) const NOT_FOUND: u16 = 404;
    pub(crate) const RESOURCE_LOCKED: u16 = 405;
    pub(crate) const PRECONDITION_FAILED: u16 = 406;
    pub(crate) const RESOURCE_ERROR: u16 = 506;
    pub(crate) const NOT_ALLOWED: u16 = 530;
    pub(crate) const INTERNAL_ERROR: u16 = 541;
}

/// Why the server has closed a connection or a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: u16,
    pub(crate) text: Box<str>,
}

impl Closed {
    pub(crate) fn new(error: &AMQPError) -> Self {
        Self { code: error.get_id(), text: error.get_message().as_str().into() }
    }

    /// Whether there is no such queue.
    pub(crate) fn is_missing(&self) -> bool {
        self.code == code::NOT_FOUND && self.text.contains("no queue")
    }

    /// Whether somebody else takes the messages of the queue.
    pub(crate) fn is_taken(&self) -> bool {
        self.code == code::ACCESS_REFUSED && self.text.contains("exclusive use")
    }

    /// Whether the stream is there and does not work yet: it is being created, or its server has just started.
    pub(crate) fn is_starting(&self) -> bool {
        let lacks_replica =
            self.code == code::PRECONDITION_FAILED && self.text.contains("have a replica");
        lacks_replica || self.code == code::NOT_FOUND && !self.is_missing()
    }
}

/// The server that was asked, and its configuration.
#[derive(Clone, Copy)]
pub(crate) struct Place<'c> {
    pub(crate) server: &'c Server,
    pub(crate) config: &'c AmqpConfig,
}

impl Place<'_> {
    /// The trouble of this server.
    pub(crate) fn trouble(&self, kind: TroubleKind, what: impl fmt::Display) -> Trouble {
        Trouble::new(kind, format!("{} {what}", self.server))
    }

    /// A connection or an answer took longer than the patience.
    pub(crate) fn late(&self) -> Trouble {
        self.trouble(TroubleKind::Unreachable, "does not answer in time")
    }

    /// The trouble of an answer that is not in the protocol.
    pub(crate) fn strange(&self) -> Trouble {
        self.trouble(TroubleKind::Protocol, "does not answer as RabbitMQ does: is this RabbitMQ?")
    }

    /// The trouble of a stream that is there and gives no entries, as for some seconds after a start.
    pub(crate) fn silent(&self) -> Trouble {
        let what =
            format!("has the stream {:?}, and gives no entries of it yet", self.config.stream);
        self.trouble(TroubleKind::NoLeader, what)
    }

    /// The trouble of a connection that is closed.
    pub(crate) fn gone(&self) -> Trouble {
        self.trouble(TroubleKind::Unreachable, "closed the connection")
    }

    /// The trouble of an error of lapin.
    pub(crate) fn of_error(&self, error: &lapin::Error) -> Trouble {
        match error.kind() {
            ErrorKind::ProtocolError(closed) => self.of_closed(&Closed::new(closed)),
            ErrorKind::IOError(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                self.gone()
            }
            ErrorKind::IOError(error) => stream::trouble_of(error, self.server),
            ErrorKind::MissingHeartbeatError => self.late(),
            ErrorKind::ParsingError(_)
            | ErrorKind::InvalidProtocolVersion(_)
            | ErrorKind::SerialisationError(_)
            | ErrorKind::AuthProviderError(_) => self.strange(),
            _ => self.gone(),
        }
    }

    /// The trouble of a connection or a channel that the server has closed.
    pub(crate) fn of_closed(&self, closed: &Closed) -> Trouble {
        let (kind, what) = self.of_code(closed);
        self.trouble(kind, format!("{what} ({})", quoted(&closed.text)))
    }

    fn of_code(&self, closed: &Closed) -> (TroubleKind, String) {
        let config = self.config;
        match closed.code {
            code::ACCESS_REFUSED if closed.text.contains("Login was refused") => {
                let what = format!("refuses the user {:?} or its password", config.user());
                (TroubleKind::Login, what)
            }
            code::ACCESS_REFUSED => {
                let what = format!(
                    "does not let the user {:?} do all that is needed: allow configure, write and read on ^{}$",
                    config.user(),
                    config.stream
                );
                (TroubleKind::Login, what)
            }
            code::NOT_ALLOWED => {
                let what = format!(
                    "does not let the user {:?} into the virtual host {:?}, or has none of this name",
                    config.user(),
                    config.vhost
                );
                (TroubleKind::Login, what)
            }
            // Also as it is created.
            code::NOT_FOUND | code::RESOURCE_ERROR | code::INTERNAL_ERROR => {
                let what = format!("has a stream {:?} that does not work now", config.stream);
                (TroubleKind::NoLeader, what)
            }
            code::RESOURCE_LOCKED => {
                let what = format!(
                    "has a queue {:?} of another connection: name another stream (?stream=NAME)",
                    config.stream
                );
                (TroubleKind::Settings, what)
            }
            // It is stopped in order.
            code::CONNECTION_FORCED => (TroubleKind::Unreachable, "closes the connection".into()),
            _ => (TroubleKind::Protocol, "answered with an error".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_lapin_tell_what_happened() {
        let config = AmqpConfig::from_url("amqp://h").expect("a URL");
        let place = Place { server: &config.servers[0], config: &config };
        let closed = AMQPError::from_id(320, "CONNECTION_FORCED".into()).expect("a code");
        let io = |kind| lapin::Error::from(io::Error::from(kind));
        for (error, kind, what) in [
            (ErrorKind::ProtocolError(closed).into(), TroubleKind::Unreachable, "closes the"),
            (io(io::ErrorKind::ConnectionAborted), TroubleKind::Unreachable, "closed the"),
            (io(io::ErrorKind::ConnectionRefused), TroubleKind::Unreachable, "is not reached"),
            (ErrorKind::MissingHeartbeatError.into(), TroubleKind::Unreachable, "in time"),
            (
                ErrorKind::AuthProviderError("none".into()).into(),
                TroubleKind::Protocol,
                "is this RabbitMQ?",
            ),
        ] {
            let trouble = place.of_error(&error);
            assert!(trouble.kind == kind && trouble.text.contains(what), "{trouble}");
        }
    }

    #[test]
    fn errors_tell_what_to_change() {
        let config = AmqpConfig::from_url("amqp://node@h/v?stream=log").expect("a URL");
        let place = Place { server: &config.servers[0], config: &config };
        for (code, text, kind, advice) in [
            (403, "ACCESS_REFUSED - Login was refused\nusing", TroubleKind::Login, "user \"node\""),
            (403, "ACCESS_REFUSED - access to queue", TroubleKind::Login, "read on ^log$"),
            (530, "NOT_ALLOWED - vhost v not found", TroubleKind::Login, "virtual host \"v\""),
            (405, "RESOURCE_LOCKED", TroubleKind::Settings, "name another stream"),
            (506, "RESOURCE_ERROR - Stream not found", TroubleKind::NoLeader, "does not work now"),
            (320, "CONNECTION_FORCED", TroubleKind::Unreachable, "closes"),
            (541, "INTERNAL_ERROR", TroubleKind::NoLeader, "INTERNAL_ERROR"),
            (504, "CHANNEL_ERROR", TroubleKind::Protocol, "CHANNEL_ERROR"),
        ] {
            let trouble = place.of_closed(&Closed { code, text: text.into() });
            assert_eq!(trouble.kind, kind, "{trouble}");
            assert!(
                trouble.text.contains(advice) && trouble.text.starts_with("h:5672 "),
                "{trouble}"
            );
            assert!(!trouble.text.contains('\n'), "{trouble}");
        }
    }
}
