//! The queue of pages, and their results: each page runs once, and once more if it failed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::Sender;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::expectations::Expectations;
use crate::pages::Page;

/// The name under which a page as a whole fails.
pub(crate) const WHOLE: &str = "(page)";

/// How long a page's own harness waits, and a bit.
const WAIT_MS: u64 = 25_000;
const LONG_WAIT_MS: u64 = 75_000;

/// The runner's report on one page.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Outcome {
    url: String,
    status: String,
    message: String,
    tests: Vec<Test>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Test {
    name: String,
    status: String,
    message: String,
}

/// One subtest that did not pass, of the last try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) subtest: String,
    pub(crate) status: String,
    pub(crate) message: String,
    /// Why that is no fault of ours.
    pub(crate) reason: Option<String>,
}

/// The state of one page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) total: usize,
    pub(crate) passed: usize,
    pub(crate) failures: Vec<Failure>,
    /// It did badly, and then well.
    pub(crate) unsteady: bool,
}

/// A notice for the thread that waits for the run.
pub(crate) enum Note {
    Line(String),
    Done,
}

/// The work and its results.
pub(crate) struct Runner {
    pub(crate) pages: Vec<Page>,
    pub(crate) expectations: Expectations,
    pub(crate) records: BTreeMap<String, Record>,
    queue: VecDeque<Page>,
    again: Vec<Page>,
    is_second: bool,
    tell: Sender<Note>,
}

impl Runner {
    pub(crate) fn new(pages: Vec<Page>, expectations: Expectations, tell: Sender<Note>) -> Self {
        let queue = pages.iter().cloned().collect();
        let (records, again, is_second) = (BTreeMap::new(), Vec::new(), false);
        Self { pages, expectations, records, queue, again, is_second, tell }
    }

    /// The next order to the runner's page: a page and how long to wait for it, or nothing more.
    pub(crate) fn next(&mut self) -> Value {
        if self.queue.is_empty() && !self.is_second {
            self.is_second = true;
            self.queue.extend(self.again.drain(..));
        }
        match self.queue.front() {
            Some(page) => {
                let wait_ms = if page.long { LONG_WAIT_MS } else { WAIT_MS };
                json!({ "url": page.url, "wait_ms": wait_ms })
            }
            None => {
                let _ = self.tell.send(Note::Done);
                json!({})
            }
        }
    }

    /// Takes in what came out of the page that was next.
    pub(crate) fn report(&mut self, body: &[u8]) -> Result<(), serde_json::Error> {
        let outcome: Outcome = serde_json::from_slice(body)?;
        let Some(page) = self.queue.pop_front() else { return Ok(()) };
        debug_assert_eq!(page.url, outcome.url, "one page at a time");
        let mut record = self.judge(&outcome);
        let is_bad = record.failures.iter().any(|failure| failure.reason.is_none());
        if is_bad && !self.is_second {
            self.print(&page, &record, "again ");
            self.again.push(page);
            return Ok(());
        }
        record.unsteady = self.is_second && !is_bad;
        self.print(&page, &record, "FAILED");
        self.records.insert(page.url, record);
        Ok(())
    }

    fn judge(&self, outcome: &Outcome) -> Record {
        let mut failures = Vec::new();
        let mut fail = |subtest: &str, status: &str, message: &str| {
            let reason = self.expectations.reason(&outcome.url, subtest);
            let (subtest, status) = (subtest.to_owned(), status.to_owned());
            failures.push(Failure { subtest, status, message: message.to_owned(), reason });
        };
        let bad = |test: &&Test| test.status != "PASS";
        for test in outcome.tests.iter().filter(bad) {
            fail(&test.name, &test.status, &test.message);
        }
        let passes = || outcome.tests.iter().filter(|test| !bad(test));
        let passed = passes().count();
        let is_listed = |test: &&Test| self.expectations.reason(&outcome.url, &test.name).is_some();
        // A harness that gave up is a failure of its own only if no subtest says so.
        if (outcome.status != "OK" && passed == outcome.tests.len()) || outcome.tests.is_empty() {
            fail(WHOLE, &outcome.status, &outcome.message);
        }
        if self.expectations.exact {
            failures.extend(passes().filter(is_listed).map(|test| Failure {
                subtest: test.name.clone(),
                status: test.status.clone(),
                message: "it passes, and is listed as a known failure".to_owned(),
                reason: None,
            }));
        }
        Record { total: outcome.tests.len(), passed, failures, unsteady: false }
    }

    fn print(&self, page: &Page, record: &Record, failed: &str) {
        for Failure { subtest, status, message, reason } in &record.failures {
            let (subtest, message) = (one_line(subtest), one_line(message));
            let line = match reason {
                Some(reason) => format!("known   {status:<7} {}: {subtest}: {reason}", page.url),
                None => format!("{failed}  {status:<7} {}: {subtest}: {message}", page.url),
            };
            let _ = self.tell.send(Note::Line(line));
        }
        if record.unsteady {
            let _ = self.tell.send(Note::Line(format!("unsteady        {}", page.url)));
        }
    }
}

/// Names and messages may hold anything.
fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(300).collect()
}
