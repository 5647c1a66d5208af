#![doc = include_str!("../README.md")]

mod certificates;
mod dialect;
pub mod engine;
mod inlet;
mod payload;
pub mod sequencing;
mod service;
mod shared_state;
pub mod wire;

pub use certificates::{CertificateState, CertificateTimes, OrderOutcome};
pub use dialect::notices::RefusedCredential;
pub use engine::access::{Access, Entropy, Guard};
pub use engine::limits::{CompressedAnswers, Compression, Limits};
pub use engine::namespaces::{Namespaces, Publishers, Readers, Rules};
pub use engine::reload::Reloaded;
pub use inlet::{Inlet, InletAnswer, Publisher, SourceStanding, SourceState};
pub use sequencing::{Health, Log, LogState, NoRoom, Record};
use service::Pending;
pub use service::{Holdings, PendingStream, Service};
pub use shared_state::SharedState;
