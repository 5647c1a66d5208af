#![doc = include_str!("../README.md")]

mod acceptor;
mod certificate;
mod challenges;
mod connector;
mod error;
mod hosts;
mod key;
mod net;
mod resolver;
mod socket;
mod x509;

#[doc(hidden)]
#[cfg(feature = "properties")]
pub mod properties;

pub use acceptor::{Acceptor, AcceptorOptions, Authorities, Protocol, SharedAcceptor, Tickets};
pub use certificate::Certificate;
pub use challenges::Challenges;
pub use connector::Connector;
pub use error::{CertificateError, ClientError, ConnectError};
pub use net::TlsNet;
pub use socket::TlsSocket;
pub use sockeye_reactor::HandshakeError;
