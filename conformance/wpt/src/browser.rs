//! The browser: found, started, and ended with everything it left behind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::site::{HOST, OTHER_HOST, Site};
use crate::trouble::Trouble;

/// Binaries, not scripts: what a script starts outlives it.
const PLACES: [&str; 3] = [
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium/chromium-headless-shell",
    "/opt/google/chrome/chrome",
];

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-popup-blocking",
    "--no-first-run",
    "--mute-audio",
];

/// A browser that ends with this value.
pub(crate) struct Browser {
    process: Child,
    profile: PathBuf,
}

/// Starts the browser on the runner's page. Every name that it may look up is this machine.
pub(crate) fn start(binary: Option<&Path>, site: &Site) -> Result<Browser, Trouble> {
    let found = PLACES.iter().map(Path::new).find(|place| place.is_file());
    let binary = binary.or(found).ok_or("no Chromium: name its binary with --chromium")?;
    let profile = std::env::temp_dir().join(format!("sockeye-wpt-{}", std::process::id()));
    let rules =
        [HOST, OTHER_HOST].map(|host| format!("MAP {host} 127.0.0.1, MAP *.{host} 127.0.0.1"));
    let process = Command::new(binary)
        .args(FLAGS)
        .arg(format!("--host-resolver-rules={}, MAP * ~NOTFOUND", rules.join(", ")))
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("{}/runner/", site.origin()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    Ok(Browser { process, profile })
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its helpers need a moment to notice that it is gone, and may write until then.
        for _ in 0..50 {
            let _ = std::fs::remove_dir_all(&self.profile);
            if !self.profile.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!("wpt: {} stays behind", self.profile.display());
    }
}
