//! Text checked. What each row includes stands in `sockeye_benches::rows`.

use criterion::{Criterion, criterion_group, criterion_main};

fn utf8(criterion: &mut Criterion) {
    support::bench(criterion, "utf8");
}

criterion_group!(benches, utf8);
criterion_main!(benches);

#[path = "support.rs"]
mod support;
