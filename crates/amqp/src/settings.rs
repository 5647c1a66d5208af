//! The settings of the stream: whether it may keep the log.
//!
//! No request tells them. A declaration with other arguments is refused, and the refusal names the first one that differs,
//! with its value. So the stream is declared until the arguments fit, or one does not do.

use lapin::Channel;
use lapin::types::{AMQPValue, FieldTable};
use sockeye_backbone::{Trouble, TroubleKind};

use crate::begin;
use crate::config::AmqpConfig;
use crate::link::Link;
use crate::table;
use crate::trouble::{Closed, code};

/// The arguments of a stream, and how often one can differ.
const TYPE: &str = "x-queue-type";
const COPIES: &str = "x-initial-cluster-size";
const BYTES: &str = "x-max-length-bytes";
const AGE: &str = "x-max-age";
const SEGMENT_BYTES: &str = "x-stream-max-segment-size-bytes";
const ARGUMENTS: [&str; 5] = [COPIES, BYTES, AGE, SEGMENT_BYTES, "x-queue-leader-locator"];
const DIFFERENCES_MAX: usize = 2 * ARGUMENTS.len();

/// The segments of a stream that keeps a number of bytes; and the bytes of a segment, if nothing else is said.
const SEGMENTS: i64 = 10;
const SEGMENT_BYTES_MAX: i64 = 500_000_000;

/// The advice for what cannot be changed.
const ANOTHER: &str = "remove it, or name another one (?stream=NAME)";

/// The arguments that the stream is created with.
pub(crate) fn of_new(config: &AmqpConfig) -> FieldTable {
    let mut arguments = of_a_stream();
    let mut insert = |name: &str, value| {
        arguments.insert(name.into(), AMQPValue::LongLongInt(value));
    };
    if config.replicas > 0 {
        insert(COPIES, config.replicas.into());
    }
    if let Some(bytes) = config.keep_bytes {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        insert(BYTES, bytes);
        // Segments are dropped as a whole.
        let segment_bytes = (bytes / SEGMENTS).min(SEGMENT_BYTES_MAX);
        insert(SEGMENT_BYTES, segment_bytes);
    }
    arguments
}

fn of_a_stream() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(TYPE.into(), AMQPValue::LongString("stream".into()));
    arguments
}

/// Checks the settings of a stream that is there.
pub(crate) async fn check(link: &Link<'_>) -> Result<(), Trouble> {
    let (place, queue) = (link.place, &*link.place.config.stream);
    let refused = |what: String| {
        let what = format!("has a queue {queue:?} that {what}");
        Err(place.trouble(TroubleKind::Settings, what))
    };
    let mut arguments = of_a_stream();
    for _ in 0..DIFFERENCES_MAX {
        let declare = async |channel: &Channel| begin::declare(channel, queue, &arguments).await;
        let closed = match link.ask(place.config.patience(), declare).await? {
            Ok((channel, ())) => {
                link.close_channel(&channel).await?;
                return objection(&arguments, place.config).map_or(Ok(()), refused);
            }
            Err(closed) => closed,
        };
        match difference(&closed) {
            None => return Err(place.of_closed(&closed)),
            Some((name, Some(value))) if ARGUMENTS.contains(&name) => {
                arguments.insert(name.into(), read(value));
            }
            Some((name, value)) => {
                let (name, value) =
                    (name.escape_debug(), value.unwrap_or("not set").escape_debug());
                return refused(format!("is no durable stream ({name} is {value}): {ANOTHER}"));
            }
        }
    }
    Err(place.strange())
}

/// The argument in which a declaration differs from the queue, and its value there. Reads: `inequivalent arg 'x-max-age' for
/// queue … but current is the value '1h' of type 'longstr'`.
fn difference(closed: &Closed) -> Option<(&str, Option<&str>)> {
    if closed.code != code::PRECONDITION_FAILED {
        return None;
    }
    let (_, rest) = closed.text.split_once("inequivalent arg '")?;
    let (name, rest) = rest.split_once('\'')?;
    let (_, current) = rest.split_once("current is ")?;
    let current = current.split_once('\'').and_then(|(_, value)| value.split_once('\''));
    Some((name, current.map(|(value, _)| value)))
}

/// A value for the next declaration.
fn read(text: &str) -> AMQPValue {
    text.parse().map_or_else(|_| AMQPValue::LongString(text.into()), AMQPValue::LongLongInt)
}

