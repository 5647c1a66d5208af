//! Compares the dependencies between our crates, and the number of external ones, with `arrows.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::outcome::{Check, Outcome};
use crate::workspace::{Package, Workspace, output, utf8};

const TABLE: &str = "xtask/arrows.toml";
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The dependencies of one crate.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arrows {
    /// Our crates.
    #[serde(default)]
    ours: BTreeSet<String>,
    /// Our crates for tests only, itself left out.
    #[serde(default)]
    ours_in_tests: BTreeSet<String>,
    /// The external crates that its manifest names, tests left out.
    #[serde(default)]
    external: BTreeSet<String>,
    /// All external crates in its tree: no tests, default features, Linux.
    crates_total: usize,
}

type Table = BTreeMap<String, Arrows>;

pub(crate) fn run(workspace: &Workspace) -> Outcome<Check> {
    let allowed: Table = toml::from_str(&workspace.read(TABLE)?)?;
    let ours: BTreeSet<&str> = workspace.packages.iter().map(|it| it.name.as_str()).collect();
    let mut built = Table::new();
    for package in &workspace.packages {
        let manifest = utf8(&package.manifest_path)?;
        let tree = output(
            "cargo",
            ["tree", "--locked", "--edges=normal", "--prefix=none", "--format={p}", "--target"]
                .into_iter()
                .chain([PLATFORM, "--manifest-path", manifest, "--package", &package.name]),
        )?;
        built.insert(package.name.clone(), arrows(package, &ours, external_crates(&tree, &ours)));
    }
    let arrows: usize = built.values().map(|it| it.ours.len()).sum();
    let external: usize = built.values().map(|it| it.external.len()).sum();
    Ok(Check {
        remarks: built.iter().map(remark).collect(),
        problems: compare(&allowed, &built),
        summary: format!(
            "{} crates, {arrows} arrows between them, {external} to direct external dependencies",
            built.len()
        ),
    })
}

fn remark((name, built): (&String, &Arrows)) -> String {
    format!("{name}: {} of ours, {} external in all", built.ours.len(), built.crates_total)
}

/// The arrows that a package has.
fn arrows(package: &Package, ours: &BTreeSet<&str>, crates_total: usize) -> Arrows {
    let mut arrows = Arrows { crates_total, ..Arrows::default() };
    for dependency in &package.dependencies {
        let name = dependency.name.clone();
        let in_tests = dependency.kind.as_deref() == Some("dev");
        match (ours.contains(name.as_str()), in_tests) {
            (true, true) if name == package.name => false,
            (true, true) => arrows.ours_in_tests.insert(name),
            (true, false) => arrows.ours.insert(name),
            (false, false) => arrows.external.insert(name),
            (false, true) => false,
        };
    }
    arrows
}

/// Counts the crates in the output of `cargo tree` that are not ours. One in two versions is two.
fn external_crates(tree: &str, ours: &BTreeSet<&str>) -> usize {
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    crates.filter(|(name, _)| !ours.contains(name)).collect::<BTreeSet<_>>().len()
}

/// The differences between the table and the workspace.
fn compare(allowed: &Table, built: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    for name in allowed.keys().filter(|name| !built.contains_key(*name)) {
        problems.push(format!("{TABLE} has {name}, which is no member of the workspace"));
    }
    for (name, built) in built {
        let Some(allowed) = allowed.get(name) else {
            problems.push(format!("{name} is not in {TABLE}"));
            continue;
        };
        let kinds = [
            ("", &allowed.ours, &built.ours),
            ("in its tests ", &allowed.ours_in_tests, &built.ours_in_tests),
            ("", &allowed.external, &built.external),
        ];
        for (kind, allowed, built) in kinds {
            for other in built.difference(allowed) {
                problems.push(format!("{name} {kind}must not depend on {other}"));
            }
            for other in allowed.difference(built) {
                problems.push(format!("{name} {kind}no longer depends on {other}: mend {TABLE}"));
            }
        }
        if allowed.crates_total != built.crates_total {
            problems.push(format!(
                "{name} costs {} external crates, not {}: see `cargo tree -p {name} -e normal`",
                built.crates_total, allowed.crates_total
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, Table, compare, external_crates};

    fn problems(allowed: &str, built: &str) -> Vec<String> {
        let table = |text| toml::from_str::<Table>(text).expect("a table");
        compare(&table(allowed), &table(built))
    }

    #[test]
    fn what_is_in_the_table_is_fine() {
        let table = "[a]\nours = ['b']\nexternal = ['x']\ncrates_total = 3\n[b]\ncrates_total = 0";
        assert_eq!(problems(table, table), [] as [&str; 0]);
    }

    #[test]
    fn each_other_edge_is_named() {
        let allowed = "[a]\ncrates_total = 1";
        let built = "[a]\nours = ['b']\nours_in_tests = ['c']\nexternal = ['x']\ncrates_total = 1";
        let wanted = [
            "a must not depend on b",
            "a in its tests must not depend on c",
            "a must not depend on x",
        ];
        assert_eq!(problems(allowed, built), wanted);
        assert_eq!(problems(built, allowed).len(), 3);
    }

    #[test]
    fn counts_and_members_must_match() {
        let one = problems("[a]\ncrates_total = 1", "[a]\ncrates_total = 2");
        assert_eq!(one, ["a costs 2 external crates, not 1: see `cargo tree -p a -e normal`"]);
        assert_eq!(problems("", "[a]\ncrates_total = 0"), ["a is not in xtask/arrows.toml"]);
        assert_eq!(problems("[a]\ncrates_total = 0", "").len(), 1);
    }

    #[test]
    fn a_tree_is_counted_once_per_version() {
        let tree =
            "ours v0.1.0 (path)\nx v1.0.0\nx v2.0.0 (*)\nx v2.0.0\ny v1.0.0 (proc-macro)\n\n";
        assert_eq!(external_crates(tree, &BTreeSet::from(["ours"])), 3);
    }
}
