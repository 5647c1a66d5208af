//! Reads the JSON objects that clients send, strictly.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::{Code, Problem};

/// The most members of an object. No object of the protocol has so many, and a search through 16
/// is fast.
const FIELDS_MAX: usize = 16;

/// Members of most objects.
const FIELDS_USUAL: usize = 8;

/// The members of an object that nobody has taken yet. Values are still text.
pub(super) struct Fields<'t> {
    members: Vec<(Cow<'t, str>, &'t RawValue)>,
    /// The code of each refusal.
    code: Code,
}

impl<'t> Fields<'t> {
    /// Reads a text as one object. If the text is wrong somewhere, the members before that place
    /// are there all the same.
    pub(super) fn read(text: &'t str, code: Code) -> (Self, Result<(), Problem>) {
        let mut fields = Self { members: Vec::with_capacity(FIELDS_USUAL), code };
        if !text.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('{') {
            let is_json = || serde_json::from_str::<&RawValue>(text).map(|_| ());
            let problem = match code {
                Code::BadCommand => None,
                _ => is_json().err().map(|error| super::json::not_json(&error)),
            };
            let problem = problem.unwrap_or_else(|| Problem::new(code, "not a JSON object"));
            return (fields, Err(problem));
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = Members(&mut fields.members)
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        let read = read.map_err(|error| match error.classify() {
            // The message is that of a visitor below, and repeats no text of the client's
            // unescaped.
            serde_json::error::Category::Data => Problem::new(code, error.to_string()),
            _ if code == Code::BadCommand => {
                Problem::new(code, super::json::not_json(&error).message)
            }
            _ => super::json::not_json(&error),
        });
        (fields, read)
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<&'t RawValue> {
        let at = self.members.iter().position(|(it, _)| it == name)?;
        Some(self.members.swap_remove(at).1)
    }

    /// Takes out a string.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Cow<'t, str>>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        text(value.get()).map(Some).ok_or_else(|| self.wrong(name, "a string"))
    }

    /// Takes out a number without sign and fraction.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        self.typed(name, "a whole number")
    }

    /// Takes out a truth value.
    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        self.typed(name, "true or false")
    }

    /// Takes out an array of strings, at least one, at most `max`.
    pub(super) fn texts(
        &mut self,
        name: &str,
        max: usize,
    ) -> Result<Option<Vec<Cow<'t, str>>>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let mut deserializer = serde_json::Deserializer::from_str(value.get());
        let texts = Texts { max }.deserialize(&mut deserializer);
        let texts = texts.map_err(|_| self.wrong(name, "an array of strings"))?;
        match texts {
            Some(texts) if texts.is_empty() => {
                Err(Problem::new(self.code, format!("{name} is empty")))
            }
            Some(texts) => Ok(Some(texts)),
            None => Err(too_many_channels(max)),
        }
    }

    /// What has to be there.
    pub(super) fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Problem> {
        value.ok_or_else(|| Problem::new(self.code, format!("{name} is missing")))
    }

    pub(super) fn wrong(&self, name: &str, expected: &str) -> Problem {
        Problem::new(self.code, format!("{name} has to be {expected}"))
    }

    /// Refuses members that are not among these. [service:strict-fields]
    ///
    /// Call it before a missing member is refused: that may be there, misspelt.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.members.iter().find(|(name, _)| !known.contains(&&**name)) {
            Some((name, _)) => {
                Err(Problem::new(self.code, format!("unknown field {}", quoted(name))))
            }
            None => Ok(()),
        }
    }

    fn typed<T: Deserialize<'t>>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let value = serde_json::from_str(value.get());
        value.map(Some).map_err(|_| self.wrong(name, expected))
    }
}

/// The content of a JSON string; `None` for any other value. The text has to be JSON already.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    if let Some(text) = super::json::plain(json) {
        return Some(Cow::Borrowed(text));
    }
    // The parser would say in words what is wrong, which costs more than all the rest.
    if !json.starts_with('"') {
        return None;
    }
    serde_json::from_str(json).ok().map(|Text(text)| text)
}

pub(super) fn too_many_channels(max: usize) -> Problem {
    Problem::new(Code::TooManyChannels, format!("more than {max} channels at once"))
}

/// A text of the client's, made fit for a message: short, and nothing in it ends a line.
/// [service:no-injection]
pub(super) fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(CHARS_MAX).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{start:?}{more}")
}

/// A string, borrowed unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// Reads the members of an object into a list that survives an error.
struct Members<'v, 't>(&'v mut Vec<(Cow<'t, str>, &'t RawValue)>);

impl<'t> DeserializeSeed<'t> for Members<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'t> Visitor<'t> for Members<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            // [service:strict-fields] Two readers could disagree: one takes the first, another the
            // last.
            if self.0.iter().any(|(it, _)| *it == name) {
                return Err(A::Error::custom(format_args!("field {} twice", quoted(&name))));
            }
            // [service:bound-fields]
            if self.0.len() == FIELDS_MAX {
                return Err(A::Error::custom(format_args!("more than {FIELDS_MAX} fields")));
            }
            self.0.push((name, map.next_value()?));
        }
        Ok(())
    }
}

/// An array of at most so many strings; `None` if there are more.
struct Texts {
    max: usize,
}

impl<'t> DeserializeSeed<'t> for Texts {
    type Value = Option<Vec<Cow<'t, str>>>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'t> Visitor<'t> for Texts {
    type Value = Option<Vec<Cow<'t, str>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        // [service:bound-channels]
        while texts.len() < self.max {
            match seq.next_element()? {
                Some(Text(text)) => texts.push(text),
                None => return Ok(Some(texts)),
            }
        }
        match seq.next_element::<IgnoredAny>()? {
            // The rest is passed over, so that the array is read to its end.
            Some(_) => {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(None)
            }
            None => Ok(Some(texts)),
        }
    }
}
