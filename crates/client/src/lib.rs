#![doc = include_str!("../README.md")]

mod blocking;
mod driver;
mod entropy;
mod error;
mod exchange;
mod limits;
mod link;
mod machine;
mod url;

pub use blocking::Blocking;
pub use driver::Driver;
pub use entropy::Entropy;
pub use error::{Deadline, Error, Refusal, TlsError, UsageError};
pub use limits::Limits;
pub use machine::Machine;
pub use url::{Peer, Scheme, Url};
