//! Errors of RabbitMQ, and what they mean for an operator.

use core::fmt;

use sockeye_backbone::driver::{Server, quoted};
use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::AmqpConfig;
use crate::method::{Closed, code};

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
            320 => (TroubleKind::Unreachable, "closes the connection".into()),
            _ => (TroubleKind::Protocol, "answered with an error".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
