//! The rules of an event source, on its machine: a clock that the test moves, no network.

mod answers;
mod liveness;
mod reconnect;
mod redirects;
mod request;
pub(crate) mod rig;
mod streams;
mod wpt;
