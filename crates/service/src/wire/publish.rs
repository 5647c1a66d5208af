//! Reads publications, from HTTP and from commands.

use std::borrow::Cow;

use sockeye_hub::{ChannelName, Cursor, Reason, Seq};

use super::fields::{Fields, quoted};
use super::json::{self, utf8};
use super::problem::channel_name;
use super::{Code, Data, EventName, Limits, Payload, Problem, Query};

/// A publication, as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<'t> {
    /// The channels.
    pub channels: Channels<'t>,
    /// The payload.
    pub payload: Payload,
    /// The idempotency key.
    pub key: Option<Cow<'t, str>>,
    /// The condition on the channel's newest message.
    pub expect: Option<Expect>,
}

impl Publish<'_> {
    /// The bytes that it holds: payload, key, and the names of its channels.
    pub(crate) fn cost(&self) -> usize {
        let names = self.channels.as_slice().iter();
        let names: usize = names.map(|name| size_of::<Cow<'_, str>>() + name.len()).sum();
        self.payload.cost() + self.key.as_ref().map_or(0, |key| key.len()) + names
    }

    /// The same without a borrow.
    pub(crate) fn into_owned(self) -> Publish<'static> {
        let Self { channels, payload, key, expect } = self;
        let owned = |name: Cow<'_, str>| Cow::Owned(name.into_owned());
        let channels = match channels {
            Channels::One(name) => Channels::One(owned(name)),
            Channels::Many(names) => Channels::Many(names.into_iter().map(owned).collect()),
        };
        Publish { channels, payload, key: key.map(owned), expect }
    }
}

/// One channel or several: the answer has the same form. The names are valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channels<'t> {
    /// `channel`.
    One(Cow<'t, str>),
    /// `channels`, each of them once.
    Many(Vec<Cow<'t, str>>),
}

impl<'t> Channels<'t> {
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = ChannelName<'_>> {
        let names = self.as_slice().iter();
        names.map(|name| ChannelName::new(name).expect("checked when it was read"))
    }

    fn as_slice(&self) -> &[Cow<'t, str>] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Cow<'t, str>] {
        match self {
            Self::One(name) => std::slice::from_mut(name),
            Self::Many(names) => names,
        }
    }
}

/// A condition: what a channel's newest message has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The message with this sequence number, in any epoch of the log; zero for no message.
    Seq(Seq),
    /// The message at this position.
    At(Cursor),
}

impl Expect {
    /// The sequence number to look for. `fault` says why a position is none of this log.
    ///
    /// # Errors
    /// [`Code::ExpectFailed`] if the position is of another epoch, or of a run that this log has
    /// not.
    pub fn in_log(self, fault: impl FnOnce(Cursor) -> Option<Reason>) -> Result<Seq, Problem> {
        let cursor = match self {
            Self::Seq(seq) => return Ok(seq),
            Self::At(cursor) => cursor,
        };
        let refused = match fault(cursor) {
            Some(Reason::Epoch) => "the log has begun anew since then",
            Some(Reason::Forked) => "the log was put back since then: that message is lost",
            Some(Reason::Ahead | Reason::Trimmed | Reason::Limit | Reason::Unreadable) | None => {
                return Ok(cursor.seq);
            }
        };
        Err(Problem::new(Code::ExpectFailed, refused))
    }

    /// Reads a number or a cursor.
    fn parse(text: &str) -> Option<Self> {
        match number(text) {
            Some(seq) => Some(Self::Seq(Seq(seq))),
            None => Cursor::parse(text).map(Self::At),
        }
    }
}

/// The options beside a raw body: in the query as `event`, `key`, `expect`, `ttl_ms`, or in the
/// headers `Sockeye-Event`, `Idempotency-Key`, `Sockeye-Expect`, `Sockeye-Ttl-Ms`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options<'t> {
    /// The event's name.
    pub event: Option<Cow<'t, str>>,
    /// The idempotency key.
    pub key: Option<Cow<'t, str>>,
    /// The condition.
    pub expect: Option<Expect>,
    /// The time to live.
    pub ttl_ms: Option<u64>,
}

