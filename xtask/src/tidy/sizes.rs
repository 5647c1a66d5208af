//! Lengths of functions and files.

use crate::rust::Source;
use crate::workspace::TextFile;

/// A number of lines to aim at, and the maximum.
struct Bound {
    aim: usize,
    max: usize,
}

/// The bounds of a source.
struct Bounds {
    function: Bound,
    /// Tests at the end of a file do not count.
    file: Bound,
}

/// What users build.
const CRATES: Bounds =
    Bounds { function: Bound { aim: 40, max: 60 }, file: Bound { aim: 400, max: 500 } };
/// Suites, tests and tools.
const OTHERS: Bounds =
    Bounds { function: Bound { aim: 40, max: 70 }, file: Bound { aim: 400, max: 600 } };

fn bounds(path: &str) -> &'static Bounds {
    let is_test = path.split('/').any(|part| matches!(part, "tests" | "tests.rs"));
    if path.starts_with("crates/") && !is_test { &CRATES } else { &OTHERS }
}

#[derive(Default)]
pub(super) struct Sizes {
    pub(super) functions: usize,
    pub(super) problems: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Sizes {
    fn measure(&mut self, what: &str, lines: usize, bound: &Bound) {
        if lines > bound.max {
            self.problems.push(format!("{what} has {lines} lines, more than {}", bound.max));
        } else if lines > bound.aim {
            self.notes.push(format!("{what} has {lines} lines, we aim at {}", bound.aim));
        }
    }
}

pub(super) fn check(sources: &[&TextFile]) -> Sizes {
    let mut sizes = Sizes::default();
    for TextFile { path, text } in sources {
        let source = Source::new(text);
        let bounds = bounds(path);
        sizes.measure(path, source.lines_before_tests(), &bounds.file);
        for function in source.functions() {
            sizes.functions += 1;
            let what = format!("{path}:{}: fn {}", function.line, function.name);
            sizes.measure(&what, function.lines, &bounds.function);
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::{TextFile, check};

    fn sizes(text: &str) -> (usize, usize) {
        sizes_at("benches/a.rs", text)
    }

    fn sizes_at(path: &str, text: &str) -> (usize, usize) {
        let sizes = check(&[&TextFile { path: path.to_owned(), text: text.to_owned() }]);
        (sizes.problems.len(), sizes.notes.len())
    }

    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", ";\n".repeat(lines - 2))
    }

    #[test]
    fn functions() {
        assert_eq!(sizes(&function(40)), (0, 0));
        assert_eq!(sizes(&function(41)), (0, 1));
        assert_eq!(sizes(&function(70)), (0, 1));
        assert_eq!(sizes(&function(71)), (1, 0));
    }

    #[test]
    fn crates_are_narrower_than_their_tests() {
        let path = "crates/a/src/b.rs";
        assert_eq!(sizes_at(path, &function(60)), (0, 1));
        assert_eq!(sizes_at(path, &function(61)), (1, 0));
        assert_eq!(sizes_at(path, &";\n".repeat(500)), (0, 1));
        assert_eq!(sizes_at(path, &";\n".repeat(501)), (1, 0));
        for path in ["crates/a/tests/b.rs", "crates/a/src/b/tests.rs"] {
            assert_eq!(sizes_at(path, &function(70)), (0, 1));
            assert_eq!(sizes_at(path, &";\n".repeat(600)), (0, 1));
        }
    }

    #[test]
    fn files_without_their_tests() {
        assert_eq!(sizes(&";\n".repeat(400)), (0, 0));
        assert_eq!(sizes(&";\n".repeat(600)), (0, 1));
        assert_eq!(sizes(&";\n".repeat(601)), (1, 0));
        assert_eq!(sizes(&format!("#[cfg(test)]\nmod tests {{\n{}}}", ";\n".repeat(999))), (0, 0));
    }
}
