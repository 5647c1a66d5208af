//! The XOR alone. What each row includes stands in `sockeye_benches::rows`.

use criterion::{Criterion, criterion_group, criterion_main};

fn masking(criterion: &mut Criterion) {
    support::bench(criterion, "masking");
}

criterion_group!(benches, masking);
criterion_main!(benches);

#[path = "support.rs"]
mod support;
