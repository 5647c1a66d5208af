//! Which certificates a load over TLS takes.

use std::path::Path;

use sockeye_client::Network;
use sockeye_terminal::{Failure, OrFail};
use sockeye_tls::{Authorities, Connector};

/// Whose certificates are taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trust<'p> {
    /// Those of the authorities that the system trusts.
    System,
    /// Those of the authorities in a PEM file.
    Authorities(&'p Path),
    /// Any.
    Anybody,
}

impl Trust<'_> {
    /// Makes the beginning of TLS. Each handshake is a whole one, so that connections cost a server the same.
    pub(super) fn connector(self) -> Result<Connector, Failure> {
        let connector = match self {
            Trust::System => {
                let config = Network::default().tls_config();
                Connector::new(config.or_fail(|| "there can be no TLS".into())?)
            }
            Trust::Authorities(path) => {
                let name = || format!("--cacert {}", path.display());
                let pem = std::fs::read(path).or_fail(name)?;
                Connector::trusting(&Authorities::from_pem(&pem).or_fail(name)?)
            }
            Trust::Anybody => Connector::without_verification(),
        };
        Ok(connector.without_resumption())
    }
}
