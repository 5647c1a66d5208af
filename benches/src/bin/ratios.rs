//! Prints every row beside its peers, as ratios of interleaved rounds, and judges the targets.
//!
//! `cargo run --release --bin ratios [CONCERN…]`; a word that is no concern is a part of the names of groups.

use std::process::ExitCode;

use sockeye_benches::{Group, measure, rows};

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut missed = Vec::new();
    for (concern, about, groups) in rows::CONCERNS {
        let is_whole = wanted.is_empty() || wanted.iter().any(|name| name == concern);
        let is_wanted =
            |group: &Group| is_whole || wanted.iter().any(|it| group.name.contains(it.as_str()));
        let groups: Vec<Group> = groups().into_iter().filter(is_wanted).collect();
        if groups.is_empty() {
            continue;
        }
        println!("\n## {concern}\n\n{about}");
        for mut group in groups {
            if !measure(&mut group) {
                missed.push(group.name);
            }
        }
    }
    println!(
        "\nmissed: {}",
        if missed.is_empty() { "nothing".to_owned() } else { missed.join("; ") }
    );
    ExitCode::SUCCESS
}
