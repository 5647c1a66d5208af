//! Our dialect: `/v1` over HTTP, commands of `sockeye.v1.json`, event streams and polls.

mod caching;
mod compression;
mod cors;
pub(crate) mod counters;
mod credentials;
mod events;
mod exposition;
pub(crate) mod held;
pub(crate) mod history;
mod members;
pub(crate) mod metrics;
mod nodes;
pub(crate) mod notices;
pub(crate) mod openings;
pub(crate) mod outlet;
mod polls;
mod position;
pub(crate) mod publishing;
mod recipient;
pub(crate) mod redemptions;
mod refusals;
pub(crate) mod reply;
mod requests;
pub(crate) mod routes;
mod sockets;
pub(crate) mod surveys;
mod tasks;
mod tickets;
pub(crate) mod turned_away;
pub(crate) mod users;

pub(crate) use self::cors::{add as add_cors, headers as cors_headers};
