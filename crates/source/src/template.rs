//! Templates: the text of a channel's name with parts that a message has.

use core::fmt;

use serde_json::Value;

use crate::bus::Message;
use crate::mapping::Unmappable;

/// A text with placeholders: `{name}` is a field of the message, `{/a/b}` a value in its content, which is JSON then, by a
/// JSON Pointer (RFC 6901).
///
/// ```
/// use sockeye_source::Template;
///
/// let template = Template::parse("orders:{customer}")?;
/// assert_eq!(template.pattern(), "orders:*");
/// # Ok::<(), sockeye_source::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Field(Box<str>),
    Pointer(Box<str>),
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It is empty.
    Empty,
    /// A brace has no partner.
    Brace,
    /// A placeholder names nothing.
    Name,
}

/// The content of a message as JSON, read when the first placeholder asks for it.
#[derive(Default)]
pub(crate) struct Content(Option<Option<Value>>);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let open = rest.find(['{', '}']).unwrap_or(rest.len());
            if open > 0 {
                parts.push(Part::Text(rest[..open].into()));
                rest = &rest[open..];
                continue;
            }
            let inner = rest.strip_prefix('{').ok_or(TemplateError::Brace)?;
            let (name, after) = inner.split_once('}').ok_or(TemplateError::Brace)?;
            parts.push(match name {
                "" => return Err(TemplateError::Name),
                _ if name.contains('{') => return Err(TemplateError::Brace),
                _ if name.starts_with('/') => Part::Pointer(name.into()),
                _ => Part::Field(name.into()),
            });
            rest = after;
        }
        if parts.is_empty() { Err(TemplateError::Empty) } else { Ok(Self(parts)) }
    }

    /// The narrowest channel or pattern that has each text it can become. A placeholder stands for a part of one segment;
    /// one that is the whole template stands for any name.
    pub fn pattern(&self) -> String {
        if self.is_whole() {
            return ">".to_owned();
        }
        let marked = self.0.iter().map(|part| match part {
            Part::Text(text) => &**text,
            // No name of a channel has it.
            Part::Field(_) | Part::Pointer(_) => "\0",
        });
        let marked: String = marked.collect();
        let segments = marked.split(':').map(|it| if it.contains('\0') { "*" } else { it });
        segments.collect::<Vec<_>>().join(":")
    }

    /// Whether it is one placeholder and nothing else.
    pub fn is_whole(&self) -> bool {
        matches!(&*self.0, [Part::Field(_) | Part::Pointer(_)])
    }

    /// The text for a message.
    pub(crate) fn expand(
        &self,
        message: &Message,
        content: &mut Content,
    ) -> Result<String, Unmappable> {
        let mut text = String::new();
        for part in &self.0 {
            let value = match part {
                Part::Text(part) => {
                    text.push_str(part);
                    continue;
                }
                Part::Field(name) => {
                    let value = message.field(name);
                    value.ok_or_else(|| Unmappable::NoField(name.clone()))?.to_owned()
                }
                Part::Pointer(pointer) => match content.at(message, pointer)? {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    Value::Bool(truth) => truth.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => {
                        return Err(Unmappable::NoText(pointer.clone()));
                    }
                },
            };
            // A customer called `a:b` is not the customer `a`.
            let is_segment = !value.is_empty() && !value.contains(':');
            if !is_segment && !self.is_whole() {
                return Err(Unmappable::NoSegment);
            }
            text.push_str(&value);
        }
        Ok(text)
    }

    /// What stands at the only placeholder: a text of a field, or JSON, and whether it is JSON.
    pub(crate) fn value(
        &self,
        message: &Message,
        content: &mut Content,
    ) -> Result<(String, bool), Unmappable> {
        match &*self.0 {
            [Part::Pointer(pointer)] => Ok((content.at(message, pointer)?.to_string(), true)),
            _ => Ok((self.expand(message, content)?, false)),
        }
    }
}

impl Content {
    fn at<'c>(&'c mut self, message: &Message, pointer: &str) -> Result<&'c Value, Unmappable> {
        let read = || serde_json::from_slice(&message.body).ok();
        let value = self.0.get_or_insert_with(read).as_ref().ok_or(Unmappable::NoJson)?;
        value.pointer(pointer).ok_or_else(|| Unmappable::NoField(pointer.into()))
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Brace => "a brace has no partner: {field} or {/pointer} is a placeholder",
            Self::Name => "{} names no field: {field} or {/pointer} is a placeholder",
        })
    }
}

impl core::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use super::{Content, Template, TemplateError};
    use crate::bus::Message;
    use crate::mapping::Unmappable;

    fn message() -> Message {
        let fields = [("customer", "c7"), ("odd", "a:b"), ("empty", ""), ("channel", "x:y")];
        Message {
            body: br#"{"id":7,"a":{"b":"t"},"list":[1],"ok":true}"#.to_vec(),
            fields: fields.map(|(name, value)| (name.into(), value.into())).into(),
            ..Message::default()
        }
    }

    fn expand(text: &str) -> Result<String, Unmappable> {
        let template = Template::parse(text).expect("a template");
        template.expand(&message(), &mut Content::default())
    }

    #[test]
    fn placeholders_are_fields_and_values_of_the_content() {
        assert_eq!(expand("orders"), Ok("orders".into()));
        assert_eq!(expand("orders:{customer}"), Ok("orders:c7".into()));
        assert_eq!(expand("o-{/id}:{/a/b}:{/ok}"), Ok("o-7:t:true".into()));
        assert_eq!(expand("{channel}"), Ok("x:y".into()), "alone it may be a whole name");
        assert_eq!(expand("{none}"), Err(Unmappable::NoField("none".into())));
        assert_eq!(expand("{/none}"), Err(Unmappable::NoField("/none".into())));
        assert_eq!(expand("{/list}"), Err(Unmappable::NoText("/list".into())));
    }

    #[test]
    fn a_value_is_never_more_than_a_part_of_a_segment() {
        assert_eq!(expand("orders:{odd}"), Err(Unmappable::NoSegment));
        assert_eq!(expand("orders:{empty}"), Err(Unmappable::NoSegment));
    }

    #[test]
    fn the_pattern_has_all_that_it_can_become() {
        for (text, pattern) in [
            ("news", "news"),
            ("orders:{c}", "orders:*"),
            ("orders:eu-{c}:{d}", "orders:*:*"),
            ("{a}:news", "*:news"),
            ("{channel}", ">"),
        ] {
            assert_eq!(Template::parse(text).expect("a template").pattern(), pattern, "{text}");
        }
    }

    #[test]
    fn texts_that_are_none() {
        for (text, error) in [
            ("", TemplateError::Empty),
            ("a{b", TemplateError::Brace),
            ("a}b", TemplateError::Brace),
            ("{a{b}}", TemplateError::Brace),
            ("a{}", TemplateError::Name),
        ] {
            assert_eq!(Template::parse(text), Err(error), "{text}");
        }
    }
}
