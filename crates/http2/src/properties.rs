//! Properties of every input. Tests, fuzz targets and corpus replay call them. Each function panics on
//! a violation.

// These are tests that live in `src` so that others can call them.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod conversation;
mod frames;
pub mod fuzz;
mod script;
mod two_ends;
mod windows;

pub use conversation::{Outcome, converse, limits_hold, split_changes_nothing};
pub use frames::{frame_from_script, frame_is_itself};
pub use script::wire_from_script;
pub use two_ends::two_ends_agree;
