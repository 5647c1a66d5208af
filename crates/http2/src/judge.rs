//! The rules for the fields of a message (RFC 9113 §8.2, §8.3; RFC 8441 §4), applied field by field
//! while a block is decoded. Nothing of a field is kept.

use sockeye_http::{Method, Status, grammar, is_authority};

use crate::ConnectProtocol;
use crate::malformed::Malformed;

/// The kinds of field blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The head of a request.
    Request(ConnectProtocol),
    /// The head of a response.
    Response,
    /// Trailers.
    Trailers,
}

/// The part of a head on which the rest of the message depends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// The method is CONNECT.
    pub(crate) is_connect: bool,
    /// The status of a response.
    pub(crate) status: Option<Status>,
    /// The value of `content-length`.
    pub(crate) content_length: Option<u64>,
}

/// The judge of one field block.
#[derive(Debug)]
pub(crate) struct Judge {
    message: Message,
    /// The first rule that is broken.
    wrong: Option<Malformed>,
    seen: Pseudo,
    /// A field that is no pseudo-field came.
    is_behind: bool,
    is_connect: bool,
    is_options: bool,
    is_asterisk: bool,
    status: Option<Status>,
    content_length: Option<u64>,
}

/// A set of pseudo-fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pseudo(u8);

impl Pseudo {
    const NONE: Self = Self(0);
    const METHOD: Self = Self(1);
    const SCHEME: Self = Self(2);
    const AUTHORITY: Self = Self(4);
    const PATH: Self = Self(8);
    const PROTOCOL: Self = Self(16);
    const STATUS: Self = Self(32);

    /// The pseudo-field of a name in a message of that kind.
    const fn of(name: &[u8], message: Message) -> Option<Self> {
        // [http2:8.3-pseudo-fields-known]
        match (message, name) {
            (Message::Request(_), b":method") => Some(Self::METHOD),
            (Message::Request(_), b":scheme") => Some(Self::SCHEME),
            (Message::Request(_), b":authority") => Some(Self::AUTHORITY),
            (Message::Request(_), b":path") => Some(Self::PATH),
            (Message::Request(_), b":protocol") => Some(Self::PROTOCOL),
            (Message::Response, b":status") => Some(Self::STATUS),
            (Message::Request(_) | Message::Response | Message::Trailers, _) => None,
        }
    }

    const fn has(self, all: Self) -> bool {
        self.0 & all.0 == all.0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Judge {
    pub(crate) const fn new(message: Message) -> Self {
        Self {
            message,
            wrong: None,
            seen: Pseudo::NONE,
            is_behind: false,
            is_connect: false,
            is_options: false,
            is_asterisk: false,
            status: None,
            content_length: None,
        }
    }

    /// Looks at one field, and returns whether the message is still in order.
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8]) -> bool {
        if self.wrong.is_none() {
            self.wrong = self.check(name, value).err();
        }
        self.wrong.is_none()
    }

    /// The verdict on the whole block.
    pub(crate) fn verdict(self) -> Result<Verdict, Malformed> {
        match self.wrong {
            Some(malformed) => return Err(malformed),
            None => self.complete()?,
        }
        let Self { is_connect, status, content_length, .. } = self;
        Ok(Verdict { is_connect, status, content_length })
    }

    /// Whether the pseudo-fields are the right ones together.
    const fn complete(&self) -> Result<(), Malformed> {
        let seen = self.seen;
        match self.message {
            Message::Trailers => Ok(()),
            // [http2:8.3.2-status]
            Message::Response if seen.has(Pseudo::STATUS) => Ok(()),
            // [http2:8.3.1-pseudo-fields-missing]
            Message::Response => Err(Malformed::PseudoMissing),
            Message::Request(_) if !seen.has(Pseudo::METHOD) => Err(Malformed::PseudoMissing),
            Message::Request(_) if self.is_connect => self.complete_connect(),
            // [http2:8441.4-protocol-with-connect-only]
            Message::Request(_) if seen.has(Pseudo::PROTOCOL) => Err(Malformed::Protocol),
            Message::Request(_) if !seen.has(Pseudo::SCHEME.and(Pseudo::PATH)) => {
                Err(Malformed::PseudoMissing)
            }
            // [http2:8.3.1-asterisk]
            Message::Request(_) if self.is_asterisk && !self.is_options => Err(Malformed::Target),
            Message::Request(_) => Ok(()),
        }
    }

