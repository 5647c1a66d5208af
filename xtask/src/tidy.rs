//! A reviewer's routine questions: sizes, leftovers, metadata, forbidden words.

mod forgotten;
mod leftovers;
mod packages;
mod sizes;
mod words;

use crate::circles;
use crate::outcome::{Check, Notes, Outcome};
use crate::workspace::{TextFile, Workspace};

pub(crate) fn run(workspace: &Workspace, notes: Notes) -> Outcome<Check> {
    let files = workspace.files(&[""])?;
    let sources: Vec<&TextFile> = files.iter().filter(|it| it.path.ends_with(".rs")).collect();
    let rules = words::Rules::read(workspace)?;
    let commits = words::commits(workspace)?;

    let sizes = sizes::check(&sources);
    let mut problems = sizes.problems;
    problems.extend(leftovers::check(workspace, &sources));
    problems.extend(forgotten::check(workspace, &sources)?);
    problems.extend(circles::run(workspace, Notes::Hide)?.problems);
    problems.extend(packages::check(workspace)?);
    problems.extend(files.iter().flat_map(|file| rules.check(&file.path, &file.text)));
    problems.extend(commits.iter().flat_map(|commit| rules.check_commit(commit)));
    Ok(Check {
        remarks: if notes == Notes::Show { sizes.notes } else { Vec::new() },
        problems,
        summary: format!(
            "{} files, {} functions, {} published crates, {} commits",
            files.len(),
            sizes.functions,
            workspace.packages.iter().filter(|package| package.is_published()).count(),
            commits.len()
        ),
    })
}
