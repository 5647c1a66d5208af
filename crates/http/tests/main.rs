//! The tests of this crate, as one program: each file is a module.

mod dates;
mod debug_shows_no_payload;
mod header_fields;
mod header_lookup;
mod properties;
mod query_pairs;
mod targets;
