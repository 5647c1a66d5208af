//! Circles of files within a crate that name each other's items, against `circles.toml`.
//!
//! A file depends on the file that defines what its paths name: `crate::X` in a file is an arrow to the
//! module from which the root imports `X`, not to the root. Declaring a module is no arrow. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::modules::{Module, Names, Tree, tree};
use crate::outcome::{Check, Notes, Outcome};
use crate::workspace::{Package, Workspace};

const TABLE: &str = "xtask/circles.toml";
/// Imports of imports that are followed.
const DEPTH_MAX: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The crates that have to be free of circles.
    free: BTreeSet<String>,
}

/// The files that a file depends on, each with a line that says so.
type Arrows<'t> = BTreeMap<&'t str, BTreeMap<&'t str, usize>>;

pub(crate) fn run(workspace: &Workspace, notes: Notes) -> Outcome<Check> {
    let Table { mut free } = toml::from_str(&workspace.read(TABLE)?)?;
    let mut check = Check::default();
    let (mut files, mut clean) = (0, 0);
    for package in &workspace.packages {
        let tree = package_tree(workspace, package)?;
        let circles: Vec<String> = circles(&arrows(&tree)).iter().map(|it| shown(it)).collect();
        let circles = circles.into_iter().map(|it| format!("{}: {it}", package.name));
        let must_be_free = free.remove(&package.name);
        files += if must_be_free { tree.len() } else { 0 };
        clean += usize::from(must_be_free);
        if must_be_free {
            check.problems.extend(circles);
        } else if notes == Notes::Show {
            check.remarks.push(format!("{}: not in {TABLE}", package.name));
            check.remarks.extend(circles);
        }
    }
    check.problems.extend(free.iter().map(|name| format!("{TABLE}: there is no crate {name}")));
    check.summary = format!("{clean} crates, {files} files without a circle");
    Ok(check)
}

fn package_tree(workspace: &Workspace, package: &Package) -> Outcome<Tree> {
    let directory = package.directory().strip_prefix(&workspace.root)?;
    let src = format!("{}/src/", directory.display());
    Ok(tree(&src, &workspace.files(&[&src])?))
}

/// Who depends on whom in a crate.
fn arrows(tree: &Tree) -> Arrows<'_> {
    let mut arrows = Arrows::new();
    for (place, module) in tree {
        let from: &mut BTreeMap<&str, usize> = arrows.entry(&module.file).or_default();
        for (line, names) in &module.paths {
            let target = absolute(tree, place, names).and_then(|it| owner(tree, &it, DEPTH_MAX));
            if let Some(target) = target.filter(|target| target.file != module.file) {
                from.entry(&target.file).or_insert(*line);
            }
        }
    }
    arrows
}

/// The path from the crate's root, for a path that begins in this crate.
fn absolute(tree: &Tree, place: &[String], names: &[String]) -> Option<Names> {
    let mut base = match names.first()?.as_str() {
        "crate" => return Some(names[1..].to_vec()),
        "self" => return Some([place, &names[1..]].concat()),
        "super" => place.to_vec(),
        first => {
            let below = [place, &[first.to_owned()]].concat();
            return tree.contains_key(&below).then(|| [place, names].concat());
        }
    };
    let supers = names.iter().take_while(|name| *name == "super").count();
    base.truncate(base.len().checked_sub(supers)?);
    Some([&base, &names[supers..]].concat())
}

/// The file that defines what an absolute path names.
fn owner<'t>(tree: &'t Tree, names: &[String], depth: usize) -> Option<&'t Module> {
    let is_module = |len: &usize| tree.contains_key(&names[..*len]);
    let len = (0..=names.len()).rev().find(is_module)?;
    let (place, rest) = names.split_at(len);
    let module = &tree[place];
    let Some(item) = rest.first() else { return Some(module) };
    let Some((_, import)) = module.imports.iter().find(|(name, _)| name == item) else {
        return Some(module);
    };
    // An import that leads out of the crate is no arrow.
    let path = absolute(tree, place, import)?;
    if depth == 0 || path == names {
        return Some(module);
    }
    owner(tree, &path, depth - 1)
}

