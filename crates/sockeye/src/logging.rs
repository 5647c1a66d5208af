//! Logs on standard error: a line for each event, for people or for programs.
//!
//! A line may contain text of a peer. Such text can neither end the line nor control a terminal, because
//! control characters, and those that change the direction of text, are escaped.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use env_logger::fmt::Formatter;
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Record};
use serde::Deserialize;
use serde::de::{IntoDeserializer as _, value::Error as UnknownName};
use sockeye_terminal::Failure;
use sockeye_terminal::plain::{self, is_hidden, plain};

use crate::calendar;

/// The environment variables for the level: ours, and below it the one that all programs share.
const SOCKEYE_LOG: &str = "SOCKEYE_LOG";
const RUST_LOG: &str = "RUST_LOG";

const UNKNOWN_FORMAT: &str = "SOCKEYE_LOG_FORMAT is neither text nor json";

/// The level and the format of the log.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    #[serde(with = "Level")]
    level: LevelFilter,
    format: Format,
}

/// The names of the levels in the configuration.
#[derive(Deserialize)]
#[serde(remote = "LevelFilter", rename_all = "snake_case")]
enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// `[time LEVEL] message name=value`
    Text,
    /// One JSON object.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: LevelFilter::Info, format: Format::Text }
    }
}

/// The program's logger, which can become another one while it runs.
struct Switch(RwLock<Option<env_logger::Logger>>);

static SWITCH: Switch = Switch(RwLock::new(None));

/// Logs as configured from now on.
///
/// # Errors
/// As for [`prepare`].
pub(crate) fn apply(config: &LogConfig) -> Result<(), Failure> {
    prepare(config).map(Prepared::apply)
}

/// A logger that is not in use yet.
pub(crate) struct Prepared {
    logger: env_logger::Logger,
    filters: Option<(&'static str, String)>,
}

/// Prepares the configured logger. `SOCKEYE_LOG` and `RUST_LOG` win over the level, and
/// `SOCKEYE_LOG_FORMAT` over the format.
///
/// # Errors
/// The environment names no format, or in `SOCKEYE_LOG` no level.
pub(crate) fn prepare(config: &LogConfig) -> Result<Prepared, Failure> {
    let format = match std::env::var("SOCKEYE_LOG_FORMAT") {
        Err(_) => config.format,
        Ok(name) => Format::deserialize(name.as_str().into_deserializer())
            .map_err(|_: UnknownName| Failure(UNKNOWN_FORMAT.into()))?,
    };
    let mut builder = env_logger::Builder::new();
    let filters = filters()?;
    match &filters {
        Some((_, filters)) => builder.parse_filters(filters),
        None => builder.filter_level(config.level),
    };
    builder.format(match format {
        Format::Text => text,
        Format::Json => json,
    });
    Ok(Prepared { logger: builder.build(), filters })
}

impl Prepared {
    /// Logs by it from now on.
    pub(crate) fn apply(self) {
        let Self { logger, filters } = self;
        log::set_max_level(logger.filter());
        *SWITCH.0.write().unwrap_or_else(PoisonError::into_inner) = Some(logger);
        // It may have been set before, to the same logger.
        let _ = log::set_logger(&SWITCH);
        if let Some((RUST_LOG, filters)) = &filters {
            tell_of_modules(filters);
        }
    }
}

/// The environment variable that sets the filters of the log, and its value.
fn filters() -> Result<Option<(&'static str, String)>, Failure> {
    let found = [SOCKEYE_LOG, RUST_LOG]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().map(|filters| (name, filters)));
    let Some((name, filters)) = found.filter(|(_, filters)| !filters.is_empty()) else {
        return Ok(None);
    };
    let odd = directives(&filters).find(|it| level_of(it).parse::<LevelFilter>().is_err());
    match odd {
        Some(odd) if name == SOCKEYE_LOG => Err(Failure(format!(
            "{SOCKEYE_LOG}: {} is none of off, error, warn, info, debug, trace",
            plain(level_of(odd))
        ))),
        _ => Ok(Some((name, filters))),
    }
}

