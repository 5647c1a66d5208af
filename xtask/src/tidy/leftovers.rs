//! Leftovers of work in progress: prints in libraries, unfinished macros, ignored tests.

use crate::rust::Source;
use crate::workspace::{TextFile, Workspace};

/// A library reports by errors and events.
const PRINTS: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];
const UNFINISHED: [&str; 2] = ["todo", "unimplemented"];

pub(super) fn check(workspace: &Workspace, sources: &[&TextFile]) -> Vec<String> {
    let libraries: Vec<String> = workspace
        .packages
        .iter()
        .filter(|package| package.has("lib"))
        .filter_map(|package| package.directory().strip_prefix(&workspace.root).ok())
        .map(|directory| format!("{}/src/", directory.display()))
        .collect();
    let is_library = |path: &str| libraries.iter().any(|it| path.starts_with(it));
    sources.iter().flat_map(|file| check_source(file, is_library(&file.path))).collect()
}

fn check_source(TextFile { path, text }: &TextFile, is_library: bool) -> Vec<String> {
    let source = Source::new(text);
    let mut calls = source.calls(&UNFINISHED, usize::MAX);
    if is_library {
        calls.extend(source.calls(&PRINTS, source.lines_before_tests()));
    }
    let calls = calls.into_iter().map(|(line, name)| format!("{path}:{line}: {name}!"));
    let lines = source.code.lines().enumerate();
    let ignored = lines.filter(|(_, line)| line.contains("#[ignore"));
    calls.chain(ignored.map(|(at, _)| format!("{path}:{}: a test is ignored", at + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::{TextFile, check_source};

    const TEXT: &str = "// todo!()\nfn f() { println!(\"dbg!()\"); todo!() }\n\
                        #[cfg(test)]\nmod tests {\n#[test]\n#[ignore = \"x\"]\nfn g() { dbg!(1); } }\n";

    #[test]
    fn leftovers_are_found_where_they_matter() {
        let file = TextFile { path: "a.rs".to_owned(), text: TEXT.to_owned() };
        let all = check_source(&file, true);
        assert_eq!(all, ["a.rs:2: todo!", "a.rs:2: println!", "a.rs:6: a test is ignored"]);
        assert_eq!(check_source(&file, false), ["a.rs:2: todo!", "a.rs:6: a test is ignored"]);
    }
}
