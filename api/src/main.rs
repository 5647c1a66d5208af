//! Lists what each published library makes public, and compares it with the committed listings.
//!
//! `cargo run -p sockeye-api` compares, and fails if an item came, went or changed. `cargo run -p sockeye-api -- renew`
//! writes the listings anew. README.md says what a listing has.

mod difference;
mod libraries;
mod listing;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use difference::differences;
use libraries::{Library, Workspace};

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: cargo run -p sockeye-api -- [renew]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => compare(),
        ["renew"] => renew().map(|()| ExitCode::SUCCESS),
        _ => Err(USAGE.into()),
    };
    outcome.unwrap_or_else(|why| {
        eprintln!("api: {why}");
        ExitCode::from(2)
    })
}

/// Compares each library with its listing.
fn compare() -> Outcome<ExitCode> {
    let workspace = Workspace::find()?;
    let mut problems = strangers(&workspace)?;
    let mut items = 0;
    for library in &workspace.libraries {
        let now = listing::of(&workspace.json(library))?;
        let then = fs::read_to_string(workspace.listing(library)).unwrap_or_default();
        items += now.lines().count();
        let changes = differences(&then, &now);
        problems.extend(changes.iter().map(|it| format!("{}: {it}", library.package)));
    }
    problems.iter().for_each(|problem| println!("api: error: {problem}"));
    let libraries = workspace.libraries.len();
    if problems.is_empty() {
        println!("api: {items} public items of {libraries} libraries");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "api: {} differences; if they are meant: cargo run -p sockeye-api -- renew",
        problems.len()
    );
    Ok(ExitCode::FAILURE)
}

/// Writes each listing anew, and removes those of libraries that are gone.
fn renew() -> Outcome<()> {
    let workspace = Workspace::find()?;
    for library in &workspace.libraries {
        fs::write(workspace.listing(library), listing::of(&workspace.json(library))?)?;
    }
    for name in names_of_strangers(&workspace)? {
        fs::remove_file(workspace.listings().join(name))?;
    }
    Ok(())
}

fn strangers(workspace: &Workspace) -> Outcome<Vec<String>> {
    let names = names_of_strangers(workspace)?;
    Ok(names.iter().map(|name| format!("api/{name} is of no published library")).collect())
}

/// The listings that belong to no library.
fn names_of_strangers(workspace: &Workspace) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.listings())? {
        let path = entry?.path();
        let is_listing = path.extension().is_some_and(|it| it == "txt");
        let is_ours = |library: &Library| workspace.listing(library) == path;
        if is_listing && !workspace.libraries.iter().any(is_ours) {
            names.push(file_name(&path));
        }
    }
    Ok(names)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
