//! Feeds the committed inputs of fuzz targets to what they test, without a fuzzer: for a test in
//! each crate, so that a stable toolchain keeps what the fuzzer found.

use std::fs;
use std::path::Path;

/// A name and what is done to its inputs.
type Target = (&'static str, fn(&[u8]));

/// Runs each of a crate's targets on each file of its corpus; the output of a failed test ends
/// with the name of the file.
///
/// # Panics
/// A property does not hold, or a target has no corpus.
pub(crate) fn replay(targets: &[Target]) {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets {
        let corpus = corpora.join(name);
        let entries = fs::read_dir(&corpus).unwrap_or_else(|e| panic!("{}: {e}", corpus.display()));
        let mut inputs: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        assert!(!inputs.is_empty(), "{name} has an empty corpus");
        inputs.sort();
        for input in inputs {
            println!("{}", input.display());
            target(&fs::read(&input).expect("readable"));
        }
    }
}
