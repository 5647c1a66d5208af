//! Two nodes append to one log, and read the same entries in the same order.

use std::error::Error;
use std::sync::Arc;

use sockeye_backbone::memory::{MemoryEngine, MemoryLog};
use sockeye_backbone::{Engine, Event, Position};

fn main() -> Result<(), Box<dyn Error>> {
    let log = MemoryLog::default();
    let mut nodes = [log.open(), log.open()];
    nodes[0].begin_log(&Arc::from(*b"a log begins"))?;
    for (node, text) in [(1, "node 1 offers"), (0, "node 0 offers"), (1, "node 1 offers more")] {
        // Nobody has raised the fence.
        nodes[node].append(1, &[text.as_bytes().into()])?;
    }
    let [first, second] = nodes.each_mut().map(read);
    assert_eq!(first, second, "both decide on the same entries");
    for (position, text) in first {
        println!("{position}: {text}");
    }
    Ok(())
}

/// All entries, from the oldest on.
fn read(node: &mut MemoryEngine) -> Vec<(Position, String)> {
    node.read_from(Position::ZERO);
    let mut entries = Vec::new();
    while let Some(event) = node.next() {
        if let Event::Entry(position, entry) = event {
            entries.push((position, String::from_utf8_lossy(&entry).into_owned()));
        }
    }
    entries
}
