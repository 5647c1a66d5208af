//! Sources that no target of their package compiles. Cargo drops a module that nobody declares, and its
//! tests, in silence.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::outcome::Outcome;
use crate::rust::Source;
use crate::workspace::{Package, TextFile, Workspace};

pub(super) fn check(workspace: &Workspace, sources: &[&TextFile]) -> Outcome<Vec<String>> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        let directory = package.directory().strip_prefix(&workspace.root)?;
        let reached = reached(package, workspace, sources);
        let own = sources.iter().filter(|file| is_own(workspace, directory, &file.path));
        let forgotten = own.filter(|file| !reached.contains(Path::new(&file.path)));
        problems.extend(forgotten.map(|it| format!("{}: no target declares this module", it.path)));
    }
    Ok(problems)
}

/// Whether a file lies in a package, below `src`, `tests` or another folder of its targets, and in none within.
fn is_own(workspace: &Workspace, directory: &Path, path: &str) -> bool {
    let Ok(rest) = Path::new(path).strip_prefix(directory) else { return false };
    let first = rest.components().next().map(|part| part.as_os_str());
    let folders = ["src", "tests", "examples", "benches"];
    let is_within = |other: &Package| {
        let other =
            other.directory().strip_prefix(&workspace.root).unwrap_or_else(|_| Path::new(""));
        other != directory && other.starts_with(directory) && Path::new(path).starts_with(other)
    };
    first.is_some_and(|first| folders.iter().any(|folder| first == *folder))
        && !workspace.packages.iter().any(is_within)
}

/// The files that the targets of a package are made of.
fn reached(package: &Package, workspace: &Workspace, sources: &[&TextFile]) -> BTreeSet<PathBuf> {
    let mut reached = BTreeSet::new();
    let roots =
        package.targets.iter().filter_map(|it| it.src_path.strip_prefix(&workspace.root).ok());
    let mut open: Vec<(PathBuf, bool)> = roots.map(|it| (it.to_owned(), true)).collect();
    while let Some((path, is_root)) = open.pop() {
        let file = sources.iter().find(|file| Path::new(&file.path) == path);
        let Some(file) = file.filter(|_| reached.insert(path.clone())) else { continue };
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let is_folder = is_root || path.file_name().is_some_and(|name| name == "mod.rs");
        let below = if is_folder { folder.to_owned() } else { path.with_extension("") };
        for Declared { name, place } in declared(&file.text) {
            match place {
                Some(place) => open.push((normal(&folder.join(place)), false)),
                None => open.extend([
                    (below.join(format!("{name}.rs")), false),
                    (below.join(name).join("mod.rs"), false),
                ]),
            }
        }
    }
    reached
}

/// A module that a file declares.
#[derive(Debug, PartialEq, Eq)]
struct Declared {
    name: String,
    /// What its `#[path]` says.
    place: Option<String>,
}

/// The modules that a source declares in files of their own.
fn declared(text: &str) -> Vec<Declared> {
    let source = Source::new(text);
    let mut place = None;
    let mut all = Vec::new();
    for (code, line) in source.code.lines().zip(text.lines()) {
        if code.trim_start().starts_with("#[path") {
            place = line.split('"').nth(1).map(str::to_owned);
        }
        let Some(rest) = code.trim_end().strip_suffix(';') else { continue };
        let Some((before, name)) = rest.rsplit_once("mod ") else { continue };
        let is_declaration = before.is_empty() || before.ends_with(' ');
        if is_declaration && name.chars().all(|it| it.is_alphanumeric() || it == '_') {
            all.push(Declared { name: name.to_owned(), place: place.take() });
        }
    }
    all
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Declared, declared, normal};

    #[test]
    fn declarations_are_found() {
        let text = "mod a;\n    pub(crate) mod b;\n// mod c;\n#[cfg(test)]\n#[path = \"x/y.rs\"]\n\
                    mod d;\nmod e { }\nuse crate::mod_f;\nlet g = \"mod g;\";\n";
        let found = declared(text);
        let names: Vec<&str> = found.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["a", "b", "d"]);
        assert_eq!(found[2], Declared { name: "d".into(), place: Some("x/y.rs".into()) });
        assert_eq!(found[0].place, None);
    }

    #[test]
    fn paths_lose_their_dots() {
        assert_eq!(normal(Path::new("crates/a/tests/../../../fuzz/b.rs")), Path::new("fuzz/b.rs"));
    }
}