    const fn complete_connect(&self) -> Result<(), Malformed> {
        let seen = self.seen;
        if !seen.has(Pseudo::AUTHORITY) {
            return Err(Malformed::Connect);
        }
        // [http2:8441.4-connect-target]
        if seen.has(Pseudo::PROTOCOL) {
            let is_whole = seen.has(Pseudo::SCHEME.and(Pseudo::PATH)) && !self.is_asterisk;
            return if is_whole { Ok(()) } else { Err(Malformed::PseudoMissing) };
        }
        // [http2:8.5-connect]
        let has_target = seen.has(Pseudo::SCHEME) || seen.has(Pseudo::PATH);
        if has_target { Err(Malformed::Connect) } else { Ok(()) }
    }

    fn check(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        // [http2:8.2.1-value]
        if !value.iter().all(|&byte| grammar::is_field_byte(byte))
            || grammar::trim_ows(value).len() != value.len()
        {
            return Err(Malformed::Value);
        }
        if name.starts_with(b":") {
            return self.check_pseudo(name, value);
        }
        self.is_behind = true;
        // [http2:8.2.1-name]
        if !grammar::is_token(name) || name.iter().any(u8::is_ascii_uppercase) {
            return Err(Malformed::Name);
        }
        match name {
            // [http2:8.2.2-connection-specific]
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding"
            | b"upgrade" => Err(Malformed::ConnectionSpecific),
            // [http2:8.2.2-te]
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => Err(Malformed::Te),
            b"content-length" => self.check_content_length(value),
            _ => Ok(()),
        }
    }

    fn check_content_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let digits = core::str::from_utf8(value).ok().filter(|it| !it.starts_with('+'));
        let length = digits.and_then(|it| it.parse().ok()).ok_or(Malformed::ContentLength)?;
        match self.content_length.replace(length) {
            Some(_) => Err(Malformed::ContentLength),
            None => Ok(()),
        }
    }

    fn check_pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        // [http2:8.3-pseudo-fields-first]
        if self.is_behind {
            return Err(Malformed::PseudoLate);
        }
        let field = Pseudo::of(name, self.message).ok_or(Malformed::PseudoUnknown)?;
        // [http2:8.3-pseudo-fields-once]
        if self.seen.has(field) {
            return Err(Malformed::PseudoRepeated);
        }
        self.seen = self.seen.and(field);
        match field {
            Pseudo::METHOD => {
                let method = grammar::token(value).ok_or(Malformed::Target)?;
                self.is_connect = method == Method::CONNECT.as_str();
                self.is_options = method == Method::OPTIONS.as_str();
                Ok(())
            }
            Pseudo::PATH => {
                self.is_asterisk = value == b"*";
                // [http2:8.3.1-path]
                let is_path = value.starts_with(b"/") || self.is_asterisk;
                if is_path { Ok(()) } else { Err(Malformed::Target) }
            }
            Pseudo::SCHEME if !is_scheme(value) => Err(Malformed::Target),
            // [http2:8.3.1-authority]
            Pseudo::AUTHORITY if !core::str::from_utf8(value).is_ok_and(is_authority) => {
                Err(Malformed::Authority)
            }
            // [http2:8441.3-not-announced]
            Pseudo::PROTOCOL if self.message == Message::Request(ConnectProtocol::Refused) => {
                Err(Malformed::Protocol)
            }
            Pseudo::PROTOCOL if !grammar::is_token(value) => Err(Malformed::Protocol),
            Pseudo::STATUS => self.check_status(value),
            _ => Ok(()),
        }
    }

    fn check_status(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let &[a, b, c] = value else { return Err(Malformed::Status) };
        let mut code = 0_u16;
        for digit in [a, b, c] {
            let digit = char::from(digit).to_digit(10).ok_or(Malformed::Status)?;
            code = code.saturating_mul(10).saturating_add(u16::try_from(digit).unwrap_or(0));
        }
        let status = Status::new(code).ok_or(Malformed::Status)?;
        // [http2:8.6-no-101]
        if status == Status::SWITCHING_PROTOCOLS {
            return Err(Malformed::Status);
        }
        self.status = Some(status);
        Ok(())
    }
}

/// Whether the text is a scheme (RFC 3986 §3.1).
fn is_scheme(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}
