//! When files are read again.

use std::fs;
use std::path::PathBuf;

use super::TlsReloader;
use crate::cert;
use crate::config::{CertificateConfig, TlsConfig};

/// A directory with a certificate and its key, gone with the value.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("sockeye-tls-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory");
        let files = Self(dir);
        files.renew(&["localhost"]);
        files
    }

    /// Writes a new certificate. Its names change the length of the file.
    fn renew(&self, names: &[&str]) {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let made = cert::make(&names).expect("a certificate");
        fs::write(self.0.join("cert.pem"), made.cert).expect("our directory");
        fs::write(self.0.join("key.pem"), made.key).expect("our directory");
    }

    fn config(&self) -> TlsConfig {
        let certificate =
            CertificateConfig { cert: self.0.join("cert.pem"), key: self.0.join("key.pem") };
        TlsConfig { certificates: vec![certificate], ..TlsConfig::default() }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// [tls:reload]
#[test]
fn a_reload_that_fails_elsewhere_hides_no_certificate() {
    let files = Files::new("elsewhere");
    let config = files.config();
    let mut reloader = TlsReloader::start(&config).expect("good files");
    files.renew(&["localhost", "another.name.example"]);
    let loaded = reloader.prepare(&config).expect("good files");
    // Another part of the configuration is bad, so nothing is applied.
    drop(loaded);
    assert_eq!(reloader.tls.state.reloads(), (0, 0));
    reloader.look(false);
    assert_eq!(reloader.tls.state.reloads(), (1, 0));
    reloader.look(false);
    assert_eq!(reloader.tls.state.reloads(), (1, 0), "the files are as they were");
}

/// [tls:reload]
#[test]
fn bad_files_are_tried_once() {
    let files = Files::new("bad");
    let config = files.config();
    let mut reloader = TlsReloader::start(&config).expect("good files");
    fs::write(files.0.join("key.pem"), "no key").expect("our directory");
    for _ in 0..3 {
        reloader.look(false);
        assert_eq!(reloader.tls.state.reloads(), (0, 1));
    }
    files.renew(&["localhost"]);
    reloader.look(false);
    assert_eq!(reloader.tls.state.reloads(), (1, 1));
}
