//! Faults of real servers, and the answers that an engine owes to them.
//!
//! Each check has servers of its own. It panics if it fails.

mod copies;
mod life;
mod links;
mod login;
mod nodes;
mod settings;

pub(crate) use self::login::{Certificates, trusting};
pub(crate) use self::nodes::assert_no_gap;
pub(crate) use self::settings::refusal;

/// A check: its name, and what it does.
pub(crate) type Check = (&'static str, fn());

/// All of them.
pub(crate) fn all() -> Vec<Check> {
    [links::CHECKS, life::CHECKS, copies::CHECKS, settings::CHECKS, login::CHECKS, nodes::CHECKS]
        .concat()
}
