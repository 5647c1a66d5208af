//! `sockeye publish`, `sockeye subscribe` and `sockeye ticket`: clients of a hub, on blocking sockets.

mod address;
pub(crate) mod args;
mod backoff;
mod events;
mod http;
mod item;
mod known_ends;
mod lines;
mod output;
mod polls;
pub(crate) mod publish;
mod said;
mod session;
mod socket;
pub(crate) mod subscribe;
pub(crate) mod ticket;

use sockeye_http1::{HeaderName, HeaderValue};

use self::address::Address;
use self::args::ServerOptions;
use crate::{Failure, OrFail};

const AUTHORIZATION: HeaderName<'_> = HeaderName::from_static("Authorization");

/// Longest wait that a server may ask for, in milliseconds.
const RETRY_MS_MAX: u64 = 3_600_000;

/// The hub, and who we are to it.
struct Remote {
    address: Address,
    /// The value of `Authorization`.
    authorization: Option<String>,
}

impl Remote {
    fn new(options: &ServerOptions) -> Result<Self, Failure> {
        let address = Address::parse(&options.url)?;
        let authorization = authorization(options)?;
        if let Some(value) = &authorization {
            HeaderValue::new(value).or_fail(|| "the key or token cannot be sent".into())?;
        }
        Ok(Self { address, authorization })
    }

    fn headers(&self) -> Vec<(HeaderName<'_>, HeaderValue<'_>)> {
        let value = self.authorization.as_deref();
        let value = value.and_then(|value| HeaderValue::new(value).ok());
        value.map(|value| (AUTHORIZATION, value)).into_iter().collect()
    }
}

/// The value of `Authorization`: from a file that was named, else from the environment or a flag.
fn authorization(options: &ServerOptions) -> Result<Option<String>, Failure> {
    let read = |path: &std::path::PathBuf| -> Result<String, Failure> {
        let text = std::fs::read_to_string(path);
        let text = text.or_fail(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim().to_owned())
    };
    if let Some(path) = &options.api_key_file {
        return Ok(Some(format!("ApiKey {}", read(path)?)));
    }
    if let Some(path) = &options.token_file {
        return Ok(Some(format!("Bearer {}", read(path)?)));
    }
    let key = options.api_key.as_ref().map(|key| format!("ApiKey {}", key.reveal()));
    let token = options.token.as_ref().map(|token| format!("Bearer {}", token.reveal()));
    match (key, token) {
        (Some(_), Some(_)) => {
            let both = "both an API key and a token are given (SOCKEYE_API_KEY, SOCKEYE_TOKEN)";
            Err(Failure(format!("{both}: which one?")))
        }
        (key, token) => Ok(key.or(token)),
    }
}

/// Why a connection ends, or the asking.
#[derive(Debug, PartialEq, Eq)]
enum Break {
    /// Nobody listens there.
    Nobody(String),
    /// The connection failed or broke: asking again may help.
    Lost {
        why: String,
        /// How long the server has asked to wait in that case.
        retry_ms: u64,
    },
    /// The server cannot do it now, and may have said when to ask again.
    Busy { why: String, retry_ms: u64 },
    /// What was sent is too large.
    TooLarge(String),
    /// Asking again would end the same.
    Final(String),
    /// All that was wanted is there, or nobody wants it any more.
    Over,
}

impl Break {
    fn lost(why: impl Into<String>) -> Self {
        Self::Lost { why: why.into(), retry_ms: 0 }
    }

    /// What a goodbye of the server's means, by the range of its code.
    fn goaway(code: u16, reason: &str, retry_ms: Option<u64>) -> Self {
        let why = format!("the server ended the stream: {} ({code})", plain(reason));
        let retry_ms = retry_ms.unwrap_or_default().min(RETRY_MS_MAX);
        match code {
            4000 => Self::Over,
            4001..=4099 => Self::Final(why),
            4300..=4399 => Self::Final(format!("{why}; other credentials are needed")),
            1012 | 1013 | 4100..=4199 => Self::Busy { why, retry_ms },
            _ => Self::Lost { why, retry_ms },
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Nobody(why)
            | Self::Lost { why, .. }
            | Self::Busy { why, .. }
            | Self::TooLarge(why)
            | Self::Final(why) => why,
            Self::Over => "it is over".into(),
        }
    }
}

impl From<Break> for Failure {
    fn from(end: Break) -> Self {
        Self(end.into_text())
    }
}

/// 64 random bits.
fn entropy() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).or_fail(|| "the system gives no random numbers".into())?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Text of somebody else's, for a person's terminal: it cannot move the cursor there, nor end a line.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_invisible(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Letters that turn the direction of others, or separate lines.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_to_do() {
        let end = |code| Break::goaway(code, "word", Some(1_500));
        assert_eq!(end(4000), Break::Over);
        for code in [4001, 4002, 4003, 4099, 4300, 4302, 4399] {
            assert!(matches!(end(code), Break::Final(_)), "{code}");
        }
        for code in [1012, 1013, 4100, 4102, 4199] {
            assert!(matches!(end(code), Break::Busy { retry_ms: 1_500, .. }), "{code}");
        }
        for code in [0, 1000, 1001, 1006, 4200, 4202, 4299, 4400, 65_535] {
            assert!(matches!(end(code), Break::Lost { retry_ms: 1_500, .. }), "{code}");
        }
        let forever = Break::goaway(4100, "\n", Some(u64::MAX));
        let why = "the server ended the stream: \\n (4100)".to_owned();
        assert_eq!(forever, Break::Busy { why, retry_ms: RETRY_MS_MAX });
    }

    #[test]
    fn no_text_moves_the_cursor_of_a_terminal() {
        assert_eq!(plain("grüß 7 \"x\" \\"), "grüß 7 \"x\" \\");
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{9b}d\\u{202e}");
    }
}
