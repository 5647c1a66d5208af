//! The directory of the account and of the certificate.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sockeye_terminal::{Failure, OrFail as _};

use crate::config::AcmeConfig;

/// Largest file of an account.
const ACCOUNT_BYTES_MAX: u64 = 64 << 10;

/// The files of one server's orders. Nobody else reads them, and each is replaced as a whole.
pub(super) struct Store {
    dir: PathBuf,
    certificate: PathBuf,
}

impl Store {
    /// The directory, which is made if it is not there.
    pub(super) fn open(config: &AcmeConfig) -> Result<Self, Failure> {
        let dir = config.dir.clone();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.or_fail(|| format!("cannot make the directory {}", dir.display()))?;
        Ok(Self { dir, certificate: config.certificate() })
    }

    fn account_file(&self) -> PathBuf {
        self.dir.join("account.json")
    }

    /// The account, if there is one.
    pub(super) fn account(&self) -> Result<Option<String>, Failure> {
        let path = self.account_file();
        let cannot = || format!("cannot read {}", path.display());
        match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Ok(about) if about.is_file() && about.len() <= ACCOUNT_BYTES_MAX => {}
            Ok(_) => return Err(Failure(format!("{}: it is no file of an account", cannot()))),
            Err(error) => return Err(error).or_fail(cannot),
        }
        fs::read_to_string(&path).or_fail(cannot).map(Some)
    }

    /// Keeps an account.
    pub(super) fn keep_account(&self, text: &str) -> Result<(), Failure> {
        replace(&self.account_file(), text)
    }

    /// Forgets an account that the authority does not know.
    pub(super) fn forget_account(&self) -> Result<(), Failure> {
        let path = self.account_file();
        fs::remove_file(&path).or_fail(|| format!("cannot remove {}", path.display()))
    }

    /// Keeps a certificate with its chain and its key, in one file: they change together.
    pub(super) fn keep(&self, pem: &str) -> Result<(), Failure> {
        replace(&self.certificate, pem)
    }
}

/// Replaces a file as a whole, readable for its owner only.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension("new");
    let cannot = || format!("cannot write {}", path.display());
    // One that a crash has left.
    let _ = fs::remove_file(&new);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let mut file = file.or_fail(cannot)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).or_fail(cannot)?;
    fs::rename(&new, path).or_fail(cannot)?;
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).or_fail(cannot)
}
