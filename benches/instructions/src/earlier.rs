//! The code of another commit, built and counted on this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::callgrind::{directory, output};
use crate::table::Table;

/// The commit that last changed a file.
pub(crate) fn commit_of(file: &Path) -> Result<String, String> {
    let commit = output(git().args(["log", "-1", "--format=%H", "--"]).arg(file))?;
    match commit.trim_end() {
        "" => Err(format!("no commit has {}; is this a whole clone?", file.display())),
        commit => Ok(commit.to_owned()),
    }
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR")]);
    git
}

/// Builds the workspace as it was, and has it count.
pub(crate) fn count(commit: &str) -> Result<Table, String> {
    let directory = directory()?.join("earlier");
    let (tree, target) = (directory.join("tree"), directory.join("target"));
    let failed = |why: std::io::Error| format!("{}: {why}", directory.display());
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(failed)?;
    }
    fs::create_dir_all(&tree).map_err(failed)?;
    let archive = directory.join("tree.tar");
    let root = output(git().args(["rev-parse", "--show-toplevel"]))?;
    let root = root.trim_end();
    let to = format!("--output={}", archive.display());
    output(Command::new("git").args(["-C", root, "archive", &to, commit]))?;
    output(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&tree))?;
    let manifest = tree.join("Cargo.toml");
    let profile = profile_of(&fs::read_to_string(&manifest).map_err(failed)?);
    output(
        Command::new("cargo")
            .env_remove("RUSTFLAGS")
            .args(["build", "--profile", profile, "--locked", "--package", env!("CARGO_PKG_NAME")])
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target),
    )?;
    let program = target.join(profile).join(env!("CARGO_PKG_NAME"));
    output(Command::new(program).arg("count"))?.parse()
}

/// The profile with link-time optimisation: `release` had it until there was `dist`.
fn profile_of(manifest: &str) -> &'static str {
    if manifest.contains("[profile.dist]") { "dist" } else { "release" }
}