/// A shortest circle through each knot of files.
fn circles<'t>(arrows: &Arrows<'t>) -> Vec<Vec<(&'t str, usize)>> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for start in arrows.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = circle(arrows, start) {
            seen.extend(circle.iter().map(|(file, _)| *file));
            all.push(circle);
        }
    }
    all
}

/// A shortest way from a file back to itself: its files, each with the line that leads on.
fn circle<'t>(arrows: &Arrows<'t>, start: &'t str) -> Option<Vec<(&'t str, usize)>> {
    let mut ways = vec![(start, Vec::new())];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut further = Vec::new();
        for (file, way) in ways {
            for (next, line) in arrows.get(file).into_iter().flatten() {
                let way = [way.as_slice(), &[(file, *line)]].concat();
                if *next == start {
                    return Some(way);
                }
                if seen.insert(*next) {
                    further.push((*next, way));
                }
            }
        }
        ways = further;
    }
    None
}

fn shown(circle: &[(&str, usize)]) -> String {
    let first = circle.first().map_or("", |(file, _)| file);
    let files = circle.iter().map(|(file, line)| format!("{file}:{line} → "));
    files.chain([first.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::{arrows, circles, shown};
    use crate::modules::tree;
    use crate::workspace::TextFile;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| TextFile {
            path: format!("src/{path}"),
            text: (*text).to_owned(),
        };
        let files: Vec<TextFile> = files.iter().map(file).collect();
        let tree = tree("src/", &files);
        circles(&arrows(&tree)).iter().map(|it| shown(it)).collect()
    }

    #[test]
    fn two_files_that_import_each_other() {
        let circle = found(&[
            ("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
            ("a.rs", "use crate::b::B;\npub struct A;\n"),
            ("b.rs", "// crate::x\npub struct B(crate::a::A);\n"),
        ]);
        assert_eq!(circle, ["a.rs:1 → b.rs:2 → a.rs"]);
    }

    #[test]
    fn an_import_by_the_root_leads_to_its_origin() {
        let root = "mod a;\nmod b;\npub use a::A;\npub use crate::b::{B, C as D};\n";
        let b = "pub struct B;\npub struct C;\nfn f(_: crate::A) {}\n";
        assert_eq!(found(&[("lib.rs", root), ("a.rs", "struct A;"), ("b.rs", b)]), [""; 0]);
        let circle = found(&[("lib.rs", root), ("a.rs", "use crate::D;"), ("b.rs", b)]);
        assert_eq!(circle, ["a.rs:1 → b.rs:3 → a.rs"]);
    }

    #[test]
    fn an_import_of_another_crate_is_no_arrow() {
        let root = "mod a;\npub use other::X;\npub use a::A;\n";
        assert_eq!(found(&[("lib.rs", root), ("a.rs", "fn f(_: crate::X) {}")]), [""; 0]);
    }

    #[test]
    fn parents_and_children_count_like_others() {
        let child = ("a/b.rs", "use super::A;\nimpl A {}\n");
        assert_eq!(found(&[("a.rs", "mod b;\nstruct A;\n"), child]), [""; 0]);
        let circle = found(&[("a.rs", "mod b;\nstruct A;\nfn f() { b::g() }\n"), child]);
        assert_eq!(circle, ["a.rs:3 → a/b.rs:1 → a.rs"]);
    }

    #[test]
    fn tests_do_not_count() {
        let a = "use crate::b::B;\n#[cfg(test)]\nmod tests {}\n";
        let b = "struct B;\n#[cfg(test)]\nmod tests { use crate::a; }\n";
        assert_eq!(found(&[("a.rs", a), ("b.rs", b), ("a/tests.rs", "use super::*;")]), [""; 0]);
    }
}
