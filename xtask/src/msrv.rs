//! No published package asks for an older Rust than what it depends on.
//!
//! No other toolchain is at hand, so nothing is built with the Rust that a package names. Two other things hold: what its
//! dependencies name, here, and clippy's `incompatible_msrv` on each use of the standard library.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::outcome::{Check, Outcome};
use crate::workspace::{Package, Workspace, output, utf8};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Locked>,
}

/// A package of Cargo.lock.
#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    rust_version: Option<String>,
}

/// The Rust that each package of Cargo.lock asks for, by its name and version.
type Asked = BTreeMap<(String, String), Rust>;

/// A version of Rust, to its minor number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Rust(u32, u32);

pub(crate) fn run(workspace: &Workspace) -> Outcome<Check> {
    let manifest = workspace.root.join("Cargo.toml");
    let arguments = ["metadata", "--locked", "--format-version=1", "--manifest-path"];
    let json = output("cargo", arguments.into_iter().chain([utf8(&manifest)?]))?;
    let asked = asked(serde_json::from_str(&json)?);
    let mut check = Check::default();
    for package in workspace.published() {
        let own =
            own(package, &asked).ok_or_else(|| format!("{}: no rust-version", package.name))?;
        let tree = tree(package)?;
        let newer = newer(&tree, own, &asked);
        check.problems.extend(
            newer.iter().map(|it| {
                format!("{} builds with Rust {}.{}, but {it}", package.name, own.0, own.1)
            }),
        );
        check.remarks.push(format!("{}: {}.{}", package.name, own.0, own.1));
    }
    check.summary = format!("{} packages, with what they depend on", check.remarks.len());
    Ok(check)
}

fn asked(metadata: Metadata) -> Asked {
    let packages = metadata.packages.into_iter();
    let asked =
        packages.filter_map(|it| Some(((it.name, it.version), Rust::parse(&it.rust_version?)?)));
    asked.collect()
}

fn own(package: &Package, asked: &Asked) -> Option<Rust> {
    asked.get(&(package.name.clone(), package.version.clone())).copied()
}

/// All that a package is built with, with all features, on any platform: a line each.
fn tree(package: &Package) -> Outcome<String> {
    let arguments = ["tree", "--locked", "--edges=normal,build", "--prefix=none", "--format={p}"];
    let rest = ["--all-features", "--manifest-path", utf8(&package.manifest_path)?];
    output("cargo", arguments.into_iter().chain(rest))
}

/// The packages of a tree that ask for a newer Rust than `own`.
fn newer(tree: &str, own: Rust, asked: &Asked) -> Vec<String> {
    let mut newer = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        let version = version.trim_start_matches('v');
        let Some(theirs) = asked.get(&(name.to_owned(), version.to_owned())) else { continue };
        if *theirs > own {
            newer.push(format!("{name} {version} asks for {}.{}", theirs.0, theirs.1));
        }
    }
    newer.sort();
    newer.dedup();
    newer
}

impl Rust {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(str::parse);
        Some(Self(numbers.next()?.ok()?, numbers.next().and_then(Result::ok).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Rust, newer};

    #[test]
    fn who_asks_for_more_is_named_once() {
        let asked: Asked = [
            (("old".to_owned(), "1.0.0".to_owned()), Rust(1, 60)),
            (("new".to_owned(), "2.0.0".to_owned()), Rust(1, 90)),
        ]
        .into();
        let tree = "ours v0.1.0 (path)\nold v1.0.0\nnew v2.0.0\nnew v2.0.0 (*)\nunknown v1.0.0\n";
        assert_eq!(newer(tree, Rust(1, 88), &asked), ["new 2.0.0 asks for 1.90"]);
        assert_eq!(newer(tree, Rust(1, 90), &asked), [] as [&str; 0]);
    }

    #[test]
    fn versions_compare_by_their_numbers() {
        assert!(Rust::parse("1.100") > Rust::parse("1.88.1"));
        assert_eq!(Rust::parse("1"), Some(Rust(1, 0)));
        assert_eq!(Rust::parse("x"), None);
    }
}
