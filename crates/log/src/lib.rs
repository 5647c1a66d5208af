#![doc = include_str!("../README.md")]

mod book;
mod checksum;
mod control;
mod error;
mod import;
mod inspect;
mod limits;
mod load;
mod mark;
mod open;
mod policy;
mod queue;
mod reader;
mod record;
mod rows;
mod schema;
mod store;
mod table;
mod transfer;
mod upgrade;
mod writer;

pub use book::{SpaceUse, Totals};
pub use control::Control;
pub use error::{Damage, Error};
pub use import::Import;
pub use inspect::{Copied, Inspector, Stat, Verdict};
pub use limits::Limits;
pub use open::{Recovered, Start};
pub use policy::{Policy, Rule, WhenFull};
pub use reader::{Busy, Entry, Page, Query, Range, Reader, Readers, Target};
pub use record::Record;
pub use rows::Run;
pub use store::{Channel, Key, Options, Store};
pub use transfer::{ChannelState, End, KeyState, Part};
pub use writer::{Counts, Outcome, Refused, Writer};
