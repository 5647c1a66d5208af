//! Runs cases: most of them several at a time, the loads one by one.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::{Case, Miss, Pace, Seen};

/// A case and what came of it.
pub struct Finding<'c, T> {
    /// The case.
    pub case: &'c Case<T>,
    /// Its result.
    pub outcome: Seen,
    /// The time that it took.
    pub seconds: f64,
}

/// Runs all cases and calls `seen` as each is done; gives the findings in the order of the cases.
pub fn run<'c, T: Sync>(
    cases: &'c [Case<T>],
    target: &T,
    jobs: usize,
    mut seen: impl FnMut(&Finding<'c, T>),
) -> Vec<Finding<'c, T>> {
    let of = |wanted: fn(Pace) -> bool| -> Vec<(usize, &Case<T>)> {
        cases.iter().enumerate().filter(|(_, case)| wanted(case.pace)).collect()
    };
    let mut found = Vec::new();
    batch(&of(|pace| pace != Pace::Alone), target, jobs, &mut seen, &mut found);
    batch(&of(|pace| pace == Pace::Alone), target, 1, &mut seen, &mut found);
    found.sort_by_key(|&(place, _)| place);
    found.into_iter().map(|(_, finding)| finding).collect()
}

fn batch<'c, T: Sync>(
    cases: &[(usize, &'c Case<T>)],
    target: &T,
    jobs: usize,
    seen: &mut impl FnMut(&Finding<'c, T>),
    found: &mut Vec<(usize, Finding<'c, T>)>,
) {
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(cases.len()) {
            let (next, send) = (&next, send.clone());
            scope.spawn(move || {
                while let Some(&(place, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if send.send((place, examine(case, target))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (place, finding) in receive {
            seen(&finding);
            found.push((place, finding));
        }
    });
}

fn examine<'c, T>(case: &'c Case<T>, target: &T) -> Finding<'c, T> {
    let begun = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| case.run(target)));
    let outcome = outcome.unwrap_or_else(|_| {
        Err(Miss::Failed {
            expected: "a verdict".to_owned(),
            seen: "a bug in the suite".to_owned(),
        })
    });
    Finding { case, outcome, seconds: begun.elapsed().as_secs_f64() }
}
