//! Commands: reads what clients send in `sockeye.v1.json`.

use std::borrow::Cow;
use std::fmt;

use super::fields::{Fields, quoted};
use super::publish::publish_one;
use super::{Code, Limits, Problem, Publish};

/// The largest number that a JavaScript client reads exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A command.
#[derive(Debug)]
pub enum Command<'t> {
    /// Subscribe these.
    Subscribe {
        /// Its ID, for the answer.
        id: Option<Id<'t>>,
        /// Names and patterns, unchecked: one bad one does not stop the others. See
        /// [`Target::new`](sockeye_hub::Target::new).
        channels: Vec<Cow<'t, str>>,
        /// Where to begin, unread: see [`Token::parse`](sockeye_hub::Token::parse). `None` is now.
        cursor: Option<Cow<'t, str>>,
        /// Whether to send presence events, too.
        presence: bool,
    },
    /// End these subscriptions.
    Unsubscribe {
        /// Its ID, for the answer.
        id: Option<Id<'t>>,
        /// Names and patterns, as they were subscribed.
        channels: Vec<Cow<'t, str>>,
    },
    /// Publish to one channel.
    Publish {
        /// Its ID, for the answer.
        id: Option<Id<'t>>,
        /// The publication.
        publish: Publish<'t>,
    },
    /// Answer, and say where the stream is.
    Ping {
        /// Its ID, for the answer.
        id: Option<Id<'t>>,
    },
    /// Say who the client is.
    Auth {
        /// Its ID, for the answer.
        id: Option<Id<'t>>,
        /// The credential.
        credential: Credential<'t>,
    },
}

/// The ID that a client gives a command: 1 to 64 bytes, or a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id<'t> {
    /// A string.
    Text(Cow<'t, str>),
    /// A whole number below 2^53.
    Number(u64),
}

impl Id<'_> {
    /// Longest one, in bytes.
    pub const BYTES_MAX: usize = 64;

    fn is_short(&self) -> bool {
        match self {
            Self::Text(text) => (1..=Self::BYTES_MAX).contains(&text.len()),
            Self::Number(_) => true,
        }
    }

    /// The same, for as long as an answer takes.
    pub fn into_owned(self) -> Id<'static> {
        match self {
            Self::Text(text) => Id::Text(Cow::Owned(text.into_owned())),
            Self::Number(number) => Id::Number(number),
        }
    }
}

/// A credential. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential<'t> {
    /// A JWT.
    Token(Cow<'t, str>),
    /// A one-time ticket.
    Ticket(Cow<'t, str>),
    /// An API key.
    ApiKey(Cow<'t, str>),
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Ticket(_) => "Ticket(…)",
            Self::ApiKey(_) => "ApiKey(…)",
        })
    }
}

/// A message that is no command, with its ID if that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused<'t> {
    /// Its ID, for the answer.
    pub id: Option<Id<'t>>,
    /// What is wrong.
    pub problem: Problem,
}

