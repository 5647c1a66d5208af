//! Several machines of one process, which share connections of HTTP/2.
//!
//! ```text
//!  machines (members)      lines                        sockets
//!  ┌────────────┐  lane   ┌────────────────────┐
//!  │ machine 0  │────────►│ Multiplex: HTTP/2  │◄─────► connection 0
//!  │ machine 1  │────────►│                    │
//!  └────────────┘         └────────────────────┘
//!  ┌────────────┐         ┌────────────────────┐
//!  │ machine 2  │────────►│ HTTP/1.1           │◄─────► connection 1
//!  └────────────┘         └────────────────────┘
//!   FleetMachine: no I/O, tells what to do by an `Order`   Fleet: owns the sockets
//! ```

mod carrier;
mod connections;
mod line;
mod machine;
mod member;
mod network;
mod origin;

pub use self::connections::{ConnectionId, Order, Protocol};
pub use self::machine::{FleetMachine, Told};
pub use self::member::MemberId;
pub use self::network::Fleet;

#[cfg(test)]
mod tests;
