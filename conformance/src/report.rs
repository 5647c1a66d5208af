//! The output: a line for each case, a summary, or JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::case::{Case, Level, Miss};
use crate::runner::Finding;
use crate::target::Target;

/// How many cases came out how.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    pub(crate) fn of(findings: &[Finding<'_>]) -> Self {
        let mut tally = Self::default();
        findings.iter().for_each(|finding| tally.count(finding));
        tally
    }

    fn count(&mut self, finding: &Finding<'_>) {
        match finding.outcome {
            Ok(()) => self.passed += 1,
            Err(Miss::Failed { .. }) => self.failed += 1,
            Err(Miss::Skipped(_)) => self.skipped += 1,
        }
    }
}

/// Prints the table of contents.
pub(crate) fn list(cases: &[Case], as_json: bool) {
    if as_json {
        let cases: Vec<Value> = cases.iter().map(entry).collect();
        println!("{}", json!({ "cases": cases }));
        return;
    }
    for case in cases {
        let Case { id, section, title, level, .. } = case;
        println!("{id:<44} {:<6} {section:<22} {title}", level.name());
    }
    println!("{} cases", cases.len());
}

/// Prints the verdict of one case.
pub(crate) fn line(finding: &Finding<'_>) {
    let Case { id, section, title, level, .. } = finding.case;
    let verdict = match finding.outcome {
        Ok(()) => "pass",
        Err(Miss::Failed { .. }) => "FAIL",
        Err(Miss::Skipped(_)) => "skip",
    };
    println!("{verdict}  {id:<44} {:<6} {section:<22} {title}", level.name());
    match &finding.outcome {
        Ok(()) => {}
        Err(Miss::Skipped(why)) => println!("      {why}"),
        Err(Miss::Failed { expected, seen }) => {
            println!("      expected: {expected}");
            println!("      seen:     {seen}");
            if let Level::Policy(reason) = level {
                println!("      policy:   {reason}");
            }
        }
    }
}

/// Prints the counts by group and level, and the closing line.
pub(crate) fn summary(findings: &[Finding<'_>], tally: &Tally) {
    let mut groups: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    for finding in findings {
        let key = (finding.case.group(), finding.case.level.name());
        groups.entry(key).or_default().count(finding);
    }
    println!();
    for ((group, level), Tally { passed, failed, skipped }) in groups {
        println!(
            "{group:<12} {level:<6} {passed:>4} passed {failed:>4} failed {skipped:>4} skipped"
        );
    }
    let skipped = match tally.skipped {
        0 => String::new(),
        count => format!(", {count} skipped"),
    };
    println!("\nstrict: {} passed, {} failed{skipped}", tally.passed, tally.failed);
}

/// Prints everything as one JSON object.
pub(crate) fn json(target: &Target, findings: &[Finding<'_>], tally: &Tally) {
    let cases: Vec<Value> = findings.iter().map(verdict).collect();
    let totals = json!({
        "passed": tally.passed, "failed": tally.failed, "skipped": tally.skipped,
    });
    let url = format!("ws://{}{}", target.echo.authority(), target.echo.target);
    println!("{}", json!({ "url": url, "totals": totals, "cases": cases }));
}

fn entry(case: &Case) -> Value {
    json!({
        "id": case.id, "section": case.section, "title": case.title,
        "level": case.level.name(), "reason": case.level.reason(),
    })
}

fn verdict(finding: &Finding<'_>) -> Value {
    let mut entry = entry(finding.case);
    entry["seconds"] = json!((finding.seconds * 1000.0).round() / 1000.0);
    match &finding.outcome {
        Ok(()) => entry["verdict"] = json!("pass"),
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
