//! The published libraries of the workspace, and what rustdoc says of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Outcome;

/// The workspace after rustdoc has read its published libraries.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    pub(crate) libraries: Vec<Library>,
}

/// A published library.
pub(crate) struct Library {
    pub(crate) package: String,
    /// The name of its crate.
    name: String,
}

impl Workspace {
    /// The workspace that this program is a member of. Runs rustdoc.
    pub(crate) fn find() -> Outcome<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().ok_or("this program lies below the root")?.to_owned();
        let metadata = metadata(&root)?;
        let target = metadata["target_directory"].as_str().ok_or("no target directory")?.into();
        let packages = metadata["packages"].as_array().ok_or("no packages")?;
        let libraries = packages.iter().filter(|it| it["publish"].is_null()).filter_map(library);
        let workspace = Self { root, target, libraries: libraries.collect() };
        workspace.document()?;
        Ok(workspace)
    }

    /// The directory of the listings.
    pub(crate) fn listings(&self) -> PathBuf {
        self.root.join("api")
    }

    /// The file of a library's listing.
    pub(crate) fn listing(&self, library: &Library) -> PathBuf {
        self.listings().join(format!("{}.txt", library.package))
    }

    /// The file of rustdoc's JSON about a library.
    pub(crate) fn json(&self, library: &Library) -> PathBuf {
        self.target.join("doc").join(format!("{}.json", library.name))
    }

    /// Runs rustdoc on all libraries, with all features, as docs.rs does.
    fn document(&self) -> Outcome<()> {
        let mut cargo = cargo(&self.root);
        cargo.args(["doc", "--locked", "--quiet", "--lib", "--no-deps", "--all-features"]);
        cargo.args(self.libraries.iter().flat_map(|it| ["-p", &it.package]));
        cargo.env("RUSTDOC", self.root.join("api/rustdoc"));
        cargo.env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json");
        if cargo.status()?.success() { Ok(()) } else { Err("rustdoc failed".into()) }
    }
}

fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root);
    cargo
}

fn metadata(root: &Path) -> Outcome<Value> {
    let mut cargo = cargo(root);
    let output = cargo.args(["metadata", "--format-version=1", "--no-deps"]).output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The library of a package, if it has one.
fn library(package: &Value) -> Option<Library> {
    let is_library = |target: &&Value| target["kind"][0] == "lib";
    let target = package["targets"].as_array()?.iter().find(is_library)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Library { package: text(&package["name"])?, name: text(&target["name"])? })
}
