//! The tests of this crate, as one program: each file is a module.

mod archive;
mod bursts;
mod eviction;
mod model;
mod presence_nodes;
mod properties;
mod quotas;
mod reach;
mod reconfigure;
mod resume;
mod search;
mod sequencer;
mod shares;
mod slow_reader;
mod support;
