//! Words that no committed text and no commit message may contain: paths and hosts of one machine.
//! `tidy.toml` lists them and is the only file that the check leaves out.

use serde::Deserialize;

use crate::outcome::Outcome;
use crate::workspace::{Workspace, output, utf8};

const RULES: &str = "xtask/tidy.toml";
const SUBJECT_MAX: usize = 72;

/// The `file` of an exception for a commit that is published: its `line` is the whole subject.
const MESSAGES: &str = "commit messages";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    /// Directories that a text must not name.
    paths: Vec<String>,
    /// Hosts that a URL must not name.
    hosts: Vec<String>,
    /// Endings of host names that exist only in one network.
    private_suffixes: Vec<String>,
    /// The one registry that a Cargo.lock may name.
    cargo_registry: String,
    /// Lines that are allowed, with the reason.
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// An allowed line of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    file: String,
    /// A part of the line.
    line: String,
    #[serde(rename = "why")]
    _why: String,
}

/// A commit of HEAD.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commit {
    id: String,
    subject: String,
    body: String,
}

/// All commits of HEAD.
pub(super) fn commits(workspace: &Workspace) -> Outcome<Vec<Commit>> {
    let root = utf8(&workspace.root)?;
    let log = output("git", ["-C", root, "log", "--format=%h%x00%s%x00%b%x01"])?;
    log.split('\x01')
        .filter(|entry| !entry.trim().is_empty())
        .map(|it| parse(it).ok_or_else(|| "a commit without parts".into()))
        .collect()
}

fn parse(entry: &str) -> Option<Commit> {
    let mut parts = entry.trim_start().split('\0').map(str::to_owned);
    Some(Commit { id: parts.next()?, subject: parts.next()?, body: parts.next()? })
}

impl Rules {
    pub(super) fn read(workspace: &Workspace) -> Outcome<Self> {
        Ok(toml::from_str(&workspace.read(RULES)?)?)
    }

    /// The problems of a file's words.
    pub(super) fn check(&self, path: &str, text: &str) -> Vec<String> {
        if path == RULES {
            return Vec::new();
        }
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let place = || format!("{path}:{}", index + 1);
            if self.exceptions.iter().any(|it| it.file == path && line.contains(&it.line)) {
                continue;
            }
            problems.extend(self.bad_words(line).map(|what| format!("{}: {what}", place())));
            if path.ends_with("Cargo.lock") && self.is_foreign_source(line) {
                problems.push(format!("{}: another registry than crates.io", place()));
            }
        }
        problems
    }

    /// The problems of a commit's message.
    pub(super) fn check_commit(&self, commit: &Commit) -> Vec<String> {
        let Commit { id, subject, body } = commit;
        let mut problems: Vec<String> = [subject, body]
            .into_iter()
            .flat_map(|text| text.lines())
            .flat_map(|line| self.bad_words(line))
            .map(|what| format!("commit {id}: {what}"))
            .collect();
        let len = subject.chars().count();
        let is_published = |it: &Exception| it.file == MESSAGES && it.line == *subject;
        if len > SUBJECT_MAX && !self.exceptions.iter().any(is_published) {
            problems.push(format!("commit {id}: the subject has {len} characters: {subject}"));
        }
        problems
    }

    fn bad_words(&self, line: &str) -> impl Iterator<Item = String> {
        let paths = self.paths.iter().filter(|path| names_path(line, path));
        let hosts = hosts(line).into_iter().filter(|host| self.is_bad_host(host));
        let paths = paths.map(|path| format!("names a path of one machine, {path}"));
        paths.chain(hosts.map(|host| format!("names the host {host}")))
    }

    fn is_bad_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|bad| host.eq_ignore_ascii_case(bad))
            || self.private_suffixes.iter().any(|suffix| host.ends_with(suffix))
            || is_private_address(host)
    }

    fn is_foreign_source(&self, line: &str) -> bool {
        line.strip_prefix("source = ").is_some_and(|it| it.trim_matches('"') != self.cargo_registry)
    }
}

