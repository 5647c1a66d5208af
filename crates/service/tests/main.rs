//! The tests of this crate, as one program: each file is a module.

mod access;
mod answers;
mod archive;
mod backbone;
mod below_the_api;
mod caching;
mod clocks;
mod commands;
mod common;
mod controls;
mod corpus;
mod cors;
mod drain;
mod expiry;
mod fairness;
mod fan_out;
mod half_close;
mod keys;
mod limits;
mod log;
mod lost_entries;
mod metrics;
mod presence;
mod properties;
mod protocol;
mod refusals;
mod reload;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod requests;
mod restored;
mod rights;
mod simulation;
mod slow_readers;
mod transports;
mod turns;
