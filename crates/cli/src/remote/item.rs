//! The JSON of `sockeye publish`: a message as an item of a batch, and the hub's receipt for it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::args::PublishOptions;
use super::http::Problem;

/// A message as an item of a batch.
#[derive(Debug)]
pub(super) struct Item {
    /// Its line of the input; `None` if it was an argument.
    pub(super) line: Option<u64>,
    /// The JSON object, in one line.
    pub(super) json: String,
}

/// The common fields of all items of a run.
pub(super) struct Mould<'o> {
    options: &'o PublishOptions,
    /// The prefix of the items' idempotency keys; the whole key of a message that was an argument.
    key: String,
}

#[derive(Serialize)]
struct Publication<'p> {
    channel: &'p str,
    data: Data<'p>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'p str>,
    key: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect: Option<Expect<'p>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'p> {
    Text(&'p str),
    Json(&'p RawValue),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Expect<'p> {
    Seq(u64),
    Cursor(&'p str),
}

impl<'o> Mould<'o> {
    /// `random` keeps the keys of this run apart from those of others.
    pub(super) fn new(options: &'o PublishOptions, random: u64) -> Self {
        let key = options.key.clone().unwrap_or_else(|| format!("cli-{random:016x}"));
        Self { options, key }
    }

    /// Whether to skip a line with this text, because it is blank where JSON is expected.
    pub(super) fn skips(&self, text: &str) -> bool {
        self.options.json_data && text.trim().is_empty()
    }

    /// Makes an item.
    ///
    /// # Errors
    /// What is wrong with the data.
    pub(super) fn item(&self, line: Option<u64>, text: &str) -> Result<Item, String> {
        let data = if self.options.json_data {
            let json = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
            Data::Json(json)
        } else {
            Data::Text(text)
        };
        let key = line.map(|line| format!("{}-{line}", self.key));
        let publication = Publication {
            channel: &self.options.channel,
            data,
            event: self.options.event.as_deref(),
            key: key.as_ref().unwrap_or(&self.key),
            expect: self
                .options
                .expect
                .as_deref()
                .map(|text| text.parse().map_or(Expect::Cursor(text), Expect::Seq)),
            ttl_ms: self.options.ttl_ms,
        };
        let json = serde_json::to_string(&publication).map_err(|error| error.to_string())?;
        Ok(Item { line, json: one_line(json) })
    }
}

/// Replaces line ends by spaces. In JSON they occur outside of strings only, as white space.
pub(super) fn one_line(json: String) -> String {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ") } else { json }
}

/// The answer to a batch.
#[derive(Deserialize)]
pub(super) struct Results {
    pub(super) results: Vec<Receipt>,
}

/// The result of one item.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Receipt {
    #[serde(rename = "type", skip_deserializing)]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duplicate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribers: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Problem>,
}

impl Receipt {
    /// The receipt of an item that was refused without a result of the hub.
    pub(super) fn refused(line: Option<u64>, code: &str, message: String) -> Self {
        Self {
            kind: "error",
            line,
            channel: None,
            cursor: None,
            seq: None,
            level: None,
            duplicate: None,
            subscribers: None,
            error: Some(Problem { code: code.to_owned(), message }),
        }
    }

    /// Whether sending the item again may help.
    pub(super) fn may_pass(&self) -> bool {
        let code = self.error.as_ref().map(|problem| problem.code.as_str());
        let passing = [
            "overloaded",
            "log_full",
            "too_many_keys",
            "unavailable",
            "rate_limited",
            "expect_undecided",
            "internal",
        ];
        code.is_some_and(|code| passing.contains(&code))
    }
}
