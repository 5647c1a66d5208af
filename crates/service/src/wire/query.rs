//! Query strings and path segments, decoded strictly.

use std::borrow::Cow;
use std::fmt;

use super::fields::{quoted, too_many_channels};
use super::{Code, Limits, Problem};

/// The parameters of a request.
///
/// Decoded as HTML forms encode them, `+` being a space, but strictly: a `%` without two digits and
/// bytes that are not UTF-8 are refused. A guess could name another channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Query<'q> {
    pairs: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Query<'q> {
    /// Decodes a query without its `?`.
    ///
    /// # Errors
    /// [`Code::BadQuery`] says what cannot be decoded, or that there are too many parameters.
    pub fn parse(query: Option<&'q str>, limits: &Limits) -> Result<Self, Problem> {
        let pieces = query.unwrap_or_default().split('&').filter(|piece| !piece.is_empty());
        let mut pairs = Vec::new();
        for piece in pieces {
            // [service:bound-query]
            if pairs.len() == limits.query_pairs_max {
                let message = format!("more than {} parameters", limits.query_pairs_max);
                return Err(Problem::new(Code::BadQuery, message));
            }
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            pairs.push((decode(name, Plus::Space)?, decode(value, Plus::Space)?));
        }
        Ok(Self { pairs })
    }

    /// The values of a parameter that may be repeated.
    pub fn all<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s str> {
        self.pairs.iter().filter(move |(it, _)| it == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter that may stand there once.
    ///
    /// # Errors
    /// [`Code::BadQuery`] if it is repeated.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => {
                Err(Problem::new(Code::BadQuery, format!("{} is given twice", quoted(name))))
            }
        }
    }

    /// The value of a parameter that is a whole number.
    ///
    /// # Errors
    /// [`Code::BadQuery`] if it is none, or repeated.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let number = super::publish::number(value);
        number.map(Some).ok_or_else(|| {
            Problem::new(Code::BadQuery, format!("{} has to be a whole number", quoted(name)))
        })
    }

    /// The values of `channel`, which is repeated for more than one. They are unchecked, as in
    /// [`Command::Subscribe`](super::Command::Subscribe).
    ///
    /// # Errors
    /// [`Code::BadQuery`] if there is none, [`Code::TooManyChannels`].
    pub fn channels(&self, limits: &Limits) -> Result<Vec<&str>, Problem> {
        let channels: Vec<&str> = self.all("channel").collect();
        // [service:bound-channels]
        if channels.len() > limits.channels_max {
            return Err(too_many_channels(limits.channels_max));
        }
        if channels.is_empty() {
            return Err(Problem::new(Code::BadQuery, "channel is missing"));
        }
        Ok(channels)
    }

    /// Refuses parameters that are not among these: a misspelt one would be ignored in silence.
    ///
    /// # Errors
    /// [`Code::BadQuery`] names the first.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.pairs.iter().find(|(name, _)| !known.contains(&&**name)) {
            Some((name, _)) => {
                Err(Problem::new(Code::BadQuery, format!("unknown parameter {}", quoted(name))))
            }
            None => Ok(()),
        }
    }
}

/// Shows the names: values hold credentials.
impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

/// Decodes one segment of a path, in which `%2F` is a `/` of the name and `+` is itself.
///
/// # Errors
/// [`Code::BadQuery`] if it cannot be decoded.
pub fn path_segment(segment: &str) -> Result<Cow<'_, str>, Problem> {
    decode(segment, Plus::Itself)
}

/// The cursor that a client resumes from, unread: the header `Last-Event-ID`, or else the parameter
/// `last_event_id`, `lastEventId` or `cursor`. `None` if it names none.
///
/// The header wins, because an EventSource comes back to the URL that it was made with. An empty
/// value counts as absent, as in EventSource. A repeated value, or one that is not UTF-8, becomes
/// an unreadable cursor, so the client gets a gap.
pub fn resume<'a>(
    headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    query: &'a Query<'_>,
) -> Option<&'a str> {
    // [service:cursor-sources]
    let headers =
        headers.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"Last-Event-ID"));
    let values = headers.map(|(_, value)| str::from_utf8(value).unwrap_or(UNREADABLE));
    if let Some(value) = the_one(values) {
        return Some(value);
    }
    CURSORS.into_iter().find_map(|name| the_one(query.all(name)))
}

/// The query's parameters that hold a cursor.
pub(crate) const CURSORS: [&str; 3] = ["last_event_id", "lastEventId", "cursor"];

/// A text that no cursor has.
const UNREADABLE: &str = "?";

/// The only value that is not empty; unreadable, if there are several.
fn the_one<'a>(values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // [service:cursor-empty]
    let mut values = values.filter(|value| !value.is_empty());
    let value = values.next()?;
    Some(if values.next().is_none() { value } else { UNREADABLE })
}

/// The meaning of a plus sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Space,
    Itself,
}

fn decode(text: &str, plus: Plus) -> Result<Cow<'_, str>, Problem> {
    let is_special = |byte| byte == b'%' || (byte == b'+' && plus == Plus::Space);
    if !text.bytes().any(is_special) {
        return Ok(Cow::Borrowed(text));
    }
    let problem = |message| Problem::new(Code::BadQuery, message);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        decoded.push(match byte {
            b'+' if plus == Plus::Space => b' ',
            b'%' => {
                // [service:strict-escapes]
                let escape = tail.split_first_chunk();
                let escape = escape.and_then(|(digits, tail)| Some((hex(*digits)?, tail)));
                let Some((byte, tail)) = escape else {
                    return Err(problem("a % without two hexadecimal digits"));
                };
                rest = tail;
                byte
            }
            byte => *byte,
        });
    }
    // [service:strict-escapes]
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| problem("escapes that are not UTF-8"))
}

fn hex(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}
