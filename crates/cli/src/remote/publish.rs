//! `sockeye publish`: an argument, or each line of standard input, as messages.

use std::io::IsTerminal as _;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use sockeye_client::{Backoff, Entropy, Requests};
use sockeye_terminal::{Failure, OrFail as _, notice, plain, print, span};

use super::args::PublishOptions;
use super::item::{Item, Mould, Receipt, Results};
use super::lines;
use super::{Break, Remote, plain};

/// Lines sent together, at most: fewer than a server takes by default.
const BATCH_ITEMS_MAX: usize = 500;
/// Bytes sent together, unless one line has more: a server takes 64 KiB by default.
const BATCH_BYTES_MAX: usize = 48 * 1024;
/// Attempts in a row without any success after which it is given up.
const ATTEMPTS_MAX: u32 = 10;

/// Publishes; the failure, if there is one, names the first message that was refused.
pub fn run(options: &PublishOptions) -> Result<(), Failure> {
    let remote = Remote::new(&options.server)?;
    let entropy = Entropy::system().or_fail(|| "the system gives no random numbers".into())?;
    let mould = Mould::new(options, entropy.bits());
    let mut publisher = Publisher::new(&remote, options, entropy);
    let done = match options.data.as_deref() {
        Some(data) if data != "-" => {
            let item = mould.item(None, data).map_err(Failure)?;
            publisher.publish(vec![item])
        }
        _ => {
            if std::io::stdin().is_terminal() {
                notice(format_args!("each line is a message; Ctrl-D ends"));
            }
            publish_lines(&mut publisher, &mould, &lines::read()?)
        }
    };
    publisher.conclude(done)
}

