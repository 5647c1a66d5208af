//! A crate's files as modules: where each stands in the tree, and what paths it names.

use std::collections::BTreeMap;

use crate::rust::Source;
use crate::workspace::TextFile;

/// A path in the source, as names: `crate::a::B` is `["crate", "a", "B"]`; a glob ends in `*`.
pub(crate) type Names = Vec<String>;

/// A file of a crate, without its tests.
#[derive(Debug)]
pub(crate) struct Module {
    /// Relative to the crate's `src`.
    pub(crate) file: String,
    /// The paths that the file names, with their lines.
    pub(crate) paths: Vec<(usize, Names)>,
    /// What its `use` declarations bring in: the name there, and the path that it stands for.
    pub(crate) imports: Vec<(String, Names)>,
}

/// The files of a crate by the path of their module; the root is the empty path.
pub(crate) type Tree = BTreeMap<Names, Module>;

/// The modules of the files below `src`, which is a prefix of their paths.
pub(crate) fn tree<'f>(src: &str, files: impl IntoIterator<Item = &'f TextFile>) -> Tree {
    let mut tree = Tree::new();
    for TextFile { path, text } in files {
        let Some(file) = path.strip_prefix(src) else { continue };
        let Some(name) = module_path(file) else { continue };
        let source = Source::new(text);
        let lines = source.code.lines().take(source.lines_before_tests());
        let code = lines.collect::<Vec<_>>().join("\n");
        let tokens = tokens(&code);
        let (paths, imports) = (paths(&tokens), imports(&tokens));
        tree.insert(name, Module { file: file.to_owned(), paths, imports });
    }
    tree
}

/// `a/b.rs` and `a/b/mod.rs` are `a::b`. Programs beside the crate's root and files of tests are no modules of it.
fn module_path(file: &str) -> Option<Names> {
    let stem = file.strip_suffix(".rs")?;
    let mut names: Names = stem.split('/').map(str::to_owned).collect();
    if names.iter().any(|name| name == "tests") || names[0] == "bin" {
        return None;
    }
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    Some(names)
}

/// A name or a character that is none, with its line.
type Token<'c> = (usize, &'c str);

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |it: char| it.is_alphanumeric() || it == '_';
            let len = match first {
                _ if is_word(first) => rest.find(|it| !is_word(it)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            tokens.push((index + 1, &rest[..len]));
            rest = rest[len..].trim_start();
        }
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|it: char| it.is_alphabetic() || it == '_')
}

/// Every path of two names or more; those of a `use` tree one by one.
fn paths(tokens: &[Token<'_>]) -> Vec<(usize, Names)> {
    let mut paths = Vec::new();
    for (at, (line, token)) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| tokens[before].1);
        let begins = is_name(token) && !matches!(before, Some("::" | "."));
        if begins && tokens.get(at + 1).is_some_and(|next| next.1 == "::") {
            let found = leaves(&tokens[at..]).0;
            paths.extend(found.into_iter().map(|(_, names)| (*line, names)));
        }
    }
    paths
}

fn imports(tokens: &[Token<'_>]) -> Vec<(String, Names)> {
    let uses = tokens.iter().enumerate().filter(|(_, token)| token.1 == "use");
    uses.flat_map(|(at, _)| leaves(&tokens[at + 1..]).0).collect()
}

/// The leaves of the tree of paths at the beginning, with the name that each has afterwards; and its length.
fn leaves(tokens: &[Token<'_>]) -> (Vec<(String, Names)>, usize) {
    let mut names = Names::new();
    let mut at = 0;
    while let Some((_, token)) = tokens.get(at) {
        match *token {
            "{" => {
                let (all, len) = group(&tokens[at + 1..]);
                let below = |(name, tail): (String, Names)| leaf_below(&names, name, tail);
                return (all.into_iter().map(below).collect(), at + 1 + len);
            }
            "*" => names.push("*".to_owned()),
            token if is_name(token) => names.push(token.to_owned()),
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|next| next.1 != "::") {
            break;
        }
        at += 1;
    }
    let Some(mut name) = names.last().cloned() else { return (Vec::new(), at) };
    if let [(_, "as"), (_, other), ..] = tokens[at..] {
        name = other.to_owned();
        at += 2;
    }
    (vec![(name, names)], at)
}

/// The leaves of a group, behind its opening brace, and its length with the closing one.
fn group(tokens: &[Token<'_>]) -> (Vec<(String, Names)>, usize) {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some((_, token)) = tokens.get(at) {
        match *token {
            "}" => return (all, at + 1),
            "," => at += 1,
            _ => {
                let (found, len) = leaves(&tokens[at..]);
                all.extend(found);
                at += len.max(1);
            }
        }
    }
    (all, at)
}

/// `a::{self, b}` stands for `a` and `a::b`.
fn leaf_below(head: &[String], name: String, mut tail: Names) -> (String, Names) {
    if tail == ["self"] {
        tail.clear();
    }
    let names = [head, &tail].concat();
    let name = if name == "self" { names.last().cloned().unwrap_or(name) } else { name };
    (name, names)
}

#[cfg(test)]
mod tests {
    use super::{imports, module_path, paths, tokens};

    fn shown(names: &[String]) -> String {
        names.join("::")
    }

    #[test]
    fn files_are_modules() {
        let path = |file| module_path(file).map(|names| shown(&names));
        assert_eq!(path("lib.rs").as_deref(), Some(""));
        assert_eq!(path("a/b.rs").as_deref(), Some("a::b"));
        assert_eq!(path("a/mod.rs").as_deref(), Some("a"));
        assert_eq!(path("a/tests.rs"), None);
        assert_eq!(path("bin/x.rs"), None);
    }

    #[test]
    fn use_trees_come_apart() {
        let code = "pub(crate) use crate::{a::{self, B as C}, d::*};\nuse super::e;";
        let found: Vec<_> = imports(&tokens(code))
            .iter()
            .map(|(name, names)| format!("{name} = {}", shown(names)))
            .collect();
        assert_eq!(found, ["a = crate::a", "C = crate::a::B", "* = crate::d::*", "e = super::e"]);
    }

    #[test]
    fn paths_in_code_are_found_once() {
        let code = "fn f(x: crate::a::B) -> u8 {\n    x.y::<u8>(); super::g(); local\n}";
        let found: Vec<_> =
            paths(&tokens(code)).iter().map(|(at, it)| format!("{at} {}", shown(it))).collect();
        assert_eq!(found, ["1 crate::a::B", "2 super::g"]);
    }
}