/// The parts of `warn,sockeye_server=debug`.
fn directives(filters: &str) -> impl Iterator<Item = &str> {
    let (directives, _) = filters.split_once('/').unwrap_or((filters, ""));
    directives.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// The level of a directive; all of it if it names no module.
fn level_of(directive: &str) -> &str {
    directive.split_once('=').map_or(directive, |(_, level)| level).trim()
}

/// In `RUST_LOG` a word alone may be a module's name. One that was meant as a level would silence
/// everything, so it is told once how it was taken.
fn tell_of_modules(filters: &str) {
    static TOLD: std::sync::Once = std::sync::Once::new();
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let words = directives(filters).filter(|it| !it.contains('=') && !is_level(it));
    TOLD.call_once(|| {
        for word in words {
            // As a line of that module it is let through.
            log::warn!(target: word, word; "RUST_LOG: no level, so the name of a module");
        }
    });
}

impl log::Log for Switch {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let logger = self.0.read().unwrap_or_else(PoisonError::into_inner);
        logger.as_ref().is_some_and(|logger| logger.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        let logger = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(logger) = &*logger {
            logger.log(record);
        }
    }

    fn flush(&self) {}
}

fn text(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let mut line = format!("[{} {:5}] ", calendar::timestamp(SystemTime::now()), record.level());
    escape(&record.args().to_string(), &mut line);
    // It says no to nothing.
    let _ = record.key_values().visit(&mut TextFields(&mut line));
    writeln!(out, "{line}")
}

fn json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let mut line = format!(
        r#"{{"time":"{}","level":"{}","message":"#,
        calendar::timestamp(SystemTime::now()),
        record.level().as_str().to_ascii_lowercase()
    );
    quote(&record.args().to_string(), &mut line);
    let _ = record.key_values().visit(&mut JsonFields(&mut line));
    writeln!(out, "{line}}}")
}

/// Appends fields behind the message, in quotes where a value is not one word.
struct TextFields<'l>(&'l mut String);

impl<'kvs> VisitSource<'kvs> for TextFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let value = value.to_string();
        let _ = write!(self.0, " {key}=");
        let is_word = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
        if !value.is_empty() && value.chars().all(is_word) {
            escape(&value, self.0);
        } else {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            self.0.push('"');
            escape(&quoted, self.0);
            self.0.push('"');
        }
        Ok(())
    }
}

/// Appends fields as members of the JSON object: numbers from 0 on and booleans as such, all others as strings.
struct JsonFields<'l>(&'l mut String);

impl<'kvs> VisitSource<'kvs> for JsonFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let _ = write!(self.0, ",\"{key}\":");
        let plain = value.to_u64().map(|it| it.to_string());
        match plain.or_else(|| value.to_bool().map(|it| it.to_string())) {
            Some(plain) => self.0.push_str(&plain),
            None => quote(&value.to_string(), self.0),
        }
        Ok(())
    }
}

/// Writes a text with escapes, so that it stays one line and controls no terminal.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
}

/// Writes a text as a JSON string, in which nothing controls a terminal either.
fn quote(text: &str, out: &mut String) {
    for c in plain::json(&text).expect("a text is JSON").chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a\n[x ERROR] \"b\\\u{1b}[31m\r\0\u{85}\u{9b}2J\u{2028}\u{202e}\u{e0041}\u{200d}\u{61c}\u{7f}ä…";
    /// The characters of [`NASTY`] that nobody may see in a log.
    const HIDDEN: &str = "\n\u{1b}\r\0\u{85}\u{9b}\u{2028}\u{202e}\u{e0041}\u{200d}\u{61c}\u{7f}";

    #[test]
    fn a_line_stays_one_line_of_text() {
        let mut line = String::new();
        escape(NASTY, &mut line);
        assert!(!line.chars().any(|it| HIDDEN.contains(it)), "{line:?}");
        assert!(line.starts_with("a\\u{a}[x ERROR]") && line.ends_with("\\u{7f}ä…"), "{line}");
        let mut line = String::new();
        let mut fields = TextFields(&mut line);
        for value in [NASTY, "word", "", "two words"] {
            fields.visit_pair(Key::from_str("path"), Value::from(value)).unwrap();
        }
        assert!(!line.chars().any(|it| HIDDEN.contains(it)), "{line:?}");
        assert!(line.contains(r#"\"b\\"#), "quotes do not end a value: {line}");
        assert!(line.ends_with(r#" path=word path="" path="two words""#), "{line}");
    }

    #[test]
    fn json_is_json_and_says_the_same() {
        let mut text = String::new();
        quote(NASTY, &mut text);
        assert!(!text.chars().any(|it| HIDDEN.contains(it)), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), NASTY);
        let mut line = String::from("{\"m\":0");
        let mut fields = JsonFields(&mut line);
        fields.visit_pair(Key::from_str("path"), Value::from(NASTY)).unwrap();
        fields.visit_pair(Key::from_str("others"), Value::from(3_u64)).unwrap();
        fields.visit_pair(Key::from_str("durable"), Value::from(true)).unwrap();
        line.push('}');
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            read,
            serde_json::json!({ "m": 0, "path": NASTY, "others": 3, "durable": true })
        );
    }
}
