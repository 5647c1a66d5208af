//! Properties of every input. Tests, fuzz targets and corpus replay call them. Each function panics on
//! a violation.

// These are tests that live in `src` so that others can call them.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod frames;
pub mod fuzz;

pub use frames::{frame_from_script, frame_is_itself};
