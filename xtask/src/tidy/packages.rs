//! The files and metadata that each crate must have.

use std::collections::BTreeMap;
use std::fs;

use toml::Table;

use crate::outcome::Outcome;
use crate::workspace::{Package, Workspace};

pub(super) fn check(workspace: &Workspace) -> Outcome<Vec<String>> {
    let changelog = workspace.read("CHANGELOG.md").unwrap_or_default();
    let root: Table = toml::from_str(&workspace.read("Cargo.toml")?)?;
    let mut problems = Vec::new();
    if lint(&root, &["workspace", "lints", "rust", "unsafe_code"]) != Some("forbid") {
        problems.push("Cargo.toml: unsafe_code is not forbidden by the workspace".to_owned());
    }
    for package in &workspace.packages {
        let found = check_package(package, &changelog)?;
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", package.name)));
    }
    problems.extend(repeated(workspace.targets(&["example"]).lines()));
    Ok(problems)
}

/// Examples with the name of another one. Cargo builds both into one file.
fn repeated<'l>(examples: impl Iterator<Item = &'l str>) -> Vec<String> {
    let mut first = BTreeMap::new();
    let mut problems = Vec::new();
    for (package, name) in examples.filter_map(|line| line.split_once(' ')) {
        if let Some(other) = first.insert(name, package) {
            problems
                .push(format!("{package}: its example `{name}` has the name of one of {other}"));
        }
    }
    problems
}

fn check_package(package: &Package, changelog: &str) -> Outcome<Vec<&'static str>> {
    let directory = package.directory();
    let mut problems = Vec::new();
    let manifest: Table = toml::from_str(&fs::read_to_string(&package.manifest_path)?)?;
    if !inherits_lints(&manifest) && !forbids_unsafe(package)? {
        problems.push("neither inherits the workspace's lints nor forbids unsafe code");
    }
    if !package.is_published() {
        return Ok(problems);
    }
    if !mentions(changelog, &package.name) {
        problems.push("is not mentioned in CHANGELOG.md");
    }
    let readme = fs::read_to_string(directory.join("README.md"));
    if readme.is_err() {
        problems.push("has no README.md");
    }
    if package.has("lib") {
        if readme.is_ok_and(|readme| !has_rust_example(&readme)) {
            problems.push("has a README.md without a Rust example");
        }
        if !root_source(package)?.contains("include_str!(\"../README.md\")") {
            problems.push("does not test the example of its README.md: lib.rs has to include it");
        }
        if !package.has("example") {
            problems.push("has no program under examples/");
        }
    }
    Ok(problems)
}

/// The value at the end of a path of keys, if it is a string.
fn lint<'t>(table: &'t Table, path: &[&str]) -> Option<&'t str> {
    let (last, path) = path.split_last()?;
    path.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?.get(*last)?.as_str()
}

fn inherits_lints(manifest: &Table) -> bool {
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    lints.and_then(toml::Value::as_bool) == Some(true)
}

fn forbids_unsafe(package: &Package) -> Outcome<bool> {
    Ok(root_source(package)?.lines().any(|line| line == "#![forbid(unsafe_code)]"))
}

/// The text of the library's first file, or the program's.
fn root_source(package: &Package) -> Outcome<String> {
    let is = |kind: &'static str| move |it: &&crate::workspace::Target| it.kind == [kind];
    let targets = &package.targets;
    let root = targets.iter().find(is("lib")).or_else(|| targets.iter().find(is("bin")));
    Ok(fs::read_to_string(&root.ok_or("a package without a target")?.src_path)?)
}

/// Whether a text contains a name as a whole word: `sockeye-frame` does not mention `sockeye`.
fn mentions(text: &str, name: &str) -> bool {
    let part_of_name = |it: char| it.is_alphanumeric() || matches!(it, '-' | '_');
    text.split(|it| !part_of_name(it)).any(|word| word == name)
}

fn has_rust_example(readme: &str) -> bool {
    readme.lines().any(|line| line == "```rust" || line.starts_with("```rust,"))
}

#[cfg(test)]
mod tests {
    use super::{has_rust_example, inherits_lints, lint, mentions, repeated};

    #[test]
    fn names_are_mentioned_whole() {
        assert!(mentions("- `sockeye-frame`: frames", "sockeye-frame"));
        assert!(!mentions("- `sockeye-frame`: frames", "sockeye"));
        assert!(mentions("**sockeye**: the program", "sockeye"));
    }

    #[test]
    fn examples_have_names_of_their_own() {
        assert_eq!(repeated("a log\na echo\nb lines".lines()), [""; 0]);
        let told = ["b: its example `log` has the name of one of a"];
        assert_eq!(repeated("a log\na echo\nb log".lines()), told);
    }

    #[test]
    fn examples_are_fences_of_rust() {
        assert!(has_rust_example("a\n```rust\nb\n```\n"));
        assert!(has_rust_example("```rust,no_run\n"));
        assert!(!has_rust_example("```text\nrust\n```\n"));
    }

    #[test]
    fn lints_are_looked_up() {
        let root = toml::from_str("[workspace.lints.rust]\nunsafe_code = 'forbid'").expect("toml");
        let path = ["workspace", "lints", "rust", "unsafe_code"];
        assert_eq!(lint(&root, &path), Some("forbid"));
        assert_eq!(lint(&root, &path[..2]), None);
        let member = |text| toml::from_str(text).expect("toml");
        assert!(inherits_lints(&member("[lints]\nworkspace = true")));
        assert!(!inherits_lints(&member("[lints]\nworkspace = false")));
        assert!(!inherits_lints(&member("[package]")));
    }
}