impl<'t> Command<'t> {
    /// Its ID, for the answer.
    pub const fn id(&self) -> Option<&Id<'t>> {
        match self {
            Self::Subscribe { id, .. }
            | Self::Unsubscribe { id, .. }
            | Self::Publish { id, .. }
            | Self::Ping { id }
            | Self::Auth { id, .. } => id.as_ref(),
        }
    }

    /// Reads a command. It borrows what has no escapes.
    ///
    /// # Errors
    /// [`Code::BadCommand`] names the field; what is wrong inside a publication has its own code.
    pub fn parse(text: &'t [u8], limits: &Limits) -> Result<Self, Refused<'t>> {
        Self::read(text, limits, Wanted::Any)
    }

    /// Reads the first message of a client that has not shown who it is. It has to be `auth`; of
    /// any other command nothing else is read.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); [`Code::Unauthenticated`] for other commands,
    /// [`Code::TooLarge`] above [`Limits::auth_bytes_max`].
    pub fn parse_first(text: &'t [u8], limits: &Limits) -> Result<Self, Refused<'t>> {
        // [service:auth-first]
        if text.len() > limits.auth_bytes_max {
            let message = format!("the first message is over {} bytes", limits.auth_bytes_max);
            return Err(Refused { id: None, problem: Problem::new(Code::TooLarge, message) });
        }
        Self::read(text, limits, Wanted::Auth)
    }

    fn read(text: &'t [u8], limits: &Limits, wanted: Wanted) -> Result<Self, Refused<'t>> {
        let Ok(text) = str::from_utf8(text) else {
            let problem = Problem::new(Code::BadCommand, "not UTF-8");
            return Err(Refused { id: None, problem });
        };
        let (mut fields, read) = Fields::read(text, Code::BadCommand);
        let (id, id_read) = match take_id(&mut fields) {
            Ok(id) => (id, Ok(())),
            Err(problem) => (None, Err(problem)),
        };
        match read.and(id_read).and_then(|()| Kind::take(&mut fields, wanted)) {
            Ok(kind) => kind.command(id, fields, limits),
            Err(problem) => Err(Refused { id, problem }),
        }
    }
}

/// Which commands are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Any,
    Auth,
}

/// A command's type.
enum Kind {
    Subscribe,
    Unsubscribe,
    Publish,
    Ping,
    Auth,
}

impl Kind {
    fn take(fields: &mut Fields<'_>, wanted: Wanted) -> Result<Self, Problem> {
        let kind = fields.text("type")?;
        let kind = match &*fields.required("type", kind)? {
            "subscribe" => Self::Subscribe,
            "unsubscribe" => Self::Unsubscribe,
            "publish" => Self::Publish,
            "ping" => Self::Ping,
            "auth" => Self::Auth,
            other => {
                let message = format!("unknown type {}", quoted(other));
                return Err(Problem::new(Code::BadCommand, message));
            }
        };
        if wanted == Wanted::Auth && !matches!(kind, Self::Auth) {
            return Err(Problem::new(Code::Unauthenticated, "auth has to come first"));
        }
        Ok(kind)
    }

    fn command<'t>(
        self,
        id: Option<Id<'t>>,
        mut fields: Fields<'t>,
        limits: &Limits,
    ) -> Result<Command<'t>, Refused<'t>> {
        let rest = match self {
            Self::Subscribe => subscribe(&mut fields, limits),
            Self::Unsubscribe => {
                channels(&mut fields, &["channels"], limits).map(Rest::Unsubscribe)
            }
            Self::Publish => publish_one(fields, limits).map(Rest::Publish),
            Self::Ping => fields.only(&[]).map(|()| Rest::Ping),
            Self::Auth => credential(fields).map(Rest::Auth),
        };
        match rest {
            Ok(Rest::Subscribe { channels, cursor, presence }) => {
                Ok(Command::Subscribe { id, channels, cursor, presence })
            }
            Ok(Rest::Unsubscribe(channels)) => Ok(Command::Unsubscribe { id, channels }),
            Ok(Rest::Publish(publish)) => Ok(Command::Publish { id, publish }),
            Ok(Rest::Ping) => Ok(Command::Ping { id }),
            Ok(Rest::Auth(credential)) => Ok(Command::Auth { id, credential }),
            Err(problem) => Err(Refused { id, problem }),
        }
    }
}

/// A command without its ID, which an error needs too.
enum Rest<'t> {
    Subscribe { channels: Vec<Cow<'t, str>>, cursor: Option<Cow<'t, str>>, presence: bool },
    Unsubscribe(Vec<Cow<'t, str>>),
    Publish(Publish<'t>),
    Ping,
    Auth(Credential<'t>),
}

fn take_id<'t>(fields: &mut Fields<'t>) -> Result<Option<Id<'t>>, Problem> {
    let expected = "a string of 1 to 64 bytes or a whole number below 2^53";
    let Some(value) = fields.take("id") else { return Ok(None) };
    let id = match super::fields::text(value.get()) {
        Some(text) => Some(Id::Text(text)).filter(|id| id.is_short()),
        None => {
            let number = serde_json::from_str(value.get()).ok();
            number.filter(|number| *number <= NUMBER_MAX).map(Id::Number)
        }
    };
    id.map(Some).ok_or_else(|| fields.wrong("id", expected))
}

fn subscribe<'t>(fields: &mut Fields<'t>, limits: &Limits) -> Result<Rest<'t>, Problem> {
    let channels = channels(fields, &["channels", "cursor", "presence"], limits)?;
    let cursor = fields.text("cursor")?;
    Ok(Rest::Subscribe { channels, cursor, presence: fields.boolean("presence")?.unwrap_or(false) })
}

fn channels<'t>(
    fields: &mut Fields<'t>,
    known: &[&str],
    limits: &Limits,
) -> Result<Vec<Cow<'t, str>>, Problem> {
    fields.only(known)?;
    let channels = fields.texts("channels", limits.channels_max)?;
    fields.required("channels", channels)
}

fn credential(mut fields: Fields<'_>) -> Result<Credential<'_>, Problem> {
    fields.only(&["token", "ticket", "api_key"])?;
    let token = fields.text("token")?.map(Credential::Token);
    let ticket = fields.text("ticket")?.map(Credential::Ticket);
    let api_key = fields.text("api_key")?.map(Credential::ApiKey);
    let mut given = [token, ticket, api_key].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(credential), None) => Ok(credential),
        _ => {
            let message = "auth has to have one of token, ticket and api_key";
            Err(Problem::new(Code::BadCommand, message))
        }
    }
}
