#![doc = include_str!("../README.md")]

mod connect;
mod endpoint;
mod events;
mod remote;
mod testee;

pub use connect::args::ConnectOptions;
pub use connect::run as connect;
pub use events::args::EventsOptions;
pub use events::run as events;
pub use remote::args::{PublishOptions, SubscribeOptions};
pub use remote::nodes::{NodesOptions, run as nodes};
pub use remote::publish::run as publish;
pub use remote::subscribe::run as subscribe;
pub use remote::ticket::{TicketOptions, run as ticket};
pub use testee::run as testee;
