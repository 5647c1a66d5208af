//! Passwords for servers outside of this program, of files or the environment, and the authorities that vouch for those
//! servers.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use sockeye_terminal::{Failure, OrFail as _};

use crate::file::{self, Kind};

/// The password of `password_file`, or that of a variable of the environment.
pub(crate) fn password(
    password_file: Option<&Path>,
    variable: &str,
) -> Result<Option<String>, Failure> {
    match password_file {
        Some(file) => secret(file, "password_file").map(Some),
        None => Ok(variable_text(variable)),
    }
}

/// The text of a variable of the environment, unless it is empty.
pub(crate) fn variable_text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// How TLS begins, and whom it trusts: the authorities of `ca_file`.
pub(crate) fn trusting(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let why = "url: TLS needs a ca_file, the authorities that vouch for the server in PEM";
    crate::acme::trusting(ca_file.ok_or_else(|| Failure(why.into()))?)
}

/// A secret without the end of its line.
pub(crate) fn secret(path: &Path, key: &str) -> Result<String, Failure> {
    let text = file::read_text(path, Kind::Regular);
    let text = text.or_fail(|| format!("{key} {}", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    match text.is_empty() {
        true => Err(Failure(format!("{key} {}: it is empty", path.display()))),
        false => Ok(text.to_owned()),
    }
}
