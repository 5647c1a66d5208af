#![doc = include_str!("../README.md")]

mod net;
mod pipe;
mod random;
mod seeds;

pub use net::{Faults, Peer, SimNet, SimSocket, World};
pub use random::Random;
pub use seeds::each_seed;
