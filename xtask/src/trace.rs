//! The requirements trace: `conformance/requirements/*.toml` against the markers in the sources.
//!
//! A marker is a requirement's id in brackets, in a comment. It stands at the line of a crate that
//! enforces the requirement and at a test that fails without it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::outcome::{Check, Outcome};
use crate::rust::Source;
use crate::workspace::{TextFile, Workspace, counts};

const TABLES: &str = "conformance/requirements/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    requirement: Vec<Requirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    text: String,
}

/// The markers: each id with its first place, as `path:line`.
#[derive(Debug, Default)]
struct Markers {
    enforced: BTreeMap<String, String>,
    tested: BTreeMap<String, String>,
    /// Elsewhere, for example in an example: it counts for nothing, but the id must exist.
    elsewhere: BTreeMap<String, String>,
}

pub(crate) fn run(workspace: &Workspace) -> Outcome<Check> {
    let mut markers = Markers::default();
    for file in workspace.files(&["crates/", "conformance/"])? {
        if file.path.ends_with(".rs") {
            markers.collect(&file);
        }
    }
    let tables = workspace.files(&[TABLES])?;
    let tables: Vec<_> = tables.iter().filter(|file| file.path.ends_with(".toml")).collect();
    judge(&tables, &markers)
}

fn judge(tables: &[&TextFile], markers: &Markers) -> Outcome<Check> {
    let mut check = Check::default();
    let mut ids = Vec::new();
    for file in tables {
        let path = &file.path;
        let table: Table = toml::from_str(&file.text).map_err(|why| format!("{path}: {why}"))?;
        for Requirement { id, text } in &table.requirement {
            if !is_id(id) {
                check.problems.push(format!("{path}: {id:?} is no id like rfc6455:5.2-rsv-zero"));
            }
            if text.trim().is_empty() {
                check.problems.push(format!("{path}: {id} has no text"));
            }
            if !markers.enforced.contains_key(id) {
                check.problems.push(format!("{path}: no line of a crate enforces [{id}]"));
            }
            if !markers.tested.contains_key(id) {
                check.problems.push(format!("{path}: no test has [{id}]"));
            }
        }
        let name = path.trim_start_matches(TABLES);
        check.remarks.push(format!("{name}: {} requirements", table.requirement.len()));
        ids.extend(table.requirement.into_iter().map(|requirement| requirement.id));
    }
    let counts = counts(&ids);
    for (id, _) in counts.iter().filter(|(_, count)| **count > 1) {
        check.problems.push(format!("{id} has more than one entry"));
    }
    let ids: BTreeSet<_> = ids.iter().collect();
    for (id, place) in markers.all().filter(|(id, _)| !ids.contains(id)) {
        check.problems.push(format!("{place}: [{id}] is no requirement of {TABLES}"));
    }
    let have = |markers: &BTreeMap<String, _>| {
        ids.iter().filter(|id| markers.contains_key(id.as_str())).count()
    };
    check.summary = format!(
        "{} requirements, {} enforced, {} tested",
        ids.len(),
        have(&markers.enforced),
        have(&markers.tested)
    );
    Ok(check)
}

