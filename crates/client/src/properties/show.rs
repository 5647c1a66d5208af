//! Writes events as complete texts, so that property tests can compare them, and checks that they keep the limits.

use super::{EVENT_BYTES_MAX, LIMITS, MESSAGE_BYTES_MAX};
use crate::Error;
use crate::sans_io::{SocketEvent, SourceEvent};

pub(super) fn source_event(event: &SourceEvent<'_>) -> String {
    match event {
        SourceEvent::Open(opened) => format!("open: {} {:?}", opened.url, opened.headers),
        SourceEvent::Message(message) => {
            assert!(message.data.len() <= EVENT_BYTES_MAX, "an event is over its limit");
            let (id, data) = (message.last_event_id, message.data);
            format!("event: {:?} {id:?} {data:?}", message.event_type)
        }
        SourceEvent::Comment(text) => format!("comment: {text:?}"),
        SourceEvent::Retry(ms) => format!("retry: {ms}"),
        SourceEvent::Lost { why, wait_ms } => format!("lost: {} {wait_ms}", error(why)),
    }
}

pub(super) fn socket_event(event: &SocketEvent<'_>) -> String {
    match event {
        SocketEvent::Message(message) => {
            let len = message.as_bytes().len() as u64;
            assert!(len <= MESSAGE_BYTES_MAX, "a message is over its limit");
            format!("message: {:?} {:?}", message.kind(), message.as_bytes())
        }
        SocketEvent::Ping(payload) => format!("ping: {:?}", &payload[..]),
        SocketEvent::Pong(payload) => format!("pong: {:?}", &payload[..]),
        SocketEvent::Close(reason) => {
            format!("close: {:?}", reason.as_ref().map(|it| (it.code(), it.text().to_owned())))
        }
        other => format!("{other:?}"),
    }
}

#[cfg(feature = "hub")]
pub(super) fn subscription_event(event: &crate::SubscriptionEvent<'_>) -> String {
    match event {
        crate::SubscriptionEvent::Message(message) => {
            let data = match &message.data {
                crate::Data::Text(text) => format!("text {text:?}"),
                crate::Data::Json(json) => format!("json {json:?}"),
            };
            let crate::Publication { channel, cursor, time_ms, event, .. } = message;
            format!("message: {channel:?} {cursor:?} {time_ms} {event:?} {data}")
        }
        crate::SubscriptionEvent::Lost { why, wait_ms } => {
            format!("lost: {} {wait_ms}", error(why))
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn error(error: &Error) -> String {
    let Error::Refused(refusal) = error else { return format!("{error:?}") };
    assert!(refusal.body.len() <= LIMITS.refusal_bytes_max, "a refusal is over its limit");
    format!("{} {:?} {:?}", refusal.status, refusal.headers, refusal.body)
}
