//! The directory of the account and of the certificate.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sockeye_terminal::{Failure, OrFail as _};

use crate::config::AcmeConfig;
use crate::file::{self, Kind};

/// The extension of a file that is to replace another one.
const NEW: &str = "new";

/// The files of one server's orders. Nobody else reads them, and each is replaced as a whole.
pub(super) struct Store {
    dir: PathBuf,
    account: PathBuf,
    certificate: PathBuf,
    /// Locked as long as this lives, so that no other server orders here.
    _lock: File,
}

impl Store {
    /// The directory, which is made if it is not there. It is locked, and can be written to.
    pub(super) fn open(config: &AcmeConfig) -> Result<Self, Failure> {
        let dir = config.dir.clone();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.or_fail(|| format!("cannot make the directory {}", dir.display()))?;
        let lock = lock(&dir)?;
        let account = dir.join(config.account_file());
        let store = Self { dir, account, certificate: config.certificate(), _lock: lock };
        store.check()?;
        Ok(store)
    }

    /// Whether it is that of these settings.
    pub(super) fn is_of(&self, config: &AcmeConfig) -> bool {
        self.dir == config.dir && self.account == config.dir.join(config.account_file())
    }

    /// Makes sure that a certificate could be kept, before one is ordered. [acme:dir-writable]
    pub(super) fn check(&self) -> Result<(), Failure> {
        let new = self.certificate.with_extension(NEW);
        let made = create(&new).and_then(|_| fs::remove_file(&new));
        made.or_fail(|| format!("cannot write to the directory {}", self.dir.display()))
    }

    /// The account, if there is one.
    pub(super) fn account(&self) -> Result<Option<String>, Failure> {
        let cannot = || format!("cannot read {}", self.account.display());
        match file::read_text(&self.account, Kind::Regular) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.or_fail(cannot).map(Some),
        }
    }

    /// Keeps an account.
    pub(super) fn keep_account(&self, text: &str) -> Result<(), Failure> {
        replace(&self.account, text)
    }

    /// Forgets an account that the authority does not know.
    pub(super) fn forget_account(&self) -> Result<(), Failure> {
        let path = &self.account;
        fs::remove_file(path).or_fail(|| format!("cannot remove {}", path.display()))
    }

    /// Keeps a certificate with its chain and its key, in one file: they change together.
    pub(super) fn keep(&self, pem: &str) -> Result<(), Failure> {
        replace(&self.certificate, pem)
    }
}

/// Locks the directory against other servers, which would order and answer in each other's way. [acme:dir-lock]
fn lock(dir: &Path) -> Result<File, Failure> {
    let path = dir.join("lock");
    let cannot = || format!("cannot lock {}", path.display());
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.or_fail(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let why = "another server orders its certificates there: give each a `dir` of its own";
            Err(Failure(format!("[tls.acme] dir {}: {why}", dir.display())))
        }
        Err(TryLockError::Error(error)) => Err(error).or_fail(cannot),
    }
}

/// Makes a file that its owner alone may read, in place of one that a crash has left.
fn create(path: &Path) -> io::Result<File> {
    let _ = fs::remove_file(path);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Replaces a file as a whole, readable for its owner only.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension(NEW);
    let cannot = || format!("cannot write {}", path.display());
    let mut file = create(&new).or_fail(cannot)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).or_fail(cannot)?;
    fs::rename(&new, path).or_fail(cannot)?;
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).or_fail(cannot)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::Store;
    use crate::config::AcmeConfig;

    /// A directory of a test's own, which goes with it.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn config(dir: &Path, directory: &str) -> AcmeConfig {
        let dir = dir.display();
        let text =
            format!("directory = \"{directory}\"\nnames = [\"a.example\"]\ndir = \"{dir}\"\n");
        toml::from_str(&text).unwrap()
    }

    /// [acme:dir-lock]
    #[test]
    fn one_server_owns_a_directory() {
        let dir = Directory::new("acme-lock");
        let config = config(&dir.0, "https://ca.test/dir");
        let first = Store::open(&config).unwrap();
        let refused = Store::open(&config).err().unwrap().to_string();
        assert!(refused.contains("another server orders its certificates there"), "{refused}");
        drop(first);
        Store::open(&config).unwrap();
    }

    /// [acme:account-of-directory]
    #[test]
    fn each_authority_has_its_account() {
        let dir = Directory::new("acme-account");
        let [one, other] = ["https://ca.test/dir", "https://ca.test/other"]
            .map(|directory| config(&dir.0, directory));
        let store = Store::open(&one).unwrap();
        store.keep_account("one").unwrap();
        assert!(store.is_of(&one) && !store.is_of(&other));
        drop(store);
        let store = Store::open(&other).unwrap();
        assert_eq!(store.account().unwrap(), None);
        store.keep_account("other").unwrap();
        drop(store);
        let store = Store::open(&one).unwrap();
        assert_eq!(store.account().unwrap().as_deref(), Some("one"));
        store.forget_account().unwrap();
        drop(store);
        let store = Store::open(&other).unwrap();
        assert_eq!(store.account().unwrap().as_deref(), Some("other"));
    }

    /// [acme:dir-writable]
    #[test]
    fn a_directory_that_takes_no_file_is_noticed_beforehand() {
        let dir = Directory::new("acme-writable");
        let config = config(&dir.0, "https://ca.test/dir");
        let store = Store::open(&config).unwrap();
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1, "the lock alone");
        // The tests may run as root, who may write anywhere.
        fs::create_dir(dir.0.join("certificate.new")).unwrap();
        let told = store.check().unwrap_err().to_string();
        assert!(told.starts_with("cannot write to the directory"), "{told}");
        drop(store);
        assert!(Store::open(&config).is_err());
    }
}
