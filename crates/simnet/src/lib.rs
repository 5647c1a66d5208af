#![doc = include_str!("../README.md")]

mod net;
mod pipe;
mod random;
mod record;
mod sealed;
mod seeds;

pub use net::{Faults, Peer, SimNet, SimSocket, World};
pub use random::Random;
pub use sealed::{REFUSAL, SealedNet, SealedSocket};
pub use seeds::each_seed;