/// Why a stream with these arguments cannot keep the log, and what to change.
fn objection(arguments: &FieldTable, config: &AmqpConfig) -> Option<String> {
    if let Some(age) = table::text(arguments, AGE) {
        let age = age.escape_debug();
        return Some(format!("forgets old entries ({AGE} is {age}): {ANOTHER}"));
    }
    let number = |name| table::number(arguments, name);
    let shown = |number: Option<i64>| {
        number.map_or_else(|| "not set".to_owned(), |number| number.to_string())
    };
    let (bytes, wanted) = (number(BYTES), config.keep_bytes);
    if bytes != wanted.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)) {
        let wanted = wanted.map_or_else(|| "not set".to_owned(), |bytes| bytes.to_string());
        return Some(format!(
            "keeps another number of bytes ({BYTES} is {}, and keep_bytes= of the URL {wanted}): change the URL, {ANOTHER}",
            shown(bytes)
        ));
    }
    let copies = number(COPIES);
    let is_enough = config.replicas == 0 || copies >= Some(config.replicas.into());
    (!is_enough).then(|| {
        format!(
            "was created with fewer than the {} copies that are asked for ({COPIES} is {}): ask for fewer (replicas=), {ANOTHER}",
            config.replicas,
            shown(copies)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(text: &str) -> Closed {
        Closed { code: code::PRECONDITION_FAILED, text: text.into() }
    }

    fn refusal(name: &str, current: &str) -> Closed {
        closed(&format!(
            "PRECONDITION_FAILED - inequivalent arg '{name}' for queue 'log' in vhost '/': received none but current is \
             {current}"
        ))
    }

    /// The objection to a stream with one more argument than its type.
    fn objection_to(url: &str, argument: Option<(&str, AMQPValue)>) -> Option<String> {
        let config = AmqpConfig::from_url(url).expect("a URL");
        let mut arguments = of_a_stream();
        if let Some((name, value)) = argument {
            arguments.insert(name.into(), value);
        }
        objection(&arguments, &config)
    }

    #[test]
    fn settings_that_cannot_keep_the_promise_are_named() {
        let number = AMQPValue::LongLongInt;
        for (url, argument, what) in [
            ("amqp://h", Some((AGE, AMQPValue::LongString("1h".into()))), "x-max-age is 1h"),
            (
                "amqp://h",
                Some((BYTES, number(7))),
                "x-max-length-bytes is 7, and keep_bytes= of the URL not set",
            ),
            ("amqp://h?keep_bytes=200000000", Some((BYTES, number(7))), "of the URL 200000000"),
            ("amqp://h?keep_bytes=200000000", None, "x-max-length-bytes is not set"),
            ("amqp://h?replicas=3", Some((COPIES, number(1))), "fewer than the 3 copies"),
            ("amqp://h?replicas=3", None, "x-initial-cluster-size is not set"),
        ] {
            let text = objection_to(url, argument).unwrap_or_else(|| panic!("{what} passes"));
            assert!(text.contains(what) && text.contains("?stream=NAME"), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn settings_that_keep_the_promise_pass() {
        let number = AMQPValue::LongLongInt;
        for (url, argument) in [
            ("amqp://h", None),
            ("amqp://h", Some((COPIES, number(5)))),
            ("amqp://h?replicas=3", Some((COPIES, number(3)))),
            ("amqp://h?keep_bytes=200000000", Some((BYTES, number(200_000_000)))),
            (
                "amqp://h",
                Some(("x-queue-leader-locator", AMQPValue::LongString("balanced".into()))),
            ),
        ] {
            assert_eq!(objection_to(url, argument), None);
        }
        let config = AmqpConfig::from_url("amqp://h?replicas=3&keep_bytes=200000000");
        let config = config.expect("a URL");
        assert_eq!(objection(&of_new(&config), &config), None, "the stream that is created");
    }

    #[test]
    fn refusals_of_a_declaration_name_the_difference() {
        let text = refusal(COPIES, "the value '5' of type 'signedint'");
        assert_eq!(difference(&text), Some((COPIES, Some("5"))));
        assert_eq!(
            (read("5"), read("1h")),
            (AMQPValue::LongLongInt(5), AMQPValue::LongString("1h".into()))
        );
        assert_eq!(difference(&refusal("durable", "'false'")), Some(("durable", Some("false"))));
        assert_eq!(difference(&refusal(TYPE, "none")), Some((TYPE, None)));
        assert_eq!(difference(&closed("PRECONDITION_FAILED - unknown delivery tag 5")), None);
        assert_eq!(difference(&Closed { code: 403, ..refusal(AGE, "none") }), None);
    }
}
