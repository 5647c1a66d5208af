//! `sockeye publish` and `sockeye subscribe`: clients of a hub, on blocking sockets.

mod address;
pub(crate) mod args;
mod backoff;
mod http;
mod item;
mod lines;
pub(crate) mod publish;

use sockeye_http1::{HeaderName, HeaderValue};

use self::address::Address;
use self::args::ServerOptions;
use crate::{Failure, OrFail};

const AUTHORIZATION: HeaderName<'_> = HeaderName::from_static("Authorization");

/// The hub, and who we are to it.
struct Remote {
    address: Address,
    /// The value of `Authorization`.
    authorization: Option<String>,
}

impl Remote {
    fn new(options: &ServerOptions) -> Result<Self, Failure> {
        let address = Address::parse(&options.url)?;
        let key = options.api_key.as_ref().map(|key| format!("ApiKey {}", key.reveal()));
        let token = options.token.as_ref().map(|token| format!("Bearer {}", token.reveal()));
        let authorization = match (key, token) {
            (Some(_), Some(_)) => {
                let both = "both an API key and a token are given (SOCKEYE_API_KEY, SOCKEYE_TOKEN)";
                return Err(Failure(format!("{both}: which one?")));
            }
            (key, token) => key.or(token),
        };
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
}

impl Break {
    fn lost(why: impl Into<String>) -> Self {
        Self::Lost { why: why.into(), retry_ms: 0 }
    }

    fn into_text(self) -> String {
        match self {
            Self::Nobody(why)
            | Self::Lost { why, .. }
            | Self::Busy { why, .. }
            | Self::TooLarge(why)
            | Self::Final(why) => why,
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
fn plain(text: &str) -> String {
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
    fn no_text_moves_the_cursor_of_a_terminal() {
        assert_eq!(plain("grüß 7 \"x\" \\"), "grüß 7 \"x\" \\");
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{9b}d\\u{202e}");
    }
}