/// Publishes the lines of the input. The lines that have come go out in one batch, and later lines wait for its
/// answer, which keeps the order.
fn publish_lines(
    publisher: &mut Publisher<'_>,
    mould: &Mould<'_>,
    input: &Receiver<lines::Line>,
) -> Result<(), Failure> {
    let mut number = 0;
    let mut carried = None;
    loop {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        batch.extend(carried.take());
        while batch.len() < BATCH_ITEMS_MAX && bytes < BATCH_BYTES_MAX {
            // Only an empty batch is worth waiting for.
            let next = if batch.is_empty() { input.recv().ok() } else { input.try_recv().ok() };
            let Some(line) = next else { break };
            number += 1;
            let item = match line {
                Ok(line) => make(mould, number, &line),
                Err(error) => {
                    publisher.publish(batch)?;
                    return Err(Failure(error));
                }
            };
            match item {
                Ok(Some(item))
                    if bytes + item.json.len() > BATCH_BYTES_MAX && !batch.is_empty() =>
                {
                    carried = Some(item);
                    break;
                }
                Ok(Some(item)) => {
                    bytes += item.json.len() + 1;
                    batch.push(item);
                }
                Ok(None) => {}
                Err(why) => publisher.note(&Receipt::refused(Some(number), "bad_line", why))?,
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        publisher.publish(batch)?;
    }
}

/// A line as an item; nothing if it is blank where JSON is expected.
fn make(mould: &Mould<'_>, number: u64, line: &[u8]) -> Result<Option<Item>, String> {
    let text = str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    if mould.skips(text) {
        return Ok(None);
    }
    mould.item(Some(number), text).map(Some)
}

/// Sends batches until everything in them has an answer.
struct Publisher<'r> {
    remote: &'r Remote,
    options: &'r PublishOptions,
    entropy: Entropy,
    requests: Option<Requests>,
    backoff: Backoff,
    /// Whether an attempt has failed since the last success.
    has_failed: bool,
    /// Whether the server has ever answered.
    answered: bool,
    published: u64,
    duplicates: u64,
    refused: u64,
    first_refusal: Option<String>,
}

impl<'r> Publisher<'r> {
    fn new(remote: &'r Remote, options: &'r PublishOptions, entropy: Entropy) -> Self {
        Self {
            remote,
            options,
            entropy,
            requests: None,
            backoff: Backoff::default(),
            has_failed: false,
            answered: false,
            published: 0,
            duplicates: 0,
            refused: 0,
            first_refusal: None,
        }
    }

    /// Sends items, and again those of which the server has not said yes or no. Their keys keep them
    /// from being published twice.
    fn publish(&mut self, mut items: Vec<Item>) -> Result<(), Failure> {
        let mut attempts = 0;
        while !items.is_empty() {
            let before = items.len();
            let (why, hint_ms) = match self.send(&items) {
                Ok(receipts) => {
                    items = self.sort(items, receipts)?;
                    ("the server has no room".to_owned(), 0)
                }
                Err(Break::TooLarge(why)) => match items.len() {
                    1 => {
                        let line = items.pop().and_then(|item| item.line);
                        // A receipt names the code itself.
                        let message = why.strip_suffix(" (too_large)").unwrap_or(&why);
                        return self.note(&Receipt::refused(line, "too_large", message.to_owned()));
                    }
                    len => {
                        let second = items.split_off(len / 2);
                        self.publish(items)?;
                        return self.publish(second);
                    }
                },
                Err(Break::Lost { why, retry_ms }) => (why, retry_ms),
                Err(Break::Nobody(why)) if self.answered => (why, 0),
                Err(end @ (Break::Nobody(_) | Break::Final(_))) => {
                    return Err(end.into());
                }
            };
            if items.len() < before {
                attempts = 0;
                self.has_failed = false;
                self.backoff.reset();
            }
            if items.is_empty() {
                break;
            }
            attempts += 1;
            if attempts == ATTEMPTS_MAX {
                return Err(Failure(format!("given up after {attempts} attempts: {why}")));
            }
            // A server that has restarted answers again at once.
            let wait_ms = match core::mem::replace(&mut self.has_failed, true) {
                false => hint_ms,
                true => self.backoff.when_busy(hint_ms, self.entropy.bits()),
            };
            if !self.options.quiet {
                notice(format_args!("{why}; again in {}", span::words(wait_ms)));
            }
            std::thread::sleep(Duration::from_millis(wait_ms));
        }
        Ok(())
    }

    /// Makes one attempt to send items.
    fn send(&mut self, items: &[Item]) -> Result<Vec<Receipt>, Break> {
        let mut requests = match self.requests.take() {
            Some(requests) => requests,
            None => self.remote.requests()?,
        };
        let mut body = String::new();
        for item in items {
            body.push_str(&item.json);
            body.push('\n');
        }
        let json = body.as_bytes();
        let body = self.remote.post(&mut requests, "/v1/batch", json, &mut self.answered)?;
        self.requests = requests.is_reusable().then_some(requests);
        let results: Results = serde_json::from_slice(&body)
            .map_err(|error| Break::Final(format!("the server's answer is strange: {error}")))?;
        Ok(results.results)
    }

    /// Records the results of the items, and returns the items to send again.
    fn sort(&mut self, items: Vec<Item>, receipts: Vec<Receipt>) -> Result<Vec<Item>, Failure> {
        if receipts.len() != items.len() {
            return Err(Failure("the server's answer does not fit what was sent".into()));
        }
        let mut again = Vec::new();
        for (item, mut receipt) in items.into_iter().zip(receipts) {
            if receipt.may_pass() {
                again.push(item);
            } else {
                receipt.line = item.line;
                receipt.kind = if receipt.error.is_none() { "published" } else { "error" };
                self.note(&receipt)?;
            }
        }
        Ok(again)
    }

    /// Counts a receipt, and prints it if it is asked for.
    fn note(&mut self, receipt: &Receipt) -> Result<(), Failure> {
        match &receipt.error {
            None => {
                self.published += 1;
                self.duplicates += u64::from(receipt.duplicate == Some(true));
            }
            Some(problem) => {
                self.refused += 1;
                self.first_refusal.get_or_insert_with(|| match receipt.line {
                    Some(line) => format!("line {line}: {problem}"),
                    None => problem.to_string(),
                });
            }
        }
        if self.options.json
            && let Ok(line) = plain::json(receipt)
        {
            print::say(format_args!("{line}"))?;
        }
        Ok(())
    }

    fn conclude(self, done: Result<(), Failure>) -> Result<(), Failure> {
        let Self { published, duplicates, refused, .. } = self;
        let told = if self.options.json {
            Ok(())
        } else {
            let s = if published == 1 { "" } else { "s" };
            let known = match duplicates {
                0 => String::new(),
                known => format!(", {known} of them known already"),
            };
            print::say(format_args!("published {published} message{s}{known}"))
        };
        done.and(told)?;
        let Some(first) = self.first_refusal else { return Ok(()) };
        let total = published + refused;
        Err(Failure(match total {
            1 => format!("not published: {}", plain(&first)),
            _ => format!("{refused} of {total} messages were not published; {}", plain(&first)),
        }))
    }
}
