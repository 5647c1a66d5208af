//! What has to be built first, and where it then lies.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::Args;
use crate::generator::program;

/// The project, and where its builds go.
pub(crate) struct Builds {
    pub(crate) root: PathBuf,
    /// For the baseline of the architecture, as users get it.
    baseline: PathBuf,
    /// With the flags of this run.
    pub(crate) target: PathBuf,
    rustflags: Option<String>,
    is_wanted: bool,
    pub(crate) is_native: bool,
}

impl Builds {
    pub(crate) fn new(args: &Args) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap_or_else(|| Path::new("."));
        let baseline =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let baseline = std::path::absolute(&baseline).unwrap_or(baseline);
        let target = if args.native { baseline.join("native") } else { baseline.clone() };
        let given = env::var("RUSTFLAGS").unwrap_or_default();
        let rustflags =
            args.native.then(|| format!("{given} -C target-cpu=native").trim().to_owned());
        Self {
            root: root.to_owned(),
            baseline,
            target,
            rustflags,
            is_wanted: !args.no_build,
            is_native: args.native,
        }
    }

    /// The flags, for the record.
    pub(crate) fn flags(&self) -> String {
        let given = env::var("RUSTFLAGS").unwrap_or_default();
        self.rustflags.clone().unwrap_or(given)
    }

    /// The program that is measured.
    pub(crate) fn sockeye(&self) -> Result<PathBuf, String> {
        self.cargo(&self.target, self.rustflags.as_deref(), "Cargo.toml", &["-p", "sockeye"])?;
        there(program(&self.target, "sockeye"))
    }

    /// The same for the baseline of the architecture.
    pub(crate) fn sockeye_baseline(&self) -> Result<PathBuf, String> {
        self.cargo(&self.baseline, None, "Cargo.toml", &["-p", "sockeye"])?;
        there(program(&self.baseline, "sockeye"))
    }

    /// Seconds that a clean build of the program takes, with all that it depends on.
    pub(crate) fn clean_build_s(&self) -> Result<f64, String> {
        let target = self.target.join("load-clean");
        // It is not there the first time.
        let _ = std::fs::remove_dir_all(&target);
        let begun = std::time::Instant::now();
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--locked", "--quiet", "-p", "sockeye"]);
        run(cargo.current_dir(&self.root).arg("--target-dir").arg(&target))?;
        let seconds = begun.elapsed().as_secs_f64();
        let _ = std::fs::remove_dir_all(&target);
        Ok(seconds)
    }

    pub(crate) fn bare(&self) -> Result<PathBuf, String> {
        let flags = self.rustflags.as_deref();
        let target = self.target.join("load");
        self.cargo(&target, flags, "benches/load/Cargo.toml", &["--bin", "bare"])?;
        there(program(&target, "bare"))
    }

    /// Directory of the Rust peers.
    pub(crate) fn rust_peers(&self) -> Result<PathBuf, String> {
        let target = self.target.join("load-peers");
        let manifest = "benches/load/peers/rust/Cargo.toml";
        self.cargo(&target, self.rustflags.as_deref(), manifest, &["--bins"])?;
        Ok(target.join("release"))
    }

    /// The rows that run in memory.
    pub(crate) fn ratios(&self) -> Result<PathBuf, String> {
        let target = self.target.join("benches");
        let flags = self.rustflags.as_deref();
        self.cargo(&target, flags, "benches/Cargo.toml", &["--bin", "ratios"])?;
        there(program(&target, "ratios"))
    }

    /// Directory of the peers on Node, with what they need.
    pub(crate) fn node_peers(&self) -> Result<PathBuf, String> {
        let dir = self.root.join("benches/load/peers/node");
        if self.is_wanted && !dir.join("node_modules").is_dir() {
            run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&dir))?;
        }
        there(dir.join("node_modules")).map(|_| dir)
    }

    /// uWebSockets from a directory with checkouts of `uWebSockets` and `uSockets`.
    pub(crate) fn uws(&self, checkouts: &Path) -> Result<PathBuf, String> {
        let source = self.root.join("benches/load/peers/uws/uws.cpp");
        let made = self.target.join("load-uws");
        let is_old = |made: &Path| {
            let time = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
            time(made) < time(&source)
        };
        if self.is_wanted && is_old(&made) {
            self.compile_uws(checkouts, &source, &made)?;
        }
        there(made)
    }

    fn compile_uws(&self, checkouts: &Path, source: &Path, made: &Path) -> Result<(), String> {
        let (headers, sockets) =
            (checkouts.join("uWebSockets/src"), checkouts.join("uSockets/src"));
        let objects = self.target.join("load-uws-objects");
        std::fs::create_dir_all(&objects).map_err(|error| error.to_string())?;
        let mut flags = vec!["-O3", "-flto", "-DLIBUS_NO_SSL"];
        if self.is_native {
            flags.push("-march=native");
        }
        let mut c = Command::new("gcc");
        c.current_dir(&objects).args(&flags).arg("-I").arg(&sockets).arg("-c");
        c.args(files(&sockets, "c")).args(files(&sockets.join("eventing"), "c"));
        run(c
            .args(files(&sockets.join("crypto"), "c"))
            .args(files(&sockets.join("io_uring"), "c")))?;
        let mut link = Command::new("g++");
        link.arg("-std=c++20").args(&flags).arg("-I").arg(headers).arg("-I").arg(&sockets);
        run(link.arg(source).args(files(&objects, "o")).arg("-lz").arg("-o").arg(made))
    }

    fn cargo(
        &self,
        target: &Path,
        rustflags: Option<&str>,
        manifest: &str,
        what: &[&str],
    ) -> Result<(), String> {
        if !self.is_wanted {
            return Ok(());
        }
        // Not the cargo that runs us: a wrapper in the path is meant to be used.
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]);
        cargo.arg(self.root.join(manifest)).args(what).arg("--target-dir").arg(target);
        if let Some(flags) = rustflags {
            cargo.env("RUSTFLAGS", flags);
        }
        eprintln!("building {manifest} {}", what.join(" "));
        run(&mut cargo)
    }
}

/// The files of a directory with this ending, if there are any.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|it| it == ending)).collect()
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("{name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}

fn there(path: PathBuf) -> Result<PathBuf, String> {
    if path.exists() { Ok(path) } else { Err(format!("there is no {}", path.display())) }
}
