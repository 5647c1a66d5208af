//! Builds the programs of a run, and finds them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::Args;
use crate::found::said;
use crate::generator::program;

/// The program as packages ship it.
const SHIPPED: [&str; 6] = ["-p", "sockeye", "--profile", "dist", "--features", "full"];
/// All others are workspaces whose `release` is what `dist` is there.
const RELEASE: &str = "--release";

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
        self.cargo(&self.target, self.rustflags.as_deref(), "Cargo.toml", &SHIPPED)?;
        there(self.target.join("dist/sockeye"))
    }

    /// The same for the baseline of the architecture.
    pub(crate) fn sockeye_baseline(&self) -> Result<PathBuf, String> {
        self.cargo(&self.baseline, None, "Cargo.toml", &SHIPPED)?;
        there(self.baseline.join("dist/sockeye"))
    }

    /// Seconds that a newcomer's clean build of the program takes, with all that it depends on.
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
        self.cargo(&target, flags, "benches/load/Cargo.toml", &[RELEASE, "--bin", "bare"])?;
        there(program(&target, "bare"))
    }

    /// Directory of the Rust peers.
    pub(crate) fn rust_peers(&self) -> Result<PathBuf, String> {
        let target = self.target.join("load-peers");
        let manifest = "benches/load/peers/rust/Cargo.toml";
        self.cargo(&target, self.rustflags.as_deref(), manifest, &[RELEASE, "--bins"])?;
        Ok(target.join("release"))
    }

    /// The rows that run in memory.
    pub(crate) fn ratios(&self) -> Result<PathBuf, String> {
        let target = self.target.join("benches");
        let flags = self.rustflags.as_deref();
        self.cargo(&target, flags, "benches/Cargo.toml", &[RELEASE, "--bin", "ratios"])?;
        there(program(&target, "ratios"))
    }

    /// Directory of the peers on Node, with their packages.
    pub(crate) fn node_peers(&self) -> Result<PathBuf, String> {
        let dir = self.root.join("benches/load/peers/node");
        if self.is_wanted && !dir.join("node_modules").is_dir() {
            run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&dir))?;
        }
        there(dir.join("node_modules")).map(|_| dir)
    }

    /// uWebSockets: our few lines of C, linked with the library in PyPI's package.
    pub(crate) fn uws(&self) -> Result<PathBuf, String> {
        let made = self.target.join("load-uws");
        if self.is_wanted {
            self.link_uws(&made)?;
        }
        there(made)
    }

    fn link_uws(&self, made: &Path) -> Result<(), String> {
        let peer = self.root.join("benches/load/peers/uws");
        let mut venv = Command::new(self.root.join("conformance/venv"));
        venv.arg(self.target.join("load-uws-venv")).arg(peer.join("requirements.txt"));
        let python = said(&mut venv).ok_or("no Python with the packages of load/peers/uws")?;
        let mut place = Command::new(python);
        place.args(["-c", "from importlib import util; print(util.find_spec('socketify').origin)"]);
        let place = said(&mut place).map(PathBuf::from).unwrap_or_default();
        let place = place.parent().ok_or("Python does not find socketify")?;
        let library = there(place.join("libsocketify_linux_amd64.so"))?;
        let mut c = Command::new("gcc");
        c.arg("-O2").arg(peer.join("uws.c")).arg(library).arg("-o").arg(made);
        run(c.arg(format!("-Wl,-rpath,{}", place.display())))
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
        cargo.args(["build", "--locked", "--quiet", "--manifest-path"]);
        cargo.arg(self.root.join(manifest)).args(what).arg("--target-dir").arg(target);
        if let Some(flags) = rustflags {
            cargo.env("RUSTFLAGS", flags);
        }
        eprintln!("building {manifest} {}", what.join(" "));
        run(&mut cargo)
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("{name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}

fn there(path: PathBuf) -> Result<PathBuf, String> {
    if path.exists() { Ok(path) } else { Err(format!("there is no {}", path.display())) }
}
