//! Errors of NATS, and what they mean for an operator.

use core::error::Error;
use std::io;

use async_nats::jetstream::context::{
    PublishError, PublishErrorKind, RequestError, RequestErrorKind,
};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind};
use sockeye_backbone::driver::{Server, quoted};
use sockeye_backbone::{Rejection, Trouble, TroubleKind};

use crate::config::NatsConfig;

/// The trouble of a connection that could not be opened.
pub(crate) fn of_connect(error: &ConnectError, server: &Server, config: &NatsConfig) -> Trouble {
    let (kind, what) = match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            (TroubleKind::Login, refused_login(config))
        }
        _ if find::<rustls::Error>(error).is_some() => (TroubleKind::Login, tls(config)),
        ConnectErrorKind::Tls => (TroubleKind::Login, tls(config)),
        ConnectErrorKind::Dns => (TroubleKind::Unreachable, "has no address".into()),
        ConnectErrorKind::TimedOut => (TroubleKind::Unreachable, "does not answer in time".into()),
        ConnectErrorKind::Io if is_other_protocol(error) => {
            (TroubleKind::Protocol, "speaks another protocol: is this NATS?".into())
        }
        ConnectErrorKind::ServerParse | ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => {
            (TroubleKind::Unreachable, "cannot be reached".into())
        }
    };
    Trouble::new(kind, format!("{server} {what} ({})", quoted(&innermost(error))))
}

fn refused_login(config: &NatsConfig) -> String {
    let login = &config.login;
    match (&login.credentials, &login.user, &login.password) {
        (Some(_), _, _) => "refuses the credentials".into(),
        (None, Some(user), _) => format!("refuses the user {user:?} or its password"),
        (None, None, Some(_)) => "refuses the token".into(),
        (None, None, None) => {
            "asks for a login: configure a user and its password, a token, or credentials".into()
        }
    }
}

fn tls(config: &NatsConfig) -> String {
    if config.uses_tls {
        "has a certificate that the configured authorities do not vouch for, or no TLS".into()
    } else {
        "asks for TLS: use tls://".into()
    }
}

/// Whether what arrived is no line of a server of NATS.
fn is_other_protocol(error: &ConnectError) -> bool {
    let text = innermost(error);
    ["invalid server operation", "expected INFO", "invalid type"]
        .iter()
        .any(|known| text.contains(known) && !text.contains("got nothing"))
        || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::InvalidInput)
}

/// The trouble that an error line of a server is; `None` if the connection goes on and nothing is missing.
pub(crate) fn of_line(text: &str, server: &Server, manual: &str) -> Option<Trouble> {
    let is_refusal = text.to_ascii_lowercase().contains("permissions violation");
    is_refusal.then(|| {
        let text = format!(
            "{server} does not let the user do all that is needed: see the rights in {manual} ({})",
            quoted(text)
        );
        Trouble::new(TroubleKind::Login, text)
    })
}

/// The trouble that an error of JetStream is.
pub(crate) fn of_jetstream(
    error: &jetstream::Error,
    server: &Server,
    config: &NatsConfig,
) -> Trouble {
    let (kind, what) = match error.error_code() {
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
            (TroubleKind::Settings, no_jetstream().into())
        }
        ErrorCode::CLUSTER_NOT_AVAILABLE
        | ErrorCode::CLUSTER_NOT_LEADER
        | ErrorCode::CLUSTER_NO_PEERS
        | ErrorCode::CLUSTER_INCOMPLETE => (TroubleKind::NoLeader, "has no leader now".into()),
        ErrorCode::STREAM_SUBJECT_OVERLAP => (
            TroubleKind::Settings,
            format!(
                "has another stream with subjects {}…: name another one (?stream=NAME)",
                config.subject_prefix()
            ),
        ),
        _ if is_full(error) => {
            (TroubleKind::Full, "takes no more: raise its limits, or shorten the history".into())
        }
        _ => (TroubleKind::Protocol, "answered with an error".into()),
    };
    Trouble::new(kind, format!("{server} {what} ({})", quoted(&error.to_string())))
}

const fn no_jetstream() -> &'static str {
    "has no JetStream for this account: start nats-server with -js, or enable it"
}

fn is_full(error: &jetstream::Error) -> bool {
    let code = error.error_code();
    [
        ErrorCode::STREAM_STORE_FAILED,
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
        ErrorCode::INSUFFICIENT_RESOURCES,
        ErrorCode::STORAGE_RESOURCES_EXCEEDED,
        ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ]
    .contains(&code)
}

/// The trouble of a request that had no answer of JetStream, or another one.
pub(crate) fn of_request(
    error: &(dyn Error + 'static),
    server: &Server,
    config: &NatsConfig,
) -> Trouble {
    if let Some(error) = find::<jetstream::Error>(error) {
        return of_jetstream(error, server, config);
    }
    let (kind, what) = match find::<RequestError>(error).map(RequestError::kind) {
        Some(RequestErrorKind::NoResponders) => (TroubleKind::Settings, no_jetstream()),
        Some(RequestErrorKind::TimedOut) => {
            (TroubleKind::Unreachable, "does not answer in time, or its stream has no leader")
        }
        Some(RequestErrorKind::InvalidSubject | RequestErrorKind::Other) | None => {
            (TroubleKind::Protocol, "sent an answer that is not one of JetStream")
        }
    };
    Trouble::new(kind, format!("{server} {what} ({})", quoted(&innermost(error))))
}

/// The trouble of an append without an answer.
pub(crate) fn of_publish(error: &PublishError, server: &Server) -> Trouble {
    let (kind, what) = match error.kind() {
        PublishErrorKind::TimedOut => (TroubleKind::Unreachable, "does not answer in time"),
        PublishErrorKind::BrokenPipe => (TroubleKind::Unreachable, "closed the connection"),
        PublishErrorKind::StreamNotFound => (TroubleKind::NoLeader, "takes no entries"),
        PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::WrongLastSequence
        | PublishErrorKind::MaxAckPending
        | PublishErrorKind::MaxPayloadExceeded
        | PublishErrorKind::Other => (TroubleKind::Protocol, "answered with an error"),
    };
    Trouble::new(kind, format!("{server} {what} ({})", quoted(&innermost(error))))
}

/// Why an append was dropped that JetStream answered with this; `None` if it is a reason to connect anew.
pub(crate) fn rejection(
    error: &PublishError,
    server: &Server,
    config: &NatsConfig,
) -> Option<Rejection> {
    let error = find::<jetstream::Error>(error)?;
    if error.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM {
        return Some(Rejection::TooLarge);
    }
    is_full(error).then(|| Rejection::Full(of_jetstream(error, server, config)))
}

/// The first error of a type: the error itself, what it wraps, or one of its causes.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // What an `io::Error` wraps is not its source, but has one.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// The text of the last cause.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
