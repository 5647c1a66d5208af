//! The output as text: a line for each case, a summary, or JSON.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::runner::Finding;
use crate::{Case, Miss};

/// How many cases came out how.
#[derive(Default)]
pub struct Tally {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that do not apply.
    pub skipped: usize,
}

impl Tally {
    /// Counts findings.
    #[must_use]
    pub fn of<T>(findings: &[Finding<'_, T>]) -> Self {
        let mut tally = Self::default();
        findings.iter().for_each(|finding| tally.count(finding));
        tally
    }

    fn count<T>(&mut self, finding: &Finding<'_, T>) {
        match finding.outcome {
            Ok(_) => self.passed += 1,
            Err(Miss::Failed { .. }) => self.failed += 1,
            Err(Miss::Skipped(_)) => self.skipped += 1,
        }
    }
}

/// The table of contents.
#[must_use]
pub fn list<T>(cases: &[Case<T>], as_json: bool) -> String {
    if as_json {
        let cases: Vec<Value> = cases.iter().map(entry).collect();
        return json!({ "cases": cases }).to_string();
    }
    let mut text = String::new();
    for case in cases {
        let Case { id, section, title, level, .. } = case;
        let _ = writeln!(text, "{id:<44} {:<6} {section:<22} {title}", level.name());
    }
    let _ = write!(text, "{} cases", cases.len());
    text
}

/// The verdict of one case.
#[must_use]
pub fn line<T>(finding: &Finding<'_, T>) -> String {
    let Case { id, section, title, level, sends, .. } = finding.case;
    let (verdict, remarks) = match &finding.outcome {
        Ok(seen) => ("pass", vec![("seen:     ", seen.as_str())]),
        Err(Miss::Skipped(why)) => ("skip", vec![("", why.as_str())]),
        Err(Miss::Failed { expected, seen }) => {
            let reason = level.reason().unwrap_or_default();
            let remarks = [
                ("sent:     ", sends.as_str()),
                ("expected: ", expected),
                ("seen:     ", seen),
                ("policy:   ", reason),
            ];
            ("FAIL", remarks.to_vec())
        }
    };
    let mut text = format!("{verdict}  {id:<44} {:<6} {section:<22} {title}", level.name());
    for (name, remark) in remarks.into_iter().filter(|(_, remark)| !remark.is_empty()) {
        let _ = write!(text, "\n      {name}{remark}");
    }
    text
}

/// The counts by group and level, and the closing line.
#[must_use]
pub fn summary<T>(suite: &str, findings: &[Finding<'_, T>], tally: &Tally) -> String {
    let mut groups: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    for finding in findings {
        let key = (finding.case.group(), finding.case.level.name());
        groups.entry(key).or_default().count(finding);
    }
    let mut text = String::from("\n");
    for ((group, level), Tally { passed, failed, skipped }) in groups {
        let _ = writeln!(
            text,
            "{group:<12} {level:<6} {passed:>4} passed {failed:>4} failed {skipped:>4} skipped"
        );
    }
    let skipped = match tally.skipped {
        0 => String::new(),
        count => format!(", {count} skipped"),
    };
    let _ = write!(text, "\n{suite}: {} passed, {} failed{skipped}", tally.passed, tally.failed);
    text
}

/// Everything as one JSON object.
#[must_use]
pub fn json<T>(url: &str, findings: &[Finding<'_, T>], tally: &Tally) -> String {
    let cases: Vec<Value> = findings.iter().map(verdict).collect();
    let totals = json!({
        "passed": tally.passed, "failed": tally.failed, "skipped": tally.skipped,
    });
    json!({ "url": url, "totals": totals, "cases": cases }).to_string()
}

fn entry<T>(case: &Case<T>) -> Value {
    let mut entry = json!({
        "id": case.id, "section": case.section, "title": case.title,
        "level": case.level.name(), "reason": case.level.reason(),
    });
    if !case.sends.is_empty() {
        entry["sends"] = json!(case.sends);
    }
    entry
}

fn verdict<T>(finding: &Finding<'_, T>) -> Value {
    let mut entry = entry(finding.case);
    entry["seconds"] = json!((finding.seconds * 1000.0).round() / 1000.0);
    match &finding.outcome {
        Ok(seen) => {
            entry["verdict"] = json!("pass");
            if !seen.is_empty() {
                entry["seen"] = json!(seen);
            }
        }
        Err(Miss::Skipped(why)) => {
            entry["verdict"] = json!("skip");
            entry["seen"] = json!(why);
        }
        Err(Miss::Failed { expected, seen }) => {
            entry["verdict"] = json!("fail");
            entry["expected"] = json!(expected);
            entry["seen"] = json!(seen);
        }
    }
    entry
}
