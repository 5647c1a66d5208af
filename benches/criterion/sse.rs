//! Event streams, read and written. What each row includes stands in `sockeye_benches::rows`.

use criterion::{Criterion, criterion_group, criterion_main};

fn sse(criterion: &mut Criterion) {
    support::bench(criterion, "sse");
}

criterion_group!(benches, sse);
criterion_main!(benches);

#[path = "support.rs"]
mod support;
