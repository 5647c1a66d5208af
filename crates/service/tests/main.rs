//! The tests of this crate, as one program: each file is a module.

mod access;
mod answers;
mod archive;
mod backbone;
mod below_the_api;
mod bills;
mod bursts;
mod caching;
mod clocks;
mod commands;
mod common;
mod compression;
mod controls;
mod corpus;
mod cors;
mod counted;
mod drain;
mod expiry;
mod fairness;
mod fan_out;
#[path = "../../server/tests/simulation/gunzip.rs"]
mod gunzip;
mod half_close;
mod held_requests;
mod keys;
mod limits;
mod log;
mod lost_entries;
mod metrics;
mod presence;
mod presence_turns;
mod properties;
mod protocol;
mod refusals;
mod reload;
mod reload_steps;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod requests;
mod restored;
mod rights;
mod simulation;
mod slow_readers;
mod tasks;
mod transports;
mod turns;
