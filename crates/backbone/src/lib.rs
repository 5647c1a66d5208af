#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "node")]
mod digest;
pub mod driver;
pub mod engine;
#[cfg(feature = "node")]
pub mod entry;
pub mod memory;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "suite")]
pub mod suite;

pub use engine::{
    Capabilities, Engine, Event, Full, Kept, LogEnds, Position, Rejection, State, Trimming,
    Trouble, TroubleKind, Wake,
};
