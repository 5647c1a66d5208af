//! The workspace under examination: its packages as cargo sees them, its files as git has them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::outcome::Outcome;

/// The workspace: its place, and its packages.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// `CARGO_TARGET_DIR`, or `target`.
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member, as `cargo metadata` describes it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    /// The registries to which it may be published; empty if it is not published.
    publish: Option<Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    features: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    pub(crate) about: About,
}

/// What a package tells its readers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct About {
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) readme: Option<PathBuf>,
    pub(crate) repository: Option<String>,
    pub(crate) documentation: Option<String>,
    pub(crate) keywords: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// What other tools read.
    pub(crate) metadata: serde_json::Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Nothing, `dev` or `build`.
    pub(crate) kind: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

/// A text file that is committed. The path is relative to the root.
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Workspace {
    /// The workspace that this program is a member of.
    pub(crate) fn find() -> Outcome<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().ok_or("xtask lies at the root")?.to_owned();
        let metadata = metadata(&root)?;
        Ok(Self { root, target: metadata.target_directory, packages: metadata.packages })
    }

    /// The committed text files whose path begins with one of `under` (all, for an empty string).
    pub(crate) fn files(&self, under: &[&str]) -> Outcome<Vec<TextFile>> {
        let listed = output("git", ["-C", utf8(&self.root)?, "ls-files", "-z"])?;
        let mut files = Vec::new();
        for path in listed.split_terminator('\0') {
            if !under.iter().any(|prefix| path.starts_with(prefix)) {
                continue;
            }
            let bytes = fs::read(self.root.join(path)).map_err(|why| format!("{path}: {why}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(TextFile { path: path.to_owned(), text });
            }
        }
        Ok(files)
    }

    /// The targets of these kinds, a line each, behind the name of their package.
    pub(crate) fn targets(&self, kinds: &[&str]) -> String {
        let mut lines = Vec::new();
        for package in &self.packages {
            let is_wanted = |target: &&Target| kinds.contains(&target.kind[0].as_str());
            let targets = package.targets.iter().filter(is_wanted);
            lines.extend(targets.map(|target| format!("{} {}\n", package.name, target.name)));
        }
        lines.concat()
    }

    /// The published packages, a line each.
    pub(crate) fn names(&self) -> String {
        self.published().map(|package| format!("{}\n", package.name)).collect()
    }

    /// Each published package without features, with each feature alone, and with all as docs.rs has them: a line each.
    /// Nobody wants `properties` alone: they are for tests.
    pub(crate) fn features(&self) -> String {
        let mut lines = Vec::new();
        for package in self.published() {
            let names = package.features.keys().filter(|name| *name != "default");
            let names: Vec<&str> = names.map(String::as_str).collect();
            lines.push(format!("{}\n", package.name));
            let alone = names.iter().filter(|name| **name != "properties");
            lines.extend(alone.map(|name| format!("{} {name}\n", package.name)));
            if names.len() > 1 || names == ["properties"] {
                lines.push(format!("{} {}\n", package.name, names.join(",")));
            }
        }
        lines.concat()
    }

    /// The packages that may be published.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_published())
    }

    /// The text of one file.
    pub(crate) fn read(&self, path: &str) -> Outcome<String> {
        Ok(fs::read_to_string(self.root.join(path)).map_err(|why| format!("{path}: {why}"))?)
    }
}

impl Package {
    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }

    pub(crate) fn has(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|other| other == kind))
    }

    pub(crate) fn directory(&self) -> &Path {
        self.manifest_path.parent().expect("a manifest lies in a directory")
    }
}

/// The packages of the workspace at `root`, without what they depend on.
fn metadata(root: &Path) -> Outcome<Metadata> {
    let manifest = root.join("Cargo.toml");
    let arguments = ["metadata", "--format-version=1", "--no-deps", "--manifest-path"];
    let json =
        output("cargo", arguments.map(OsStr::new).into_iter().chain([manifest.as_os_str()]))?;
    Ok(serde_json::from_str(&json)?)
}

/// The binaries of the package at `directory`, which is a workspace of its own.
pub(crate) fn binaries(directory: &Path) -> Outcome<Vec<String>> {
    let targets = metadata(directory)?.packages.into_iter().flat_map(|package| package.targets);
    let binaries = targets.filter(|target| target.kind == ["bin"]);
    Ok(binaries.map(|target| target.name).collect())
}

/// The output of a program; an error if it fails.
pub(crate) fn output<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Outcome<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|why| format!("{program}: {why}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A path as text.
pub(crate) fn utf8(path: &Path) -> Outcome<&str> {
    Ok(path.to_str().ok_or("a path that is not UTF-8")?)
}

/// Each name with the number of times that it occurs.
pub(crate) fn counts<T: Ord>(names: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    names.into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}
