//! The mapping: what a message of a bus is as a publication.

use core::fmt;
use std::borrow::Cow;

use crate::bus::Message;
use crate::template::{Content, Template};

/// How messages of one source become publications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The name of the source, which each key begins with.
    pub name: Box<str>,
    /// The channel.
    pub channel: Template,
    /// The content: one placeholder. `None`: the whole content of the message.
    pub data: Option<Template>,
    /// The name of the event. A message without the field has none.
    pub event: Option<Template>,
    /// The form of the content.
    pub format: Format,
}

/// The form of a content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Any text.
    #[default]
    Text,
    /// A JSON value. A string is a text.
    Json,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The name of its channel, which is not checked.
    pub channel: Box<str>,
    /// Its content.
    pub data: Box<str>,
    /// The form of that. JSON is not checked.
    pub format: Format,
    /// The name of its event.
    pub event: Option<Box<str>>,
    /// Its idempotency key.
    pub key: Box<str>,
    /// How long it is worth delivering, in milliseconds.
    pub ttl_ms: Option<u64>,
}

/// Why a message is no publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmappable {
    /// The bus says so.
    Flaw(Cow<'static, str>),
    /// The content is no text.
    NoUtf8,
    /// The content is no JSON, and a placeholder asks for a part of it.
    NoJson,
    /// It has no such field.
    NoField(Box<str>),
    /// The value at this pointer is neither a text nor a number nor a truth value.
    NoText(Box<str>),
    /// The value of a placeholder is empty, or has a colon.
    NoSegment,
}

impl Mapping {
    /// The publication that a message is.
    ///
    /// # Errors
    /// [`Unmappable`].
    pub fn map(&self, message: &Message) -> Result<Mapped, Unmappable> {
        if let Some(flaw) = &message.flaw {
            return Err(Unmappable::Flaw(flaw.clone()));
        }
        let mut content = Content::default();
        let channel = self.channel.expand(message, &mut content)?;
        let (data, is_json) = match &self.data {
            Some(template) => template.value(message, &mut content)?,
            None => {
                let text = str::from_utf8(&message.body).map_err(|_| Unmappable::NoUtf8)?;
                (text.to_owned(), false)
            }
        };
        let event = match self.event.as_ref().map(|it| it.expand(message, &mut content)) {
            None | Some(Err(Unmappable::NoField(_))) => None,
            Some(event) => Some(event?.into()),
        };
        let own = message.key.as_deref().unwrap_or(&message.id);
        Ok(Mapped {
            channel: channel.into(),
            data: data.into(),
            format: if is_json { Format::Json } else { self.format },
            event,
            key: format!("{}:{own}", self.name).into(),
            ttl_ms: message.ttl_ms,
        })
    }
}

impl Mapped {
    /// The bytes that it holds.
    pub fn cost(&self) -> usize {
        let event = self.event.as_ref().map_or(0, |it| it.len());
        size_of::<Self>() + self.channel.len() + self.data.len() + self.key.len() + event
    }
}

impl fmt::Display for Unmappable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flaw(flaw) => f.write_str(flaw),
            Self::NoUtf8 => f.write_str("its content is not UTF-8"),
            Self::NoJson => {
                f.write_str("its content is not JSON, and the mapping names a part of it")
            }
            Self::NoField(name) => write!(f, "it has no field \"{}\"", name.escape_debug()),
            Self::NoText(pointer) => {
                write!(f, "its value at {pointer} is neither a text nor a number nor true or false")
            }
            Self::NoSegment => {
                f.write_str("a value for the channel's name is empty or has a colon")
            }
        }
    }
}

impl core::error::Error for Unmappable {}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> Mapping {
        Mapping {
            name: "shop".into(),
            channel: Template::parse("orders:{customer}").expect("a template"),
            data: None,
            event: Some(Template::parse("{kind}").expect("a template")),
            format: Format::Json,
        }
    }

    fn message(fields: &[(&str, &str)]) -> Message {
        let fields = fields.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        let body = br#"{"n":12345678901234567890123,"t":"x"}"#.to_vec();
        Message { id: "7".into(), body, fields, ..Message::default() }
    }

    #[test]
    fn the_content_stays_as_it_is_and_the_key_has_the_name() {
        let mapped = mapping().map(&message(&[("customer", "c"), ("kind", "paid")]));
        let mapped = mapped.expect("it has all fields");
        assert_eq!(&*mapped.channel, "orders:c");
        assert_eq!(&*mapped.data, r#"{"n":12345678901234567890123,"t":"x"}"#);
        assert_eq!((mapped.event.as_deref(), &*mapped.key), (Some("paid"), "shop:7"));
        let with_key = Message { key: Some("u-1".into()), ..message(&[("customer", "c")]) };
        let mapped = mapping().map(&with_key).expect("an event may be missing");
        assert_eq!((mapped.event, &*mapped.key), (None, "shop:u-1"));
        assert_eq!(mapping().map(&message(&[])), Err(Unmappable::NoField("customer".into())));
    }

    #[test]
    fn the_content_may_be_a_part_or_a_field() {
        let with = |data: &str| {
            let data = Some(Template::parse(data).expect("a template"));
            let mapping = Mapping { data, format: Format::Text, ..mapping() };
            let mapped = mapping.map(&message(&[("customer", "c"), ("text", "a:b")]));
            mapped.map(|it| (it.data.into_string(), it.format))
        };
        assert_eq!(with("{/t}"), Ok(("\"x\"".into(), Format::Json)));
        assert_eq!(with("{text}"), Ok(("a:b".into(), Format::Text)));
        assert_eq!(with("{/none}"), Err(Unmappable::NoField("/none".into())));
    }

    #[test]
    fn what_is_no_text_is_no_publication() {
        let binary = Message { body: vec![0xff], ..message(&[("customer", "c")]) };
        assert_eq!(mapping().map(&binary), Err(Unmappable::NoUtf8));
        let flawed =
            Message { flaw: Some("it has no name".into()), ..message(&[("customer", "c")]) };
        assert_eq!(mapping().map(&flawed), Err(Unmappable::Flaw("it has no name".into())));
    }
}
