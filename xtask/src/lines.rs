//! Lines of Rust outside tests, folder by folder, now and at another commit.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Check, Outcome};
use crate::rust::Source;
use crate::workspace::{TextFile, Workspace, output, utf8};

/// The columns of [`Count`].
const COLUMNS: [&str; 4] = ["files", "lines", "code", "comments"];

/// Files, their lines, and how many of these are code and comments. The other lines are blank.
type Count = [usize; COLUMNS.len()];

/// The count of each folder.
type Counts = BTreeMap<String, Count>;

pub(crate) fn run(workspace: &Workspace, commit: Option<&str>) -> Outcome<Check> {
    let now = counts(&workspace.files(&[""])?);
    let then = commit.map(|commit| files_at(workspace, commit)).transpose()?;
    let then = then.map(|files| counts(&files));
    let folders: BTreeSet<&String> =
        now.keys().chain(then.iter().flat_map(BTreeMap::keys)).collect();
    let line = |folder: &String| {
        let of = |counts: &Counts| counts.get(folder).copied().unwrap_or_default();
        shown(folder, of(&now), then.as_ref().map(of))
    };
    let sum = |counts: &Counts| counts.values().fold(Count::default(), added);
    Ok(Check {
        remarks: folders.into_iter().map(line).collect(),
        summary: shown("all", sum(&now), then.as_ref().map(sum)),
        ..Check::default()
    })
}

/// `folder: 1 files, 9 lines, …`, each number with its change since `then`.
fn shown(folder: &str, now: Count, then: Option<Count>) -> String {
    let column = |at: usize| {
        let change = then.map(|then| now[at].cast_signed() - then[at].cast_signed());
        let change = change.map(|change| format!(" ({change:+})")).unwrap_or_default();
        format!("{} {}{change}", now[at], COLUMNS[at])
    };
    format!("{folder}: {}", [0, 1, 2, 3].map(column).join(", "))
}

fn added(sum: Count, other: &Count) -> Count {
    std::array::from_fn(|at| sum[at] + other[at])
}

fn counts(files: &[TextFile]) -> Counts {
    let mut counts = Counts::new();
    for TextFile { path, text } in files {
        if let Some(folder) = folder(path) {
            let sum = counts.entry(folder).or_default();
            *sum = added(*sum, &count(text));
        }
    }
    counts
}

/// The count of one file, before its tests.
fn count(text: &str) -> Count {
    let source = Source::new(text);
    let lines = source.lines_before_tests();
    let (mut code, mut comments) = (0, 0);
    for (line, comment) in text.lines().zip(source.comments.lines()).take(lines) {
        match line.trim() {
            "" => {}
            line if line == comment.trim() => comments += 1,
            _ => code += 1,
        }
    }
    [1, lines, code, comments]
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
    use super::{TextFile, count, counts, shown};

    #[test]
    fn tests_count_nowhere() {
        let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.into() };
        let counts = counts(&[
            file("crates/a/src/lib.rs", "a\nb\n#[cfg(test)]\nmod tests;\n"),
            file("crates/a/src/b.rs", "a\n"),
            file("crates/a/src/b/tests.rs", "a\n"),
            file("crates/a/tests/main.rs", "a\n"),
            file("crates/a/examples/x.rs", "a\n"),
            file("conformance/src/x/y.rs", "a\n"),
            file("conformance/wpt/src/main.rs", "a\nb\n"),
            file("README.md", "a\n"),
        ]);
        let counts: Vec<_> =
            counts.iter().map(|(name, [_, lines, ..])| (&**name, *lines)).collect();
        let wanted =
            [("conformance", 1), ("conformance/wpt", 2), ("crates/a", 3), ("crates/a/examples", 1)];
        assert_eq!(counts, wanted);
    }

    #[test]
    fn code_and_comments_are_told_apart() {
        let text = "//! a\n\nfn f() {} // b\n    // c\n/* d\ne */\n  \nlet s = \"// f\ng\n\";\n";
        assert_eq!(count(text), [1, 10, 4, 4]);
        assert_eq!(count("a\n#[cfg(test)]\nmod tests {}\n"), [1, 1, 1, 0]);
    }

    #[test]
    fn commits_are_compared() {
        let (now, then) = ([1, 9, 5, 2], [1, 7, 5, 3]);
        assert_eq!(shown("a", now, None), "a: 1 files, 9 lines, 5 code, 2 comments");
        let both = "a: 1 files (+0), 9 lines (+2), 5 code (+0), 2 comments (-1)";
        assert_eq!(shown("a", now, Some(then)), both);
    }
}
