//! What a registry, docs.rs and a reader expect of each package that is published.

use std::fs;
use std::path::Path;

use crate::outcome::{Check, Outcome};
use crate::workspace::{Package, Workspace};

const LICENSES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
const NPM: &str = "clients/js";
/// Of the registry.
const KEYWORDS_MAX: usize = 5;

pub(crate) fn run(workspace: &Workspace) -> Outcome<Check> {
    let mut check = Check::default();
    let published: Vec<&Package> = workspace.published().collect();
    for package in &published {
        let mut problems = problems_of(package, workspace)?;
        problems.sort();
        check.problems.extend(problems.iter().map(|it| format!("{}: {it}", package.name)));
    }
    check.problems.extend(npm(workspace, &published)?);
    check.summary = format!("{} packages, and one for npm", published.len());
    Ok(check)
}

fn problems_of(package: &Package, workspace: &Workspace) -> Outcome<Vec<String>> {
    let mut problems = manifest(package);
    let directory = package.directory();
    for license in LICENSES {
        let ours = fs::read(directory.join(license)).unwrap_or_default();
        if ours != fs::read(workspace.root.join(license))? {
            problems.push(format!("{license} is not the one of the workspace: link it"));
        }
    }
    for page in pages(directory)? {
        let text = fs::read_to_string(directory.join(&page))?;
        problems.extend(links_out(&text).map(|link| format!("{page} links out of it: {link}")));
    }
    let private = package.dependencies.iter().filter(|it| it.kind.as_deref() != Some("dev"));
    let private = private.filter(|it| {
        workspace.packages.iter().any(|other| other.name == it.name && !other.is_published())
    });
    problems.extend(private.map(|it| format!("needs {}, which is not published", it.name)));
    Ok(problems)
}

/// What is wrong with the package for npm. It has copies of the licences, since npm packs no links.
fn npm(workspace: &Workspace, published: &[&Package]) -> Outcome<Vec<String>> {
    let manifest: serde_json::Value =
        serde_json::from_str(&workspace.read(&format!("{NPM}/package.json"))?)?;
    let mut problems = Vec::new();
    let ours = published.first().ok_or("no package is published")?;
    let repository = ours.about.repository.as_deref().unwrap_or_default();
    if manifest["repository"]["url"] != format!("git+{repository}") {
        problems.push(format!("{NPM}: its repository is not git+{repository}"));
    }
    if manifest["version"] != ours.version {
        problems.push(format!("{NPM}: its version is not {}", ours.version));
    }
    for license in LICENSES {
        if workspace.read(&format!("{NPM}/{license}"))? != workspace.read(license)? {
            problems.push(format!("{NPM}: {license} is not a copy of the workspace's"));
        }
    }
    Ok(problems)
}

/// What its manifest lacks.
fn manifest(package: &Package) -> Vec<String> {
    let about = &package.about;
    let documentation = format!("https://docs.rs/{}", package.name);
    let keywords = about.keywords.len();
    let conditions = [
        (about.description.is_some(), "no description"),
        (about.license.is_some(), "no license"),
        (about.readme.is_some(), "no readme"),
        (about.repository.is_some(), "no repository"),
        (
            about.documentation == Some(documentation),
            "its documentation is not its page of docs.rs",
        ),
        ((1..=KEYWORDS_MAX).contains(&keywords), "not one to five keywords"),
        (!about.categories.is_empty(), "no categories"),
        (about.metadata["docs"]["rs"]["all-features"] == true, "docs.rs hides features"),
    ];
    conditions.into_iter().filter(|(holds, _)| !holds).map(|(_, why)| why.to_owned()).collect()
}

/// The Markdown files that lie beside the manifest.
fn pages(directory: &Path) -> Outcome<Vec<String>> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            pages.push(name);
        }
    }
    Ok(pages)
}

/// The targets of links that lead to another directory of the repository.
fn links_out(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| target.starts_with("../") || target.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::links_out;

    #[test]
    fn links_that_leave_the_package_are_found() {
        let text = "[a](../x.md) [b](WPT.md#c) [d](https://docs.rs/e), [f](/g)\n(../h)";
        assert_eq!(links_out(text).collect::<Vec<_>>(), ["../x.md", "/g"]);
    }
}
