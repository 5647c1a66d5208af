//! What operators do to a running server and see of it: logs, SIGHUP, readiness.

mod check;
mod clocks;
mod history;
mod logs;
pub(crate) mod place;
mod readiness;
mod reload;
mod starts;
