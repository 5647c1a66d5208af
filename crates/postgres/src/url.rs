//! URLs of PostgreSQL.

use core::fmt;

use sockeye_backbone::driver::{AddressError, Authority, UrlParts, percent_decoded, url_options};

use crate::config::{PostgresConfig, PostgresLimits};

const PORT: u16 = 5432;

/// The characters of a table's name: PostgreSQL has names of 63 bytes, and another table is called `NAME_head`.
const TABLE_CHARS_MAX: usize = 48;

/// Why a text is no URL of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `postgres` nor `postgresql`.
    Scheme,
    /// A user, a host, a port or percent-encoding is wrong, or the URL has a password.
    Address(AddressError),
    /// The URL names no user.
    User,
    /// The option has this name, which is none of `table` and `sslmode`, or no value that it can have.
    Option(Box<str>),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("the URL has another scheme than postgres and postgresql"),
            Self::Address(error) => error.fmt(f),
            Self::User => f.write_str("the URL names no user: postgres://USER@HOST/DATABASE"),
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: table=NAME, of up to 48 small \
                 letters, digits and _; sslmode=disable or verify-full)",
                name.escape_debug()
            ),
        }
    }
}

impl core::error::Error for UrlError {}

impl From<AddressError> for UrlError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

/// Reads a URL; a table that it does not name is `table`.
pub(crate) fn parse(text: &str, table: &str) -> Result<PostgresConfig, UrlError> {
    let parts = UrlParts::split(text).ok_or(UrlError::Scheme)?;
    if !matches!(&*parts.scheme, "postgres" | "postgresql") {
        return Err(UrlError::Scheme);
    }
    let Authority { user, servers } = Authority::parse(parts.authority, PORT)?;
    let user = user.ok_or(UrlError::User)?;
    let database = match parts.path {
        "" => user.clone(),
        name => percent_decoded(name)?,
    };
    let mut config = PostgresConfig {
        servers,
        user,
        password: None,
        database,
        table: table.into(),
        uses_tls: false,
        tls: None,
        limits: PostgresLimits::default(),
    };
    options(parts.query, &mut config)?;
    Ok(config)
}

fn options(query: &str, config: &mut PostgresConfig) -> Result<(), UrlError> {
    for (name, value) in url_options(query) {
        let wrong = || UrlError::Option(name.into());
        match name {
            "table" => {
                config.table =
                    Some(percent_decoded(value)?).filter(|it| is_name(it)).ok_or_else(wrong)?;
            }
            // The modes between these encrypt, and trust everybody.
            "sslmode" => {
                config.uses_tls = match value {
                    "disable" => false,
                    "verify-full" => true,
                    _ => return Err(wrong()),
                };
            }
            _ => return Err(wrong()),
        }
    }
    Ok(())
}

/// Whether a table can have this name without quotes.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=TABLE_CHARS_MAX).contains(&name.len())
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}