impl<'t> Options<'t> {
    /// Names of the query's parameters.
    pub const PARAMETERS: [&'static str; 4] = ["event", "key", "expect", "ttl_ms"];

    /// Reads them from a query and headers.
    ///
    /// # Errors
    /// [`Code::BadQuery`] names what is given twice, or cannot be read.
    pub fn read(
        query: &'t Query<'_>,
        headers: impl IntoIterator<Item = (&'t [u8], &'t [u8])>,
    ) -> Result<Self, Problem> {
        let mut found = Self::PARAMETERS.map(|name| query.one(name));
        for (header, value) in headers {
            let at = match header {
                it if it.eq_ignore_ascii_case(b"Sockeye-Event") => 0,
                it if it.eq_ignore_ascii_case(b"Idempotency-Key") => 1,
                it if it.eq_ignore_ascii_case(b"Sockeye-Expect") => 2,
                it if it.eq_ignore_ascii_case(b"Sockeye-Ttl-Ms") => 3,
                _ => continue,
            };
            let name = Self::PARAMETERS[at];
            found[at] = match (&found[at], str::from_utf8(value)) {
                (Ok(None), Ok(value)) => Ok(Some(value)),
                (Ok(None), Err(_)) => {
                    Err(bad_query(format!("{} is not UTF-8", header.escape_ascii())))
                }
                (Ok(Some(_)), _) => Err(bad_query(format!("{name} is given twice"))),
                (Err(problem), _) => Err(problem.clone()),
            };
        }
        let [event, key, expect, ttl_ms] = found;
        let expect = expect?.map(|text| Expect::parse(text).ok_or_else(bad_expect)).transpose()?;
        let wrong_ttl = || bad_query("ttl_ms has to be a whole number".to_owned());
        let ttl_ms = ttl_ms?.map(|text| number(text).ok_or_else(wrong_ttl)).transpose()?;
        Ok(Self { event: event?.map(Cow::Borrowed), key: key?.map(Cow::Borrowed), expect, ttl_ms })
    }
}

/// Reads `POST /v1/channels/{channel}`: a body that is the publication.
///
/// It is JSON if its media type says so (`application/json`, `…+json`), and text otherwise,
/// whatever else the type says: curl's `-d` says `application/x-www-form-urlencoded`.
///
/// # Errors
/// [`Problem`] says what is wrong: 400.
pub fn publish_raw<'t>(
    channel: Cow<'t, str>,
    content_type: Option<&[u8]>,
    body: &[u8],
    options: Options<'t>,
    limits: &Limits,
) -> Result<Publish<'t>, Problem> {
    let is_json = content_type.is_some_and(is_json);
    let text = match is_json {
        true => utf8(body, BODY)?,
        false => str::from_utf8(body)
            .map_err(|_| Problem::new(Code::BadRequest, "the body is not UTF-8"))?,
    };
    if let Err(expected) = check_ttl(options.ttl_ms, limits) {
        return Err(bad_query(format!("ttl_ms has to be {expected}")));
    }
    let data = if is_json { Data::json(text, limits)? } else { Data::text(text) };
    finish(Channels::One(channel), data, options)
}

/// Reads a publication whose parts are known apart, and whose content is the text of a JSON value: what stands as `data`
/// in `POST /v1/publish`. A string is a text, every other value is itself.
///
/// # Errors
/// [`Problem`] says what is wrong: 400.
pub fn publish_value<'t>(
    channel: Cow<'t, str>,
    data: &str,
    options: Options<'t>,
    limits: &Limits,
) -> Result<Publish<'t>, Problem> {
    if let Err(expected) = check_ttl(options.ttl_ms, limits) {
        return Err(Problem::new(Code::BadRequest, format!("ttl_ms has to be {expected}")));
    }
    let value = json::value(data, limits.json_depth_max)?;
    finish(Channels::One(channel), Data::member(value, limits)?, options)
}

/// Reads `POST /v1/publish`: an object with `channel` or `channels`, `data`, and what is optional.
///
/// # Errors
/// [`Problem`] says what is wrong: 400.
pub fn publish_json<'t>(body: &'t [u8], limits: &Limits) -> Result<Publish<'t>, Problem> {
    let text = utf8(body, BODY)?;
    let (mut fields, read) = Fields::read(text, Code::BadRequest);
    read?;
    fields.only(&["channels", "channel", "data", "event", "key", "expect", "ttl_ms"])?;
    let one = fields.text("channel")?.map(Channels::One);
    let many = fields.texts("channels", limits.channels_max)?.map(Channels::Many);
    let channels = match (one, many) {
        (Some(channels), None) | (None, Some(channels)) => channels,
        (Some(_), Some(_)) => {
            return Err(Problem::new(Code::BadRequest, "channel and channels exclude each other"));
        }
        (None, None) => return Err(Problem::new(Code::BadRequest, "channel is missing")),
    };
    from_fields(channels, fields, limits)
}

