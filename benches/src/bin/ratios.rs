//! Prints every row beside its peers, as ratios of interleaved rounds, and judges the targets.
//!
//! `cargo run --release --bin ratios [CONCERN…]`

use std::process::ExitCode;

use sockeye_benches::{measure, rows};

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut missed = Vec::new();
    for (concern, about, groups) in rows::CONCERNS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == concern) {
            continue;
        }
        println!("\n## {concern}\n\n{about}");
        for mut group in groups() {
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
