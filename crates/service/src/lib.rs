#![doc = include_str!("../README.md")]

mod dialect;
mod engine;
pub mod sequencing;
mod service;
pub mod wire;

pub use dialect::notices::RefusedCredential;
pub use engine::access::{Access, Entropy, Guard};
pub use engine::limits::Limits;
pub use engine::namespaces::{Namespaces, Publishers, Readers, Rules};
pub use engine::reload::Reloaded;
pub use engine::shared_state::SharedState;
pub use sequencing::{Health, Log, LogState, Record};
use service::Pending;
pub use service::{Holdings, PendingStream, Service};
