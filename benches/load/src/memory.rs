//! The rows that run in memory, without servers: `ratios` of the benches prints them and judges them itself.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::pinned::{SERVER_CORE, on_core};
use crate::target::{Outcome, Verdict};

/// The concerns that this table shows.
const CONCERNS: [&str; 3] = ["decode", "utf8", "sse"];

/// Runs it and reads its verdicts.
pub(crate) fn measure(ratios: &Path) -> Result<Vec<Outcome>, String> {
    let mut command = Command::new(ratios);
    command.args(CONCERNS).stdin(Stdio::null()).stderr(Stdio::null());
    let output = on_core(SERVER_CORE, || command.output()).map_err(|error| error.to_string())?;
    let outcomes = read(&String::from_utf8_lossy(&output.stdout));
    if outcomes.is_empty() { Err("`ratios` judged nothing".into()) } else { Ok(outcomes) }
}

/// Its lines are `HIT: ROW runs at RATIO (LEAST–MOST) of the speed of OTHER; wanted FACTOR`, below the
/// name of their group.
fn read(text: &str) -> Vec<Outcome> {
    let mut group = "";
    let mut all = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("### ") {
            group = name;
        }
        all.extend(outcome(group, line));
    }
    all
}

fn outcome(group: &str, line: &str) -> Option<Outcome> {
    let (verdict, rest) = line.split_once(": ")?;
    let verdict = match verdict {
        "HIT" => Verdict::Hit,
        "MISS" => Verdict::Miss,
        _ => return None,
    };
    let (row, rest) = rest.split_once(" runs at ")?;
    let (ratio, rest) = rest.split_once(" of the speed of ")?;
    let (other, wanted) = rest.split_once("; wanted ")?;
    Some(Outcome {
        load: format!("{group}: {row}"),
        against: format!("≥ {wanted} × {other}"),
        shown: ratio.to_owned(),
        verdict,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_with_their_groups() {
        let text = "\n### decode 16 B\n\n| a | b |\n\nHIT: sockeye-frame runs at 3.22 (2.38–3.44) of the \
            speed of tungstenite; wanted 3\n### utf8\nMISS: x runs at 1.00 (1.00–1.00) of the speed of y; \
            wanted 10\nmissed: utf8\n";
        let all = read(text);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].load, "decode 16 B: sockeye-frame");
        assert_eq!(all[0].against, "≥ 3 × tungstenite");
        assert_eq!((&*all[0].shown, all[0].verdict), ("3.22 (2.38–3.44)", Verdict::Hit));
        assert_eq!((&*all[1].load, all[1].verdict), ("utf8: x", Verdict::Miss));
    }
}