impl Markers {
    fn collect(&mut self, file: &TextFile) {
        let source = Source::new(&file.text);
        let tests = match place(&file.path) {
            Place::Source => source.lines_before_tests(),
            Place::Test => 0,
            Place::Elsewhere => usize::MAX,
        };
        for (index, line) in source.comments.lines().enumerate() {
            for id in markers(line) {
                let into = match place(&file.path) {
                    Place::Elsewhere => &mut self.elsewhere,
                    Place::Source | Place::Test if index < tests => &mut self.enforced,
                    Place::Source | Place::Test => &mut self.tested,
                };
                let place = || format!("{}:{}", file.path, index + 1);
                into.entry(id.to_owned()).or_insert_with(place);
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = (&String, &String)> {
        self.enforced.iter().chain(&self.tested).chain(&self.elsewhere)
    }
}

/// The role of a file in the trace.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Under `crates/*/src`: enforces, until its tests begin.
    Source,
    Test,
    Elsewhere,
}

fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.split('/').collect();
    let is_test = ["tests.rs", "properties.rs", "tests", "properties"];
    match parts[..] {
        ["conformance", ..] => Place::Test,
        ["crates", _, "src" | "tests", ref rest @ ..]
            if parts[2] == "tests" || rest.iter().any(|part| is_test.contains(part)) =>
        {
            Place::Test
        }
        ["crates", _, "src", ..] => Place::Source,
        _ => Place::Elsewhere,
    }
}

/// The ids in brackets of a line.
fn markers(line: &str) -> impl Iterator<Item = &str> {
    let inner = line.split('[').skip(1).filter_map(|rest| Some(rest.split_once(']')?.0));
    inner.filter(|id| is_id(id))
}

/// A source, a colon, the section and a few words: `rfc6455:5.2-rsv-zero`.
fn is_id(text: &str) -> bool {
    let Some((source, slug)) = text.split_once(':') else { return false };
    let small = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    source.starts_with(|it: char| it.is_ascii_lowercase())
        && source.chars().all(small)
        && slug.starts_with(small)
        && slug.chars().all(|it| small(it) || matches!(it, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::{Check, Markers, Place, TextFile, is_id, judge, markers, place};

    const TABLE: &str = "[[requirement]]\nid = 'rfc1:2-x'\ntext = 'Something.'\n";

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn check(table: &str, sources: &[(&str, &str)]) -> Check {
        let mut markers = Markers::default();
        sources.iter().for_each(|(path, text)| markers.collect(&file(path, text)));
        judge(&[&file("conformance/requirements/a.toml", table)], &markers).expect("it parses")
    }

    #[test]
    fn one_line_enforces_and_one_test_proves() {
        let source = "// [rfc1:2-x]\nfn f() {}\n#[cfg(test)]\nmod tests {\n // [rfc1:2-x]\n}\n";
        let check = check(TABLE, &[("crates/a/src/b.rs", source)]);
        assert_eq!(check.problems, [] as [&str; 0]);
        assert_eq!(check.summary, "1 requirements, 1 enforced, 1 tested");
    }

    #[test]
    fn what_is_missing_is_named() {
        let check =
            check(TABLE, &[("crates/a/src/b.rs", "// [rfc1:2-y]\nlet a = \"[rfc1:2-x]\";")]);
        assert_eq!(check.problems.len(), 3, "{:?}", check.problems);
        assert!(check.problems[0].ends_with("no line of a crate enforces [rfc1:2-x]"));
        assert!(check.problems[1].ends_with("no test has [rfc1:2-x]"));
        assert!(check.problems[2].starts_with("crates/a/src/b.rs:1: [rfc1:2-y] is no requirement"));
    }

    #[test]
    fn entries_are_unique_and_say_something() {
        let both =
            [("crates/a/src/b.rs", "// [rfc1:2-x]"), ("crates/a/tests/t.rs", "// [rfc1:2-x]")];
        let twice = check(&TABLE.repeat(2), &both);
        assert_eq!(twice.problems, ["rfc1:2-x has more than one entry"]);
        let silent = check(&TABLE.replace("Something.", " "), &both);
        assert_eq!(silent.problems, ["conformance/requirements/a.toml: rfc1:2-x has no text"]);
    }

    #[test]
    fn places() {
        assert_eq!(place("crates/a/src/b/c.rs"), Place::Source);
        for path in [
            "crates/a/tests/c.rs",
            "crates/a/src/b/tests.rs",
            "crates/a/src/properties.rs",
            "crates/a/src/properties/oracle.rs",
            "conformance/src/case.rs",
        ] {
            assert_eq!(place(path), Place::Test, "{path}");
        }
        assert_eq!(place("crates/a/examples/c.rs"), Place::Elsewhere);
    }

    #[test]
    fn ids() {
        assert!(is_id("rfc6455:5.2-rsv-zero"));
        assert!(!is_id("core::fmt"));
        assert!(!is_id("rfc6455"));
        assert!(!is_id("a: b"));
        assert!(markers("// [a:1-b] x[0], [`Foo`], [c:2-d](url)").eq(["a:1-b", "c:2-d"]));
    }
}
