//! Whether the tree is what a release of a version ships.

use crate::outcome::{Check, Outcome};
use crate::workspace::{Workspace, output, utf8};

const CHANGELOG: &str = "CHANGELOG.md";
/// A date in this place of the changelog says that the version is out.
const UNRELEASED: &str = "unreleased";
/// A name that RFC 2606 reserves: nobody finds a repository there.
const RESERVED: &str = ".example";

/// Checks the tree for a release of `version`. Without one it is a rehearsal: what only a release asks for is a remark.
pub(crate) fn run(workspace: &Workspace, version: Option<&str>) -> Outcome<Check> {
    let ours = &workspace.published().next().ok_or("no package is published")?.version;
    let mut problems = versions(workspace, ours)?;
    let mut rest = last_steps(workspace, ours)?;
    match version {
        Some(version) if version != ours => {
            problems.push(format!("Cargo.toml has version {ours}, not {version}"));
        }
        Some(_) => problems.append(&mut rest),
        None => {}
    }
    let remarks = rest.iter().map(|it| format!("before a release: {it}")).collect();
    let packages = workspace.published().count();
    Ok(Check { remarks, problems, summary: format!("{packages} packages of version {ours}") })
}

/// The places that have another version than the workspace.
fn versions(workspace: &Workspace, ours: &str) -> Outcome<Vec<String>> {
    let manifest: toml::Table = toml::from_str(&workspace.read("Cargo.toml")?)?;
    let dependencies = &manifest["workspace"]["dependencies"];
    let mut problems = Vec::new();
    for package in workspace.published() {
        let said = dependencies.get(&package.name).and_then(|it| it.get("version"));
        if package.version != ours {
            problems.push(format!("{} has version {}, not {ours}", package.name, package.version));
        }
        if said.is_some_and(|it| it.as_str() != Some(ours)) {
            problems.push(format!("Cargo.toml asks for another version of {}", package.name));
        }
    }
    for (path, keys) in
        [("clients/js/package.json", &["version"][..]), ("docs/openapi.json", &["info", "version"])]
    {
        let document: serde_json::Value = serde_json::from_str(&workspace.read(path)?)?;
        let said = keys.iter().fold(&document, |value, key| &value[key]);
        if said != ours {
            problems.push(format!("{path} has version {said}, not {ours}"));
        }
    }
    if heading(&workspace.read(CHANGELOG)?, ours).is_none() {
        problems.push(format!("{CHANGELOG} does not begin with a section \"## {ours}, DATE\""));
    }
    Ok(problems)
}

/// What a release still needs.
fn last_steps(workspace: &Workspace, ours: &str) -> Outcome<Vec<String>> {
    let mut steps = Vec::new();
    if heading(&workspace.read(CHANGELOG)?, ours) == Some(UNRELEASED) {
        steps.push(format!("{CHANGELOG} calls {ours} unreleased: write the date there"));
    }
    let package = workspace.published().next().ok_or("no package is published")?;
    if package.about.repository.as_deref().is_none_or(|it| it.contains(RESERVED)) {
        steps.push("Cargo.toml: repository is no address that exists".to_owned());
    }
    let root = utf8(&workspace.root)?;
    if !output("git", ["-C", root, "status", "--porcelain"])?.is_empty() {
        steps.push("git status shows changes that are not committed".to_owned());
    }
    if !output("git", ["-C", root, "tag", "--list", &format!("v{ours}")])?.is_empty() {
        steps.push(format!("the tag v{ours} is there already: raise the version"));
    }
    Ok(steps)
}

/// What the first section of a changelog says behind a version, if it is the section of that version.
fn heading<'t>(changelog: &'t str, version: &str) -> Option<&'t str> {
    let first = changelog.lines().find_map(|line| line.strip_prefix("## "))?;
    first.strip_prefix(version)?.strip_prefix(", ")
}

#[cfg(test)]
mod tests {
    use super::heading;

    #[test]
    fn the_first_section_is_that_of_the_version() {
        let changelog = "# Changelog\n\n## 0.2.0, 2027-01-02\n\n## 0.1.0, unreleased\n";
        assert_eq!(heading(changelog, "0.2.0"), Some("2027-01-02"));
        assert_eq!(heading(changelog, "0.1.0"), None);
        assert_eq!(heading("## 0.2.0\n", "0.2.0"), None);
        assert_eq!(heading("## 0.2.01, x\n", "0.2.0"), None);
    }
}
