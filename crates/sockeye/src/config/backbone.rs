//! `[backbone]`: the log that several machines share.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sockeye_backbone::entry::{FIRST_VERSION, VERSION};
use sockeye_terminal::Failure;

use super::{Config, rules};
use crate::backbone;

/// Entries that all nodes remember, if the file does not say.
const ENTRIES: u64 = 65_536;

/// Fewest of them: nodes that join need some horizons.
const ENTRIES_MIN: u64 = 1_024;

/// Most of them: a node holds three times as many while it joins.
const ENTRIES_MAX: u64 = 4_000_000;

/// How long openings wait for a cursor that is ahead, if the file does not say.
const OPENING_WAIT_MS: u64 = 2_000;

/// The longest such wait: a client that is waited for has been told nothing.
const OPENING_WAIT_MS_MAX: u64 = 60_000;

/// How long the engine may be silent, if the file does not say.
const PATIENCE_SECONDS: u64 = 5;

/// The log that several machines share: where it is, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BackboneConfig {
    /// The URL of its engine.
    pub(crate) url: String,
    /// The file that has the password.
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) password_file: Option<PathBuf>,
    /// The user of the Sentinels, and the file that has its password.
    pub(crate) sentinel_user: Option<String>,
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) sentinel_password_file: Option<PathBuf>,
    /// The file that has credentials of NATS.
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) credentials_file: Option<PathBuf>,
    /// The authorities that vouch for the engine.
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Replicas that have to be there, and confirm each entry; if it is not said, as the URL says.
    pub(crate) replicas: Option<u32>,
    /// Entries that all nodes remember.
    pub(crate) entries: u64,
    /// How long the engine may be silent.
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) patience_seconds: u64,
    /// How long openings wait for a cursor that is ahead of this node, in milliseconds; 0: not at all.
    pub(crate) opening_wait_ms: u64,
    /// The newest version of entries that this node reads.
    pub(crate) entry_version: u8,
    pub(crate) other_rules: OtherRules,
}

/// What a node does if the log has other rules of decision than its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OtherRules {
    /// It does not start.
    #[default]
    Refuse,
    /// It gives the log its own.
    Replace,
}

impl Default for BackboneConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            password_file: None,
            sentinel_user: None,
            sentinel_password_file: None,
            credentials_file: None,
            ca_file: None,
            replicas: None,
            entries: ENTRIES,
            patience_seconds: PATIENCE_SECONDS,
            opening_wait_ms: OPENING_WAIT_MS,
            entry_version: VERSION,
            other_rules: OtherRules::default(),
        }
    }
}

impl BackboneConfig {
    /// Relative paths are relative to the file that they stand in.
    pub(super) fn resolve(&mut self, beside: &Path) {
        let passwords = self.password_file.iter_mut().chain(&mut self.sentinel_password_file);
        for path in passwords.chain(&mut self.credentials_file).chain(&mut self.ca_file) {
            *path = beside.join(&*path);
        }
    }
}

impl Config {
    /// Whether the shared log fits to the rest, and can be asked for.
    pub(super) fn check_backbone(&self) -> Result<(), Failure> {
        let Some(config) = &self.backbone else { return Ok(()) };
        let at = |key: &str| self.source.line_of("backbone", key);
        if self.data.is_some() {
            let why = "a log on disk (data) and a shared one (backbone) exclude each other: take one of them away";
            return Err(Failure(format!("{}{why}", self.source.line_of("", "data"))));
        }
        if config.url.is_empty() {
            let at = self.source.line_with(&["[backbone]"]);
            let why = "[backbone] needs a url, as redis://127.0.0.1, here or in SOCKEYE_BACKBONE";
            return Err(Failure(format!("{at}{why}")));
        }
        if !(ENTRIES_MIN..=ENTRIES_MAX).contains(&config.entries) {
            let (at, entries) = (at("entries"), config.entries);
            let why = format!("{entries}, expected {ENTRIES_MIN} to {ENTRIES_MAX}");
            return Err(Failure(format!("{at}[backbone] entries: {why}")));
        }
        if config.opening_wait_ms > OPENING_WAIT_MS_MAX {
            let (at, wait_ms) = (at("opening_wait_ms"), config.opening_wait_ms);
            let why = format!("{wait_ms}, expected 0 to {OPENING_WAIT_MS_MAX}");
            return Err(Failure(format!("{at}[backbone] opening_wait_ms: {why}")));
        }
        if !(FIRST_VERSION..=VERSION).contains(&config.entry_version) {
            let (at, version) = (at("entry_version"), config.entry_version);
            let why = format!("{version}, expected {FIRST_VERSION} to {VERSION}");
            return Err(Failure(format!("{at}[backbone] entry_version: {why}")));
        }
        backbone::check(config).map_err(|why| Failure(format!("{}[backbone] {why}", at("url"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_nobody_writes_is_refused() {
        let with = |version: u8| {
            let text = format!("[backbone]\nurl = \"redis://h\"\nentry_version = {version}\n");
            Config::parse(&text).expect("it is a number").check().map_err(|why| why.to_string())
        };
        for version in [0, VERSION + 1] {
            let why = with(version).expect_err("there is none");
            assert!(
                why.contains(&format!("entry_version: {version}, expected 1 to {VERSION}")),
                "{why}"
            );
        }
        assert_eq!((with(FIRST_VERSION), with(VERSION)), (Ok(()), Ok(())));
    }
}
