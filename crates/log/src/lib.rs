#![doc = include_str!("../README.md")]

mod book;
mod checksum;
mod error;
mod limits;
mod load;
mod mark;
mod open;
mod policy;
mod queue;
mod record;
mod rows;
mod schema;
mod store;
mod table;
mod upgrade;
mod writer;

pub use book::{SpaceUse, Totals};
pub use error::{Damage, Error};
pub use limits::Limits;
pub use open::{Recovered, Start};
pub use policy::{Policy, Rule, WhenFull};
pub use record::Record;
pub use rows::Run;
pub use store::{Channel, Key, Options, Store};
pub use writer::{Counts, Outcome, Refused, Writer};
