#![doc = include_str!("../README.md")]

mod net;
mod pipe;
mod random;

pub use net::{Faults, Peer, SimNet, SimSocket, World};
pub use random::Random;
