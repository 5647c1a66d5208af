//! The results for people: a line a file, a line a folder, and the verdict.

use std::collections::BTreeMap;

use crate::runner::{Record, Runner};

/// The pages of one file, or of one folder, taken together.
#[derive(Default)]
struct Sum {
    pages: usize,
    passed: usize,
    total: usize,
    known: usize,
    failed: usize,
    unsteady: usize,
}

impl Sum {
    fn add(&mut self, record: &Record) {
        let known = record.failures.iter().filter(|failure| failure.reason.is_some()).count();
        self.pages += 1;
        self.passed += record.passed;
        self.total += record.total;
        self.known += known;
        self.failed += record.failures.len() - known;
        self.unsteady += usize::from(record.unsteady);
    }

    fn status(&self) -> &'static str {
        match (self.failed, self.known) {
            (0, 0) => "ok",
            (0, _) => "known",
            _ => "FAILED",
        }
    }
}

/// Prints a line for each file and one for each folder.
pub(crate) fn print(runner: &Runner) {
    println!();
    for (file, sum) in sums(runner, |file| file) {
        println!("{:<6} {:>3} of {:<3} {file}", sum.status(), sum.passed, sum.total);
    }
    println!();
    for (folder, sum) in sums(runner, folder_of) {
        println!(
            "{folder}: {} of {} subtests pass on {} pages; {} known, {} failed, {} unsteady",
            sum.passed, sum.total, sum.pages, sum.known, sum.failed, sum.unsteady
        );
    }
}

/// Prints the closing line, and says whether all is well.
pub(crate) fn verdict(runner: &Runner, is_whole: bool) -> bool {
    let folders = sums(runner, folder_of);
    let passed: usize = folders.values().map(|sum| sum.passed).sum();
    let mut failed: usize = folders.values().map(|sum| sum.failed).sum();
    for required in runner.expectations.required.iter().filter(|_| is_whole) {
        let seen = folders.get(&*required.folder).map_or(0, |sum| sum.passed);
        if seen < required.passed {
            println!("FAILED  {}: {seen} pass, {} have to", required.folder, required.passed);
            failed += 1;
        }
    }
    println!("wpt: {passed} passed, {failed} failed");
    failed == 0 && passed > 0
}

fn folder_of(file: &str) -> &str {
    file.split_once('/').map_or("own", |(folder, _)| folder)
}

fn sums<'r>(runner: &'r Runner, name: impl Fn(&'r str) -> &'r str) -> BTreeMap<&'r str, Sum> {
    let mut sums: BTreeMap<_, Sum> = BTreeMap::new();
    for page in &runner.pages {
        if let Some(record) = runner.records.get(&page.url) {
            sums.entry(name(&page.file)).or_default().add(record);
        }
    }
    sums
}
