//! Lines of Rust outside tests, folder by folder, now and at another commit.

use std::collections::BTreeMap;

use crate::outcome::{Check, Outcome};
use crate::rust::Source;
use crate::workspace::{TextFile, Workspace, output, utf8};

/// Lines and files of each folder.
type Counts = BTreeMap<String, (usize, usize)>;

pub(crate) fn run(workspace: &Workspace, commit: Option<&str>) -> Outcome<Check> {
    let now = count(&workspace.files(&[""])?);
    let then = commit.map(|commit| files_at(workspace, commit)).transpose()?;
    let then = then.map(|files| count(&files));
    let folders = now.keys().chain(then.iter().flat_map(BTreeMap::keys));
    let mut folders: Vec<&String> = folders.collect();
    folders.sort();
    folders.dedup();
    let line = |folder: &&String| {
        let of = |counts: &Counts| counts.get(*folder).copied().unwrap_or_default();
        shown(folder, of(&now), then.as_ref().map(of))
    };
    let sum =
        |counts: &Counts| counts.values().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    Ok(Check {
        remarks: folders.iter().map(line).collect(),
        summary: shown("all", sum(&now), then.as_ref().map(sum)),
        ..Check::default()
    })
}

fn shown(folder: &str, (lines, files): (usize, usize), then: Option<(usize, usize)>) -> String {
    let before = then.map(|(before, _)| {
        format!(", {before} before ({:+})", lines.cast_signed() - before.cast_signed())
    });
    format!("{folder}: {lines} lines in {files} files{}", before.unwrap_or_default())
}

fn count(files: &[TextFile]) -> Counts {
    let mut counts = Counts::new();
    for TextFile { path, text } in files {
        let Some(folder) = folder(path) else { continue };
        let (lines, files) = counts.entry(folder).or_default();
        *lines += Source::new(text).lines_before_tests();
        *files += 1;
    }
    counts
}

/// Where a file counts: a crate, a suite, or the folder at the root. Tests count nowhere.
fn folder(path: &str) -> Option<String> {
    let is_test = path.split('/').any(|part| matches!(part, "tests" | "tests.rs"));
    if is_test || !path.ends_with(".rs") {
        return None;
    }
    let parts: Vec<&str> = path.split('/').collect();
    Some(match parts[..] {
        ["crates", name, "examples", ..] => format!("crates/{name}/examples"),
        ["crates", name, ..] => format!("crates/{name}"),
        ["conformance" | "benches", "src", ..] => parts[0].to_owned(),
        ["conformance" | "benches", name, _, ..] => format!("{}/{name}", parts[0]),
        [first, ..] => first.to_owned(),
        [] => return None,
    })
}

fn files_at(workspace: &Workspace, commit: &str) -> Outcome<Vec<TextFile>> {
    let root = utf8(&workspace.root)?;
    let listed = output("git", ["-C", root, "ls-tree", "-rz", "--name-only", commit])?;
    let rust = listed.split_terminator('\0').filter(|path| folder(path).is_some());
    let file = |path: &str| {
        let text = output("git", ["-C", root, "show", &format!("{commit}:{path}")])?;
        Ok(TextFile { path: path.to_owned(), text })
    };
    rust.map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::{TextFile, count, shown};

    #[test]
    fn tests_count_nowhere() {
        let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.into() };
        let counts = count(&[
            file("crates/a/src/lib.rs", "a\nb\n#[cfg(test)]\nmod tests;\n"),
            file("crates/a/src/b.rs", "a\n"),
            file("crates/a/src/b/tests.rs", "a\n"),
            file("crates/a/tests/main.rs", "a\n"),
            file("crates/a/examples/x.rs", "a\n"),
            file("conformance/src/x/y.rs", "a\n"),
            file("conformance/wpt/src/main.rs", "a\nb\n"),
            file("README.md", "a\n"),
        ]);
        let counts: Vec<_> = counts.iter().map(|(name, (lines, _))| (&**name, *lines)).collect();
        let wanted =
            [("conformance", 1), ("conformance/wpt", 2), ("crates/a", 3), ("crates/a/examples", 1)];
        assert_eq!(counts, wanted);
    }

    #[test]
    fn commits_are_compared() {
        assert_eq!(shown("a", (3, 1), None), "a: 3 lines in 1 files");
        assert_eq!(shown("a", (3, 1), Some((5, 2))), "a: 3 lines in 1 files, 5 before (-2)");
    }
}
