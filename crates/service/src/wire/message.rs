//! Writes an entry of the log in each of its forms.

use sockeye_hub::Entry;
use sockeye_sse::Event;

use super::json::Object;
use super::payload::is_end;
use super::{Control, CursorText, Data, Payload};

/// How an event stream carries publications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// The payload as published, under the publication's event name.
    #[default]
    Raw,
    /// The `message` object, without an event name: `?envelope=json`.
    Envelope,
}

/// Appends an entry as `sockeye.v1.json` has it: a `message`, or `end` if it is its channel's last.
///
/// Its `time` is [`Payload::date_ms`], or the entry's log time if the payload has no date.
pub fn message<M: AsRef<Payload>>(entry: &Entry<M>, cursor: &CursorText, out: &mut String) {
    if is_end(entry) {
        return end(entry, cursor).write_json(out);
    }
    let mut object = Object::new(out);
    object.word("type", "message");
    write_members(entry, cursor, &mut object);
    object.end();
}

/// The payload and nothing else, for a WebSocket without a subprotocol. `None` for a channel's last
/// entry, which has none.
pub fn bare<M: AsRef<Payload>>(entry: &Entry<M>) -> Option<&str> {
    (!is_end(entry)).then(|| entry.body.as_ref().data.as_str())
}

/// The entry as an event. Text that the event needs and the entry does not have is written to
/// `text`.
pub fn event<'a, M: AsRef<Payload>>(
    entry: &'a Entry<M>,
    cursor: &'a CursorText,
    form: Form,
    text: &'a mut String,
) -> Event<'a> {
    text.clear();
    if is_end(entry) {
        end(entry, cursor).write_data(text);
        let name = Some(sse_name("$end"));
        return Event { name, id: Some(cursor.event_id()), retry_ms: None, data: Some(text) };
    }
    let payload = entry.body.as_ref();
    // [service:data-arrives]
    let (name, data) = match form {
        Form::Raw => (payload.event.as_ref().map(|name| name.as_str()), payload.data.as_str()),
        Form::Envelope => {
            fragment(entry, cursor, text);
            (None, text.as_str())
        }
    };
    Event {
        name: name.map(sse_name),
        id: Some(cursor.event_id()),
        retry_ms: None,
        data: Some(data),
    }
}

/// An event without data: it moves the client's `Last-Event-ID` and fires nothing. The first frame
/// of a stream, with the reconnection time, and its heartbeat, without.
pub fn position_event(cursor: &CursorText, retry_ms: Option<u64>) -> Event<'_> {
    Event { name: None, id: Some(cursor.event_id()), retry_ms, data: None }
}

/// Appends the `message` object without its type: an event's data, an item of a poll or of history.
pub(super) fn fragment<M: AsRef<Payload>>(entry: &Entry<M>, cursor: &CursorText, out: &mut String) {
    let mut object = Object::new(out);
    write_members(entry, cursor, &mut object);
    object.end();
}

pub(super) fn write_members<M: AsRef<Payload>>(
    entry: &Entry<M>,
    cursor: &CursorText,
    object: &mut Object<'_>,
) {
    let payload = entry.body.as_ref();
    object.text("channel", &entry.channel);
    object.word("cursor", cursor.as_str());
    // [service:message-date]
    object.number("time", payload.date_ms.unwrap_or(entry.time_ms));
    if let Some(event) = &payload.event {
        object.text("event", event.as_str());
    }
    match &payload.data {
        Data::Text(text) => object.text("data", text),
        // [service:json-kept]
        Data::Json(json) => object.raw("data", json.as_str()),
    }
}

fn end<'a, M>(entry: &'a Entry<M>, cursor: &'a CursorText) -> Control<'a> {
    Control::End { channel: &entry.channel, cursor }
}

/// A name that is known to have no line breaks.
pub(super) fn sse_name(name: &str) -> sockeye_sse::EventName<'_> {
    sockeye_sse::EventName::new(name).expect("event names have no control characters")
}