/// Whether a line names a directory, or something in it, by an absolute path.
fn names_path(line: &str, path: &str) -> bool {
    let part_of_path = |it: char| it.is_alphanumeric() || matches!(it, '_' | '-');
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        !before
            .is_some_and(|it| part_of_path(it) || matches!(it, '.' | '}' | ')' | '/' | ':' | '*'))
            && !after.is_some_and(part_of_path)
    })
}

/// The hosts of the URLs in a line.
fn hosts(line: &str) -> Vec<&str> {
    let after_scheme = line.match_indices("://").map(|(at, it)| &line[at + it.len()..]);
    let authority = after_scheme.map(|rest| {
        let in_host = |it: char| it.is_alphanumeric() || matches!(it, '.' | '-' | '_' | '@' | ':');
        &rest[..rest.find(|it| !in_host(it)).unwrap_or(rest.len())]
    });
    let host = authority.map(|it| it.rsplit('@').next().unwrap_or(it));
    host.map(|it| it.split(':').next().unwrap_or(it)).collect()
}

/// RFC 1918 and link-local addresses. Loopback is everybody's.
fn is_private_address(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok_and(|it| it.is_private() || it.is_link_local())
}

#[cfg(test)]
mod tests {
    use super::{Commit, MESSAGES, Rules, hosts, names_path, parse};

    fn rules() -> Rules {
        let text = "paths = ['/den']\nhosts = ['registry.example']\nprivate_suffixes = ['.corp']\n\
                    cargo_registry = 'registry+https://index.example'\n\
                    [[exceptions]]\nfile = 'a.sh'\nline = 'cd /den/x'\nwhy = 'a test'\n";
        let published = format!(
            "[[exceptions]]\nfile = '{MESSAGES}'\nline = '{}'\nwhy = 'a test'\n",
            "p".repeat(73)
        );
        let text = &format!("{text}{published}");
        toml::from_str(text).expect("rules")
    }

    #[test]
    fn paths_are_absolute_and_whole() {
        for line in ["cd /den", "'/den/fox'", "a=/den:b", "(/den)", "see /den."] {
            assert!(names_path(line, "/den"), "{line}");
        }
        for line in ["GET http://a/den", "/garden", "/dens", "x/den", "$(pwd)/den", "../den"] {
            assert!(!names_path(line, "/den"), "{line}");
        }
    }

    #[test]
    fn urls_have_hosts() {
        assert_eq!(hosts("https://a.b/c and ws://u:p@d:80/ or ://"), ["a.b", "d", ""]);
    }

    #[test]
    fn bad_words_are_found_except_the_exceptions() {
        // Put together here, so that this file passes its own check.
        let hosts = ["registry.example", "a.corp", "10.0.0.1", "127.0.0.1", "example.com"];
        let urls: String = hosts.iter().map(|host| format!("see http://{host}/x\n")).collect();
        let text = &format!("cd /den/x\ncd /den/y\n{urls}");
        let problems = rules().check("a.sh", text);
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert_eq!(problems[0], "a.sh:2: names a path of one machine, /den");
        assert_eq!(rules().check("b.sh", text).len(), 5);
        assert!(rules().check("xtask/tidy.toml", text).is_empty());
    }

    #[test]
    fn a_lock_file_has_one_registry() {
        let text = "source = \"registry+https://index.example\"\nsource = \"registry+https://b\"\n";
        assert_eq!(rules().check("x/Cargo.lock", text).len(), 1);
        assert_eq!(rules().check("x/other", text).len(), 0);
    }

    #[test]
    fn commits_are_short_and_name_no_machine() {
        let commit = parse("\n1a2b\0frame: say less\0why\nsee /den/x\n").expect("a commit");
        assert_eq!(commit.subject, "frame: say less");
        assert_eq!(rules().check_commit(&commit).len(), 1);
        let long = Commit { subject: "x".repeat(73), body: String::new(), ..commit };
        assert_eq!(rules().check_commit(&long).len(), 1);
        let published = Commit { subject: "p".repeat(73), body: String::new(), ..long };
        assert!(rules().check_commit(&published).is_empty());
        let long = Commit { subject: "p".repeat(74), ..published };
        assert_eq!(rules().check_commit(&long).len(), 1);
        let fits = Commit { subject: "é".repeat(72), ..long };
        assert!(rules().check_commit(&fits).is_empty());
    }
}
