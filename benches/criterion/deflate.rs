//! Priming, compressing, decompressing. What each row includes stands in `sockeye_benches::rows`.

use criterion::{Criterion, criterion_group, criterion_main};

fn deflate(criterion: &mut Criterion) {
    support::bench(criterion, "deflate");
}

criterion_group!(benches, deflate);
criterion_main!(benches);

#[path = "support.rs"]
mod support;