/// Reads a publication to one channel: a command, or a line of a batch.
pub(super) fn publish_one<'t>(
    mut fields: Fields<'t>,
    limits: &Limits,
) -> Result<Publish<'t>, Problem> {
    fields.only(&["channel", "data", "event", "key", "expect", "ttl_ms"])?;
    let channel = fields.text("channel")?;
    let channel = fields.required("channel", channel)?;
    from_fields(Channels::One(channel), fields, limits)
}

/// Reads what a publication has besides its channels.
fn from_fields<'t>(
    channels: Channels<'t>,
    mut fields: Fields<'t>,
    limits: &Limits,
) -> Result<Publish<'t>, Problem> {
    let data = fields.take("data");
    let data = Data::member(fields.required("data", data)?.get(), limits)?;
    let event = fields.text("event")?;
    let key = fields.text("key")?;
    let ttl_ms = fields.number("ttl_ms")?;
    check_ttl(ttl_ms, limits).map_err(|expected| fields.wrong("ttl_ms", &expected))?;
    let expect = match fields.take("expect").map(|value| value.get()) {
        Some(value) => {
            let text = super::fields::text(value).unwrap_or(Cow::Borrowed(value));
            let is_number = value.starts_with(|first: char| first.is_ascii_digit());
            let expect = Expect::parse(&text).filter(|expect| match expect {
                Expect::Seq(_) => is_number,
                Expect::At(_) => !is_number,
            });
            Some(expect.ok_or_else(|| fields.wrong("expect", EXPECT))?)
        }
        None => None,
    };
    finish(channels, data, Options { event, key, expect, ttl_ms })
}

fn finish<'t>(
    channels: Channels<'t>,
    data: Data,
    Options { event, key, expect, ttl_ms }: Options<'t>,
) -> Result<Publish<'t>, Problem> {
    check_channels(&channels)?;
    if expect.is_some() && matches!(channels, Channels::Many(_)) {
        // Sequence numbers are the log's, so no two channels have the same newest one.
        return Err(Problem::new(Code::BadRequest, "expect goes with one channel"));
    }
    let event = event.map(|name| EventName::new(&name)).transpose()?;
    // [service:keys] The key is written to the log, and to operators' logs. The hub bounds its
    // length.
    if key.as_ref().is_some_and(|key| key.is_empty() || key.chars().any(char::is_control)) {
        let message = "an idempotency key is not empty and has no control characters";
        return Err(Problem::new(Code::BadKey, message));
    }
    Ok(Publish { channels, payload: Payload { event, data, ttl_ms, date_ms: None }, key, expect })
}

/// Checks a time to live; the error says what was expected. The caller adds where the value stood,
/// and gives every fault at that place the same code.
fn check_ttl(ttl_ms: Option<u64>, limits: &Limits) -> Result<(), String> {
    match ttl_ms {
        Some(ttl_ms) if ttl_ms == 0 || ttl_ms > limits.ttl_ms_max => {
            Err(format!("1 to {}", limits.ttl_ms_max))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_channels(channels: &Channels<'_>) -> Result<(), Problem> {
    let names = channels.as_slice();
    for name in names {
        channel_name(name)?;
    }
    if names.len() == 1 {
        return Ok(());
    }
    let mut sorted: Vec<&str> = names.iter().map(|name| &**name).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let message = format!("channel {} is named twice", quoted(pair[0]));
            Err(Problem::new(Code::BadRequest, message))
        }
        None => Ok(()),
    }
}

const BODY: &str = "the body";

const EXPECT: &str = "a sequence number or a cursor";

fn bad_expect() -> Problem {
    bad_query(format!("expect has to be {EXPECT}"))
}

fn bad_query(message: String) -> Problem {
    Problem::new(Code::BadQuery, message)
}

/// A number in its one spelling: digits, no sign, no leading zero.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence == b"application/json" || essence.ends_with(b"+json")
}
