//! The message of a delivery.

use std::hash::{BuildHasher as _, RandomState};

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, ShortString};
use sockeye_source::{Id, Message};

use crate::table;

/// What is wrong with a message without a name.
const NAMELESS: &str = "it has no message_id, by which it would be known when it comes again: set one where it is published, or put \
                        id=optional into the URL, and it may come twice";

/// Names for messages that have none. None is used twice, in any process.
#[derive(Debug)]
pub(super) struct Names {
    process: u64,
    next: u64,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { process: RandomState::new().hash_one(0), next: 0 }
    }

    fn draw(&mut self) -> Id {
        self.next += 1;
        format!("{:016x}-{}", self.process, self.next).into()
    }
}

/// The message of a delivery. One without a name is flawed if it needs one.
pub(super) fn message(delivery: Delivery, needs_id: bool, names: &mut Names) -> Message {
    let Delivery { exchange, routing_key, properties, data, .. } = delivery;
    let name =
        properties.message_id().as_ref().map(ShortString::as_str).filter(|it| !it.is_empty());
    Message {
        id: name.map_or_else(|| names.draw(), Id::from),
        flaw: (needs_id && name.is_none()).then_some(NAMELESS.into()),
        fields: fields(&exchange, &routing_key, &properties),
        body: data,
        ..Message::default()
    }
}

/// The fields: those of AMQP, and behind them the headers that are texts, numbers or truth values.
fn fields(
    exchange: &ShortString,
    routing_key: &ShortString,
    properties: &BasicProperties,
) -> Vec<(Box<str>, Box<str>)> {
    let own = [
        ("exchange", Some(exchange)),
        ("routing_key", Some(routing_key)),
        ("type", properties.kind().as_ref()),
        ("message_id", properties.message_id().as_ref()),
        ("correlation_id", properties.correlation_id().as_ref()),
        ("app_id", properties.app_id().as_ref()),
    ];
    let own =
        own.into_iter().filter_map(|(name, value)| Some((name.into(), value?.as_str().into())));
    let headers = properties.headers().iter().flatten();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str().into(), text(value)?)));
    own.chain(headers).collect()
}

/// The text of a value that has one.
fn text(value: &AMQPValue) -> Option<Box<str>> {
    match value {
        AMQPValue::LongString(text) => str::from_utf8(text.as_bytes()).ok().map(Box::from),
        AMQPValue::ShortString(text) => Some(text.as_str().into()),
        AMQPValue::Boolean(truth) => Some(truth.to_string().into()),
        AMQPValue::Float(number) => Some(number.to_string().into()),
        AMQPValue::Double(number) => Some(number.to_string().into()),
        AMQPValue::Timestamp(seconds) => Some(seconds.to_string().into()),
        _ => table::integer(value).map(|number| number.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldTable;

    use super::*;

    fn delivery(properties: BasicProperties) -> Delivery {
        let mut delivery =
            Delivery::mock(7, "shop".into(), "orders.paid".into(), false, b"{}".to_vec());
        delivery.properties = properties;
        delivery
    }

    #[test]
    fn properties_and_headers_are_fields() {
        let mut headers = FieldTable::default();
        headers.insert("customer".into(), AMQPValue::LongString("ann".into()));
        headers.insert("number".into(), AMQPValue::LongLongInt(-5));
        headers.insert("vip".into(), AMQPValue::Boolean(true));
        headers.insert("type".into(), AMQPValue::LongString("of a stranger".into()));
        headers.insert("binary".into(), AMQPValue::LongString(vec![0xff].into()));
        headers.insert("table".into(), AMQPValue::FieldTable(FieldTable::default()));
        let properties = BasicProperties::default()
            .with_message_id("u-1".into())
            .with_type("paid".into())
            .with_headers(headers);
        let message = message(delivery(properties), true, &mut Names::new());
        assert_eq!(
            (&*message.id, message.flaw.as_deref(), &*message.body),
            ("u-1", None, &b"{}"[..])
        );
        for (name, value) in [
            ("exchange", Some("shop")),
            ("routing_key", Some("orders.paid")),
            ("type", Some("paid")),
            ("customer", Some("ann")),
            ("number", Some("-5")),
            ("vip", Some("true")),
            ("binary", None),
            ("table", None),
            ("app_id", None),
        ] {
            assert_eq!(message.field(name), value, "{name}");
        }
    }

    #[test]
    fn a_message_without_a_name_is_flawed_unless_it_needs_none() {
        let mut names = Names::new();
        let mut nameless = |needs_id| {
            let empty = BasicProperties::default().with_message_id("".into());
            message(delivery(empty), needs_id, &mut names)
        };
        assert!(nameless(true).flaw.is_some_and(|flaw| flaw.contains("id=optional")));
        let (one, other) = (nameless(false), nameless(false));
        assert_eq!([one.flaw, other.flaw], [None, None]);
        assert_ne!(one.id, other.id);
    }
}
