#![doc = include_str!("../README.md")]

mod error;
mod limits;
mod mark;
mod open;
mod queue;
mod record;
mod store;
mod table;
mod writer;

pub use error::{Damage, Error};
pub use limits::Limits;
pub use open::{Recovered, Start};
pub use record::Record;
pub use store::Store;
pub use writer::{Counts, Outcome, Refused, Writer};
