//! Turns counting on and off.
//!
//! The program that counts (callgrind) sees functions come and go. At each call and each return of
//! one of the two `switch_` functions it changes its mind on whether it counts: so [`counted`] counts,
//! and [`aside`] within it does not.

use std::cell::Cell;
use std::hint::black_box;

/// The functions at which counting is switched, as callgrind's patterns name them.
pub(crate) const SWITCHES: &str = "*sockeye_instructions::counting::switch_*";

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}

/// Counts the instructions of `work`.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> T {
    let nested = COUNTS.replace(true);
    assert!(!nested, "what is counted is counted once");
    let result = through(switch_on, work);
    COUNTS.set(false);
    result
}

/// Leaves out the instructions of `work`, also inside counted work.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    if COUNTS.get() { through(switch_off, work) } else { work() }
}

#[inline(always)]
fn through<T>(switch: fn(&mut dyn FnMut()), work: impl FnOnce() -> T) -> T {
    let (mut work, mut result) = (Some(work), None);
    switch(&mut || result = work.take().map(|work| work()));
    result.expect("the function was called once")
}

// Two functions, as callgrind switches at the first of nested calls of one only; not generic, and not
// alike, so that they are not folded into one; and with something behind the call, so that it is
// no jump: callgrind has to see the return.

#[inline(never)]
fn switch_on(work: &mut dyn FnMut()) {
    work();
    black_box(1);
}

#[inline(never)]
fn switch_off(work: &mut dyn FnMut()) {
    work();
    black_box(2);
}
