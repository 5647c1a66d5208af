#![doc = include_str!("../README.md")]

pub mod engine;
pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use engine::{
    Capabilities, Engine, Event, Full, Kept, LogEnds, Position, Rejection, State, Trimming,
    Trouble, TroubleKind, Wake,
};
